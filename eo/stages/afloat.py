"""Objects with water all around: ships at anchor or under way, and what only looks like them.

Wakes, breakers, islets and pieces of shore are told by shape, by how far they rise above the
water, and by their colour; what is left gets a chance of being a ship.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.ndimage as ndi

from eo.core.xp import Array
from eo.kernels.hullfit import Box, box_weights, first_guess, fit_box, frame
from eo.stages.parting import (
    bridged,
    fade,
    rejoin,
    softness,
    split_lengthwise,
    split_sideways,
    without_wake,
)
from eo.stages.pixels import Pixels

__all__ = ["LEAST_LENGTH_M", "LEAST_SCORE", "Found", "afloat", "boxes_of", "hull_shape"]

LEAST_LENGTH_M = 25.0
LEAST_SCORE = 0.2
"""Score below which an object is not told at all."""
_LARGEST_M2 = 460.0 * 70.0
"""Plan area of the largest ships afloat: more is land."""
_LEAST_M2 = 150.0
_LEAST_CRAFT_M2 = 90.0
_SEAM_M = 3.0
"""A fringe this wide along a fitted hull is her own blur."""
_SLIM = 7.2
"""Length over beam that few tankers exceed: 7.1 is the 95th percentile of those broadcast."""
_STOUTEST, _STOUTEST_UNDER_WAY = 2.6, 1.9
"""Least length over breadth; breadth without half a pixel of blur."""
_QUAY_REACH_PX, _QUAY_HIDES_PX = 1.5, 1.0
"""How far off her side a quay may begin, and how much of her breadth it then hides."""
_RAGGED_PX, _RAGGED_M = 0.25, 2.0
"""Roughness that straight sides may show: by pixels that mix, and by what stands and falls on decks
where pixels show it."""
_STOUT = 4.6
"""Length over breadth below which an object may be two hulls side by side."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """A box that may be a ship."""

    box: Box
    """In the window's pixels."""
    probability: float
    """Chance that it is a ship; from :func:`afloat` a score, not yet calibrated."""
    alongside: bool = False
    """Whether it lies against a quay."""


def afloat(scene: Pixels) -> list[Found]:
    """Return objects that have water all around and look like vessels, with a score each."""
    labels, _ = ndi.label(_solid(scene), structure=np.ones((3, 3)))
    labels = rejoin(labels, scene)
    found = []
    for index, where in enumerate(ndi.find_objects(labels), start=1):
        if where is None:
            continue
        member, seen = bridged(labels[where] == index, where, scene)
        boxes = boxes_of(member, where, seen)
        for box in boxes:
            others = [other for other in boxes if other is not box and _abreast(box, other)]
            chance = _chance(box, _alone(seen, others))
            if chance >= LEAST_SCORE:
                found.append(Found(box=box, probability=chance))
    return found


def _abreast(one: Box, other: Box) -> bool:
    """Whether two hulls of like length lie side by side; craft and pieces of a hull do not."""
    dr, dc = other.row - one.row, other.col - one.col
    u = abs(dr * one.along[0] + dc * one.along[1])
    v = abs(dr * one.across[0] + dc * one.across[1])
    short, long = sorted((one.length_px, other.length_px))
    return bool(
        short > 0.5 * long and u < 0.4 * long and v > 0.35 * (one.width_px + other.width_px)
    )


def _alone(scene: Pixels, others: list[Box]) -> Pixels:
    """Return the scene without the neighbours of one hull: a ship beside her is no dirt."""
    if not others:
        return scene
    free = np.ones(scene.cover.shape, np.float32)
    for other in others:
        weights, inside = box_weights(free.shape, other, grow_px=1.0)
        free[inside] = np.minimum(free[inside], 1 - weights)
    return replace(scene, rise=scene.rise * free, cover=scene.cover * free)


def _solid(scene: Pixels) -> Array:
    """Pixels mostly covered; where pixels are fine, slivers along quays are left out."""
    found = scene.cover > 0.5
    if scene.pixel_m > 5:
        return found
    return ndi.binary_opening(found, np.ones((2, 2), bool))


