"""Shadows of clouds: dark patches that one common direction puts behind the clouds.

Dark alone proves nothing: water, woods and wet ground are dark. The clouds' outline is slid over
the scene; where darkness piles up under it at one offset, that offset is the sun's direction
(and the clouds' height), and only what is dark near the outlines so projected is shade. Where no
offset stands out, nothing is called shadow.
"""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

from eo.core.xp import Array, namespace
from eo.kernels.water import fill_holes

__all__ = ["cloud_shadow", "darker_than_around"]

HEIGHT_M = (150.0, 8000.0)
"""Cloud base and top heights that are searched."""

REACH_M = (120.0, 9000.0)
"""Shadow distances that are searched where the sun's elevation is unknown."""

BACKGROUND_M = 1500.0
"""Half width of the surroundings that darkness is measured against."""

DARK = 0.22
"""Share of the surroundings' light that shade takes away, at least, on land."""

DARK_WATER = 0.15
"""The same on water, where much of the light is haze above it."""

RING_M = 300.0
"""Width of the strip beside the outline that must be lighter than what is under it."""

NEARER_M = 4000.0
"""Distance at which an offset counts half: low clouds are common, and near shade is theirs."""

STANDS_OUT = 5.2
"""How far, in standard deviations over all offsets, the best must stand out."""

STANDS_OUT_KNOWN = 4.2
"""The same where the sun's direction is known: far fewer offsets are tried."""

DARK_INSIDE = 0.7
"""Mean darkness under the outline, in units of `DARK`, that shade must reach at its offset."""

DARK_BESIDE = 0.52
"""Share of that darkness that may lie beside the outline: woods and water are dark there too."""

_SIDE_PX = 320
_MIN_SIDE_PX = 16


def cloud_shadow(
    band: Array,
    *,
    cloud: Array,
    valid: Array,
    water: Array,
    visible: Array,
    gsd_m: float,
    sun_azimuth_grid_deg: float | None,
    sun_elevation_deg: float | None,
) -> Array | None:
    """Return where clouds of the scene throw their shade; None where nothing bears them out.

    Parameters
    ----------
    band
        float (y, x), the band in which shade on land shows best [1].
    cloud, valid, water
        bool (y, x).
    visible
        float (y, x), mean of the visible bands, used on water [1].
    gsd_m
        Pixel size on the ground [m].
    sun_azimuth_grid_deg
        Direction towards the sun, clockwise from the grid's north; searched for if None.
    sun_elevation_deg
        Sun above the horizon; bounds how far shade falls.

    Returns
    -------
    Array
        bool (y, x), or None where no direction stands out.
    """
    xp, ndi = namespace(band)
    if min(band.shape) < _MIN_SIDE_PX:
        return None
    if float(water.sum()) < float(cloud.sum()):
        # So little water may be the shade itself: it is as dark, and the scene's floor is there.
        water = xp.zeros_like(water)
    on_water = water & valid & ~cloud
    on_land = valid & ~water & ~cloud
    depth = xp.where(
        on_water,
        _darkness(xp, ndi, fill_holes(visible, valid), on_water, gsd_m) / DARK_WATER,
        _darkness(xp, ndi, fill_holes(band, valid), on_land, gsd_m) / DARK,
    )
    depth = xp.where(valid & ~cloud, depth, xp.float32(0))
    offset = _common_offset(
        xp, depth, cloud, valid, gsd_m, _directions(sun_azimuth_grid_deg), _reach(sun_elevation_deg)
    )
    if offset is None:
        return None
    nearby = _projected(xp, cloud, offset)
    nearby = ndi.distance_transform_edt(~nearby) <= max(1.5, 60.0 / gsd_m)
    shade = (depth > 1.0) & nearby  # depth is 0 on cloud and where there is no data
    # Ships and buildings throw narrow shade; a cloud's is as wide as the cloud.
    radius = max(1.0, 25.0 / gsd_m)
    core = ndi.distance_transform_edt(shade) > radius
    if not bool(core.any()):
        return None
    return shade & (ndi.distance_transform_edt(~core) <= radius + 1)


