"""From a box in pixels to a hull on the map: lean removed, outline drawn, bow named."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from eo.core.grid import Grid, Window
from eo.core.records import Hull, Point
from eo.core.xp import Array
from eo.kernels.hullfit import Box, frame

__all__ = ["RIMS_M", "bow_sign", "box_to_hull", "hull_outline", "with_beam"]

RIMS_M = 0.3
"""By how much a deck looks narrower than she is: gutter bars, their shade and dark rims take some
0.15 m of either edge."""
_TYPICAL_FREEBOARD_M = 5.0
"""Deck above water of a tanker of 100-180 m, half laden: what the lean is removed with before
her own freeboard is known. Wrong by 4 m it moves an edge by 4 tan(i) m."""
_OVERHANG = 0.02
"""Share of the deck's length by which a raked stem and a counter reach over the waterline: the
waterline of tankers is 0.96-0.99 of the length over all."""
_SHADED_STERN, _SHADED_STERN_SD = 0.045, 0.025
"""Share of the length, and its spread, that lies hidden astern of the house in the house's own
shade where the sun stands ahead: the mooring deck is 0.05-0.08 of the length, and as dark there
as water."""
_SUN_AHEAD_DEG = 35.0, 55.0
"""Sun off the bow up to which all of the mooring deck is in shade, and from which none is: farther
round, its sunlit side shows where the hull ends."""
_BOW_SHARE = 0.16
"""Part of the length over which the bow narrows (full forms: tankers and bulk carriers)."""
_STERN_SHARE = 0.05


def box_to_hull(
    box: Box,
    *,
    grid: Grid,
    window: Window,
    bow: int = 0,
    sun_azimuth_grid_deg: float | None = None,
    off_nadir_deg: float | None = None,
    view_azimuth_grid_deg: float | None = None,
) -> Hull:
    """Return the hull at the waterline.

    Parameters
    ----------
    box
        Fitted box in the window's pixels (centres at whole numbers).
    grid, window
        Where the window lies.
    bow
        +1 if the bow points along the box's axis, -1 if against it, 0 if unknown.
    sun_azimuth_grid_deg
        Towards the sun from grid north: ahead of a ship it hides her stern in the house's shade.
    off_nadir_deg, view_azimuth_grid_deg
        Sensor's zenith angle at the ground and its azimuth from grid north. The deck appears at
        -F tan(i) v; the side that faces the sensor shows the waterline itself, so that only the
        far side moves, and the hull seen is wider by F tan(i) |v.n|.
    """
    x, y = grid.to_map(box.row + 0.5, box.col + 0.5, window)
    (ar, ac), (nr, nc) = box.along, box.across
    axis, side = (ac, -ar), (nc, -nr)
    length, beam = box.length_px * grid.pixel_m, box.width_px * grid.pixel_m
    x_m, y_m = float(x), float(y)
    if off_nadir_deg is not None and view_azimuth_grid_deg is not None:
        lean = _TYPICAL_FREEBOARD_M * math.tan(math.radians(min(off_nadir_deg, 60.0)))
        view = _unit(view_azimuth_grid_deg)
        for unit in (axis, side):
            part = lean * (view[0] * unit[0] + view[1] * unit[1])
            x_m, y_m = x_m + 0.5 * part * unit[0], y_m + 0.5 * part * unit[1]
            if unit is axis:
                length = max(length - abs(part), 0.5 * length)
            else:
                beam = max(beam - abs(part), 0.5 * beam)
    beam += RIMS_M
    sign = bow or 1
    hidden, hidden_sd = _hidden_astern(axis, bow, sun_azimuth_grid_deg)
    # The deck's tip reaches over the stem; what is hidden lies astern. Both move the middle aft.
    aft = 0.5 * length * (_OVERHANG + hidden) * bow
    x_m, y_m = x_m - aft * axis[0], y_m - aft * axis[1]
    length_sd = math.hypot(box.length_sd_px * grid.pixel_m, hidden_sd * length)
    length *= 1.0 - _OVERHANG + hidden
    heading = math.degrees(math.atan2(sign * axis[0], sign * axis[1])) % (360 if bow else 180)
    return Hull(
        x_m=x_m,
        y_m=y_m,
        length_m=length,
        beam_m=beam,
        heading_deg=heading,
        bow_known=bow != 0,
        length_sd_m=length_sd,
        beam_sd_m=box.width_sd_px * grid.pixel_m,
        outline=hull_outline(x_m, y_m, length, beam, heading, bow_known=bow != 0),
    )


def _hidden_astern(
    axis: tuple[float, float], bow: int, sun_azimuth_grid_deg: float | None
) -> tuple[float, float]:
    """Share of the length that the house's shade hides, and its sd; bow unknown: sd alone."""
    if sun_azimuth_grid_deg is None:
        return 0.0, 0.0
    sun = _unit(sun_azimuth_grid_deg)
    ahead = axis[0] * sun[0] + axis[1] * sun[1]
    ahead = ahead * bow if bow else abs(ahead)
    off_deg = math.degrees(math.acos(max(-1.0, min(1.0, ahead))))
    whole, none = _SUN_AHEAD_DEG
    share = max(0.0, min(1.0, (none - off_deg) / (none - whole)))
    return (_SHADED_STERN * share if bow else 0.0), _SHADED_STERN_SD * share


