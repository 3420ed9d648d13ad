"""A worker of the nightly run: one index of a phase's list of work, or one step, then over.

It is what the containers of Kubernetes Jobs run, and runs as well anywhere else that sees the
run's folder. What it was about to do when it was killed is done again by its next attempt: a part
is whole or absent.

Exit codes: 0, every unit left its part or its failure is on record; 1, stopped, or the store or
device failed, so try again; 2, the command or the list of work is wrong, so do not.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from eo import flow, units
from eo.access.files import Files, open_files
from eo.access.fleet import read_fleet
from eo.access.folder import RunFolder
from eo.access.parts import open_parts
from eo.access.publishing import settle
from eo.core.config import Campaign
from eo.core.errors import CampaignError, DeviceError, OutputError
from eo.core.records import Scene, from_json, to_json
from eo.core.seams import Engine
from eo.core.work import IngestItem, MeasureItem, ReferenceItem
from eo.core.xp import resolve_device
from eo.engine.k8s_work import (
    Failure,
    RecordedEngine,
    lost_unit,
    read_index,
    write_failures,
)
from eo.engine.local import SerialEngine, ThreadEngine
from eo.engine.plan import needs_of
from eo.session import Found, Session, open_session

__all__ = [
    "PHASES",
    "STEPS",
    "Saved",
    "found_before",
    "load_session",
    "run_index",
    "run_step",
    "save_session",
]

PHASES: dict[str, tuple[Any, Callable[[Any], str]]] = {
    "ingest": (IngestItem, units.ingest),
    "reference": (ReferenceItem, units.reference),
    "measure": (MeasureItem, units.measure),
}
"""Phase -> its kind of item, its unit."""
STEPS = ("commit", "finish")
"""What one process does alone."""

_SESSION = "work/session.json"
_FAILURES = "work/failures.json"
_log = logging.getLogger("eo.worker")

Saved = dict[str, Any]
"""A planner's run as plain JSON: campaign, scenes, tokens, device, refresh_reference, run."""


def run_index(
    place: str,
    phase: str,
    index: int,
    *,
    plan: str | None = None,
    device: str = "auto",
    attempt: int = 0,
    workers: int | None = None,
    stopping: Callable[[], bool] = lambda: False,
    beat: Callable[[], None] = lambda: None,
) -> int:
    """Work off one index of a phase's list; return the exit code.

    Parameters
    ----------
    place
        The run's folder.
    plan
        Name of the list; None: the phase's current one.
    device
        auto, cpu or gpu, for the units.
    attempt
        How often this index failed before. From the first time on its units run one at a time,
        each named before it starts, so that one that kills its worker is known by the next
        attempt and the others get their turn.
    workers
        Units at a time; by default one per core, fewer where memory is short, one on a GPU.
    stopping
        Asked before each unit is started.
    beat
        Called after each unit.

    Raises
    ------
    CampaignError
        If there is no such phase, list or index.
    """
    files = open_files(place)
    if phase not in PHASES:
        raise CampaignError(f"phase {phase!r} is unknown; use {', '.join((*PHASES, *STEPS))}")
    kind, unit = PHASES[phase]
    folder, entries = read_index(files, phase, index, plan)
    items = [replace(from_json(kind, e), output=files.place, device=device) for e in entries]
    parts = open_parts(files.place)
    todo = [item for item in items if not parts.exists(phase, item.fingerprint)]
    _log.info("%s, index %d: %d to do, %d done before", phase, index, len(todo),
              len(items) - len(todo))  # fmt: skip
    failures: list[Failure] = []
    # One process a GPU, one unit at a time in it; on processors one a core.
    engine: Engine = ThreadEngine(workers or (1 if resolve_device(device) == "gpu" else None))
    queue: Iterable[Any] = todo
    if attempt > 0:
        engine = SerialEngine()
        queue = _one_by_one(files, f"{folder}/{index:06d}.trying.json", todo, attempt, failures)
    if todo:
        engine.check(needs_of(todo))
    try:
        for outcome in engine.map(unit, _until(stopping, queue)):
            beat()
            if outcome.error is not None:
                if isinstance(outcome.error, OutputError | DeviceError):
                    _log.error("%s, index %d: %s", phase, index, outcome.error)
                    return 1
                failures.append(
                    Failure.of(outcome.item.fingerprint, outcome.error, outcome.attempts)
                )
                _log.error("%s failed: %s", phase, outcome.error)
    finally:
        engine.close()
    told = {failure.fingerprint for failure in failures}
    if any(not parts.exists(phase, i.fingerprint) for i in todo if i.fingerprint not in told):
        _log.warning("%s, index %d: stopped; what is done is kept", phase, index)
        return 1
    write_failures(files, folder, index, failures)
    return 0


