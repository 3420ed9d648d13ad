"""Cloud and cloud shadow from red, green and blue alone, better with infrared.

A pixel's cloudiness rises with haze (blue in excess of half the red, Zhang et al. 2002,
doi:10.1016/S0034-4257(02)00034-2) and brightness, and falls with colour; infrared vetoes what
no cloud shows. Seeds are patches wider than any ship that stand out of the scene, with edges
softer than those of roofs and quays; they grow into their own thin rims. A shadow is a dark
patch where one common direction puts it behind the clouds (:mod:`eo.kernels.cloud_shadow`).

It refuses thin cirrus, and to call anything narrower than `SEED_WIDTH_M` cloud: ships are.
Without short-wave infrared a salt flat as white as cloud is taken for one.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

from eo.core.errors import BandError
from eo.core.xp import Array, namespace
from eo.kernels.cloud_shadow import cloud_shadow
from eo.kernels.cuda import launch
from eo.kernels.patches import disc, sharpness_limit, soft_edged, wide_parts, within
from eo.kernels.water import dark_floor, likely_water

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
    "scene_floors",
]

NODATA, CLEAR, CLOUD, SHADOW = 0, 1, 2, 3
"""Classes of the mask."""

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
0.18-0.25); pixels coarser than `_FINE_M` cannot tell."""

SHARPEST_UNCONFIRMED = 0.22
"""The same for patches below `SMALL_M2` where no shadow bears the clouds out: roofs throw none."""

SMALL_M2 = 80_000.0
"""Area up to which a bright patch may well be one building or yard."""

FLOOR_MAX = 0.1
"""Highest dark level believed: under an overcast the darkest pixel is cloud."""

BLOCK_ROWS = 256
"""Rows per block of the pixelwise part, so that its temporaries stay small."""

_FINE_M = 15.0
_RGB = ("blue", "green", "red")


@dataclass(frozen=True, kw_only=True)
class Floors:
    """Dark level of each band: haze and path radiance."""

    blue: float
    """Reflectance of the darkest blue."""
    green: float
    """The same of green."""
    red: float
    """The same of red."""
    nir: float = 0.0
    """The same of near infrared."""
    swir16: float = 0.0
    """The same of short-wave infrared."""


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
    xp, ndi = namespace(reflectance)
    _check(reflectance, bands)
    valid = _valid(xp, reflectance, bands)
    mask = xp.where(valid, xp.uint8(CLEAR), xp.uint8(NODATA))
    if not bool(valid.any()):
        return mask
    floors = scene_floors(reflectance, bands, valid)
    score = xp.where(valid, cloudiness(reflectance, bands, floors), xp.float32(0))
    cloud = _objects(xp, ndi, score, valid, gsd_m, SHARPEST)
    if not bool(cloud.any()):
        return mask
    shade = cloud_shadow(
        _shade_band(reflectance, bands),
        cloud=cloud,
        valid=valid,
        water=_shade_water(reflectance, bands),
        visible=sum(reflectance[bands.index(b)] for b in _RGB) / 3,
        gsd_m=gsd_m,
        sun_azimuth_grid_deg=sun_azimuth_grid_deg,
        sun_elevation_deg=sun_elevation_deg,
    )
    if shade is None and gsd_m <= _FINE_M:
        cloud = _objects(xp, ndi, score, valid, gsd_m, SHARPEST_UNCONFIRMED)
    if shade is not None:
        mask = xp.where(shade, xp.uint8(SHADOW), mask)
    return xp.where(cloud, xp.uint8(CLOUD), mask)


def scene_floors(reflectance: Array, bands: tuple[str, ...], valid: Array) -> Floors:
    """Return the dark level of each band over the `valid` pixels."""
    return Floors(
        **{
            key: min(dark_floor(reflectance[bands.index(name)], valid), FLOOR_MAX)
            for key, name in _used(bands).items()
        }
    )


