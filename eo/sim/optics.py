"""Light: the sun, the sky, what things reflect, and the sensor's point spread and noise."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pvlib

__all__ = [
    "BANDS",
    "MATERIALS",
    "PSF_SIGMA_PX",
    "WAVELENGTH_NM",
    "Sun",
    "diffuse_share",
    "spread_matrix",
    "sun_at",
]

Array = Any

BANDS: dict[str, tuple[str, ...]] = {
    "planetscope": ("blue", "green", "red", "nir"),
    "sentinel-2": ("blue", "green", "red", "nir", "swir16"),
}
"""Bands of each simulated product, by common name."""

WAVELENGTH_NM = {"blue": 492.0, "green": 560.0, "red": 665.0, "nir": 835.0, "swir16": 1612.0}
"""Central wavelengths (ESA, Sentinel-2 MSI)."""

PSF_SIGMA_PX = {"planetscope": (0.45, 0.75), "sentinel-2": (0.45, 0.60)}
"""Gaussian point-spread width, detector included: least and greatest over scenes [px]."""

# Lambertian reflectance in blue, green, red, nir, swir16: field spectra rounded to what ports
# show in surface-reflectance products.
MATERIALS: dict[str, tuple[float, float, float, float, float]] = {
    "deck-red": (0.060, 0.075, 0.180, 0.230, 0.240),
    "deck-brown": (0.070, 0.085, 0.125, 0.160, 0.180),
    "deck-green": (0.075, 0.120, 0.085, 0.190, 0.170),
    "deck-grey": (0.160, 0.165, 0.170, 0.185, 0.190),
    "deck-blue": (0.130, 0.110, 0.090, 0.160, 0.150),
    "hull-black": (0.030, 0.030, 0.030, 0.035, 0.040),
    "hull-red": (0.035, 0.035, 0.110, 0.150, 0.160),
    "hull-blue": (0.110, 0.070, 0.045, 0.070, 0.070),
    "hull-grey": (0.140, 0.145, 0.150, 0.160, 0.160),
    "white": (0.520, 0.540, 0.550, 0.540, 0.450),
    "pipe": (0.200, 0.210, 0.220, 0.240, 0.230),
    "dark": (0.045, 0.045, 0.045, 0.050, 0.060),
    "concrete": (0.170, 0.190, 0.210, 0.250, 0.290),
    "asphalt": (0.070, 0.075, 0.080, 0.100, 0.130),
    "soil": (0.080, 0.105, 0.140, 0.230, 0.320),
    "green": (0.035, 0.060, 0.045, 0.290, 0.190),
    "rock": (0.080, 0.090, 0.100, 0.140, 0.170),
    "rust": (0.060, 0.075, 0.130, 0.190, 0.230),
    "orange": (0.070, 0.120, 0.420, 0.480, 0.420),
    "foam": (0.380, 0.390, 0.390, 0.370, 0.120),
}


@dataclass(frozen=True, kw_only=True)
class Sun:
    """Where the sun stands."""

    elevation_deg: float
    """Above the horizon, refraction included."""
    azimuth_deg: float
    """Clockwise from true north."""


def sun_at(when: dt.datetime, lon: float, lat: float) -> Sun:
    """Return the sun's place in the sky (NREL SPA, as pvlib computes it)."""
    position = pvlib.solarposition.get_solarposition(pd.DatetimeIndex([when]), lat, lon)
    return Sun(
        elevation_deg=float(position["apparent_elevation"].iloc[0]),
        azimuth_deg=float(position["azimuth"].iloc[0]),
    )


def diffuse_share(bands: tuple[str, ...], sun_elevation_deg: float, aerosol: float) -> Array:
    """Return the sky's share of the light on level ground, per band.

    Parameters
    ----------
    bands
        Common names.
    sun_elevation_deg
        Sun above the horizon [deg].
    aerosol
        Aerosol optical depth at 550 nm.

    Notes
    -----
    Single scattering: of what the direct beam loses, molecules send half down, aerosol 0.85.
    Rayleigh depth 0.00877 (wavelength/um)^-4.05 (Dutton et al. 1994, doi:10.1029/93JD03520);
    aerosol after Angstrom with exponent 1.2.
    """
    wave_um = np.array([WAVELENGTH_NM[band] for band in bands]) / 1000.0
    rayleigh = 0.00877 * wave_um**-4.05
    haze = aerosol * (wave_um / 0.55) ** -1.2
    path = 1.0 / np.sin(np.radians(max(sun_elevation_deg, 3.0)))
    direct = np.exp(-(rayleigh + haze) * path)
    down = (0.5 * rayleigh + 0.85 * haze) / (rayleigh + haze)
    diffuse = (1.0 - direct) * down
    return diffuse / (direct + diffuse)


@lru_cache(maxsize=64)
def spread_matrix(
    pixels: int, fine: int, margin_px: int, sigma_px: float, shift_px: float = 0.0
) -> Array:
    """Return the matrix that blurs fine samples and reads them at pixel centres.

    Parameters
    ----------
    pixels
        Pixels read.
    fine
        Samples per pixel.
    margin_px
        Pixels of samples before the first pixel and after the last.
    sigma_px
        Gaussian width [px].
    shift_px
        Displacement of the reading points [px].

    Returns
    -------
    numpy.ndarray
        (pixels, (pixels + 2 margin_px) fine) float32, rows summing to 1.
    """
    samples = (np.arange((pixels + 2 * margin_px) * fine) + 0.5) / fine - margin_px
    centres = np.arange(pixels) + 0.5 + shift_px
    weight = np.exp(-0.5 * ((samples - centres[:, None]) / sigma_px) ** 2)
    return (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)
