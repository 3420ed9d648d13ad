"""The surface between the solids: water with glint, wakes, breakers and wind lee, and textures."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from eo.sim.clouds import fractal_noise
from eo.sim.options import SimOptions, stream
from eo.sim.port import Port
from eo.sim.render import Light, Surface
from eo.sim.traffic import Afloat

__all__ = ["CALM", "Textures", "Weather", "make_surface", "make_textures", "sun_glint"]

Array = Any

BREAKER_M = 30.0
"""How far out waves break along the breakwater."""

CALM = 0.4
"""Wind in the lee of a ship over that outside."""
_LEE = 0.6  # greatest share of calm
_FRESNEL = 0.0204  # of water for light that falls steeply, index 1.333

# Light out of coastal water as reflectance in blue, green, red, nir, swir16, after the dark and
# the turbid water of real port scenes.
_CLEAR = np.array([0.034, 0.031, 0.014, 0.007, 0.003], dtype=np.float32)
_TURBID = np.array([0.052, 0.064, 0.046, 0.020, 0.006], dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class Weather:
    """Wind and water of one look."""

    wind_m_s: float
    """Wind speed."""
    wind_from_deg: float
    """Grid bearing the wind comes from."""
    turbidity: float
    """0 clear, 1 turbid."""
    sky_glint: float
    """Mean reflectance of the sky mirrored by the water."""
    sun_glint: float
    """Mean reflectance of the sun mirrored by the water."""
    calm_glint: float
    """The same in the lee of a ship."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Textures:
    """Fields that every look of a campaign shares, on periodic lattices, mean 0, deviation 1."""

    ground: Array
    """Unevenness of ground and paint."""
    ground_m: float
    """Its step."""
    water: Array
    """Patches in the water."""
    water_m: float
    """Their step."""


def make_textures(options: SimOptions) -> Textures:
    """Return the campaign's textures."""
    size = 1024
    return Textures(
        ground=fractal_noise(stream(options, "ground"), size, slope=1.6),
        ground_m=max(1.5, options.extent_m / 1000.0),
        water=fractal_noise(stream(options, "water"), 256, slope=3.0),
        water_m=2.0 * options.extent_m / 256,
    )


def make_surface(
    options: SimOptions,
    port: Port,
    afloat: list[Afloat],
    weather: Weather,
    *,
    textures: Textures,
    bands: tuple[int, ...],
    seed: int,
) -> Surface:
    """Return the functions of place that the renderer asks for.

    Parameters
    ----------
    bands
        Places of the rendered bands among blue, green, red, nir, swir16.
    seed
        Seed of the look's own ripples.
    """
    rough = options.nuisances.texture
    ripples = fractal_noise(np.random.default_rng(seed), 512, slope=1.8)
    choice = list(bands)
    spread = 1.0 if rough else 0.0

    def leaving(x: Array, y: Array) -> Array:
        patch = _sample(textures.water, textures.water_m, x, y)
        share = np.clip(weather.turbidity + 0.10 * spread * patch, 0.0, 1.0)[None]
        low, high = (tone[choice][:, None, None] for tone in (_CLEAR, _TURBID))
        return (low + share * (high - low)).astype(np.float32)

    def glint(x: Array, y: Array) -> tuple[Array, Array]:
        ripple = _sample(ripples, 6.0, x, y)
        streak = _sample(textures.water, 0.37 * textures.water_m, y, x).T
        uneven = np.maximum(1 + spread * (0.16 * ripple + 0.12 * streak), 0.0)
        sky = np.full_like(uneven, weather.sky_glint)
        sun = np.full_like(uneven, weather.sun_glint)
        if options.nuisances.wind_lee:
            calm = _lee(afloat, weather, x, y)
            sky *= 1 - calm
            # Slopes change their spread: from one mirrored sun to the other by equal factors.
            ratio = max(weather.calm_glint, 1e-5) / max(weather.sun_glint, 1e-5)
            sun *= np.float32(ratio) ** (calm / _LEE)
        return (sky * uneven).astype(np.float32), (sun * uneven).astype(np.float32)

    def foam(x: Array, y: Array) -> Array:
        patch = _sample(ripples, 2.1, x, y)
        share = np.zeros(np.broadcast_shapes(np.shape(x), np.shape(y)), dtype=np.float32)
        for boat in afloat:
            if boat.wake:
                share = np.maximum(share, _wake(boat, x, y))
        windy = np.clip((weather.wind_m_s - 4.5) / 6.0, 0.0, 1.0)
        if windy > 0:
            share = np.maximum(share, windy * _breakers(port, weather, x, y, patch))
        return share.astype(np.float32)

    def ground(x: Array, y: Array) -> Array:
        noise = _sample(textures.ground, textures.ground_m, x, y)
        return np.clip(1 + 0.13 * spread * noise, 0.45, 1.8).astype(np.float32)

    return Surface(leaving=leaving, glint=glint, foam=foam, ground=ground)


def sun_glint(light: Light, wind_m_s: float) -> float:
    """Return the reflectance of the sun mirrored by a rough sea.

    Parameters
    ----------
    light
        Directions.
    wind_m_s
        Wind at 10-12 m.

    Notes
    -----
    Slopes of facets are normal with variance 0.003 + 0.00512 wind (Cox & Munk 1954,
    doi:10.1364/JOSA.44.000838), alike in all directions. Facets that mirror the sun into the
    sensor have the normal halfway between both; reflectance is
    pi rho P / (4 cos(sun) cos(view) cos(tilt)^4). Steep light: rho is that of normal incidence.
    """
    sun = np.array([*light.to_sun, 1.0])
    view = np.array([*light.to_sensor, 1.0])
    sun, view = sun / np.linalg.norm(sun), view / np.linalg.norm(view)
    normal = (sun + view) / np.linalg.norm(sun + view)
    cos_tilt = float(normal[2])
    variance = 0.003 + 0.00512 * wind_m_s
    tan2 = 1.0 / cos_tilt**2 - 1.0
    density = np.exp(-tan2 / variance) / (np.pi * variance)
    found = np.pi * _FRESNEL * density / (4.0 * sun[2] * view[2] * cos_tilt**4)
    return float(min(found, 0.3))


