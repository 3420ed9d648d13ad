"""How dark shade is, where it is wide: the shadow of a block on level water.

A strip of a pixel's width does not tell how dark it is; the shadow of a superstructure, wider than
the blur, does. It is bounded by two lines along the sun's direction, which run through the block's
outer corners, and by the shadow of its top, alike all along. For pixel i at distance l across the
sun's direction and u across the hull:

    y_ic = W_c (1 - (1 - r_c) f_i) + g_c u_i + noise                                     (1)
    f_i = [P((l_i - a) / q') - P((l_i - b) / q')] P((e - u_i) / q)                       (2)

with P the normal distribution function. Levels are linear and solved for every block tried; the
ratios r_c are the mean over all blocks by their likelihood, so that what is not known of the
block widens what is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr

__all__ = ["WideShade", "wide_shade"]

_INFLATION = 2.0
"""Of the variance, for what pixels share: ripples, glint."""
_LEVELS = 3
_REACH_M = 30.0


@dataclass(frozen=True, kw_only=True, eq=False)
class WideShade:
    """What a wide shadow says."""

    ratio: Any
    """(band,) shaded over lit water."""
    sd: Any
    """(band,) its standard deviation."""
    contrast: float
    """Depth of the shadow in its own standard deviations, best band."""


def wide_shade(
    values: Any,
    *,
    sunline_m: Any,
    across_m: Any,
    sides_m: Any,
    ends_m: Any,
    blur_m: float,
    sunline_blur_m: float,
) -> WideShade | None:
    """Fit eq. (1) to the pixels about a block's shadow, over all blocks tried.

    Parameters
    ----------
    values
        (band, pixel) reflectance, finite.
    sunline_m
        (pixel,) place along the hull at which the pixel's sunline leaves the hull's axis [m].
    across_m
        (pixel,) distance from the hull's axis towards the shaded side [m].
    sides_m
        (block, 2) where on `sunline_m` the shadow begins and ends, of the blocks tried.
    ends_m
        (end,) where on `across_m` it ends; each is tried with each pair of sides.
    blur_m, sunline_blur_m
        Point spread across the hull, and on `sunline_m` [m].

    Returns
    -------
    WideShade or None
        None where the pixels cannot tell levels from each other. Arrays are NumPy's: a scene has
        a few such shadows, of a hundred pixels each.
    """
    number = values.shape[1]
    if number <= 2 * _LEVELS:
        return None
    sides = [
        ndtr((sunline_m - start) / sunline_blur_m) - ndtr((sunline_m - stop) / sunline_blur_m)
        for start, stop in np.asarray(sides_m)
    ]
    tops = [ndtr((end - across_m) / blur_m) for end in np.asarray(ends_m)]
    shares = np.array([side * top for side in sides for top in tops])
    slope = (across_m - across_m.mean()) / _REACH_M
    columns = np.stack([shares, np.ones_like(shares), np.broadcast_to(slope, shares.shape)], axis=1)
    normal = columns @ columns.transpose(0, 2, 1) + np.diag([1e-4, 0.0, 1e-2])
    inverse = np.linalg.inv(normal)
    levels = inverse @ (columns @ values.T)
    residual = values.T[None] - columns.transpose(0, 2, 1) @ levels
    power = (residual**2).sum(axis=1)
    if not np.isfinite(power).all() or (power <= 0).any():
        return None
    # Noise as the block leaves it that fits best in all bands together.
    best = int(np.argmin((power / power.min(axis=0)).sum(axis=1)))
    noise = power[best] / (number - 2 * _LEVELS)
    misfit = (power / noise).sum(axis=1)
    weight = np.exp(-0.5 * (misfit - misfit[best]) / _INFLATION)
    weight /= weight.sum()
    lit = np.maximum(levels[:, 1], 1e-4)
    ratio = 1.0 + levels[:, 0] / lit
    mean = weight @ ratio
    variance = inverse[:, :1, 0] * noise * _INFLATION / lit**2
    spread = weight @ (variance + (ratio - mean) ** 2)
    depth = -levels[best, 0] / np.sqrt(inverse[best, 0, 0] * noise * _INFLATION)
    return WideShade(ratio=mean, sd=np.sqrt(spread), contrast=float(depth.max()))
