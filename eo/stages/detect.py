"""Find vessels in one scene: on open water, along quays, and against the empty port.

It says where hulls are, how long and wide, and how likely each is a ship; freeboard and
identity are decided elsewhere, from these hulls.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.ndimage as ndi

from eo.core.grid import Grid, Window
from eo.core.records import Target
from eo.core.xp import Array, namespace, to_host
from eo.kernels.hullfit import Box, box_weights, first_guess, fit_box
from eo.kernels.targets import coverage, departure, water_level
from eo.kernels.water import likely_water
from eo.stages.hulls import bow_sign, box_to_hull
from eo.stages.reference import Reference

__all__ = ["DetectResult", "find_targets"]

CLEAR = 1
_NEIGHBOURHOOD_M = 200.0
"""Half width of the surroundings in which water is taken to be alike."""
_LEAST_LENGTH_M = 25.0
_LARGEST_M2 = 460.0 * 70.0
"""Plan area of the largest ships afloat: more is land."""


@dataclass(frozen=True, kw_only=True, eq=False)
class DetectResult:
    """What one scene shows within one window."""

    targets: tuple[Target, ...]
    """Vessels, by decreasing length."""
    water: Array
    """bool (y, x): water, as well as this scene and the reference can tell."""


def find_targets(
    reflectance: Array,
    bands: tuple[str, ...],
    mask: Array,
    *,
    reference: Reference | None,
    grid: Grid,
    window: Window,
    sun_elevation_deg: float | None = None,
    sun_azimuth_grid_deg: float | None = None,
    off_nadir_deg: float | None = None,
    view_azimuth_grid_deg: float | None = None,
) -> DetectResult:
    """Find the vessels of at least 25 m in one scene.

    Parameters
    ----------
    reflectance
        float32 (band, y, x), NaN where there is no pixel; NumPy or CuPy.
    bands
        Common names of the bands, in order: blue, green and red at least.
    mask
        uint8 (y, x): 0 no data, 1 clear, 2 cloud, 3 cloud shadow; same library.
    reference
        The empty port on the same window, or None for single-scene means.
    grid, window
        Where the pixels lie.
    sun_elevation_deg, sun_azimuth_grid_deg
        Sun above the horizon, and towards the sun from grid north; None if unknown.
    off_nadir_deg, view_azimuth_grid_deg
        Sensor's zenith angle at the ground, and towards the sensor from grid north.

    Returns
    -------
    DetectResult
        Targets and the scene's water (same library as `reflectance`).

    Raises
    ------
    BandError
        If a visible band is missing.
    """
    xp, ndi_ = namespace(reflectance, mask)
    clear = mask == CLEAR
    water = likely_water(reflectance, bands) & clear
    calm = ndi_.binary_erosion(ndi_.binary_opening(water))
    radius_px = _NEIGHBOURHOOD_M / grid.pixel_m
    level, sigma = water_level(reflectance, calm, radius_px=radius_px)
    rise = departure(reflectance, level, sigma)
    threshold = _threshold(xp, rise, calm)
    width = 2 * max(1, round(12.0 / grid.pixel_m)) + 1
    cover = coverage(xp.where(clear, rise, xp.float32(0)), threshold, width_px=max(width, 5))
    scene = _Scene(
        rise=to_host(xp.nan_to_num(rise)),
        cover=to_host(cover),
        clear=to_host(clear),
        pixel_m=grid.pixel_m,
    )
    boxes = _afloat(scene)
    targets = [
        _target(
            box,
            scene,
            grid=grid,
            window=window,
            off_nadir_deg=off_nadir_deg,
            view_azimuth_grid_deg=view_azimuth_grid_deg,
        )
        for box in boxes
    ]
    targets.sort(key=lambda t: (-t.hull.length_m, t.hull.x_m, t.hull.y_m))
    return DetectResult(targets=tuple(targets), water=water)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Scene:
    rise: Array
    cover: Array
    clear: Array
    pixel_m: float


def _threshold(xp: Array, rise: Array, calm: Array) -> float:
    """Departure that calm water exceeds in one pixel of a thousand, at least 3.5."""
    values = rise[calm]
    if values.size < 50:
        return 6.0
    return float(min(max(float(xp.percentile(values, 99.9)), 3.5), 8.0))


def _afloat(scene: _Scene) -> list[Box]:
    """Boxes of objects that have water all around."""
    found = scene.cover > 0.5
    labels, _ = ndi.label(found, structure=np.ones((3, 3)))
    boxes = []
    m2 = scene.pixel_m**2
    for index, where in enumerate(ndi.find_objects(labels), start=1):
        member = labels[where] == index
        area = float(member.sum()) * m2
        if not 120.0 <= area <= _LARGEST_M2:
            continue
        guess = first_guess(member * scene.cover[where], where[0].start, where[1].start)
        if guess.length_px * scene.pixel_m < _LEAST_LENGTH_M:
            continue
        box = fit_box(scene.cover, guess)
        if _plausible(box, scene):
            boxes.append(box)
    return boxes


def _plausible(box: Box, scene: _Scene) -> bool:
    length, width = box.length_px * scene.pixel_m, box.width_px * scene.pixel_m
    if not (_LEAST_LENGTH_M <= length <= 460 and width <= 75 and length >= 2.0 * width):
        return False
    weights, where = box_weights(scene.cover.shape, box)
    return float((weights * scene.cover[where]).sum() / max(weights.sum(), 1e-6)) > 0.6


def _target(box: Box, scene: _Scene, *, grid: Grid, window: Window, **view: float | None) -> Target:
    bow = bow_sign(scene.rise, scene.cover, box)
    hull = box_to_hull(box, grid=grid, window=window, bow=bow, **view)
    weights, where = box_weights(scene.cover.shape, box, grow_px=2.0)
    clear = float((weights * scene.clear[where]).sum() / max(weights.sum(), 1e-6))
    small = hull.length_m < 60
    return Target(
        hull=hull,
        confidence=0.2 if small else 0.8,
        vessel_class="tug" if small and hull.length_m < 40 else "small" if small else "unknown",
        tanker_p=0.02 if small else 0.35,
        clear_fraction=clear,
    )
