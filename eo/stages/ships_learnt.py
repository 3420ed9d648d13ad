"""What a ship's other looks teach of her: how deep and how light she can lie.

A ship without papers may be any of many; every look at her that was measured, whatever she
carried, weighs against those that cannot show such a freeboard. Each look is weighed by what the
*others* say, at any fill that is usual here, so that neither the look itself counts twice nor the
stage of the call enters: those of the same call; those of the same fleet vessel's other calls, as
far as identity goes; and, of a ship that no fleet file lists, those of other calls by unlisted
ships of her size, in so far as they are one ship that came again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eo.core.records import Freeboard, Stay, Vessel
from eo.physics.hull import FILL_LIMITS
from eo.stages.draws import (
    ShipDraws,
    freeboards_over,
    has_particulars,
    log_likelihood_at,
)
from eo.stages.fills_usual import flat_density

__all__ = [
    "FILLS",
    "ShipSize",
    "alike_stays",
    "any_fill_weights",
    "at_one_time",
    "if_hers",
    "learnt_weights",
    "same_ship_p",
]

FILLS = np.linspace(FILL_LIMITS[0], FILL_LIMITS[1], 221)
_COARSE = np.linspace(0.0, 1.0, 26)
_CAME_AGAIN = 0.25
"""Prior chance that two calls by unlisted ships are one ship's: a port sees the same ships again
and again (a dozen made 43 calls at the port that this was made for)."""
_ANY_LENGTH, _ANY_BEAM = 0.18, 0.10
"""Spread of lengths among ships of a trade, and of beams among ships of one length, as shares."""
_LEAST_SD = 0.005, 0.015
"""Of length and beam: what all looks at one ship get wrong alike does not part two calls."""
_LIKELY = 0.05
_FLOOR = 0.02
"""Least share of its mean that a look leaves to any draw: identity, and the look, may be wrong."""


@dataclass(frozen=True, kw_only=True)
class ShipSize:
    """Length and beam of one stay's ship as all its looks show them [m]."""

    length_m: float
    """Length."""
    length_sd_m: float
    """Its standard deviation, looks' own errors alone."""
    beam_m: float
    """Beam."""
    beam_sd_m: float
    """Its standard deviation."""


def same_ship_p(one: ShipSize, other: ShipSize) -> float:
    """Return the chance that two calls by unlisted ships are one ship's, by their sizes."""
    odds = np.log(_CAME_AGAIN / (1.0 - _CAME_AGAIN))
    for a, a_sd, b, b_sd, least, any_share in (
        (one.length_m, one.length_sd_m, other.length_m, other.length_sd_m, _LEAST_SD[0],
         _ANY_LENGTH),
        (one.beam_m, one.beam_sd_m, other.beam_m, other.beam_sd_m, _LEAST_SD[1], _ANY_BEAM),
    ):  # fmt: skip
        same = float(np.hypot(np.hypot(a_sd, b_sd), least * a))
        any_sd = float(np.hypot(any_share * a * np.sqrt(2.0), same))
        odds += np.log(any_sd / same) - 0.5 * (a - b) ** 2 * (same**-2.0 - any_sd**-2.0)
    return float(1.0 / (1.0 + np.exp(-np.clip(odds, -50.0, 50.0))))


def _any_fill(who: ShipDraws) -> Any:
    """Return the freeboards (draw, fill) of all draws over some evenly spread fills."""
    return freeboards_over(who.ships, _COARSE)


def any_fill_weights(who: ShipDraws, grid_m: Any, step_m: float) -> Any:
    """Return how much weight lies at each freeboard of a grid (height,), any fill alike.

    What lies beyond the grid counts at its ends.
    """
    heights = np.clip(_any_fill(who), grid_m[0], grid_m[-1])
    weight = np.broadcast_to(who.weight[:, None], heights.shape)
    edges = np.append(grid_m, grid_m[-1] + step_m) - 0.5 * step_m
    return np.histogram(heights, bins=edges, weights=weight)[0]


def if_hers(logs: Any, share: float) -> Any:
    """Return what a call that is hers with a chance of `share` says: nothing with the rest of it.

    `logs` is ln of its likelihood, up to a constant.
    """
    likelihood = np.exp(logs - logs.max())
    return np.log(1.0 - share + share * likelihood / likelihood.mean())


def at_one_time(one: Stay, other: Stay) -> bool:
    """Whether two stays overlap: two ships seen at one time are two."""
    return other.first_seen <= one.last_seen and one.first_seen <= other.last_seen


def alike_stays(
    stays: Sequence[Stay], sizes: Mapping[str, ShipSize]
) -> dict[str, list[tuple[str, float]]]:
    """Return, by call, other calls that may be the same unlisted ship's, and that chance.

    Two ships seen at one time are two.
    """
    unlisted = {
        stay.call_id: sum(c.probability for c in stay.candidates if c.vessel_id is None)
        for stay in stays
    }
    alike = {}
    for stay in stays:
        hers = sizes[stay.call_id]
        others = [
            (other.call_id, unlisted[other.call_id] * same_ship_p(hers, sizes[other.call_id]))
            for other in stays
            if other.call_id != stay.call_id and not at_one_time(stay, other)
        ]
        alike[stay.call_id] = sorted((key, share) for key, share in others if share >= _LIKELY)
    return alike


