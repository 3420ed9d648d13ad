"""Finish: from all parts, in one process, the tables, the report and run.json.

What is learnt across looks (who she is, how deep she lies, how many calls) happens here, over
all parts sorted by id, so that the order of arrival never shows. Tables hold nothing of when,
where or how often a run was made; that is run.json's, and it is written last.
"""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import logging
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from eo.access.cubes import CubeStore
from eo.access.fleet import read_fleet
from eo.access.folder import RunFolder
from eo.access.parts import open_parts
from eo.access.tables import SCHEMA_VERSION, TABLES, read_rows, write_table
from eo.core.config import Campaign
from eo.core.grid import Grid
from eo.core.records import (
    Berth,
    CubePart,
    Scene,
    Sighting,
    Vessel,
    WaterCount,
    from_json,
    to_json,
)
from eo.core.rows import SceneRow
from eo.core.seams import PartStore
from eo.core.xp import gpu_count
from eo.engine.plan import group_of
from eo.stages.calls import link_stays
from eo.stages.fill import weigh
from eo.stages.looks import CLOUDY_BELOW, look_rows
from eo.stages.report import ReportInput, render_report
from eo.stages.totals import port_totals

__all__ = ["Measured", "finish", "rewrite_report"]

_log = logging.getLogger("eo.finish")
_SIGHTINGS = "sightings.json"


@dataclass(kw_only=True)
class Measured:
    """All that the units said of one scene."""

    cube_parts: list[CubePart]
    """One per tile."""
    counts: list[WaterCount] = field(default_factory=list)
    """Water seen, per tile and berth; berth `""` is the whole AOI."""
    sightings: list[Sighting] = field(default_factory=list)
    """Vessels, over all tiles."""
    pictures: dict[str, str] = field(default_factory=dict)
    """detection_id -> fingerprint of the measure part that holds her picture."""


def finish(
    *,
    campaign: Campaign,
    folder: RunFolder,
    parts: PartStore,
    cube: CubeStore,
    scenes: Sequence[Scene],
    measured: Mapping[str, Measured],
    failures: Mapping[str, str],
    fleet: tuple[Vessel, ...],
    berths: tuple[Berth, ...],
    grids: Mapping[str, Grid],
    assets: Mapping[str, Any],
    engine: str,
    device: str,
) -> None:
    """Write tables, report and, last, run.json."""
    rows = [scene_row(scene, measured.get(scene.scene_id), failures) for scene in scenes]
    used = {row.scene_id for row in rows if row.status == "used"}
    shown = {row.scene_id for row in rows if row.status in {"used", "cloudy"}}
    sightings = sorted(
        (s for scene_id in used for s in measured[scene_id].sightings),
        key=lambda s: (str(s.datetime), s.scene_id, s.detection_id),
    )
    counts = {scene_id: measured[scene_id].counts for scene_id in shown if scene_id in measured}
    looks = look_rows(rows, counts, sightings, berths)
    stays = link_stays(
        sightings,
        looks,
        fleet,
        start=campaign.start,
        end=campaign.end,
        berths_given=bool(berths),
    )
    detections, calls = weigh(sightings, stays, fleet, product=campaign.product)
    totals = port_totals(calls, stays, looks, start=campaign.start, end=campaign.end)
    counted = {stay.call_id for stay in stays if stay.counts}
    calls = sorted(
        (call for call in calls if call.call_id in counted),
        key=lambda c: (c.first_seen, c.call_id),
    )
    by_table: dict[str, Sequence[Any]] = {
        "scenes": rows,
        "looks": looks,
        "detections": sorted(
            detections, key=lambda d: (str(d.datetime), d.scene_id, d.detection_id)
        ),
        "calls": calls,
        "totals": totals,
    }
    for name, table in by_table.items():
        write_table(folder.files, name, table)
    pictures = {key: fp for m in measured.values() for key, fp in m.pictures.items()}
    folder.write_json(
        _SIGHTINGS,
        {
            "sightings": to_json(list[Sighting], sightings),
            "pictures": {s.detection_id: pictures[s.detection_id] for s in sightings},
        },
    )
    _report(campaign, folder, parts, by_table, sightings=sightings, pictures=pictures, fleet=fleet)
    folder.write_json(
        "run.json",
        _provenance(
            campaign, folder, cube, scenes, grids=grids, assets=assets, engine=engine, device=device
        ),
    )
    _log.info(
        "%d scenes, %d vessels seen, %d calls: %s",
        len(rows),
        len(detections),
        len(calls),
        folder.inside("report.html"),
    )


