"""Cloud and cloud shadow from red, green and blue alone, better with infrared.

Pixels are scored one by one (:mod:`eo.kernels.cloudiness`). Seeds are patches wider than any ship
that stand out of the scene, with edges softer than those of roofs and quays; they grow into their
own thin rims (:mod:`eo.kernels.cloud_objects`). A shadow is a dark patch where one common
direction puts it behind the clouds (:mod:`eo.kernels.cloud_shadow`).

It refuses thin cirrus, and to call anything narrower than `SEED_WIDTH_M` cloud: ships are.
Without short-wave infrared a salt flat as white as cloud is taken for one.
"""

from __future__ import annotations

from eo.core.xp import Array, namespace
from eo.kernels.cloud_objects import (
    MARGIN_M,
    REACH_M,
    SEED_WIDTH_M,
    Sky,
    believable,
)
from eo.kernels.cloud_shadow import scene_shadow, water_by_sample
from eo.kernels.cloudiness import (
    Floors,
    check_bands,
    cloudiness,
    cloudiness_formula,
    scene_floors,
    scored,
)

__all__ = [
    "CLEAR",
    "CLOUD",
    "MARGIN_M",
    "NODATA",
    "REACH_M",
    "SEED_WIDTH_M",
    "SHADOW",
    "Floors",
    "believable",
    "classify",
    "cloudiness",
    "cloudiness_formula",
    "scene_floors",
]

NODATA, CLEAR, CLOUD, SHADOW = 0, 1, 2, 3
"""Classes of the mask."""


def classify(
    reflectance: Array,
    bands: tuple[str, ...],
    *,
    gsd_m: float,
    sun_azimuth_grid_deg: float | None = None,
    sun_elevation_deg: float | None = None,
) -> Array:
    """Return the class of every pixel: no data, clear, cloud or cloud shadow.

    Parameters
    ----------
    reflectance
        float (band, y, x) [1], top of atmosphere or surface; NaN where there is no data.
    bands
        Names of the bands, in order: blue, green, red, and nir (or nir08) and swir16 if any.
    gsd_m
        Pixel size on the ground [m].
    sun_azimuth_grid_deg
        Direction towards the sun, clockwise from the grid's north; searched for if None.
    sun_elevation_deg
        Sun above the horizon; bounds how far shadows fall.

    Returns
    -------
    Array
        uint8 (y, x) of the same kind: 0 no data, 1 clear, 2 cloud, 3 cloud shadow.

    Raises
    ------
    BandError
        If a visible band is missing, or bands and planes differ in number.
    """
    xp, _ = namespace(reflectance)
    check_bands(reflectance, bands)
    score, valid = scored(reflectance, bands)
    mask = valid.astype(xp.uint8)
    if not bool(valid.any()):
        return mask
    blue, green, red = (reflectance[bands.index(b)] for b in ("blue", "green", "red"))
    sky = Sky.of(score, valid, visible=(blue, green, red), gsd_m=gsd_m)
    cloud = None if sky is None else sky.clouds(confirmed=True)
    if sky is None or cloud is None or not bool(cloud.any()):
        return mask
    shade = scene_shadow(
        reflectance,
        bands,
        cloud=cloud,
        valid=valid,
        water=water_by_sample(reflectance, bands),
        gsd_m=gsd_m,
        sun_azimuth_grid_deg=sun_azimuth_grid_deg,
        sun_elevation_deg=sun_elevation_deg,
    )
    if shade is not None:
        mask[shade] = SHADOW
    else:
        cloud = sky.clouds(confirmed=False)
    mask[cloud] = CLOUD
    return mask
