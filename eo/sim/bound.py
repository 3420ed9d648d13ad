"""How well a freeboard could be known at best: a Cramer-Rao bound from rendered pictures.

The estimator states a bound of its own; this one is the judge's, from derivatives of what the
renderer draws, so that a bound too wide does not pass unseen. It holds for clean scenes: one
deck, one water, one shade, pixel noise alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from eo.sim.looks import LookPlan
from eo.sim.optics import diffuse_share
from eo.sim.render import Light, Surface, render
from eo.sim.solids import Prism, box
from eo.sim.traffic import Afloat

__all__ = ["freeboard_bound_m"]

Array = Any

MID_BODY = (-0.22, 0.27)
"""Where along the hull the deck's edge alone throws shade, in parts of the length."""
RATIO_SD = 0.08
"""How well shaded over lit water is known beforehand, per band: sky light can be modelled."""
_STEPS = {"freeboard": 0.1, "across": 0.15, "turn": 0.15, "blur": 0.02}


def freeboard_bound_m(plan: LookPlan, ship: Afloat, surface: Surface) -> float | None:
    """Return the least standard deviation of a ship's freeboard in one clean look.

    Parameters
    ----------
    plan
        The look.
    ship
        A ship whose shade falls on water.
    surface
        The look's water.

    Returns
    -------
    float or None
        Metres; None where the sun stands along the hull (sine below 0.2), or where these pixels
        leave the freeboard open.

    Notes
    -----
    Unknown besides the freeboard: place across and bearing of the hull, width of the point
    spread, and per band the three levels, shaded water known to RATIO_SD of lit water. Used are
    all pixels beside the mid-body from the middle of the deck to 15 m beyond the shade.
    """
    light = plan.light
    turn = np.radians(light.sun_azimuth_grid_deg - ship.bearing_deg)
    if abs(np.sin(turn)) < 0.2 or ship.freeboard_m is None:
        return None
    shaded = -np.sign(np.sin(turn))  # side of the shade: 1 starboard
    reach = ship.freeboard_m / np.tan(np.radians(light.sun_elevation_deg)) * abs(np.sin(turn))
    side = 2 * (0.5 * ship.length_m + reach + 30.0)
    side = float(np.ceil(side / light.pixel_m / 2) * 2 * light.pixel_m)
    along, across = _axes(ship, side, light.pixel_m)
    use = (along > MID_BODY[0] * ship.length_m) & (along < MID_BODY[1] * ship.length_m)
    use &= (across * shaded > 0) & (across * shaded < 0.5 * ship.beam_m + reach + 15.0)

    def fields(**moved: float) -> Array:
        return _fields(light, ship, side, **moved)[:, use]

    slopes = {
        name: (fields(**{name: step}) - fields(**{name: -step})) / (2 * step)
        for name, step in _STEPS.items()
    }
    base = fields()
    hull = replace(_moved(ship), tone=ship.parts[0].tone)
    water = Surface(
        leaving=lambda x, y: surface.leaving(x + ship.x_m, y + ship.y_m),
        glint=lambda x, y: surface.glint(x + ship.x_m, y + ship.y_m),
        foam=lambda x, y: surface.foam(x + ship.x_m, y + ship.y_m),
        ground=lambda x, y: surface.ground(x + ship.x_m, y + ship.y_m),
    )
    picture = plan.gain * render([hull], water, _straight(light), side).sum(axis=0)[:, use]
    levels = np.linalg.lstsq(base.T, picture.T, rcond=None)[0].T
    return _bound(base, slopes, levels, plan.noise)


def _bound(base: Array, slopes: dict[str, Array], levels: Array, noise: float) -> float | None:
    """Return the bound by the information of all bands, levels taken out band by band."""
    count = len(slopes)
    shared = np.zeros((count, count))
    for deck, shade, water in levels:
        level = np.array([deck, shade, water])
        picture = level @ base
        # As the sensor has it: read and shot noise, and rounding to 1/10000.
        weight = 1.0 / (noise**2 * (1 + 2.5 * picture) + 1e-8 / 12)
        moves = np.array([level @ slope for slope in slopes.values()])
        own = (base * weight) @ base.T
        # The shade is known beforehand as a share of lit water.
        know = np.array([0.0, 1.0, -shade / water])
        own += np.outer(know, know) / (RATIO_SD * water) ** 2
        cross = (moves * weight) @ base.T
        shared += (moves * weight) @ moves.T - cross @ np.linalg.solve(own, cross.T)
    first = list(slopes).index("freeboard")
    try:
        variance = float(np.linalg.inv(shared)[first, first])
    except np.linalg.LinAlgError:
        return None
    return float(np.sqrt(variance)) if variance > 0 else None


