"""The empty port beside a hull: its light in a scene, its shift, and where the quay begins.

The reference says what the ground looks like without ships. A scene shows the same ground in
another light and a fraction of a pixel aside; both are measured here on ground that no ship can
shade, so that what is left between scene and empty port beside a hull is her shade.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from scipy.ndimage import map_coordinates

from eo.core.grid import Grid, Window
from eo.core.records import Hull
from eo.core.seams import NativePixels
from eo.core.sensors import Sensor
from eo.core.xp import to_host
from eo.physics.shadow import ShadowGeometry
from eo.stages.reference import Reference
from eo.stages.shade import body_limits_m, largest_freeboard_m

__all__ = ["DRY", "LEAST_LOOKS", "EmptyPort", "Light", "QuayEdge", "SceneLight", "quay_edge",
           "scene_light"]  # fmt: skip

LEAST_LOOKS = 4
"""Clear looks from which the empty port is known."""
DRY = 0.1
"""Share of looks in which a pixel is water, below which it is ground. Above, ships' shade on dark
ground was taken for water in some look, and the empty port is shaded there itself."""
_WET = 0.5
_LEAST_GROUND_PX = 80
_SHIFT_SD_PX = 0.3
"""Scenes lie on each other to a few tenths of a pixel."""
_LEAST_SHIFT_SD_PX = 0.06
_STEP_ALONG_M = 3.0
_SEARCHED_M = (-10.0, 24.0)
"""About the deck's edge, where the quay may begin."""
_LEAST_ROWS = 5
_LARGEST_SCATTER_M = 2.0
_LARGEST_SD_M = 0.5
_LARGEST_SLOPE = 0.06
"""Of a quay against the hull moored at it: her heading is known to a degree and a half."""
_EDGE_SD_M = 0.2
"""What a straight line through the empty port's own blurred edge leaves open."""


@dataclass(frozen=True, kw_only=True, eq=False)
class EmptyPort:
    """The port without ships, and where it lies."""

    reference: Reference
    bands: tuple[str, ...]
    """Bands of its median."""
    grid: Grid
    window: Window
    mask: Any
    """uint8 (y, x): this scene's mask on the same window."""

    def sample(self, plane: Any, x_m: Any, y_m: Any, fill: float = np.nan) -> Any:
        """Interpolate a plane (y, x) linearly at map coordinates."""
        row, col = self.grid.to_pixel(x_m, y_m, self.window)
        return map_coordinates(
            np.asarray(to_host(plane), dtype=float),
            np.stack([np.asarray(row) - 0.5, np.asarray(col) - 0.5]),
            order=1,
            cval=fill,
        )

    def colours(self, bands: tuple[str, ...], x_m: Any, y_m: Any) -> Any:
        """Reflectance (band, point) of the empty port."""
        planes = self.reference.median if self.reference.bare is None else self.reference.bare
        return np.stack([self.sample(planes[self.bands.index(n)], x_m, y_m) for n in bands])

    def wet(self, x_m: Any, y_m: Any, fill: float = 1.0) -> Any:
        """Share of the looks in which a place is water, ships' shade on quays left out."""
        known = self.reference.bare_water
        return self.sample(self.reference.water if known is None else known, x_m, y_m, fill)


@dataclass(frozen=True, kw_only=True)
class Light:
    """How a scene was taken."""

    sensor: Sensor
    sun_elevation_deg: float
    level: str
    """The scene's level, as the shade ratio's prior wants it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SceneLight:
    """A scene beside the empty port."""

    gain: Any
    """(band,) scene over empty port."""
    shift_m: Any
    """(2,) east and north, by which the scene lies aside of the empty port."""
    shift_sd_m: float
    """How well, each way."""


@dataclass(frozen=True, kw_only=True, eq=False)
class QuayEdge:
    """The line at which a quay begins beside a hull."""

    across_m: float
    """Distance from the hull's axis beside her centre, in the empty port [m]."""
    slope: float
    """Metres across per metre along."""
    sd_m: float
    """How well it is known."""
    water: Any
    """(band,) water before it, in the empty port."""


