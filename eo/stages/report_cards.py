"""What the report shows of each call and each sighting: pictures, gauges, brackets.

Pictures are the scene's own pixels, enlarged but not smoothed, with the measured outline drawn
over them; nothing is retouched.
"""

from __future__ import annotations

import base64
import datetime as dt
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.image
import numpy as np

from eo.core.records import Sighting
from eo.core.rows import Detection, PortCall

__all__ = [
    "CallCard",
    "ChipPicture",
    "Gauge",
    "Timeline",
    "call_card",
    "chip_of",
    "chip_picture",
    "evidence_name",
]

CHIPS_PER_CALL = 5
SCALE_BAR_M = 50.0

ChipReader = Callable[[str], Any]


@dataclass(frozen=True, kw_only=True)
class ChipPicture:
    """One picture of one vessel."""

    detection_id: str
    data_uri: str
    width: int
    height: int
    outline: str
    """Points of the outline in chip pixels, as SVG wants them."""
    scale_px: float
    """Length of the scale bar in chip pixels."""
    scale_m: float
    alt: str
    caption: str
    status: str
    """What was said of her fill in this look."""
    evidence: str | None
    """Page of evidence, beside the report; None where nothing was measured."""


@dataclass(frozen=True, kw_only=True)
class Gauge:
    """A fill with its interval, in percent."""

    name: str
    low: float
    mid: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """A call's bracket, in percent of the drawn span."""

    open_left: bool
    open_right: bool
    seen_from: float
    seen_to: float
    arrival: str
    departure: str
    seen: str


@dataclass(frozen=True, kw_only=True)
class CallCard:
    """One call as the report shows it."""

    call: PortCall
    gauges: tuple[Gauge, ...]
    timeline: Timeline
    chips: tuple[ChipPicture, ...]
    chips_left_out: int


def call_card(
    call: PortCall,
    detections: Mapping[str, Detection],
    sightings: Mapping[str, Sighting],
    chips: ChipReader | None,
) -> CallCard:
    """Return what the report shows of a call; without `chips` no pictures.

    Parameters
    ----------
    call
        The call.
    detections, sightings
        By detection_id.
    chips
        Reads the picture of a detection: uint8 (y, x, 3), or None where there is none.
    """
    pictures: list[ChipPicture] = []
    wanted = _spread(call.detection_ids, CHIPS_PER_CALL) if chips is not None else []
    for detection_id in wanted:
        picture = chip_picture(detection_id, detections, sightings, chips)
        if picture is not None:
            pictures.append(picture)
    return CallCard(
        call=call,
        gauges=_gauges(call),
        timeline=_timeline(call),
        chips=tuple(pictures),
        chips_left_out=len(call.detection_ids) - len(wanted),
    )


def chip_picture(
    detection_id: str,
    detections: Mapping[str, Detection],
    sightings: Mapping[str, Sighting],
    chips: ChipReader | None,
) -> ChipPicture | None:
    """Return the picture of one detection with its outline; None where there is none."""
    sighting, row = sightings.get(detection_id), detections.get(detection_id)
    if chips is None or sighting is None or sighting.chip is None:
        return None
    pixels = chips(detection_id)
    return None if pixels is None else chip_of(sighting, row, pixels)


def chip_of(sighting: Sighting, row: Detection | None, pixels: Any) -> ChipPicture | None:
    """Return the picture of a sighting with its outline, from its pixels uint8 (y, x, 3)."""
    if sighting.chip is None:
        return None
    pixels = np.asarray(pixels)
    a, b, c, d, e, f = sighting.chip.map_to_pixel
    points = " ".join(
        f"{a * x + b * y + c:.2f},{d * x + e * y + f:.2f}" for x, y in sighting.hull.outline
    )
    px_per_m = math.sqrt(abs(a * e - b * d))
    height, width = pixels.shape[:2]
    scale_m = SCALE_BAR_M if SCALE_BAR_M * px_per_m < 0.6 * width else SCALE_BAR_M / 5.0
    when = _moment(sighting.datetime)
    return ChipPicture(
        detection_id=sighting.detection_id,
        data_uri=_png(pixels),
        width=width,
        height=height,
        outline=points,
        scale_px=scale_m * px_per_m,
        scale_m=scale_m,
        alt=(
            f"Satellite picture of a vessel {sighting.hull.length_m:.0f} m long, {when}, "
            f"scene {sighting.scene_id}"
        ),
        caption=when,
        status=_status(row),
        evidence=evidence_name(row) if row is not None else None,
    )


def evidence_name(row: Detection) -> str | None:
    """Return the name, within the run's folder, of a measured vessel's page of evidence."""
    return f"evidence/{row.detection_id}.html" if row.fill_status == "measured" else None


def _status(row: Detection | None) -> str:
    if row is None:
        return ""
    if row.fill_p05 is None or row.fill_p50 is None or row.fill_p95 is None:
        return row.fill_status
    low, middle, high = (round(100 * v) for v in (row.fill_p05, row.fill_p50, row.fill_p95))
    return f"fill {middle} % ({low}-{high})"


def _png(pixels: Any) -> str:
    buffer = io.BytesIO()
    nameless: Any = {"Software": None}  # no version: the same pixels give the same bytes
    matplotlib.image.imsave(buffer, np.ascontiguousarray(pixels), format="png", metadata=nameless)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _spread(ids: Sequence[str], most: int) -> list[str]:
    """Return at most so many of them: the first, the last, and some evenly between."""
    if len(ids) <= most:
        return list(ids)
    return [ids[round(i * (len(ids) - 1) / (most - 1))] for i in range(most)]


def _gauges(call: PortCall) -> tuple[Gauge, ...]:
    gauges = []
    for name, low, mid, high in (
        ("arrival", call.fill_arrival_p05, call.fill_arrival_p50, call.fill_arrival_p95),
        ("departure", call.fill_departure_p05, call.fill_departure_p50, call.fill_departure_p95),
    ):
        if low is not None and mid is not None and high is not None:
            gauges.append(Gauge(name=name, low=100 * low, mid=100 * mid, high=100 * high))
    return tuple(gauges)


def _timeline(call: PortCall) -> Timeline:
    margin = dt.timedelta(days=1)
    left = call.arrival_after or call.first_seen - margin
    right = call.departure_before or call.last_seen + margin
    whole = max((right - left) / margin, 1e-6)

    def percent(moment: dt.datetime) -> float:
        return 100.0 * ((moment - left) / margin) / whole

    year = call.first_seen.year
    seen = _moment(call.first_seen, year)
    if call.last_seen > call.first_seen:
        seen = f"{seen} to {_moment(call.last_seen, year)}"
    return Timeline(
        open_left=call.arrival_after is None,
        open_right=call.departure_before is None,
        seen_from=percent(call.first_seen),
        seen_to=percent(call.last_seen),
        arrival=_between(call.arrival_after, call.arrival_before, "before", year),
        departure=_between(call.departure_after, call.departure_before, "after", year),
        seen=seen,
    )


def _between(low: dt.datetime | None, high: dt.datetime | None, one_sided: str, year: int) -> str:
    if low is not None and high is not None:
        return f"{_moment(low, year)} to {_moment(high, year)}"
    return f"{one_sided} {_moment(low or high, year)}"


def _moment(moment: dt.datetime | None, year: int | None = None) -> str:
    """Day and time, with the year where it is not `year`."""
    if moment is None:
        return "time unknown"
    return (
        f"{moment.day} {moment:%b %H:%M}"
        if moment.year == year
        else f"{moment.day} {moment:%b %Y, %H:%M}"
    )
