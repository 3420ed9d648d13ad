"""How much darker a pixel is than land, or water, around it.

The surroundings are kilometres wide, so their mean light is kept on a coarse lattice: blocks of
pixels are summed once and windows slide over the sums.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from eo.core.xp import Array, namespace
from eo.kernels.rows import BLOCK_PX, by_rows, each

__all__ = [
    "BACKGROUND_M",
    "DARK",
    "DARK_WATER",
    "block_means",
    "darker_than_around",
    "shade_depth",
    "visible_mean",
]

BACKGROUND_M = 1500.0
"""Half width of the surroundings that darkness is measured against."""

DARK = 0.22
"""Share of the surroundings' light that shade takes away, at least, on land."""

DARK_WATER = 0.15
"""The same on water, where much of the light is haze above it."""

SHADED = 0.85
"""Share of the surroundings' light below which a pixel is left out of them: shade must not darken
its own yardstick."""

_LATTICE = 12
"""Blocks across half of the surroundings."""

_LEAST_SHARE = 1e-3


def shade_depth(band: Array, visible: Array, *, water: Array, where: Array, gsd_m: float) -> Array:
    """Return how much darker each pixel is than its like around it; 1 is as dark as shade.

    Parameters
    ----------
    band
        float (y, x), the band in which shade on land shows best [1].
    visible
        float (y, x), mean of the visible bands, used on water [1].
    water
        bool (y, x): water is held against water, land against land.
    where
        bool (y, x): only these pixels count, and only they are judged.
    gsd_m
        Pixel size [m].

    Returns
    -------
    Array
        float32 (y, x), missing share of the light over `DARK_WATER` or `DARK`, 0 beyond `where`.
    """
    xp, ndi = namespace(band, water)
    block = max(1, int(BACKGROUND_M / gsd_m / _LATTICE))
    size = 2 * max(2, round(BACKGROUND_M / gsd_m / block)) + 1
    size = min(size, 2 * (max(band.shape) // block) + 1)
    zero, one, least = xp.float32(0), xp.float32(1), xp.float32(_LEAST_SHARE)
    planes = (band, visible, water, where)

    def sums(light: Array, wet: Array, dry: Array) -> tuple[Array, ...]:
        return xp.where(wet, light, zero), wet * one, xp.where(dry, light, zero), dry * one

    def all_of(band: Array, visible: Array, water: Array, where: Array) -> tuple[Array, ...]:
        return sums(xp.where(water, visible, band), water & where, where & ~water)

    def lit_of(
        band: Array, visible: Array, water: Array, where: Array, *levels: Array
    ) -> tuple[Array, ...]:
        light = xp.where(water, visible, band)
        lit = where & (light > xp.float32(SHADED) * xp.where(water, *levels))
        return sums(light, water & lit, lit & ~water)

    def around(formula: Callable[..., tuple[Array, ...]], *levels: Array) -> tuple[Array, Array]:
        means = block_means(xp, formula, planes, block, *levels)
        wet, wet_share, dry, dry_share = (ndi.uniform_filter(a, size) for a in means)
        # Where there are none of a kind around, nothing is darker than they.
        return (
            xp.where(wet_share > least, wet / xp.maximum(wet_share, least), zero),
            xp.where(dry_share > least, dry / xp.maximum(dry_share, least), zero),
        )

    levels = around(lit_of, *around(all_of))
    out = xp.empty(band.shape, dtype=xp.float32)

    def fill(part: tuple[slice, slice]) -> None:
        fine, rows = part
        wet = water[fine]
        light = xp.where(wet, visible[fine], band[fine])
        level = xp.where(wet, *(_spread(xp, a[rows], light, block) for a in levels))
        lack = (level - light) / xp.maximum(level, xp.float32(0.01))
        unit = xp.where(wet, xp.float32(1 / DARK_WATER), xp.float32(1 / DARK))
        out[fine] = xp.where(where[fine], xp.clip(lack, -1.0, 1.0) * unit, zero)

    each(fill, _lattice_rows(xp, band.shape, block))
    return out


def block_means(
    xp: Any,
    formula: Callable[..., tuple[Array, ...]],
    planes: tuple[Array, ...],
    block: int,
    *coarse: Array,
) -> list[Array]:
    """Return means over blocks of what `formula` makes of planes.

    Parameters
    ----------
    xp
        Array library of the planes.
    formula
        Takes the planes, then the coarse ones spread out, and returns float (y, x) arrays.
    planes
        Arrays (y, x).
    block
        Side of a block [px]; blocks at the far edges count as if 0 lay beyond.
    *coarse
        Arrays of one number a block.
    """
    height, width = planes[0].shape
    parts = _lattice_rows(xp, (height, width), block)
    found: list[list[Array]] = [[]] * len(parts)

    def reduce(k: int) -> None:
        fine, rows = parts[k]
        given = [p[fine] for p in planes]
        spread = [_spread(xp, c[rows], given[0], block) for c in coarse]
        found[k] = [_block_mean(xp, a, block) for a in formula(*given, *spread)]

    each(reduce, list(range(len(parts))))
    return [xp.concatenate(rows, axis=0) for rows in zip(*found, strict=True)]


def darker_than_around(
    reflectance: Array, bands: tuple[str, ...], water: Array, gsd_m: float
) -> Array:
    """Return where land or water is clearly darker than the same within `BACKGROUND_M`.

    Parameters
    ----------
    reflectance
        float (band, y, x) [1]; NaN where there is no data.
    bands
        Names of the bands, in order; at least blue, green, red.
    water
        bool (y, x).
    gsd_m
        Pixel size [m].

    Returns
    -------
    Array
        bool (y, x).
    """
    xp, ndi = namespace(reflectance, water)
    visible = visible_mean(reflectance, bands)
    infrared = next((b for b in ("nir", "nir08", "red") if b in bands), "red")
    band = reflectance[bands.index(infrared)]
    valid = xp.isfinite(band + visible)
    lack = shade_depth(band, visible, water=water, where=valid, gsd_m=gsd_m)
    # A patch is judged, not its noise.
    return valid & (ndi.uniform_filter(lack, 7) > 0.5)


def visible_mean(reflectance: Array, bands: tuple[str, ...]) -> Array:
    """Return the mean of blue, green and red, float32 (y, x)."""
    xp, _ = namespace(reflectance)
    planes = tuple(reflectance[bands.index(b)] for b in ("blue", "green", "red"))
    third = xp.float32(1 / 3)
    return by_rows(xp, lambda b, g, r: ((b + g + r) * third,), planes, (xp.float32,), halo=0)[0]


def _lattice_rows(xp: Any, shape: tuple[int, ...], block: int) -> list[tuple[slice, slice]]:
    """Bands of rows, whole blocks each: (pixels, blocks); on a GPU one."""
    height, width = shape
    count = -(-height // block)
    some = max(1, BLOCK_PX // (block * max(width, 1))) if xp.__name__ == "numpy" else count
    return [
        (slice(k * block, min((k + some) * block, height)), slice(k, min(k + some, count)))
        for k in range(0, count, some)
    ]


def _spread(xp: Any, coarse: Array, like: Array, block: int) -> Array:
    """One number a block, given to each of the block's pixels."""
    height, width = like.shape
    wide = xp.repeat(coarse, block, axis=1)[:, :width]
    return xp.repeat(wide, block, axis=0)[:height]


def _block_mean(xp: Any, image: Array, block: int) -> Array:
    """Mean over blocks, as if 0 lay beyond the far edges."""
    if block == 1:
        return image
    rows, cols = (-(-n // block) for n in image.shape)
    beyond = (rows * block - image.shape[0], cols * block - image.shape[1])
    if any(beyond):
        image = xp.pad(image, ((0, beyond[0]), (0, beyond[1])))
    tall = image.reshape(rows, block, cols * block).sum(axis=1)
    return tall.reshape(rows, cols, block).sum(axis=2) * xp.float32(1 / block**2)
