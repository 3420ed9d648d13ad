"""Where a hull's sides and ends lie, to a fraction of a pixel.

Works on the coverage image of one object (see `eo.kernels.targets`): along every line across the
hull, the edge is where coverage falls through one half; straight lines through these points are
the sides, the outermost crossings along the middle rows are the ends. Medians throughout, so
that a tug alongside, a crane or a tapered bow moves neither side. Host arrays only: objects are
small and many.

Positions are (row, column) with pixel centres at whole numbers; `axis_rad` turns from the
direction of growing columns towards growing rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import scipy.ndimage as ndi

from eo.core.xp import Array

__all__ = ["Box", "box_weights", "crossings", "first_guess", "fit_box", "frame"]

_HALF = 0.5
_STEP_PX = 0.5
_END = 0.3
"""Coverage at a hull's ends: stem and stern are narrower than the point-spread function and the
mooring decks darker than the house beside them, so that one half is reached well inside."""
_NEAR_PX = 0.6
"""Edge points this near a line lie on it: noise of a well-lit edge is a third of that."""


@dataclass(frozen=True, kw_only=True)
class Box:
    """A rectangle of the image."""

    row: float
    """Centre."""
    col: float
    """Centre."""
    axis_rad: float
    """Direction of the long axis."""
    length_px: float
    """Extent along the axis."""
    width_px: float
    """Extent across it."""
    length_sd_px: float = 1.0
    """Standard deviation of the length."""
    width_sd_px: float = 1.0
    """Standard deviation of the width."""
    roughness_px: float = 0.0
    """Deviation of the edge points of the rougher side from a straight line."""
    sides: tuple[bool, bool] = (True, True)
    """Whether each side (towards -v, +v) was seen as an edge."""
    wake: int = 0
    """End beyond which foam trails, and which was cut off there: +1 (along the axis), -1, or 0."""

    @property
    def along(self) -> tuple[float, float]:
        """Unit vector (row, col) along the axis: +u."""
        return math.sin(self.axis_rad), math.cos(self.axis_rad)

    @property
    def across(self) -> tuple[float, float]:
        """Unit vector (row, col) across the axis: +v, from columns towards rows too."""
        return math.cos(self.axis_rad), -math.sin(self.axis_rad)

    def at(self, u: float, v: float) -> tuple[float, float]:
        """(row, col) of a point given along and across the axis from the centre."""
        (ar, ac), (nr, nc) = self.along, self.across
        return self.row + u * ar + v * nr, self.col + u * ac + v * nc

    def corners(self) -> list[tuple[float, float]]:
        """Four corners, (row, col)."""
        a, b = self.length_px / 2, self.width_px / 2
        return [self.at(u, v) for u, v in ((-a, -b), (a, -b), (a, b), (-a, b))]


def frame(image: Array, box: Box, u: Array, v: Array, *, order: int = 1) -> Array:
    """Sample `image` (y, x) in a box's own axes; returns (u, v). Outside the image: the edge."""
    (ar, ac), (nr, nc) = box.along, box.across
    uu, vv = np.meshgrid(u, v, indexing="ij")
    rows = box.row + uu * ar + vv * nr
    cols = box.col + uu * ac + vv * nc
    return ndi.map_coordinates(image, [rows, cols], order=order, mode="nearest")


def first_guess(weight: Array, row0: int, col0: int) -> Box:
    """Return the box with the moments of a weight image whose first pixel is (row0, col0)."""
    rows, cols = np.nonzero(weight > 0)
    w = weight[rows, cols].astype(np.float64)
    total = w.sum()
    row, col = (w * rows).sum() / total, (w * cols).sum() / total
    dr, dc = rows - row, cols - col
    rr, cc, rc = (
        (w * dr * dr).sum() / total,
        (w * dc * dc).sum() / total,
        (w * dr * dc).sum() / total,
    )
    axis = 0.5 * math.atan2(2 * rc, cc - rr)
    middle, half = (rr + cc) / 2, math.hypot((cc - rr) / 2, rc)
    # A uniform bar of extent L has variance L^2 / 12.
    length = math.sqrt(12 * max(middle + half, 1 / 12))
    width = math.sqrt(12 * max(middle - half, 1 / 12))
    return Box(row=row + row0, col=col + col0, axis_rad=axis, length_px=length, width_px=width)


