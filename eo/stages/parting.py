"""Part what touches: ships that lie end to end, and a hull from her wake."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import scipy.ndimage as ndi

from eo.core.xp import Array
from eo.kernels.hullfit import Box, box_weights, first_guess, frame
from eo.stages.pixels import Pixels

__all__ = [
    "bridged",
    "fade",
    "rejoin",
    "softness",
    "split_lengthwise",
    "split_sideways",
    "without_wake",
]

_SHORTEST_SHIP_M = 35.0
"""A notch nearer to an end than this is a bow, a stern or a crane."""
_NECK = 0.62
"""Share of the usual breadth below which two ships meet: bows and sterns narrow."""
_BROAD_PX = 3.5
_LEAST_CORE_M2 = 100.0
_HOUSE_M = 16.0
"""Height of the highest houses above deck."""
_HOUSE_GAP_M = 28.0, 60.0
"""Longest shade of a house on deck where the sun's elevation is unknown or high, and where it is
lowest: beyond, it is another ship that lies ahead."""
_PLAIN_GAP_M = 10.0
"""Longest gap to a house whose shade cannot fall there, or where the sun is unknown."""
_HOUSE_SHARE = 0.3
"""Share of a ship, from bow to the house's middle, that house and stern may be long."""
_ASKEW = 0.03
"""By how much the axis of what the shade leaves of a hull may be turned: it cuts her aslant."""
_BRIDGE = 0.75
"""Breadth of what is closed between hull and house, over theirs."""
_STEP_PX = 0.5
_TAIL_FADES = 0.3
"""Brightness beyond an end over that inside from which foam runs out there; see :func:`fade`."""
_HEAD_ENDS = 0.3
"""The same at the head: breakers and cloud end gently all round, and are no ship and her wake."""
_DIMS = 0.9
"""Level of a quarter over that of the one before from which an object dims on the way."""
_TAIL_DIMMER = 0.75
"""Level of the last quarter over the head's below which it may be foam."""
_RESOLVED_M = 5.0
"""Pixel up to which foam shows as wide as it is."""
_LAUNCH = 2.2
"""Length over breadth of what churns up foam that dims from the stem on."""
_SHIPSHAPE = 4.5
"""Length over breadth from which a head is a ship's hull rather than a launch's foam."""
_HEAD_LEVEL = 0.5
"""Share of the head's level down to which it is hull."""

Piece = tuple[Array, tuple[slice, slice]]


def split_lengthwise(member: Array, where: tuple[slice, slice], scene: Pixels) -> list[Piece]:
    """Cut one object across wherever it narrows between two ship-like parts.

    Parameters
    ----------
    member
        bool (y, x), the object within `where`.
    where
        Rows and columns of the scene.
    scene
        The scene.

    Returns
    -------
    list
        Pieces, each as `member` and `where`; the object itself if it is one ship.
    """
    cover = np.where(member, scene.cover[where], np.float32(0))
    guess = first_guess(cover, 0, 0)
    if guess.length_px * scene.pixel_m < 2 * _SHORTEST_SHIP_M:
        return [(member, where)]
    cuts = _necks(np.pad(cover, 3), replace(guess, row=guess.row + 3, col=guess.col + 3), scene)
    if not cuts:
        return [(member, where)]
    rows, cols = np.nonzero(member)
    along = (rows - guess.row) * guess.along[0] + (cols - guess.col) * guess.along[1]
    part = np.searchsorted(np.array(cuts), along)
    pieces: list[Piece] = []
    for k in range(len(cuts) + 1):
        image = np.zeros_like(member)
        image[rows[part == k], cols[part == k]] = True
        labels, _ = ndi.label(image, structure=np.ones((3, 3)))
        for index, box in enumerate(ndi.find_objects(labels), start=1):
            inner = (
                slice(where[0].start + box[0].start, where[0].start + box[0].stop),
                slice(where[1].start + box[1].start, where[1].start + box[1].stop),
            )
            pieces.append((labels[box] == index, inner))
    return pieces