def scene_row(scene: Scene, measured: Measured | None, failures: Mapping[str, str]) -> SceneRow:
    """Return a scene's row: what became of it, and why."""
    status, reason, clear = _status(scene, measured, failures)
    parts = measured.cube_parts if measured else []
    notes = [*scene.notes, *(note for part in parts for note in part.notes)]
    return SceneRow(
        scene_id=scene.scene_id,
        datetime=scene.datetime,
        sensor=scene.sensor,
        gsd_m=scene.gsd_m,
        sun_elevation_deg=scene.sun_elevation_deg,
        sun_azimuth_deg=scene.sun_azimuth_deg,
        sun_source=scene.sun_source,
        off_nadir_deg=scene.off_nadir_deg,
        view_azimuth_deg=scene.view_azimuth_deg,
        clear_fraction=clear,
        status=status,
        reason=reason,
        item_id=scene.item_id,
        collection=scene.collection,
        platform=scene.platform,
        level=scene.level,
        group=group_of(scene)[0] if scene.status == "found" else None,
        acquisition_id=scene.acquisition_id,
        resampled=any(part.resampled for part in parts) if parts else None,
        notes=tuple(dict.fromkeys(notes)),
    )


def _status(
    scene: Scene, measured: Measured | None, failures: Mapping[str, str]
) -> tuple[str, str | None, float | None]:
    if scene.status != "found":
        return scene.status, scene.reason, None
    if scene.scene_id in failures:
        return "failed", failures[scene.scene_id], None
    if measured is None:
        return "failed", "not read: its part is missing; run again", None
    if not any(part.valid_fraction > 0 for part in measured.cube_parts):
        return "skipped", "no pixel with data over the AOI", None
    whole = [count for count in measured.counts if count.berth == ""]
    water = sum(count.water_px for count in whole)
    if water > 0:
        clear = min(1.0, sum(count.clear_px for count in whole) / water)
    else:
        clear = max(part.clear_fraction for part in measured.cube_parts)
        if clear >= CLOUDY_BELOW:
            return "used", "no water seen in the AOI", None
    if clear < CLOUDY_BELOW:
        return "cloudy", f"{clear:.1%} of the AOI's water is clear", clear
    return "used", None, clear


def _report(
    campaign: Campaign,
    folder: RunFolder,
    parts: PartStore,
    by_table: Mapping[str, Sequence[Any]],
    *,
    sightings: Sequence[Sighting],
    pictures: Mapping[str, str],
    fleet: tuple[Vessel, ...],
) -> None:
    by_id = {sighting.detection_id: sighting for sighting in sightings}

    def chip(detection_id: str) -> Any | None:
        sighting = by_id.get(detection_id)
        if sighting is None or sighting.chip is None:
            return None
        return parts.array("measure", pictures[detection_id], sighting.chip.key)[...]

    page = render_report(
        ReportInput(
            campaign=campaign,
            scenes=list(by_table["scenes"]),
            looks=list(by_table["looks"]),
            detections=list(by_table["detections"]),
            calls=list(by_table["calls"]),
            totals=list(by_table["totals"]),
            sightings=by_id,
            chips=chip,
            fleet=fleet,
        )
    )
    folder.write_text("report.html", page)


def rewrite_report(campaign: Campaign, folder: RunFolder) -> None:
    """Write the report anew from the tables and parts of a finished run."""
    stored = folder.read_json(_SIGHTINGS) or {"sightings": [], "pictures": {}}
    _report(
        campaign,
        folder,
        open_parts(folder.place),
        {name: read_rows(folder.files, name) for name in TABLES},
        sightings=from_json(list[Sighting], stored["sightings"]),
        pictures=stored["pictures"],
        fleet=read_fleet(campaign.fleet) if campaign.fleet else (),
    )


def _provenance(
    campaign: Campaign,
    folder: RunFolder,
    cube: CubeStore,
    scenes: Sequence[Scene],
    *,
    grids: Mapping[str, Grid],
    assets: Mapping[str, Any],
    engine: str,
    device: str,
) -> dict[str, Any]:
    packages = ("eo-freeboard", "numpy", "scipy", "xarray", "zarr", "icechunk", "stackstac",
                "rasterio", "dask")  # fmt: skip
    return {
        "schema_version": SCHEMA_VERSION,
        "campaign": campaign.as_dict(),
        "written": dt.datetime.now(dt.UTC).isoformat(),
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in packages},
        },
        "command": sys.argv,
        "engine": engine,
        "device": {"asked": device, "gpus": gpu_count(), "machine": platform.machine()},
        "inputs": [
            {
                "id": scene.item_id,
                "scene_id": scene.scene_id,
                "status": scene.status,
                "assets": assets.get(scene.scene_id, []),
            }
            for scene in scenes
        ],
        "grids": {name: to_json(Grid, grid) for name, grid in sorted(grids.items())},
        "cube": {"url": campaign.cube, "snapshot": cube.snapshot()},
        "sha256": {f"{name}.parquet": folder.digest(f"{name}.parquet") for name in TABLES},
    }
