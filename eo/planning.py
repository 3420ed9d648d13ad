"""`eo plan`: what a run would do, of which size, and why; nothing is done.

Searched and fingerprinted as a run would, then compared with the parts that are there and with
what the last run planned. The plan is a table (``plan.parquet``, one row per scene, tile and
phase) and a map (``plan.geojson``, one feature per item found and per tile).
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import shapely.geometry

from eo import units
from eo.core.config import Campaign
from eo.core.grid import LONLAT, Grid, Window, project_geometry
from eo.core.work import IngestItem, MeasureItem, ReferenceItem
from eo.engine.ledger import changed_inputs
from eo.engine.local import SerialEngine
from eo.engine.plan import by_scene, projected
from eo.flow import Whole, known_epochs, measure_items
from eo.session import PLANNED, Session, open_session

__all__ = ["Plan", "PlanRow", "make_plan"]

_SCHEMA = pa.schema(
    {
        "phase": pa.string(),
        "scene_id": pa.string(),
        "group": pa.string(),
        "tile": pa.string(),
        "state": pa.string(),
        "why": pa.string(),
        "fingerprint": pa.string(),
        "host_bytes": pa.int64(),
        "gpu_bytes": pa.int64(),
    }
)


@dataclass(frozen=True, kw_only=True)
class PlanRow:
    """One unit of work, done or to do."""

    phase: str
    """ingest, reference or measure."""
    scene_id: str | None
    """Its scene; None for a reference."""
    group: str
    """Cube group."""
    tile: str
    """Its tile."""
    state: str
    """done, todo, redo (it was done for other inputs) or failed (a dead letter)."""
    why: str | None
    """Why it is to do."""
    fingerprint: str
    """Name of its part; of measures whose pixels are still to be read, as far as is known."""
    host_bytes: int
    """Projected memory."""
    gpu_bytes: int
    """Projected GPU memory, where it runs on one."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run would do."""

    rows: tuple[PlanRow, ...]
    """Every unit."""
    groups: tuple[dict[str, Any], ...]
    """Per cube group: scenes, tiles and grid."""
    stale: tuple[str, ...]
    """References that the looks have outgrown, in words."""
    skipped: int
    """Scenes that are skipped."""
    failed: int
    """Scenes that cannot be used as they were found."""
    places: tuple[str, str]
    """Table and map."""

    def count(self, phase: str, group: str | None = None) -> Counter[str]:
        """Return how many units are in each state."""
        wanted = (r for r in self.rows if r.phase == phase and group in {None, r.group})
        return Counter(row.state for row in wanted)


def make_plan(campaign: Campaign) -> Plan:
    """Return what a run of the campaign would do, and write table and map into its folder.

    Raises
    ------
    CampaignError
        If the campaign is wrong or nothing is found.
    """
    session = open_session(campaign, SerialEngine(), device="auto", progress=lambda *_: None)
    session.planner.look_up_assets(session.usable)
    planned = session.folder.read_json(PLANNED) or {}
    items = session.planner.ingest_items(session.usable, session.grids)
    entries = session.planner.ingest_entries(items)
    rows = _scene_rows(session, "ingest", items, entries, planned.get("ingest", {}))
    pictured = _pictured(session, by_scene(items))
    references, learnt, stale = _references(session, pictured)
    rows += _reference_rows(session, learnt)
    measures = measure_items(session, pictured, references)
    rows += _scene_rows(
        session,
        "measure",
        measures,
        session.planner.measure_entries(measures),
        planned.get("measure", {}),
    )
    return _written(session, rows, stale)


def _pictured(session: Session, tiles: Whole) -> dict[str, list[IngestItem]]:
    """Return the scenes that will be measured, those still to be read among them."""
    out = {}
    for scene_id, mine in tiles.items():
        there = [i for i in mine if session.parts.exists("ingest", i.fingerprint)]
        if len(there) < len(mine) or any(
            units.cube_part(session.parts, i.fingerprint).valid_fraction > 0 for i in there
        ):
            out[scene_id] = list(mine)
    return out


def _scene_rows(
    session: Session,
    phase: str,
    items: Sequence[Any],
    entries: Mapping[str, Mapping[str, Any]],
    before: Mapping[str, Mapping[str, Any]],
) -> list[PlanRow]:
    rows = []
    for item in items:
        scene_id = item.scene.scene_id
        old = before.get(scene_id)
        state, why = _state(session, phase, item.fingerprint)
        if state != "done":
            changed = changed_inputs(old, entries[scene_id])
            if old is not None and changed:
                state = "redo"
            if state != "failed":
                why = "; ".join(changed) or "not finished before"
        rows.append(_row(phase, item, state, why, scene_id))
    return rows


def _state(session: Session, phase: str, name: str) -> tuple[str, str | None]:
    if session.parts.exists(phase, name):
        return "done", None
    letter = session.letters.get((phase, name))
    return ("failed", letter.reason) if letter is not None else ("todo", None)


def _row(
    phase: str,
    item: IngestItem | ReferenceItem | MeasureItem,
    state: str,
    why: str | None,
    scene_id: str | None,
) -> PlanRow:
    size = projected(item)
    return PlanRow(
        phase=phase,
        scene_id=scene_id,
        group=item.group,
        tile=item.window.key,
        state=state,
        why=why,
        fingerprint=item.fingerprint,
        host_bytes=size.host_bytes,
        gpu_bytes=size.gpu_bytes,
    )


