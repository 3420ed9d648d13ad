"""Statistics of the empty port over looks, for one block of pixels."""

from __future__ import annotations

from eo.core.xp import Array, namespace
from eo.kernels.order import clear_quantile

__all__ = [
    "WATER_SHARE",
    "bare_level",
    "empty_port",
    "level_and_spread",
    "looks_of_bare_port",
    "looks_of_port",
]

WATER_SHARE = 0.18
"""Share of the clear looks in which a pixel must be water to count as water of the port.

Cloud shadows that no mask found make moles and aprons look like water in one look of six; a busy
berth may be empty in hardly more than one of five.
"""
_LEAST_LOOKS = 2
"""One dark look is a shadow; two alike are water."""
_LEAST_SPREAD = 0.002
"""Reflectance: no series of a few looks proves less scatter than this."""
_LIT_SHARE = 0.75
"""Of the clear looks, sorted by brightness: at a busy berth the quay lies in some ship's shade in
every other look, so that the median is a shaded quay's."""
_LEAST_FREE = 3
"""Looks in which nothing lies about, from which they speak alone."""


def empty_port(reflectance: Array, clear: Array, water: Array) -> tuple[Array, Array, Array, Array]:
    """Return median, spread, share of water and number of clear looks.

    Parameters
    ----------
    reflectance
        float32 (look, band, y, x), NaN where there is no data.
    clear
        bool (look, y, x).
    water
        bool (look, y, x), clear looks that show water.

    Returns
    -------
    tuple
        float32 (band, y, x), float32 (band, y, x), float32 (y, x), uint16 (y, x). Where a pixel
        is water in at least 18 % of its clear looks (and in two, or in all there are) the first
        two are those of its water looks; NaN where no look is clear.
    """
    xp, _ = namespace(reflectance, clear, water)
    used, share, seen = looks_of_port(clear, water)
    levels = [level_and_spread(reflectance[:, k], used) for k in range(reflectance.shape[1])]
    return xp.stack([m for m, _ in levels]), xp.stack([s for _, s in levels]), share, seen


def looks_of_port(clear: Array, water: Array) -> tuple[Array, Array, Array]:
    """Return which looks show the empty port at each pixel.

    Parameters
    ----------
    clear, water
        bool (look, y, x), as for :func:`empty_port`.

    Returns
    -------
    tuple
        bool (look, y, x); share of water among the clear looks, float32 (y, x), NaN where there
        are none; their number, uint16 (y, x).
    """
    xp, _ = namespace(clear, water)
    seen = clear.sum(axis=0)
    wet = water.sum(axis=0)
    share = xp.where(seen > 0, wet / xp.maximum(seen, 1), xp.nan).astype(xp.float32)
    enough = (share >= WATER_SHARE) & ((wet >= _LEAST_LOOKS) | (wet == seen)) & (wet > 0)
    return xp.where(enough[None], water, clear), share, seen.astype(xp.uint16)


def level_and_spread(values: Array, used: Array) -> tuple[Array, Array]:
    """Return the median and robust standard deviation of one band over the looks used.

    Parameters
    ----------
    values
        float32 (look, y, x) [1]; NaN never counts.
    used
        bool (look, y, x).

    Returns
    -------
    tuple
        float32 (y, x) each, NaN where no look is used; the spread is never below
        `_LEAST_SPREAD`.
    """
    xp, _ = namespace(values, used)
    median = clear_quantile(values, used, 0.5)
    spread = 1.4826 * clear_quantile(values, used, 0.5, around=median)
    spread = xp.where(xp.isnan(median), median, xp.maximum(spread, xp.float32(_LEAST_SPREAD)))
    return median, spread.astype(xp.float32)


def looks_of_bare_port(clear: Array, water: Array, free: Array) -> tuple[Array, Array, Array]:
    """Return which looks show the port as no ship shades it.

    Parameters
    ----------
    clear, water
        bool (look, y, x), as for :func:`empty_port`.
    free
        bool (look, y, x), whether nothing lies so near that it could shade the pixel.

    Returns
    -------
    tuple
        bool (look, y, x), the clear looks that are free, or all clear ones where fewer than three
        are; share of water among them, float32 (y, x), NaN where there are none; and bool (y, x),
        whether they are the free ones.
    """
    xp, _ = namespace(clear, water, free)
    some = clear & free
    enough = some.sum(axis=0) >= _LEAST_FREE
    used = xp.where(enough[None], some, clear)
    seen = used.sum(axis=0)
    wet = (water & used).sum(axis=0)
    share = xp.where(seen > 0, wet / xp.maximum(seen, 1), xp.nan)
    return used, share.astype(xp.float32), enough


def bare_level(values: Array, used: Array, enough: Array) -> Array:
    """Return one band of the port as no ship shades it, float32 (y, x).

    The median of the looks used where those are free, else their upper quartile, which shows lit
    what lies in ships' shade in up to three looks of four; NaN where no look is used. Arguments as
    :func:`looks_of_bare_port` returns them, `values` float32 (look, y, x).
    """
    xp, _ = namespace(values, used, enough)
    level = clear_quantile(values, used, 0.5)
    if bool(enough.all()):
        return level
    return xp.where(enough, level, clear_quantile(values, used, _LIT_SHARE))