def darker_than_around(
    reflectance: Array, bands: tuple[str, ...], water: Array, gsd_m: float
) -> Array:
    """Return where land or water is clearly darker than the same within `BACKGROUND_M`.

    Parameters
    ----------
    reflectance
        float (band, y, x) [1]; NaN where there is no data.
    bands
        Names of the bands, in order; at least blue, green, red.
    water
        bool (y, x).
    gsd_m
        Pixel size on the ground [m].

    Returns
    -------
    Array
        bool (y, x).
    """
    xp, ndi = namespace(reflectance, water)
    visible = sum(reflectance[bands.index(b)] for b in ("blue", "green", "red")) / 3
    infrared = next((b for b in ("nir", "nir08", "red") if b in bands), "red")
    band = reflectance[bands.index(infrared)]
    valid = xp.isfinite(band + visible)
    on_water = _darkness(xp, ndi, fill_holes(visible, valid), valid & water, gsd_m)
    on_land = _darkness(xp, ndi, fill_holes(band, valid), valid & ~water, gsd_m)
    # A patch is judged, not its noise.
    on_water, on_land = ndi.uniform_filter(on_water, 7), ndi.uniform_filter(on_land, 7)
    return valid & xp.where(water, on_water > DARK_WATER / 2, on_land > DARK / 2)


def _darkness(xp: Any, ndi: ModuleType, light: Array, where: Array, gsd_m: float) -> Array:
    """Share of the surroundings' light that is missing, -1..1; surroundings are `where` only."""
    size = 2 * max(2, round(BACKGROUND_M / gsd_m)) + 1
    size = min(size, 2 * max(light.shape) + 1)
    keep = where
    level = light
    for _ in range(2):
        weight = xp.astype(keep, xp.float32)
        share = ndi.uniform_filter(weight, size)
        level = ndi.uniform_filter(light * weight, size) / xp.maximum(share, xp.float32(1e-3))
        level = xp.where(share > 1e-3, level, light)
        keep = where & (light > 0.85 * level)  # shade must not darken its own yardstick
    return xp.clip((level - light) / xp.maximum(level, xp.float32(0.01)), -1.0, 1.0)


def _directions(sun_azimuth_grid_deg: float | None) -> tuple[float, float] | None:
    """Azimuths of shade that are searched: (centre, half width), None for all."""
    return None if sun_azimuth_grid_deg is None else (sun_azimuth_grid_deg + 180.0, 10.0)


def _reach(sun_elevation_deg: float | None) -> tuple[float, float]:
    """Nearest and farthest shade [m]."""
    if sun_elevation_deg is None or sun_elevation_deg <= 1.0:
        return REACH_M
    cot = 1 / math.tan(math.radians(sun_elevation_deg))
    return HEIGHT_M[0] * cot, HEIGHT_M[1] * cot


