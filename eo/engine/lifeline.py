"""Signs of life and a clean end: what a container's runtime asks of the process in it."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Self

__all__ = ["Ending", "Heartbeat"]

_log = logging.getLogger("eo.worker")


class Heartbeat:
    """A file whose time of change says that work goes on.

    It is touched by a thread, as long as something was done within the limit: a unit that hangs
    for longer stops the heart, and the container's liveness probe ends the process.

    Parameters
    ----------
    path
        The file; None: no heartbeat is kept.
    limit_s
        Longest time between two calls of :meth:`beat` [s].
    every_s
        Time between touches [s].
    """

    def __init__(
        self, path: str | Path | None, *, limit_s: float = 1800.0, every_s: float = 15.0
    ) -> None:
        self._path = Path(path) if path else None
        self._limit_s, self._every_s = limit_s, every_s
        self._last = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="eo-heartbeat", daemon=True)

    def __enter__(self) -> Self:
        if self._path is not None:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def beat(self) -> None:
        """Say that something was done."""
        self._last = time.monotonic()

    def _run(self) -> None:
        if self._path is None:
            return
        while time.monotonic() - self._last < self._limit_s:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.touch()
            if self._over.wait(self._every_s):
                return
        _log.error("nothing was done for %.0f s: the heartbeat stops", self._limit_s)


class Ending:
    """SIGTERM: start nothing more, and be gone within the grace period.

    Parameters
    ----------
    grace_s
        Time that units under way get to finish [s]; what is not done by then is abandoned, its
        part unwritten, and the process leaves with exit code 1.
    """

    def __init__(self, grace_s: float) -> None:
        self._grace_s = grace_s
        self._asked = threading.Event()

    def __enter__(self) -> Self:
        signal.signal(signal.SIGTERM, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def asked(self) -> bool:
        """Whether the end was asked for."""
        return self._asked.is_set()

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self._asked.set()
        timer = threading.Timer(self._grace_s, os._exit, args=(1,))
        timer.daemon = True
        timer.start()
