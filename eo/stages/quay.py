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
from scipy.special import ndtr

from eo.core.records import Hull
from eo.core.seams import NativePixels
from eo.kernels.profile_quay import QuayFit, QuayPixels, quay_likelihood
from eo.physics.shadow import ShadowGeometry
from eo.physics.sky import shade_ratio_prior
from eo.stages.empty_port import (
    DRY,
    LEAST_LOOKS,
    EmptyPort,
    Light,
    QuayEdge,
    SceneLight,
    quay_edge,
    scene_light,
)
from eo.stages.shade import REASONS, HullPixels, largest_freeboard_m

__all__ = ["EmptyPort", "Light", "fit_on_quay"]

_FENDER_M, _FENDER_SD_M = 1.8, 0.45
"""How far fenders hold a hull off the quay."""
_LARGEST_GAP_M = 7.0
"""A hull farther off lies at no quay, and its shade's end on the water says nothing here."""
_LEAST_PX = 40
_LEAST_ROWS, _LEAST_ROW_SHARE = 4, 0.25
_LEAST_LIT_PX = 8.0
_GREY_SHARE = 0.35
"""Of the beam, inboard of the edge, that stands for the deck."""
_CHANGED = 1.4
"""A ground pixel this much brighter than the empty port has changed, or the empty port is wrong."""
_GAIN_SD = 0.06
_SCATTERED_LIGHT = 0.08
"""Of a lit surface's signal, what a shaded one gets through the air from lit ground about it."""
_LARGEST_EXCESS = 2.0
_LEAST_CONTRAST = 3.0
_LARGEST_SCATTER = 0.2
_STEP_M = 0.25
_BLURRED = 0.8
"""Blurs before the end of what is seen, within which an end of shade cannot be told from it."""
_MIXED = 0.7
"""Share of quay in a pixel of the empty port, below which its colour is not the quay's."""
_OBSTRUCTED = 0.65
"""Of the level beside the quay's edge, below which ground is no open quay."""
_LEAST_CELL_PX = 3
"""Fewer pixels of a stretch along the quay say nothing of it."""
_BRIGHTER = 1.15
"""Of that level, above which ground next to a dark stretch is the top of what throws the shade."""
_OBSTACLE_M, _TOP_M = 4.0, 9.0
"""Breadth of what stands on a quay, before its shade; how far before it its top may show."""
_REACH_M = 5.0
"""How far along the quay its colour is carried on."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Ground:
    """Pixels in use, and the unshaded quay there."""

    pixels: HullPixels
    level: Any
    """(band, pixel) in the scene's light."""
    slope: Any
    """(band, pixel) towards the shaded side [1/m]."""
    edge_m: Any
    """(pixel,) across, where the quay begins in the scene."""
    rows: int
    open_m: float
    """How far from its edge the quay is seen."""


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
    seen is no quay: something else lies or moved there, or the empty port is itself shaded.
    A deck so low that its shade ends before the quay leaves a likelihood that only says so.
    """
    if not set(native.bands) <= set(port.bands):
        return None
    seen = scene_light(native, ships, geometry, port)
    edge = quay_edge(hull, geometry, port, native.bands) if seen is not None else None
    if seen is None or edge is None or edge.across_m > 0.5 * hull.beam_m + _LARGEST_GAP_M:
        return None
    ground = _ground(pixels, native.bands, hull, geometry, port, edge=edge, seen=seen, light=light)
    if ground is None:
        return None
    heights = np.arange(0.0, largest_freeboard_m(hull.length_m) + 0.5 * _STEP_M, _STEP_M)
    batch = _laid_out(
        ground,
        native.bands,
        hull,
        edge=edge,
        seen=seen,
        widths_m=heights * geometry.metres_per_metre,
        light=light,
    )
    fit = quay_likelihood(batch)
    if not np.isfinite(fit.log_likelihood).all():
        return None
    # Where no shade reaches the quay, its darkness is the prior's and says nothing.
    shaded = fit.width_m > fit.gap_m + 0.5 * batch.blur_m
    sound = (
        (not shaded or abs(fit.ratio_excess) < _LARGEST_EXCESS)
        and fit.contrast > _LEAST_CONTRAST
        and fit.scatter < _LARGEST_SCATTER
        and (fit.lit_px >= _LEAST_LIT_PX or fit.shaded_px >= _LEAST_LIT_PX)
    )
    if not sound:
        return None
    farthest = fit.gap_m + ground.open_m - _BLURRED * batch.blur_m
    return _at_least(fit, batch.widths_m, farthest), batch.widths_m, ground.rows


def _at_least(fit: QuayFit, widths_m: Any, farthest_m: float) -> QuayFit:
    """Return a fit whose widths beyond what is seen of the quay are as likely as the likeliest."""
    beyond = widths_m >= farthest_m
    if not beyond.any():
        return fit
    logl = np.where(beyond, fit.log_likelihood[beyond].max(), fit.log_likelihood)
    return replace(fit, log_likelihood=logl - logl.max())


def _ground(
    pixels: HullPixels,
    bands: tuple[str, ...],
    hull: Hull,
    geometry: ShadowGeometry,
    port: EmptyPort,
    *,
    edge: QuayEdge,
    seen: SceneLight,
    light: Light,
) -> _Ground | None:
    """Return the pixels in use, and the quay there as it would look unshaded."""
    size, half_beam = pixels.pixel_m, 0.5 * hull.beam_m
    lost = [REASONS.index(name) for name in ("outside", "saturated", "cloud")]
    use = ~np.isin(pixels.code, lost) & ~pixels.crowded & ~pixels.own_shade
    use &= pixels.across_m > half_beam - max(_GREY_SHARE * hull.beam_m, 1.5 * size)
    pixels = pixels.kept(use)
    normal = np.deg2rad(geometry.normal_azimuth_deg)
    east, north = np.sin(normal), np.cos(normal)
    rim = edge.across_m + edge.slope * pixels.along_m + float(seen.shift_m @ [east, north])
    inshore = pixels.across_m - rim
    # The empty port as it would lie in this scene.
    x, y = pixels.map_x_m - seen.shift_m[0], pixels.map_y_m - seen.shift_m[1]
    empty = port.colours(bands, x, y) * seen.gain[:, None]
    wet = port.wet(x, y)
    known = port.sample(port.reference.clear_looks, x, y, 0.0) >= LEAST_LOOKS
    known &= np.isfinite(empty).all(axis=0) & ((wet < DRY) | (inshore < size))
    ashore = (inshore > 1.2 * size) & (wet < DRY)
    changed = ashore & (np.median(pixels.values / np.maximum(empty, 1e-3), axis=0) > _CHANGED)
    near = ashore & (inshore < 6.0 * size)
    if near.sum() < 6 or (changed & near).sum() > 0.3 * near.sum():
        return None
    keep = known & ~changed
    open_m = _open_ground_m(np.median(empty, axis=0), inshore, ashore & known, size)
    keep &= inshore < open_m
    rows, enough = _rows(pixels, keep & (inshore > 0.5 * size) & (inshore < 6.0 * size))
    if not enough or keep.sum() < _LEAST_PX or (keep & (pixels.across_m < half_beam)).sum() < 6:
        return None
    blur = light.sensor.psf_sigma_px * size
    water = edge.water * seen.gain
    level = _carried_on(empty[:, keep], water, inshore[keep] / blur, pixels.along_m[keep])
    half = 0.5 * size
    ahead = port.colours(bands, x[keep] + half * east, y[keep] + half * north)
    behind = port.colours(bands, x[keep] - half * east, y[keep] - half * north)
    slope = np.nan_to_num((ahead - behind) / size) * seen.gain[:, None]
    return _Ground(
        pixels=pixels.kept(keep),
        level=level,
        slope=np.where(ashore[keep], slope, 0.0),
        edge_m=rim[keep],
        rows=rows,
        open_m=min(open_m, float(inshore[keep].max())),
    )


def _open_ground_m(level: Any, inshore_m: Any, ground: Any, size_m: float) -> float:
    """Return how far from the quay's edge the ground is open [m].

    A pipe rack or a shed shortens the shade that reaches it by its own height, and hides what
    falls behind it in its own shade: where ground is dark along the quay, what throws that shade
    stands before it, as far as its top looks unlike the quay, and from there on nothing is said.
    (A dark lane looks the same, and costs what lies beyond it.)
    """
    usual = np.median(level[ground & (inshore_m < 8.0)]) if ground.any() else 0.0
    step = 0.8 * size_m
    starts = np.arange(2.0 * size_m, float(inshore_m.max()), step)
    cells = [(inshore_m >= start) & (inshore_m < start + step) for start in starts]
    levels = [_median_of(level[ground & cell]) for cell in cells]
    # As dark as to be taken for water, or not known: no open quay either.
    dark = [
        k
        for k, (cell, found) in enumerate(zip(cells, levels, strict=True))
        if cell.sum() >= _LEAST_CELL_PX and not found >= _OBSTRUCTED * usual
    ]
    if not dark:
        return float("inf")
    begins = starts[dark[0]] - max(0.9 * size_m, _OBSTACLE_M)
    tops = [
        float(start)
        for start, found in zip(starts[: dark[0]], levels, strict=False)
        if found > _BRIGHTER * usual and starts[dark[0]] - start < _TOP_M
    ]
    return min([float(begins), *(start - 0.9 * size_m for start in tops)])


def _median_of(values: Any) -> float:
    """Return the median, NaN of too few values."""
    return float(np.median(values)) if values.size >= _LEAST_CELL_PX else float("nan")


def _rows(pixels: HullPixels, used: Any) -> tuple[int, bool]:
    """Return how many rows show the quay beside the hull, and whether they are enough."""
    start, end = pixels.body_m
    step = float(np.sqrt(pixels.pixel_area_m2))
    count = max(1, int((end - start) / step))
    row = np.clip(((pixels.along_m - start) / step).astype(int), 0, count - 1)
    rows = int((np.bincount(row[used], minlength=count) >= 2).sum())
    return rows, rows >= max(_LEAST_ROWS, _LEAST_ROW_SHARE * count)


def _carried_on(empty: Any, water: Any, inshore: Any, along_m: Any) -> Any:
    """Return the quay's level (band, pixel), water unmixed at its edge and carried on beyond it.

    `inshore` is the distance from the quay's edge in units of the blur.
    """
    share = ndtr(inshore)
    solid = share > _MIXED
    mixed = np.maximum(share, _MIXED)
    level = (empty - water[:, None] * (1.0 - mixed)) / mixed
    source = solid & (inshore < 5.0)
    apart = (along_m[:, None] - along_m[None, source]) / _REACH_M
    weight = np.exp(-0.5 * apart**2) + 1e-9
    usual = level[:, source] @ weight.T / weight.sum(axis=1)
    return np.maximum(np.where(solid, level, usual), 1e-3)


def _laid_out(
    ground: _Ground,
    bands: tuple[str, ...],
    hull: Hull,
    *,
    edge: QuayEdge,
    seen: SceneLight,
    widths_m: Any,
    light: Light,
) -> QuayPixels:
    """Lay pixels and priors out for the kernel."""
    pixels = ground.pixels
    start, end = pixels.body_m
    ratio, own_sd, common_sd = shade_ratio_prior(
        bands, light.sun_elevation_deg, light.level, unshadowed=_SCATTERED_LIGHT
    )
    return QuayPixels(
        values=pixels.values,
        ground=ground.level,
        ground_slope=ground.slope,
        water=edge.water * seen.gain,
        across_m=pixels.across_m,
        along=(2.0 * pixels.along_m - start - end) / (end - start),
        half_beam_m=0.5 * hull.beam_m,
        edge_sd_m=float(np.hypot(0.5 * hull.beam_sd_m, 0.3 * pixels.pixel_m)),
        skew_sd_m=float(np.deg2rad(1.5) * 0.5 * (end - start)),
        quay_edge_m=ground.edge_m,
        quay_edge_sd_m=float(np.hypot(edge.sd_m, seen.shift_sd_m)),
        gap_m=_FENDER_M,
        gap_sd_m=_FENDER_SD_M,
        blur_m=light.sensor.psf_sigma_px * pixels.pixel_m,
        blur_sd=light.sensor.psf_sigma_sd_px / light.sensor.psf_sigma_px,
        shade_ratio=np.asarray(ratio, float),
        shade_ratio_sd=own_sd,
        shade_ratio_common_sd=common_sd,
        gain_sd=_GAIN_SD,
        shift_sd_m=seen.shift_sd_m,
        widths_m=widths_m,
    )
