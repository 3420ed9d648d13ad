"""What workers can do, asked of each before anything is submitted.

Dask itself would wait for ever for a GPU that no worker has, run other versions of a package on
some of the workers, or write parts where nobody looks for them.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import logging
import platform
import queue
import time
from dataclasses import dataclass
from typing import Any

from eo.access.files import open_files
from eo.access.probes import leave_probe, probe_fault, take_probe
from eo.core.errors import EngineError
from eo.core.seams import Needs
from eo.core.xp import gpu_count
from eo.engine.memory import gib

__all__ = ["Ability", "check_workers", "probe_worker", "versions"]

_log = logging.getLogger("eo.engine")

_ANSWER_S = 60.0
"""How long a worker may take to say what it can do."""
_USABLE = 0.9
"""Share of its limit that a worker may fill: above, Dask pauses it, then ends it."""


@dataclass(frozen=True, kw_only=True)
class Ability:
    """What one worker says of itself."""

    versions: dict[str, str]
    """Of what decides results, and of what carries them."""
    gpus: int
    """CUDA devices that it can use."""
    gpu_bytes: int
    """Memory of its first one; 0 where there is none."""
    output: str | None
    """Why it cannot use the run's folder; None if it can."""


def versions() -> dict[str, str]:
    """Return the versions that must agree: minor ones of Python and NumPy, else whole ones."""
    python, numpy = platform.python_version(), importlib.metadata.version("numpy")
    return {
        "python": ".".join(python.split(".")[:2]),
        "numpy": ".".join(numpy.split(".")[:2]),
        "dask": importlib.metadata.version("dask"),
        "eo": importlib.metadata.version("eo-freeboard"),
    }


def probe_worker(output: str | None, probe: str | None) -> Ability:
    """Say what this process can do; `probe` names what the client left in the run's folder."""
    fault = None
    if output is not None and probe is not None:
        fault = probe_fault(output, probe)
    return Ability(versions=versions(), gpus=gpu_count(), gpu_bytes=_gpu_bytes(), output=fault)


def _gpu_bytes() -> int:
    if not gpu_count():
        return 0
    import cupy

    return int(cupy.cuda.runtime.memGetInfo()[1])


def check_workers(client: Any, needs: Needs) -> list[str] | None:
    """Return the workers that can do the work; None if all can, those to come included.

    Raises
    ------
    EngineError
        If none can; it says why.
    """
    known = client.scheduler_info(n_workers=-1)["workers"]
    if not known:
        raise EngineError("the Dask scheduler has no workers: start some first")
    files = open_files(needs.output) if needs.output is not None else None
    probe = leave_probe(files) if files is not None else None
    try:
        said = _ask(client, list(known), needs.output, probe)
    finally:
        if files is not None and probe is not None:
            take_probe(files, probe)
    faults = {
        worker: fault
        for worker, ability in said.items()
        if (fault := _fault(ability, needs, known[worker])) is not None
    }
    able = [worker for worker in known if worker not in faults]
    if not able:
        raise EngineError(_refusal(faults))
    for worker, fault in sorted(faults.items()):
        _log.warning("worker %s is left out: %s", worker, fault)
    return able if faults else None


def _refusal(faults: dict[str, str]) -> str:
    by_fault: dict[str, int] = {}
    for fault in faults.values():
        by_fault[fault] = by_fault.get(fault, 0) + 1
    parts = [f"{fault} ({count} of {len(faults)} workers)" for fault, count in by_fault.items()]
    return f"no worker can do this work: {'; '.join(sorted(parts))}"


def _ask(
    client: Any, workers: list[str], output: str | None, probe: str | None
) -> dict[str, Ability | str]:
    """Return what each worker answers, or why it gives no answer."""
    asked = {
        worker: client.submit(
            probe_worker, output, probe, workers=[worker], allow_other_workers=False, pure=False,
            retries=0,
        )
        for worker in workers
    }  # fmt: skip
    done: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for future in asked.values():
        future.add_done_callback(done.put)
    until = time.monotonic() + _ANSWER_S
    with contextlib.suppress(queue.Empty):
        for _ in asked:
            done.get(timeout=max(0.0, until - time.monotonic()))
    said: dict[str, Ability | str] = {}
    for worker, future in asked.items():
        if future.status == "finished":
            said[worker] = future.result()
        elif future.status == "error":
            said[worker] = _no_answer(future.exception())
        else:
            said[worker] = f"it did not answer within {_ANSWER_S:.0f} s"
            future.cancel()
    return said


def _no_answer(error: BaseException) -> str:
    if isinstance(error, ImportError):
        return f"eo is not installed there, or another version of it ({error})"
    return f"it cannot say what it can do ({type(error).__name__}: {error})"


def _fault(ability: Ability | str, needs: Needs, facts: dict[str, Any]) -> str | None:
    """Return why a worker cannot do the work; None if it can."""
    if isinstance(ability, str):
        return ability
    here = versions()
    other = [
        f"{name} {ability.versions.get(name, 'none')} there, {version} here"
        for name, version in here.items()
        if ability.versions.get(name) != version
    ]
    if other:
        return f"versions differ: {', '.join(other)}; install the same on both"
    if ability.output is not None:
        return f"{ability.output}; use a folder that client and workers share"
    if needs.device == "gpu" and not ability.gpus:
        return "it has no GPU, and --device gpu was asked for"
    threads = max(1, int(facts.get("nthreads") or 1))
    limit = int(facts.get("memory_limit") or 0)
    if limit and needs.host_bytes * threads > _USABLE * limit:
        return (
            f"one unit needs about {gib(needs.host_bytes)} and it runs {threads} at a time, but "
            f"it may use {gib(limit)}: give workers more memory or fewer threads"
        )
    on_gpu = needs.device == "gpu" or (needs.device == "auto" and ability.gpus)
    if on_gpu and ability.gpu_bytes and needs.gpu_bytes * threads > _USABLE * ability.gpu_bytes:
        return (
            f"one unit needs about {gib(needs.gpu_bytes)} of GPU memory, its GPU has "
            f"{gib(ability.gpu_bytes)}"
        )
    return None