def scene_light(
    native: NativePixels,
    ships: tuple[Hull, ...],
    geometry: ShadowGeometry,
    port: EmptyPort,
) -> SceneLight | None:
    """Return a scene's light and shift against the empty port; None where too little is seen.

    Parameters
    ----------
    native
        The scene's own pixels about a hull.
    ships
        All hulls; what they may shade says nothing here.

    Notes
    -----
    seen = gain (Q - shift . grad Q), with gain the median ratio, and the shift by weighted least
    squares over all bands, outliers struck out twice.
    """
    a, b, c, d, e, f = native.map_to_pixel
    height, width = native.reflectance.shape[-2:]
    cols, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    inverse = np.linalg.inv([[a, b], [d, e]])
    x, y = inverse @ np.stack([cols.ravel() - c, rows.ravel() - f])
    dry = port.wet(x, y) < DRY
    dry &= port.sample(port.reference.clear_looks, x, y, 0.0) >= LEAST_LOOKS
    dry &= np.abs(port.sample(port.mask, x, y, 0.0) - 1.0) < 1e-6
    for ship in ships:
        if len(ship.outline) >= 4:
            reach = geometry.shadow_per_m * largest_freeboard_m(ship.length_m) + 15.0
            area = shapely.Polygon(ship.outline).buffer(min(reach, 60.0))
            dry &= ~shapely.contains_xy(area, x, y)
    seen = np.asarray(native.reflectance, float).reshape(len(native.bands), -1)[:, dry]
    x, y = x[dry], y[dry]
    empty = port.colours(native.bands, x, y)
    good = np.isfinite(seen).all(axis=0) & (empty > 0.02).all(axis=0)
    if good.sum() < _LEAST_GROUND_PX:
        return None
    gain = np.median(seen[:, good] / empty[:, good], axis=1)
    pixel_m = float(np.sqrt(abs(np.linalg.det(inverse))))
    half = 0.5 * pixel_m
    east = port.colours(native.bands, x + half, y) - port.colours(native.bands, x - half, y)
    north = port.colours(native.bands, x, y + half) - port.colours(native.bands, x, y - half)
    shift, sd = _shift(
        (seen / gain[:, None] - empty)[:, good],
        np.stack([east, north], axis=-1)[:, good] / pixel_m,
        prior_m=_SHIFT_SD_PX * pixel_m,
    )
    return SceneLight(gain=gain, shift_m=shift, shift_sd_m=max(sd, _LEAST_SHIFT_SD_PX * pixel_m))


def _shift(difference: Any, slopes: Any, *, prior_m: float) -> tuple[Any, float]:
    """Return the shift (2,) [m] and its sd, from differences (band, px) and slopes (.., 2)."""
    shift, covariance = np.zeros(2), np.eye(2) * prior_m**2
    known = np.isfinite(slopes).all(axis=(0, 2))
    difference, slopes = difference[:, known], slopes[:, known]
    if difference.shape[1] < _LEAST_GROUND_PX:
        return shift, prior_m
    for _ in range(3):
        left = difference + slopes @ shift
        noise = 1.4826 * np.median(np.abs(left - np.median(left, axis=1)[:, None]), axis=1) + 1e-4
        weight = (np.abs(left) < 3.0 * noise[:, None]) / noise[:, None] ** 2
        # Neighbouring pixels and the bands of one pixel err together: a tenth speaks for itself.
        normal = 0.1 * np.einsum("bp,bpi,bpj->ij", weight, slopes, slopes)
        pull = -0.1 * np.einsum("bp,bpi,bp->i", weight, slopes, difference)
        covariance = np.linalg.inv(normal + np.eye(2) / prior_m**2)
        shift = covariance @ pull
    return shift, float(np.sqrt(0.5 * np.trace(covariance)))