def _sample(field: Array, step_m: float, x: Array, y: Array) -> Array:
    """Bilinear samples of a periodic lattice on the grid of x (columns) and y (rows)."""
    cols, rows = np.ravel(x) / step_m, np.ravel(y) / step_m
    c0, r0 = np.floor(cols).astype(int), np.floor(rows).astype(int)
    cf, rf = (cols - c0).astype(np.float32), (rows - r0).astype(np.float32)[:, None]
    # Samples lie closer than the lattice: take its few nodes first, then interpolate.
    c0, r0 = c0 - (west := c0.min()), r0 - (south := r0.min())
    nodes = field.take(np.arange(south, south + r0.max() + 2), axis=0, mode="wrap")
    nodes = nodes.take(np.arange(west, west + c0.max() + 2), axis=1, mode="wrap")
    across = nodes[:, c0] * (1 - cf) + nodes[:, c0 + 1] * cf
    return across[r0] * (1 - rf) + across[r0 + 1] * rf


def _lee(afloat: list[Afloat], weather: Weather, x: Array, y: Array) -> Array:
    """Share of calm, 0 to 0.6: a smooth patch down-wind of each ship, fading over six beams."""
    shape = np.broadcast_shapes(np.shape(x), np.shape(y))
    factor = np.ones(shape, dtype=np.float32)
    strength = _LEE * np.clip((weather.wind_m_s - 2.5) / 4.0, 0.0, 1.0)
    if strength <= 0:
        return 1 - factor
    angle = np.radians(weather.wind_from_deg + 180.0)
    down, side = np.array([np.sin(angle), np.cos(angle)]), np.array([np.cos(angle), -np.sin(angle)])
    for ship in afloat:
        if ship.length_m < 40:
            continue
        across = ship.outline @ side
        middle, half = across.mean(), 0.5 * np.ptp(across)
        begin = (ship.outline @ down).mean()
        reach = 6.0 * ship.beam_m
        corners = np.array([(a, b) for a in (x.min(), x.max()) for b in (y.min(), y.max())])
        aside = corners @ side - middle
        if (corners @ down).max() < begin or abs(aside.mean()) - np.ptp(aside) / 2 > half + 6.0:
            continue
        u = x * np.float32(down[0]) + y * np.float32(down[1]) - np.float32(begin)
        v = x * np.float32(side[0]) + y * np.float32(side[1]) - np.float32(middle)
        rim = np.clip((half + 6.0 - np.abs(v)) / 12.0, 0.0, 1.0)
        fade = np.where(u > 0, np.exp(-np.maximum(u, 0) / reach), 0.0)
        factor *= (1 - strength * rim * fade).astype(np.float32)
    return 1 - factor


def _wake(boat: Afloat, x: Array, y: Array) -> Array:
    angle = np.radians(boat.bearing_deg)
    fx, fy = np.float32(np.sin(angle)), np.float32(np.cos(angle))
    behind = -((x - boat.x_m) * fx + (y - boat.y_m) * fy) - 0.4 * boat.length_m
    aside = np.abs((x - boat.x_m) * fy - (y - boat.y_m) * fx)
    reach = 3.0 * boat.length_m
    width = 0.35 * boat.beam_m + 0.03 * np.maximum(behind, 0)
    along = np.where(behind > 0, np.exp(-np.maximum(behind, 0) / reach), 0.0)
    return 0.5 * along * np.exp(-((aside / width) ** 2))


def _breakers(port: Port, weather: Weather, x: Array, y: Array, patch: Array) -> Array:
    """Foam on the windward side of the breakwater and around the island, patchy."""
    shape = np.broadcast_shapes(np.shape(x), np.shape(y))
    near = np.zeros(shape, dtype=np.float32)
    ragged = np.clip(0.4 + 0.55 * patch, 0.0, 1.0)
    wind = np.radians(weather.wind_from_deg)
    block = shapely.box(np.min(x), np.min(y), np.max(x), np.max(y))
    for start, stop in itertools.pairwise(port.breakwater):
        if block.distance(shapely.LineString([start, stop])) > BREAKER_M:
            continue
        way = (stop - start) / np.hypot(*(stop - start))
        normal = np.array([way[1], -way[0]])
        if normal @ [np.sin(wind), np.cos(wind)] < 0:
            normal = -normal
        along = (x - start[0]) * way[0] + (y - start[1]) * way[1]
        out = (x - start[0]) * normal[0] + (y - start[1]) * normal[1]
        inside = (along > 0) & (along < np.hypot(*(stop - start))) & (out > 5.0) & (out < BREAKER_M)
        near = np.maximum(near, np.where(inside, np.exp(-(np.maximum(out, 5.0) - 6.5) / 6.0), 0.0))
    if port.island and block.distance(shapely.Point(port.island[:2])) < port.island[2] + 6:
        away = np.hypot((x - port.island[0]), (y - port.island[1]))
        near = np.maximum(near, np.where(away < port.island[2] + 6, 0.5, 0.0))
    return near * ragged
