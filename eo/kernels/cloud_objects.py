"""Clouds as objects: wide bright seeds with soft edges, grown into their own thin rims.

Width and edges, not brightness, tell a cloud from a ship or a roof; colour tells it from sand.
What is measured of the scene's patches is measured once, so that a second opinion (stricter,
where no shadow bears the clouds out) costs little.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from eo.core.xp import Array, namespace
from eo.kernels.cloudiness import outstanding, scored
from eo.kernels.morphology import box_all, box_mean, touching, wide_parts, within
from eo.kernels.parallax import Shifts, patch_shifts
from eo.kernels.patches import Patches, measured_patches, sharpness_limit
from eo.kernels.rows import by_rows

__all__ = [
    "FINE_M",
    "MARGIN_M",
    "REACH_M",
    "RIM_WIDTH_M",
    "SEED_WIDTH_M",
    "SHARPEST",
    "SHARPEST_UNCONFIRMED",
    "SMALL_M2",
    "Sky",
    "believable",
    "margin",
]

SEED_WIDTH_M = 85.0
"""Narrowest cloud that is believed; the widest tankers have a beam of 70 m."""

REACH_M = 300.0
"""How far a cloud's thin rim is followed from its bright core."""

RIM_WIDTH_M = 60.0
"""Narrowest part of a cloud's rim that is followed."""

MARGIN_M = 15.0
"""Margin around cloud: light leaks over its edge."""

SHARPEST = 0.26
"""Edge gradient per 10 m pixel, as a share of the step across it, above which an object is built,
not cloud: roofs and quays have 0.26-0.39 in Sentinel-2 images, clouds 0.18-0.25. A cloud's edge
has a width in metres, so finer pixels must show it softer (clouds at 3 m have 0.09-0.14, quays
0.18-0.25); pixels coarser than `FINE_M` cannot tell."""

SHARPEST_UNCONFIRMED = 0.22
"""The same for patches below `SMALL_M2` where no shadow bears the clouds out: roofs throw none."""

SMALL_M2 = 80_000.0
"""Area up to which a bright patch may well be one building or yard."""

FINE_M = 15.0
"""Pixel size up to which an edge's softness can be told."""

SOIL = 0.20
"""Redness, (red - blue) / mean visible as it came, from which a patch is sand or soil. Droplets
scatter all colours alike and the air above them adds blue: clouds over woods, brown hills and a
city had -0.13 to 0.19, patches of a sand flat 0.14 to 0.27."""

SOIL_UNCONFIRMED = 0.16
"""The same where no shadow bears the clouds out."""

FINE_CUT = 0.10
"""Least cloudiness of a rim where pixels are up to `FINE_M`: about a fifth of thick cloud's. Bright
quays have up to that, and fainter rims would be followed onto them and the ships there."""

REDDISH = 0.10
"""Redness of a patch that may well be sand."""

BRIGHT = 0.12
"""Least cloudiness of a cloud's body."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sky:
    """A scene's bright patches, measured once."""

    valid: Array
    """bool (y, x), where data is."""
    smooth: Array
    """float32 (y, x), cloudiness, mean over 3 x 3 pixels."""
    patches: Patches
    """Patches wide enough for clouds."""
    shifts: Shifts | None
    """Shift of each patch from blue to red, where pixels are fine enough to tell."""
    cut: float
    """Cloudiness from which a pixel stands out of the scene."""
    gsd_m: float
    """Pixel size [m]."""

    @classmethod
    def of(
        cls,
        score: Array,
        valid: Array,
        *,
        visible: tuple[Array, Array, Array],
        gsd_m: float,
    ) -> Sky | None:
        """Return the sky of a scene, or None where nothing is as bright and wide as a cloud.

        Parameters
        ----------
        score
            float32 (y, x), cloudiness, 0 where there is no data.
        valid
            bool (y, x).
        visible
            Blue, green and red (y, x) as they came [1].
        gsd_m
            Pixel size on the ground [m].
        """
        xp, _ = namespace(score, valid)
        cut = outstanding(score, valid)
        bright = max(BRIGHT, 1.3 * cut)

        def bodies(block: Array) -> tuple[Array, Array]:
            smooth = box_mean(block)
            # Well inside cloud its mean decides, so that noise does not riddle a thin overcast.
            return smooth, (block > bright) | box_all(smooth > bright, 2)

        smooth, core = by_rows(xp, bodies, (score,), (xp.float32, bool), halo=3)
        seed = wide_parts(core, SEED_WIDTH_M / 2 / gsd_m)
        if not bool(seed.any()):
            return None
        fine = gsd_m <= FINE_M
        patches = measured_patches(seed, score, valid, visible=visible, edges=fine)
        return cls(
            valid=valid,
            smooth=smooth,
            patches=patches,
            shifts=_shifts(patches, visible) if fine else None,
            cut=cut,
            gsd_m=gsd_m,
        )

    def clouds(self, *, confirmed: bool) -> Array:
        """Return where clouds are, bool (y, x).

        Parameters
        ----------
        confirmed
            Whether shadows bear the clouds out, or may yet; else more is asked of a patch.
        """
        xp, ndi = namespace(self.valid)
        small = self.patches.size_px < SMALL_M2 / self.gsd_m**2
        sure = xp.zeros(small.shape, dtype=bool) if self.shifts is None else self.shifts.moves()
        borne_out = sure | confirmed
        keep = ~(self.patches.redness > xp.where(borne_out, SOIL, SOIL_UNCONFIRMED))
        if self.gsd_m <= FINE_M:
            strict = small & ~borne_out
            sharpest = xp.where(strict, SHARPEST_UNCONFIRMED, SHARPEST)
            soft = self.patches.soft(sharpness_limit(1.0, self.gsd_m) * sharpest)
            keep = keep & (soft | sure)  # what moves between the bands is not built
        if self.shifts is not None and bool(sure.any()):
            # Others in this scene move between the bands: what holds still there is built.
            built = small | (self.patches.redness > REDDISH)
            keep = keep & ~(self.shifts.holds_still() & built)
        seed = self.patches.chosen(keep)
        if not bool(seed.any()):
            return seed
        cut = max(self.cut, FINE_CUT) if self.gsd_m <= FINE_M else self.cut
        labels, count = ndi.label((self.smooth > cut) | seed)
        grown = touching(labels, int(count), seed) & within(seed, REACH_M / self.gsd_m)
        if self.gsd_m <= FINE_M:  # piers and ships that touch a cloud are no rim of it
            grown = wide_parts(grown, RIM_WIDTH_M / 2 / self.gsd_m) | seed
        return self.valid & margin(grown, self.gsd_m)


