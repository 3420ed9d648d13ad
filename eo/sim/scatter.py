"""Adjacency: light of bright surroundings, scattered by the air into the sensor's line of sight."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import fft, ndimage

from eo.sim.optics import WAVELENGTH_NM
from eo.sim.render import Light

__all__ = ["scattered", "scattered_share"]

Array = Any

_CELL_M = 12.0
"""Side of the cells in which surroundings are averaged."""
_CORE_M = 60.0
"""Distance within which the kernel stays flat."""
_REACH_M = 1000.0
"""Distance beyond which it is cut off."""
_LEFT = 0.5
"""What the atmospheric correction leaves of it: it knows no surroundings, or wrong ones."""


def scattered_share(light: Light) -> Array:
    """Return the share of light that comes from the surroundings, per band.

    Notes
    -----
    Diffuse over total upward transmittance for a view near the vertical, after the depths that
    :func:`eo.sim.optics.diffuse_share` uses; molecules scatter from tens of kilometres around,
    which is uniform here, so aerosol alone counts: 1 - exp(-0.5 depth), half of it corrected.
    """
    wave_um = np.array([WAVELENGTH_NM[band] for band in light.bands]) / 1000.0
    depth = light.aerosol * (wave_um / 0.55) ** -1.2
    return _LEFT * (1.0 - np.exp(-0.5 * depth))


def scattered(lit: Array, light: Light) -> Array:
    """Return a picture with its surroundings mixed in.

    Parameters
    ----------
    lit
        (part, band, y, x) reflectance.
    light
        Sensor and aerosol.

    Returns
    -------
    numpy.ndarray
        Of the same shape and kind: (1 - a) of the pixel and a of the mean of its surroundings
        under a kernel that is flat to 60 m, falls with the second power of distance and ends at
        1 km; beyond the picture its edge goes on.
    """
    share = scattered_share(light).astype(np.float32)
    step = max(1, round(_CELL_M / light.pixel_m))
    rows, cols = lit.shape[-2:]
    pad = round(_REACH_M / light.pixel_m / step)
    spread = _kernel(pad, step * light.pixel_m)
    shape = [-(-rows // step) + 2 * pad, -(-cols // step) + 2 * pad]
    shape = [fft.next_fast_len(n + 2 * pad) for n in shape]
    filtered = fft.rfft2(spread, shape)
    out = np.empty_like(lit)
    for part in range(lit.shape[0]):
        for band in range(lit.shape[1]):
            cells = np.pad(_cells(lit[part, band], step), pad, mode="edge")
            mean = fft.irfft2(fft.rfft2(cells, shape) * filtered, shape)
            mean = mean[2 * pad :, 2 * pad :][: -(-rows // step), : -(-cols // step)]
            around = _enlarged(mean, step)[:rows, :cols]
            out[part, band] = lit[part, band] + share[band] * (around - lit[part, band])
    return out


def _kernel(reach: int, cell_m: float) -> Array:
    """Weights (2 reach + 1, 2 reach + 1) that sum to 1."""
    place = np.arange(-reach, reach + 1) * cell_m
    distance = np.hypot(place[:, None], place)
    weight = 1.0 / (_CORE_M**2 + distance**2)
    weight[distance > _REACH_M] = 0.0
    return weight / weight.sum()


def _cells(image: Array, step: int) -> Array:
    rows, cols = (-(-n // step) * step for n in image.shape)
    whole = np.pad(image, ((0, rows - image.shape[0]), (0, cols - image.shape[1])), mode="edge")
    return whole.reshape(rows // step, step, cols // step, step).mean(axis=(1, 3))


def _enlarged(cells: Array, step: int) -> Array:
    """Return cells drawn out to pixels, linearly between their centres."""
    rows, cols = ((np.arange(n * step) + 0.5) / step - 0.5 for n in cells.shape)
    places = np.meshgrid(rows, cols, indexing="ij")
    return ndimage.map_coordinates(cells, places, order=1, mode="nearest").astype(np.float32)
