"""Engines of one process: serial, for tests and for debugging, and threads.

Rasters, Zarr and NumPy release the interpreter's lock, so threads use all cores without
copying a pixel between processes. At most `in_flight` items are under way at any time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from eo.core.seams import Outcome

__all__ = ["SerialEngine", "ThreadEngine", "attempt", "worker_count"]

Item = TypeVar("Item")
Value = TypeVar("Value")


def worker_count() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def attempt(unit: Callable[[Item], Value], item: Item) -> Outcome[Item, Value]:
    """Run a unit on one item; a failure becomes the outcome's error."""
    try:
        return Outcome(item=item, value=unit(item))
    except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to this item alone
        return Outcome(item=item, error=error)


class SerialEngine:
    """One item after the other, in this thread."""

    name = "serial"

    def map(
        self,
        unit: Callable[[Item], Value],
        items: Iterable[Item],
        *,
        in_flight: int | None = None,  # noqa: ARG002 - one at a time by nature
    ) -> Iterator[Outcome[Item, Value]]:
        """Yield an outcome for every item, in order."""
        for item in items:
            yield attempt(unit, item)

    def close(self) -> None:
        """Nothing to release."""


class ThreadEngine:
    """A pool of threads.

    Parameters
    ----------
    workers
        Number of threads; by default one per core.
    """

    name = "threads"

    def __init__(self, workers: int | None = None) -> None:
        self._workers = workers or worker_count()
        self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="eo")

    def map(
        self,
        unit: Callable[[Item], Value],
        items: Iterable[Item],
        *,
        in_flight: int | None = None,
    ) -> Iterator[Outcome[Item, Value]]:
        """Yield an outcome for every item, as they come, at most `in_flight` under way."""
        limit = in_flight or self._workers + 1
        queue = iter(items)
        pending: set[Future[Outcome[Item, Value]]] = set()
        exhausted = False
        try:
            while True:
                while not exhausted and len(pending) < limit:
                    try:
                        item = next(queue)
                    except StopIteration:
                        exhausted = True
                        break
                    pending.add(self._pool.submit(attempt, unit, item))
                if not pending:
                    return
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        finally:
            for future in pending:
                future.cancel()

    def close(self) -> None:
        """Wait for what is under way and end the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)
