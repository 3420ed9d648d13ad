"""The report: one HTML file that says what was found, how surely, and what could not be seen.

It is drawn from rows of the tables and the pictures in the parts alone, so that it can be
written again at any time, and needs no network to be read. Every text from outside is escaped.
It says nothing of when or where it was made; that stands in run.json.
"""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import jinja2

from eo.core.config import Campaign
from eo.core.records import Sighting, Vessel
from eo.core.rows import Detection, Look, PortCall, PortTotal, SceneRow
from eo.stages.figures import cumulative_chart, monthly_chart
from eo.stages.report_calendar import look_calendar
from eo.stages.report_cards import CallCard, ChipPicture, call_card, chip_picture
from eo.stages.totals import arrival_time

__all__ = ["ReportInput", "render_report"]

CARDS = 60
"""Calls shown with pictures; more stand in the table only, so that the page stays readable."""
LOOSE_CHIPS = 24
"""Pictures of vessels that belong to no call."""
LISTED = 200
"""Rows of a list of scenes or vessels."""

_FILL_WORDS = {
    "measured": "measured",
    "no-sun-geometry": "the time, and so the sun, is unknown",
    "sun-too-low": "the sun stands too low",
    "sun-along-hull": "the sun shines along the hull",
    "view-too-oblique": "the view is too oblique",
    "too-small": "too few pixels on her",
    "outside": "no data beside her",
    "saturated": "too bright for the sensor",
    "cloud": "cloud or its shadow beside her",
    "occupied": "another hull beside her",
    "shade-on-quay": "her shadow falls on a quay",
    "not-identifiable": "the pixels say too little",
}


@dataclass(frozen=True, kw_only=True)
class ReportInput:
    """Everything the report shows."""

    campaign: Campaign
    """What was asked."""
    scenes: Sequence[SceneRow]
    """Rows of scenes.parquet."""
    looks: Sequence[Look]
    """Rows of looks.parquet."""
    detections: Sequence[Detection]
    """Rows of detections.parquet."""
    calls: Sequence[PortCall]
    """Rows of calls.parquet."""
    totals: Sequence[PortTotal]
    """Rows of totals.parquet."""
    sightings: Mapping[str, Sighting] = field(default_factory=dict)
    """By detection_id, for outlines and pictures; empty: no pictures."""
    chips: Callable[[str], Any] = lambda _: None
    """Reads the picture of a detection, uint8 (y, x, 3); None where there is none."""
    fleet: Sequence[Vessel] = ()
    """Known vessels: their names, and which of them are of interest."""
    provenance: Mapping[str, str] = field(default_factory=dict)
    """Versions and the like, in the order shown, after what the tables themselves tell."""

    @property
    def names(self) -> dict[str, str]:
        """Names by vessel_id."""
        return {v.vessel_id: v.name for v in self.fleet if v.name}

    @property
    def interest_marked(self) -> bool:
        """Whether anybody said which vessels are of interest."""
        if self.fleet:
            return any(v.of_interest for v in self.fleet)
        return any(call.of_interest is not True for call in self.calls)


@dataclass(frozen=True, kw_only=True)
class _VesselLine:
    vessel_id: str
    name: str
    identified: bool
    of_interest: bool | None
    calls: int
    length_m: float
    first_seen: dt.datetime
    last_seen: dt.datetime
    loaded: float | None


def render_report(result: ReportInput) -> str:
    """Return the report: one HTML page that needs no network.

    Parameters
    ----------
    result
        What to show; zero scenes and zero calls make a sensible page too.
    """
    return _template().render(_context(result))


@cache
def _template() -> jinja2.Template:
    # The template is ours; what goes into it is not, and autoescape holds for all of it.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(barrels=_barrels, day=_day, percent=_percent, count=_count)
    return environment.get_template("report.html.j2")


