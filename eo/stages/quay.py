"""A hull's shade where it falls on a quay: the same ground, with and without it.

The empty port says what the quay looks like unshaded, so that the strip shows as a ratio whatever
is painted on the quay. With the deck's edge F and the quay H above the water, the edge appears at
-F tan(i) v.n from its foot, the shadow's end at (F - H) cot(e) abs(s.n) - H tan(i) v.n, and the
strip between the two is

    w = (F - H) (cot(e) abs(s.n) + tan(i) v.n)                                              (1)

wide: what is measured is how far the deck stands above the quay. How high that is says
:mod:`eo.stages.quay_height`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import shapely
from scipy.ndimage import map_coordinates

from eo.core.grid import Grid, Window
from eo.core.records import Hull
from eo.core.seams import NativePixels
from eo.core.sensors import Sensor
from eo.core.xp import to_host
from eo.kernels.profile_quay import QuayFit, QuayPixels, quay_likelihood
from eo.physics.shadow import ShadowGeometry
from eo.physics.sky import shade_ratio_prior
from eo.stages.reference import Reference
from eo.stages.shade import REASONS, HullPixels, largest_freeboard_m

__all__ = ["EmptyPort", "Light", "fit_on_quay"]

_LEAST_ABOVE_M = 1.0
"""A deck nearer to the quay's level throws a strip that the gap and the blur hide."""
_GAP_M = 2.5
"""How far fenders hold a hull off the quay, and the rim of the quay with it: a shadow that ends
there falls on what is dark anyway, and any narrower strip looks the same."""
_SURE_ABOVE = 0.9
"""Least probability that the shadow's end lies on the quay."""
_LEAST_LOOKS = 4
_DRY = 0.1
"""Share of looks in which a pixel is water, below which it is ground. Above, ships' shade on dark
ground was taken for water in some look, and the empty port is shaded there itself."""
_LEAST_GROUND_PX = 80
_LEAST_PX = 40
_LEAST_ROWS, _LEAST_ROW_SHARE = 4, 0.25
_LEAST_LIT_PX = 8.0
_GREY_SHARE = 0.35
"""Of the beam, inboard of the edge, that stands for the deck."""
_CHANGED = 1.4
"""A ground pixel this much brighter than the empty port has changed, or the empty port is wrong."""
_GAIN_SD = 0.06
_SHIFT_SD_PX = 0.25
"""Scenes lie on each other to a few tenths of a pixel."""
_SCATTERED_LIGHT = 0.08
"""Of a lit surface's signal, what a shaded one gets through the air from lit ground about it."""
_LARGEST_EXCESS = 2.0
_LEAST_CONTRAST = 3.0
_LARGEST_SCATTER = 0.2
_STEP_M = 0.25
_ROUGH = 4
"""Every how manieth width is tried first."""


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
        planes = [self.reference.median[self.bands.index(name)] for name in bands]
        return np.stack([self.sample(plane, x_m, y_m) for plane in planes])


@dataclass(frozen=True, kw_only=True)
class Light:
    """How a scene was taken."""

    sensor: Sensor
    sun_elevation_deg: float
    level: str
    """The scene's level, as the shade ratio's prior wants it."""


def fit_on_quay(
    pixels: HullPixels,
    native: NativePixels,
    hull: Hull,
    geometry: ShadowGeometry,
    port: EmptyPort,
    *,
    ships: tuple[Hull, ...],
    light: Light,
) -> tuple[QuayFit, Any, int] | None:
    """Return the fit, the widths [m] it was asked for, and its rows; `ships` are all, hers too.

    None where the empty port is not known well enough, too few rows of quay are seen, or what is
    seen is no shaded quay: something else lies or moved there, or the empty port is itself
    shaded, or the deck does not stand clearly above the quay.
    """
    if not set(native.bands) <= set(port.bands):
        return None
    gain = _gain(native, ships, geometry, port)
    if gain is None:
        return None
    chosen = _chosen(pixels, native.bands, hull, port, gain)
    if chosen is None:
        return None
    pixels, empty, rows = chosen
    heights = np.arange(0.0, largest_freeboard_m(hull.length_m) + 0.5 * _STEP_M, _STEP_M)
    batch = _laid_out(
        pixels,
        native.bands,
        hull,
        geometry,
        port,
        empty=empty,
        gain=gain,
        widths_m=heights * geometry.metres_per_metre,
        light=light,
    )
    least_m = max(_GAP_M, _LEAST_ABOVE_M * geometry.metres_per_metre)
    # Most decks stand too low: a few widths tell that at a quarter of the cost.
    rough = quay_likelihood(replace(batch, widths_m=batch.widths_m[::_ROUGH]))
    if rough.width_m + 0.5 * _ROUGH * batch.widths_m[1] < least_m:
        return None
    fit = quay_likelihood(batch)
    if not np.isfinite(fit.log_likelihood).all():
        return None
    hidden = batch.widths_m <= least_m
    logl = np.where(hidden, fit.log_likelihood[hidden].max(), fit.log_likelihood)
    above = 1.0 - np.exp(logl)[hidden].sum() / np.exp(logl).sum()
    clear = not hidden[int(np.argmax(fit.log_likelihood))] and above >= _SURE_ABOVE
    sound = (
        abs(fit.ratio_excess) < _LARGEST_EXCESS
        and fit.contrast > _LEAST_CONTRAST
        and fit.scatter < _LARGEST_SCATTER
        and fit.lit_px >= _LEAST_LIT_PX
    )
    return (replace(fit, log_likelihood=logl), batch.widths_m, rows) if clear and sound else None


