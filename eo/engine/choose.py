"""An engine by its name."""

from __future__ import annotations

from eo.core.errors import EngineError
from eo.core.seams import Engine
from eo.engine.local import SerialEngine, ThreadEngine

__all__ = ["open_engine"]


def open_engine(name: str, *, workers: int | None = None) -> Engine:
    """Return the engine called `name`; close it when done.

    Parameters
    ----------
    name
        ``threads``, ``serial``, ``processes``, ``cuda``, or the ``tcp://`` or ``tls://`` address
        of a running Dask scheduler.
    workers
        Threads or processes; by default one per core.

    Raises
    ------
    EngineError
        If the name is unknown or the engine cannot be had here.
    """
    if name == "threads":
        return ThreadEngine(workers)
    if name == "serial":
        return SerialEngine()
    if name in {"processes", "cuda"} or name.startswith(("tcp://", "tls://")):
        from eo.engine import cluster

        if name == "processes":
            return cluster.processes_engine(workers)
        return cluster.cuda_engine() if name == "cuda" else cluster.scheduler_engine(name)
    raise EngineError(
        f"engine {name!r} is unknown; use threads, serial, processes, cuda or tcp://HOST:PORT"
    )