def _common_offset(  # noqa: PLR0917 - all of it is geometry
    xp: Any,
    depth: Array,
    cloud: Array,
    valid: Array,
    gsd_m: float,
    directions: tuple[float, float] | None,
    reach_m: tuple[float, float],
) -> tuple[float, float] | None:
    """Offset (rows, columns) from cloud to shade at which darkness piles up; None if nowhere."""
    coarse = max(1, -(-max(depth.shape) // _SIDE_PX))
    cover = _reduce(xp, xp.astype(cloud, xp.float32), coarse)
    free = _reduce(xp, xp.astype(valid & ~cloud, xp.float32), coarse)
    dark = _reduce(xp, xp.clip(depth, -1.5, 1.5), coarse) * free
    ring = _ring(xp, cover, max(1, round(RING_M / (gsd_m * coarse))))
    shape = (2 * dark.shape[0], 2 * dark.shape[1])
    dark_spectrum, free_spectrum = (xp.fft.rfft2(a, s=shape) for a in (dark, free))

    def slid(outline: Array) -> tuple[Array, Array]:
        spectrum = xp.conj(xp.fft.rfft2(outline, s=shape))
        seen = xp.fft.irfft2(spectrum * free_spectrum, s=shape)
        piled = xp.fft.irfft2(spectrum * dark_spectrum, s=shape)
        return piled / xp.maximum(seen, 1.0), seen / xp.maximum(outline.sum(), 1.0)

    inside, share = slid(cover)
    around, _ = slid(ring)
    rows = xp.fft.fftfreq(shape[0], 1 / shape[0])[:, None]
    cols = xp.fft.fftfreq(shape[1], 1 / shape[1])[None, :]
    far_m = xp.hypot(rows, cols) * (gsd_m * coarse)
    # Dark under the outline and not beside it; far offsets are tried on little ground and are
    # less likely, so they count less.
    merit = xp.minimum(inside, inside - around) * xp.sqrt(xp.clip(share, 0.0, 1.0))
    merit = merit / (1.0 + far_m / NEARER_M)
    allowed = (share > 0.15) & (far_m >= reach_m[0]) & (far_m <= reach_m[1])
    noise = float(merit[allowed].std()) if bool(allowed.any()) else 0.0
    if directions is not None:
        azimuth = xp.degrees(xp.arctan2(cols, -rows))
        off = xp.abs((azimuth - directions[0] + 180.0) % 360.0 - 180.0)
        allowed = allowed & (off <= directions[1])
    if not bool(allowed.any()):
        return None
    best = int(xp.where(allowed, merit, -xp.inf).argmax())
    row, col = divmod(best, shape[1])
    peak = float(merit[row, col])
    under, beside = float(inside[row, col]), float(around[row, col])
    if under < DARK_INSIDE or beside > DARK_BESIDE * under:
        return None
    if peak < (STANDS_OUT if directions is None else STANDS_OUT_KNOWN) * noise:
        return None
    return float(rows[row, 0]) * coarse, float(cols[0, col]) * coarse


def _ring(xp: Any, cover: Array, width: int) -> Array:
    """Return what lies within `width` pixels around `cover` and is free of it."""
    sums = xp.pad(cover, width)
    for axis in (0, 1):
        size = cover.shape[axis]
        sums = sum(
            (sums[k : k + size, :] if axis == 0 else sums[:, k : k + size])
            for k in range(2 * width + 1)
        )
    return xp.where((sums > 0) & (cover <= 0), xp.float32(1), xp.float32(0))


def _reduce(xp: Any, image: Array, factor: int) -> Array:
    """Mean over blocks of `factor` pixels; the remainder at the far edges is left out."""
    if factor == 1:
        return xp.astype(image, xp.float32)
    height, width = (n // factor * factor for n in image.shape)
    blocks = image[:height, :width].reshape(height // factor, factor, width // factor, factor)
    return blocks.mean(axis=(1, 3))


def _projected(xp: Any, cloud: Array, offset: tuple[float, float]) -> Array:
    """Outline of the clouds slid along `offset`: heights from half to one and a half."""
    length = math.hypot(*offset)
    steps = max(2, round(length * 1.1))
    out = xp.zeros_like(cloud)
    seen: set[tuple[int, int]] = set()
    for k in range(steps + 1):
        share = 0.4 + 1.1 * k / steps
        shift = (round(offset[0] * share), round(offset[1] * share))
        if shift not in seen:
            seen.add(shift)
            _or_shifted(out, cloud, shift)
    return out


def _or_shifted(out: Array, image: Array, shift: tuple[int, int]) -> None:
    """Add `image`, moved by `shift` rows and columns, to `out`."""
    height, width = image.shape
    dy, dx = shift
    if abs(dy) >= height or abs(dx) >= width:
        return
    to = (slice(max(dy, 0), height + min(dy, 0)), slice(max(dx, 0), width + min(dx, 0)))
    of = (slice(max(-dy, 0), height + min(-dy, 0)), slice(max(-dx, 0), width + min(-dx, 0)))
    out[to] |= image[of]
