"""The empty port: what every pixel looks like when no ship lies there.

A berth may be taken in more than half of the looks, so that the plain median shows a ship. Where
a pixel is water in several of its clear looks, the empty port is the statistics of those looks
alone; elsewhere it is the median of the clear ones. Looks are read in blocks of rows, so that
memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.ndimage as ndi

from eo.core.errors import SceneError
from eo.core.xp import Array, to_host
from eo.kernels.reference import (
    WATER_SHARE,
    bare_level,
    level_and_spread,
    looks_of_bare_port,
    looks_of_port,
)
from eo.kernels.water import likely_water
from eo.stages.pixels import CLEAR, scene_pixels
from eo.stages.sunglint import water_by_colour

__all__ = [
    "WATER_SHARE",
    "LookArrays",
    "Reference",
    "empty_port_pixels",
    "port_reference",
    "port_water",
]

_BUDGET_BYTES = 96 * 2**20
"""Memory for the looks of one block of rows, whatever their number."""
_CHUNK_ROWS = 16
"""Rows of a part's chunk: a block that cut one in two would unpack it twice."""
_BLUR_REACH_PX = 3
"""How far a quay's blur reaches over the water, and one pixel more."""
_LEAST_BODY_M2 = 30_000.0
"""Water smaller than this has no ships of 60 m in it: pools, dark roofs, shadows."""
_OFF_SHORE_M = 12.0
"""A ship at a quay reaches farther out than this, and her shade on the quay no farther in."""
_SHADE_REACH_M = 25.0
"""How far ashore a hull's shade falls, but that of the largest in winter."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LookArrays:
    """One look at the port, sliced only when needed."""

    dn: Any
    """uint16 (band, y, x), 0 where there is no data; anything that slices like an array."""
    mask: Any
    """uint8 (y, x): 0 no data, 1 clear, 2 cloud, 3 cloud shadow."""
    scale: tuple[float, ...]
    """Per band: reflectance = DN * scale + offset."""
    offset: tuple[float, ...]
    """See scale."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference:
    """The empty port."""

    median: Array
    """float32 (band, y, x) reflectance; NaN where no look was clear."""
    spread: Array
    """float32 (band, y, x) robust standard deviation."""
    water: Array
    """float32 (y, x) share of the clear looks in which the pixel is water; NaN as median."""
    clear_looks: Array
    """uint16 (y, x) number of clear looks."""
    bare: Array | None = None
    """float32 (band, y, x) as no ship shades it: of the looks in which nothing lies near."""
    bare_water: Array | None = None
    """float32 (y, x) share of those looks in which the pixel is water. Both None in a reference
    that was learnt without them."""


def port_reference(
    looks: Sequence[LookArrays], pixel_m: float, bands: tuple[str, ...]
) -> Reference:
    """Return the empty port of a set of looks on one window.

    Parameters
    ----------
    looks
        Looks of one sensor on one window, in any order.
    pixel_m
        Pixel size.
    bands
        Names of the bands of every look's `dn`.

    Raises
    ------
    SceneError
        If there are no looks, they differ in shape, or the pixel size is not positive.
    """
    if not pixel_m > 0:
        raise SceneError(f"a reference needs a positive pixel size, found {pixel_m!r}")
    shapes = {tuple(look.dn.shape) for look in looks}
    if len(shapes) != 1:
        raise SceneError(
            f"a reference needs looks of one shape, found {sorted(shapes) or 'no looks'}"
        )
    count, height, width = shapes.pop()
    rows = _block_rows(len(looks), count, height, width)
    found = Reference(
        median=np.empty((count, height, width), np.float32),
        spread=np.empty((count, height, width), np.float32),
        water=np.empty((height, width), np.float32),
        clear_looks=np.empty((height, width), np.uint16),
        bare=np.empty((count, height, width), np.float32),
        bare_water=np.empty((height, width), np.float32),
    )
    wet, seen = _water_of_looks(looks, bands)
    free = _free_looks(wet, seen, width, pixel_m)
    for row in range(0, height, rows):
        block = slice(row, min(row + rows, height))
        _fill_block(found, looks, block, [w[block] for w in wet], [f[block] for f in free])
    return found


