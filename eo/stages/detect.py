"""Find vessels in one scene: on open water, along quays, and against the empty port.

It says where hulls are, how long and wide, and how likely each is a ship; freeboard and
identity are decided elsewhere, from these hulls.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from eo.core.grid import Grid, Window
from eo.core.records import Target
from eo.core.xp import Array, to_host
from eo.kernels.hullfit import Box, box_weights
from eo.stages.afloat import Found, afloat
from eo.stages.berthed import berthed_candidates
from eo.stages.classify import Model, shipped_model
from eo.stages.hulls import bow_sign, box_to_hull
from eo.stages.mooring import seen_clear, sharpened
from eo.stages.pixels import Pixels, against, coarser, scene_pixels
from eo.stages.reference import Reference, empty_port_pixels, port_water

__all__ = ["DetectResult", "find_targets"]

_LEAST_CHANCE = 0.5
_LEAST_CHANCE_VISIBLE = 0.93
"""Without infrared the model for quays is blind to half of what it learnt: only clear cases."""
_SHORE_PIXEL_M = 10.0
"""Pixel at which shores are searched: the one the model was trained at."""


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
    model: Model | None = None,
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
    model
        What tells ships along quays from quays; None: the one that comes with the package.

    Returns
    -------
    DetectResult
        Targets and the scene's water, both on the host.

    Raises
    ------
    BandError
        If a visible band is missing.
    """
    # How high the sun stands is not asked: a shadow is darker than water, departs in no band.
    del sun_elevation_deg
    scene = scene_pixels(
        reflectance, bands, mask, grid.pixel_m, sun_azimuth_grid_deg=sun_azimuth_grid_deg
    )
    model = model or shipped_model()
    if reference is None:
        least = _LEAST_CHANCE if "nir" in bands else _LEAST_CHANCE_VISIBLE
        found = _distinct([*afloat(scene), *_alongside(scene, model, least)])
        water = scene.water
    else:
        colour, cover = empty_port_pixels(reference, bands, grid.pixel_m)
        water = port_water(reference, grid.pixel_m)
        departed = afloat(against(scene, colour, cover))
        looks = float(np.median(to_host(reference.clear_looks)))
        found = _distinct([*departed, *_alongside(scene, model, _chance_beside(looks))])
    view = {"off_nadir_deg": off_nadir_deg, "view_azimuth_grid_deg": view_azimuth_grid_deg}
    targets = [_target(f, scene, grid=grid, window=window, view=view) for f in found]
    targets.sort(key=lambda t: (-t.hull.length_m, t.hull.x_m, t.hull.y_m))
    return DetectResult(targets=tuple(targets), water=water)


def _chance_beside(looks: float) -> float:
    """Least chance for a hull where no look ever showed water.

    A ship that never left is possible in a few looks; in dozens it is part of the port.
    """
    return _LEAST_CHANCE if looks < 3 else min(0.8 + 0.02 * looks, 1.01)


def _alongside(scene: Pixels, model: Model, least: float) -> list[Found]:
    """Hulls along quays, searched at the pixel size that the model knows."""
    factor = max(1, round(_SHORE_PIXEL_M / scene.pixel_m))
    coarse = coarser(scene, factor)
    boxes, features = berthed_candidates(coarse)
    chance = model.probability(features)
    found = []
    for k in np.flatnonzero(chance >= least):
        coarse_box = _finer(boxes[k], factor)
        if not seen_clear(coarse_box, scene):
            continue
        box = sharpened(coarse_box, scene) if factor > 1 else coarse_box
        if box is not None:
            found.append(Found(box=box, probability=float(chance[k]), alongside=True))
    return found


def _finer(box: Box, factor: int) -> Box:
    """Return the same box in pixels `factor` times smaller (centres at whole numbers in both)."""
    shift = (factor - 1) / 2
    return replace(
        box,
        row=box.row * factor + shift,
        col=box.col * factor + shift,
        length_px=box.length_px * factor,
        width_px=box.width_px * factor,
        length_sd_px=1.5 * factor,
        width_sd_px=0.6 * factor,
    )


def _distinct(found: list[Found]) -> list[Found]:
    """Keep the likeliest of boxes that cover each other; afloat ones, better known, first."""
    ordered = sorted(found, key=lambda f: (f.alongside, -f.probability, f.box.row, f.box.col))
    kept: list[Found] = []
    for one in ordered:
        if not any(_covers(one.box, other.box) or _covers(other.box, one.box) for other in kept):
            kept.append(one)
    return kept


def _covers(one: Box, other: Box) -> bool:
    """Whether the centre of `other` lies in `one`, or close to its side."""
    dr, dc = other.row - one.row, other.col - one.col
    u = abs(dr * one.along[0] + dc * one.along[1])
    v = abs(dr * one.across[0] + dc * one.across[1])
    return u < 0.5 * one.length_px and v < 0.5 * one.width_px + 0.35 * other.width_px


def _target(
    found: Found, scene: Pixels, *, grid: Grid, window: Window, view: dict[str, float | None]
) -> Target:
    box = found.box
    bow = bow_sign(scene.rise, scene.cover, box)
    hull = box_to_hull(box, grid=grid, window=window, bow=bow, **view)
    weights, where = box_weights(scene.cover.shape, box, grow_px=2.0)
    clear = float((weights * scene.clear[where]).sum() / max(weights.sum(), 1e-6))
    small = hull.length_m < 60
    return Target(
        hull=hull,
        confidence=found.probability if not small else min(found.probability, 0.3),
        vessel_class="tug" if small and hull.length_m < 40 else "small" if small else "unknown",
        tanker_p=0.02 if small else 0.35,
        clear_fraction=clear,
    )
