"""When and how a campaign's scenes are taken: passes, sun, view, weather, sensor."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
from pyproj import CRS, Proj

from eo.sim.optics import BANDS, PSF_SIGMA_PX, Sun, sun_at
from eo.sim.options import PIXEL_M, SensorKind, SimOptions, stream
from eo.sim.render import Light
from eo.sim.water import CALM, Weather, sun_glint

__all__ = ["LookPlan", "convergence_deg", "plan_looks", "typical_sun_azimuth_grid_deg"]

EARTH_RADIUS_M = 6_371_000.0
ALTITUDE_M = {"planetscope": 500_000.0, "sentinel-2": 786_000.0}


@dataclass(frozen=True, kw_only=True)
class LookPlan:
    """One scene before it is rendered."""

    scene_id: str
    """Id of its item."""
    sensor: SensorKind
    """Which product."""
    platform: str
    """Which satellite."""
    when: dt.datetime
    """Time of acquisition, UTC."""
    sun: Sun
    """Where the sun stands."""
    zenith_deg: float
    """Sensor's zenith angle at the ground."""
    view_azimuth_deg: float
    """From the target towards the sensor, from true north."""
    light: Light
    """Directions in the grid, and the sensor."""
    weather: Weather
    """Wind and water."""
    cloud_cover: float
    """Share under cloud, 0-1."""
    residual: tuple[float, ...]
    """Per band, what the atmospheric correction left or took too much (reflectance)."""
    gain: float
    """Factor on reflectance."""
    noise: float
    """Read noise (reflectance)."""
    edge: tuple[float, float] | None
    """(grid bearing, metres from the centre) of an edge beyond which there is no data."""
    bright_fault: bool
    """Whether the served mask calls bright ships cloud."""
    tide_m: float
    """Water above its mean level."""

    @property
    def nadir_deg(self) -> float:
        """The off-nadir angle at the satellite, which sees the horizon dip [deg]."""
        ratio = 1 + ALTITUDE_M[self.sensor] / EARTH_RADIUS_M
        return float(np.degrees(np.arcsin(np.sin(np.radians(self.zenith_deg)) / ratio)))


def convergence_deg(options: SimOptions) -> float:
    """Return the bearing of grid north from true north at the area's centre [deg]."""
    lon, lat = options.centre
    factors = Proj(CRS.from_epsg(options.epsg)).get_factors(lon, lat)
    return float(factors.meridian_convergence)


def typical_sun_azimuth_grid_deg(options: SimOptions) -> float:
    """Return the sun's grid azimuth at a mid-morning pass halfway through the period."""
    lon, lat = options.centre
    day = dt.datetime.fromisoformat(options.start).replace(tzinfo=dt.UTC)
    when = day + dt.timedelta(days=options.days / 2, hours=10.4 - lon / 15.0)
    return sun_at(when, lon, lat).azimuth_deg - convergence_deg(options)