def fit_box(cover: Array, guess: Box, *, gap_px: float = 2.0, rounds: int = 3) -> Box:
    """Move `guess` until its sides and ends lie on the edges of `cover`.

    Parameters
    ----------
    cover
        float32 (y, x), share of each pixel that is not water.
    guess
        Start: its axis may be 15 degrees off, its sides a width.
    gap_px
        Dips this long along the hull are part of her: the shade of the house on deck.
    rounds
        Times that sides and ends are fitted in turn.

    Returns
    -------
    Box
        The fitted box; a side that is no edge (something large lies alongside) keeps its place
        and is marked in `sides`.
    """
    box = guess
    for _ in range(rounds):
        box = _fit_sides(cover, box)
        box = _fit_ends(cover, box, round(gap_px / _STEP_PX))
    return box


def _fit_sides(cover: Array, box: Box) -> Box:
    reach = 0.75 * box.width_px + 4.0
    u = np.arange(-0.40 * box.length_px, 0.40 * box.length_px + 1e-6, _STEP_PX)
    if u.size < 4:
        u = np.linspace(-0.4 * box.length_px, 0.4 * box.length_px, 4)
    v = np.arange(0.0, reach, _STEP_PX)
    lines = [_line(u, crossings(frame(cover, box, u, side * v))) for side in (-1, 1)]
    seen = tuple(line is not None for line in lines)
    if not any(seen):
        return replace(box, sides=(False, False))
    half = box.width_px / 2
    slopes, weights, offsets, roughs = [], [], [], []
    for line, side in zip(lines, (-1, 1), strict=True):
        if line is None:
            offsets.append(side * half)
            continue
        slope, offset, rough = line
        slopes.append(side * slope)
        weights.append(1 / (rough + 0.1) ** 2)
        offsets.append(side * offset)
        roughs.append(rough)
    slope = float(np.average(slopes, weights=weights))
    width = max(offsets[1] - offsets[0], 0.5)
    row, col = box.at(0.0, (offsets[0] + offsets[1]) / 2)
    rough = float(np.max(roughs))
    edge_sd = math.hypot(0.12, 1.5 * rough / math.sqrt(max(u.size * _STEP_PX, 1.0)))
    return replace(
        box,
        row=row,
        col=col,
        axis_rad=box.axis_rad + math.atan(slope),
        width_px=width,
        width_sd_px=math.sqrt(2) * edge_sd,
        roughness_px=rough,
        sides=(seen[0], seen[1]),
    )


def _fit_ends(cover: Array, box: Box, gap: int) -> Box:
    reach = 0.65 * box.length_px + 6.0 + gap * _STEP_PX
    start = 0.2 * box.length_px
    v = np.linspace(-0.3, 0.3, 7) * box.width_px
    u = np.arange(start, reach, _STEP_PX)
    ahead = crossings(frame(cover, box, u, v).T, gap=gap, level=_END) + start
    astern = crossings(frame(cover, box, -u, v).T, gap=gap, level=_END) + start
    ends = []
    for found in (ahead, astern):
        good = found[np.isfinite(found)]
        # The stem is narrower than the hull: the farthest row tells the end, unless it runs on
        # alone along a fender or a crane.
        ends.append(_farthest(good) if good.size >= 3 else box.length_px / 2)
    row, col = box.at((ends[0] - ends[1]) / 2, 0.0)
    return replace(box, row=row, col=col, length_px=max(ends[0] + ends[1], 1.0), length_sd_px=0.6)


