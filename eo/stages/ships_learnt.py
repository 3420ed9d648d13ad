"""What a ship's other looks teach of her: how deep and how light she can lie.

A ship without papers may be any of many; every look at her that was measured, whatever she
carried, weighs against those that cannot show such a freeboard. Each look is weighed by what the
*others* say (of the same call, and of the same fleet vessel's other calls as far as identity
goes), any fill alike, so that neither the look itself counts twice nor the stage of the call
enters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from eo.core.records import Freeboard, Stay, Vessel
from eo.physics.hull import FILL_LIMITS, Particulars
from eo.stages.draws import ShipDraws, freeboards_at, has_particulars, log_likelihood_at

__all__ = ["FILLS", "any_fill", "learnt_weights"]

FILLS = np.linspace(FILL_LIMITS[0], FILL_LIMITS[1], 221)
_COARSE = np.linspace(0.0, 1.0, 26)
_FLOOR = 0.02
"""Least share of its mean that a look leaves to any draw: identity, and the look, may be wrong."""


def any_fill(who: ShipDraws) -> Any:
    """Return the freeboards (draw, fill) of all draws over some evenly spread fills."""
    return freeboards_at(_columns(who.ships), _COARSE[None, :])


def _columns(ships: Particulars) -> Particulars:
    return Particulars(
        **{name: getattr(ships, name)[:, None] for name in Particulars.__dataclass_fields__}
    )


def learnt_weights(
    stays: Sequence[Stay],
    ships: Mapping[str, ShipDraws],
    looks: Mapping[str, Mapping[str, Freeboard]],
    fleet: Mapping[str, Vessel],
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

    Returns
    -------
    dict
        By call and pass, without what that pass showed; by call and `""`, by other calls alone.
        They sum to 1.
    """
    evidence = {
        stay.call_id: {
            key: _evidence(look, ships[stay.call_id], fleet)
            for key, look in sorted(looks[stay.call_id].items())
        }
        for stay in stays
    }
    taught = _taught(stays, ships, evidence, fleet)
    weights = {}
    for stay in stays:
        mine, who = evidence[stay.call_id], ships[stay.call_id]
        by_others = np.log(who.weight) + taught[stay.call_id]
        total = by_others + sum(mine.values(), np.zeros(who.weight.size))
        weights[stay.call_id, ""] = _normal(by_others)
        for key, said in mine.items():
            weights[stay.call_id, key] = _normal(total - said)
    return weights


def _normal(logs: Any) -> Any:
    weight = np.exp(logs - logs.max())
    return weight / weight.sum()


def _evidence(look: Freeboard, who: ShipDraws, fleet: Mapping[str, Vessel]) -> Any:
    """Return ln (draw,) of a look's mean likelihood over all fills."""
    likelihood = np.exp(log_likelihood_at(look, any_fill(who))).mean(axis=1)
    # Of a vessel whose papers say all there is nothing to learn; only who she is.
    for key in sorted({name for name in who.vessel_ids if name is not None}):
        if has_particulars(fleet[key]):
            hers = np.array([name == key for name in who.vessel_ids], bool)
            likelihood[hers] = likelihood[hers].mean()
    usual = float(who.weight @ likelihood)
    return np.log(likelihood / max(usual, 1e-300) * (1.0 - _FLOOR) + _FLOOR)


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
            likelihood = np.exp(said - said.max())
            share = float(who.weight[hers].sum())
            mixed = 1.0 - share + share * likelihood / likelihood.mean()
            calls[stay.call_id] = hers, np.log(mixed)
        total = sum((logs for _, logs in calls.values()), np.zeros(1))
        for call_id, (hers, logs) in calls.items():
            told[call_id][hers] += total - logs
    return told
