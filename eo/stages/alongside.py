"""What lies against a hull or in her shade, told by the fit: a barge, a tug, another edge.

What can be seen as such was found and struck out before (`eo.stages.shade`). What is left shows in
the fit: a hull too broad for her length, or a strip that is not the same all along.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from eo.core.records import Hull
from eo.physics.hull import usual_beam_m
from eo.stages.shade import HullPixels

__all__ = ["stands_in_strip", "too_broad"]

_BEAM_SDS = 2.4
"""Spreads of the beam at one length beyond which a hull is not hers alone."""
_PIXEL_SDS, _ROW_SDS = 2.5, 3.5
"""Sds of the water's noise by which one pixel of a strip may be brighter than its fit, and by which
rows of it may differ, bands averaged: texture, rows' places within a pixel."""
_REACH_PX = 0.5


def too_broad(hull: Hull, beam_m: float, beam_sd_m: float) -> bool:
    """Whether what was fitted is far too broad, or too slim, to be the hull of a tanker so long."""
    usual, usual_sd = usual_beam_m(hull.length_m, hull.length_sd_m)
    return abs(beam_m - usual) > _BEAM_SDS * float(np.hypot(usual_sd, beam_sd_m))


def stands_in_strip(
    pixels: HullPixels, residual: Any, noise: Any, *, edge_m: float, width_m: float
) -> bool:
    """Whether something stands in a strip of coarse pixels: it brightens some rows, or one pixel.

    Parameters
    ----------
    pixels
        Those of the fit.
    residual
        (band, pixel) observed less fitted.
    noise
        (band,) sd of the water's noise.
    edge_m, width_m
        Where the strip begins across, and how wide it is, or usually would be if that is more [m].

    Notes
    -----
    Where pixels are fine such rows are seen for themselves and struck out; of four rows of 10 m one
    that a tug half fills leaves a strip that is shorter, and none the less sharp.
    """
    reach = _REACH_PX * pixels.pixel_m
    across = pixels.across_m
    strip = (across > edge_m + reach) & (across < edge_m + width_m + reach)
    if not strip.any():
        return False
    score = np.mean(residual[:, strip] / noise[:, None], axis=0)
    size = float(np.sqrt(pixels.pixel_area_m2))
    row = ((pixels.along_m[strip] - pixels.body_m[0]) / size).astype(int)
    count = np.bincount(row)
    means = np.bincount(row, score)[count > 0] / count[count > 0]
    return bool(score.max() > _PIXEL_SDS or np.ptp(means) > _ROW_SDS)
