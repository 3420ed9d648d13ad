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
from eo.stages.classify import Model, band_set, calibrated, shipped_model
from eo.stages.consensus import agreed_hulls, covers
from eo.stages.decks import tanker_chance
from eo.stages.hulls import bow_sign, box_to_hull
from eo.stages.mooring import in_proportion, seen_clear, sharpened
from eo.stages.pixels import Pixels, against, coarser, scene_pixels
from eo.stages.reference import Reference, empty_port_pixels, port_water
from eo.stages.sunglint import through_glint

__all__ = ["DetectResult", "distinct", "find_targets", "target_of"]

_LEAST_CHANCE = 0.35
"""Chance from which a ship is told: near half of the best F1, where F1 is largest."""
_LEAST_CHANCE_CRAFT = 0.1
_SHIP_M = 60.0
_SURELY_TANKER = 0.7
_CUT_SD = 0.5
"""Spread of a length, as a share of it, where an end lies beyond the pixels or under cloud."""
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
    scene = scene_pixels(
        reflectance, bands, mask, grid.pixel_m, sun_elevation_deg=sun_elevation_deg,
        sun_azimuth_grid_deg=sun_azimuth_grid_deg,
    )  # fmt: skip
    model = model or shipped_model(band_set(bands))
    if reference is None:
        water = scene.water
        sea = through_glint(scene, reflectance, water)
        found = distinct([*_afloat(sea, model), *_alongside(scene, model, _LEAST_CHANCE)])
    else:
        colour, cover = empty_port_pixels(reference, bands, grid.pixel_m)
        water = port_water(reference, grid.pixel_m)
        sea = through_glint(scene, reflectance, water)
        departed = _afloat(against(sea, colour, cover), model)
        looks = float(np.median(to_host(reference.clear_looks)))
        found = distinct([*departed, *_alongside(scene, model, _chance_beside(looks))])
    angles = {
        "sun_azimuth_grid_deg": sun_azimuth_grid_deg,
        "off_nadir_deg": off_nadir_deg,
        "view_azimuth_grid_deg": view_azimuth_grid_deg,
    }
    targets = [target_of(f, sea, grid, window, **angles) for f in found]
    targets.sort(key=lambda t: (-t.hull.length_m, t.hull.x_m, t.hull.y_m))
    return DetectResult(targets=tuple(targets), water=water)


def _chance_beside(looks: float) -> float:
    """Least chance for a hull where no look ever showed water.

    A ship that never left is possible in a few looks; in dozens it is part of the port.
    """
    return _LEAST_CHANCE if looks < 3 else min(0.8 + 0.02 * looks, 1.01)


def _afloat(scene: Pixels, model: Model) -> list[Found]:
    """Objects with water all around, their scores made chances."""
    found = []
    for one in afloat(scene):
        chance = calibrated(one.probability, model.afloat)
        small = one.box.length_px * scene.pixel_m < _SHIP_M
        if chance >= (_LEAST_CHANCE_CRAFT if small else _LEAST_CHANCE):
            found.append(replace(one, probability=chance))
    return found


def _alongside(scene: Pixels, model: Model, least: float) -> list[Found]:
    """Hulls along quays, searched at the pixel size that the model knows."""
    factor = max(1, round(_SHORE_PIXEL_M / scene.pixel_m))
    boxes, features = berthed_candidates(coarser(scene, factor))
    found = []
    for hull in agreed_hulls(boxes, model.probability(features)):
        chance = calibrated(hull.support, model.alongside)
        coarse_box = _finer(in_proportion(hull.box, scene.pixel_m * factor), factor)
        if chance < least or not seen_clear(coarse_box, scene):
            continue
        box = sharpened(coarse_box, scene) if factor > 1 else coarse_box
        if box is not None:
            found.append(Found(box=box, probability=chance, alongside=True))
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
        length_sd_px=box.length_sd_px * factor,
        width_sd_px=box.width_sd_px * factor,
    )


def distinct(found: list[Found]) -> list[Found]:
    """Keep the likeliest of boxes that cover each other; afloat ones, better known, first."""
    ordered = sorted(found, key=lambda f: (f.alongside, -f.probability, f.box.row, f.box.col))
    kept: list[Found] = []
    for one in ordered:
        if not any(covers(one.box, other.box) or covers(other.box, one.box) for other in kept):
            kept.append(one)
    return kept


def target_of(
    found: Found, scene: Pixels, grid: Grid, window: Window, **angles: float | None
) -> Target:
    """Return what was found as a vessel on the map; `angles` as :func:`find_targets` has them."""
    box = _open_ended(found.box, scene)
    bow = -box.wake or bow_sign(scene.rise, scene.cover, box)
    hull = box_to_hull(box, grid=grid, window=window, bow=bow, **angles)
    small = hull.length_m < _SHIP_M
    tanker_p = tanker_chance(hull, box, scene)
    kind = "tanker" if tanker_p >= _SURELY_TANKER else "unknown"
    return Target(
        hull=hull,
        confidence=found.probability if not small else min(found.probability, 0.3),
        vessel_class="tug" if small and hull.length_m < 40 else "small" if small else kind,
        tanker_p=tanker_p,
        clear_fraction=_clear_share(box, scene),
    )


def _clear_share(box: Box, scene: Pixels) -> float:
    """Share of a hull and two pixels around it that is seen clear; beyond the pixels none is."""
    weights, where = box_weights(scene.clear.shape, box, grow_px=2.0)
    seen = float((weights * scene.clear[where]).sum())
    margin = round(box.length_px) + 4
    height, width = scene.clear.shape
    moved = replace(box, row=box.row + margin, col=box.col + margin)
    whole, _ = box_weights((height + 2 * margin, width + 2 * margin), moved, grow_px=2.0)
    return seen / max(float(whole.sum()), 1e-6)


def _open_ended(box: Box, scene: Pixels) -> Box:
    """Return the box with a wide length where pixels end at one of its ends: she may go on."""
    height, width = scene.clear.shape
    for sign in (-1, 1):
        for v in (-0.25, 0.0, 0.25):
            row, col = box.at(sign * (box.length_px / 2 + 1.5), v * box.width_px)
            r, c = round(row), round(col)
            if not (0 <= r < height and 0 <= c < width and scene.clear[r, c]):
                spread = max(box.length_sd_px, _CUT_SD * box.length_px)
                return replace(box, length_sd_px=spread)
    return box
