"""Statistics of the empty port over looks, for one block of pixels."""

from __future__ import annotations

from eo.core.xp import Array, namespace

__all__ = ["WATER_SHARE", "empty_port"]

WATER_SHARE = 0.18
"""Share of the clear looks in which a pixel must be water to count as water of the port.

Cloud shadows that no mask found make moles and aprons look like water in one look of six; a busy
berth may be empty in hardly more than one of five.
"""
_LEAST_LOOKS = 2
"""One dark look is a shadow; two alike are water."""
_LEAST_SPREAD = 0.002
"""Reflectance: no series of a few looks proves less scatter than this."""


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
    seen = clear.sum(axis=0)
    wet = water.sum(axis=0)
    share = xp.where(seen > 0, wet / xp.maximum(seen, 1), xp.nan).astype(xp.float32)
    enough = (share >= WATER_SHARE) & ((wet >= _LEAST_LOOKS) | (wet == seen)) & (wet > 0)
    used = xp.where(enough[None], water, clear)
    values = xp.where(used[:, None], reflectance, xp.float32(xp.nan))
    median = _median(values)
    spread = 1.4826 * _median(xp.abs(values - median[None]))
    spread = xp.where(xp.isnan(median), median, xp.maximum(spread, xp.float32(_LEAST_SPREAD)))
    return (
        median.astype(xp.float32),
        spread.astype(xp.float32),
        share,
        seen.astype(xp.uint16),
    )


def _median(values: Array) -> Array:
    """Median over looks that are not NaN; NaN where there are none."""
    xp, _ = namespace(values)
    ordered = xp.sort(values, axis=0)  # NaN sort last
    count = (~xp.isnan(values)).sum(axis=0)
    low = xp.maximum((count - 1) // 2, 0)[None]
    high = xp.minimum(xp.maximum(count // 2, 0), values.shape[0] - 1)[None]
    pair = xp.take_along_axis(ordered, low, axis=0) + xp.take_along_axis(ordered, high, axis=0)
    return xp.where(count > 0, pair[0] / 2, xp.float32(xp.nan))
