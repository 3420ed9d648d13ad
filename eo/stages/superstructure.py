"""How dark a scene's shade is, by the shadows of its ships' superstructures.

A hull's strip is a pixel or two wide and cannot tell its own darkness; the house aft throws a
shadow many times as wide. All ships of a scene lie under one sky, so that what their houses show
is told to all of them, as a prior of the shade ratio in each band.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eo.core.grid import Grid, Window
from eo.core.records import Hull
from eo.core.seams import NativePixels
from eo.kernels.block_shadow import WideShade, wide_shade
from eo.physics.shadow import ShadowGeometry
from eo.stages.hull_places import near_neighbours, places_about, sampled

__all__ = ["SceneShade", "house_shade", "house_side_m", "house_top_m", "scene_shade"]

_LEAST_LENGTH_M = 70.0
_STARTS = np.linspace(-0.47, -0.38, 6)
"""Where a house begins, from the hull's middle, as shares of the length."""
_DEPTHS_M = np.linspace(7.0, 24.0, 7)
"""How long it is."""
_TOPS = np.linspace(0.08, 0.26, 10)
"""Height of its top above the water as shares of the length."""
_FREEBOARDS = np.array([0.02, 0.035, 0.05, 0.07])
"""Height of the deck above the water as shares of the length: her own strip lies there too."""
_SIDE_SHARE = 0.42
"""Half breadth of a house as a share of the beam."""
_CLEAR_PX = 2.0
"""Pixels off the hull's side, within which her deck blurs into what is seen."""
_USUAL_TOP, _LEAST_ROOM_PX = 0.15, 2.0
"""Height of a usual house's top over the length; pixels of its shadow beyond those that must be
seen, since of a narrower one no pixel is wholly dark."""
_MARGIN_PX, _MARGIN_M = 3.5, 8.0
_BEYOND_M, _FARTHEST_M = 12.0, 110.0
_LEAST_PX, _LEAST_SHARE = 15, 0.7
_LEAST_CONTRAST, _LARGEST_SD = 6.0, 0.09
_LIGHTER, _LIGHTER_SD, _HOUSE_SD = 0.06, 0.05, 0.06
"""A house is no block: between its tiers, under its wings and behind its funnel some light comes
through, so that its shade is lighter than a full one; spread of that from scene to scene, and from
ship to ship."""
_BELIEVED = 0.02, 0.9
"""Ratios beyond these are no shade."""
_BAND_SD = 0.04
"""How well bands are known against each other."""
_TOP_SD_M, _END_SD_PX = 0.5, 0.2
"""How far the tops that one ship's looks tell differ: by what else stands there and by the sun's
direction, and by how well a shadow's end is placed."""
_SLANT = 1.2
"""Metres along the hull for each metre across from which a house's shadow runs into her own strip
and its end tells no height: 0.3 m where it falls straight, above a metre where it falls along her.
"""
_CLEAR = 1


@dataclass(frozen=True, kw_only=True)
class SceneShade:
    """What a scene's houses say of its shade."""

    ratio: tuple[float, ...]
    """Shaded over lit water in each band."""
    common_sd: float
    """Spread in all bands alike."""
    own_sd: float
    """Spread of each band for itself."""


def scene_shade(found: Sequence[WideShade]) -> SceneShade | None:
    """Return what all houses of a scene say together; None where none says enough."""
    good = [item for item in found if _is_seen(item)]
    if not good:
        return None
    least, most = _BELIEVED
    middle = np.median([item.ratio for item in good], axis=0) - _LIGHTER
    return SceneShade(
        ratio=tuple(float(value) for value in np.clip(middle, least, most)),
        common_sd=float(np.hypot(_LIGHTER_SD, _HOUSE_SD / np.sqrt(len(good)))),
        own_sd=_BAND_SD,
    )


def _is_seen(found: WideShade) -> bool:
    """Whether what was fitted is a shadow, and well enough known."""
    least, most = _BELIEVED
    clear = found.contrast >= _LEAST_CONTRAST and float(found.sd[:3].max()) <= _LARGEST_SD
    return bool(clear and found.ratio.min() > least and found.ratio.max() < most)


