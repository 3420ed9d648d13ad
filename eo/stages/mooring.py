"""Sharpen a hull found along a quay at a coarse pixel, on the scene's finer ones."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import scipy.ndimage as ndi

from eo.kernels.hullfit import Box, box_weights, crossings, frame
from eo.stages.pixels import Pixels

__all__ = ["in_proportion", "seen_clear", "sharpened"]

_SURROUND_M = 30.0
_STEP_PX = 0.5
_BEAM_POWER, _BEAM_LEVEL = 1.042, -2.015
"""ln beam = power * ln length + level [m], of 668 tankers as broadcast; their spread is 0.08."""
_BEAM_SPREAD = 0.12
"""Spread of the beam at one length, container ships, bulkers and ferries among the tankers."""
_INNER_SIDE_SD_M = 8.0
"""Standard deviation of the step from hull to quay at 10 m: the beams tried are 5 m apart."""
_SOFT = 0.3
"""Rise two pixels outside over that inside, above which a side is a cloud's or a shoal's."""


def in_proportion(box: Box, pixel_m: float) -> Box:
    """Return the box with a breadth that a ship of her length can have; her outer side stays.

    At a coarse pixel the step from hull to quay is uncertain by half a beam, while ships of one
    length differ by a tenth in beam: both are weighed by their variance.
    """
    length, seen = box.length_px * pixel_m, box.width_px * pixel_m
    usual = math.exp(_BEAM_POWER * math.log(length) + _BEAM_LEVEL)
    usual_sd, seen_sd = (
        _BEAM_SPREAD * usual,
        math.hypot(_INNER_SIDE_SD_M, box.width_sd_px * pixel_m),
    )
    share = usual_sd**2 / (usual_sd**2 + seen_sd**2)
    beam = share * seen + (1 - share) * usual
    row, col = box.at(0.0, (beam - seen) / 2 / pixel_m)
    sd = math.sqrt(share) * seen_sd / pixel_m
    return replace(box, row=row, col=col, width_px=beam / pixel_m, width_sd_px=sd)


def seen_clear(box: Box, scene: Pixels) -> bool:
    """Whether the box and its surroundings are clear but for a twentieth."""
    weights, where = box_weights(scene.clear.shape, box, grow_px=_SURROUND_M / scene.pixel_m)
    return float((weights * scene.clear[where]).sum()) > 0.95 * float(weights.sum())


def sharpened(box: Box, scene: Pixels) -> Box | None:
    """Return the box with its sides where the fine pixels have them; None if it has no edge.

    The outer side is the water's edge. The inner one, towards the quay (+v), is the strongest
    step of colour between 0.55 and 1.3 times the beam that the coarse search gave.
    """
    u = np.linspace(-0.35, 0.35, 31) * box.length_px
    start = -box.width_px / 2 + 2.0
    outward = start - np.arange(0.0, 8.0, _STEP_PX)
    away = crossings(frame(scene.cover, box, u, outward))
    if np.isfinite(away).mean() < 0.6:
        return None
    outer = start - float(np.nanmedian(away))
    rise = np.median(frame(scene.rise, box, u, np.array([outer - 2.0, outer + 2.0])), axis=0)
    if rise[0] > _SOFT * rise[1]:
        return None
    v = outer + np.arange(0.55 * box.width_px, 1.3 * box.width_px, _STEP_PX)
    colour = np.stack([np.median(frame(band, box, u, v), axis=0) for band in scene.colour])
    step = np.zeros(v.size)
    step[2:-2] = np.sqrt(((colour[:, 4:] - colour[:, :-4]) ** 2).mean(axis=0))
    inner = float(v[int(np.argmax(ndi.uniform_filter1d(step, 3)))])
    row, col = box.at(0.0, (outer + inner) / 2)
    return replace(box, row=row, col=col, width_px=inner - outer, width_sd_px=1.0)
