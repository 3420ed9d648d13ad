"""A run in the making: its scenes, grids, folder and engine, and how units are worked off."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from eo import units
from eo.access.berths import read_berths
from eo.access.catalog import open_catalog
from eo.access.folder import RunFolder
from eo.access.parts import open_parts
from eo.core.config import Campaign
from eo.core.errors import CampaignError, EoError, OutputError
from eo.core.grid import Grid
from eo.core.records import Berth, Scene
from eo.core.redaction import redacted
from eo.core.seams import Engine, Outcome, PartStore
from eo.engine.plan import Planner, needs_of
from eo.engine.retries import kind_of
from eo.history import code_digest
from eo.letters import Letter, read_letters, write_letters
from eo.stages.search import find_scenes

__all__ = [
    "PLANNED",
    "Found",
    "Progress",
    "Session",
    "note_plan",
    "open_session",
    "search",
    "work_off",
]

Progress = Callable[[str, int, int], None]
"""Called with a stage's name, items done and items in all."""

PLANNED = "planned.json"
"""What went into the parts' names, when the last run planned them."""

T = TypeVar("T")
V = TypeVar("V")
_log = logging.getLogger("eo.flow")


@dataclass(frozen=True, kw_only=True)
class Found:
    """A search's result, kept so that several processes work on the same scenes."""

    scenes: tuple[Scene, ...]
    """Scenes, those skipped or failed among them."""
    tokens: dict[str, Any]
    """scene_id -> what tells the version of each of its files."""


@dataclass(kw_only=True)
class Session:
    """What a run knows so far."""

    campaign: Campaign
    folder: RunFolder
    planner: Planner
    berths: tuple[Berth, ...]
    engine: Engine
    progress: Progress
    scenes: list[Scene]
    grids: dict[str, Grid]
    parts: PartStore
    refresh_reference: bool
    failures: dict[str, str] = field(default_factory=dict)
    """scene_id -> why it failed."""
    leave_failed: bool = False
    """Leave dead letters alone of which nothing else can come."""
    letters: dict[tuple[str, str], Letter] = field(default_factory=dict)
    """(phase, fingerprint) -> what could not be done, in this run and before."""
    code: str = ""
    """Digest of this code."""

    @property
    def usable(self) -> list[Scene]:
        """Scenes that go on to be read."""
        return [scene for scene in self.scenes if scene.status == "found"]


def search(campaign: Campaign, *, progress: Progress | None = None) -> list[Scene]:
    """Return the campaign's scenes, those skipped or failed among them.

    Raises
    ------
    CatalogError
        If the catalog cannot be reached or is not STAC.
    CampaignError
        If nothing is found.
    """
    report = progress or (lambda *_: None)
    found = find_scenes(
        open_catalog(campaign.catalog, allow_hosts=campaign.allow_hosts),
        campaign,
        progress=lambda count: report("search", count, 0),
    )
    if not found:
        wanted = ", ".join(campaign.collections) if campaign.collections else "all collections"
        raise CampaignError(
            f"no scenes found in {campaign.catalog} ({wanted}) over the AOI from "
            f"{campaign.start:%Y-%m-%d} to {campaign.end:%Y-%m-%d}: check aoi (longitude first), "
            "period and collections"
        )
    return found


def open_session(
    campaign: Campaign,
    engine: Engine,
    *,
    device: str,
    refresh_reference: bool = False,
    progress: Progress,
    found: Found | None = None,
    leave_failed: bool = False,
) -> Session:
    """Search, and bind the folder to the campaign; nothing is read or written yet but that.

    Given what was `found` before, nothing is searched or asked again.
    """
    folder = RunFolder(campaign.output)
    folder.prepare()
    berths = read_berths(campaign.berths) if campaign.berths else ()
    planner = Planner(
        output=folder.place,
        aoi=campaign.aoi,
        berths=berths,
        algorithms=units.ALGORITHMS,
        device=device,
    )
    folder.claim(campaign, {})
    scenes = search(campaign, progress=progress) if found is None else list(found.scenes)
    planner.tokens.update(found.tokens if found else {})
    usable = [scene for scene in scenes if scene.status == "found"]
    grids = planner.grids(usable)
    folder.claim(campaign, grids)
    return Session(
        campaign=campaign,
        folder=folder,
        planner=planner,
        berths=berths,
        engine=engine,
        progress=progress,
        scenes=scenes,
        grids=grids,
        parts=open_parts(folder.place),
        refresh_reference=refresh_reference,
        leave_failed=leave_failed,
        letters={(n.phase, n.fingerprint): n for n in read_letters(folder.files)},
        code=code_digest(),
    )


