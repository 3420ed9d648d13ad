"""An engine by its name."""

from __future__ import annotations

import difflib

from eo.core.errors import EngineError
from eo.core.seams import Engine
from eo.engine.local import SerialEngine, ThreadEngine

__all__ = ["ENGINES", "open_engine"]

ENGINES = (
    "threads",
    "serial",
    "processes",
    "cuda",
    "tcp://HOST:PORT",
    "tls://HOST:PORT",
    "gateway[://HOST[/CLUSTER]]",
    "kubecluster[://NAMESPACE/NAME]",
)
"""Names that :func:`open_engine` knows."""


def open_engine(name: str, *, workers: int | None = None) -> Engine:
    """Return the engine called `name`; close it when done.

    Parameters
    ----------
    name
        One of ENGINES.
    workers
        Threads, processes, or workers of a new cluster; by default one per core here.

    Raises
    ------
    EngineError
        If the name is unknown or the engine cannot be had here.
    """
    kind = name.partition("://")[0]
    if kind == "threads":
        return ThreadEngine(workers)
    if kind == "serial":
        return SerialEngine()
    if kind in {"processes", "cuda"}:
        from eo.engine import own

        return own.cuda_engine() if kind == "cuda" else own.processes_engine(workers)
    if kind in {"gateway", "gateway+http", "kubecluster"} or name.startswith(("tcp://", "tls://")):
        from eo.engine import remote

        if kind == "kubecluster":
            return remote.kubecluster_engine(name, workers)
        if kind in {"tcp", "tls"}:
            return remote.scheduler_engine(name)
        return remote.gateway_engine(name, workers)
    plain = [known.partition("[")[0].partition("://")[0] for known in ENGINES]
    near = difflib.get_close_matches(kind, plain, n=1, cutoff=0.6)
    meant = f"; did you mean {near[0]!r}?" if near else "."
    raise EngineError(f"engine {name!r} is unknown{meant} Known: {', '.join(ENGINES)}")
