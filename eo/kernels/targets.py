"""Pixels that are not water: how far each departs from the water around it.

A vessel is whatever is brighter than the water, or differently coloured; a shadow is darker in
every band and so never counts. The departure is linear along the line from water to hull colour,
so that half of a hull's own level is where her edge cuts the pixel in two. Nothing here decides
what is a ship: that needs shapes.
"""

from __future__ import annotations

from typing import Any

from eo.core.xp import Array, namespace
from eo.kernels.departure import one_sided

__all__ = ["coverage", "darkening", "departure", "water_level"]

_STEP = 4
"""Pixels of a block: the water's level varies slowly, so blocks are enough."""
_LEAST_SIGMA = 0.0015
"""Reflectance: sensor noise below which no scene's water is quiet (Sentinel-2 SNR, 8 bit RGB)."""


def water_level(reflectance: Array, water: Array, *, radius_px: float) -> tuple[Array, Array]:
    """Return the water's level and its scatter at every pixel, land included.

    Parameters
    ----------
    reflectance
        float32 (band, y, x), NaN where there is no pixel.
    water
        bool (y, x), pixels that are taken for clear water; a few ships among them do no harm.
    radius_px
        Half the width of the neighbourhood [pixel]; where it holds too little water, four times
        that, then the whole scene.

    Returns
    -------
    tuple
        Level and robust standard deviation, both float32 (band, y, x).
    """
    xp, ndi = namespace(reflectance, water)
    valid = water & xp.isfinite(reflectance).all(axis=0)
    bands = reflectance.shape[0]
    if int(valid.sum()) < 50:
        # No water to speak of: the darkest there is, so that nothing hides below it.
        filled = xp.where(xp.isfinite(reflectance), reflectance, xp.float32(1))
        middle = filled.reshape(bands, -1).min(axis=1)
        level = xp.broadcast_to(middle[:, None, None], reflectance.shape)
        return level, xp.full_like(level, 0.02)
    weight = _blocks(xp, valid.astype(xp.float32))
    levels, sigmas = [], []
    for band in reflectance:
        inside = band[valid]
        centre = xp.median(inside)
        spread = 1.4826 * xp.median(xp.abs(inside - centre))
        # Ships, foam and quays among the water are held to the scene's own spread.
        low, high = centre - 6 * spread - 0.01, centre + 6 * spread + 0.01
        clipped = xp.where(valid, xp.clip(band, low, high), xp.float32(0))
        level = _smooth(xp, ndi, _blocks(xp, clipped), weight, radius_px=radius_px, fallback=centre)
        level = _grow(xp, level, band.shape)
        residual = xp.where(valid, band - level, xp.float32(0))
        sigma = xp.maximum(1.4826 * xp.median(xp.abs(residual[valid])), xp.float32(_LEAST_SIGMA))
        squares = xp.clip(residual, -3 * sigma, 3 * sigma) ** 2
        local = _smooth(
            xp, ndi, _blocks(xp, squares), weight, radius_px=radius_px, fallback=sigma**2
        )
        local = xp.sqrt(_grow(xp, local, band.shape))
        levels.append(level)
        sigmas.append(xp.maximum(local, 0.7 * sigma))
    return xp.stack(levels), xp.stack(sigmas)


def departure(reflectance: Array, level: Array, sigma: Array) -> Array:
    """Return how far each pixel rises above the water, in water's standard deviations.

    The root mean square over bands of what is brighter; bands that are darker count nothing, so
    that shadows and cloud shadows stay at 0. float32 (y, x), NaN where there is no pixel.
    """
    return one_sided(reflectance, level, sigma, above=True)


def darkening(reflectance: Array, level: Array, sigma: Array) -> Array:
    """Return how far each pixel lies below the water in all bands together, as departure."""
    return one_sided(reflectance, level, sigma, above=False)


