"""Finish: from all parts, in one process, the tables and the report.

What is learnt across looks (who she is, how deep she lies, how many calls) happens here, over
all parts sorted by id, so that the order of arrival never shows. Tables hold nothing of when,
where or how often a run was made; that is run.json's, see `eo.history`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from eo.access.files import Files
from eo.access.tables import write_table
from eo.core.config import Campaign
from eo.core.records import (
    Berth,
    CubePart,
    Scene,
    Sighting,
    Vessel,
    WaterCount,
    to_json,
)
from eo.core.rows import SceneRow
from eo.core.seams import PartStore
from eo.engine.plan import group_of
from eo.pages import SIGHTINGS, write_pages
from eo.stages.calls import link_stays
from eo.stages.fill import weigh
from eo.stages.looks import CLOUDY_BELOW, look_rows
from eo.stages.totals import port_totals

__all__ = ["Findings", "Measured", "compile_results"]


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


@dataclass(frozen=True, kw_only=True)
class Findings:
    """All that tables and report are made of."""

    campaign: Campaign
    """What was asked."""
    scenes: Sequence[Scene]
    """Every item found."""
    measured: Mapping[str, Measured]
    """What the units said, by scene_id."""
    failures: Mapping[str, str]
    """Why scenes failed, by scene_id."""
    fleet: tuple[Vessel, ...]
    """Known vessels."""
    berths: tuple[Berth, ...]
    """Named places; empty: the whole area is the anchorage."""


def compile_results(findings: Findings, parts: PartStore, draft: Files) -> dict[str, Any]:
    """Write tables and pages into `draft`; return what a list of commits says of them."""
    campaign, scenes, measured = findings.campaign, findings.scenes, findings.measured
    fleet, berths = findings.fleet, findings.berths
    rows = [scene_row(scene, measured.get(scene.scene_id), findings.failures) for scene in scenes]
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
    times = {scene.scene_id: scene.datetime for scene in scenes if scene.datetime is not None}
    weighed = weigh(sightings, stays, fleet, product=campaign.product, counts=counts, times=times)
    totals = port_totals(weighed.calls, stays, looks, start=campaign.start, end=campaign.end)
    counted = {stay.call_id for stay in stays if stay.counts}
    calls = sorted(
        (call for call in weighed.calls if call.call_id in counted),
        key=lambda c: (c.first_seen, c.call_id),
    )
    by_table: dict[str, Sequence[Any]] = {
        "scenes": rows,
        "looks": looks,
        "detections": sorted(
            weighed.detections, key=lambda d: (str(d.datetime), d.scene_id, d.detection_id)
        ),
        "calls": calls,
        "totals": totals,
    }
    for name, table in by_table.items():
        write_table(draft, name, table)
    pictures = {key: fp for m in measured.values() for key, fp in m.pictures.items()}
    kept = {
        "sightings": to_json(list[Sighting], sightings),
        "pictures": {s.detection_id: pictures[s.detection_id] for s in sightings},
        "fill_densities": weighed.fill_densities,
    }
    draft.write(SIGHTINGS, json.dumps(kept, indent=1, sort_keys=True).encode())
    write_pages(
        draft,
        campaign,
        parts,
        by_table,
        sightings=sightings,
        pictures=pictures,
        fill_densities=weighed.fill_densities,
        fleet=fleet,
    )
    return {
        "scenes": dict(sorted(Counter(row.status for row in rows).items())),
        "vessels_seen": len(weighed.detections),
        "calls": len(calls),
    }


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
