"""How much each pixel by itself looks like cloud: the pixelwise part of the spectral mask.

Cloudiness rises with haze (blue in excess of half the red, Zhang et al. 2002,
doi:10.1016/S0034-4257(02)00034-2) and brightness, and falls with colour; infrared vetoes what no
cloud shows. The scene's levels (the dark floor of each band, the score that stands out) are read
off an even sample of its pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eo.core.errors import BandError
from eo.core.xp import Array, namespace
from eo.kernels.cuda import launch
from eo.kernels.rows import by_rows
from eo.kernels.water import dark_floor

__all__ = [
    "LEAST_CUT",
    "MOST_CUT",
    "Floors",
    "check_bands",
    "cloudiness",
    "cloudiness_formula",
    "even_sample",
    "infrared_bands",
    "outstanding",
    "scene_floors",
    "scored",
    "used_bands",
]

FLOOR_MAX = 0.1
"""Highest dark level believed: under an overcast the darkest pixel is cloud."""

SAMPLE_PX = 2**18
"""Pixels, about, that levels are read off: the 0.2nd percentile then rests on 500 of them."""

LEAST_SAMPLE_PX = 1000
"""Pixels with data below which a sample is no sample."""

LEAST_CUT = 0.05
"""Cloudiness below which nothing stands out, however even the scene."""

MOST_CUT = 0.14
"""Cloudiness that is cloud anywhere. Such pixels are left out of the scene's own yardstick, which
they would move where they are many."""

LEAST_REST = 0.05
"""Share of the pixels below `MOST_CUT` that make a yardstick."""

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


def scene_floors(reflectance: Array, bands: tuple[str, ...], valid: Array) -> Floors:
    """Return the dark level of each band over an even sample of the `valid` pixels."""
    step = even_sample(valid)
    there = valid[step, step]
    return Floors(
        **{
            key: min(dark_floor(reflectance[bands.index(name)][step, step], there), FLOOR_MAX)
            for key, name in used_bands(bands).items()
        }
    )


def scored(reflectance: Array, bands: tuple[str, ...]) -> tuple[Array, Array]:
    """Return the cloudiness of every pixel, 0 where there is no data, and where data is.

    Parameters
    ----------
    reflectance
        float (band, y, x) [1]; NaN where there is no data.
    bands
        Names of the bands, in order.

    Returns
    -------
    tuple of Array
        float32 (y, x) and bool (y, x). Pixelwise, but for the scene's dark floors.
    """
    xp, _ = namespace(reflectance)
    names = tuple(used_bands(bands).values())
    planes = tuple(reflectance[bands.index(name)] for name in names)
    step = even_sample(planes[0])
    thin = xp.stack([plane[step, step] for plane in planes])
    there = xp.isfinite(thin).all(axis=0)
    if float(there.sum()) < LEAST_SAMPLE_PX:
        thin = xp.stack(planes)
        there = xp.isfinite(thin).all(axis=0)
    floors = scene_floors(thin, names, there)

    roles = tuple(used_bands(names))
    one_pass = _fused if xp.__name__ == "cupy" else cloudiness_formula

    def formula(*block: Array) -> tuple[Array, Array]:
        score = one_pass(xp, dict(zip(roles, block, strict=True)), floors)
        valid = xp.isfinite(score)
        return xp.where(valid, score, xp.float32(0)), valid

    score, valid = by_rows(xp, formula, planes, (xp.float32, bool), halo=0)
    return score, valid


def outstanding(score: Array, where: Array) -> float:
    """Return the score from which a pixel stands three deviations out of the scene.

    Parameters
    ----------
    score
        float (y, x).
    where
        bool (y, x), the pixels that count; of them those that are cloud anyway do not.
    """
    xp, _ = namespace(score, where)
    step = even_sample(where)
    values = score[step, step][where[step, step]]
    if values.size < LEAST_SAMPLE_PX:
        values = score[where]
    rest = values[values < MOST_CUT]
    if rest.size < LEAST_REST * max(values.size, 1):
        return MOST_CUT if values.size else LEAST_CUT
    middle = float(xp.median(rest))
    spread = float(xp.median(xp.abs(rest - middle)))
    return min(max(middle + 3 * spread, LEAST_CUT), MOST_CUT)


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
    used = used_bands(bands)
    planes = {key: reflectance[bands.index(name), ...] for key, name in used.items()}
    if xp.__name__ == "cupy":
        return _fused(xp, planes, floors)
    (out,) = by_rows(
        xp,
        lambda *block: (cloudiness_formula(xp, dict(zip(planes, block, strict=True)), floors),),
        tuple(planes.values()),
        (xp.float32,),
        halo=0,
    )
    return out


def cloudiness_formula(xp: Any, planes: dict[str, Array], floors: Floors) -> Array:
    """Return the score of planes by role; `cloud.cu` holds the same in the same order."""
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


def used_bands(bands: tuple[str, ...]) -> dict[str, str]:
    """Return the bands that the formula reads: role -> name."""
    infrared = "nir" if "nir" in bands else "nir08"
    roles = {**{b: b for b in _RGB}, "nir": infrared, "swir16": "swir16"}
    used = {role: name for role, name in roles.items() if name in bands}
    if "nir" not in used:
        used.pop("swir16", None)
    return used


def infrared_bands(bands: tuple[str, ...]) -> tuple[str, ...]:
    """Return the bands that tell water by visible light and near infrared, in the formula's order.

    Short-wave infrared is left out: shaded leaves are as dark as water there.
    """
    return tuple(name for role, name in used_bands(bands).items() if role != "swir16")


def check_bands(reflectance: Array, bands: tuple[str, ...]) -> None:
    """Raise BandError unless there is one name per plane, and a plane per visible band."""
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


def _fused(xp: Any, planes: dict[str, Array], floors: Floors) -> Array:
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


def even_sample(plane: Array) -> slice:
    """Return every how manieth row and column a sample of about `SAMPLE_PX` takes."""
    size = plane.shape[0] * plane.shape[1]
    step = 1
    while size > SAMPLE_PX * step * step:
        step += 1
    return slice(step // 2, None, step)
