"""Where is water, by colour alone.

Cloud masking and detection share this index: a vessel is looked for on water, and dark smooth
water must never be taken for a cloud's shadow. With near infrared the index is the mean of NDWI
and (with SWIR) MNDWI over dark-subtracted bands, and water must be dark there too; with red,
green and blue alone water is dark in red, not redder than it is blue or green, and smooth.
Thresholds follow the scene (Otsu) within fixed bounds, so that a scene that is all water or all
land is not cut in two.

It refuses to know the tide, a river under trees, or whether a dark roof pond is a harbour:
persistence over several looks decides that, elsewhere.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from eo.core.errors import BandError
from eo.core.xp import Array, namespace

__all__ = [
    "GREEN_LIFT",
    "HALO_PX",
    "STABILISER",
    "dark_floor",
    "fill_holes",
    "infrared_cuts",
    "likely_water",
    "otsu",
    "water_index",
]

HALO_PX = 8
"""Pixels beyond a window's edge that the RGB path looks at (windows of 5, grown by 2)."""

FLOOR_PERCENT = 0.2
"""Percentile of a band taken as its haze and path radiance (dark-object subtraction, Chavez
1988, doi:10.1016/0034-4257(88)90019-3)."""

FLOOR_MAX = 0.15
"""Highest floor believed: in a scene without dark pixels the darkest is no haze."""

STABILISER = 0.03
"""Added to the sum of two bands, so that noise over near-black water is no index of +-1."""

GREEN_LIFT = 0.01
"""Reflectance of green left standing at its floor: the darkest pixel of a port is water, which
sends back a little more green than infrared, not none of either."""

LEAFY = 0.11
"""Green above blue, as a share of all visible light, from which dark and smooth is a wood: woods
in five ports lay above 0.127 (19 in 20), harbour water below 0.10."""

_LEVELS = (-4.6, -0.5)
"""Logarithms of reflectance 0.01 and 0.6."""
_BINS = 256
_MIN_BODY_PX = 60
_RGB = ("blue", "green", "red")


def otsu(values: Array, low: float, high: float) -> tuple[float, float]:
    """Return the threshold that splits `values` best in two, and how well it does.

    Parameters
    ----------
    values
        Finite numbers, any shape; those outside `low`..`high` count at the ends.
    low, high
        Ends of the histogram.

    Returns
    -------
    threshold, separability
        Separability is the between-class share of the variance, 0..1.

    Notes
    -----
    Otsu (1979), doi:10.1109/TSMC.1979.4310076.
    """
    xp, _ = namespace(values)
    if values.size == 0:
        return (low + high) / 2, 0.0
    counts, edges = xp.histogram(xp.clip(values, low, high), bins=_BINS, range=(low, high))
    share = counts / values.size
    centre = (edges[1:] + edges[:-1]) / 2
    weight, mass = xp.cumsum(share)[:-1], xp.cumsum(share * centre)[:-1]
    mean = (share * centre).sum()
    spread = weight * (1 - weight)
    between = xp.where(spread > 1e-9, (mean * weight - mass) ** 2 / xp.maximum(spread, 1e-9), 0.0)
    total = float((share * (centre - mean) ** 2).sum())
    best = int(between.argmax())
    return float(edges[best + 1]), float(between[best]) / total if total > 0 else 0.0


def dark_floor(band: Array, valid: Array) -> float:
    """Return the darkest level of one band: its haze, never above `FLOOR_MAX`."""
    xp, _ = namespace(band, valid)
    values = band[valid]
    if values.size == 0:
        return 0.0
    return float(min(max(float(xp.percentile(values, FLOOR_PERCENT)), -0.1), FLOOR_MAX))


def fill_holes(band: Array, valid: Array) -> Array:
    """Return `band` with its median where it is not valid, so that windows stay finite."""
    xp, _ = namespace(band, valid)
    if bool(valid.all()):
        return band
    middle = xp.median(band[valid]) if bool(valid.any()) else band.dtype.type(0)
    return xp.where(valid, band, middle)


def water_index(reflectance: Array, bands: tuple[str, ...]) -> Array:
    """Return how much each pixel looks like water; higher is more so.

    Parameters
    ----------
    reflectance
        float (band, y, x) [1]; NaN where there is no data.
    bands
        Names of the bands, in order: at least blue, green and red.

    Returns
    -------
    Array
        float32 (y, x), about -1..1; NaN where any band used has no data. With near infrared the
        mean of NDWI and MNDWI, else ``(max(blue, green) - red) / sum``.

    Raises
    ------
    BandError
        If a visible band is missing, or bands and planes differ in number.

    Notes
    -----
    NDWI: McFeeters (1996), doi:10.1080/01431169608948714. MNDWI: Xu (2006),
    doi:10.1080/01431160600589179. All bands are dark-subtracted first.
    """
    xp, _ = namespace(reflectance)
    planes, valid, _ = _planes(reflectance, bands)
    index = _index(xp, planes)
    return xp.where(valid, index, xp.asarray(xp.nan, dtype=index.dtype))


def likely_water(reflectance: Array, bands: tuple[str, ...]) -> Array:
    """Return where the scene is likely water, by its colour and texture.

    Parameters
    ----------
    reflectance
        float (band, y, x) [1]; NaN where there is no data.
    bands
        Names of the bands, in order: at least blue, green and red.

    Returns
    -------
    Array
        bool (y, x); False where there is no data, under cloud, and on ships.

    Raises
    ------
    BandError
        If a visible band is missing, or bands and planes differ in number.
    """
    xp, ndi = namespace(reflectance)
    planes, valid, floor = _planes(reflectance, bands)
    if not bool(valid.any()):
        return xp.zeros(reflectance.shape[1:], dtype=bool)
    if "nir" in planes:
        return valid & _infrared_water(xp, planes, valid)
    return valid & _visible_water(xp, ndi, planes, valid, floor)