def coverage(rise: Array, threshold: float, *, width_px: int, resolved: bool = False) -> Array:
    """Return the share of each pixel that is covered by something other than water.

    Parameters
    ----------
    rise
        float32 (y, x) from :func:`departure`.
    threshold
        Departure above which a pixel is surely not water.
    width_px
        Odd width of the neighbourhood in which an object's own level is taken [pixel]; the halo
        of this kernel is half of it.
    resolved
        Whether pixels are fine enough to show decks apart from what stands on them.

    Returns
    -------
    Array
        float32 (y, x) in 0..1. One half is the object's edge.

    Notes
    -----
    The level is the deck's, not that of the white house and the pipes on it: of fine pixels the
    inverse mean square, in which the dim ones rule (a dark deck beside a white pipe would else
    fall below half of the level, and the hull with it); of coarse ones, which all hold a little
    water, the geometric mean.
    """
    xp, ndi = namespace(rise)
    clean = xp.nan_to_num(rise)
    sure = clean > threshold
    # Edge pixels, which are part water, count only where there is nothing else.
    weight = ndi.binary_erosion(sure).astype(xp.float32) + xp.float32(0.02) * sure
    held = xp.maximum(clean, xp.float32(threshold)) / xp.float32(threshold)
    depth = held**-2 if resolved else xp.log(held)
    total = ndi.uniform_filter(depth * weight, width_px, mode="nearest")
    count = ndi.uniform_filter(weight, width_px, mode="nearest")
    mean = total / xp.maximum(count, xp.float32(1e-6))
    level = xp.maximum(mean, xp.float32(1e-8)) ** -0.5 if resolved else xp.exp(mean)
    level = xp.float32(threshold) * level
    level = xp.where(count > 1e-6, level, xp.float32(threshold))
    level = xp.maximum(level, xp.float32(threshold))
    return xp.clip(clean / level, 0, 1).astype(xp.float32)


def _blocks(xp: Any, image: Array) -> Array:
    """Sum over blocks; the last, cut ones included."""
    height, width = image.shape
    pad = ((0, -height % _STEP), (0, -width % _STEP))
    padded = xp.pad(image, pad)
    rows, cols = padded.shape[0] // _STEP, padded.shape[1] // _STEP
    return padded.reshape(rows, _STEP, cols, _STEP).sum(axis=(1, 3))


def _smooth(
    xp: Any, ndi: Any, total: Array, weight: Array, *, radius_px: float, fallback: Array
) -> Array:
    """Mean of the nearest water at three scales, the finest that holds enough of it."""
    mean = xp.full_like(total, float(fallback))
    for scale in (16.0, 4.0, 1.0):
        size = 2 * max(1, round(scale * radius_px / _STEP)) + 1
        if size > 2 * max(total.shape):
            continue
        over = ndi.uniform_filter(total, size, mode="constant")
        count = ndi.uniform_filter(weight, size, mode="constant")
        share = xp.clip(count / (0.04 * _STEP**2), 0, 1)
        here = over / xp.maximum(count, xp.float32(1e-6))
        mean = share * here + (1 - share) * mean
    return mean


def _grow(xp: Any, coarse: Array, shape: tuple[int, ...]) -> Array:
    """Bilinear interpolation of block means at the pixels."""
    rows = (xp.arange(shape[0], dtype=xp.float32) + 0.5) / _STEP - 0.5
    cols = (xp.arange(shape[1], dtype=xp.float32) + 0.5) / _STEP - 0.5
    fine = _lerp(xp, coarse, rows, 0)
    return _lerp(xp, fine, cols, 1).astype(xp.float32)


def _lerp(xp: Any, image: Array, at: Array, axis: int) -> Array:
    last = image.shape[axis] - 1
    at = xp.clip(at, 0, last)
    low = xp.minimum(at.astype(xp.int32), max(last - 1, 0))
    high = xp.minimum(low + 1, last)
    share = (at - low).reshape((-1, 1) if axis == 0 else (1, -1)).astype(xp.float32)
    return xp.take(image, low, axis=axis) * (1 - share) + xp.take(image, high, axis=axis) * share
