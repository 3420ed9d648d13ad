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
from eo.kernels.reference import WATER_SHARE, empty_port
from eo.kernels.water import likely_water
from eo.stages.pixels import CLEAR, scene_pixels

__all__ = [
    "WATER_SHARE",
    "LookArrays",
    "Reference",
    "empty_port_pixels",
    "port_reference",
    "port_water",
]

_BUDGET_BYTES = 24 * 2**20
_BLUR_REACH_PX = 3
"""How far a quay's blur reaches over the water, and one pixel more."""
_LEAST_BODY_M2 = 30_000.0
"""Water smaller than this has no ships of 60 m in it: pools, dark roofs, shadows."""


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
    row_bytes = len(looks) * width * (count * 4 * 2 + 2)
    rows = int(np.clip(_BUDGET_BYTES // max(row_bytes, 1), 1, height))
    median = np.empty((count, height, width), np.float32)
    spread = np.empty_like(median)
    water = np.empty((height, width), np.float32)
    clear_looks = np.empty((height, width), np.uint16)
    wet = _water_of_looks(looks, bands)
    for row in range(0, height, rows):
        block = slice(row, min(row + rows, height))
        stack, clear = _read(looks, block)
        is_water = np.stack([np.unpackbits(w[block], axis=1, count=width) for w in wet]) > 0
        median[:, block], spread[:, block], water[block], clear_looks[block] = empty_port(
            stack, clear, is_water & clear
        )
    return Reference(median=median, spread=spread, water=water, clear_looks=clear_looks)


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


def _water_of_looks(looks: Sequence[LookArrays], bands: tuple[str, ...]) -> list[Array]:
    """Water of each look by itself, one bit a pixel: it needs the whole scene at once."""
    found = []
    for look in looks:
        stack, clear = _read([look], slice(None))
        found.append(np.packbits(likely_water(stack[0], bands) & clear[0], axis=1))
    return found


def _read(looks: Sequence[LookArrays], block: slice) -> tuple[Array, Array]:
    """Reflectance (look, band, y, x), NaN where no data, and clear (look, y, x)."""
    stack, clear = [], []
    for look in looks:
        dn = np.asarray(look.dn[:, block])
        scale = np.asarray(look.scale, np.float32)[:, None, None]
        offset = np.asarray(look.offset, np.float32)[:, None, None]
        there = (dn > 0).all(axis=0)
        stack.append(np.where(there, dn * scale + offset, np.float32("nan")))
        clear.append((np.asarray(look.mask[block]) == CLEAR) & there)
    return np.stack(stack).astype(np.float32, copy=False), np.stack(clear)
