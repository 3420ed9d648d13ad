"""Dask clusters of this machine, started for one run: processes, and one worker per GPU.

They listen on loopback alone, and with certificates made for the run where that is possible:
whoever reaches a scheduler may run code on its workers, other users of this machine included.
"""

from __future__ import annotations

import importlib.util
import logging
import os
from typing import Any

from eo.core.errors import EngineError
from eo.core.xp import gpu_count
from eo.engine.cluster import DaskEngine
from eo.engine.local import worker_count

__all__ = ["cuda_engine", "own_security", "processes_engine"]

_log = logging.getLogger("eo.engine")

_HOST = "127.0.0.1"
_DASHBOARD = f"{_HOST}:0"
_DEATHS = 1
"""A unit whose worker died more often than this is looked at alone."""


def _one_thread_each() -> None:
    """One thread per worker: GDAL and BLAS must not start their own."""
    for key in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(key, "1")


def own_security() -> Any | None:
    """Return temporary certificates for a cluster of our own; None where none can be made."""
    from distributed.security import Security

    try:
        return Security.temporary()
    except ImportError:  # the package cryptography is absent
        _log.info("no certificates for local workers (cryptography is not installed): plain TCP")
        return None


def _connected(name: str, cluster: Any) -> DaskEngine:
    from dask.distributed import Client

    client = Client(cluster, set_as_default=False, security=cluster.security)
    return DaskEngine(name, client, on_close=cluster.close)


def processes_engine(workers: int | None = None) -> DaskEngine:
    """Return an engine of local worker processes, one thread each.

    Raises
    ------
    EngineError
        If they cannot be started.
    """
    import dask
    from dask.distributed import LocalCluster

    _one_thread_each()
    security = own_security()
    try:
        with dask.config.set({"distributed.scheduler.allowed-failures": _DEATHS}):
            cluster = LocalCluster(
                n_workers=workers or worker_count(),
                threads_per_worker=1,
                processes=True,
                host=_HOST,
                protocol="tls://" if security else "tcp://",
                security=security,
                dashboard_address=_DASHBOARD,
            )
        return _connected("processes", cluster)
    except (OSError, RuntimeError, TimeoutError) as error:
        raise EngineError(
            f"local worker processes cannot be started: {error}; use --engine threads"
        ) from error


def cuda_engine() -> DaskEngine:
    """Return an engine of one local worker process per GPU.

    With dask-cuda each worker sits beside its GPU (CPU affinity) and spills from GPU to host
    memory; where RMM is there too it takes CuPy's memory from a pool.

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
    _one_thread_each()
    try:
        from dask_cuda import LocalCUDACluster
    except ImportError:
        cluster = _worker_per_gpu(count)
    else:
        cluster = LocalCUDACluster(**_cuda_options(), host=_HOST, dashboard_address=_DASHBOARD)
    engine = _connected("cuda", cluster)
    if _has_rmm():
        from eo.engine.gpu_pool import CupyPool

        engine.register(CupyPool())
    return engine


def _has_rmm() -> bool:
    return importlib.util.find_spec("rmm") is not None


def _cuda_options() -> dict[str, Any]:
    """Return options of LocalCUDACluster: a pool where RMM is installed."""
    options: dict[str, Any] = {"threads_per_worker": 1, "device_memory_limit": 0.8}
    if _has_rmm():
        options["rmm_pool_size"] = 0.5
        options["rmm_maximum_pool_size"] = 0.9
    return options


def _worker_per_gpu(count: int) -> Any:
    """Return a cluster of one process per GPU, each of which sees its own alone."""
    import dask
    from dask.distributed import Nanny, Scheduler, SpecCluster

    visible = [v for v in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if v.strip()]
    devices = visible or [str(k) for k in range(count)]
    security = own_security()
    protocol = "tls://" if security else "tcp://"
    with dask.config.set({"distributed.scheduler.allowed-failures": _DEATHS}):
        return SpecCluster(
            workers={
                k: {
                    "cls": Nanny,
                    "options": {
                        "nthreads": 1,
                        "host": _HOST,
                        "protocol": protocol,
                        "security": security,
                        "env": {"CUDA_VISIBLE_DEVICES": device},
                        "dashboard": False,
                    },
                }
                for k, device in enumerate(devices[:count])
            },
            scheduler={
                "cls": Scheduler,
                "options": {
                    "host": _HOST,
                    "protocol": protocol,
                    "security": security,
                    "dashboard_address": _DASHBOARD,
                },
            },
            security=security,
        )