def _block_rows(looks: int, bands: int, height: int, width: int) -> int:
    """Rows that are read of all looks at once, whole chunks of a part if any."""
    row_bytes = looks * width * (bands * 2 + 2 * 4 + 4)
    rows = int(np.clip(_BUDGET_BYTES // max(row_bytes, 1), 1, height))
    return rows - rows % _CHUNK_ROWS if rows > _CHUNK_ROWS else rows


def _fill_block(
    found: Reference,
    looks: Sequence[LookArrays],
    block: slice,
    wet: list[Array],
    free: list[Array],
) -> None:
    """Learn one block of rows, a band at a time: only DN are held of all bands."""
    dn = [np.asarray(look.dn[:, block]) for look in looks]
    there = [(d > 0).all(axis=0) for d in dn]
    clear = np.stack(
        [(np.asarray(k.mask[block]) == CLEAR) & t for k, t in zip(looks, there, strict=True)]
    )
    width = clear.shape[-1]
    water, alone = (
        np.stack([np.unpackbits(w, axis=1, count=width) for w in some]).astype(bool)
        for some in (wet, free)
    )
    bare, bare_water, enough = looks_of_bare_port(clear, water & clear, alone)
    if found.bare_water is not None:
        found.bare_water[block] = bare_water
    used, found.water[block], found.clear_looks[block] = looks_of_port(clear, water & clear)
    values = np.empty(clear.shape, np.float32)
    for band in range(len(found.median)):
        for k, look in enumerate(looks):
            values[k] = _reflectance(dn[k][band], look.scale[band], look.offset[band])
        found.median[band, block], found.spread[band, block] = level_and_spread(values, used)
        if found.bare is not None:
            found.bare[band, block] = bare_level(values, bare, enough)


def empty_port_pixels(
    reference: Reference, bands: tuple[str, ...], pixel_m: float
) -> tuple[Array, Array]:
    """Return colour above water, (band, y, x), and coverage, (y, x), of the empty port.

    Both float32 on the host. Where no look was clear, 0: there the scene speaks alone.
    """
    median = to_host(reference.median)
    seen = (to_host(reference.clear_looks) > 0) & np.isfinite(median).all(axis=0)
    empty = scene_pixels(median, bands, seen.astype(np.uint8), pixel_m)
    wet = port_water(reference, pixel_m)
    # Shallows and weed rise above the water around them, yet ships lie over them; dark roofs
    # and shadows ashore look like water, yet no ship lies there.
    inner = ndi.binary_erosion(wet) & (np.nan_to_num(to_host(reference.water)) >= 0.5)
    # The blur of a quay reaches two pixels; farther out, what the median shows is its own noise
    # and what ships at anchor left in it.
    deep = ndi.binary_erosion(wet, iterations=_BLUR_REACH_PX)
    cover = np.where(deep | (inner & (empty.cover > 0.5)), 0.0, empty.cover)
    cover = np.where(ndi.binary_dilation(wet), cover, 1.0)
    return empty.colour, cover.astype(np.float32)


def port_water(reference: Reference, pixel_m: float) -> Array:
    """Return the port's water, bool (y, x) on the host: bodies that a ship can lie in.

    A pixel belongs to it that is water in enough of its clear looks, or was never seen clear.
    """
    share = to_host(reference.water)
    wet = ~(share < WATER_SHARE)
    labels, _ = ndi.label(wet)
    large = np.bincount(labels.ravel()) * pixel_m**2 >= _LEAST_BODY_M2
    large[0] = False
    return np.asarray(large[labels])


def _water_of_looks(
    looks: Sequence[LookArrays], bands: tuple[str, ...]
) -> tuple[list[Array], list[Array]]:
    """Water of each look by itself, and what is clear, one bit a pixel: whole scenes at once."""
    found, seen = [], []
    for look in looks:
        dn = np.asarray(look.dn[:, :])
        there = (dn > 0).all(axis=0)
        pairs = zip(dn, look.scale, look.offset, strict=True)
        stack = np.stack([_reflectance(*pair) for pair in pairs])
        stack[:, ~there] = np.nan
        clear = (np.asarray(look.mask[:]) == CLEAR) & there
        wet = water_by_colour(stack, likely_water(stack, bands) & clear)
        found.append(np.packbits(wet, axis=1))
        seen.append(np.packbits(clear, axis=1))
    return found, seen


def _free_looks(
    wet: Sequence[Array], seen: Sequence[Array], width: int, pixel_m: float
) -> list[Array]:
    """Per look, where nothing lies within a ship's shade, one bit a pixel.

    Something lies where water that is well off the shore is not water in this look (or not seen).
    What is nearer to the shore says nothing: quays in ships' shade pass for water.
    """

    def pixels(metres: float) -> int:
        return max(1, round(metres / pixel_m))

    def unpacked(bits: Array) -> Array:
        return np.unpackbits(bits, axis=1, count=width) > 0

    times = np.sum([unpacked(bits) for bits in wet], axis=0)
    views = np.sum([unpacked(bits) for bits in seen], axis=0)
    often = (times >= WATER_SHARE * views) & (times > 0)
    deep = ndi.minimum_filter(often, 2 * pixels(_OFF_SHORE_M) + 1)
    reach = 2 * pixels(_OFF_SHORE_M + _SHADE_REACH_M) + 1
    free = []
    for bits in wet:
        taken = deep & ~unpacked(bits)
        # Several pixels side by side: foam and noise are single ones.
        taken &= ndi.uniform_filter(taken.astype(np.float32), 3) > 0.4
        free.append(np.packbits(~ndi.maximum_filter(taken, reach), axis=1))
    return free


def _reflectance(dn: Array, scale: float, offset: float) -> Array:
    """Return float32 reflectance of one band; what no data makes of it is not looked at."""
    return dn * np.float32(scale) + np.float32(offset)