def house_top_m(
    found: WideShade | None, geometry: ShadowGeometry, side_m: float, pixel_m: float
) -> tuple[float, float] | None:
    """Return the height of a house's top above the water and its sd [m]; None where unseen.

    Parameters
    ----------
    found
        Its shadow.
    geometry
        Sun across the hull.
    side_m
        Where the house's shaded side stands, across, from where `found` counts [m].
    pixel_m
        Pixel size [m].

    Notes
    -----
    The top that a block of her breadth would need: of a real house, with tiers and wings, it is
    off by a metre, but much the same in all looks at her.
    """
    if found is None or not _is_seen(found):
        return None
    if abs(geometry.shadow_along_per_m) > _SLANT * geometry.shadow_per_m:
        return None
    height = (found.end_m - side_m) / geometry.shadow_per_m
    sd = float(np.hypot(_TOP_SD_M, _END_SD_PX * pixel_m / geometry.shadow_per_m))
    return height, sd


def house_side_m(beam_m: float, centre_m: float = 0.0) -> float:
    """Return where a house's shaded side stands, across, on a hull of that beam and middle [m]."""
    return centre_m + _SIDE_SHARE * beam_m


def house_shade(
    native: NativePixels,
    hull: Hull,
    geometry: ShadowGeometry,
    *,
    neighbours: tuple[Hull, ...],
    grid: Grid,
    window: Window,
    water: Any,
    mask: Any,
    psf_sigma_px: float,
) -> WideShade | None:
    """Return how dark the shadow of a ship's house is; None where it cannot be seen.

    Parameters
    ----------
    native, neighbours, grid, window, water, mask
        As :func:`eo.stages.shade.gather_pixels` has them.
    hull
        The ship; her bow must be known.
    geometry
        Sun and view across her.
    psf_sigma_px
        Point spread, detector included [px].
    """
    if not hull.bow_known or hull.length_m < _LEAST_LENGTH_M:
        return None
    about = places_about(native, hull, geometry)
    along, across, pixel_m = about.along_m, about.across_m, about.pixel_m
    # A pixel's sunline meets the axis here: shadows move by `slant` along for each metre across.
    slant = geometry.shadow_along_per_m / geometry.shadow_per_m
    sunline = along - slant * across
    half, length = 0.5 * hull.beam_m, hull.length_m
    ends = _SIDE_SHARE * hull.beam_m + geometry.shadow_per_m * _TOPS * length
    usual = _SIDE_SHARE * hull.beam_m + geometry.shadow_per_m * _USUAL_TOP * length - half
    if usual < (_CLEAR_PX + _LEAST_ROOM_PX) * pixel_m:
        return None
    margin = abs(slant) * half + _MARGIN_PX * pixel_m + _MARGIN_M
    inside = (across > half + _CLEAR_PX * pixel_m) & (across < ends[-1] + _BEYOND_M)
    inside &= across < half + _FARTHEST_M
    inside &= sunline > _STARTS[0] * length - margin
    inside &= sunline < _STARTS[-1] * length + _DEPTHS_M[-1] + margin
    if inside.sum() < _LEAST_PX:
        return None
    x, y = about.map_x_m[inside], about.map_y_m[inside]
    values = about.values[:, inside]
    free = np.isfinite(values).all(axis=0)
    free &= sampled(grid, window, mask, x, y) == _CLEAR
    free &= sampled(grid, window, water, x, y) != 0
    free &= ~near_neighbours(x, y, neighbours, 1.5 * pixel_m)
    if free.sum() < _LEAST_PX or free.mean() < _LEAST_SHARE:
        return None
    starts = _STARTS * length
    blocks = np.array([(start, start + depth) for start in starts for depth in _DEPTHS_M])
    return wide_shade(
        values[:, free],
        sunline_m=sunline[inside][free],
        across_m=across[inside][free],
        blocks_m=blocks,
        ends_m=ends,
        own_ends_m=half + geometry.metres_per_metre * _FREEBOARDS * length,
        half_breadth_m=_SIDE_SHARE * hull.beam_m,
        slant=slant,
        blur_m=psf_sigma_px * pixel_m,
    )
