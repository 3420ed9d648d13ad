"""One scene as vessel detection sees it: departure from water, coverage, colour."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from eo.core.xp import Array, namespace, to_host
from eo.kernels.glint import Glint, glint_departure
from eo.kernels.targets import coverage, departure, water_level
from eo.kernels.water import likely_water

__all__ = [
    "CLEAR",
    "NEIGHBOURHOOD_M",
    "Pixels",
    "against",
    "coarser",
    "coverage_of",
    "departure_threshold",
    "scene_pixels",
]

CLEAR = 1
"""Mask value of a pixel that is neither cloud nor shadow nor missing."""
NEIGHBOURHOOD_M = 200.0
"""Half width of the surroundings in which water is taken to be alike."""
_OWN_LEVEL_M = 24.0
"""Width of the neighbourhood in which an object's own level is taken."""
_RESOLVED_M = 5.0
"""Pixel up to which a tanker's deck shows apart from what stands on it."""
_BLUR = 0.03
"""Coverage of the empty port from which a quay's blur matters."""
_AFLOAT = 0.6
"""Coverage of the empty port up to which a pixel may hold part of a hull."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Pixels:
    """One scene as the object stages see it (host arrays)."""

    rise: Array
    """float32 (y, x) departure from water, in its standard deviations; 0 where not clear."""
    cover: Array
    """float32 (y, x) share of the pixel that is not water; 0 where not clear."""
    colour: Array
    """float32 (band, y, x) reflectance above the water's level; 0 where there is no pixel."""
    sigma: Array
    """float32 (band, y, x) standard deviation of the water's reflectance."""
    bands: tuple[str, ...]
    """Names of the bands of `colour`."""
    clear: Array
    """bool (y, x)."""
    water: Array
    """bool (y, x) water by colour, in this scene."""
    threshold: float
    """Departure above which a pixel is surely not water."""
    pixel_m: float
    """Pixel size."""
    fixtures_known: bool = False
    """Whether what never moves has been taken off: islets and moles cannot be mistaken."""
    sunward: tuple[float, float] | None = None
    """Horizontal unit vector towards the sun, (rows, columns); None where it is unknown."""
    shadow_per_m: float | None = None
    """Metres of shadow per metre of height; None where the sun's elevation is unknown."""
    ashore: Array | None = None
    """bool (y, x) where nothing can float; None where the empty port is unknown."""
    glint: Glint | None = None
    """The water's unevenness where it mirrors the sun; see :mod:`eo.stages.sunglint`."""


def scene_pixels(
    reflectance: Array,
    bands: tuple[str, ...],
    mask: Array,
    pixel_m: float,
    *,
    sun_elevation_deg: float | None = None,
    sun_azimuth_grid_deg: float | None = None,
) -> Pixels:
    """Return what one scene shows beside water, by its own pixels alone.

    Parameters are those of :func:`eo.stages.detect.find_targets`.
    """
    xp, ndi = namespace(reflectance, mask)
    clear = (mask == CLEAR) & xp.isfinite(reflectance).all(axis=0)
    water = likely_water(reflectance, bands) & clear
    calm = ndi.binary_erosion(ndi.binary_opening(water))
    level, sigma = water_level(reflectance, calm, radius_px=NEIGHBOURHOOD_M / pixel_m)
    rise = xp.where(clear, departure(reflectance, level, sigma), xp.float32(0))
    threshold = departure_threshold(rise, calm)
    cover = coverage_of(rise, threshold, pixel_m)
    return Pixels(
        rise=to_host(rise),
        cover=to_host(cover),
        colour=to_host(xp.nan_to_num(reflectance - level)),
        sigma=to_host(sigma),
        bands=bands,
        clear=to_host(clear),
        water=to_host(water),
        threshold=threshold,
        pixel_m=pixel_m,
        sunward=_rows_and_columns(sun_azimuth_grid_deg),
        shadow_per_m=_shadow_per_m(sun_elevation_deg),
    )


def _rows_and_columns(azimuth_deg: float | None) -> tuple[float, float] | None:
    if azimuth_deg is None:
        return None
    azimuth = math.radians(azimuth_deg)
    return -math.cos(azimuth), math.sin(azimuth)


def _shadow_per_m(elevation_deg: float | None) -> float | None:
    if elevation_deg is None or elevation_deg <= 0:
        return None
    return 1.0 / math.tan(math.radians(elevation_deg))


def against(scene: Pixels, empty_colour: Array, empty_cover: Array) -> Pixels:
    """Return the scene as it departs from the empty port instead of from water alone.

    Parameters
    ----------
    scene
        The scene.
    empty_colour
        float32 (band, y, x) reflectance of the empty port above its own water. Taken off, so
        that the blur of a bright quay into the gap before a hull is no part of the hull.
    empty_cover
        float32 (y, x) coverage of the empty port; where it is more than half there is nowhere
        to float.
    """
    near = empty_cover > _BLUR
    extra = scene.colour - np.maximum(empty_colour, 0)
    if scene.glint is None:
        departed = np.sqrt((np.maximum(extra / scene.sigma, 0) ** 2).mean(axis=0))
    else:
        departed = glint_departure(extra, scene.glint)
    rise = np.where(near, departed, scene.rise)
    free = np.clip((_AFLOAT - empty_cover) / (_AFLOAT - 0.25), 0, 1)
    rise = np.where(scene.clear, rise * free, 0).astype(np.float32)
    cover = coverage_of(rise, scene.threshold, scene.pixel_m)
    ashore = empty_cover > _AFLOAT
    return replace(scene, rise=rise, cover=cover, ashore=ashore, fixtures_known=True)


def coverage_of(rise: Array, threshold: float, pixel_m: float) -> Array:
    """Return the share of each pixel that departs from water; see eo.kernels.targets.coverage."""
    width = max(2 * round(_OWN_LEVEL_M / pixel_m / 2) + 1, 5)
    return coverage(rise, threshold, width_px=width, resolved=pixel_m <= _RESOLVED_M)


def departure_threshold(rise: Array, calm: Array) -> float:
    """Return the departure that calm water exceeds in one pixel of a thousand, within 3.5..8."""
    xp, _ = namespace(rise, calm)
    values = rise[calm]
    if values.size < 50:
        return 6.0
    return float(min(max(float(xp.percentile(values, 99.9)), 3.5), 8.0))


def coarser(scene: Pixels, factor: int) -> Pixels:
    """Return the scene in blocks of `factor` by `factor` pixels; cut ones are left out."""
    if factor <= 1:
        return scene
    height, width = (n // factor * factor for n in scene.cover.shape)

    def mean(image: Array) -> Array:
        cut = image[..., :height, :width].astype(np.float32)
        blocks = cut.reshape(*cut.shape[:-2], height // factor, factor, width // factor, factor)
        return blocks.mean(axis=(-3, -1))

    return Pixels(
        rise=mean(scene.rise),
        cover=mean(scene.cover),
        colour=mean(scene.colour),
        sigma=mean(scene.sigma),
        bands=scene.bands,
        clear=mean(scene.clear) > 0.5,
        water=mean(scene.water) > 0.5,
        threshold=scene.threshold,
        pixel_m=scene.pixel_m * factor,
        sunward=scene.sunward,
        shadow_per_m=scene.shadow_per_m,
    )
