"""How far patches are shifted between two bands of one scene.

The bands of a pushbroom scanner look at a place one after the other and from angles that differ
with the time: for Sentinel-2 about a second lies between blue and red, in which the satellite
flies 7 km, so that what is h high appears 0.009 h apart (1 km: about one 10 m pixel), and what
moves at v is v times the lag apart. The ground, and what is moored, is not. So a bright patch
that holds still between the bands is no cloud; one that does not is a cloud, an aircraft, or a
ship under way, and which of them a shift alone does not say.

References: Skakun et al. (2017), doi:10.1109/LGRS.2017.2766448. The lag of blue to red, 1.005 s,
is from the Sentinel-2 User Handbook (ESA, 2015); other sensors have other lags, or none.
"""

from __future__ import annotations

from dataclasses import dataclass

from eo.core.xp import Array, namespace
from eo.kernels.morphology import box_all, box_mean
from eo.kernels.rows import by_rows

__all__ = ["FARTHEST_PX", "MOVES_PX", "PX_PER_M", "Shifts", "patch_shifts"]

PX_PER_M = 1.005 * 7400.0 / 786_000.0 / 10.0
"""Pixels of 10 m that one metre of height shifts Sentinel-2's red against its blue: lag times
speed of the satellite over its height."""

MOVES_PX = 0.5
"""Shift that no ground shows: roofs, quays and sand had up to 0.4 in six Sentinel-2 scenes, clouds
0.9 to 1.3."""

FARTHEST_PX = 2.5
"""Longest shift that the fit can follow."""

_ALIKE_PX = 18.0
"""Pixels that smoothing (3 x 3, twice) makes into one, as far as noise goes."""

_ROUNDS = 3
_MOST_PX = 60_000
"""Pixels that a scene's shifts are fitted to, at most; of more an even sample."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Shifts:
    """Shift of each patch between two bands; index 0 stands for none, NaN where untold."""

    rows_px: Array
    """(patch,) rows that the second band lies farther down [px]."""
    cols_px: Array
    """(patch,) columns that it lies farther right [px]."""
    sd_px: Array
    """(patch,) standard deviation of the larger of the two [px]."""

    def length_px(self) -> Array:
        """Return the length of each shift, (patch,) [px]."""
        xp, _ = namespace(self.rows_px)
        return xp.hypot(self.rows_px, self.cols_px)

    def moves(self) -> Array:
        """Return which patches surely are not where they were, bool (patch,)."""
        length = self.length_px()
        return (length - 2 * self.sd_px > MOVES_PX) & (length < FARTHEST_PX)

    def holds_still(self) -> Array:
        """Return which patches surely are where they were, bool (patch,)."""
        return self.length_px() + 2 * self.sd_px < MOVES_PX


def patch_shifts(first: Array, second: Array, labels: Array, count: int) -> Shifts:
    """Return how far each labelled patch is shifted from one band to another.

    Parameters
    ----------
    first, second
        float (y, x), two bands of one scene on one grid [1]; NaN where there is no data.
    labels
        int (y, x), 0 for none, 1.. for patches; a patch must hold its own edge, and some of what
        is around it.
    count
        Number of patches.

    Returns
    -------
    Shifts
        By least squares of ``second = a first - a d . grad(first) + b`` over each patch, gain a
        and offset b its own; repeated, so that shifts up to two pixels are found. Halo: 5 pixels.
    """
    xp, ndi = namespace(first, second, labels)
    valid = xp.isfinite(first + second)
    planes = [
        by_rows(xp, lambda a: (box_mean(box_mean(a)),), (band,), (xp.float32,), halo=2)[0]
        for band in (first, second)
    ]
    at = labels > 0
    if not bool(valid.all()):
        at = at & box_all(valid, 5)
    rows, cols = xp.nonzero(at)
    if rows.size > _MOST_PX:
        step = -(-rows.size // _MOST_PX)
        rows, cols = rows[::step], cols[::step]
    flat, target = labels[rows, cols], planes[1][rows, cols].astype(xp.float64)
    grown = count + 1
    down, right = xp.zeros(grown), xp.zeros(grown)
    variance = xp.full(grown, xp.nan)
    round_about = xp.pad(planes[0], 1, mode="edge")
    gradients = (
        (round_about[2:, 1:-1] - round_about[:-2, 1:-1]) / 2,
        (round_about[1:-1, 2:] - round_about[1:-1, :-2]) / 2,
    )
    for _ in range(_ROUNDS):
        where = xp.stack([rows - down[flat], cols - right[flat]])
        level, slope_y, slope_x = (
            ndi.map_coordinates(plane, where, order=1, mode="nearest").astype(xp.float64)
            for plane in (planes[0], *gradients)
        )
        gain, by_row, by_col, variance = _fit(flat, grown, level, slope_y, slope_x, target)
        scale = xp.where(xp.abs(gain) > 1e-6, gain, xp.nan)
        down = down + xp.clip(xp.nan_to_num(-by_row / scale), -1.0, 1.0)
        right = right + xp.clip(xp.nan_to_num(-by_col / scale), -1.0, 1.0)
    told = xp.isfinite(variance)
    return Shifts(
        rows_px=xp.where(told, down, xp.nan),
        cols_px=xp.where(told, right, xp.nan),
        sd_px=xp.sqrt(variance),
    )


def _fit(  # noqa: PLR0917 - one column of the fit each
    flat: Array, count: int, level: Array, slope_y: Array, slope_x: Array, target: Array
) -> tuple[Array, Array, Array, Array]:
    """Least squares per patch: gain, the two gradients' factors, larger variance of a shift."""
    xp, _ = namespace(flat, level)
    columns = (level, slope_y, slope_x, xp.ones_like(level))

    def total(values: Array) -> Array:
        return xp.bincount(flat, weights=values, minlength=count)

    normal = xp.stack(
        [xp.stack([total(a * b) for b in columns], axis=-1) for a in columns], axis=-2
    )
    right = xp.stack([total(a * target) for a in columns], axis=-1)
    size = xp.bincount(flat, minlength=count)
    # Patches without pattern have no solution; a small ridge keeps the rest unharmed.
    usable = (size > 12) & (xp.linalg.det(normal) > 0)
    safe = xp.where(usable[:, None, None], normal, xp.eye(4)[None])
    inverse = xp.linalg.inv(safe)
    found = (inverse @ right[..., None])[..., 0]
    left = xp.maximum(total(target * target) - (found * right).sum(axis=-1), 0.0)
    noise = left / xp.maximum(size, 1) * _ALIKE_PX
    gain = found[:, 0]
    usable = usable & (xp.abs(gain) > 1e-6)
    spread = xp.maximum(inverse[:, 1, 1], inverse[:, 2, 2])
    variance = noise * spread / xp.where(usable, gain**2, 1.0)
    return gain, found[:, 1], found[:, 2], xp.where(usable, variance, xp.nan)
