"""Tracing: what each ray from the sensor meets, and whether the sun reaches it.

Rays meet convex prisms exactly (interval of heights inside all half-planes), sampled every 0.7 m,
so that nothing here knows of strips, shadows' widths or freeboards. Image
coordinates are those of an image orthorectified to sea level: the ray of an image point goes
through that point at height 0. Water without solids near it is sampled once per pixel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from eo.sim.optics import BANDS, MATERIALS, WAVELENGTH_NM, diffuse_share, spread_matrix
from eo.sim.solids import Prism

__all__ = ["Light", "Surface", "render"]

Array = Any
Tone = Callable[[Array, Array], Array]

SAMPLE_M = 0.7
"""Largest distance of samples where there are solids."""
SAMPLE_INLAND_M = 1.2
"""The same where no vessel can be."""
BLOCK = 250
"""Samples per side of a block rendered at once."""
MARGIN = 3
"""Pixels rendered around a block for the point spread."""
_EPS_M = 0.01  # above float32's grain at a kilometre; shortens a shade by a fifth of it
_SKY_IN_SHADE = 0.85  # what throws the shade also hides part of the sky, the brightest part
_SKY_ON_WALL = 0.55  # a wall sees half the sky and a little of the water's light
_LEAK = 0.05  # light scattered sideways within water and air

_NAMES = ("water", *MATERIALS)
_INDEX = {name: index for index, name in enumerate(_NAMES)}
_FULL = tuple(WAVELENGTH_NM)


@dataclass(frozen=True, kw_only=True)
class Light:
    """One look's directions and sensor, in grid azimuths."""

    sensor: str
    """planetscope or sentinel-2."""
    pixel_m: float
    """Pixel size."""
    sun_elevation_deg: float
    """Sun above the horizon."""
    sun_azimuth_grid_deg: float
    """Towards the sun, clockwise from grid north."""
    zenith_deg: float
    """Sensor's zenith angle at the ground."""
    view_azimuth_grid_deg: float
    """From the target towards the sensor, clockwise from grid north."""
    aerosol: float
    """Optical depth at 550 nm."""
    psf_sigma_px: float
    """Gaussian point-spread width."""
    band_shift_px: tuple[tuple[float, float], ...]
    """(row, column) displacement of each band."""

    @property
    def bands(self) -> tuple[str, ...]:
        """Bands rendered."""
        return BANDS[self.sensor]

    @property
    def to_sun(self) -> tuple[float, float]:
        """Metres (east, north) per metre of height on the way to the sun."""
        cot = 1.0 / np.tan(np.radians(self.sun_elevation_deg))
        angle = np.radians(self.sun_azimuth_grid_deg)
        return float(cot * np.sin(angle)), float(cot * np.cos(angle))

    @property
    def to_sensor(self) -> tuple[float, float]:
        """Metres (east, north) per metre of height on the way to the sensor."""
        tan = np.tan(np.radians(self.zenith_deg))
        angle = np.radians(self.view_azimuth_grid_deg)
        return float(tan * np.sin(angle)), float(tan * np.cos(angle))


@dataclass(frozen=True, kw_only=True, eq=False)
class Surface:
    """What lies between and on the solids; functions of (x, y) in metres from the centre."""

    leaving: Callable[[Array, Array], Array]
    """Light out of the water as reflectance, (band, ...)."""
    glint: Callable[[Array, Array], tuple[Array, Array]]
    """Sky and sun mirrored by the water as reflectance."""
    foam: Tone
    """Share of the water covered by foam, 0-1."""
    ground: Tone
    """Unevenness of ground and paint, a factor about 1."""


