"""Hulls that may lie along quays: straight stretches of the water's edge, seen in their own axes.

Every straight stretch of shoreline as long as a ship may be her outer side. For each the scene
is sampled along and across it, and for each beam she could have the features say how well a hull
explains it: water outside, water at her ends, a line or gap towards the quay, another colour
than the quay's. Which of them are ships is decided in `eo.stages.classify`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import contourpy
import numpy as np
import scipy.ndimage as ndi
import shapely

from eo.core.xp import Array
from eo.kernels.hullfit import Box
from eo.stages.pixels import Pixels

__all__ = ["FEATURES", "berthed_candidates", "shore_chords"]

_SHORTEST_M, _LONGEST_M = 50.0, 420.0
_BEAMS_M = (15.0, 20.0, 25.0, 30.0, 35.0, 40.0, 45.0, 52.5, 60.0)
_LEAST_BODY_M2 = 30_000.0
"""Water smaller than this has no ships of 60 m in it: pools, roofs, shadows."""
_AHEAD = 8
"""Vertices of the simplified shoreline that one side may span."""

FEATURES = (
    "length",
    "beam",
    "slender",
    "outside",
    "fairway",
    "end_low",
    "end_high",
    "end_far",
    "end_sharp",
    "inside",
    "behind",
    "dip",
    "line",
    "line_rank",
    "seam_dark",
    "quay_colour",
    "quay_green",
    "quay_bright",
    "end_colour_low",
    "end_colour_high",
    "brightness",
    "green",
    "infrared",
    "red",
    "chroma",
    "texture",
    "straight",
    "depth_fit",
    "taper",
    "outer_ends",
)


def shore_chords(scene: Pixels) -> list[Box]:
    """Return straight stretches of shoreline as boxes of no width, +v towards land.

    `roughness_px` is the median distance of the shoreline from the stretch.
    """
    labels, _ = ndi.label((scene.cover < 0.5) & scene.clear)
    large = np.bincount(labels.ravel()) * scene.pixel_m**2 >= _LEAST_BODY_M2
    large[0] = False
    body = large[labels]
    chords: list[Box] = []
    for line in contourpy.contour_generator(z=scene.cover).lines(0.5):
        if len(line) * scene.pixel_m * 0.5 >= _SHORTEST_M:
            chords.extend(_chords_of(np.asarray(line), scene.pixel_m))
    return _landwards(chords, body)


def _chords_of(line: Array, pixel_m: float) -> list[Box]:
    """Stretches between corners of one shoreline that stay within a pixel of straight."""
    kept = np.asarray(shapely.simplify(shapely.LineString(line), 0.7).coords)
    place = {(x, y): k for k, (x, y) in enumerate(line)}
    index = [place[x, y] for x, y in kept]
    if np.allclose(line[0], line[-1]):
        index[0], index[-1] = 0, len(line) - 1
    chords = []
    for i in range(len(kept) - 1):
        for j in range(i + 1, min(i + _AHEAD, len(kept))):
            span = kept[j] - kept[i]
            length = math.hypot(span[0], span[1])
            if not _SHORTEST_M <= length * pixel_m <= _LONGEST_M:
                continue
            normal = np.array([-span[1], span[0]]) / length
            off = (line[index[i] : index[j] + 1] - kept[i]) @ normal
            shift = float(np.median(off))
            away = np.abs(off - shift)
            if off.size < 3 or np.quantile(away, 0.9) > 1.3:
                continue
            middle = (kept[i] + kept[j]) / 2 + shift * normal
            chords.append(
                Box(
                    row=float(middle[1]),
                    col=float(middle[0]),
                    axis_rad=math.atan2(span[1], span[0]),
                    length_px=length,
                    width_px=0.0,
                    roughness_px=float(np.median(away)),
                )
            )
    return chords


def _landwards(chords: list[Box], body: Array) -> list[Box]:
    """Turn boxes so that +v points to land; leave out those without water on one side."""
    if not chords:
        return []
    water = body.astype(np.float32)
    share = np.linspace(-0.4, 0.4, 9)
    u = np.array([c.length_px for c in chords])[:, None] * share
    (near,) = _sample([water], chords, u, np.array([-1.5, 1.5]))
    sides = near.mean(axis=1)
    turned = []
    for chord, (left, right) in zip(chords, sides, strict=True):
        if max(left, right) < 0.5 or min(left, right) > 0.5:
            continue
        turned.append(chord if left >= right else replace(chord, axis_rad=chord.axis_rad + math.pi))
    return turned


def _sample(images: list[Array], boxes: list[Box], u: Array, v: Array) -> list[Array]:
    """Sample images in the axes of many boxes: each (box, u, v). `u` is (box, u)."""
    angle = np.array([b.axis_rad for b in boxes])[:, None, None]
    row = np.array([b.row for b in boxes])[:, None, None]
    col = np.array([b.col for b in boxes])[:, None, None]
    sin, cos = np.sin(angle), np.cos(angle)
    rows = (row + u[:, :, None] * sin + v * cos).astype(np.float32)
    cols = (col + u[:, :, None] * cos - v * sin).astype(np.float32)
    return [ndi.map_coordinates(image, [rows, cols], order=1, mode="nearest") for image in images]


_DEPTH_M = np.arange(-77.5, 90.0, 5.0)
_BEYOND_M = np.array([7.5, 12.5, 17.5, 22.5, 32.5])
_OUTER_STRIP_M = np.array([5.0, 9.0, 13.0, 17.0, 21.0])
"""Depths from the outer side at which her ends are looked for."""
_INWARD_M, _ONWARD_M = 30.0, 50.0
"""How far an end may lie within and beyond the straight side."""
_END_COVER = 0.5
_INNER = 20
"""Samples along the hull."""


def berthed_candidates(scene: Pixels) -> tuple[list[Box], Array]:
    """Return boxes along the shore and their features.

    Returns
    -------
    tuple
        Boxes, and float64 (box, feature) in the order of :data:`FEATURES`.
    """
    px = scene.pixel_m
    chords = _to_the_ends(shore_chords(scene), scene)
    if not chords:
        return [], np.empty((0, len(FEATURES)))
    half = np.array([c.length_px for c in chords]) * px / 2
    inner = np.linspace(-1, 1, _INNER) * (half[:, None] - 5)
    beyond = half[:, None] + _BEYOND_M
    u = np.concatenate([-beyond[:, ::-1], inner, beyond], axis=1) / px
    (cover,) = _sample([scene.cover], chords, u, _DEPTH_M / px)
    kept = _worth_a_look(cover)
    chords = [c for c, k in zip(chords, kept, strict=True) if k]
    if not chords:
        return [], np.empty((0, len(FEATURES)))
    scale = _land_scale(scene)
    colour = _sample(list(scene.colour), chords, u[kept], _DEPTH_M / px)
    strips = _Strips(cover=cover[kept], colour=np.stack(colour, axis=1) / scale)
    length = 2 * half[kept]
    rough = np.array([c.roughness_px for c in chords]) * px
    boxes, rows = [], []
    for beam in _BEAMS_M:
        fits = (length >= 2.2 * beam) & (length <= 11 * beam)
        if not fits.any():
            continue
        features = _features(strips.only(fits), length[fits], beam, rough[fits], scene.bands)
        likely = _possible(features)
        rows.append(features[likely])
        for k in np.flatnonzero(fits)[likely]:
            row, col = chords[k].at(0.0, beam / px / 2)
            boxes.append(replace(chords[k], row=row, col=col, width_px=beam / px))
    return boxes, np.concatenate(rows) if rows else np.empty((0, len(FEATURES)))


def _to_the_ends(chords: list[Box], scene: Pixels) -> list[Box]:
    """Move the ends of stretches to where the outer strip of a hull would end.

    The straight side is shorter than the ship: bow and stern lie beyond it, nearer to the quay.
    An end that no water follows stays.
    """
    if not chords:
        return []
    px = scene.pixel_m
    half = np.array([c.length_px for c in chords]) / 2
    past = np.arange(-_INWARD_M, _ONWARD_M + 1e-6, 2.5)
    ends = []
    for sign in (-1.0, 1.0):
        u = sign * (half[:, None] + past / px)
        (cover,) = _sample([scene.cover], chords, u, _OUTER_STRIP_M / px)
        low = cover < _END_COVER
        stays = low.copy()
        stays[:, :-1] &= low[:, 1:]
        first = np.where(stays.any(axis=1), stays.argmax(axis=1), -1)
        where = np.where(first > 0, past[np.maximum(first, 0)] - 1.25, np.nan)
        # One row alone may run along a fender or a crane.
        order = np.sort(np.where(np.isnan(where), -np.inf, where), axis=1)
        found = order[:, -2]
        ends.append(half + np.where(np.isfinite(found), found, 0.0) / px)
    astern, ahead = ends
    moved = []
    for chord, back, front in zip(chords, astern, ahead, strict=True):
        row, col = chord.at((front - back) / 2, 0.0)
        moved.append(replace(chord, row=row, col=col, length_px=float(front + back)))
    return [c for c in moved if _SHORTEST_M <= c.length_px * px <= _LONGEST_M]


def _worth_a_look(cover: Array) -> Array:
    """Leave out stretches with no water outside, or land on at both ends and outside them."""
    n = len(_BEYOND_M)
    outside = (_DEPTH_M > -21) & (_DEPTH_M < -6)
    first = (_DEPTH_M > 0) & (_DEPTH_M < 16)
    water = 1 - cover[:, n:-n][:, :, outside].mean(axis=(1, 2))
    ends = [1 - cover[:, e][:, :, first].mean(axis=(1, 2)) for e in (slice(0, n), slice(-n, None))]
    return (water > 0.55) & (np.maximum(*ends) > 0.2)


def _possible(features: Array) -> Array:
    """Leave out what no ship in the training ports came near: forest, mud and foam."""

    def of(name: str) -> Array:
        return features[:, FEATURES.index(name)]

    return (
        (of("end_high") > 0.15)
        & (of("inside") > 0.5)
        & (of("green") < 0.55)
        & (of("brightness") > -1.6)
        & (of("outside") > 0.55)
    )


def _land_scale(scene: Pixels) -> float:
    """Typical brightness of what is not water, so that scenes compare."""
    visible = [scene.bands.index(b) for b in ("blue", "green", "red")]
    brightness = scene.colour[visible].mean(axis=0)
    land = brightness[(scene.cover > 0.9) & scene.clear]
    return float(max(np.median(land), 0.02)) if land.size else 0.1


@dataclass(frozen=True, kw_only=True, eq=False)
class _Strips:
    """Scene sampled in the axes of many stretches."""

    cover: Array
    """(box, u, v)."""
    colour: Array
    """(box, band, u, v)."""

    def only(self, which: Array) -> _Strips:
        return _Strips(cover=self.cover[which], colour=self.colour[which])


def _features(
    strips: _Strips, length: Array, beam: float, rough: Array, bands: tuple[str, ...]
) -> Array:
    """Features of one beam for many stretches: (box, feature)."""
    n = len(_BEYOND_M)
    ends = (slice(0, n), slice(-n, None))
    depth = _DEPTH_M
    inside = (depth > 0) & (depth < beam)
    core = (depth > 4) & (depth < max(beam - 4, 9))
    outside = (depth > -21) & (depth < -6)
    cover, colour = strips.cover, strips.colour
    hull, deck = cover[:, n:-n], colour[:, :, n:-n]
    body = deck[..., core]
    mean = body.mean(axis=(2, 3))
    quay = deck[..., (depth > beam + 2) & (depth < beam + 30)].mean(axis=(2, 3))
    end_water = np.stack([1 - cover[:, e][..., inside].mean(axis=(1, 2)) for e in ends])
    end_far = np.stack([1 - cover[:, s][..., inside].mean(axis=1) for s in (0, -1)])
    tips = hull[..., inside].mean(axis=2)
    sharp = [
        tips[:, 1] - cover[:, n - 3][..., inside].mean(axis=1),
        tips[:, -2] - cover[:, -n + 2][..., inside].mean(axis=1),
    ]
    end_colour = np.stack([_rms(colour[:, :, e][..., core].mean(axis=(2, 3)) - mean) for e in ends])
    outer = np.stack([1 - cover[:, e][..., outside].mean(axis=(1, 2)) for e in ends])
    reach = np.stack([_quay_depth(cover[:, e]) for e in ends])
    lines = _line_strength(deck)
    at = int(np.argmin(np.abs(depth - beam)))
    line = lines[:, at - 1 : at + 2].max(axis=1)
    seam_cover = hull[..., (depth > beam - 6) & (depth < beam + 11)].mean(axis=1)
    seam = deck[..., (depth > beam - 4) & (depth < beam + 9)].mean(axis=(1, 2)).min(axis=1)
    middle = tips[:, 6:-6].mean(axis=1)
    columns = [
        np.log(length / 150),
        np.full(length.shape, math.log(beam / 30)),
        np.log(length / beam / 6),
        1 - hull[..., outside].mean(axis=(1, 2)),
        1 - hull[..., depth < -32].mean(axis=(1, 2)),
        end_water.min(axis=0),
        end_water.max(axis=0),
        end_far.min(axis=0),
        np.minimum(*sharp),
        hull[..., inside].mean(axis=(1, 2)),
        1 - hull[..., (depth > beam + 2) & (depth < beam + 30)].mean(axis=(1, 2)),
        1 - seam_cover.min(axis=1),
        np.log(line + 0.03),
        line / np.maximum(lines[:, (depth > 8) & (depth < 75)].max(axis=1), 1e-6),
        np.clip(seam / _dimmer(mean, quay), -1, 3),
        np.log(_rms(mean - quay) + 0.05),
        _index(quay, bands, "nir", "red"),
        np.log(np.maximum(quay.mean(axis=1), 0.05)),
        np.log(end_colour.min(axis=0) + 0.05),
        np.log(end_colour.max(axis=0) + 0.05),
        np.log(np.maximum(mean.mean(axis=1), 0.05)),
        _index(mean, bands, "nir", "red"),
        _index(mean, bands, "swir16", "nir"),
        _index(mean, bands, "red", "blue"),
        np.clip((mean.max(axis=1) - mean.min(axis=1)) / np.maximum(mean.mean(axis=1), 0.1), 0, 3),
        np.log(body.mean(axis=(1, 3)).std(axis=1) / np.maximum(mean.mean(axis=1), 0.05) + 0.05),
        rough,
        np.abs(reach - beam).min(axis=0) / 10,
        middle - np.minimum(tips[:, :2].mean(axis=1), tips[:, -2:].mean(axis=1)),
        outer.min(axis=0),
    ]
    return np.stack(columns, axis=1)


def _dimmer(one: Array, other: Array) -> Array:
    """Brightness of the darker of two, mean over bands (axis 1)."""
    return np.maximum(np.minimum(one.mean(axis=1), other.mean(axis=1)), 0.05)


def _rms(difference: Array) -> Array:
    """Root mean square over bands (axis 1)."""
    return np.sqrt((difference**2).mean(axis=1))


def _index(mean: Array, bands: tuple[str, ...], first: str, second: str) -> Array:
    """Normalised difference of two bands of (box, band); 0 where a band is not there."""
    if first not in bands or second not in bands:
        return np.zeros(len(mean))
    a, b = mean[:, bands.index(first)], mean[:, bands.index(second)]
    return np.clip((a - b) / np.maximum(np.abs(a) + np.abs(b), 0.1), -1, 1)


def _line_strength(deck: Array) -> Array:
    """Step of the mean colour across each depth: (box, depth)."""
    smooth = deck.mean(axis=2)
    step = np.zeros((smooth.shape[0], smooth.shape[2]))
    step[:, 1:-1] = _rms(smooth[:, :, 2:] - smooth[:, :, :-2])
    return step


def _quay_depth(cover: Array) -> Array:
    """How far the water reaches landwards of the outer side, beyond one end [m]."""
    land = (cover.mean(axis=1) > 0.5) & (_DEPTH_M > -5)
    return np.where(land.any(axis=1), _DEPTH_M[land.argmax(axis=1)], 95.0)