def plan_looks(options: SimOptions) -> tuple[LookPlan, ...]:
    """Return the campaign's scenes, by time."""
    rng = stream(options, "passes")
    count = options.look_count
    sentinel: list[float] = []
    if "sentinel-2" in options.sensors:
        step = 5.0 if options.sensor == "both" else max(1e-3, min(5.0, options.days / count))
        sentinel = list(np.arange(rng.uniform(0, min(step, 2.0)), options.days, step))
        sentinel = [float(np.floor(day)) for day in sentinel][:count]
        if options.sensor == "both":
            sentinel = sentinel[: max(1, count // 3)]
    left = count - len(sentinel) if "planetscope" in options.sensors else 0
    planet = _days(rng, options.days, left)
    plans = [_plan(options, "sentinel-2", day, i) for i, day in enumerate(sentinel)]
    plans += [_plan(options, "planetscope", day, i) for i, day in enumerate(planet)]
    return tuple(sorted(plans, key=lambda plan: (plan.when, plan.scene_id)))


def _days(rng: np.random.Generator, days: int, count: int) -> list[float]:
    """Days with a pass, each once before any twice."""
    found: list[float] = []
    while len(found) < count:
        found += [float(day) for day in rng.permutation(days)[: count - len(found)]]
    return sorted(found)


def _plan(options: SimOptions, sensor: SensorKind, day: float, number: int) -> LookPlan:
    rng = stream(options, "look", sensor, number)
    lon, lat = options.centre
    local = rng.uniform(9.4, 11.4) if sensor == "planetscope" else rng.normal(10.75, 0.05)
    start = dt.datetime.fromisoformat(options.start).replace(tzinfo=dt.UTC)
    # A pass is named by its UTC day: the hour must not slip into the day before.
    hours = (local - lon / 15.0) % 24.0
    when = (start + dt.timedelta(days=day, hours=hours)).replace(microsecond=0)
    zenith, azimuth = _view(options, sensor, rng)
    sun = sun_at(when, lon, lat)
    turn = convergence_deg(options)
    low, high = PSF_SIGMA_PX[sensor]
    drawn = float(rng.uniform(low, high))
    aerosol = float(rng.lognormal(np.log(0.12), 0.45))
    bands = BANDS[sensor]
    shift = _shifts(options, sensor, number)
    light = Light(
        sensor=sensor,
        pixel_m=PIXEL_M[sensor],
        sun_elevation_deg=sun.elevation_deg,
        sun_azimuth_grid_deg=sun.azimuth_deg - turn,
        zenith_deg=zenith,
        view_azimuth_grid_deg=azimuth - turn,
        aerosol=aerosol if options.nuisances.haze else 0.08,
        psf_sigma_px=drawn if options.nuisances.psf else 0.5 * (low + high),
        band_shift_px=shift,
    )
    scene_id, platform = _name(sensor, when, rng)
    haze = 1.0 if options.nuisances.haze else 0.0
    noisy = 1.0 if options.nuisances.noise else 0.0
    fade = np.linspace(1.0, 0.3, len(bands))
    left_over = haze * rng.normal(0.003, 0.004) * fade
    edge = None
    bearing, offset = float(rng.uniform(0, 360)), float(rng.uniform(0.05, 0.42))
    if rng.random() < 0.12 and options.nuisances.nodata_edges:
        edge = (bearing, offset * options.extent_m)
    return LookPlan(
        scene_id=scene_id,
        sensor=sensor,
        platform=platform,
        when=when,
        sun=sun,
        zenith_deg=zenith,
        view_azimuth_deg=azimuth % 360.0,
        light=light,
        weather=_weather(stream(options, "weather", sensor, number), light, options),
        cloud_cover=_cover(options, sensor, number),
        residual=tuple(float(value) for value in left_over),
        gain=float(1 + noisy * rng.normal(0, 0.02)),
        noise=noisy * float(rng.uniform(0.0012, 0.0022) if sensor == "planetscope" else 0.0009),
        edge=edge,
        bright_fault=bool(rng.random() < 0.4) and options.nuisances.mask_faults,
        tide_m=_tide_m(options, when),
    )


def _shifts(
    options: SimOptions, sensor: SensorKind, number: int
) -> tuple[tuple[float, float], ...]:
    """Rows and columns by which bands lie beside their place: within a circle of the scene's own.

    Its radius is a quarter of a pixel at most, so that two bands are half a pixel apart at most.
    """
    count = len(BANDS[sensor])
    if not options.nuisances.misregistration:
        return ((0.0, 0.0),) * count
    rng = stream(options, "shift", sensor, number)
    radius = rng.uniform(0.02, 0.25) * np.sqrt(rng.uniform(0, 1, count))
    angle = rng.uniform(0, 2 * np.pi, count)
    moves = zip(radius * np.cos(angle), radius * np.sin(angle), strict=True)
    return tuple((float(down), float(right)) for down, right in moves)


def _tide_m(options: SimOptions, when: dt.datetime) -> float:
    """Half-daily and daily tide (periods of M2 and K1), 0.1-0.9 m either way in all."""
    if not options.nuisances.tide:
        return 0.0
    rng = stream(options, "tide")
    size, share = rng.uniform(0.1, 0.9), rng.uniform(0.5, 0.9)
    phases = rng.uniform(0, 2 * np.pi, 2)
    hours = when.timestamp() / 3600.0
    waves = np.cos(2 * np.pi * hours / np.array([12.4206, 23.9345]) + phases)
    return float(size * (waves @ np.array([share, 1 - share])))


def _view(options: SimOptions, sensor: SensorKind, rng: np.random.Generator) -> tuple[float, float]:
    """Zenith angle and azimuth of the sensor: across a track that runs about 190 degrees."""
    side = 1.0 if rng.random() < 0.5 else -1.0
    azimuth = (10.0 + 90.0 * side + rng.normal(0, 6)) % 360.0
    size = abs(rng.normal(0, 3.2)) if sensor == "planetscope" else rng.uniform(2.5, 9.5)
    if not options.nuisances.off_nadir:
        return 0.0, float(azimuth)
    return float(min(size, 12.0)), float(azimuth)


def _weather(rng: np.random.Generator, light: Light, options: SimOptions) -> Weather:
    wind = float(np.clip(rng.weibull(2.0) * 5.5, 0.3, 14.0))
    bearing = float(rng.uniform(0, 360))
    turbidity = float(np.clip(rng.normal(0.22, 0.13), 0.0, 0.9))
    mirrored = float(0.004 + 0.0012 * wind + abs(rng.normal(0, 0.003)))
    glint = options.nuisances.glint
    sun = sun_glint(light, wind) if glint else 0.6 * mirrored
    calm = sun_glint(light, CALM * wind) if glint else 0.25 * sun
    return Weather(
        wind_m_s=wind,
        wind_from_deg=bearing,
        turbidity=turbidity,
        sky_glint=0.4 * mirrored,
        sun_glint=sun,
        calm_glint=calm,
    )


def _cover(options: SimOptions, sensor: SensorKind, number: int) -> float:
    """Cloud cover: mostly clear or mostly overcast, as weather is (a beta law, U-shaped)."""
    mean = options.clouds if options.nuisances.clouds else 0.0
    rng = stream(options, "cover", sensor, number)
    if mean <= 0 or mean >= 1:
        return float(mean)
    cover = float(rng.beta(0.55 * mean / 0.5, 0.55 * (1 - mean) / 0.5))
    return 0.0 if cover < 0.02 else min(cover, 1.0)


def _name(sensor: SensorKind, when: dt.datetime, rng: np.random.Generator) -> tuple[str, str]:
    if sensor == "planetscope":
        unit = f"24{int(rng.integers(0, 256)):02x}"
        return f"{when:%Y%m%d_%H%M%S}_{int(rng.integers(10, 99))}_{unit}", unit
    letter = str(rng.choice(("A", "B")))
    return f"S2{letter}_53TLH_{when:%Y%m%d}_0_L2A", f"sentinel-2{letter.lower()}"