def split_sideways(
    member: Array, where: tuple[slice, slice], box: Box, scene: Pixels
) -> list[Array]:
    """Part hulls that lie side by side, along the darker seam between them.

    `box` is the box fitted to all of it. Returns masks within `where`; one, the object, where no
    seam is found. A seam across the hull (a gap before the house) parts nothing.
    """
    cover = np.where(member, scene.cover[where], np.float32(0))
    for level in (0.6, 0.7, 0.8, 0.9):
        cores, count = ndi.label(cover > level)
        sizes = np.bincount(cores.ravel(), minlength=count + 1) * scene.pixel_m**2
        kept = [k for k in range(1, count + 1) if sizes[k] >= _LEAST_CORE_M2]
        if len(kept) < 2:
            continue
        kept.sort(key=lambda k: -sizes[k])
        boxes = [first_guess((cores == k) * cover, 0, 0) for k in kept]
        others = range(1, len(boxes))
        beside = [0, *(k for k in others if _beside(boxes[0], boxes[k], scene.pixel_m))]
        if len(beside) < 2:
            continue
        # Cores in line with the main one are pieces of it.
        owner = np.zeros(cores.max() + 1, int)
        for k in range(len(kept)):
            owner[kept[k]] = beside.index(k) + 1 if k in beside else 1
        marks = owner[cores]
        _, nearest = ndi.distance_transform_edt(marks == 0, return_indices=True)
        full = np.where(member, marks[nearest[0], nearest[1]], 0)
        return [full == k + 1 for k in range(len(beside))]
    seam = _seam(box, scene)
    if seam is None:
        return [member]
    line, place = seam
    rows, cols = np.indices(member.shape)
    down = rows + where[0].start - line.row
    right = cols + where[1].start - line.col
    side = down * line.across[0] + right * line.across[1] > place
    return [member & ~side, member & side]


def _seam(box: Box, scene: Pixels) -> tuple[Box, float] | None:
    """Where a darker line runs along most of the box: her axis turned, place across [pixel]."""
    if box.width_px < 5:
        return None
    u = np.linspace(-0.3, 0.3, 25) * box.length_px
    v = np.arange(-0.5, 0.5 + 1e-9, 0.5 / box.width_px) * box.width_px
    inner = np.flatnonzero(np.abs(v) < 0.3 * box.width_px)
    best, found = 0.88, None
    for turn in np.linspace(-0.12, 0.12, 7):
        turned = replace(box, axis_rad=box.axis_rad + float(turn))
        profile = ndi.uniform_filter1d(frame(scene.cover, turned, u, v).mean(axis=0), 3)
        k = int(inner[np.argmin(profile[inner])])
        walls = min(profile[:k].max(initial=0), profile[k + 1 :].max(initial=0))
        depth = float(profile[k]) / max(float(walls), 1e-3)
        if depth < best:
            best, found = depth, (turned, float(v[k]))
    return found


def _beside(main: Box, other: Box, pixel_m: float) -> bool:
    """Whether `other` lies along the side of `main` rather than ahead or astern of her."""
    dr, dc = other.row - main.row, other.col - main.col
    u = abs(dr * main.along[0] + dc * main.along[1])
    v = abs(dr * main.across[0] + dc * main.across[1])
    turned = abs(np.sin(other.axis_rad - main.axis_rad))
    return bool(
        v > 0.3 * (main.width_px + other.width_px)
        and u < 0.5 * main.length_px
        and other.length_px * pixel_m >= 20
        and other.length_px > 1.6 * other.width_px
        and turned < 0.35
    )


def _necks(cover: Array, box: Box, scene: Pixels) -> list[float]:
    """Places along the axis, from the centre [pixel], where the object narrows for a while."""
    half = box.length_px * 0.62
    u = np.arange(-half, half + _STEP_PX, _STEP_PX)
    reach = max(box.width_px, 3.0)
    v = np.arange(-reach, reach + _STEP_PX, _STEP_PX)
    breadth = np.clip(frame(cover, box, u, v), 0, 1).sum(axis=1) * _STEP_PX
    breadth = ndi.uniform_filter1d(breadth, 3)
    there = np.flatnonzero(breadth > 0.25 * breadth.max())
    if there.size < 3:
        return []
    margin = round(_SHORTEST_SHIP_M / scene.pixel_m / _STEP_PX)
    first, last = there[0] + margin, there[-1] - margin
    plain = 1.1 * float(np.quantile(breadth[there[0] : there[-1]], 0.35))
    cuts: list[float] = []
    while first < last:
        k = first + int(np.argmin(breadth[first:last]))
        before, after = breadth[k - margin : k], breadth[k : k + margin]
        # Where tugs lie alongside, the hull alone is no neck: hence the lower breadths too.
        usual = min(np.quantile(before, 0.8), np.quantile(after, 0.8), plain)
        # A hull two or three pixels broad has necks of mere noise.
        if breadth[k] < _NECK * usual * min(usual / _BROAD_PX, 1.0):
            cuts.append(float(u[k]))
        else:
            break
        first = k + margin
    return sorted(cuts)


