"""How far pixels depart from the water around them, in one pass over the bands.

The root mean square, over bands, of what lies on one side of the water's level, in the water's
own standard deviations: what a detector of constant false-alarm rate compares with its threshold.
Level and scatter come from :func:`eo.kernels.targets.water_level`. Written as array operations
the formula reads and writes a scene a dozen times; here it is one loop where Numba is installed,
one kernel on a GPU (``departure.cu``), and blocks of rows that stay in the cache with NumPy
alone. All give the same bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from eo.core.xp import Array, namespace
from eo.kernels.compiled import compiled, has_numba
from eo.kernels.cuda import launch
from eo.kernels.rows import each, row_blocks

__all__ = ["one_sided"]


def one_sided(
    reflectance: Array, level: Array, sigma: Array, *, above: bool, method: str = "auto"
) -> Array:
    """Return how far each pixel rises above its water, or falls below it.

    Parameters
    ----------
    reflectance, level, sigma
        float (band, y, x): the pixels, the water's level there and its standard deviation.
    above
        Whether what is brighter counts, or what is darker; the other side is 0.
    method
        ``auto``, or by name for tests and benchmarks: ``numba``, ``arrays`` or ``cuda``.

    Returns
    -------
    Array
        float32 (y, x) in standard deviations; NaN where any band is. Pixelwise: no halo.
    """
    xp, _ = namespace(reflectance, level, sigma)
    sign = xp.float32(1 if above else -1)
    if method == "auto":
        on_gpu = xp.__name__ == "cupy"
        method = (
            "cuda" if on_gpu else "numba" if xp.__name__ == "numpy" and has_numba() else "arrays"
        )
    if method == "arrays" and xp.__name__ != "numpy":
        return _formula(xp, reflectance, level, sigma, sign)
    planes = [xp.asarray(a, dtype=xp.float32) for a in (reflectance, level, sigma)]
    out = xp.empty(reflectance.shape[1:], dtype=xp.float32)
    if method == "cuda":
        if out.size:
            launch(
                "departure", "departures", out.size,
                *(xp.ascontiguousarray(a) for a in planes), out,
                sign, xp.int32(reflectance.shape[0]), xp.int64(out.size),
            )  # fmt: skip
        return out
    loop = compiled(_loop) if method == "numba" else None

    def block(rows: slice) -> None:
        pixels, water, scatter = (a[:, rows] for a in planes)
        if loop is None:
            out[rows] = _formula(xp, pixels, water, scatter, sign)
        else:
            loop(pixels, water, scatter, sign, out[rows])

    height, width = out.shape
    each(block, [keep for _, keep, _ in row_blocks(height, width, 0)])
    return out


def _formula(xp: Any, reflectance: Array, level: Array, sigma: Array, sign: Any) -> Array:
    """Return the same by array operations; `departure.cu` holds them in this order."""
    away = xp.maximum(sign * (reflectance - level) / sigma, xp.float32(0))
    return xp.sqrt((away**2).mean(axis=0)).astype(xp.float32)


def _loop(reflectance: Array, level: Array, sigma: Array, sign: Any, out: Array) -> None:
    """Fill one block, row by row: compiled, its inner loops are vectors."""
    bands, height, width = reflectance.shape
    zero, number = np.float32(0), np.float32(bands)
    for row in range(height):
        sums = out[row]
        sums[:] = zero
        for band in range(bands):
            pixels, water, scatter = reflectance[band, row], level[band, row], sigma[band, row]
            for col in range(width):
                away = sign * (pixels[col] - water[col]) / scatter[col]
                part = zero if away < zero else away  # noqa: FURB136 - NaN stays
                sums[col] += part * part
        for col in range(width):
            sums[col] = np.sqrt(sums[col] / number)
