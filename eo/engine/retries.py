"""What is tried again, when, and beside what: one queue of work for every engine.

Four kinds of fault. *network*: a server that does not answer; tried again after growing waits.
*memory* and *lost* (its worker died, or nothing came back from it): perhaps the unit's own doing,
perhaps its neighbours'; tried again alone, once everything else is done, so that a unit that
kills its worker takes no other down with it. *input* and whatever else is raised: the same would
come of it again, so it is not tried again.
"""

from __future__ import annotations

import errno
import heapq
import itertools
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from eo.core.errors import EngineError, EoError, NetworkError
from eo.core.seams import Outcome

__all__ = ["LostUnitError", "Retries", "Ticket", "WorkQueue", "kind_of"]

Item = TypeVar("Item")
Value = TypeVar("Value")

_MAY_PASS = frozenset(
    {
        errno.ECONNABORTED,
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.EHOSTUNREACH,
        errno.EIO,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.EPIPE,
        errno.ESTALE,
        errno.ETIMEDOUT,
    }
)


class LostUnitError(EngineError):
    """The unit's worker died, or was cut off, each time it was tried."""

    kind = "lost"
    exit_code = 3


def kind_of(error: BaseException) -> str:
    """Return ``network``, ``memory``, ``lost``, ``input`` or ``fault`` (nobody's on purpose)."""
    if isinstance(error, LostUnitError):
        return "lost"
    if isinstance(error, NetworkError):
        return "network"
    if isinstance(error, EoError):
        return "input"
    # cupy's has a name of its own; it is no MemoryError in every version.
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return "memory"
    if isinstance(error, ConnectionError | TimeoutError):
        return "network"
    if isinstance(error, OSError):
        # requests' errors are OSErrors without a number.
        if error.errno in _MAY_PASS or type(error).__module__.startswith(("requests", "urllib3")):
            return "network"
        return "memory" if error.errno == errno.ENOMEM else "fault"
    return "fault"


@dataclass(frozen=True, kw_only=True)
class Retries:
    """How often and when a unit is tried again."""

    tries: int = 3
    """Attempts in all, where the network is at fault."""
    first_wait_s: float = 1.0
    """Wait after the first attempt."""
    factor: float = 4.0
    """Each wait is so many times the one before."""
    alone: int = 1
    """Attempts alone, where the worker died or memory ran out."""

    def wait_s(self, attempt: int) -> float:
        """Return the wait after a number of attempts."""
        return self.first_wait_s * self.factor ** (attempt - 1)


@dataclass(frozen=True, kw_only=True)
class Ticket(Generic[Item]):
    """One attempt at one item."""

    item: Item
    """The item."""
    attempt: int = 1
    """Which attempt this is."""
    alone: bool = False
    """Nothing else may run meanwhile."""
    solo: int = 0
    """How often it was tried alone, this time included."""


class WorkQueue(Generic[Item]):
    """Items not yet drawn, those that wait to be tried again, and those tried alone at the end.

    Parameters
    ----------
    items
        Drawn one at a time, when there is room.
    retries
        How often and when a unit is tried again.
    """

    def __init__(self, items: Iterable[Item], retries: Retries | None = None) -> None:
        self._items = iter(items)
        self._retries = retries or Retries()
        self._later: list[tuple[float, int, Ticket[Item]]] = []
        self._suspects: deque[Ticket[Item]] = deque()
        self._order = itertools.count()
        self._drawn = False

    def take(self, now: float, *, idle: bool) -> Ticket[Item] | None:
        """Return what may start now; None if nothing may.

        Parameters
        ----------
        now
            Time on a steady clock, seconds.
        idle
            Whether nothing is under way.
        """
        if self._later and self._later[0][0] <= now:
            return heapq.heappop(self._later)[2]
        for item in self._items:
            return Ticket(item=item)
        self._drawn = True
        if idle and not self._later and self._suspects:
            return self._suspects.popleft()
        return None

    def wait_s(self, now: float) -> float | None:
        """Return the seconds until something may start by itself; None if nothing will."""
        return max(0.0, self._later[0][0] - now) if self._later else None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left to start."""
        return self._drawn and not self._later and not self._suspects

    def settle(
        self, ticket: Ticket[Item], outcome: Outcome[Item, Value], now: float
    ) -> Outcome[Item, Value] | None:
        """Return the outcome if it stands; None if the item is tried again."""
        error = outcome.error
        kind = kind_of(error) if error is not None else ""
        again = replace(ticket, attempt=ticket.attempt + 1)
        if kind == "network" and ticket.attempt < self._retries.tries:
            due = now + self._retries.wait_s(ticket.attempt)
            heapq.heappush(self._later, (due, next(self._order), again))
            return None
        if kind in {"memory", "lost"} and ticket.solo < self._retries.alone:
            self._suspects.append(replace(again, alone=True, solo=ticket.solo + 1))
            return None
        return replace(outcome, attempts=ticket.attempt)
