"""What her proportions and her deck say of a vessel's kind.

The odds that she is a tanker start from what ships are, and move by two things that pixels show.
Her length over beam, where both are measured well: tankers are stouter than container ships and
ferries. And, where pixels are fine enough to show it, her deck: a tanker's is of one colour from
forecastle to house, while hatches, cranes and boxes make other decks change along the ship, and
her only house stands aft. Nothing here was learnt from labelled tankers, of which there are few;
the ratios are therefore bounded, and where pixels say nothing the chance is the prior.
"""

from __future__ import annotations

import math

import numpy as np

from eo.core.records import Hull
from eo.core.xp import Array
from eo.kernels.hullfit import Box, frame
from eo.stages.pixels import Pixels

__all__ = ["TANKER_PRIOR", "deck_variation", "tanker_chance"]

TANKER_PRIOR = 0.3
"""Share of oil, chemical and gas tankers among merchant ships of 60 m and more: between a quarter
and a third by number (Equasis, The world merchant fleet)."""
_SMALL_CRAFT = 0.02
"""Chance below 60 m: harbour tankers and bunker barges among tugs, boats and fishing vessels."""
_TANKERS = (6.0, 0.5)
"""Mean and spread of length over beam of 668 tankers as broadcast."""
_OTHERS = (6.4, 0.9)
"""The same of dry cargo and passenger ships: bulkers about 6, container ships 6.5 to 7.5."""
_BOUND = 2.0
"""Largest odds ratio that one kind of evidence may give, or its inverse."""
_RESOLVED_M = 5.0
_LEAST_DECK_PX = 25.0
_UNIFORM, _UNIFORM_SCALE = 0.22, 0.12
"""Deck variation at which the evidence is even, and over which it grows e-fold."""
_HOUSE_AFT = 1.5
"""Odds ratio for a bright house at one end and none between."""


def tanker_chance(hull: Hull, box: Box, scene: Pixels) -> float:
    """Return the chance that a vessel is a tanker, 0..1.

    Parameters
    ----------
    hull
        Her hull, for its size.
    box
        Where she lies in the scene.
    scene
        The scene.
    """
    if hull.length_m < 60.0:
        return _SMALL_CRAFT
    odds = TANKER_PRIOR / (1 - TANKER_PRIOR) * _proportions(hull)
    variation = deck_variation(box, scene)
    if variation is not None:
        uniform, aft = variation
        odds *= _bounded(math.exp((_UNIFORM - uniform) / _UNIFORM_SCALE))
        odds *= _HOUSE_AFT if aft else 1 / _HOUSE_AFT
    return odds / (1 + odds)


def _proportions(hull: Hull) -> float:
    """Odds ratio from length over beam, measured as well as it is."""
    ratio = hull.length_m / max(hull.beam_m, 1.0)
    sd = ratio * math.hypot(
        hull.length_sd_m / hull.length_m, hull.beam_sd_m / max(hull.beam_m, 1.0)
    )

    def density(mean: float, spread: float) -> float:
        wide = math.hypot(spread, sd)
        return math.exp(-0.5 * ((ratio - mean) / wide) ** 2) / wide

    tankers, others = density(*_TANKERS), density(*_OTHERS)
    # Beyond both kinds the densities say nothing that could be trusted.
    return _bounded((tankers + 1e-3) / (others + 1e-3))


def deck_variation(box: Box, scene: Pixels) -> tuple[float, bool] | None:
    """Return how much a deck changes along the ship, and whether her house stands at one end.

    None where pixels are too coarse. The change is the median, over bands, of the scatter of the
    deck beside its centre line between the ends, over its level.
    """
    if scene.pixel_m > _RESOLVED_M or box.length_px < _LEAST_DECK_PX or box.width_px < 4:
        return None
    u = np.linspace(-0.46, 0.46, 47) * box.length_px
    # Beside the pipes of the centre line, inside the bulwark.
    v = np.array([-0.28, -0.2, 0.2, 0.28]) * box.width_px
    decks = np.stack([np.median(frame(band, box, u, v), axis=1) for band in scene.colour])
    middle = decks[:, 12:-12]
    level = np.maximum(np.abs(np.median(middle, axis=1)), 0.01)
    spread = np.quantile(middle, 0.9, axis=1) - np.quantile(middle, 0.1, axis=1)
    return float(np.median(spread / level) / 2.56), _house_aft(decks.mean(axis=0))


def _house_aft(along: Array) -> bool:
    """Whether the brightest quarter is one end, well above what lies between."""
    ends = max(float(along[:12].max()), float(along[-12:].max()))
    middle = float(np.quantile(along[12:-12], 0.95))
    return ends > 1.3 * max(middle, 1e-3)


def _bounded(ratio: float) -> float:
    return min(max(ratio, 1 / _BOUND), _BOUND)
