"""A measured vessel's evidence: what her number rests on, on one page that anybody can check.

The picture with the outline, the deck's edges and the shadow's edge drawn on the very pixels; the
profile across her, observed and fitted, with what is left over; what these pixels say of the
freeboard, and the fill that follows. Drawn from a look's own records alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from matplotlib.ticker import MaxNLocator

from eo.core.freeboard import Freeboard
from eo.core.records import Sighting
from eo.core.rows import Detection
from eo.stages.report_cards import ChipPicture, chip_of

__all__ = ["Evidence", "Panel", "render_evidence"]

_COLOURS = {
    "coastal": "#5b3f9e",
    "blue": "#1769d2",
    "green": "#1a8a3c",
    "yellow": "#a58b00",
    "red": "#c8302a",
    "rededge": "#a3224f",
    "nir": "#4a4f57",
}
_OTHER = "#7a6a58"
_WIDTH, _HEIGHT = 620.0, 260.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 62.0, 14.0, 10.0, 40.0
_FEW_BINS = 4
_FLOOR = 1e-3
"""Of its maximum, below which a curve's tails are left out of the picture."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """What the page shows."""

    detection: Detection
    """The row of detections.parquet."""
    sighting: Sighting
    """The look's own record."""
    chip: Any | None
    """Picture, uint8 (y, x, 3)."""
    profile: Any | None
    """As :attr:`eo.core.freeboard.Freeboard.profile_key` says."""
    fill: Sequence[float] | None = None
    """Fills at which the posterior is given."""
    fill_density: Sequence[float] | None = None
    """Posterior of the fill there, in any unit."""


@dataclass(frozen=True, kw_only=True)
class _Mark:
    at: float
    name: str
    kind: str


@dataclass(frozen=True, kw_only=True)
class _Curve:
    name: str
    colour: str
    line: str
    dots: tuple[tuple[float, float, float, float], ...] = ()
    """x, y, and the ends of the bar."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One chart, in the coordinates of its own drawing."""

    title: str
    alt: str
    x_name: str
    y_name: str
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    curves: tuple[_Curve, ...]
    marks: tuple[_Mark, ...] = ()
    band: tuple[float, float] | None = None
    """Left edge and width of a shaded interval."""


