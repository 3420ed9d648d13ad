"""Blocks of rows: a formula works on what fits the cache, on several threads where allowed.

A chain of array operations over a whole scene reads and writes memory once per operation; over a
block of rows it stays in the cache, and NumPy frees the interpreter's lock while it computes, so
that threads help. On a GPU the whole scene is one block: memory is fast there and launches are
not. The number of threads is that of ``OMP_NUM_THREADS``, as for every numerical library, else
one per core; the command line sets it to one, because there every core has a scene of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from eo.core.xp import Array

__all__ = ["BLOCK_PX", "MASK_BLOCK_PX", "by_rows", "each", "row_blocks", "threads"]

BLOCK_PX = 32_000
"""Pixels of a block: its float32 temporaries, about ten, then fit a core's cache of 1-2 MiB."""

MASK_BLOCK_PX = 200_000
"""The same where the temporaries are masks, of one byte a pixel, and few."""


def threads() -> int:
    """Return how many threads an array formula may use."""
    told = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if told.isdigit() and int(told) > 0:
        return int(told)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def row_blocks(
    height: int, width: int, halo: int, block_px: int = BLOCK_PX
) -> Iterator[tuple[slice, slice, slice]]:
    """Yield blocks of rows as (rows with halo, rows to keep, those rows within the first).

    Parameters
    ----------
    height, width
        Size of the scene [px].
    halo
        Rows on either side that a block's result depends on [px].
    block_px
        Pixels of a block, about.
    """
    rows = max(16, 2 * halo, block_px // max(width, 1))
    for start in range(0, height, rows):
        stop = min(start + rows, height)
        low, high = max(0, start - halo), min(height, stop + halo)
        yield slice(low, high), slice(start, stop), slice(start - low, stop - low)


def each(function: Callable[[Any], None], items: list[Any]) -> None:
    """Call `function` on every item, on as many threads as are allowed."""
    workers = min(threads(), len(items))
    if workers < 2:
        for item in items:
            function(item)
        return
    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(function, items):
            pass


def by_rows(
    xp: Any,
    function: Callable[..., tuple[Array, ...]],
    planes: tuple[Array, ...],
    dtypes: tuple[Any, ...],
    *,
    halo: int,
    block_px: int = BLOCK_PX,
) -> tuple[Array, ...]:
    """Return what `function` makes of whole planes, computed block by block.

    Parameters
    ----------
    xp
        Array library of the planes; only NumPy's are cut into blocks.
    function
        Takes as many (y, x) arrays as there are planes and returns as many of the same size as
        there are dtypes. It must look no farther than `halo` rows.
    planes
        Arrays (y, x).
    dtypes
        Type of each result.
    halo
        Rows on either side that a result depends on [px].
    block_px
        Pixels of a block, about.

    Returns
    -------
    tuple of Array
        (y, x) each; the same, bit for bit, as of ``function(*planes)``.
    """
    if xp.__name__ != "numpy":
        return function(*planes)
    height, width = planes[0].shape
    outs = tuple(xp.empty((height, width), dtype=d) for d in dtypes)

    def block(part: tuple[slice, slice, slice]) -> None:
        wide, rows, within = part
        for out, made in zip(outs, function(*(p[wide] for p in planes)), strict=True):
            out[rows] = made[within]

    each(block, list(row_blocks(height, width, halo, block_px)))
    return outs
