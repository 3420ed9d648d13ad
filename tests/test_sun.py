"""The sun held against pvlib's SPA, the view held against plain geometry."""

from __future__ import annotations

import datetime as dt
import math
import random

import pandas as pd
import pvlib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eo.physics.sun import EARTH_RADIUS_M, solar_position, sun_distance_au, zenith_at_ground


def test_solar_position_is_that_of_spa() -> None:
    rng = random.Random(20240419)
    for _ in range(150):
        when = dt.datetime(2015, 1, 1, tzinfo=dt.UTC) + dt.timedelta(
            seconds=rng.uniform(0, 20 * 365.25 * 86400)
        )
        lon, lat = rng.uniform(-180, 180), rng.uniform(-75, 75)
        spa = pvlib.solarposition.spa_python(pd.DatetimeIndex([when]), lat, lon, how="numpy")
        elevation, azimuth = solar_position(when, lon, lat)
        off = (azimuth - spa.azimuth.iloc[0] + 180) % 360 - 180
        assert elevation == pytest.approx(spa.elevation.iloc[0], abs=0.02)
        # Azimuth loses its meaning near the zenith: held as an angle on the sky.
        assert abs(off) * math.cos(math.radians(elevation)) < 0.02


def test_distance_is_that_of_spa() -> None:
    for month in range(1, 13):
        when = dt.datetime(2024, month, 15, tzinfo=dt.UTC)
        other = pvlib.solarposition.nrel_earthsun_distance(pd.DatetimeIndex([when]))
        assert sun_distance_au(when) == pytest.approx(other.iloc[0], abs=1e-4)


@pytest.mark.parametrize("bad", [(math.nan, 0.0), (0.0, 91.0), (0.0, math.nan)])
def test_place_must_be_on_earth(bad: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="not on Earth"):
        solar_position(dt.datetime(2024, 1, 1, tzinfo=dt.UTC), *bad)


def test_time_must_have_a_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        solar_position(dt.datetime(2024, 1, 1), 0, 0)  # noqa: DTZ001


@given(st.floats(0, 60), st.floats(200e3, 800e3))
def test_zenith_at_ground_closes_the_triangle(zenith: float, altitude_m: float) -> None:
    # From the ground upwards: place the satellite on the line of sight, look back from it.
    radius = EARTH_RADIUS_M
    i = math.radians(zenith)
    slant = -radius * math.cos(i) + math.sqrt(
        (radius * math.cos(i)) ** 2 + 2 * radius * altitude_m + altitude_m**2
    )
    x, y = slant * math.sin(i), radius + slant * math.cos(i)
    off_nadir = math.degrees(math.atan2(x, y) - 0)  # angle at Earth's centre
    off_nadir = zenith - off_nadir
    assert zenith_at_ground(off_nadir, altitude_m) == pytest.approx(zenith, abs=1e-6)


def test_a_look_past_the_earth_is_refused() -> None:
    with pytest.raises(ValueError, match="past the Earth"):
        zenith_at_ground(75, 786_000)