def rejoin(labels: Array, scene: Pixels) -> Array:
    """Give houses back to hulls that the house's own shade cut them off from.

    A short object as broad as a long one, in line with her and a few metres off, is her house or
    forecastle. Returns labels with such pairs merged.
    """
    objects = ndi.find_objects(labels)
    m2 = scene.pixel_m**2
    boxes: dict[int, Box] = {}
    for index, where in enumerate(objects, start=1):
        if where is None:
            continue
        member = labels[where] == index
        if 60.0 <= float(member.sum()) * m2 <= 30_000.0:
            boxes[index] = first_guess(member * scene.cover[where], where[0].start, where[1].start)
    merged = labels
    for long, main in boxes.items():
        if main.length_px * scene.pixel_m < 45 or main.length_px < 2.5 * main.width_px:
            continue
        for short, other in boxes.items():
            if short != long and _house(main, other, scene):
                merged = np.where(merged == short, long, merged)
    return merged


def _house(main: Box, other: Box, scene: Pixels) -> bool:
    """Whether `other` stands on the same hull as `main`, beyond one of her ends."""
    pixel_m = scene.pixel_m
    dr, dc = other.row - main.row, other.col - main.col
    u = abs(dr * main.along[0] + dc * main.along[1])
    v = abs(dr * main.across[0] + dc * main.across[1])
    turned = abs(math.cos(other.axis_rad - main.axis_rad))
    size = (other.length_px, other.width_px)
    along, across = size if turned > 0.7 else size[::-1]
    gap = u - main.length_px / 2 - along / 2
    sunlit = scene.sunward is not None and (
        dr * scene.sunward[0] + dc * scene.sunward[1] > 0.3 * math.hypot(dr, dc)
    )
    return bool(
        v < 0.25 * main.width_px + _ASKEW * u
        and gap * pixel_m < (_longest_shade_m(scene) if sunlit else _PLAIN_GAP_M)
        and u > 0.4 * main.length_px
        and along < _HOUSE_SHARE * (u + 0.5 * main.length_px)
        and 0.65 < across / main.width_px < 1.4
    )


def _longest_shade_m(scene: Pixels) -> float:
    """Return how long the shade of a house on deck can be [m]."""
    least, most = _HOUSE_GAP_M
    return min(max(_HOUSE_M * (scene.shadow_per_m or 0.0), least), most)


def bridged(member: Array, where: tuple[slice, slice], scene: Pixels) -> tuple[Array, Pixels]:
    """Close the shade between a hull and her house, where :func:`rejoin` made them one.

    Returns the object, bool (y, x) within `where`, and the scene with the shade covered; both
    as they are for an object of one piece.
    """
    if ndi.label(member, structure=np.ones((3, 3)))[1] < 2:
        return member, scene
    cover = np.where(member, scene.cover[where], np.float32(0))
    guess = first_guess(cover, where[0].start, where[1].start)
    weights, inside = box_weights(
        scene.cover.shape, replace(guess, width_px=_BRIDGE * guess.width_px)
    )
    filled = scene.cover.copy()
    filled[inside] = np.maximum(filled[inside], weights)
    closed = np.zeros(scene.cover.shape, bool)
    closed[inside] = weights > 0.5
    return member | closed[where], replace(scene, cover=filled)


def fade(box: Box, scene: Pixels) -> float:
    """Return how gently the object ends: brightness just beyond its ends over that just inside.

    The larger of both ends; an end from which a wake was cut counts not. Hulls end within two
    pixels and give below 0.3; foam fades over tens of metres and gives more than 0.5.
    """
    astern, ahead = _fades(box, scene)
    return max(0.0 if box.wake < 0 else astern, 0.0 if box.wake > 0 else ahead)


def _fades(box: Box, scene: Pixels) -> tuple[float, float]:
    """Brightness beyond over that inside, at the end against the axis and at that along it."""
    beyond = max(0.12 * box.length_px, 2.0)
    v = np.linspace(-0.25, 0.25, 5) * box.width_px
    half = box.length_px / 2
    both = []
    height, width = scene.rise.shape
    for sign in (-1.0, 1.0):
        row, col = box.at(sign * (half + 1.0), 0.0)
        if not (0 <= row <= height - 1 and 0 <= col <= width - 1):
            both.append(0.0)  # what lies beyond the pixels fades not
            continue
        outside = np.arange(half + 1.0, half + 1.0 + beyond, _STEP_PX) * sign
        inside = np.arange(half - 1.0 - beyond, half - 1.0, _STEP_PX) * sign
        # The least of what follows: another ship may lie beyond a gap.
        out = float(np.median(frame(scene.rise, box, outside, v), axis=1).min())
        into = float(np.median(frame(scene.rise, box, inside, v)))
        both.append(out / max(into, 1e-3))
    return both[0], both[1]


