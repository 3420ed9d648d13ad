"""Engines of one process: serial, for tests and for debugging, and threads.

Rasters, Zarr and NumPy release the interpreter's lock, so threads use all cores without
copying a pixel between processes. At most `in_flight` items are under way at any time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TypeVar

from eo.core.errors import EngineError
from eo.core.seams import Needs, Outcome
from eo.core.xp import resolve_device
from eo.engine.memory import gib, memory_limit_bytes
from eo.engine.retries import Retries, Ticket, WorkQueue

__all__ = ["SerialEngine", "ThreadEngine", "attempt", "worker_count"]

Item = TypeVar("Item")
Value = TypeVar("Value")


_QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""Microseconds of processor time a period, and the period; "max" for no limit."""


def worker_count() -> int:
    """Return the number of cores this process may use: those it may run on, within its quota."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = _QUOTA.read_text(encoding="ascii").split()
        return max(1, min(here, round(int(quota) / int(period))))
    except (OSError, ValueError):  # no container, or one without a limit
        return here


def attempt(unit: Callable[[Item], Value], item: Item) -> Outcome[Item, Value]:
    """Run a unit on one item; a failure becomes the outcome's error."""
    try:
        return Outcome(item=item, value=unit(item))
    except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to this item alone
        return Outcome(item=item, error=error)


def _check_here(needs: Needs) -> None:
    """Refuse what this process cannot do."""
    if needs.device != "auto":
        resolve_device(needs.device)
    limit = memory_limit_bytes()
    if limit is not None and needs.host_bytes > limit:
        raise EngineError(
            f"one unit needs about {gib(needs.host_bytes)} of memory, this process may use "
            f"{gib(limit)}: raise its limit, or run on a cluster with larger workers"
        )


class SerialEngine:
    """One item after the other, in this thread.

    Parameters
    ----------
    retries
        How often and when a unit is tried again.
    """

    name = "serial"

    def __init__(self, *, retries: Retries | None = None) -> None:
        self._retries = retries

    def check(self, needs: Needs) -> None:
        """Refuse what this process cannot do.

        Raises
        ------
        DeviceError, EngineError
            If there is no GPU that was asked for, or too little memory.
        """
        _check_here(needs)

    def map(
        self,
        unit: Callable[[Item], Value],
        items: Iterable[Item],
        *,
        in_flight: int | None = None,  # noqa: ARG002 - one at a time by nature
    ) -> Iterator[Outcome[Item, Value]]:
        """Yield an outcome for every item, in order; those tried again come later."""
        queue = WorkQueue(items, self._retries)
        while True:
            ticket = queue.take(time.monotonic(), idle=True)
            if ticket is None:
                if queue.is_empty:
                    return
                time.sleep(queue.wait_s(time.monotonic()) or 0.0)
                continue
            outcome = queue.settle(ticket, attempt(unit, ticket.item), time.monotonic())
            if outcome is not None:
                yield outcome

    def close(self) -> None:
        """Nothing to release."""


class ThreadEngine:
    """A pool of threads.

    Parameters
    ----------
    workers
        Number of threads; by default one per core.
    retries
        How often and when a unit is tried again.
    """

    name = "threads"

    def __init__(self, workers: int | None = None, *, retries: Retries | None = None) -> None:
        self._workers = workers or worker_count()
        self._retries = retries
        self._most = self._workers
        self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="eo")

    def check(self, needs: Needs) -> None:
        """Refuse what this process cannot do; run fewer units at once where memory is short.

        Raises
        ------
        DeviceError, EngineError
            If there is no GPU that was asked for, or too little memory for one unit.
        """
        _check_here(needs)
        limit = memory_limit_bytes()
        if limit is not None and needs.host_bytes:
            self._most = max(1, min(self._workers, limit // needs.host_bytes))

    def map(
        self,
        unit: Callable[[Item], Value],
        items: Iterable[Item],
        *,
        in_flight: int | None = None,
    ) -> Iterator[Outcome[Item, Value]]:
        """Yield an outcome for every item, as they come, at most `in_flight` under way."""
        # One more than can run waits in the pool, so that no thread waits for this one.
        limit = in_flight or (self._most + 1 if self._most == self._workers else self._most)
        queue = WorkQueue(items, self._retries)
        pending: dict[Future[Outcome[Item, Value]], Ticket[Item]] = {}
        try:
            while True:
                while len(pending) < limit and not any(t.alone for t in pending.values()):
                    ticket = queue.take(time.monotonic(), idle=not pending)
                    if ticket is None:
                        break
                    pending[self._pool.submit(attempt, unit, ticket.item)] = ticket
                waited_s = queue.wait_s(time.monotonic())
                if not pending:
                    if queue.is_empty:
                        return
                    time.sleep(waited_s or 0.0)
                    continue
                done, _ = wait(pending, timeout=waited_s, return_when=FIRST_COMPLETED)
                for future in done:
                    settled = queue.settle(pending.pop(future), future.result(), time.monotonic())
                    if settled is not None:
                        yield settled
        finally:
            for future in pending:
                future.cancel()

    def close(self) -> None:
        """Wait for what is under way and end the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)
