"""Where the sun stands, and what an off-nadir angle at the satellite is at the ground.

Refuses to do refraction: shadows of ships are measured under a sun high enough (10 degrees and
more) for it to stay below 0.1 degree, and the sun angles that come with scenes leave it out too.

References
----------
J. Meeus, *Astronomical Algorithms*, 2nd ed., 1998, chapters 12, 22 and 25 (lower accuracy,
0.01 degree); the same series stand behind NOAA's solar calculator,
https://gml.noaa.gov/grad/solcalc/.
"""

from __future__ import annotations

import datetime as dt
import math

__all__ = ["EARTH_RADIUS_M", "solar_position", "sun_distance_au", "zenith_at_ground"]

EARTH_RADIUS_M = 6_371_000.0
"""Mean radius of the Earth (IUGG)."""

_J2000 = dt.datetime(2000, 1, 1, 12, tzinfo=dt.UTC)
_TT_MINUS_UT_S = 69.2
"""Terrestrial minus universal time, 2020-2030, to a second; worth 0.001 degree a minute."""


def _centuries(when: dt.datetime) -> tuple[float, float]:
    """Julian centuries since J2000, in universal and in terrestrial time."""
    if when.tzinfo is None:
        raise ValueError(f"time {when} has no time zone; the sun's place needs UTC")
    seconds = (when - _J2000).total_seconds()
    century_s = 36525.0 * 86400.0
    return seconds / century_s, (seconds + _TT_MINUS_UT_S) / century_s


def _anomaly_and_centre(T: float) -> tuple[float, float]:
    """Sun's mean anomaly and equation of centre [rad, deg]; Meeus (25.3) and following."""
    M = math.radians(357.52911 + 35999.05029 * T - 0.0001537 * T * T)
    C = (
        (1.914602 - 0.004817 * T - 0.000014 * T * T) * math.sin(M)
        + (0.019993 - 0.000101 * T) * math.sin(2 * M)
        + 0.000289 * math.sin(3 * M)
    )
    return M, C


def sun_distance_au(when: dt.datetime) -> float:
    """Return the distance from Earth to sun [astronomical units]; Meeus (25.5).

    Raises
    ------
    ValueError
        If `when` has no time zone.
    """
    _, T = _centuries(when)
    M, C = _anomaly_and_centre(T)
    e = 0.016708634 - 0.000042037 * T
    return 1.000001018 * (1 - e * e) / (1 + e * math.cos(M + math.radians(C)))


def _right_ascension_declination(T: float) -> tuple[float, float, float, float]:
    """Apparent right ascension and declination, nutation in longitude, obliquity [rad]."""
    L0 = 280.46646 + 36000.76983 * T + 0.0003032 * T * T  # (25.2)
    _, C = _anomaly_and_centre(T)
    omega = math.radians(125.04452 - 1934.136261 * T)
    # Nutation (chapter 22, lower accuracy) and aberration, both in degrees.
    two_L = math.radians(2 * L0)
    d_psi = (-17.20 * math.sin(omega) - 1.32 * math.sin(two_L)) / 3600
    d_eps = (9.20 * math.cos(omega) + 0.57 * math.cos(two_L)) / 3600
    longitude = math.radians(L0 + C + d_psi - 20.4898 / 3600)
    eps0 = 23.4392911 - 0.0130042 * T - 1.64e-7 * T * T  # (22.2)
    eps = math.radians(eps0 + d_eps)
    alpha = math.atan2(math.cos(eps) * math.sin(longitude), math.cos(longitude))  # (25.6)
    delta = math.asin(math.sin(eps) * math.sin(longitude))  # (25.7)
    return alpha, delta, math.radians(d_psi), eps


def solar_position(when: dt.datetime, lon_deg: float, lat_deg: float) -> tuple[float, float]:
    """Return the sun's elevation and azimuth, without refraction.

    Parameters
    ----------
    when
        Aware time.
    lon_deg, lat_deg
        Place, degrees east and north. [degree]

    Returns
    -------
    tuple of float
        Elevation above the horizon, and azimuth clockwise from true north, 0-360. [degree]

    Raises
    ------
    ValueError
        If `when` has no time zone, or the place is not on Earth.

    Notes
    -----
    Within 0.01 degree of the Solar Position Algorithm (Reda and Andreas 2004,
    doi:10.1016/j.solener.2003.12.003) for 2000-2050.
    """
    if not (abs(lat_deg) <= 90 and math.isfinite(lon_deg)):
        raise ValueError(f"place lon {lon_deg}, lat {lat_deg} is not on Earth")
    T_ut, T = _centuries(when)
    alpha, delta, d_psi, eps = _right_ascension_declination(T)
    days = T_ut * 36525.0
    # Sidereal time at Greenwich (12.4), with the equation of the equinoxes.
    sidereal = math.radians((280.46061837 + 360.98564736629 * days + 0.000387933 * T_ut**2) % 360)
    H = sidereal + d_psi * math.cos(eps) + math.radians(lon_deg) - alpha
    phi = math.radians(lat_deg)
    # Unit vector towards the sun: east, north, up (13.5, 13.6 rewritten to need no division).
    east = -math.cos(delta) * math.sin(H)
    north = math.sin(delta) * math.cos(phi) - math.cos(delta) * math.cos(H) * math.sin(phi)
    up = math.sin(phi) * math.sin(delta) + math.cos(phi) * math.cos(delta) * math.cos(H)
    # The sun seen from the ground, not from the Earth's centre: parallax 8.794".
    elevation = math.atan2(up, math.hypot(east, north))
    elevation -= math.radians(8.794 / 3600) * math.cos(elevation)
    return math.degrees(elevation), math.degrees(math.atan2(east, north)) % 360


def zenith_at_ground(off_nadir_at_satellite_deg: float, altitude_m: float) -> float:
    """Return the sensor's zenith angle at the ground, asin((1 + h/R) sin(off-nadir)).

    Parameters
    ----------
    off_nadir_at_satellite_deg
        Angle at the satellite between nadir and the target. [degree]
    altitude_m
        Height of the orbit h. [m]

    Returns
    -------
    float
        Angle at the target between the vertical and the sensor. [degree]

    Raises
    ------
    ValueError
        If the line of sight misses the Earth.

    Notes
    -----
    Sine rule in the triangle of Earth's centre, target and satellite; R is
    :data:`EARTH_RADIUS_M`.
    """
    sine = (1 + altitude_m / EARTH_RADIUS_M) * math.sin(math.radians(off_nadir_at_satellite_deg))
    if not abs(sine) <= 1:
        raise ValueError(
            f"an off-nadir angle of {off_nadir_at_satellite_deg} degrees from "
            f"{altitude_m / 1000:.0f} km looks past the Earth"
        )
    return math.degrees(math.asin(sine))