def _shifts(patches: Patches, visible: tuple[Array, Array, Array]) -> Shifts:
    """Shift of each patch from blue to red, told by what lies on both sides of its edge."""
    xp, ndi = namespace(patches.labels)
    labels = ndi.maximum_filter(patches.labels, 5)
    labels = xp.where(box_all(patches.seed, 3), labels.dtype.type(0), labels)
    return patch_shifts(visible[0], visible[2], labels, int(patches.size_px.shape[0]) - 1)


def margin(cloud: Array, gsd_m: float) -> Array:
    """Return cloud with its margin of `MARGIN_M`, at least a pixel."""
    return within(cloud, math.sqrt(max(1, round(MARGIN_M / gsd_m)) ** 2 + 0.5))


def believable(
    told: Array, reflectance: Array, bands: tuple[str, ...], *, firm: Array, gsd_m: float
) -> Array:
    """Return which of the pixels that someone else calls cloud may be cloud.

    Parameters
    ----------
    told
        bool (y, x), cloud by someone else's word.
    reflectance
        float (band, y, x) [1]; NaN where there is no data.
    bands
        Names of the bands, in order.
    firm
        bool (y, x), where that word is firm; elsewhere each pixel must show it by itself.
    gsd_m
        Pixel size on the ground [m].

    Returns
    -------
    Array
        bool (y, x): what is left of `told` without objects narrower than `SEED_WIDTH_M`, no
        larger than `SMALL_M2` and with edges as sharp as a building's, or no whiter than the
        rest of the scene. Larger ones are no building, and some clouds are as sharp.
    """
    xp, ndi = namespace(told, reflectance)
    score, valid = scored(reflectance, bands)
    told = told & valid
    if not bool(told.any()):
        return told
    rest = valid & ~told
    cut = outstanding(score, rest) if float(rest.sum()) > 0.02 * float(valid.sum()) else 0.06
    (smooth,) = by_rows(xp, lambda a: (box_mean(a),), (score,), (xp.float32,), halo=1)
    told = told & (firm | (smooth > cut))
    seed = wide_parts(told, SEED_WIDTH_M / 2 / gsd_m)
    if gsd_m <= FINE_M:
        patches = measured_patches(seed, score, valid)
        small = patches.size_px < SMALL_M2 / gsd_m**2
        seed = patches.chosen(patches.soft(sharpness_limit(SHARPEST, gsd_m)) | ~small)
    labels, count = ndi.label(told)
    wide = touching(labels, int(count), seed)
    size = xp.bincount(labels[told], minlength=int(count) + 1)
    white = xp.bincount(labels[told & (smooth > 0.5 * cut)], minlength=int(count) + 1)
    kept = told & wide & (white >= 0.5 * size)[labels] & within(seed, REACH_M / gsd_m)
    if gsd_m <= FINE_M:  # ships that touch a cloud are no rim of it
        kept = wide_parts(kept, RIM_WIDTH_M / 2 / gsd_m) | (kept & seed)
    return kept
