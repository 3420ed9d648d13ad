"""A trained mask and the own kernel together: each is asked for what it is good at.

A network trained on people's labels knows thin cloud better than any formula; it calls woods and
harbour water shade. The own kernel knows how dark shade is and where the sun puts it. So cloud is
what the network says, less what has the size or the edges of a ship or a roof, and what the
kernel finds and shadows bear out. Shade is what the network says where it is as dark as shade is;
over water, which may be dark by itself, it is what the clouds' projection says.
"""

from __future__ import annotations

from eo.core.xp import Array, namespace
from eo.kernels.cloud import CLEAR, CLOUD, NODATA, SHADOW, believable, classify
from eo.kernels.cloud_shadow import scene_shadow, water_by_sample
from eo.kernels.darkness import shade_depth, visible_mean
from eo.kernels.morphology import wide_parts, within

__all__ = ["SHIPS_SHOW_M", "joint_mask"]

SHIPS_SHOW_M = 15.0
"""Pixel size up to which a ship is several pixels wide."""

SHORE_M = 100.0
"""Distance from water within which shade is where the clouds' projection puts it."""

SHADE_WIDTH_M = 50.0
"""Narrowest shade taken on the network's word: ships and quays throw narrow ones."""


def joint_mask(
    trained: Array,
    reflectance: Array,
    bands: tuple[str, ...],
    *,
    gsd_m: float,
    shade_told: bool,
) -> Array:
    """Return the mask that a trained mask and the own kernel make together.

    Parameters
    ----------
    trained
        uint8 (y, x) of the trained mask: 0 no data, 1 clear, 2 cloud, 3 cloud shadow.
    reflectance
        float32 (band, y, x) [1]; NaN where there is no data.
    bands
        Names of the bands, in order.
    gsd_m
        Pixel size on the ground [m].
    shade_told
        Whether the trained mask knows shadow; else the own kernel projects its clouds.

    Returns
    -------
    Array
        uint8 (y, x), the same classes.
    """
    xp, _ = namespace(trained, reflectance)
    own = classify(reflectance, bands, gsd_m=gsd_m)
    valid = own != NODATA
    cloud = (trained == CLOUD) & valid
    if gsd_m <= SHIPS_SHOW_M:
        cloud = believable(cloud, reflectance, bands, firm=cloud, gsd_m=gsd_m)
    if bool((own == SHADOW).any()):
        cloud = cloud | (own == CLOUD)
    mask = xp.where(valid, xp.uint8(CLEAR), xp.uint8(NODATA))
    if not bool(cloud.any()):
        return mask
    free = valid & ~cloud
    told = (trained == SHADOW) & free if shade_told else None
    shade = _shade(told, own == SHADOW, reflectance, bands, cloud=cloud, free=free, gsd_m=gsd_m)
    mask[shade] = SHADOW
    mask[cloud] = CLOUD
    return mask


def _shade(
    told: Array | None,
    own: Array,
    reflectance: Array,
    bands: tuple[str, ...],
    *,
    cloud: Array,
    free: Array,
    gsd_m: float,
) -> Array:
    """Shade of `cloud`: `told` where the pixels bear it out, else where it is projected.

    `own` is the shade of the own kernel's clouds, for want of one of all clouds.
    """
    xp, _ = namespace(cloud, reflectance)
    water = water_by_sample(reflectance, bands)
    projected = scene_shadow(
        reflectance, bands, cloud=cloud, valid=free | cloud, water=water, gsd_m=gsd_m
    )
    if projected is None:
        projected = own
    if told is None:
        return projected & free
    if float(water.sum()) < float(cloud.sum()):
        water = xp.zeros_like(water)  # so little water may be the shade itself
    infrared = next(b for b in ("nir", "nir08", "red") if b in bands)
    depth = shade_depth(
        reflectance[bands.index(infrared)],
        visible_mean(reflectance, bands),
        water=water,
        where=free,
        gsd_m=gsd_m,
    )
    shade = told & (depth > 1.0)
    if gsd_m <= SHIPS_SHOW_M:
        shade = wide_parts(shade, SHADE_WIDTH_M / 2 / gsd_m)
    if bool(water.any()):
        shade = xp.where(within(water, SHORE_M / gsd_m), projected & free, shade)
    return shade
