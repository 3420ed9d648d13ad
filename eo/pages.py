"""What people read of a run: the report, and a page of evidence for every measured vessel.

Both are drawn from tables and parts alone, so that they can be made again at any time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eo.access.files import Files
from eo.access.fleet import read_fleet
from eo.access.folder import RunFolder
from eo.access.parts import open_parts
from eo.access.tables import TABLES, read_rows
from eo.core.config import Campaign
from eo.core.records import Sighting, Vessel, from_json
from eo.core.rows import Detection
from eo.core.seams import PartStore
from eo.stages.evidence import Evidence, render_evidence
from eo.stages.report import ReportInput, render_report
from eo.stages.report_cards import evidence_name
from eo.stages.ships_learnt import FILLS

__all__ = ["REPORT", "SIGHTINGS", "rewrite_pages", "write_pages"]

REPORT = "report.html"
SIGHTINGS = "sightings.json"
"""Every look's own records, and the part that holds each picture."""


class _Pixels:
    """Arrays of the measure parts, by detection."""

    def __init__(
        self, parts: PartStore, sightings: Mapping[str, Sighting], pictures: Mapping[str, str]
    ) -> None:
        self._parts, self._sightings, self._pictures = parts, sightings, pictures

    def chip(self, detection_id: str) -> Any | None:
        sighting = self._sightings.get(detection_id)
        key = sighting.chip.key if sighting is not None and sighting.chip else None
        return self._array(detection_id, key)

    def profile(self, detection_id: str) -> Any | None:
        sighting = self._sightings.get(detection_id)
        return self._array(detection_id, sighting.freeboard.profile_key if sighting else None)

    def _array(self, detection_id: str, key: str | None) -> Any | None:
        if key is None:
            return None
        return self._parts.array("measure", self._pictures[detection_id], key)[...]


def write_pages(
    files: Files,
    campaign: Campaign,
    parts: PartStore,
    by_table: Mapping[str, Sequence[Any]],
    *,
    sightings: Sequence[Sighting],
    pictures: Mapping[str, str],
    fill_densities: Mapping[str, Sequence[float]],
    fleet: tuple[Vessel, ...],
) -> None:
    """Write the evidence, and the report that leads to it.

    Parameters
    ----------
    by_table
        Rows of the tables, by name.
    sightings
        Every look's own records.
    pictures
        detection_id -> fingerprint of the measure part that holds her arrays.
    fill_densities
        detection_id -> posterior of the fill, over `eo.stages.ships_learnt.FILLS`.

    Raises
    ------
    OutputError
        If the files cannot be written.
    """
    by_id = {sighting.detection_id: sighting for sighting in sightings}
    pixels = _Pixels(parts, by_id, pictures)
    for row in by_table["detections"]:
        name, page = evidence_name(row), _evidence(row, by_id, pixels, fill_densities)
        if name is not None and page is not None:
            files.write(name, page.encode())
    report = render_report(
        ReportInput(
            campaign=campaign,
            scenes=list(by_table["scenes"]),
            looks=list(by_table["looks"]),
            detections=list(by_table["detections"]),
            calls=list(by_table["calls"]),
            totals=list(by_table["totals"]),
            sightings=by_id,
            chips=pixels.chip,
            fleet=fleet,
        )
    )
    files.write(REPORT, report.encode())


def _evidence(
    row: Detection,
    sightings: Mapping[str, Sighting],
    pixels: _Pixels,
    fill_densities: Mapping[str, Sequence[float]],
) -> str | None:
    sighting = sightings.get(row.detection_id)
    if sighting is None or evidence_name(row) is None:
        return None
    return render_evidence(
        Evidence(
            detection=row,
            sighting=sighting,
            chip=pixels.chip(row.detection_id),
            profile=pixels.profile(row.detection_id),
            fill=FILLS.tolist(),
            fill_density=fill_densities.get(row.detection_id),
        )
    )


def rewrite_pages(campaign: Campaign, folder: RunFolder) -> None:
    """Write report and evidence anew from the tables and parts of a finished run.

    Raises
    ------
    OutputError
        If there is none, or the folder cannot be written.
    """
    stored = folder.read_json(SIGHTINGS) or {"sightings": [], "pictures": {}}
    write_pages(
        folder.files,
        campaign,
        open_parts(folder.place),
        {name: read_rows(folder.files, name) for name in TABLES},
        sightings=from_json(list[Sighting], stored["sightings"]),
        pictures=stored["pictures"],
        fill_densities=stored.get("fill_densities", {}),
        fleet=read_fleet(campaign.fleet) if campaign.fleet else (),
    )