def _axes(ship: Afloat, side_m: float, pixel_m: float) -> tuple[Array, Array]:
    """Metres along the hull and to starboard of every pixel of a window about the ship."""
    place = (np.arange(round(side_m / pixel_m)) + 0.5) * pixel_m - side_m / 2
    x, y = place[None, :], -place[:, None]
    angle = np.radians(ship.bearing_deg)
    along = x * np.sin(angle) + y * np.cos(angle)
    return along, x * np.cos(angle) - y * np.sin(angle)


def _fields(
    light: Light,
    ship: Afloat,
    side_m: float,
    *,
    freeboard: float = 0.0,
    across: float = 0.0,
    turn: float = 0.0,
    blur: float = 0.0,
) -> Array:
    """Shares of deck, shaded and lit water in every pixel, (3, y, x), with the ship moved."""
    black = _moved(ship, freeboard, across, turn)
    straight = _straight(light, blur)
    sky, sun = render([black], _white_water(len(light.bands)), straight, side_m)[:, 0]
    share = float(diffuse_share(light.bands, light.sun_elevation_deg, light.aerosol)[0])
    # Sky falls on shaded water too, but for a part; sun on lit water, but for a leak. Both are
    # read off where the window's corner is open water and solved for water and lit water.
    dim, leak = _in_shade(straight)
    sky, sun = sky / share, sun / (1 - share)
    water = (sky * (1 - leak) - sun * (1 - dim)) / (dim - leak)
    lit = (sun - leak * water) / (1 - leak)
    return np.array([1 - water, water - lit, lit])


def _moved(ship: Afloat, freeboard: float = 0.0, across: float = 0.0, turn: float = 0.0) -> Prism:
    """Return the hull, about the origin, raised [m], shifted [m], turned [deg] and black."""
    hull = ship.parts[0]
    outline = hull.outline - np.array([ship.x_m, ship.y_m])
    angle = np.radians(turn)
    spin = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    way = np.radians(ship.bearing_deg + 90.0)
    outline = outline @ spin + across * np.array([np.sin(way), np.cos(way)])
    return Prism(
        outline=outline,
        base_m=0.0,
        top_m=hull.top_m + freeboard,
        top=hull.top,
        side=hull.side,
        tone=0.0,
    )


def _straight(light: Light, blur: float = 0.0) -> Light:
    """Return the light of a clean look, its point spread wider by `blur`."""
    return replace(
        light,
        zenith_deg=0.0,
        psf_sigma_px=light.psf_sigma_px + blur,
        band_shift_px=((0.0, 0.0),) * len(light.bands),
    )


def _white_water(bands: int) -> Surface:
    def tone(value: float) -> Any:
        return lambda x, y: np.full(np.broadcast_shapes(x.shape, y.shape), value, np.float32)

    def leaving(x: Array, y: Array) -> Array:
        return np.ones((bands, *np.broadcast_shapes(x.shape, y.shape)), np.float32)

    def glint(x: Array, y: Array) -> tuple[Array, Array]:
        return tone(0.0)(x, y), tone(0.0)(x, y)

    return Surface(leaving=leaving, glint=glint, foam=tone(0.0), ground=tone(1.0))


def _in_shade(light: Light) -> tuple[float, float]:
    """Sky and sun on deeply shaded water over those on open water, read off a rendered wall."""
    high = replace(light, sun_elevation_deg=30.0, sun_azimuth_grid_deg=180.0)
    share = float(diffuse_share(light.bands, 30.0, light.aerosol)[0])
    side = 60 * light.pixel_m
    wall = box((-side, side), (-1.0, 1.0), (0.0, 0.4 * side), "dark", "dark")
    sky, sun = render([replace(wall, tone=0.0)], _white_water(len(light.bands)), high, side)[:, 0]
    row = 30 - round(0.15 * 60)
    return float(sky[row, 30] / share), float(sun[row, 30] / (1 - share))