def cloudiness(reflectance: Array, bands: tuple[str, ...], floors: Floors) -> Array:
    """Return how much each pixel by itself looks like cloud.

    Parameters
    ----------
    reflectance
        float (band, y, x) [1].
    bands
        Names of the bands, in order.
    floors
        Dark level of each band.

    Returns
    -------
    Array
        float32 (y, x): 0 for what cannot be cloud, about 0.1 for thin and 0.2-0.8 for thick
        cloud; NaN where a band used has no data. Pixelwise: no halo.

    Notes
    -----
    With dark-subtracted b, g, r and their mean v::

        score = (b - r / 2) + 0.3 b - 0.03 c,   c = (|b - v| + |g - v| + |r - v|) / (v + 0.02)

    and 0 where c > 0.8 (coloured), where nir/red lies outside 0.6-2.5 (water glint, leaves) or
    where swir16/nir < 0.4 (snow, salt, foam). Where all of b, g, r exceed 0.28 the first term is
    at least b / 2: bands saturate there (Landsat's blue does), and the excess would vanish.
    """
    xp, _ = namespace(reflectance)
    used = _used(bands)
    planes = {key: reflectance[bands.index(name), ...] for key, name in used.items()}
    if xp.__name__ == "cupy":
        return _fused_cloudiness(xp, planes, floors)
    height = reflectance.shape[1]
    if height <= BLOCK_ROWS:
        return _cloudiness(xp, planes, floors)
    return xp.concat(
        [
            _cloudiness(
                xp, {k: p[i : min(i + BLOCK_ROWS, height), :] for k, p in planes.items()}, floors
            )
            for i in range(0, height, BLOCK_ROWS)
        ],
        axis=0,
    )


def _cloudiness(xp: Any, planes: dict[str, Array], floors: Floors) -> Array:
    """Pixelwise formula; `cloud.cu` holds the same in the same order of operations."""
    b = xp.astype(planes["blue"], xp.float32) - floors.blue
    g = xp.astype(planes["green"], xp.float32) - floors.green
    r = xp.astype(planes["red"], xp.float32) - floors.red
    v = (b + g + r) / 3.0
    colour = (xp.abs(b - v) + xp.abs(g - v) + xp.abs(r - v)) / (xp.abs(v) + 0.02)
    haze = b - 0.5 * r
    dimmest = xp.minimum(xp.minimum(b, g), r)
    haze = xp.where(dimmest > 0.28, xp.maximum(haze, 0.5 * b), haze)
    score = haze + 0.3 * b - 0.03 * colour
    veto = (colour > 0.8) | (score < 0.0)
    if "nir" in planes:
        n = xp.astype(planes["nir"], xp.float32) - floors.nir
        ratio = n / (xp.abs(r) + 0.02)
        veto = veto | (ratio > 2.5) | (ratio < 0.6)
        score = score + 0.0 * n  # no data in any band used is no data
        if "swir16" in planes:
            s = xp.astype(planes["swir16"], xp.float32) - floors.swir16
            veto = veto | (s / (xp.abs(n) + 0.02) < 0.4)
            score = score + 0.0 * s
    return xp.where(veto & xp.isfinite(score), 0.0 * dimmest, score)


def _fused_cloudiness(xp: Any, planes: dict[str, Array], floors: Floors) -> Array:
    """Compute the same on a GPU in one pass over the pixels (`cloud.cu`)."""
    roles = ("blue", "green", "red", "nir", "swir16")
    given = [
        xp.ascontiguousarray(planes[role], dtype=xp.float32) if role in planes else None
        for role in roles
    ]
    out = xp.empty(planes["blue"].shape, dtype=xp.float32)
    levels = [xp.float32(getattr(floors, role)) for role in roles]
    pointers = [xp.uint64(0) if plane is None else plane for plane in given]
    if out.size:
        launch("cloud", "cloudiness", out.size, *pointers, out, *levels, xp.int64(out.size))
    return out


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
    valid = _valid(xp, reflectance, bands)
    told = told & valid
    if not bool(told.any()):
        return told
    score = cloudiness(reflectance, bands, scene_floors(reflectance, bands, valid))
    score = xp.where(valid, score, xp.float32(0))
    rest = valid & ~told
    cut = _cut(xp, score[rest]) if float(rest.sum()) > 0.02 * float(valid.sum()) else 0.06
    smooth = ndi.uniform_filter(score, 3)
    told = told & (firm | (smooth > cut))
    seed = wide_parts(xp, ndi, told, SEED_WIDTH_M / 2 / gsd_m)
    if gsd_m <= _FINE_M:
        limit = sharpness_limit(SHARPEST, gsd_m)
        small = SMALL_M2 / gsd_m**2
        any_edge = 1e9
        seed = soft_edged(
            xp, ndi, seed, score, valid, limit=any_edge, small_limit=limit, small_px=small
        )
    labels, count = ndi.label(told)
    flat = labels.ravel()
    size = xp.bincount(flat, minlength=int(count) + 1)
    white = xp.bincount(
        flat, weights=xp.astype(smooth > 0.5 * cut, xp.float64).ravel(), minlength=int(count) + 1
    )
    wide = xp.bincount(flat, weights=xp.astype(seed, xp.float64).ravel(), minlength=int(count) + 1)
    keep = (wide > 0) & (white >= 0.5 * size)
    keep[0] = False
    return told & keep[labels] & within(xp, ndi, seed, REACH_M / gsd_m)


