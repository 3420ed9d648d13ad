"""Cloud that the scene's own mask missed, seen against the empty port.

One scene cannot always tell a cloud from a pier: how soft a cloud's edge is depends on the cloud.
Against the empty port it can: white where the port never is, and wider than any ship, is cloud.
Nothing here is said of thin haze, nor of what is narrower than `SEED_WIDTH_M`.
"""

from __future__ import annotations

from eo.core.xp import Array, namespace
from eo.kernels.cloud import (
    CLEAR,
    CLOUD,
    NODATA,
    REACH_M,
    SEED_WIDTH_M,
    cloudiness,
    scene_floors,
)
from eo.kernels.cloud_objects import margin
from eo.kernels.morphology import touching, wide_parts, within
from eo.stages.reference import Reference

__all__ = ["with_missed_cloud"]

_LEAST_LOOKS = 3
"""Clear looks that a pixel of the empty port must rest on: in fewer a cloud may have stayed."""
_EXCESS = 0.05
"""Reflectance above the empty port below which nothing is called cloud here."""
_SPREADS = 4.0
"""The same in standard deviations of the looks: quays are bright in some looks, wet in others."""
_SHARE = 0.6
"""Share of a cloud's own white that it must have more of than the empty port: a quay under a
little haze is no cloud."""
_WHITE = 0.12
"""Least cloudiness of a cloud's body."""
_RIM = 0.4
"""Share of that at its rim."""


def with_missed_cloud(
    mask: Array, reflectance: Array, bands: tuple[str, ...], *, port: Reference, pixel_m: float
) -> Array:
    """Return the mask with cloud added where the scene is white and the empty port is not.

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

    Returns
    -------
    Array
        uint8 (y, x); what was cloud or shadow stays so.
    """
    xp, ndi = namespace(mask, reflectance)
    valid = (mask != NODATA) & xp.isfinite(reflectance).all(axis=0)
    if not bool(valid.any()):
        return mask
    visible = [bands.index(name) for name in ("blue", "green", "red")]
    before = port.median[visible].mean(axis=0)
    excess = reflectance[visible].mean(axis=0) - before
    usual = xp.maximum(_SPREADS * port.spread[visible].mean(axis=0), xp.float32(_EXCESS))
    known = valid & (port.clear_looks >= _LEAST_LOOKS) & xp.isfinite(before)
    score = cloudiness(reflectance, bands, scene_floors(reflectance, bands, valid))
    smooth = ndi.uniform_filter(xp.where(valid, score, xp.float32(0)), 3)
    grown = xp.where(known, excess, xp.float32(0)) > xp.maximum(usual, _SHARE * smooth)
    told = mask == CLOUD
    body = wide_parts((grown & (smooth > _WHITE)) | told, SEED_WIDTH_M / 2 / pixel_m)
    body = body & grown & ~told
    if not bool(body.any()):
        return mask
    weak = grown & (smooth > _RIM * _WHITE)
    labels, count = ndi.label(weak)
    cloud = touching(labels, int(count), body) & within(body, REACH_M / pixel_m)
    cloud = margin(cloud, pixel_m)
    return xp.where(cloud & (mask == CLEAR), xp.uint8(CLOUD), mask)