def _context(result: ReportInput) -> dict[str, Any]:
    campaign = result.campaign
    calls = sorted(result.calls, key=lambda c: (arrival_time(c), c.call_id))
    everything = next((t for t in result.totals if t.period == "all"), None)
    months = [t for t in result.totals if t.period != "all"]
    counted = [c for c in calls if campaign.start <= arrival_time(c) < campaign.end]
    calendar, merged = look_calendar(result.looks, start=campaign.start, end=campaign.end)
    cards = _cards(result, calls)
    shown_loads = any(c.direction == "loading" and c.barrels_p50 is not None for c in counted)
    return {
        "campaign": campaign,
        "last_day": campaign.end - dt.timedelta(microseconds=1),
        "product": campaign.product or "oil (product not stated)",
        "all": everything,
        "months": months,
        "calls": calls,
        "cards": cards,
        "chips_shown": sum(len(card.chips) for card in cards),
        "interest": _interest(result, counted),
        "interest_marked": result.interest_marked,
        "cumulative_svg": _safe(
            cumulative_chart(
                counted,
                start=campaign.start,
                end=campaign.end,
                cap_barrels=campaign.annual_cap_barrels,
                interest_marked=result.interest_marked,
            )
        )
        if shown_loads
        else None,
        "monthly_svg": _safe(monthly_chart(months)) if months else None,
        "calendar": calendar,
        "calendar_merged": merged,
        "undated_looks": sum(k.datetime is None for k in result.looks),
        "vessels": _vessels(result, calls),
        "loose": _loose(result, calls),
        "scene_counts": _scene_counts(result.scenes),
        "scene_troubles": _troubles(result.scenes),
        "fill_counts": _fill_counts(result.detections),
        "names": result.names,
        "provenance": {**_rests_on(result), **result.provenance},
        "detections": len(result.detections),
        "scenes": len(result.scenes),
        "listed": LISTED,
    }


def _safe(svg: str) -> Any:
    """Mark a chart as markup: matplotlib escapes the text it draws."""
    from markupsafe import Markup

    return Markup(svg)  # noqa: S704 - made by us; matplotlib escapes the text in it


# --------------------------------------------------------------------------------- contents
def _cards(result: ReportInput, calls: Sequence[PortCall]) -> list[CallCard]:
    """Return cards of all calls, pictures for those with most cargo, in order of arrival."""
    ranked = sorted(calls, key=lambda c: (-abs(c.barrels_p50 or 0.0), arrival_time(c), c.call_id))
    pictured = {c.call_id for c in ranked[:CARDS]}
    detections = {d.detection_id: d for d in result.detections}
    return [
        call_card(call, detections, result.sightings, result.chips)
        for call in calls
        if call.call_id in pictured
    ]


def _loose(result: ReportInput, calls: Sequence[PortCall]) -> dict[str, Any]:
    """Sightings that belong to no call, with some of their pictures."""
    linked = {i for call in calls for i in call.detection_ids}
    rows = {d.detection_id: d for d in result.detections if d.detection_id not in linked}
    ranked = sorted(rows.values(), key=lambda d: (-d.confidence, d.detection_id))
    pictures: list[ChipPicture] = []
    for row in ranked:
        if len(pictures) >= LOOSE_CHIPS:
            break
        picture = chip_picture(row.detection_id, rows, result.sightings, result.chips)
        if picture is not None:
            pictures.append(picture)
    return {
        "number": len(rows),
        "undated": sum(d.datetime is None for d in rows.values()),
        "pictures": pictures,
    }


def _vessels(result: ReportInput, calls: Sequence[PortCall]) -> list[_VesselLine]:
    grouped: dict[str, list[PortCall]] = {}
    for call in calls:
        grouped.setdefault(call.vessel_id, []).append(call)
    lines, names = [], result.names
    for vessel_id, mine in grouped.items():
        loads = [c.barrels_p50 for c in mine if c.direction == "loading" and c.barrels_p50]
        lines.append(
            _VesselLine(
                vessel_id=vessel_id,
                name=names.get(vessel_id, ""),
                identified=not vessel_id.startswith("u-"),
                of_interest=mine[0].of_interest,
                calls=len(mine),
                length_m=math.fsum(c.length_m for c in mine) / len(mine),
                first_seen=min(c.first_seen for c in mine),
                last_seen=max(c.last_seen for c in mine),
                loaded=math.fsum(loads) if loads else None,
            )
        )
    return sorted(lines, key=lambda v: (not v.identified, -v.calls, v.vessel_id))


