"""Small made-up scenes for the mask's tests: sea, land, ships, and clouds with their shade."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

BANDS = ("blue", "green", "red", "nir", "swir16")
SEA = np.array([0.05, 0.045, 0.025, 0.012, 0.008], dtype=np.float32)
LAND = np.array([0.05, 0.075, 0.08, 0.24, 0.22], dtype=np.float32)
DECK = np.array([0.45, 0.46, 0.47, 0.48, 0.45], dtype=np.float32)
CLOUD_TOP = np.array([0.70, 0.69, 0.69, 0.68, 0.45], dtype=np.float32)


@dataclass(frozen=True)
class Sky:
    """A scene and its truth; arrays (band, y, x) and (y, x)."""

    image: Any
    opacity: Any
    shade: Any
    land: Any
    ships: Any


def make_sky(
    *,
    size: int = 300,
    clouds: tuple[tuple[float, float, float], ...] = (),
    shade_px: tuple[int, int] = (-30, -25),
    ships: tuple[tuple[float, float, float], ...] = (),
    ship_px: tuple[float, float] = (20.0, 3.2),
    land_from: float = 0.5,
    noise: float = 0.002,
    seed: int = 0,
) -> Sky:
    """Return a scene whose right part is land; clouds are (row, col, radius) with soft rims.

    `ships` are (row, col, heading in degrees) rectangles of `ship_px` (length, beam).
    """
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:size, :size].astype(np.float32)
    land = cols >= land_from * size
    image = np.where(land, LAND[:, None, None], SEA[:, None, None])
    rough = ndimage.gaussian_filter(rng.standard_normal((size, size)), 1.5)
    image = image * (1 + 0.6 * np.where(land, rough, 0))
    hulls = np.zeros((size, size), dtype=bool)
    for row, col, heading in ships:
        s, c = np.sin(np.radians(heading)), np.cos(np.radians(heading))
        along, across = (cols - col) * s - (rows - row) * c, (cols - col) * c + (rows - row) * s
        hulls |= (np.abs(along) <= ship_px[0] / 2) & (np.abs(across) <= ship_px[1] / 2)
    image = np.where(hulls, DECK[:, None, None], image)
    depth = np.zeros((size, size), dtype=np.float32)
    ragged = ndimage.gaussian_filter(rng.standard_normal((size, size)), 3.0)
    ragged /= ragged.std()
    for row, col, radius in clouds:
        reach = np.hypot(rows - row, cols - col) - 1.5 * ragged
        depth = np.maximum(depth, np.clip((radius - reach) / 7.0, 0.0, 1.0))
    opacity = np.clip(1.2 * depth, 0, 1)
    shade = ndimage.shift(depth, shade_px, order=1)
    image = image * (1 - 0.7 * shade)
    image = image * (1 - opacity) + CLOUD_TOP[:, None, None] * opacity
    image = ndimage.gaussian_filter(image, (0, 0.5, 0.5))
    image = image + noise * rng.standard_normal(image.shape)
    return Sky(image.astype(np.float32), opacity, shade, land, hulls)
