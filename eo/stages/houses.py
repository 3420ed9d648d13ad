"""What a ship's house says of her freeboard, once her other looks have told how high it is.

The shadow of a superstructure tells how high its top stands above the water
(:mod:`eo.stages.superstructure`): the freeboard and the height of the house above the deck. The
second differs by metres from ship to ship and is the same in all looks at one. So each look's own
strip and house tell the height of her house, and all of them but one tell that one's freeboard a
second time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from eo.core.records import Freeboard, Sighting, Stay
from eo.stages.cargo import measured_looks
from eo.stages.draws import ShipDraws
from eo.stages.ships_learnt import (
    ShipSize,
    any_fill_weights,
    at_one_time,
    if_hers,
    same_ship_p,
)

__all__ = ["with_houses"]

_HOUSES_M = np.arange(2.0, 32.0, 0.1)
"""Heights of a house's top above the deck."""
_USUAL_M, _USUAL_SHARE, _USUAL_SD_M = 10.0, 0.03, 4.0
"""Of a house beforehand: 10 m and 0.03 of the length, and a spread that says next to nothing."""
_STRAY, _STRAY_OVER_M = 0.15, 20.0
"""Chance that what was seen is no house's end (a crane, another ship, a wave), and the heights over
which it then may stand."""
_LIKELY = 0.5
"""Chance that two calls are one ship's below which neither is asked about the other: many calls by
another ship, each a little likely, would outvote the few of her own."""


def with_houses(
    sightings: Sequence[Sighting],
    stays: Sequence[Stay],
    ships: Mapping[str, ShipDraws],
    sizes: Mapping[str, ShipSize],
) -> list[Sighting]:
    """Return the sightings, their likelihoods sharpened where a ship's houses agree.

    Parameters
    ----------
    sightings
        All vessels seen.
    stays
        All stays.
    ships, sizes
        Who each may be, and her length and beam, by call.

    Notes
    -----
    With T_i the top's height in look i, F_i her freeboard and h her house's height above deck,

        p(h | others) ~ p(h) prod over j of integral p(F) L_j(F) N(T_j - F - h) dF
        L_i'(F) = L_i(F) integral p(h | others) N(T_i - F - h) dh

    p(F) any fill of any ship she may be; looks of another call count by the chance that it is the
    same ship's. Only looks with the shade on water take part.
    """
    by_id = {sighting.detection_id: sighting for sighting in sightings}
    told = {
        stay.call_id: {
            look.detection_id: _of_house(look.freeboard, ships[stay.call_id])
            for look in measured_looks([by_id[key] for key in stay.detection_ids])
            if look.freeboard.surface == "water" and look.freeboard.house_top_m is not None
        }
        for stay in stays
    }
    seen = sorted((s for s in stays if told[s.call_id]), key=lambda stay: stay.call_id)
    sharpened = {}
    for stay in seen:
        logs = _beforehand(sizes[stay.call_id].length_m)
        for other in seen:
            share = _same_p(stay, other, sizes)
            if share >= _LIKELY:
                logs = logs + if_hers(sum(told[other.call_id].values()), share)
        mine = told[stay.call_id]
        for key, said in mine.items():
            house = logs + sum(mine.values()) - said
            sharpened[key] = _sharpened(by_id[key].freeboard, np.exp(house - house.max()))
    return [
        replace(sighting, freeboard=sharpened.get(sighting.detection_id, sighting.freeboard))
        for sighting in sightings
    ]


def _beforehand(length_m: float) -> Any:
    return -0.5 * ((_HOUSES_M - _USUAL_M - _USUAL_SHARE * length_m) / _USUAL_SD_M) ** 2


def _same_p(one: Stay, other: Stay, sizes: Mapping[str, ShipSize]) -> float:
    """Return the chance that a call and another are one ship's."""
    if at_one_time(one, other):  # as a call is with itself
        return 0.0
    mine, hers = (
        {c.vessel_id: c.probability for c in stay.candidates} or {None: 1.0}
        for stay in (one, other)
    )
    listed = sum(p * hers.get(key, 0.0) for key, p in mine.items() if key is not None)
    both = mine.get(None, 0.0) * hers.get(None, 0.0)
    return listed + both * same_ship_p(sizes[one.call_id], sizes[other.call_id])


def _candidates(stay: Stay) -> dict[str | None, float]:
    return {c.vessel_id: c.probability for c in stay.candidates} or {None: 1.0}


def _grid_m(look: Freeboard) -> Any:
    return look.start_m + look.step_m * np.arange(len(look.log_likelihood))


def _top_density(look: Freeboard) -> Any:
    """Return the density (house, freeboard) of the top's height that was seen."""
    if look.house_top_m is None or look.house_top_sd_m is None:
        raise ValueError("no house was seen in this look")
    off = look.house_top_m - _HOUSES_M[:, None] - _grid_m(look)[None, :]
    normal = np.exp(-0.5 * (off / look.house_top_sd_m) ** 2)
    normal /= look.house_top_sd_m * np.sqrt(2.0 * np.pi)
    return (1.0 - _STRAY) * normal + _STRAY / _STRAY_OVER_M


def _of_house(look: Freeboard, who: ShipDraws) -> Any:
    """Return ln (house,) of what one look says of the height of a ship's house."""
    grid = _grid_m(look)
    freeboards = any_fill_weights(who, grid, look.step_m) * np.exp(np.asarray(look.log_likelihood))
    total = freeboards.sum()
    if not total > 0:
        return np.zeros(_HOUSES_M.size)
    return np.log(_top_density(look) @ (freeboards / total))


def _sharpened(look: Freeboard, house: Any) -> Freeboard:
    """Return a look whose likelihood has what her house says of the freeboard in it."""
    logs = np.asarray(look.log_likelihood) + np.log((house / house.sum()) @ _top_density(look))
    return replace(look, log_likelihood=tuple((logs - logs.max()).tolist()))