def work_off(session: Session, stage: str, unit: Callable[[T], V], items: Sequence[T]) -> None:
    """Run the items whose part is not there; record failures by scene."""
    missing = [item for item in items if not session.parts.exists(stage, _print(item))]
    todo = [item for item in missing if not _is_left(session, stage, item)]
    session.progress(stage, 0, len(todo))
    if todo:
        _log.info("%s: %d to do, %d done before", stage, len(todo), len(items) - len(missing))
        session.engine.check(needs_of(todo))
    _forget_others(session, stage, items)
    try:
        for done, outcome in enumerate(session.engine.map(unit, todo), start=1):
            if outcome.error is not None:
                _record_failure(session, stage, outcome)
            else:
                session.letters.pop((stage, _print(outcome.item)), None)
            session.progress(stage, done, len(todo))
    finally:
        write_letters(session.folder.files, session.letters.values())


def _forget_others(session: Session, stage: str, items: Sequence[Any]) -> None:
    """Drop letters of these scenes that are asked for no more: files or code are others now."""
    there = {_print(item) for item in items}
    scenes = {scene.scene_id for item in items if (scene := getattr(item, "scene", None))}
    for key, letter in list(session.letters.items()):
        if letter.phase == stage and letter.scene_id in scenes and key[1] not in there:
            del session.letters[key]


def note_plan(session: Session, entries: Mapping[str, Mapping[str, Any]]) -> None:
    """Keep what went into the parts' names, by phase and scene, for the next plan to compare."""
    known = session.folder.read_json(PLANNED) or {}
    merged = {**known, **{phase: dict(found) for phase, found in entries.items()}}
    if merged != known:
        session.folder.write_json(PLANNED, merged)


def _print(item: Any) -> str:
    return str(item.fingerprint)


def _is_left(session: Session, stage: str, item: Any) -> bool:
    """Whether an item stays undone, as the run before left it."""
    letter = session.letters.get((stage, _print(item)))
    if letter is None or not session.leave_failed or not letter.holds(session.code):
        return False
    if letter.scene_id is not None:
        session.failures.setdefault(letter.scene_id, letter.reason)
    return True


def _record_failure(session: Session, stage: str, outcome: Outcome[Any, Any]) -> None:
    item, error = outcome.item, outcome.error
    if error is None or isinstance(error, OutputError):
        raise error or AssertionError("no failure")
    scene = getattr(item, "scene", None)
    expected = isinstance(error, EoError)
    reason = redacted(
        str(error) if expected else f"{stage} failed: {type(error).__name__}: {error}"
    )
    session.letters[stage, _print(item)] = Letter(
        phase=stage,
        scene_id=None if scene is None else scene.scene_id,
        tile=item.window.key,
        fingerprint=_print(item),
        kind=kind_of(error),
        reason=reason,
        attempts=outcome.attempts,
        files_known=_files_known(session, scene),
        code=session.code,
    )
    if scene is None:
        # Without its reference every look of the tile is measured by its own pixels.
        _log.error("%s failed: %s", stage, error, exc_info=error)
        return
    session.failures.setdefault(scene.scene_id, reason)
    _log.error(
        "%s: %s",
        stage,
        reason,
        extra={"scene_id": scene.scene_id, "kind": getattr(error, "kind", "unexpected")},
        exc_info=None if expected else error,
    )


def _files_known(session: Session, scene: Scene | None) -> bool:
    if scene is None:
        return True
    return all(token is not None for _, token in session.planner.tokens.get(scene.scene_id, []))
