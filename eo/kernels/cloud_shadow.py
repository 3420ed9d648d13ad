"""Shadows of clouds: dark patches that one common direction puts behind the clouds.

Dark alone proves nothing: water, woods and wet ground are dark. The clouds' outline is slid over
the scene; where darkness piles up under it at one offset, that offset is the sun's direction
(and the clouds' height), and only what is dark near the outlines so projected is shade. Where no
offset stands out, nothing is called shadow.
"""

from __future__ import annotations

import math
from typing import Any

from scipy.fft import next_fast_len

from eo.core.xp import Array, namespace
from eo.kernels.cloudiness import even_sample, infrared_bands
from eo.kernels.darkness import block_means, shade_depth, visible_mean
from eo.kernels.morphology import swept, within
from eo.kernels.rows import by_rows
from eo.kernels.water import GREEN_LIFT, STABILISER, dark_floor, infrared_cuts, likely_water

__all__ = ["cloud_shadow", "projected_shade", "scene_shadow", "water_by_sample"]

HEIGHT_M = (150.0, 8000.0)
"""Cloud base and top heights that are searched."""

REACH_M = (120.0, 9000.0)
"""Shadow distances that are searched where the sun's elevation is unknown."""

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

DARK_BESIDE_SURE = 0.7
"""The same where the offset stands out `SURE` times as far as it must: under fields of small
clouds, of which some are missed, the strip beside one shade lies in the next."""

SURE = 1.7
"""See `DARK_BESIDE_SURE`."""

_SIDE_PX = 320
_MIN_SIDE_PX = 16


NEARBY_M = 60.0
"""How far from the projected outline shade is still a cloud's: heights differ within one cloud."""

LEAST_WIDTH_M = 50.0
"""Narrowest shade that is believed: ships and buildings throw narrow ones."""


def scene_shadow(
    reflectance: Array,
    bands: tuple[str, ...],
    *,
    cloud: Array,
    valid: Array,
    water: Array,
    gsd_m: float,
    sun_azimuth_grid_deg: float | None = None,
    sun_elevation_deg: float | None = None,
) -> Array | None:
    """Return where clouds of the scene throw their shade; None where nothing bears them out.

    Parameters
    ----------
    reflectance
        float (band, y, x) [1]; NaN where there is no data.
    bands
        Names of the bands, in order; at least blue, green, red.
    cloud, valid, water, gsd_m, sun_azimuth_grid_deg, sun_elevation_deg
        As of :func:`cloud_shadow`.

    Returns
    -------
    Array
        bool (y, x), or None where no direction stands out.
    """
    infrared = next((b for b in ("nir", "nir08") if b in bands), "red")
    return cloud_shadow(
        reflectance[bands.index(infrared)],
        cloud=cloud,
        valid=valid,
        water=water,
        visible=visible_mean(reflectance, bands),
        gsd_m=gsd_m,
        sun_azimuth_grid_deg=sun_azimuth_grid_deg,
        sun_elevation_deg=sun_elevation_deg,
    )


def water_by_sample(reflectance: Array, bands: tuple[str, ...]) -> Array:
    """Return water as :func:`eo.kernels.water.likely_water` has it, its levels from a sample.

    bool (y, x) of `reflectance` (band, y, x) [1]; an order faster where there is infrared.
    """
    xp, _ = namespace(reflectance)
    names = infrared_bands(bands)
    infrared = next((b for b in ("nir", "nir08") if b in bands), None)
    if infrared is None:
        return likely_water(reflectance[[bands.index(b) for b in names]], names)
    green, nir = reflectance[bands.index("green")], reflectance[bands.index(infrared)]
    step = even_sample(green)
    thin = (green[step, step], nir[step, step])
    there = xp.isfinite(thin[0] + thin[1])
    low = [xp.float32(dark_floor(plane, there)) for plane in thin]
    zero, lift = xp.float32(0), xp.float32(GREEN_LIFT)

    def indexed(g: Array, n: Array) -> tuple[Array, Array]:
        g = xp.maximum(g - low[0], zero) + lift
        n = xp.maximum(n - low[1], zero)
        return (g - n) / (g + n + STABILISER), n

    index, dark = (a[there] for a in indexed(*thin))
    level_cut, index_cut = infrared_cuts(xp.log(dark + 0.01), index)
    darkest = math.exp(level_cut) - 0.01

    def told(g: Array, n: Array) -> tuple[Array]:
        index, n = indexed(g, n)
        return ((index > index_cut) & (n < darkest),)

    return by_rows(xp, told, (green, nir), (bool,), halo=0)[0]


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
    xp, _ = namespace(band)
    if min(band.shape) < _MIN_SIDE_PX:
        return None
    if float(water.sum()) < float(cloud.sum()):
        # So little water may be the shade itself: it is as dark, and the scene's floor is there.
        water = xp.zeros_like(water)
    free = valid & ~cloud
    depth = shade_depth(band, visible, water=water, where=free, gsd_m=gsd_m)
    return projected_shade(
        depth,
        cloud=cloud,
        valid=valid,
        gsd_m=gsd_m,
        sun_azimuth_grid_deg=sun_azimuth_grid_deg,
        sun_elevation_deg=sun_elevation_deg,
    )