def softness(box: Box, scene: Pixels) -> float:
    """Return how gently the sides end, as :func:`fade` does for the ends.

    The larger of both sides, 2 pixels outside to 1.5 pixels inside, without what lies alongside
    over part of the length. Hulls give below 0.1, clouds and foam more.
    """
    u = np.linspace(-0.35, 0.35, 15) * box.length_px
    half = box.width_px / 2
    sides = []
    for sign in (-1.0, 1.0):
        outside = np.array([half + 1.75, half + 2.25]) * sign
        inside = np.linspace(0.0, max(half - 1.25, 0.0), 3) * sign
        out = np.quantile(frame(scene.rise, box, u, outside).mean(axis=1), 0.2)
        into = np.median(frame(scene.rise, box, u, inside).max(axis=1))
        sides.append(float(out / max(into, 1e-3)))
    return max(sides)


def without_wake(box: Box, scene: Pixels) -> Box:
    """Cut off a tail of foam: the hull is the bright head of it.

    One end is sharp, and from there the object either dims quarter by quarter or is dimmer than
    its head and runs out gently. The hull is what rises to half of the head's level. A dark deck
    behind a white house is no tail: it neither dims on the way nor ends gently.
    """
    fades = _fades(box, scene)
    quarters = _quarters(box, scene)
    for sign, head_fades, tail_fades in ((1, *fades), (-1, *fades[::-1])):
        levels = quarters[::sign]
        dims = bool(np.all(levels[1:] < _DIMS * levels[:-1])) and levels[3] < 0.5 * levels[0]
        runs_out = tail_fades > _TAIL_FADES and levels[3] < _TAIL_DIMMER * levels[:2].max()
        if head_fades < _HEAD_ENDS and (dims or runs_out):
            head = _head(box, scene, sign)
            stout = head.length_px < _SHIPSHAPE * box.width_px
            if dims and stout and scene.pixel_m <= _RESOLVED_M:
                head = _shortened(head, min(head.length_px, _LAUNCH * box.width_px))
            return head
    return box


def _shortened(box: Box, length_px: float) -> Box:
    """Return the box with its wake's end moved in."""
    row, col = box.at(-box.wake * (box.length_px - length_px) / 2, 0.0)
    return replace(box, row=row, col=col, length_px=length_px, length_sd_px=0.3 * length_px)


def _quarters(box: Box, scene: Pixels) -> Array:
    """Brightness of the four quarters of a box, from -u to +u."""
    u = np.linspace(-0.48, 0.48, 24) * box.length_px
    v = np.linspace(-0.3, 0.3, 5) * box.width_px
    along = frame(scene.rise, box, u, v).mean(axis=1)
    return np.asarray(np.median(along.reshape(4, 6), axis=1))


def _head(box: Box, scene: Pixels, sign: int) -> Box:
    """Return the bright head of a box whose tail points along `sign`."""
    u = np.arange(-box.length_px / 2, box.length_px / 2 + 1e-6, _STEP_PX)
    v = np.linspace(-0.45, 0.45, 7) * box.width_px
    profile = np.quantile(frame(scene.rise, box, sign * u, v), 0.85, axis=1)
    first = profile[: max(len(profile) // 2, 4)]
    level = _HEAD_LEVEL * float(np.sort(first)[-2:].mean())
    peak = int(np.argmax(first))
    stop = u[0] + _STEP_PX * (peak + _falls_below(profile[peak:], level))
    length = max(float(stop - u[0]), 1.0)
    row, col = box.at(sign * float(u[0] + stop) / 2, 0.0)
    return replace(box, row=row, col=col, length_px=length, length_sd_px=0.15 * length, wake=sign)


def _falls_below(profile: Array, level: float) -> float:
    """Sample, fractional, at which a profile that starts above `level` first falls below it."""
    low = np.flatnonzero(profile < level)
    if low.size == 0:
        return float(len(profile) - 1)
    k = int(low[0])
    if k == 0:
        return 0.0
    high, below = float(profile[k - 1]), float(profile[k])
    return k - 1 + (high - level) / max(high - below, 1e-6)