def boxes_of(member: Array, where: tuple[slice, slice], scene: Pixels) -> list[Box]:
    """Fit the hulls of one object: ships end to end, a main hull and craft against it."""
    if not _LEAST_M2 <= float(member.sum()) * scene.pixel_m**2 <= _LARGEST_M2:
        return []
    boxes: list[Box] = []
    for part, window in split_lengthwise(member, where, scene):
        boxes.extend(_hull_and_craft(part, window, scene))
    return boxes


def _hull_and_craft(member: Array, where: tuple[slice, slice], scene: Pixels) -> list[Box]:
    """Fit the main hull of one object, then what lies against it."""
    main = _fit(member, member, where, scene)
    if main is None:
        return []
    if main.length_px / main.width_px < _STOUT or main.roughness_px > 0.5:
        parts = split_sideways(member, where, main, scene)
        if len(parts) > 1:
            fits = [_fit(part, member, where, scene) for part in parts]
            return [box for box in fits if box is not None]
    if main.wake:
        return [main]
    return [main, *_craft(main, member, where, scene)]


def _fit(member: Array, whole: Array, where: tuple[slice, slice], scene: Pixels) -> Box | None:
    """Fit one hull to the pixels of `member` and their fringe, without the rest of `whole`."""
    own = ndi.binary_dilation(member) & ~(whole & ~member)
    cover = np.where(own, scene.cover[where], np.float32(0))
    guess = first_guess(member * cover, 0, 0)
    if guess.length_px * scene.pixel_m < LEAST_LENGTH_M:
        return None
    # The object's window may cut its fringe: two pixels of water around.
    box = fit_box(
        np.pad(cover, 2),
        replace(guess, row=guess.row + 2, col=guess.col + 2),
        gap_px=max(2.0, 10.0 / scene.pixel_m),
    )
    box = replace(box, row=box.row - 2 + where[0].start, col=box.col - 2 + where[1].start)
    return without_wake(box, scene)


def _craft(main: Box, member: Array, where: tuple[slice, slice], scene: Pixels) -> list[Box]:
    """Tugs and barges that lie against a hull: what her box leaves over."""
    weights, inside = box_weights(scene.cover.shape, main, grow_px=_SEAM_M / scene.pixel_m)
    rest = np.zeros(scene.cover.shape, bool)
    rest[where] = member
    rest = rest[inside] & (weights < 0.5)
    parts, count = ndi.label(rest)
    boxes = []
    longest = min(90.0, 0.8 * main.length_px * scene.pixel_m)
    for k in range(1, count + 1):
        part = parts == k
        if float(part.sum()) * scene.pixel_m**2 < _LEAST_CRAFT_M2:
            continue
        box = first_guess(part * scene.cover[inside], inside[0].start, inside[1].start)
        long, wide = box.length_px * scene.pixel_m, box.width_px * scene.pixel_m
        if LEAST_LENGTH_M <= long <= longest and wide >= 5:
            boxes.append(box)
    return boxes


def hull_shape(box: Box, pixel_m: float) -> bool:
    """Whether a box has a ship's size and proportions; foam makes a hull under way look stout."""
    length, width = box.length_px * pixel_m, box.width_px * pixel_m
    # Small craft are blurred by the pixel: their breadth says less.
    sharp = length / max(width - 0.5 * pixel_m, 0.5 * pixel_m, 1.0)
    if not (LEAST_LENGTH_M <= length <= 430 and 4.0 <= width <= 72):
        return False
    if sharp < (_STOUTEST_UNDER_WAY if box.wake else _STOUTEST):
        return False
    # Breakwaters, booms and foam are thinner than any ship as long as they are.
    return length / width <= 10.0


