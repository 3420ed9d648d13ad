"""The measured profile across a hull, as an evidence figure draws it."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["measured_profile"]

_BINS_PER_PIXEL = 2.0


def measured_profile(across_m: Any, values: Any, model: Any, pixel_m: float) -> Any:
    """Return means across a hull, float32 (1 + 3 bands, bin); see Freeboard.profile_key.

    Parameters
    ----------
    across_m
        (pixel,) places across, cleared of the hull's skew [m].
    values, model
        (band, pixel) observed and fitted.
    pixel_m
        Pixel size across the hull [m]; bins are half as wide.
    """
    step = pixel_m / _BINS_PER_PIXEL
    start = float(across_m.min())
    index = ((across_m - start) / step).astype(int)
    count = int(index.max()) + 1
    pixels = np.bincount(index, minlength=count)
    some = np.maximum(pixels, 1)
    rows = [start + (np.arange(count) + 0.5) * step]
    for seen, fitted in zip(values, model, strict=True):
        mean = np.bincount(index, seen, count) / some
        left = seen - fitted
        # About the fit, not the mean: the profile rises within a bin. Where one or two pixels
        # say little of their scatter, that of the whole profile stands in.
        whole = float(np.var(left))
        scatter = np.bincount(index, left**2, count) / some
        scatter = scatter - (np.bincount(index, left, count) / some) ** 2
        spread = np.sqrt((scatter * some + 2.0 * whole) / (some + 1.0) / some)
        rows += [mean, np.bincount(index, fitted, count) / some, spread]
    out = np.stack(rows)
    out[1:, pixels == 0] = np.nan
    return out.astype(np.float32)