def render(
    prisms: list[Prism],
    surface: Surface,
    light: Light,
    extent_m: float,
    *,
    inland: Callable[[Array, Array], Array] | None = None,
) -> Array:
    """Return the scene's reflectance in its sky-lit and its sun-lit part.

    Parameters
    ----------
    prisms
        All solids.
    surface
        Water and textures.
    light
        Directions and sensor.
    extent_m
        Side of the square area, centred on the origin [m].
    inland
        Whether places lie where no vessel can be seen; blocks of which all corners do are sampled
        every 1.2 m.

    Returns
    -------
    numpy.ndarray
        (2, band, y, x) float32: part lit by the sky, part lit by the sun; rows run southwards.
    """
    side = round(extent_m / light.pixel_m)
    out = np.empty((2, len(light.bands), side, side), dtype=np.float32)
    reach = _reaches(prisms, light)
    finest, inland_fine = _odd(light.pixel_m / SAMPLE_M), _odd(light.pixel_m / SAMPLE_INLAND_M)
    block = max(20, BLOCK // finest)
    for row in range(0, side, block):
        for col in range(0, side, block):
            rows, cols = min(block, side - row), min(block, side - col)
            x0 = -extent_m / 2 + (col - MARGIN) * light.pixel_m
            y0 = extent_m / 2 - (row - MARGIN) * light.pixel_m
            x1 = x0 + (cols + 2 * MARGIN) * light.pixel_m
            y1 = y0 - (rows + 2 * MARGIN) * light.pixel_m
            near = (reach[:, 0] < x1) & (reach[:, 2] > x0) & (reach[:, 1] < y0) & (reach[:, 3] > y1)
            some = [part for part, hit in zip(prisms, near, strict=True) if hit]
            fine = finest if some else 1
            if some and inland is not None:
                corners = inland(np.array([x0, x1, x0, x1]), np.array([y0, y0, y1, y1]))
                fine = inland_fine if bool(np.all(corners)) else finest
            step = light.pixel_m / fine
            x = x0 + (np.arange((cols + 2 * MARGIN) * fine, dtype=np.float32) + 0.5) * step
            y = y0 - (np.arange((rows + 2 * MARGIN) * fine, dtype=np.float32) + 0.5) * step
            parts = _trace(some, surface, light, x.astype(np.float32), y.astype(np.float32))
            _read_out(parts, light, fine, out[:, :, row : row + rows, col : col + cols])
    return out


def _odd(number: float) -> int:
    """Return the next odd whole number, so that one sample lies at the pixel's centre."""
    whole = int(np.ceil(number - 1e-9))
    return whole if whole % 2 else whole + 1


def _read_out(parts: Array, light: Light, fine: int, out: Array) -> None:
    rows, cols = out.shape[2:]
    if fine == 1:
        out[...] = parts[:, :, MARGIN : MARGIN + rows, MARGIN : MARGIN + cols]
        return
    for band, (down, right) in enumerate(light.band_shift_px):
        left = spread_matrix(rows, fine, MARGIN, light.psf_sigma_px, down)
        right_hand = spread_matrix(cols, fine, MARGIN, light.psf_sigma_px, right).T
        for part in range(2):
            out[part, band] = left @ parts[part, band] @ right_hand


def _reaches(prisms: list[Prism], light: Light) -> Array:
    """Bounds (west, south, east, north) in the image that each prism or its shade can touch."""
    if not prisms:
        return np.empty((0, 4))
    return np.array([_reach(part, light, part.highest_m) for part in prisms])


def _reach(part: Prism, light: Light, highest_m: float) -> tuple[float, float, float, float]:
    sun, view = np.array(light.to_sun), np.array(light.to_sensor)
    top = part.highest_m
    moves = np.array([np.zeros(2), -top * sun, -top * view, -min(top, highest_m) * view])
    low = part.outline.min(axis=0) + moves.min(axis=0) - 1.0
    high = part.outline.max(axis=0) + moves.max(axis=0) + 1.0
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _seen_within(part: Prism, view: tuple[float, float]) -> tuple[float, float, float, float]:
    """Bounds in the image of what can be seen of a prism."""
    moves = np.array([np.zeros(2), -part.highest_m * np.array(view)])
    low = part.outline.min(axis=0) + moves.min(axis=0) - 0.1
    high = part.outline.max(axis=0) + moves.max(axis=0) + 0.1
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _span(x: Array, y: Array, bounds: tuple[float, float, float, float]) -> tuple[slice, slice]:
    """Rows and columns of samples within bounds; x ascends, y descends."""
    c0, c1 = np.searchsorted(x, [bounds[0], bounds[2]])
    r0, r1 = np.searchsorted(-y, [-bounds[3], -bounds[1]])
    return slice(int(r0), int(r1)), slice(int(c0), int(c1))


def _crossing(
    part: Prism, x: Array, y: Array, direction: tuple[float, float]
) -> tuple[Array, Array, Array]:
    """Heights at which rays (x, y) + z direction enter and leave a prism, and the side left by.

    The side is -1 where the ray leaves through the top. A ray misses where entry > exit.
    """
    shape = np.broadcast_shapes(np.shape(x), np.shape(y))
    enter = np.full(shape, part.base_m, dtype=np.float32)
    leave = np.full(shape, part.top_m, dtype=np.float32)
    side = np.full(shape, -1, dtype=np.int8)
    if any(part.slope):
        gain = 1.0 - part.slope[0] * direction[0] - part.slope[1] * direction[1]
        rise = np.float32(part.slope[0]) * (x - np.float32(part.pivot[0]))
        rise = rise + np.float32(part.slope[1]) * (y - np.float32(part.pivot[1]))
        below = (leave + rise) * np.float32(1.0 / (gain if abs(gain) > 1e-6 else 1e-6))
        if gain > 0:
            leave = below
        else:  # the ray climbs less steeply than the top: it comes in through it
            np.maximum(enter, below, out=enter)
            leave = np.full(shape, 1e6, dtype=np.float32)
    for index, (normal, corner) in enumerate(zip(part.normals, part.outline, strict=True)):
        nx, ny = np.float32(normal[0]), np.float32(normal[1])
        outside = nx * (x - np.float32(corner[0])) + ny * (y - np.float32(corner[1]))
        climb = float(normal[0] * direction[0] + normal[1] * direction[1])
        if abs(climb) < 1e-7:
            leave[outside > 0] = -1e6
            continue
        height = outside * np.float32(-1.0 / climb)
        if climb > 0:
            first = height < leave
            side[first] = index
            np.minimum(leave, height, out=leave)
        else:
            np.maximum(enter, height, out=enter)
    return enter, leave, side


def _trace(prisms: list[Prism], surface: Surface, light: Light, x: Array, y: Array) -> Array:
    shape = (y.size, x.size)
    height = np.zeros(shape, dtype=np.float32)
    material = np.zeros(shape, dtype=np.uint8)
    tone = np.ones(shape, dtype=np.float32)
    facing = np.ones(shape, dtype=np.float32)  # sunlight on the surface against level ground
    wall = np.zeros(shape, dtype=bool)
    sun, view = np.array(light.to_sun), light.to_sensor
    for part in prisms:
        window = _span(x, y, _seen_within(part, view))
        px, py = x[window[1]], y[window[0]][:, None]
        enter, leave, side = _crossing(part, px, py, view)
        hit = (leave >= enter) & (leave > height[window])
        if not hit.any():
            continue
        on_wall = hit & (side >= 0)
        height[window][hit] = leave[hit]
        material[window][hit] = _INDEX[part.top]
        material[window][on_wall] = _INDEX[part.side]
        tone[window][hit] = part.tone
        wall[window][hit] = on_wall[hit]
        level = 1.0 - float(np.dot(part.slope, sun))
        facing[window][hit] = np.float32(max(level, 0.0) / np.hypot(1.0, np.hypot(*part.slope)))
        towards = np.maximum(part.normals @ sun, 0.0).astype(np.float32)
        facing[window][on_wall] = towards[side[on_wall]]
    lit = _sunlit(prisms, light, x, y, height)
    return _shade(surface, light, (x, y), (height, material, tone), (facing, wall, lit))


def _sunlit(prisms: list[Prism], light: Light, x: Array, y: Array, height: Array) -> Array:
    """Whether the sun is seen from each point met (1) or hidden (0)."""
    lit = np.ones(height.shape, dtype=np.float32)
    view, sun = light.to_sensor, light.to_sun
    highest = float(height.max(initial=0.0))
    for part in prisms:
        window = _span(x, y, _reach(part, light, highest))
        up = height[window]
        if up.size == 0 or float(up.min()) >= part.highest_m:  # nothing there lies below it
            continue
        # The ray from the point met, written through height 0: it passes (x, y) + z sun there.
        px = x[window[1]] + up * np.float32(view[0] - sun[0])
        py = y[window[0]][:, None] + up * np.float32(view[1] - sun[1])
        enter, leave, _ = _crossing(part, px, py, sun)
        hidden = leave - np.maximum(enter, up + np.float32(_EPS_M)) > _EPS_M / 5
        lit[window][hidden] = 0.0
    return lit


def _shade(
    surface: Surface,
    light: Light,
    where: tuple[Array, Array],
    met: tuple[Array, Array, Array],
    sunlight: tuple[Array, Array, Array],
) -> Array:
    x, y = where
    height, material, tone = met
    facing, wall, lit = sunlight
    order = [_FULL.index(band) for band in light.bands]
    table = np.array([(0.0,) * len(_FULL), *MATERIALS.values()], dtype=np.float32)[:, order]
    sky = diffuse_share(light.bands, light.sun_elevation_deg, light.aerosol).astype(np.float32)
    out = np.empty((2, len(order), *height.shape), dtype=np.float32)
    water = material == 0
    sun_part = lit * (1 - _LEAK) + _LEAK
    sky_part = 1 - (1 - _SKY_IN_SHADE) * (1 - lit)
    any_solid = not bool(water.all())
    if any_solid:
        rough = tone * surface.ground(x, y[:, None])
        solid_sky = np.where(wall, np.float32(_SKY_ON_WALL), sky_part) * rough
        solid_sun = lit * facing * rough
        for band in range(len(order)):
            albedo = table[:, band][material]
            out[0, band] = albedo * sky[band] * solid_sky
            out[1, band] = albedo * (1 - sky[band]) * solid_sun
    if not water.any():
        return out
    leaving = surface.leaving(x, y[:, None])
    sky_glint, sun_glint = surface.glint(x, y[:, None])
    mirrored = sun_glint * lit  # a mirror in the shade shows no sun
    foam = surface.foam(x, y[:, None])
    for band in range(len(order)):
        bright = np.float32(MATERIALS["foam"][order[band]])
        body = leaving[band] * (1 - foam) + bright * foam
        np.copyto(out[0, band], (body * sky[band] + sky_glint) * sky_part, where=water)
        np.copyto(out[1, band], body * (1 - sky[band]) * sun_part + mirrored, where=water)
    return out