def _chance(box: Box, scene: Pixels) -> float:
    """Chance that an object afloat is a ship, 0 where its shape or colour rule it out."""
    if not hull_shape(box, scene.pixel_m):
        return 0.0
    weights, where = box_weights(scene.cover.shape, box)
    total = max(float(weights.sum()), 1e-6)
    fill = float((weights * scene.cover[where]).sum()) / total
    height = float((weights * scene.rise[where]).sum()) / total / scene.threshold
    ring0, around = box_weights(scene.cover.shape, box, grow_px=20.0 / scene.pixel_m)
    inner, _ = box_weights(scene.cover.shape, box, grow_px=8.0 / scene.pixel_m)
    inner_full = np.zeros_like(ring0)
    dr, dc = _offset(around, scene.cover.shape, box, 8.0 / scene.pixel_m)
    inner_full[dr : dr + inner.shape[0], dc : dc + inner.shape[1]] = inner
    ring = np.clip(ring0 - inner_full, 0, 1)
    dirty = float((ring * scene.cover[around]).sum() / max(ring.sum(), 1e-6))
    colour = np.array([float((weights * band[where]).sum()) / total for band in scene.colour])
    leafy = 0.0
    # Green paint may shine in the infrared as islets do; where islets are known, none is left.
    if "nir" in scene.bands and not scene.fixtures_known:
        nir, red = (colour[scene.bands.index(b)] for b in ("nir", "red"))
        leafy = (nir - red) / max(abs(nir) + abs(red), 0.02)
    tail, soft = fade(box, scene), softness(box, scene)
    if fill < 0.6 or height < 0.65 or dirty > 0.45 or leafy > 0.45 or tail > 0.65:
        return 0.0
    clear = float((ring0 * scene.clear[around]).sum() / max(float(ring0.sum()), 1e-6))
    length = box.length_px
    at_quay = _lies_at_quay(box, scene)
    width = box.width_px + (_QUAY_HIDES_PX if at_quay else 0.0)
    # Logit: each line takes off for what clouds, foam, islets and pieces of shore have.
    score = 2.0 + np.log(height / 2) + 4 * (fill - 0.75)
    score -= 4 * max(dirty - 0.12, 0) + 3 * max(leafy - 0.2, 0)
    score -= 8 * max(soft - 0.06, 0) + 8 * max(tail - 0.2, 0)
    ragged, stout = box.roughness_px, length / max(width - 0.5, 0.5)
    if box.wake:
        # Foam along her sides; but nothing else has a sharp head and a tail.
        score, ragged, stout = score + 0.5, min(ragged, 0.25), max(stout, 4.2)
    # White in every band and ragged: a scrap of cloud. White ships have straight sides.
    white = min(max((float(colour.min()) - 0.2) / 0.15, 0.0), 1.0)
    # What never moves and is ragged, a rock or a mole, is gone where the empty port is known.
    known = scene.fixtures_known and not at_quay
    straight = max(_RAGGED_PX, _RAGGED_M / scene.pixel_m) if known else _RAGGED_PX
    score -= 5 * max(ragged - straight, 0) + 12 * white * max(ragged - 0.3, 0)
    score -= 2.5 * max(4.2 - stout, 0) + 2 * max(length / width - _SLIM, 0)
    score -= 8 * max(0.95 - clear, 0)
    if length * scene.pixel_m >= 60:
        # The slimmest coasters of 60 m have 10 m of beam; blur leaves nothing below 1.3 pixels.
        score -= 1.5 * max(max(10.5, 1.3 * scene.pixel_m) - width * scene.pixel_m, 0)

    return float(1 / (1 + np.exp(-np.clip(score, -20, 20))))


def _lies_at_quay(box: Box, scene: Pixels) -> bool:
    """Whether a quay runs along one of her sides: what of her is mixed with it is not seen."""
    if scene.ashore is None:
        return False
    u = np.linspace(-0.35, 0.35, 15) * box.length_px
    v = np.array([-1.0, 1.0]) * (0.5 * box.width_px + _QUAY_REACH_PX)
    ashore = frame(scene.ashore.astype(np.float32), box, u, v, order=0)
    return bool(ashore.mean(axis=0).max() > 0.5)


def _offset(
    around: tuple[slice, slice], shape: tuple[int, int], box: Box, grow_px: float
) -> tuple[int, int]:
    """Where the inner window begins within the outer one."""
    _, inner = box_weights(shape, box, grow_px=grow_px)
    return inner[0].start - around[0].start, inner[1].start - around[1].start