def _gain(
    native: NativePixels,
    ships: tuple[Hull, ...],
    geometry: ShadowGeometry,
    port: EmptyPort,
) -> Any:
    """Scene over empty port, per band, on ground that no ship can shade; None if too little."""
    a, b, c, d, e, f = native.map_to_pixel
    height, width = native.reflectance.shape[-2:]
    cols, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    x, y = np.linalg.inv([[a, b], [d, e]]) @ np.stack([cols.ravel() - c, rows.ravel() - f])
    dry = port.sample(port.reference.water, x, y, 1.0) < _DRY
    dry &= port.sample(port.reference.clear_looks, x, y, 0.0) >= _LEAST_LOOKS
    dry &= np.abs(port.sample(port.mask, x, y, 0.0) - 1.0) < 1e-6
    for ship in ships:
        if len(ship.outline) >= 4:
            reach = geometry.shadow_per_m * largest_freeboard_m(ship.length_m) + 15.0
            area = shapely.Polygon(ship.outline).buffer(min(reach, 60.0))
            dry &= ~shapely.contains_xy(area, x, y)
    if dry.sum() < _LEAST_GROUND_PX:
        return None
    seen = np.asarray(native.reflectance, float).reshape(len(native.bands), -1)[:, dry]
    empty = port.colours(native.bands, x[dry], y[dry])
    good = np.isfinite(seen).all(axis=0) & (empty > 0.02).all(axis=0)
    if good.sum() < _LEAST_GROUND_PX:
        return None
    return np.median(seen[:, good] / empty[:, good], axis=1)


def _chosen(
    pixels: HullPixels, bands: tuple[str, ...], hull: Hull, port: EmptyPort, gain: Any
) -> tuple[HullPixels, Any, int] | None:
    """Return the pixels in use, the empty port there in the scene's light, and the rows."""
    size, edge = pixels.pixel_m, 0.5 * hull.beam_m
    lost = [REASONS.index(name) for name in ("outside", "saturated", "cloud")]
    use = ~np.isin(pixels.code, lost) & ~pixels.crowded & ~pixels.own_shade
    use &= pixels.across_m > edge - max(_GREY_SHARE * hull.beam_m, 1.5 * size)
    pixels = pixels.kept(use)
    place = pixels.map_x_m, pixels.map_y_m
    empty = port.colours(bands, *place) * gain[:, None]
    wet = port.sample(port.reference.water, *place, 1.0)
    known = port.sample(port.reference.clear_looks, *place, 0.0) >= _LEAST_LOOKS
    beyond = pixels.across_m - edge
    known &= np.isfinite(empty).all(axis=0)
    known &= (wet < _DRY) | (beyond < 1.5 * size)
    ground = (beyond > 1.5 * size) & (wet < _DRY)
    changed = ground & (np.median(pixels.values / np.maximum(empty, 1e-3), axis=0) > _CHANGED)
    near = ground & (beyond < 6.0 * size)
    if near.sum() < 6 or (changed & near).sum() > 0.3 * near.sum():
        return None
    keep = known & ~changed
    start, end = pixels.body_m
    step = float(np.sqrt(pixels.pixel_area_m2))
    count = max(1, int((end - start) / step))
    row = np.clip(((pixels.along_m - start) / step).astype(int), 0, count - 1)
    rows = int((np.bincount(row[keep & near], minlength=count) >= 2).sum())
    if rows < max(_LEAST_ROWS, _LEAST_ROW_SHARE * count) or keep.sum() < _LEAST_PX:
        return None
    if (keep & (beyond < 0)).sum() < 6:
        return None
    return pixels.kept(keep), empty[:, keep], rows


def _laid_out(
    pixels: HullPixels,
    bands: tuple[str, ...],
    hull: Hull,
    geometry: ShadowGeometry,
    port: EmptyPort,
    *,
    empty: Any,
    gain: Any,
    widths_m: Any,
    light: Light,
) -> QuayPixels:
    """Lay pixels and priors out for the kernel."""
    start, end = pixels.body_m
    normal = np.deg2rad(geometry.normal_azimuth_deg)
    half = 0.5 * pixels.pixel_m
    dx, dy = half * np.sin(normal), half * np.cos(normal)
    ahead = port.colours(bands, pixels.map_x_m + dx, pixels.map_y_m + dy)
    behind = port.colours(bands, pixels.map_x_m - dx, pixels.map_y_m - dy)
    slope = np.nan_to_num((ahead - behind) / (2.0 * half)) * gain[:, None]
    ratio, own_sd, common_sd = shade_ratio_prior(
        bands, light.sun_elevation_deg, light.level, unshadowed=_SCATTERED_LIGHT
    )
    edge_sd = np.hypot(0.5 * hull.beam_sd_m, 0.3 * pixels.pixel_m)
    return QuayPixels(
        values=pixels.values,
        empty=empty,
        empty_slope=slope,
        across_m=pixels.across_m,
        along=(2.0 * pixels.along_m - start - end) / (end - start),
        half_beam_m=0.5 * hull.beam_m,
        edge_sd_m=float(edge_sd),
        skew_sd_m=float(np.deg2rad(1.5) * 0.5 * (end - start)),
        blur_m=light.sensor.psf_sigma_px * pixels.pixel_m,
        blur_sd=light.sensor.psf_sigma_sd_px / light.sensor.psf_sigma_px,
        shade_ratio=np.asarray(ratio, float),
        shade_ratio_sd=own_sd,
        shade_ratio_common_sd=common_sd,
        gain_sd=_GAIN_SD,
        shift_sd_m=_SHIFT_SD_PX * pixels.pixel_m,
        widths_m=widths_m,
    )
