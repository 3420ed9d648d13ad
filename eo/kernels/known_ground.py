"""How one look departs from what is known of a place: brighter, darker, its edges hidden.

A cloud of opacity a over known ground g shows (1 - a) g + a c: it lifts the light, and what stays
of the ground's own pattern is the share 1 - a. A shade of transmission t shows t g: darker, and
the pattern damped by t. So the slope of the look on the known ground, pixel against pixel in a
window, tells how much of the ground is still seen, whatever its brightness.
"""

from __future__ import annotations

from eo.core.xp import Array, namespace
from eo.kernels.darkness import DARK, DARK_WATER

__all__ = ["LEAST_PATTERN", "missing_light", "seen_share"]

LEAST_PATTERN = 0.012
"""Standard deviation of reflectance in a window from which a pattern is one."""

_LEAST_SHARE = 0.5


def seen_share(look: Array, known: Array, where: Array, *, window_px: int) -> Array:
    """Return how much of the known ground's pattern a look still shows.

    Parameters
    ----------
    look
        float32 (y, x), reflectance of one look [1].
    known
        float32 (y, x), reflectance of the same ground without cloud [1].
    where
        bool (y, x): ground that does not change of itself, and both hold data.
    window_px
        Side of the window [px].

    Returns
    -------
    Array
        float32 (y, x), about 1 where the ground is seen, 0 where it is hidden; NaN where less
        than half of the window is such ground, or shows no pattern of `LEAST_PATTERN`. Halo: half
        the window.

    Notes
    -----
    Slope of the least-squares line of `look` on `known` over the window.
    """
    xp, ndi = namespace(look, known, where)
    zero = xp.float32(0)
    x, y = xp.where(where, known, zero), xp.where(where, look, zero)

    def mean(values: Array) -> Array:
        return ndi.uniform_filter(values, window_px)

    share = mean(where.astype(xp.float32))
    enough = share > _LEAST_SHARE
    share = xp.where(enough, share, xp.float32(1))
    mean_x, mean_y = mean(x) / share, mean(y) / share
    variance = mean(x * x) / share - mean_x * mean_x
    slope = (mean(x * y) / share - mean_x * mean_y) / xp.maximum(variance, xp.float32(1e-9))
    patterned = enough & (variance > xp.float32(LEAST_PATTERN**2))
    return xp.where(patterned, slope, xp.float32(xp.nan))


def missing_light(
    look: dict[str, Array],
    known: dict[str, Array],
    spread: dict[str, Array],
    *,
    water: Array,
    spreads: float,
) -> tuple[Array, Array, Array]:
    """Return how much darker than it is known each pixel is, and where shade would show.

    Parameters
    ----------
    look, known, spread
        float (y, x) for ``visible`` and ``infrared``: the look, the known ground and how much its
        looks scatter [1].
    water
        bool (y, x): judged by visible light there, by infrared elsewhere.
    spreads
        Scatter, in standard deviations, out of which a pixel's lack must stand to be told.

    Returns
    -------
    tuple of Array
        float32 (y, x), missing share of the light over `DARK_WATER` or `DARK`, 1 as dark as
        shade, negative where it is lighter. bool (y, x), where that is told from scatter. bool
        (y, x), where shade, over many pixels, could be. Pixelwise: no halo.
    """
    xp, _ = namespace(water)

    def lack(key: str, unit: float) -> tuple[Array, Array, Array]:
        before = xp.maximum(known[key], xp.float32(0.01)) * xp.float32(unit)
        drop = known[key] - look[key]
        return drop / before, drop > spreads * spread[key], before > 2 * spread[key]

    visible, visible_told, visible_shows = lack("visible", DARK_WATER)
    infrared, infrared_told, infrared_shows = lack("infrared", DARK)
    # Shade takes visible light and infrared alike; a wet or harvested field only one of them.
    return (
        xp.where(water, visible, infrared),
        visible_told & (water | infrared_told),
        visible_shows & (water | infrared_shows),
    )
