"""Engines that are Dask schedulers: local processes, local GPUs, or a running cluster.

Only records travel: a unit's pixels stay on the worker and its part goes to the output folder.
Items are submitted one future each, a bounded number at a time, so that no graph ever grows
with the campaign.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from eo.core.errors import EngineError
from eo.core.seams import Outcome
from eo.core.xp import gpu_count
from eo.engine.local import attempt, worker_count

__all__ = ["DaskEngine", "cuda_engine", "processes_engine", "scheduler_engine"]

Item = TypeVar("Item")
Value = TypeVar("Value")

_log = logging.getLogger("eo.engine")


class DaskEngine:
    """Runs units as futures of a Dask client."""

    def __init__(self, name: str, client: Any, *, cluster: Any = None) -> None:
        self.name = name
        self._client, self._cluster = client, cluster
        if client.dashboard_link:
            _log.info("Dask dashboard: %s", client.dashboard_link)

    def map(
        self,
        unit: Callable[[Item], Value],
        items: Iterable[Item],
        *,
        in_flight: int | None = None,
    ) -> Iterator[Outcome[Item, Value]]:
        """Yield an outcome for every item, as they come, at most `in_flight` under way."""
        from dask.distributed import as_completed

        threads = sum(self._client.nthreads().values())
        limit = in_flight or 2 * max(1, threads)
        queue = iter(items)
        waiting: dict[Any, Item] = {}
        done = as_completed(loop=self._client.loop)

        def submit_next() -> bool:
            for item in queue:
                future = self._client.submit(attempt, unit, item, pure=False, retries=0)
                waiting[future] = item
                done.add(future)
                return True
            return False

        for _ in range(limit):
            if not submit_next():
                break
        while waiting:
            future = next(done)
            item = waiting.pop(future)
            error = future.exception() if future.status != "finished" else None
            # The worker's copy of the item is left behind: the client has it.
            result = future.result() if error is None else None
            future.release()
            submit_next()
            if result is None:
                yield Outcome(item=item, error=_as_exception(error))
            else:
                yield Outcome(item=item, value=result.value, error=result.error)

    def close(self) -> None:
        """Disconnect, and end the workers if they are ours."""
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()


def _as_exception(error: Any) -> Exception:
    if isinstance(error, Exception):
        return error
    return EngineError(f"the worker gave no result: {error}")


def _worker_environment() -> None:
    """One thread per worker: GDAL and BLAS must not start their own."""
    for key in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(key, "1")


def processes_engine(workers: int | None = None) -> DaskEngine:
    """Return an engine of local worker processes, one thread each.

    Raises
    ------
    EngineError
        If they cannot be started.
    """
    from dask.distributed import Client, LocalCluster

    _worker_environment()
    try:
        cluster = LocalCluster(
            n_workers=workers or worker_count(),
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=":0",
        )
        return DaskEngine("processes", Client(cluster), cluster=cluster)
    except (OSError, RuntimeError, TimeoutError) as error:
        raise EngineError(
            f"local worker processes cannot be started: {error}; use --engine threads"
        ) from error


def cuda_engine() -> DaskEngine:
    """Return an engine of one local worker process per GPU.

    Raises
    ------
    EngineError
        If no GPU can be used here.
    """
    count = gpu_count()
    if not count:
        raise EngineError(
            "engine 'cuda' was asked for, but no CUDA device can be used here: install the extra "
            "'gpu' on a machine with an NVIDIA driver, or use --engine threads"
        )
    from dask.distributed import Client

    try:
        from dask_cuda import LocalCUDACluster
    except ImportError:
        if count > 1:
            _log.warning("%d GPUs, but dask-cuda is not installed: one of them is used", count)
        from dask.distributed import LocalCluster

        cluster = LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0")
    else:
        cluster = LocalCUDACluster(dashboard_address=":0")
    return DaskEngine("cuda", Client(cluster), cluster=cluster)


def scheduler_engine(address: str) -> DaskEngine:
    """Return an engine on a running Dask scheduler (``tcp://host:port``).

    Raises
    ------
    EngineError
        If it cannot be reached or has no workers.
    """
    from dask.distributed import Client

    try:
        client = Client(address, timeout=20, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise EngineError(
            f"no Dask scheduler answers at {address}: {error}; "
            "is it running, and is the port right?"
        ) from error
    if not client.nthreads():
        client.close()
        raise EngineError(f"the Dask scheduler at {address} has no workers: start some first")
    return DaskEngine(address, client)