def _cut(xp: Any, score: Array) -> float:
    """Score above which a pixel stands three deviations out of the scene."""
    middle = float(xp.median(score))
    spread = float(xp.median(xp.abs(score - middle)))
    # A scene that is mostly cloud moves its own yardstick: 0.14 is cloud enough anywhere.
    return min(max(middle + 3 * spread, 0.06), 0.14)


def _objects(  # noqa: PLR0917 - the planes, and what they are judged by
    xp: Any, ndi: ModuleType, score: Array, valid: Array, gsd_m: float, small_sharpest: float
) -> Array:
    """Cloud objects: wide bright seeds with soft edges, grown into their rims."""
    cut = _cut(xp, score[valid])
    smooth = ndi.uniform_filter(score, 3)
    bright = max(0.12, 1.3 * cut)
    # Well inside cloud its mean decides, so that noise does not riddle a thin overcast.
    seed = (score > bright) | (ndi.minimum_filter(smooth, 5) > bright)
    seed = wide_parts(xp, ndi, seed, SEED_WIDTH_M / 2 / gsd_m)
    if gsd_m <= _FINE_M:
        seed = soft_edged(
            xp,
            ndi,
            seed,
            score,
            valid,
            limit=sharpness_limit(SHARPEST, gsd_m),
            small_limit=sharpness_limit(small_sharpest, gsd_m),
            small_px=SMALL_M2 / gsd_m**2,
        )
    if not bool(seed.any()):
        return seed
    weak = (smooth > cut) | seed
    labels, count = ndi.label(weak)
    touched = xp.bincount((labels * seed).ravel(), minlength=int(count) + 1) > 0
    touched[0] = False
    grown = touched[labels] & within(xp, ndi, seed, REACH_M / gsd_m)
    if gsd_m <= _FINE_M:  # piers and ships that touch a cloud are no rim of it
        grown = wide_parts(xp, ndi, grown, RIM_WIDTH_M / 2 / gsd_m) | seed
    return valid & ndi.binary_dilation(grown, structure=disc(xp, max(1, round(MARGIN_M / gsd_m))))


def _used(bands: tuple[str, ...]) -> dict[str, str]:
    """Bands that the formula reads: role -> name."""
    infrared = "nir" if "nir" in bands else "nir08"
    roles = {**{b: b for b in _RGB}, "nir": infrared, "swir16": "swir16"}
    used = {role: name for role, name in roles.items() if name in bands}
    if "nir" not in used:
        used.pop("swir16", None)
    return used


def _valid(xp: Any, reflectance: Array, bands: tuple[str, ...]) -> Array:
    total = sum(reflectance[bands.index(name)] for name in _used(bands).values())
    return xp.isfinite(total)


def _shade_band(reflectance: Array, bands: tuple[str, ...]) -> Array:
    """Band in which shade on land stands out most: near infrared, else red."""
    used = _used(bands)
    return reflectance[bands.index(used.get("nir", "red"))]


def _shade_water(reflectance: Array, bands: tuple[str, ...]) -> Array:
    """Water by visible light and near infrared: shaded leaves are as dark as it in SWIR."""
    names = tuple(name for role, name in _used(bands).items() if role != "swir16")
    keep = [bands.index(name) for name in names]
    return likely_water(reflectance[keep], names)


def _check(reflectance: Array, bands: tuple[str, ...]) -> None:
    if reflectance.ndim != 3 or reflectance.shape[0] != len(bands):
        raise BandError(
            f"reflectance has shape {tuple(reflectance.shape)}, but {len(bands)} bands are named: "
            f"{', '.join(bands)}; give (band, y, x) with one name per plane"
        )
    missing = [b for b in _RGB if b not in bands]
    if missing:
        raise BandError(
            f"the spectral cloud mask needs {', '.join(_RGB)}; found {', '.join(bands)}, "
            f"without {', '.join(missing)}"
        )
