"""The engine on a Dask scheduler, wherever its workers are.

Only records travel: a unit's pixels stay on the worker and its part goes to the output folder.
Items are submitted one future each, a bounded number at a time, so that no graph ever grows
with the campaign.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from eo.core.errors import EngineError, EngineLostError
from eo.core.redaction import redacted
from eo.core.seams import Needs, Outcome
from eo.engine.capabilities import check_workers
from eo.engine.local import attempt
from eo.engine.retries import LostUnitError, Retries, Ticket, WorkQueue

__all__ = ["DaskEngine"]

Item = TypeVar("Item")
Value = TypeVar("Value")

_log = logging.getLogger("eo.engine")

_WATCH_S = 5.0
"""How often the scheduler is looked at while nothing comes back."""
_PATIENCE_S = 120.0
"""How long all workers may be away before the run stops."""


class DaskEngine:
    """Runs units as futures of a Dask client.

    Parameters
    ----------
    name
        What to call it in run.json.
    client
        Connected client.
    on_close
        Ends the workers, if they are ours.
    retries
        How often and when a unit is tried again.
    patience_s
        How long all workers may be away before the run stops.
    """

    def __init__(
        self,
        name: str,
        client: Any,
        *,
        on_close: Callable[[], object] | None = None,
        retries: Retries | None = None,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        self.name = redacted(name)
        self._client, self._on_close = client, on_close
        self._retries, self._patience_s = retries, patience_s
        self._able: list[str] | None = None
        if client.dashboard_link:
            _log.info("Dask dashboard: %s", client.dashboard_link)

    def check(self, needs: Needs) -> None:
        """Refuse what the workers cannot do, before anything is submitted.

        Raises
        ------
        EngineError
            If none of them can: no GPU, other versions, no view of the output, too little memory.
        """
        self._able = check_workers(self._client, needs)

    def register(self, plugin: Any) -> None:
        """Have each worker, those to come included, set up a plugin."""
        self._client.register_plugin(plugin)

    def map(
        self,
        unit: Callable[[Item], Value],
        items: Iterable[Item],
        *,
        in_flight: int | None = None,
    ) -> Iterator[Outcome[Item, Value]]:
        """Yield an outcome for every item, as they come, at most `in_flight` under way.

        Raises
        ------
        EngineLostError
            If the scheduler goes away, or all workers do for longer than patience lasts.
        """
        limit = in_flight or 2 * max(1, sum(self._client.nthreads().values()))
        work = WorkQueue(items, self._retries)
        pending: dict[Any, Ticket[Item]] = {}
        done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        watch = _Watch(self._client, self._patience_s)
        try:
            while True:
                while len(pending) < limit and not any(t.alone for t in pending.values()):
                    ticket = work.take(time.monotonic(), idle=not pending)
                    if ticket is None:
                        break
                    pending[self._submit(unit, ticket, done)] = ticket
                waited_s = work.wait_s(time.monotonic())
                if not pending:
                    if work.is_empty:
                        return
                    time.sleep(waited_s or 0.0)
                    continue
                try:
                    future = done.get(timeout=min(_WATCH_S, waited_s or _WATCH_S))
                except queue.Empty:
                    watch.look()
                    continue
                watch.came()
                if future.status in {"lost", "pending"}:
                    # It was done, but its worker died with the result: Dask does it again.
                    future.add_done_callback(done.put)
                    continue
                outcome = _outcome(future, pending[future].item)
                settled = work.settle(pending.pop(future), outcome, time.monotonic())
                future.release()
                if settled is not None:
                    yield settled
        finally:
            for future in pending:
                with contextlib.suppress(Exception):
                    future.cancel()

    def _submit(
        self, unit: Callable[[Item], Value], ticket: Ticket[Item], done: queue.SimpleQueue[Any]
    ) -> Any:
        try:
            future = self._client.submit(
                attempt, unit, ticket.item, pure=False, retries=0, workers=self._able
            )
        except Exception as error:
            raise _lost(error) from error
        future.add_done_callback(done.put)
        return future

    def close(self) -> None:
        """Disconnect, and end the workers if they are ours."""
        # A scheduler that is gone cannot be told; what is left then ends by itself.
        with contextlib.suppress(Exception):
            self._client.close(timeout=10)
        if self._on_close is not None:
            with contextlib.suppress(Exception):
                self._on_close()


class _Watch:
    """Looks after a cluster from which nothing comes back."""

    def __init__(self, client: Any, patience_s: float) -> None:
        self._client, self._patience_s = client, patience_s
        self._alone_since: float | None = None

    def came(self) -> None:
        """Something came back."""
        self._alone_since = None

    def look(self) -> None:
        """Raise if the scheduler is gone, or all workers have been for too long."""
        try:
            workers = len(self._client.nthreads())
        except Exception as error:
            raise _lost(error) from error
        now = time.monotonic()
        if workers:
            self._alone_since = None
            return
        if self._alone_since is None:
            _log.warning("no worker is left; waiting %.0f s for others", self._patience_s)
            self._alone_since = now
        if now - self._alone_since > self._patience_s:
            raise EngineLostError(
                f"all workers have been gone for {self._patience_s:.0f} s; what is done is kept: "
                "start workers, and run the same command again"
            )


def _lost(error: Exception) -> EngineLostError:
    return EngineLostError(
        f"the Dask scheduler does not answer any more ({type(error).__name__}); what is done is "
        "kept: run the same command again"
    )


def _outcome(future: Any, item: Item) -> Outcome[Item, Any]:
    """Return what a finished future holds.

    Raises
    ------
    EngineLostError
        If it was cancelled: nobody does that but a client that lost its scheduler.
    """
    from dask.distributed import CancelledError, KilledWorker

    if future.status == "cancelled":
        raise _lost(CancelledError())
    if future.status == "finished":
        # The worker's copy of the item is left behind: the client has it.
        result = future.result()
        return Outcome(item=item, value=result.value, error=result.error)
    error = future.exception()
    if isinstance(error, KilledWorker):
        error = LostUnitError(
            "its worker died each time it was tried (memory, or a fault in a library): give "
            "workers more memory, then `eo retry`"
        )
    elif not isinstance(error, Exception):
        error = EngineError(f"the worker gave no result: {error}")
    return Outcome(item=item, error=error)