def _interest(result: ReportInput, calls: Sequence[PortCall]) -> dict[str, Any]:
    """Barrels by who carried them: vessels of interest, unidentified ones, the others."""
    loads = [c for c in calls if c.direction == "loading" and c.barrels_p50 is not None]
    marked = result.interest_marked
    known = [c for c in loads if not marked or c.of_interest]
    unknown = [c for c in loads if marked and c.of_interest is None]
    others = [c for c in loads if marked and c.of_interest is False]
    return {
        "known": math.fsum(c.barrels_p50 or 0.0 for c in known),
        "unknown": math.fsum(c.barrels_p50 or 0.0 for c in unknown),
        "others": math.fsum(c.barrels_p50 or 0.0 for c in others),
        "unknown_calls": len(unknown),
        "other_calls": len(others),
    }


def _scene_counts(scenes: Sequence[SceneRow]) -> list[tuple[str, int]]:
    found = Counter(scene.status for scene in scenes)
    return [(s, found[s]) for s in ("used", "cloudy", "skipped", "failed") if found[s]]


def _troubles(scenes: Sequence[SceneRow]) -> list[tuple[str, str, int, str]]:
    """Status, reason, number and one example of the scenes not used, the commonest first."""
    groups: dict[tuple[str, str], list[str]] = {}
    for scene in scenes:
        if scene.status in {"failed", "skipped"}:
            reason = scene.reason or "no reason given"
            if reason.startswith("duplicate of "):
                reason = "duplicate of a newer processing"
            groups.setdefault((scene.status, reason), []).append(scene.scene_id)
    rows = [(status, reason, len(ids), min(ids)) for (status, reason), ids in groups.items()]
    return sorted(rows, key=lambda r: (r[0], -r[2], r[1]))


def _fill_counts(detections: Sequence[Detection]) -> list[tuple[str, str, int]]:
    found = Counter(d.fill_status for d in detections)
    return [
        (status, _FILL_WORDS.get(status, status.replace("-", " ")), number)
        for status, number in sorted(found.items(), key=lambda kv: (-kv[1], kv[0]))
    ]


def _rests_on(result: ReportInput) -> dict[str, str]:
    """Say what the findings rest on: catalog, sensors, references, software."""
    asked = result.campaign
    sensors = Counter(f"{s.sensor} ({s.gsd_m:g} m, {s.level})" for s in result.scenes)
    references = {d.reference_id for d in result.detections if d.reference_id}
    said = {
        "Catalog": _public(asked.catalog),
        "Collections": ", ".join(asked.collections or ()),
        "Scenes": ", ".join(f"{number} {name}" for name, number in sorted(sensors.items())),
        "Fleet file": f"{len(result.fleet)} vessels" if result.fleet else "",
        "References of the empty port": str(len(references)) if references else "",
        "Software": f"eo-freeboard {_version()}",
    }
    return {key: value for key, value in said.items() if value}


def _public(href: str) -> str:
    """Return an address without user, password and query; of a local path its name."""
    if "://" not in href:
        return Path(href).name
    parts = urlsplit(href)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _version() -> str:
    try:
        return importlib.metadata.version("eo-freeboard")
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"


# ------------------------------------------------------------------------------- the numbers
def _barrels(value: float | None) -> str:
    """Barrels to three figures: more would claim what nobody knows."""
    if value is None:
        return "unknown"
    if abs(value) < 0.5:
        return "0"
    step = 10.0 ** max(math.floor(math.log10(abs(value))) - 2, 0)
    return f"{round(value / step) * step:,.0f}"


def _count(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.0f}"


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{100.0 * value:.0f} %"


def _day(moment: dt.datetime | None) -> str:
    return "unknown" if moment is None else f"{moment.day} {moment:%b %Y}"