def _planes(reflectance: Array, bands: tuple[str, ...]) -> tuple[dict[str, Array], Array, float]:
    """Dark-subtracted, gap-free bands (nir08 may be nir), where data is, mean visible floor."""
    xp, _ = namespace(reflectance)
    if reflectance.ndim != 3 or reflectance.shape[0] != len(bands):
        raise BandError(
            f"reflectance has shape {tuple(reflectance.shape)}, but {len(bands)} bands are named: "
            f"{', '.join(bands)}; give (band, y, x) with one name per plane"
        )
    missing = [b for b in _RGB if b not in bands]
    if missing:
        raise BandError(f"water needs {', '.join(_RGB)}; {', '.join(missing)} not in {bands}")
    infrared = "nir" if "nir" in bands else "nir08"
    used = {b: b for b in _RGB}
    used |= {k: b for k, b in (("nir", infrared), ("swir16", "swir16")) if b in bands}
    raw = {k: reflectance[bands.index(b)].astype(xp.float32, copy=False) for k, b in used.items()}
    valid = xp.isfinite(sum(raw.values()))
    floors = {key: dark_floor(band, valid) for key, band in raw.items()}
    zero = xp.float32(0)
    planes = {
        key: xp.maximum(fill_holes(band, valid) - xp.float32(floors[key]), zero)
        for key, band in raw.items()
    }
    return planes, valid, max(sum(floors[b] for b in _RGB) / 3, 0.0)


def _index(xp: Any, planes: dict[str, Array]) -> Array:
    """Water index of dark-subtracted bands."""
    if "nir" in planes:
        green = planes["green"] + xp.float32(GREEN_LIFT)
        nir = planes["nir"]
        index = (green - nir) / (green + nir + STABILISER)
        if "swir16" in planes:
            swir = planes["swir16"]
            index = (index + (green - swir) / (green + swir + STABILISER)) / 2
        return index
    blue, green, red = planes["blue"], planes["green"], planes["red"]
    return (xp.maximum(blue, green) - red) / (blue + green + red + STABILISER)


def _infrared_water(xp: Any, planes: dict[str, Array], valid: Array) -> Array:
    """Water is dark in the infrared, and darker there than in green."""
    index = _index(xp, planes)
    dark = planes["nir"]
    if "swir16" in planes:
        dark = (dark + planes["swir16"]) / 2
    level = xp.log(dark + 0.01)
    level_cut, index_cut = infrared_cuts(level[valid], index[valid])
    return (level < level_cut) & (index > index_cut)


def infrared_cuts(level: Array, index: Array) -> tuple[float, float]:
    """Return the greatest log of infrared, and the least index, that water has in a scene.

    Parameters
    ----------
    level
        Logarithm of dark-subtracted infrared reflectance and 0.01, of some of its pixels.
    index
        Water index of the same pixels.
    """
    level_cut, _ = otsu(level, *_LEVELS)
    index_cut, _ = otsu(index, -0.8, 0.6)
    # Bounds: water under haze or glint is at most about 0.09 above the scene's floor; its index
    # may fall below 0 (glint lifts all bands alike), land's rarely rises above 0.05.
    return min(max(level_cut, -3.0), -2.2), min(max(index_cut, -0.1), 0.05)


def _visible_water(
    xp: Any, ndi: ModuleType, planes: dict[str, Array], valid: Array, floor: float
) -> Array:
    """Water is dark in red, not reddish, and smooth; small dark patches are left out."""
    blue, green, red = planes["blue"], planes["green"], planes["red"]
    mean = (blue + green + red) / 3
    local = ndi.uniform_filter(mean, 5)
    variance = ndi.uniform_filter(mean * mean, 5) - local * local
    # Haze dampens contrast, so texture is judged against the light as it came, floors included.
    texture = xp.sqrt(xp.maximum(variance, 0)) / (local + floor + 0.03)
    smooth_red = ndi.uniform_filter(red, 3)
    red_cut, _ = otsu(xp.log(smooth_red + 0.02)[valid], -3.9, -0.2)
    texture_cut, _ = otsu(xp.log(texture + 0.01)[valid], -4.6, 0.0)
    red_cut = min(max(float(xp.exp(xp.float32(red_cut))) - 0.02, 0.04), 0.22)
    texture_cut = min(max(float(xp.exp(xp.float32(texture_cut))) - 0.01, 0.08), 0.2)
    light = ndi.uniform_filter(blue + green + red, 3) + STABILISER
    leafy = ndi.uniform_filter(green - blue, 3) / light > LEAFY
    coloured = (xp.maximum(blue, green) > red - 0.01) & ~leafy
    core = (smooth_red < red_cut) & (texture < texture_cut) & coloured & valid
    labels, count = ndi.label(core)
    sizes = xp.bincount(labels.ravel(), minlength=int(count) + 1)
    large = sizes >= _MIN_BODY_PX
    large[0] = False
    # The texture window reaches two pixels beyond the shore: give those back.
    grown = ndi.binary_dilation(large[labels], structure=xp.ones((5, 5), dtype=bool))
    return grown & (red < red_cut) & coloured
