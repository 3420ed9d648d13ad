"""Pictures and profiles of measured vessels, kept beside what was measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eo.core.freeboard import Freeboard
from eo.core.records import Chip, Target
from eo.core.seams import NativePixels
from eo.stages.freeboard import Measured

__all__ = ["around", "keep_pictures", "picture"]

_CHIP_MARGIN_M = 60.0


def keep_pictures(
    number: int,
    target: Target,
    pixels: NativePixels | None,
    found: Measured,
    pictures: dict[str, Any],
) -> tuple[Freeboard, Chip | None]:
    """Put a vessel's chip and profile among the pictures; return what names them.

    Parameters
    ----------
    number
        Of the vessel within her scene and tile: arrays are `chip{number}`, `profile{number}`.
    pixels
        The scene's own, None where there are none.
    pictures
        Arrays by key; added to.
    """
    chip, freeboard = None, found.freeboard
    if pixels is not None:
        near = around(pixels, target)
        pictures[f"chip{number}"] = picture(near)
        chip = Chip(key=f"chip{number}", map_to_pixel=near.map_to_pixel)
    if found.profile is not None:
        freeboard = replace(freeboard, profile_key=f"profile{number}")
        pictures[f"profile{number}"] = found.profile
    return freeboard, chip


def around(pixels: NativePixels, target: Target) -> NativePixels:
    """Return the part of a native window that shows a hull and a margin."""
    a, b, c, d, e, f = pixels.map_to_pixel
    points = np.asarray(target.hull.outline)
    cols = a * points[:, 0] + b * points[:, 1] + c
    rows = d * points[:, 0] + e * points[:, 1] + f
    margin = _CHIP_MARGIN_M * float(np.hypot(a, b))
    height, width = pixels.saturated.shape
    row0, row1 = max(0, int(rows.min() - margin)), min(height, int(rows.max() + margin) + 1)
    col0, col1 = max(0, int(cols.min() - margin)), min(width, int(cols.max() + margin) + 1)
    return NativePixels(
        bands=pixels.bands,
        reflectance=pixels.reflectance[:, row0:row1, col0:col1],
        saturated=pixels.saturated[row0:row1, col0:col1],
        map_to_pixel=(a, b, c - col0, d, e, f - row0),
    )


def picture(pixels: NativePixels) -> NDArray[np.uint8]:
    """Return (y, x, 3) uint8, red green blue, stretched over the window's own range."""
    names = [n for n in ("red", "green", "blue") if n in pixels.bands]
    planes = np.stack([pixels.reflectance[pixels.bands.index(n)] for n in names], axis=-1)
    if planes.shape[-1] != 3:
        planes = np.repeat(planes[..., :1], 3, axis=-1)
    seen = planes[np.isfinite(planes).all(axis=-1)]
    if not seen.size:
        return np.zeros(planes.shape, np.uint8)
    low, high = np.percentile(seen, 1), np.percentile(seen, 99.5)
    scaled = np.clip((planes - low) / max(high - low, 1e-4), 0, 1) ** 0.7
    return np.asarray(np.nan_to_num(scaled * 255), np.uint8)