def _until(stopping: Callable[[], bool], items: Iterable[Any]) -> Iterator[Any]:
    for item in items:
        if stopping():
            return
        yield item


def _one_by_one(
    files: Files, name: str, items: list[Any], attempt: int, failures: list[Failure]
) -> Iterator[Any]:
    """Name each item before it starts; one that an earlier attempt died on has failed."""
    known = json.loads(files.read(name) or b"{}")
    suspect = known.get("fingerprint") if known.get("attempt", attempt) < attempt else None
    for item in items:
        if item.fingerprint == suspect:
            failures.append(Failure.of(item.fingerprint, lost_unit(item.fingerprint), attempt))
            continue
        marker = {"fingerprint": item.fingerprint, "attempt": attempt}
        files.write(name, json.dumps(marker).encode())
        yield item


def save_session(session: Session, run: str, failures: dict[str, Failure]) -> None:
    """Write down what the steps of this run need: they search and ask nothing."""
    files = session.folder.files
    saved = {
        "run": run,
        "campaign": to_json(Campaign, session.campaign),
        "scenes": to_json(tuple[Scene, ...], tuple(session.scenes)),
        "tokens": session.planner.tokens,
        "device": session.planner.device,
        "refresh_reference": session.refresh_reference,
        "leave_failed": session.leave_failed,
    }
    records = to_json(dict[str, Failure], failures)
    files.write(_FAILURES, json.dumps(records).encode())
    files.write(_SESSION, json.dumps(saved).encode())


def load_session(files: Files) -> Saved | None:
    """Return what :func:`save_session` wrote, or None."""
    data = files.read(_SESSION)
    return None if data is None else dict(json.loads(data))


def found_before(saved: Saved) -> Found:
    """Return the search of a saved session."""
    scenes: tuple[Scene, ...] = from_json(tuple[Scene, ...], saved["scenes"])
    return Found(scenes=scenes, tokens=saved["tokens"])


def run_step(place: str, step: str, *, beat: Callable[[], None] = lambda: None) -> int:
    """Commit the parts into the cube, or finish the run; return the exit code.

    Raises
    ------
    CampaignError
        If there is no such step, or no planner wrote its session here.
    """
    if step not in STEPS:
        raise CampaignError(f"phase {step!r} is unknown; use {', '.join((*PHASES, *STEPS))}")
    files = open_files(place)
    saved = load_session(files)
    if saved is None:
        raise CampaignError(f"{files.place} holds no session: the planner writes it")
    failures = from_json(dict[str, Failure], json.loads(files.read(_FAILURES) or b"{}"))
    campaign: Campaign = replace(from_json(Campaign, saved["campaign"]), output=files.place)
    folder = RunFolder(files.place)
    try:
        with folder.writing():
            settle(folder.files)
            session = open_session(
                campaign,
                RecordedEngine(failures),
                device=saved["device"],
                refresh_reference=saved["refresh_reference"],
                leave_failed=saved["leave_failed"],
                progress=lambda *_: beat(),
                found=found_before(saved),
            )
            whole = flow.ingest_scenes(session)
            if step == "commit":
                flow.commit_scenes(session, whole)
            else:
                fleet = read_fleet(campaign.fleet) if campaign.fleet else ()
                flow.finish_run(session, flow.measure_scenes(session, whole), fleet)
    except OutputError as error:
        _log.error("%s: %s", step, error)
        return 1
    return 0
