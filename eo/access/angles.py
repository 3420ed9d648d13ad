"""Sun and view angles under any of the names that catalogs give them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eo.access.fields import first_number, number

__all__ = ["Angles", "angles_of"]

_SUN_ELEVATION = (
    "view:sun_elevation",
    "eo:sun_elevation",
    "sun_elevation",
    "sunElevation",
    "pl:sun_elevation",
    "sentinel:sun_elevation",
    "SUN_ELEVATION",
)
_SUN_ZENITH = (
    "s2:mean_solar_zenith",
    "view:sun_zenith",
    "sentinel:mean_solar_zenith",
    "mean_solar_zenith",
    "sun_zenith",
    "MEAN_SOLAR_ZENITH_ANGLE",
    "illuminationZenithAngle",
)
_SUN_AZIMUTH = (
    "view:sun_azimuth",
    "s2:mean_solar_azimuth",
    "eo:sun_azimuth",
    "sun_azimuth",
    "sunAzimuth",
    "pl:sun_azimuth",
    "sentinel:sun_azimuth",
    "sentinel:mean_solar_azimuth",
    "mean_solar_azimuth",
    "SUN_AZIMUTH",
    "MEAN_SOLAR_AZIMUTH_ANGLE",
    "illuminationAzimuthAngle",
)
_INCIDENCE = (
    "view:incidence_angle",
    "s2:mean_incidence_zenith",
    "eo:incidence_angle",
    "incidence_angle",
    "incidenceAngle",
    "MEAN_INCIDENCE_ZENITH_ANGLE_B8",
)
_OFF_NADIR = (
    "view:off_nadir",
    "eo:off_nadir",
    "pl:off_nadir",
    "off_nadir",
    "view_angle",
    "pl:view_angle",
)
_VIEW_AZIMUTH = (
    "view:azimuth",
    "s2:mean_incidence_azimuth",
    "eo:azimuth",
    "satellite_azimuth",
    "pl:satellite_azimuth",
    "MEAN_INCIDENCE_AZIMUTH_ANGLE_B8",
)

_STEEPEST_DEG = 80.0
"""No optical scene is taken flatter than this; a larger angle is a mistake."""


@dataclass(frozen=True, kw_only=True)
class Angles:
    """What an item says of sun and sensor; None where it says nothing that can be true."""

    sun_elevation_deg: float | None
    """Sun above the horizon."""
    sun_azimuth_deg: float | None
    """Direction towards the sun, 0-360."""
    incidence_deg: float | None
    """Sensor's zenith angle at the ground."""
    off_nadir_deg: float | None
    """Angle at the satellite."""
    view_azimuth_deg: float | None
    """Direction from the target towards the sensor, 0-360."""
    notes: tuple[str, ...]
    """What was left out."""


def angles_of(properties: Mapping[str, Any]) -> Angles:
    """Return an item's angles; impossible values are left out, with a note.

    Notes
    -----
    `view:azimuth` is taken as the direction from the target towards the sensor, which is what
    Sentinel-2 items hold; Planet's `satellite_azimuth` is the same. A negative off-nadir angle
    (Planet counts it east and west) is taken without its sign.
    """
    notes: list[str] = []
    elevation = _angle(properties, _SUN_ELEVATION, -90, 90, notes)
    if elevation is None:
        zenith = _angle(properties, _SUN_ZENITH, 0, 180, notes)
        elevation = None if zenith is None else 90.0 - zenith
    sun_azimuth = _angle(properties, _SUN_AZIMUTH, -180, 360, notes)
    incidence = _angle(properties, _INCIDENCE, 0, _STEEPEST_DEG, notes)
    off_nadir = _angle(properties, _OFF_NADIR, -_STEEPEST_DEG, _STEEPEST_DEG, notes)
    view_azimuth = _angle(properties, _VIEW_AZIMUTH, -180, 360, notes)
    return Angles(
        sun_elevation_deg=elevation,
        sun_azimuth_deg=None if sun_azimuth is None else sun_azimuth % 360,
        incidence_deg=incidence,
        off_nadir_deg=None if off_nadir is None else abs(off_nadir),
        view_azimuth_deg=None if view_azimuth is None else view_azimuth % 360,
        notes=tuple(notes),
    )


def _angle(
    properties: Mapping[str, Any],
    names: tuple[str, ...],
    low: float,
    high: float,
    notes: list[str],
) -> float | None:
    for name in names:
        value = properties.get(name)
        if value is not None and number(value, low, high) is None:
            notes.append(f"{name} is {value!r:.40}, not an angle in {low:g}..{high:g}: left out")
    return first_number(properties, names, low, high)
