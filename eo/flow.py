"""The whole run: search, plan, ingest, commit, reference, measure, finish.

This module wires stages, access and engine together; the work itself is theirs. It keeps no
state of its own: what exists as a part is done, and a second run goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from eo import units
from eo.access.cubes import CubeStore, Slot
from eo.access.files import open_files
from eo.access.fleet import read_fleet
from eo.access.folder import RunFolder
from eo.access.publishing import settle
from eo.core.config import Campaign, load_campaign
from eo.core.records import Scene, Vessel, from_json, to_json
from eo.core.seams import Engine, PartStore
from eo.core.work import IngestItem, MeasureItem
from eo.core.xp import resolve_device
from eo.engine.choose import open_engine
from eo.engine.plan import Epoch, declare_epochs
from eo.history import Making, Prints, ScenePrints, commit_results, finish_records
from eo.results import Run
from eo.session import Progress, Session, note_plan, open_session, work_off
from eo.stages.measure import HALO_M

__all__ = [
    "EPOCHS",
    "KnownEpoch",
    "Whole",
    "commit_scenes",
    "finish_run",
    "ingest_scenes",
    "known_epochs",
    "measure_items",
    "measure_scenes",
    "run",
    "run_campaign",
]

Whole = Mapping[str, list[IngestItem]]
"""Scenes of which every tile was read, with their items."""

EPOCHS = "epochs.json"
"""The epochs of each group, their references and the algorithm these were learnt by."""
_COMMIT_BATCH = 16


def run(
    campaign: str | Path | Campaign,
    *,
    output: str | Path | None = None,
    engine: str = "threads",
    device: str = "auto",
    workers: int | None = None,
    refresh_reference: bool = False,
    leave_failed: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Run a campaign, or go on with one, and return its results.

    Parameters
    ----------
    campaign
        Campaign file, or a campaign.
    output
        Folder that replaces the campaign's own.
    engine
        threads, serial, processes, cuda, the tcp:// or tls:// address of a Dask scheduler,
        gateway or kubecluster.
    device
        auto, cpu or gpu; auto is resolved by each worker.
    workers
        Threads or processes; by default one per core.
    refresh_reference
        Learn the empty port anew instead of keeping the frozen one.
    leave_failed
        Leave alone what failed before and can only fail again.
    progress
        Called as items are done.

    Raises
    ------
    CampaignError
        If the campaign is wrong, nothing is found, or the folder cannot be used.
    EngineError, DeviceError
        If the engine or device cannot be had.
    """
    asked = campaign if isinstance(campaign, Campaign) else load_campaign(campaign, output=output)
    if isinstance(campaign, Campaign) and output is not None:
        asked = replace(asked, output=open_files(output).place)
    if device != "auto" and engine in {"threads", "serial"}:
        resolve_device(device)
    opened = open_engine(engine, workers=workers)
    try:
        return run_campaign(
            asked,
            opened,
            device=device,
            refresh_reference=refresh_reference,
            leave_failed=leave_failed,
            progress=progress or (lambda *_: None),
        )
    finally:
        opened.close()


def run_campaign(
    campaign: Campaign,
    engine: Engine,
    *,
    device: str,
    refresh_reference: bool = False,
    leave_failed: bool = False,
    progress: Progress,
) -> Run:
    """Run a campaign on an open engine; see :func:`run`."""
    fleet = read_fleet(campaign.fleet) if campaign.fleet else ()
    folder = RunFolder(campaign.output)
    folder.prepare()
    with folder.writing():
        settle(folder.files)
        session = open_session(
            campaign,
            engine,
            device=device,
            refresh_reference=refresh_reference,
            leave_failed=leave_failed,
            progress=progress,
        )
        whole = ingest_scenes(session)
        commit_scenes(session, whole)
        changed = finish_run(session, measure_scenes(session, whole), fleet)
    return Run(session.folder.place, changed=changed)


def ingest_scenes(session: Session) -> Whole:
    """Read every scene's tiles that are not there; return the scenes that were read whole."""
    session.planner.look_up_assets(session.usable)
    items = session.planner.ingest_items(session.usable, session.grids)
    note_plan(
        session,
        {
            "campaign": {"source": session.campaign.source},
            "ingest": session.planner.ingest_entries(items),
        },
    )
    work_off(session, "ingest", units.ingest, items)
    return _whole(session, items)


def finish_run(session: Session, prints: Prints, fleet: tuple[Vessel, ...]) -> bool:
    """Write tables, report and run.json; False where they stand as they must already."""
    return commit_results(
        folder=session.folder,
        parts=session.parts,
        records=finish_records(
            session.campaign,
            scenes=session.scenes,
            prints=prints,
            failures=session.failures,
            fleet=fleet,
            berths=session.berths,
        ),
        made=Making(
            campaign=session.campaign,
            scenes=session.scenes,
            grids=session.grids,
            assets=session.planner.tokens,
            engine=session.engine.name,
            device=session.planner.device,
            cube=_cube(session).snapshot(),
        ),
    )


def _cube(session: Session) -> CubeStore:
    return CubeStore(session.campaign.cube or session.folder.inside("cube"))


def _whole(session: Session, items: Iterable[IngestItem]) -> Whole:
    """Scenes of which every tile was read, with their items."""
    by_scene: dict[str, list[IngestItem]] = {}
    for item in items:
        by_scene.setdefault(item.scene.scene_id, []).append(item)
    return {
        scene_id: tiles
        for scene_id, tiles in by_scene.items()
        if scene_id not in session.failures
        and all(session.parts.exists("ingest", t.fingerprint) for t in tiles)
    }


