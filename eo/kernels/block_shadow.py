"""How dark shade is, where it is wide, and how far it reaches: a block's shadow on level water.

A strip of a pixel's width does not tell how dark it is; the shadow of a superstructure, wider than
the blur, does. With l the place along the hull at which a pixel's sunline crosses her axis, u the
distance across, and a sunline that moves by s along for each metre across, a block from x0 to x1
along and of half breadth h is left by the line at

    u_e(l) = min(h, (x1 - l) / s) for s > 0,   min(h, (x0 - l) / s) for s < 0           (1)

and its shadow reaches from there to u_e(l) + E - h, E the end of the part that its side throws:

    y_ic = W_c (1 - (1 - r_c) f_i) + g_c u_i + noise                                     (2)
    f_i = [P((l_i - x0 + h |s|) / q') - P((l_i - x1 - h |s|) / q')]
          P((u_e(l_i) + E - h - u_i) / q)                                                (3)

with P the normal distribution function. Her own strip lies all along the hull, to a place o, and
darkens what is not dark yet: f becomes 1 - (1 - f) (1 - P((o - u) / q)). Levels are linear and
solved for every block tried; the ratios r_c are the mean over all blocks by their likelihood, so
that what is not known of the block widens what is told.
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
"""Of a band: the shadow's depth, the lit water, and what water does across."""
_FINER = 21
"""Ends tried about the best of those given."""
_REACH_M = 30.0
"""Distance across per unit of the last."""


@dataclass(frozen=True, kw_only=True, eq=False)
class WideShade:
    """What a wide shadow says."""

    ratio: Any
    """(band,) shaded over lit water."""
    sd: Any
    """(band,) its standard deviation."""
    contrast: float
    """Depth of the shadow in its own standard deviations, best band."""
    end_m: float
    """E, where the part that the block's side throws ends, across [m]."""


def wide_shade(
    values: Any,
    *,
    sunline_m: Any,
    across_m: Any,
    blocks_m: Any,
    ends_m: Any,
    own_ends_m: Any,
    half_breadth_m: float,
    slant: float,
    blur_m: float,
) -> WideShade | None:
    """Fit eq. (2) to the pixels about a block's shadow, over all blocks tried.

    Parameters
    ----------
    values
        (band, pixel) reflectance, finite.
    sunline_m
        (pixel,) l, along the hull [m].
    across_m
        (pixel,) u, from the hull's axis towards the shaded side [m].
    blocks_m
        (block, 2) x0 and x1 of the blocks tried [m].
    ends_m
        (end,) E; each is tried with each block [m].
    own_ends_m
        (own,) o, likewise [m].
    half_breadth_m
        h [m].
    slant
        s, metres along for each metre across.
    blur_m
        Point spread [m].

    Returns
    -------
    WideShade or None
        None where the pixels cannot tell levels from each other. Arrays are NumPy's: a scene has
        a few such shadows, of a hundred pixels each.
    """
    number = values.shape[1]
    if number <= 2 * _LEVELS:
        return None
    scene = _Pixels(
        values=values,
        sunline_m=sunline_m,
        across_m=across_m,
        half_breadth_m=half_breadth_m,
        slant=slant,
        blur_m=blur_m,
    )
    ends = np.asarray(ends_m, float)
    found = scene.fitted(blocks_m, ends, own_ends_m)
    if found is None:
        return None
    levels, power, inverse = found
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
    block, end, own = np.unravel_index(best, (len(blocks_m), len(ends), len(own_ends_m)))
    return WideShade(
        ratio=mean,
        sd=np.sqrt(spread),
        contrast=float(depth.max()),
        end_m=scene.sharpened(blocks_m[block], ends, int(end), own_ends_m[own], noise),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Pixels:
    """The pixels about one shadow; names as :func:`wide_shade` has them."""

    values: Any
    sunline_m: Any
    across_m: Any
    half_breadth_m: float
    slant: float
    blur_m: float

    def fitted(self, blocks_m: Any, ends_m: Any, own_ends_m: Any) -> tuple[Any, Any, Any] | None:
        """Return levels (case, level, band), squares left (case, band), inverse normals.

        Cases are all of blocks, ends and own ends, the last running fastest.
        """
        aside = self.half_breadth_m * abs(self.slant)
        along_blur_m = self.blur_m * float(np.hypot(1.0, self.slant))
        place, across = self.sunline_m, self.across_m
        block = np.array(
            [
                _inside(place, start - aside, stop + aside, along_blur_m)
                * ndtr((end - self.short_m(start, stop, aside) - across) / self.blur_m)
                for start, stop in np.asarray(blocks_m)
                for end in ends_m
            ]
        )
        own = ndtr((np.asarray(own_ends_m)[:, None] - across) / self.blur_m)
        shares = (1.0 - (1.0 - block[:, None]) * (1.0 - own[None])).reshape(-1, across.size)
        slope = np.broadcast_to((across - across.mean()) / _REACH_M, shares.shape)
        columns = np.stack([shares, np.ones_like(shares), slope], axis=1)
        normal = columns @ columns.transpose(0, 2, 1) + np.diag([1e-4, 0.0, 1e-2])
        inverse = np.linalg.inv(normal)
        levels = inverse @ (columns @ self.values.T)
        residual = self.values.T[None] - columns.transpose(0, 2, 1) @ levels
        power = (residual**2).sum(axis=1)
        if not np.isfinite(power).all() or (power <= 0).any():
            return None
        return levels, power, inverse

    def short_m(self, start_m: float, stop_m: float, aside_m: float) -> Any:
        """By how much a shadow ends nearer where a sunline leaves the block by its end: h - u_e."""
        fore, aft = self.sunline_m - (stop_m - aside_m), start_m + aside_m - self.sunline_m
        beyond = fore if self.slant > 0 else aft
        return np.maximum(beyond, 0.0) / max(abs(self.slant), 1e-3)

    def sharpened(self, block_m: Any, ends_m: Any, best: int, own_m: float, noise: Any) -> float:
        """Return E between the ends tried, for the block that fits best [m]."""
        low, high = ends_m[max(best - 1, 0)], ends_m[min(best + 1, len(ends_m) - 1)]
        finer = np.linspace(low, high, _FINER)
        found = self.fitted([block_m], finer, [own_m])
        if found is None:
            return float(ends_m[best])
        misfit = (found[1] / noise).sum(axis=1)
        weight = np.exp(-0.5 * (misfit - misfit.min()) / _INFLATION)
        return float(weight @ finer / weight.sum())


def _inside(place_m: Any, start_m: float, stop_m: float, blur_m: float) -> Any:
    """Share of each place that lies between two edges."""
    return ndtr((place_m - start_m) / blur_m) - ndtr((place_m - stop_m) / blur_m)
