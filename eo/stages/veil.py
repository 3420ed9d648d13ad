"""A scene's mask held against the empty port: the best witness there is where looks are many.

One scene cannot always tell a cloud from a pier, or its shade from dark water. Against the empty
port it can. What is white where the port never is, and wider than any ship, is cloud; so is a
lift of the light under which known land is whiter and its pattern hidden, however thin. What a
mask calls cloud or shade but looks as it always does is given back. Shade is what is darker than
it is known, where the clouds, slid along the sun at the height that fits, put it.

Nothing here is said of haze over open water alone, where no pattern is known, nor of cloud
narrower than `SEED_WIDTH_M`: ships come and go, and are white.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eo.core.xp import Array, namespace
from eo.kernels.cloud import CLEAR, CLOUD, NODATA, REACH_M, SEED_WIDTH_M, SHADOW
from eo.kernels.cloud_objects import RIM_WIDTH_M, margin
from eo.kernels.cloud_shadow import projected_shade
from eo.kernels.cloudiness import scored
from eo.kernels.known_ground import missing_light, seen_share
from eo.kernels.morphology import box_mean, touching, wide_parts, within
from eo.kernels.reference import WATER_SHARE
from eo.stages.reference import Reference

__all__ = ["mask_by_port"]

_LEAST_LOOKS = 3
"""Clear looks that a pixel of the empty port must rest on: in fewer a cloud may have stayed."""
_EXCESS = 0.05
"""Reflectance above the empty port below which nothing is thick cloud."""
_SPREADS = 4.0
"""The same in standard deviations of the looks: quays are bright in some looks, wet in others."""
_SHARE = 0.6
"""Share of a cloud's own white that it must have more of than the empty port: a quay under a
little haze is no cloud."""
_WHITE = 0.12
"""Least cloudiness of a thick cloud's body."""
_RIM = 0.4
"""Share of that at its rim."""
_THIN = 0.05
"""Reflectance above the empty port of thin cloud, mean over `_WINDOW_M`: an opacity of 0.08."""
_SEEN = 0.75
"""Share of the known pattern under which land is hidden; between two clear looks it was above
0.85, misregistered by a third of a pixel."""
_WINDOW_M = 90.0
"""Side of the window in which patterns are compared: about a cloud's least width."""
_AS_EVER = 0.03
"""Departure of reflectance below which ground looks as it always does."""
_MOSTLY = 0.8
"""Share of a patch that must look so, and of it that must be known, to be given back."""
_DARK = 0.7
"""Darkness, 1 as dark as shade, from which a wide patch of land is shaded."""
SHADE_WIDTH_M = 60.0
"""Narrowest shade seen by darkness alone."""
_LEAST_ASHORE_M2 = 10_000.0
"""Least area of known land in such a patch."""
_LEAST_DARK = 0.3
"""Darkness, 1 as dark as shade, below which ground is not shaded."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Departure:
    """One look against the empty port; all (y, x)."""

    known: Array
    """bool, enough clear looks, and data."""
    land: Array
    """bool, known and never water."""
    excess: Array
    """float32, visible reflectance above the empty port, 0 where nothing is known."""
    spread: Array
    """float32, its scatter from look to look."""
    bluer: Array
    """bool, lifted in blue as in red: cloud whitens, dust and new roofs need not."""
    seen: Array
    """float32, share of the known pattern that is seen; NaN where there is none."""
    depth: Array
    """float32, darkness told from scatter, 1 as dark as shade."""
    lit: Array
    """bool, no darker than ever, mean over 3 x 3 pixels, where shade would show."""

    @classmethod
    def of(
        cls,
        reflectance: Array,
        bands: tuple[str, ...],
        valid: Array,
        *,
        port: Reference,
        pixel_m: float,
    ) -> _Departure:
        xp, ndi = namespace(valid, reflectance)
        visible = [bands.index(name) for name in ("blue", "green", "red")]
        infrared = next(bands.index(b) for b in ("nir", "nir08", "red") if b in bands)
        before, now = port.median[visible].mean(axis=0), reflectance[visible].mean(axis=0)
        known = valid & (port.clear_looks >= _LEAST_LOOKS) & xp.isfinite(before)
        known = known & xp.isfinite(port.median[infrared])
        water = port.water >= WATER_SHARE
        land = known & ~water
        zero = xp.float32(0)
        excess = xp.where(known, now - before, zero)
        lift = xp.where(known, reflectance[visible] - port.median[visible], zero)
        size = max(3, 2 * round(_WINDOW_M / pixel_m / 2) + 1)
        spread = xp.where(known, port.spread[visible].mean(axis=0), zero)
        depth, told, shows = missing_light(
            {"visible": now, "infrared": reflectance[infrared]},
            {"visible": before, "infrared": port.median[infrared]},
            {"visible": spread, "infrared": port.spread[infrared]},
            water=water,
            spreads=_SPREADS,
        )
        return cls(
            known=known,
            land=land,
            excess=excess,
            spread=spread,
            bluer=ndi.uniform_filter(lift[0], size) > 0.8 * ndi.uniform_filter(lift[2], size),
            seen=seen_share(now, before, land, window_px=size),
            depth=xp.where(known & told, depth, zero),
            lit=known & shows & (box_mean(xp.where(known, depth, zero)) < _LEAST_DARK),
        )


def mask_by_port(
    mask: Array,
    reflectance: Array,
    bands: tuple[str, ...],
    *,
    port: Reference,
    pixel_m: float,
    sun_azimuth_grid_deg: float | None = None,
    sun_elevation_deg: float | None = None,
) -> Array:
    """Return the mask as the empty port bears it out.

    Parameters
    ----------
    mask
        uint8 (y, x): 0 no data, 1 clear, 2 cloud, 3 cloud shadow.
    reflectance
        float32 (band, y, x) [1]; NaN where there is no pixel.
    bands
        Names of the bands of `reflectance` and of the empty port.
    port
        The empty port on the same pixels.
    pixel_m
        Pixel size. [m]
    sun_azimuth_grid_deg
        Direction towards the sun, clockwise from the grid's north; searched for if None. [deg]
    sun_elevation_deg
        Sun above the horizon; bounds how far shade falls. [deg]

    Returns
    -------
    Array
        uint8 (y, x). Where fewer than three clear looks are known it is as it was.
    """
    xp, _ = namespace(mask, reflectance)
    valid = (mask != NODATA) & xp.isfinite(reflectance).all(axis=0)
    if not bool(valid.any()):
        return mask
    look = _Departure.of(reflectance, bands, valid, port=port, pixel_m=pixel_m)
    told = _given_back(mask, look)
    cloud = _missed_cloud(told, look, reflectance, bands, pixel_m)
    found = xp.where(cloud & (told == CLEAR), xp.uint8(CLOUD), told)
    shade = projected_shade(
        xp.where(found == CLOUD, xp.float32(0), look.depth),
        cloud=found == CLOUD,
        valid=valid,
        gsd_m=pixel_m,
        sun_azimuth_grid_deg=sun_azimuth_grid_deg,
        sun_elevation_deg=sun_elevation_deg,
    )
    dark = _wide_dark(look, found, pixel_m)
    shade = dark if shade is None else dark | shade
    return xp.where(shade & (found == CLEAR), xp.uint8(SHADOW), found)


def _wide_dark(look: _Departure, mask: Array, pixel_m: float) -> Array:
    """Shade of whatever cloud, in the scene or beyond it: wide, over land, and nothing else is.

    Water alone darkens by itself, with the wind; known land does not lose visible light and
    infrared alike over a hundred metres.
    """
    xp, ndi = namespace(mask)
    dark = (box_mean(look.depth) > _DARK) & (mask != CLOUD) & look.known
    wide = wide_parts(dark, SHADE_WIDTH_M / 2 / pixel_m)
    labels, count = ndi.label(wide)
    ashore = xp.bincount(labels[wide & look.land], minlength=int(count) + 1)
    keep = ashore * pixel_m**2 >= _LEAST_ASHORE_M2
    keep[0] = False
    return keep[labels]


def _given_back(mask: Array, look: _Departure) -> Array:
    """Clear what is called cloud or shade, patch by patch, and looks as it always does."""
    xp, ndi = namespace(mask)
    usual = xp.maximum(3 * look.spread, xp.float32(_AS_EVER))
    hidden = look.seen < _SEEN
    for kind, as_ever in (
        (CLOUD, (look.excess < usual) & ~hidden),
        (SHADOW, (look.excess < usual) & look.lit),
    ):
        told = mask == kind
        labels, count = ndi.label(told)
        if not int(count):
            continue
        size = xp.bincount(labels[told], minlength=int(count) + 1)
        known = xp.bincount(labels[told & look.known], minlength=int(count) + 1)
        usual_px = xp.bincount(labels[told & look.known & as_ever], minlength=int(count) + 1)
        back = (known >= _MOSTLY * size) & (usual_px >= _MOSTLY * known)
        mask = xp.where(told & back[labels], xp.uint8(CLEAR), mask)
    return mask


def _missed_cloud(
    mask: Array, look: _Departure, reflectance: Array, bands: tuple[str, ...], pixel_m: float
) -> Array:
    """Cloud against the empty port: thick where it is white, thin where it hides known land."""
    xp, ndi = namespace(mask, reflectance)
    told = mask == CLOUD
    score, _ = scored(reflectance, bands)
    smooth = box_mean(score)
    usual = xp.maximum(_SPREADS * look.spread, xp.float32(_EXCESS))
    grown = look.excess > xp.maximum(usual, xp.float32(_SHARE) * smooth)
    thick = (grown & (smooth > _WHITE)) | told
    body = wide_parts(thick, SEED_WIDTH_M / 2 / pixel_m) & grown & ~told
    lifted, veiled = _thin(xp, ndi, look, pixel_m)
    body = body | (veiled & ~told)
    if not bool(body.any()):
        return xp.zeros_like(told)
    weak = (grown & (smooth > _RIM * _WHITE)) | (lifted & look.known)
    labels, count = ndi.label(weak | body)
    cloud = touching(labels, int(count), body) & within(body, REACH_M / pixel_m)
    # Ships and piers that touch a cloud are no rim of it.
    return margin(wide_parts(cloud, RIM_WIDTH_M / 2 / pixel_m) | body, pixel_m)


def _thin(xp: Any, ndi: Any, look: _Departure, pixel_m: float) -> tuple[Array, Array]:
    """Light lifted over a wide area, and where of that known land is hidden."""
    size = max(3, 2 * round(_WINDOW_M / pixel_m / 2) + 1)
    share = ndi.uniform_filter(look.known.astype(xp.float32), size)
    excess = ndi.uniform_filter(look.excess, size) / xp.maximum(share, xp.float32(1e-3))
    spread = ndi.uniform_filter(look.spread, size) / xp.maximum(share, xp.float32(1e-3))
    lifted = (excess > xp.maximum(2 * spread, xp.float32(_THIN))) & look.bluer & look.known
    lifted = lifted & (box_mean(look.excess) > xp.float32(_THIN / 2))  # no farther than it lifts
    veiled = lifted & look.land & (look.seen < _SEEN)
    return lifted, wide_parts(veiled, SEED_WIDTH_M / 2 / pixel_m)