def projected_shade(
    depth: Array,
    *,
    cloud: Array,
    valid: Array,
    gsd_m: float,
    sun_azimuth_grid_deg: float | None,
    sun_elevation_deg: float | None,
) -> Array | None:
    """Return what is dark where the clouds, slid along the sun to the height that fits, lie.

    Parameters
    ----------
    depth
        float (y, x), darkness, 1 as dark as shade; 0 on cloud and where nothing is known.
    cloud, valid
        bool (y, x).
    gsd_m
        Pixel size on the ground [m].
    sun_azimuth_grid_deg
        Direction towards the sun, clockwise from the grid's north; searched for if None.
    sun_elevation_deg
        Sun above the horizon; bounds how far shade falls.

    Returns
    -------
    Array
        bool (y, x), or None where no direction and height stand out.
    """
    xp, _ = namespace(depth)
    if min(depth.shape) < _MIN_SIDE_PX or not bool(cloud.any()):
        return None
    free = valid & ~cloud
    offset = _common_offset(
        xp, depth, cloud, free, gsd_m, _directions(sun_azimuth_grid_deg), _reach(sun_elevation_deg)
    )
    if offset is None:
        return None
    # Heights from less than half of the common one to half as much again.
    near = swept(cloud, (0.4 * offset[0], 0.4 * offset[1]), (1.5 * offset[0], 1.5 * offset[1]))
    shade = (depth > 1.0) & within(near, max(1.5, NEARBY_M / gsd_m))
    radius = max(1.0, LEAST_WIDTH_M / 2 / gsd_m)
    core = ~within(~shade, radius)
    if not bool(core.any()):
        return None
    return shade & within(core, radius + 1)


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
    free: Array,
    gsd_m: float,
    directions: tuple[float, float] | None,
    reach_m: tuple[float, float],
) -> tuple[float, float] | None:
    """Offset (rows, columns) from cloud to shade at which darkness piles up; None if nowhere."""
    coarse = max(1, -(-max(depth.shape) // _SIDE_PX))
    one = xp.float32(1)
    cover, open_sky, dark = block_means(
        xp,
        lambda c, f, d: (c * one, f * one, xp.clip(d, -1.5, 1.5)),
        (cloud, free, depth),
        coarse,
    )
    dark = dark * open_sky
    ring = _ring(xp, cover, max(1, round(RING_M / (gsd_m * coarse))))
    shape = (next_fast_len(2 * dark.shape[0]), next_fast_len(2 * dark.shape[1], real=True))
    dark_spectrum, open_spectrum = (xp.fft.rfft2(a, s=shape) for a in (dark, open_sky))

    def slid(outline: Array) -> tuple[Array, Array]:
        spectrum = xp.conj(xp.fft.rfft2(outline, s=shape))
        seen = xp.fft.irfft2(spectrum * open_spectrum, s=shape)
        piled = xp.fft.irfft2(spectrum * dark_spectrum, s=shape)
        return piled / xp.maximum(seen, one), seen / xp.maximum(outline.sum(), one)

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
    needed = (STANDS_OUT if directions is None else STANDS_OUT_KNOWN) * noise
    may_be_beside = DARK_BESIDE_SURE if peak >= SURE * needed else DARK_BESIDE
    if peak < needed or under < DARK_INSIDE or beside > may_be_beside * under:
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