def _farthest(found: Array) -> float:
    last, next_last = np.sort(found)[[-1, -2]]
    return float(last if last - next_last < 2.0 else next_last)


def crossings(profiles: Array, *, gap: int = 2, level: float = _HALF) -> Array:
    """Return where each row of `profiles` first falls through `level` [pixel] and stays.

    NaN where it never does; samples are half a pixel apart, dips shorter than `gap` samples are
    passed over.
    """
    low = profiles < level
    stays = low.copy()
    for shift in range(1, min(gap, low.shape[1])):
        later = np.ones_like(low)
        later[:, :-shift] = low[:, shift:]
        stays &= later
    found = stays.any(axis=1)
    first = np.argmax(stays, axis=1)
    before = np.maximum(first - 1, 0)
    index = np.arange(len(profiles))
    high, below = profiles[index, before], profiles[index, first]
    share = np.clip((high - level) / np.maximum(high - below, 1e-6), 0, 1)
    where = np.where(first > 0, (before + share) * _STEP_PX, 0.0)
    return np.where(found, where, np.nan)


def _line(u: Array, edge: Array) -> tuple[float, float, float] | None:
    """Slope, offset at u = 0 and deviation of one side; None if there is no edge.

    A barge alongside gives a second line farther out: of parallel lines the innermost that a
    quarter of the edge points lie on is the hull's. `edge` is positive on either side.
    """
    good = np.isfinite(edge)
    if good.sum() < max(3, 0.4 * edge.size):
        return None
    u, edge = u[good], edge[good]
    apart = max(u.size // 3, 1)
    slopes = (edge[apart:] - edge[:-apart]) / (u[apart:] - u[:-apart])
    slopes = np.unique(np.round(np.quantile(slopes, np.linspace(0.1, 0.9, 17)), 4))
    best: tuple[int, float, float, float] | None = None
    for slope in slopes:
        rest = np.sort(edge - slope * u)
        last = np.searchsorted(rest, rest + 2 * _NEAR_PX, side="right")
        count = last - np.arange(rest.size)
        enough = np.flatnonzero(count >= max(0.25 * rest.size, 2))
        if enough.size == 0:
            continue
        first = int(enough[0])
        # The fullest window that begins within the innermost one.
        near = np.arange(first, last[first])
        pick = int(near[np.argmax(count[near])])
        inside = rest[pick : last[pick]]
        if best is None or inside.size > best[0]:
            offset = float(np.median(inside))
            # What lies alongside is no roughness of this hull.
            off = np.abs(rest - offset)
            rough = float(np.sqrt(np.mean(off[off < 1.5] ** 2)))
            best = (inside.size, float(slope), offset, rough)
    return None if best is None else best[1:]


def box_weights(
    shape: tuple[int, int], box: Box, *, grow_px: float = 0.0
) -> tuple[Array, tuple[slice, slice]]:
    """Return a soft mask of the box (edge one pixel wide) and where it lies in the image."""
    corners = np.array(box.corners())
    pad = grow_px + 2
    r0 = max(int(np.floor(corners[:, 0].min() - pad)), 0)
    c0 = max(int(np.floor(corners[:, 1].min() - pad)), 0)
    r1 = min(int(np.ceil(corners[:, 0].max() + pad)) + 1, shape[0])
    c1 = min(int(np.ceil(corners[:, 1].max() + pad)) + 1, shape[1])
    rows, cols = np.mgrid[r0 : max(r1, r0), c0 : max(c1, c0)]
    (ar, ac), (nr, nc) = box.along, box.across
    u = np.abs((rows - box.row) * ar + (cols - box.col) * ac)
    v = np.abs((rows - box.row) * nr + (cols - box.col) * nc)
    inside_u = np.clip(box.length_px / 2 + grow_px - u + 0.5, 0, 1)
    inside_v = np.clip(box.width_px / 2 + grow_px - v + 0.5, 0, 1)
    return inside_u * inside_v, (slice(r0, max(r1, r0)), slice(c0, max(c1, c0)))