def quay_edge(
    hull: Hull,
    geometry: ShadowGeometry,
    port: EmptyPort,
    bands: tuple[str, ...],
    *,
    across_m: Any = None,
) -> QuayEdge | None:
    """Return where the quay begins beside a hull's mid-body; None where no quay is plain.

    Parameters
    ----------
    across_m
        Places across the hull, a metre apart and from the water towards the quay, between which
        its edge lies; by default about the hull's shaded edge.

    Notes
    -----
    Across every few metres of the hull, the place where the empty port's colour is half way from
    its water to its quay; a straight line through those, outliers struck out. Half way is right
    whatever the blur is.
    """
    heading, normal = np.deg2rad([hull.heading_deg, geometry.normal_azimuth_deg])
    if across_m is None:
        across_m = 0.5 * hull.beam_m + np.arange(*_SEARCHED_M)
    along, across = np.meshgrid(
        np.arange(*body_limits_m(hull), _STEP_ALONG_M), across_m, indexing="ij"
    )
    inwards = float(np.sign(across_m[1] - across_m[0]))
    x = hull.x_m + along * np.sin(heading) + across * np.sin(normal)
    y = hull.y_m + along * np.cos(heading) + across * np.cos(normal)
    colour = port.colours(bands, x.ravel(), y.ravel()).reshape(len(bands), *x.shape)
    wet = port.wet(x, y, np.nan)
    afloat, ashore = wet > _WET, wet < DRY
    if afloat.sum() < 3 * _LEAST_ROWS or ashore.sum() < 3 * _LEAST_ROWS:
        return None
    # Well off the edge, where blur mixes nothing in.
    water = np.median(colour[:, afloat], axis=1)
    step = np.median(colour[:, ashore], axis=1) - water
    share = np.tensordot(step, colour - water[:, None, None], axes=1) / float(step @ step)
    first = np.argmax(ashore, axis=1)
    lines = []
    for row in range(len(along)):
        crossing = _crossing(share[row], int(first[row]))
        if ashore[row].any() and crossing is not None:
            lines.append((along[row, 0], across[row, 0] + inwards * crossing))
    return _straight(np.array(lines), water) if len(lines) >= _LEAST_ROWS else None


def _crossing(share: Any, first: int) -> float | None:
    """Return the (fractional) index at which a row is half as much quay as just inshore of it."""
    inshore = share[first + 1 : first + 6]
    if first < 2 or inshore.size < 3:
        return None
    half = 0.5 * float(np.median(inshore))
    below = np.flatnonzero(share[: first + 3] < half)
    if half < 0.2 or not below.size or below[-1] + 1 >= share.size:
        return None
    last = int(below[-1])
    rise = share[last + 1] - share[last]
    return float(last + (half - share[last]) / rise) if rise > 1e-6 else None


def _straight(lines: Any, water: Any) -> QuayEdge | None:
    """Fit across = c0 + c1 along to (row, 2), outliers struck out."""
    keep = np.abs(lines[:, 1] - np.median(lines[:, 1])) < 3.0 * _LARGEST_SCATTER_M
    for _ in range(3):
        if keep.sum() < _LEAST_ROWS:
            return None
        slope, start = np.polyfit(lines[keep, 0], lines[keep, 1], 1)
        left = lines[:, 1] - start - slope * lines[:, 0]
        scatter = 1.4826 * float(np.median(np.abs(left[keep])))
        keep = np.abs(left) < max(2.5 * scatter, 0.3)
    if scatter > _LARGEST_SCATTER_M or keep.sum() < _LEAST_ROWS or abs(slope) > _LARGEST_SLOPE:
        return None
    sd = float(np.hypot(_EDGE_SD_M, 2.0 * scatter / np.sqrt(keep.sum())))
    if sd > _LARGEST_SD_M:
        return None
    return QuayEdge(across_m=float(start), slope=float(slope), sd_m=sd, water=water)