def commit_scenes(session: Session, whole: Whole) -> None:
    """Copy new parts into the cube, a batch of slots to a commit."""
    cube = _cube(session)
    cube.create()
    committed = cube.committed()
    todo = [
        (number, item)
        for tiles in whole.values()
        for number, item in enumerate(tiles)
        if committed.get(item.group, {}).get((item.scene.scene_id, number)) != item.fingerprint
    ]
    session.progress("commit", 0, len(todo))
    done = 0
    for group, grid in session.grids.items():
        mine = [pair for pair in todo if pair[1].group == group]
        for start in range(0, len(mine), _COMMIT_BATCH):
            batch = mine[start : start + _COMMIT_BATCH]
            bands = units.cube_part(session.parts, batch[0][1].fingerprint).bands
            cube.commit(
                group,
                grid,
                bands,
                (_slot(session.parts, number, item) for number, item in batch),
                tiles=len(session.planner.tiles(grid)),
                message=f"{len(batch)} slots",
            )
            done += len(batch)
            session.progress("commit", done, len(todo))


def _slot(parts: PartStore, number: int, item: IngestItem) -> Slot:
    part = units.cube_part(parts, item.fingerprint)
    return Slot(
        scene_id=item.scene.scene_id,
        datetime=item.scene.datetime,
        tile=number,
        window=item.window,
        fingerprint=item.fingerprint,
        scale=part.scale,
        offset=part.offset,
        resampled=part.resampled,
        dn=parts.array("ingest", item.fingerprint, "dn"),
        mask=parts.array("ingest", item.fingerprint, "mask"),
    )


def measure_scenes(session: Session, whole: Whole) -> Prints:
    """Learn the references, measure every scene against them; return the parts of each scene."""
    pictured = {
        scene_id: tiles
        for scene_id, tiles in whole.items()
        if any(units.cube_part(session.parts, t.fingerprint).valid_fraction > 0 for t in tiles)
    }
    items = measure_items(session, pictured, _references(session, pictured))
    note_plan(session, {"measure": session.planner.measure_entries(items)})
    work_off(session, "measure", units.measure, items)
    prints = {
        scene_id: ScenePrints(ingest=tuple(t.fingerprint for t in tiles))
        for scene_id, tiles in whole.items()
    }
    for item in items:
        scene_id = item.scene.scene_id
        if scene_id not in session.failures:
            known = prints[scene_id]
            prints[scene_id] = replace(known, measure=(*known.measure, item.fingerprint))
    return prints


def measure_items(
    session: Session, pictured: Whole, references: Mapping[str, Mapping[str, str]]
) -> list[MeasureItem]:
    """Return the items of all scenes; `references` maps scene and tile to fingerprints."""
    items: list[MeasureItem] = []
    for scene_id, tiles in pictured.items():
        items += session.planner.measure_items(
            tiles[0].scene,
            session.grids[tiles[0].group],
            HALO_M,
            {t.window.key: t.fingerprint for t in tiles},
            references.get(scene_id, {}),
        )
    return items


@dataclass(frozen=True, kw_only=True)
class KnownEpoch:
    """An epoch of one group, and the references that it has."""

    group: str
    """Cube group."""
    epoch: Epoch
    """Declared now, or frozen before."""
    tiles: dict[str, str]
    """Tile -> reference; empty where they have to be learnt."""
    scenes: tuple[Scene, ...]
    """Scenes measured against it."""


def known_epochs(session: Session, pictured: Whole) -> list[KnownEpoch]:
    """Return the epochs of all groups; frozen ones as they are, if their parts are of use."""
    frozen = {} if session.refresh_reference else (session.folder.read_json(EPOCHS) or {})
    out = []
    for group in session.grids:
        scenes = [t[0].scene for t in pictured.values() if t[0].group == group]
        known = frozen.get(group, [])
        epochs = declare_epochs(scenes, [from_json(Epoch, entry["epoch"]) for entry in known])
        for number, epoch in enumerate(epochs):
            entry = known[number] if number < len(known) else {}
            tiles = entry.get("tiles", {})
            current = entry.get("algorithm") == session.planner.algorithms["reference"]
            if not current or not all(session.parts.exists("reference", p) for p in tiles.values()):
                tiles = {}
            within = (s for s in scenes if s.datetime and epoch.start <= s.datetime <= epoch.end)
            out.append(KnownEpoch(group=group, epoch=epoch, tiles=tiles, scenes=tuple(within)))
    return out


def _references(session: Session, pictured: Whole) -> dict[str, dict[str, str]]:
    """Return, for each scene, the reference of every tile; frozen ones are kept."""
    prints = {
        (scene_id, tile.window.key): tile.fingerprint
        for scene_id, tiles in pictured.items()
        for tile in tiles
    }
    out: dict[str, dict[str, str]] = {scene_id: {} for scene_id in pictured}
    ledger: dict[str, Any] = {group: [] for group in session.grids}
    for known in known_epochs(session, pictured):
        group, tiles = known.group, known.tiles
        if not tiles:
            items = session.planner.reference_items(
                group, session.grids[group], known.epoch, prints
            )
            work_off(session, "reference", units.reference, items)
            tiles = {
                item.window.key: item.fingerprint
                for item in items
                if session.parts.exists("reference", item.fingerprint)
            }
        ledger[group].append(
            {
                "epoch": to_json(Epoch, known.epoch),
                "tiles": tiles,
                "algorithm": session.planner.algorithms["reference"],
            }
        )
        for scene in known.scenes:
            out[scene.scene_id] = dict(tiles)
    if ledger != session.folder.read_json(EPOCHS):
        session.folder.write_json(EPOCHS, ledger)
    return out