def render_evidence(evidence: Evidence) -> str:
    """Return the page of one vessel in one look.

    Parameters
    ----------
    evidence
        What was measured; the profile and the picture may be missing.
    """
    return _template().render(
        d=evidence.detection,
        look=evidence.sighting.freeboard,
        hull=evidence.sighting.hull,
        chip=_chip(evidence),
        body=_lines(evidence.sighting),
        panels=[panel for panel in _panels(evidence) if panel is not None],
        width=_WIDTH,
        height=_HEIGHT,
        frame=(_LEFT, _TOP, _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM),
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("evidence.html.j2")


def _chip(evidence: Evidence) -> ChipPicture | None:
    if evidence.chip is None:
        return None
    return chip_of(evidence.sighting, evidence.detection, evidence.chip)


# ------------------------------------------------------------------------------- the picture
def _lines(sighting: Sighting) -> list[tuple[str, str]]:
    """Deck's edges and shadow's edge as (kind, points in chip pixels)."""
    look, hull, chip = sighting.freeboard, sighting.hull, sighting.chip
    if look.across_azimuth_deg is None or look.body_m is None or chip is None:
        return []
    a, b, c, d, e, f = chip.map_to_pixel
    along = _unit(hull.heading_deg)
    across = _unit(look.across_azimuth_deg)

    def points(at_m: float) -> str:
        ends = []
        for t in look.body_m or ():
            x = hull.x_m + t * along[0] + at_m * across[0]
            y = hull.y_m + t * along[1] + at_m * across[1]
            ends.append(f"{a * x + b * y + c:.2f},{d * x + e * y + f:.2f}")
        return " ".join(ends)

    lines = [("deck", points(edge)) for edge in look.deck_edges_m or ()]
    if look.shadow_edge_m is not None:
        lines.append(("shadow", points(look.shadow_edge_m)))
    return lines


def _unit(azimuth_deg: float) -> tuple[float, float]:
    angle = math.radians(azimuth_deg)
    return math.sin(angle), math.cos(angle)


# -------------------------------------------------------------------------------- the charts
def _panels(evidence: Evidence) -> list[Panel | None]:
    look = evidence.sighting.freeboard
    return [
        *_profile_panels(look, evidence.profile),
        _freeboard_panel(look, evidence.detection),
        _fill_panel(evidence),
    ]


def _profile_panels(look: Freeboard, profile: Any) -> list[Panel | None]:
    if profile is None or not look.profile_bands:
        return []
    table = np.asarray(profile, dtype=float)
    across = table[0]
    by_band = table[1:].reshape(len(look.profile_bands), 3, -1)
    seen = np.isfinite(by_band[:, 0]).any(axis=0)
    if not seen.any():
        return []
    across, by_band = across[seen], by_band[:, :, seen]
    marks = [
        *((at, name) for at, name in zip(look.deck_edges_m or (), _EDGES, strict=False)),
        *([(look.shadow_edge_m, "shadow's edge")] if look.shadow_edge_m is not None else []),
    ]
    span = (float(across.min()), float(across.max()))
    spread = np.where(by_band[:, 2] > 0, by_band[:, 2], np.nan)
    left = (by_band[:, 0] - by_band[:, 1]) / spread
    worst = min(6.0, max(3.0, float(np.nanmax(np.abs(left), initial=3.0))))
    observed = _chart(
        title="Across her: observed (dots, with the mean's standard deviation) and fitted (lines)",
        alt="Reflectance across the hull by band, observed and fitted.",
        names=("metres across, towards the shade", "reflectance"),
        x=span,
        y=_range(by_band[:, :2]),
        rows=[
            (band, across, values[1], (values[0], values[2]))
            for band, values in zip(look.profile_bands, by_band, strict=True)
        ],
        marks=marks,
    )
    rest = _chart(
        title="What is left over, in standard deviations of each mean",
        alt="Observed less fitted by band, in standard deviations.",
        names=("metres across, towards the shade", "sd"),
        x=span,
        y=(-worst, worst),
        rows=[
            (band, across, np.clip(values, -worst, worst), None)
            for band, values in zip(look.profile_bands, left, strict=True)
        ],
        marks=marks,
    )
    return [observed, _shaded_side(look, across, by_band, marks), rest]


def _shaded_side(
    look: Freeboard, across: Any, by_band: Any, marks: Sequence[tuple[float, str]]
) -> Panel | None:
    """Return the strip and the ground beyond it by themselves: beside a deck they look flat."""
    if look.deck_edges_m is None or look.shadow_edge_m is None:
        return None
    start = look.deck_edges_m[1]
    beside = across >= start
    if beside.sum() < _FEW_BINS:
        return None
    # The blur carries the deck's light over its edge; what is shown fits the strip and beyond.
    clear = across >= start + 0.35 * (look.shadow_edge_m - start)
    return _chart(
        title="The shaded side by itself",
        alt="Reflectance beside the hull by band, observed and fitted.",
        names=("metres across, towards the shade", "reflectance"),
        x=(start, float(across.max())),
        y=_range(by_band[:, :2, clear if clear.sum() >= _FEW_BINS else beside]),
        rows=[
            (band, across[beside], values[1, beside], (values[0, beside], values[2, beside]))
            for band, values in zip(look.profile_bands, by_band, strict=True)
        ],
        marks=[mark for mark in marks if mark[0] > start],
    )


_EDGES = ("deck, sunlit", "deck, shaded")


def _freeboard_panel(look: Freeboard, row: Detection) -> Panel | None:
    logl = np.asarray(look.log_likelihood)
    if not logl.size:
        return None
    heights = look.start_m + look.step_m * np.arange(logl.size)
    density = np.exp(logl - logl.max())
    shown = density > _FLOOR
    reach = float(heights[shown].max()) + 0.5
    what = "above the quay" if look.surface == "quay" else "above the water"
    marks: list[tuple[float, str]] = []
    if row.freeboard_m is not None and look.surface == "water":
        marks = [(row.freeboard_m, f"{row.freeboard_m:.1f} m")]
    return _chart(
        title=f"What these pixels say of the deck's height {what}",
        alt=f"Likelihood of the deck's height {what}.",
        names=(f"metres {what}", "likelihood"),
        x=(max(0.0, float(heights[shown].min()) - 0.5), reach),
        y=(0.0, 1.08),
        rows=[("", heights, density, None)],
        marks=marks,
    )


def _fill_panel(evidence: Evidence) -> Panel | None:
    row = evidence.detection
    if evidence.fill is None or evidence.fill_density is None or row.fill_p05 is None:
        return None
    fill = 100.0 * np.asarray(evidence.fill, dtype=float)
    density = np.asarray(evidence.fill_density, dtype=float)
    if not density.max() > 0:
        return None
    low, mid, high = (100.0 * (v or 0.0) for v in (row.fill_p05, row.fill_p50, row.fill_p95))
    return _chart(
        title=f"Fill: {round(mid)} %, 90 % interval {round(low)} to {round(high)} %",
        alt=f"Posterior of the fill, median {round(mid)} percent.",
        names=("fill, percent", "probability"),
        x=(float(fill[0]), float(fill[-1])),
        y=(0.0, 1.08),
        rows=[("", fill, density / density.max(), None)],
        marks=[(mid, f"{round(mid)} %")],
        interval=(low, high),
    )


def _range(values: Any) -> tuple[float, float]:
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    room = 0.06 * max(high - low, 1e-4)
    return low - room, high + room


def _chart(
    *,
    title: str,
    alt: str,
    names: tuple[str, str],
    x: tuple[float, float],
    y: tuple[float, float],
    rows: Sequence[tuple[str, Any, Any, tuple[Any, Any] | None]],
    marks: Sequence[tuple[float, str]],
    interval: tuple[float, float] | None = None,
) -> Panel:
    """Lay one chart out; a row is name, x, line and, where dots are drawn, (y, sd)."""
    across = (_WIDTH - _LEFT - _RIGHT) / max(x[1] - x[0], 1e-9)
    up = (_HEIGHT - _TOP - _BOTTOM) / max(y[1] - y[0], 1e-9)

    def px(value: float) -> float:
        return round(_LEFT + (min(max(value, x[0]), x[1]) - x[0]) * across, 2)

    def py(value: float) -> float:
        return round(_HEIGHT - _BOTTOM - (min(max(value, y[0]), y[1]) - y[0]) * up, 2)

    curves = []
    for name, places, line, dots in rows:
        drawn = [
            f"{px(u)},{py(v)}"
            for u, v in zip(places, line, strict=True)
            if math.isfinite(v) and x[0] <= u <= x[1]
        ]
        points: tuple[tuple[float, float, float, float], ...] = ()
        if dots is not None:
            points = tuple(
                (px(u), py(v), py(v - s), py(v + s))
                for u, v, s in zip(places, *dots, strict=True)
                if math.isfinite(v)
            )
        curves.append(_Curve(name=name, colour=_colour(name), line=" ".join(drawn), dots=points))
    return Panel(
        title=title,
        alt=alt,
        x_name=names[0],
        y_name=names[1],
        x_ticks=tuple((px(t), _label(t)) for t in _ticks(*x, 8)),
        y_ticks=tuple((py(t), _label(t)) for t in _ticks(*y, 5)),
        curves=tuple(curves),
        marks=tuple(
            _Mark(at=px(at), name=name, kind="shadow" if "shadow" in name else "edge")
            for at, name in marks
            if x[0] <= at <= x[1]
        ),
        band=None if interval is None else (px(interval[0]), px(interval[1]) - px(interval[0])),
    )


def _colour(band: str) -> str:
    return "#0b5cab" if not band else _COLOURS.get(band, _OTHER)


def _ticks(low: float, high: float, most: int) -> list[float]:
    found = MaxNLocator(nbins=most, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return [float(t) for t in found if low <= t <= high]


def _label(value: float) -> str:
    return f"{value:g}" if abs(value) > 1e-12 else "0"