def with_beam(hull: Hull, beam_m: float, beam_sd_m: float) -> Hull:
    """Return a hull with another beam, outline and all; one known less well changes nothing."""
    if beam_sd_m >= hull.beam_sd_m:
        return hull
    outline = hull_outline(
        hull.x_m, hull.y_m, hull.length_m, beam_m, hull.heading_deg, bow_known=hull.bow_known
    )
    return replace(hull, beam_m=beam_m, beam_sd_m=beam_sd_m, outline=outline)


def hull_outline(
    x_m: float, y_m: float, length_m: float, beam_m: float, heading_deg: float, *, bow_known: bool
) -> tuple[Point, ...]:
    """Return a closed outline: parallel mid-body, tapered bow; both ends alike if unknown."""
    a, b = length_m / 2, beam_m / 2
    stern = _BOW_SHARE / 2 if not bow_known else _STERN_SHARE
    bow = _BOW_SHARE / 2 if not bow_known else _BOW_SHARE
    ahead = [(1 - 2 * bow, 1.0), (1 - 0.9 * bow, 0.72), (1.0, 0.08 if bow_known else 0.45)]
    behind = [(1 - 2 * stern, 1.0), (1.0, 0.7 if bow_known else 0.45)]
    shape = [(u, v) for u, v in ahead]
    shape += [(u, -v) for u, v in reversed(ahead)]
    shape += [(-u, -v) for u, v in behind]
    shape += [(-u, v) for u, v in reversed(behind)]
    shape.append(shape[0])
    dx, dy = _unit(heading_deg)
    return tuple((x_m + a * u * dx + b * v * dy, y_m + a * u * dy - b * v * dx) for u, v in shape)


def bow_sign(brightness: Array, cover: Array, box: Box) -> int:
    """Tell the bow from the stern: +1, -1 along the box's axis, 0 where pixels do not tell.

    The superstructure stands aft in tankers and bulk carriers and is the brightest and most
    varied part; the bow narrows. Both must not contradict each other.
    """
    if box.length_px < 8 or box.width_px < 2:
        return 0
    u = np.linspace(-0.48, 0.48, 49) * box.length_px
    v = np.linspace(-0.6, 0.6, 13) * box.width_px
    bright = frame(brightness, box, u, v[3:-3]).mean(axis=1)
    wide = frame(cover, box, u, v).mean(axis=1)
    deck = np.median(bright)
    scatter = 1.4826 * np.median(np.abs(bright - deck)) + 0.1 * abs(deck) + 1e-6
    share = 12  # samples in a quarter of the length
    high = (bright[:share].max() - bright[-share:].max()) / scatter
    narrow = (wide[2:7].mean() - wide[-7:-2].mean()) / max(float(np.median(wide)), 0.1)
    score = float(np.clip(high / 4, -1.5, 1.5) + np.clip(4 * narrow, -1.5, 1.5))
    if abs(score) < 1.0:
        return 0
    return 1 if score > 0 else -1


def _unit(azimuth_deg: float) -> tuple[float, float]:
    """(east, north) of an azimuth."""
    angle = math.radians(azimuth_deg)
    return math.sin(angle), math.cos(angle)
