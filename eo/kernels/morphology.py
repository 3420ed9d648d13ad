"""Distances and widths in masks, by sliding: what lies near, what is wide, what a line sweeps.

A disc is a stack of columns, so everything within `r` pixels is found by 4 r shifted ORs of
bytes, in blocks of rows that stay in the cache; on a GPU by two passes of `morphology.cu`. That
is ten times faster than exact distances, which are kept for discs too large for it.
"""

from __future__ import annotations

import math
from typing import Any

from eo.core.xp import Array, namespace
from eo.kernels.cuda import launch
from eo.kernels.rows import MASK_BLOCK_PX, by_rows

__all__ = ["box_all", "box_any", "box_mean", "swept", "touching", "wide_parts", "within"]

_LARGEST_SLID_PX = 48.0
"""Radius from which exact distances are cheaper than sliding."""


def within(image: Array, distance_px: float) -> Array:
    """Return the pixels no farther than `distance_px` from a mask, itself included.

    Parameters
    ----------
    image
        bool (y, x).
    distance_px
        Euclidean distance between pixel centres [px].

    Returns
    -------
    Array
        bool (y, x). Halo: `distance_px` rows and columns.
    """
    xp, ndi = namespace(image)
    if distance_px < 1 or 0 in image.shape or not bool(image.any()):
        return image.copy()
    half = _half_widths(distance_px)
    if xp.__name__ == "cupy":
        return _within_gpu(xp, image, half)
    if distance_px > _LARGEST_SLID_PX:
        return ndi.distance_transform_edt(~image) <= distance_px
    (out,) = by_rows(
        xp,
        lambda a: (_slid(xp, a, half),),
        (image,),
        (bool,),
        halo=len(half) - 1,
        block_px=MASK_BLOCK_PX,
    )
    return out


def wide_parts(image: Array, radius_px: float) -> Array:
    """Return the parts of a mask that are wider than a disc.

    Parameters
    ----------
    image
        bool (y, x); beyond the scene's edge it counts as more of the same.
    radius_px
        Radius of the disc [px]; parts up to twice as wide are dropped.

    Returns
    -------
    Array
        bool (y, x), the opening of `image`. Halo: 2 `radius_px` and 2 pixels.
    """
    xp, _ = namespace(image)
    if radius_px < 1 or 0 in image.shape or not bool(image.any()):
        return image.copy()
    k = int(radius_px) + 2
    padded = xp.pad(image, k, mode="edge")
    inside = ~within(~padded, radius_px)
    return (within(inside, radius_px) & padded)[k:-k, k:-k]


def touching(labels: Array, count: int, mask: Array) -> Array:
    """Return the labelled patches that share a pixel with a mask.

    Parameters
    ----------
    labels
        int (y, x), 0 for none, 1.. for patches.
    count
        Number of patches.
    mask
        bool (y, x).

    Returns
    -------
    Array
        bool (y, x).
    """
    xp, _ = namespace(labels, mask)
    touched = xp.zeros(count + 1, dtype=bool)
    touched[labels[mask]] = True
    touched[0] = False
    return touched[labels]


def box_mean(image: Array) -> Array:
    """Return the mean over 3 x 3 pixels; beyond the edge the edge goes on. Halo: 1 pixel."""
    rows = image.copy()
    rows[1:] += image[:-1]
    rows[:-1] += image[1:]
    rows[:1] += image[:1]
    rows[-1:] += image[-1:]
    out = rows.copy()
    out[:, 1:] += rows[:, :-1]
    out[:, :-1] += rows[:, 1:]
    out[:, :1] += rows[:, :1]
    out[:, -1:] += rows[:, -1:]
    out *= image.dtype.type(1 / 9)
    return out


def box_any(image: Array, radius: int) -> Array:
    """Return where a mask has a pixel within a square of 2 `radius` + 1 pixels."""
    rows = image.copy()
    for k in range(1, radius + 1):
        rows[k:] |= image[:-k]
        rows[:-k] |= image[k:]
    out = rows.copy()
    for k in range(1, radius + 1):
        out[:, k:] |= rows[:, :-k]
        out[:, :-k] |= rows[:, k:]
    return out


def box_all(image: Array, radius: int) -> Array:
    """Return where a mask fills a square of 2 `radius` + 1 pixels, as far as the scene goes."""
    return ~box_any(~image, radius)


def swept(image: Array, start: tuple[float, float], stop: tuple[float, float]) -> Array:
    """Return what a mask covers when it is slid along a line.

    Parameters
    ----------
    image
        bool (y, x).
    start, stop
        Offsets (rows, columns) of the line's ends [px].

    Returns
    -------
    Array
        bool (y, x), to a pixel: short steps first, then long ones of all the short ones, so that
        the cost grows with the root of the line's length.
    """
    xp, _ = namespace(image)
    along = (stop[0] - start[0], stop[1] - start[1])
    steps = max(1, math.ceil(max(abs(along[0]), abs(along[1]))))
    short = max(1, math.isqrt(steps))
    step = (along[0] / steps, along[1] / steps)
    near = image.copy()
    for k in range(1, short):
        _or_shifted(near, image, (round(step[0] * k), round(step[1] * k)))
    out = xp.zeros_like(image)
    last = steps - (short - 1)
    for k in {*range(0, last, short), last}:
        _or_shifted(out, near, (round(start[0] + step[0] * k), round(start[1] + step[1] * k)))
    return out


def _half_widths(radius: float) -> list[int]:
    """Half height of a disc's column, by its distance from the centre."""
    return [math.floor(math.sqrt(radius * radius - k * k) + 1e-9) for k in range(int(radius) + 1)]


def _slid(xp: Any, image: Array, half: list[int]) -> Array:
    """Dilation by a disc: columns of growing height, each slid to where the disc has it."""
    out = xp.zeros_like(image)
    column, height = image.copy(), 0
    for dx in range(len(half) - 1, -1, -1):
        while height < half[dx]:
            height += 1
            column[height:] |= image[:-height]
            column[:-height] |= image[height:]
        if dx:
            out[:, dx:] |= column[:, :-dx]
            out[:, :-dx] |= column[:, dx:]
        else:
            out |= column
    return out


def _within_gpu(xp: Any, image: Array, half: list[int]) -> Array:
    """Compute the same on a GPU (`morphology.cu`)."""
    rows, cols = image.shape
    size = (xp.int64(rows), xp.int64(cols), xp.int32(len(half) - 1))
    near = xp.empty(image.shape, dtype=xp.uint16)
    launch("morphology", "column_reach", image.size, xp.ascontiguousarray(image), near, *size)
    out = xp.empty(image.shape, dtype=bool)
    launch("morphology", "disc_any", image.size, near, xp.asarray(half, dtype=xp.int32), out, *size)
    return out


def _or_shifted(out: Array, image: Array, shift: tuple[int, int]) -> None:
    """Add `image`, moved by `shift` rows and columns, to `out`."""
    height, width = image.shape
    dy, dx = shift
    if abs(dy) >= height or abs(dx) >= width:
        return
    to = (slice(max(dy, 0), height + min(dy, 0)), slice(max(dx, 0), width + min(dx, 0)))
    of = (slice(max(-dy, 0), height + min(-dy, 0)), slice(max(-dx, 0), width + min(-dx, 0)))
    out[to] |= image[of]
