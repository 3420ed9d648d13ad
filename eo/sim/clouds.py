"""Clouds: soft, of many sizes, seen where the view meets them and shading where the sun does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

__all__ = ["CLOUD_REFLECTANCE", "Cloud", "cloud_field", "fractal_noise"]

Array = Any

CLOUD_REFLECTANCE = {"blue": 0.70, "green": 0.69, "red": 0.69, "nir": 0.68, "swir16": 0.42}
"""Of thick water cloud."""


def fractal_noise(rng: np.random.Generator, size: int, slope: float) -> Array:
    """Return a periodic field of power spectrum k^-slope, mean 0 and deviation 1, float32."""
    wave = np.fft.fft2(rng.standard_normal((size, size)))
    k = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None, :])
    k[0, 0] = np.inf
    field = np.fft.ifft2(wave * k ** (-slope / 2)).real
    return (field / field.std()).astype(np.float32)


@dataclass(frozen=True, kw_only=True, eq=False)
class Cloud:
    """One layer of cloud."""

    depth: Array
    """Optical depth on a periodic square lattice; zero where there is none."""
    step_m: float
    """Lattice step."""
    base_m: float
    """Height above the water."""

    def depth_at(self, x: Array, y: Array, shift: tuple[float, float]) -> Array:
        """Return the optical depth met by rays through (x, y) that move by `shift` per metre."""
        col = (x + self.base_m * shift[0]) / self.step_m
        row = (y + self.base_m * shift[1]) / self.step_m
        rows, cols = np.broadcast_arrays(row, col)
        return ndimage.map_coordinates(self.depth, [rows, cols], order=1, mode="grid-wrap")


def cloud_field(rng: np.random.Generator, cover: float, extent_m: float) -> Cloud | None:
    """Return a layer that covers about a share `cover` of the sky, or None for a clear one.

    Parameters
    ----------
    rng
        Random stream.
    cover
        Share of the area under cloud thicker than 0.3, 0-1.
    extent_m
        Side of the area [m].
    """
    if cover <= 0.005:
        return None
    size = 768
    step = 3.0 * extent_m / size
    field = fractal_noise(rng, size, slope=float(rng.uniform(3.0, 3.7)))
    # A threshold on the sorted field, but over the area itself, which lies at the lattice's origin.
    near = np.roll(field, (size // 6, size // 6), axis=(0, 1))[: size // 3, : size // 3]
    level = np.quantile(near, 1 - cover) if cover < 0.999 else near.min() - 0.5
    softness = rng.uniform(0.04, 0.16)
    thickest = rng.uniform(3.0, 12.0) if rng.random() > 0.15 else rng.uniform(0.5, 1.5)
    # Thin rims: the depth grows from nothing just outside the contour to its full value inside.
    rise = np.clip((field - level) / (4.0 * softness) + 0.08, 0.0, 1.0)
    depth = ndimage.gaussian_filter(thickest * rise, rng.uniform(0.8, 2.5), mode="wrap")
    return Cloud(
        depth=depth.astype(np.float32), step_m=step, base_m=float(rng.uniform(600.0, 2500.0))
    )
