"""What is known of each sensor before its pixels are read.

Wavelengths are from ESA's Sentinel-2 MSI and Planet's PlanetScope (SuperDove) product
specifications; point-spread widths are priors that the fit in `eo.kernels.profile` refines.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SENSORS", "Sensor", "group_name", "sensor_of"]


@dataclass(frozen=True, kw_only=True)
class Sensor:
    """One kind of sensor."""

    key: str
    """Name used in cube groups and tables."""
    gsd_m: float
    """Pixel size of the cube's group."""
    altitude_m: float | None
    """Height of the orbit, for off-nadir angles given at the satellite; None if unknown."""
    cube_bands: tuple[str, ...]
    """Bands kept in the cube, by common name, in this order."""
    required_bands: tuple[str, ...]
    """Bands without which a scene cannot be used."""
    native_bands: tuple[str, ...]
    """Bands at the full pixel size: those the shadow is measured in."""
    psf_sigma_px: float
    """Gaussian point-spread width, optics and detector together, in pixels: prior mean."""
    psf_sigma_sd_px: float
    """Its spread from scene to scene."""


_RGB = ("blue", "green", "red")

SENSORS: dict[str, Sensor] = {
    "sentinel-2": Sensor(
        key="sentinel-2",
        gsd_m=10.0,
        altitude_m=786_000.0,
        cube_bands=(*_RGB, "nir", "swir16"),
        required_bands=_RGB,
        native_bands=(*_RGB, "nir"),
        psf_sigma_px=0.5,
        psf_sigma_sd_px=0.1,
    ),
    "planetscope": Sensor(
        key="planetscope",
        gsd_m=3.0,
        altitude_m=500_000.0,
        cube_bands=(*_RGB, "nir"),
        required_bands=_RGB,
        native_bands=(*_RGB, "nir"),
        psf_sigma_px=0.6,
        psf_sigma_sd_px=0.12,
    ),
    "skysat": Sensor(
        key="skysat",
        gsd_m=1.0,
        altitude_m=450_000.0,
        cube_bands=(*_RGB, "nir"),
        required_bands=_RGB,
        native_bands=(*_RGB, "nir"),
        psf_sigma_px=0.7,
        psf_sigma_sd_px=0.15,
    ),
    "unknown": Sensor(
        key="unknown",
        gsd_m=10.0,
        altitude_m=None,
        cube_bands=(*_RGB, "nir"),
        required_bands=_RGB,
        native_bands=(*_RGB, "nir"),
        psf_sigma_px=0.6,
        psf_sigma_sd_px=0.2,
    ),
}


def sensor_of(key: str) -> Sensor:
    """Return the sensor named `key`, or the entry for unknown ones."""
    return SENSORS.get(key, SENSORS["unknown"])


def group_name(sensor: str, pixel_m: float) -> str:
    """Return the cube group of a sensor at a pixel size, such as ``sentinel-2-10m``."""
    return f"{sensor}-{pixel_m:g}m"