def learnt_weights(
    stays: Sequence[Stay],
    ships: Mapping[str, ShipDraws],
    looks: Mapping[str, Mapping[str, Freeboard]],
    fleet: Mapping[str, Vessel],
    *,
    alike: Mapping[str, Sequence[tuple[str, float]]],
    usual: Mapping[str, Any],
) -> dict[tuple[str, str], Any]:
    """Return, for each measured look of a stay, weights (draw,) of who she is by all others.

    Parameters
    ----------
    stays
        All stays.
    ships
        Draws of each stay, by call.
    looks
        Per call, what was seen in each pass, over heights above the water.
    fleet
        Known vessels.
    alike
        What :func:`alike_stays` says.
    usual
        By call, how often ships lie at each of FILLS.

    Returns
    -------
    dict
        By call and pass, without what that pass showed; by call and `""`, by other calls alone.
        They sum to 1.
    """
    often = {call_id: _coarse(density) for call_id, density in usual.items()}
    evidence = {
        stay.call_id: _evidence(
            looks[stay.call_id], ships[stay.call_id], fleet, often[stay.call_id]
        )
        for stay in stays
    }
    taught = _taught(stays, ships, evidence, fleet)
    for call_id, logs in _taught_by_size(stays, ships, looks, alike, often).items():
        taught[call_id] += logs
    weights = {}
    for stay in stays:
        mine, who = evidence[stay.call_id], ships[stay.call_id]
        by_others = np.log(who.weight) + taught[stay.call_id]
        total = by_others + sum(mine.values(), np.zeros(who.weight.size))
        weights[stay.call_id, ""] = _normal(by_others)
        for key, said in mine.items():
            weights[stay.call_id, key] = _normal(total - said)
    return weights


def _coarse(density: Any) -> Any:
    share = np.interp(_COARSE, FILLS, density)
    return share / share.sum()


def _normal(logs: Any) -> Any:
    weight = np.exp(logs - logs.max())
    return weight / weight.sum()


def _at_fills(look: Freeboard, often: Any) -> Any:
    """Return how often she may lie at each coarse fill: at a quay, where ships load, at any."""
    return often if look.surface == "water" else flat_density(_COARSE)


def _evidence(
    looks: Mapping[str, Freeboard], who: ShipDraws, fleet: Mapping[str, Vessel], often: Any
) -> dict[str, Any]:
    """Return, by pass, ln (draw,) of its look's mean likelihood over fills as usual as they are."""
    if not looks:
        return {}
    heights = _any_fill(who)
    # Of a vessel whose papers say all there is nothing to learn; only who she is.
    known = [
        np.array([name == key for name in who.vessel_ids], bool)
        for key in sorted({name for name in who.vessel_ids if name is not None})
        if has_particulars(fleet[key])
    ]
    evidence = {}
    for key, look in sorted(looks.items()):
        likelihood = np.exp(log_likelihood_at(look, heights)) @ _at_fills(look, often)
        for hers in known:
            likelihood[hers] = likelihood[hers].mean()
        usual = float(who.weight @ likelihood)
        evidence[key] = np.log(likelihood / max(usual, 1e-300) * (1.0 - _FLOOR) + _FLOOR)
    return evidence


def _taught(
    stays: Sequence[Stay],
    ships: Mapping[str, ShipDraws],
    evidence: Mapping[str, Mapping[str, Any]],
    fleet: Mapping[str, Vessel],
) -> dict[str, Any]:
    """Return ln (draw,) of what the same fleet vessels' other calls say of their draws.

    A call that is hers with probability p says nothing with 1 - p.
    """
    told = {stay.call_id: np.zeros(ships[stay.call_id].weight.size) for stay in stays}
    guessed = sorted(key for key, vessel in fleet.items() if not has_particulars(vessel))
    for key in guessed:
        calls = {}
        for stay in stays:
            who = ships[stay.call_id]
            hers = np.array([name == key for name in who.vessel_ids], bool)
            if not hers.any():
                continue
            said = sum(evidence[stay.call_id].values(), np.zeros(hers.size))[hers]
            share = float(who.weight[hers].sum())
            calls[stay.call_id] = hers, if_hers(said, share)
        total = sum((logs for _, logs in calls.values()), np.zeros(1))
        for call_id, (hers, logs) in calls.items():
            told[call_id][hers] += total - logs
    return told


def _taught_by_size(
    stays: Sequence[Stay],
    ships: Mapping[str, ShipDraws],
    looks: Mapping[str, Mapping[str, Freeboard]],
    alike: Mapping[str, Sequence[tuple[str, float]]],
    often: Mapping[str, Any],
) -> dict[str, Any]:
    """Return ln (draw,) of what other calls by unlisted ships of her size say of her draws."""
    told = {stay.call_id: np.zeros(ships[stay.call_id].weight.size) for stay in stays}
    for stay in stays:
        who = ships[stay.call_id]
        hers = np.array([name is None for name in who.vessel_ids], bool)
        others = [(key, share) for key, share in alike[stay.call_id] if looks[key]]
        if not hers.any() or not others:
            continue
        heights = freeboards_over(who.picked(hers), _COARSE)
        for key, share in others:
            said = np.zeros(int(hers.sum()))
            for _, look in sorted(looks[key].items()):
                seen = np.exp(log_likelihood_at(look, heights)) @ _at_fills(look, often[key])
                said += np.log(np.maximum(seen, 1e-12))
            told[stay.call_id][hers] += if_hers(said, share)
    return told