def _references(
    session: Session, pictured: Whole
) -> tuple[dict[str, dict[str, str]], list[ReferenceItem], list[str]]:
    """Return the reference of each scene's tiles, those to be learnt, and which are stale."""
    prints = {
        (scene_id, tile.window.key): tile.fingerprint
        for scene_id, tiles in pictured.items()
        for tile in tiles
    }
    out: dict[str, dict[str, str]] = {scene_id: {} for scene_id in pictured}
    learnt: list[ReferenceItem] = []
    stale = []
    for known in known_epochs(session, pictured):
        grid = session.grids[known.group]
        items = session.planner.reference_items(known.group, grid, known.epoch, prints)
        tiles = known.tiles or {item.window.key: item.fingerprint for item in items}
        if not known.tiles:
            learnt += items
        else:
            late = {s.scene_id for s in known.scenes} - set(known.epoch.scene_ids)
            other = tiles != {item.window.key: item.fingerprint for item in items}
            if late or other:
                what = f"{len(late)} looks came later" if late else "its looks are others now"
                stale.append(f"{known.group} {known.epoch.key}: {what}")
        for scene in known.scenes:
            out[scene.scene_id] = dict(tiles)
    return out, learnt, stale


def _reference_rows(session: Session, items: Sequence[ReferenceItem]) -> list[PlanRow]:
    rows = []
    for item in items:
        state, why = _state(session, "reference", item.fingerprint)
        if state == "todo":
            why = "the empty port of these looks is not learnt yet"
        rows.append(_row("reference", item, state, why, None))
    return rows


def _written(session: Session, rows: Sequence[PlanRow], stale: Sequence[str]) -> Plan:
    buffer = io.BytesIO()
    pq.write_table(
        pa.Table.from_pylist([asdict(row) for row in rows], schema=_SCHEMA), buffer,
        compression="zstd",
    )  # fmt: skip
    session.folder.files.write("plan.parquet", buffer.getvalue())
    features = [*_scene_features(session, rows), *_tile_features(session, rows)]
    page = {"type": "FeatureCollection", "features": features}
    session.folder.files.write("plan.geojson", json.dumps(page).encode())
    groups = [
        {
            "group": group,
            "scenes": len({r.scene_id for r in rows if r.group == group and r.scene_id}),
            "tiles": len(session.planner.tiles(grid)),
            "grid": f"{grid.crs} {grid.height}x{grid.width} px of {grid.pixel_m:g} m",
        }
        for group, grid in session.grids.items()
    ]
    return Plan(
        rows=tuple(rows),
        groups=tuple(groups),
        stale=tuple(stale),
        skipped=sum(scene.status == "skipped" for scene in session.scenes),
        failed=sum(scene.status == "failed" for scene in session.scenes),
        places=(session.folder.inside("plan.parquet"), session.folder.inside("plan.geojson")),
    )


def _scene_features(session: Session, rows: Sequence[PlanRow]) -> list[dict[str, Any]]:
    """Return a feature per item found: its footprint, and what each phase would do."""
    states: dict[tuple[str | None, str], Counter[str]] = {}
    whys: dict[str | None, list[str]] = {}
    for row in rows:
        states.setdefault((row.scene_id, row.phase), Counter())[row.state] += 1
        if row.why:
            whys.setdefault(row.scene_id, []).append(f"{row.phase}: {row.why}")
    return [
        {
            "type": "Feature",
            "geometry": scene.footprint,
            "properties": {
                "kind": "scene",
                "scene_id": scene.scene_id,
                "datetime": scene.datetime.isoformat() if scene.datetime else None,
                "status": scene.status,
                "reason": scene.reason,
                "ingest": _counted(states.get((scene.scene_id, "ingest"))),
                "measure": _counted(states.get((scene.scene_id, "measure"))),
                "why": "; ".join(dict.fromkeys(whys.get(scene.scene_id, []))) or None,
            },
        }
        for scene in session.scenes
    ]


def _counted(states: Counter[str] | None) -> str | None:
    if not states:
        return None
    return ", ".join(f"{count} {state}" for state, count in sorted(states.items()))


def _tile_features(session: Session, rows: Sequence[PlanRow]) -> list[dict[str, Any]]:
    """Return a feature per tile: its outline, and the largest memory that a unit on it takes."""
    largest: dict[tuple[str, str], tuple[int, int]] = {}
    for row in rows:
        host, gpu = largest.get((row.group, row.tile), (0, 0))
        largest[row.group, row.tile] = max(host, row.host_bytes), max(gpu, row.gpu_bytes)
    return [
        {
            "type": "Feature",
            "geometry": _outline(grid, tile),
            "properties": {
                "kind": "tile",
                "group": group,
                "tile": tile.key,
                "host_bytes": largest.get((group, tile.key), (0, 0))[0],
                "gpu_bytes": largest.get((group, tile.key), (0, 0))[1],
            },
        }
        for group, grid in session.grids.items()
        for tile in session.planner.tiles(grid)
    ]


def _outline(grid: Grid, tile: Window) -> dict[str, Any]:
    box = shapely.geometry.mapping(shapely.geometry.box(*grid.bounds_m(tile)))
    return dict(shapely.geometry.mapping(project_geometry(dict(box), grid.crs, LONLAT)))
