"""From freeboards to fill, and from the looks of a call to her cargo.

A detection's fill uses that look's pixels and what is known of the vessel, whoever she may be;
it never uses the stage of the call. A call puts her looks together (:mod:`eo.stages.cargo`).
Where nothing was measured nothing is said.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from eo.core.records import Freeboard, Sighting, Stay, Vessel, WaterCount
from eo.core.rows import Detection, PortCall
from eo.physics.hull import freeboard_prior_m
from eo.stages.cargo import CallDraws, draw_call, learn_habit, measured_looks, weigh_call
from eo.stages.draws import ShipDraws, draw_ships
from eo.stages.fills_usual import flat_density, usual_fills
from eo.stages.houses import with_houses
from eo.stages.look_fill import LookFill, fill_likelihood, look_fill
from eo.stages.quays import QuayView, ShipOnQuay, above_water, place_of, view_quays
from eo.stages.ships_learnt import (
    FILLS,
    ShipSize,
    alike_stays,
    any_fill_weights,
    learnt_weights,
)

__all__ = ["Weighed", "weigh"]

_IDENTIFIABLE = 0.7
"""Largest posterior sd of the freeboard as a share of the prior's."""
_CUT_OFF = 0.2
"""Likelihood of the highest decks, of the likeliest's, from which a shade's end was not seen."""
_ROUNDS = 2
"""Times that what a ship can carry and how full ships here are teach each other."""
_ABOVE_QUAY_M = 1.0
"""A deck not surely this far above a quay is hidden by it."""
_LARGEST_M = 25.0
_HEIGHT_STEP_M = 0.1


@dataclass(frozen=True, kw_only=True)
class Weighed:
    """What is told of every sighting and every stay, in the order given."""

    detections: list[Detection]
    """One row per sighting."""
    calls: list[PortCall]
    """One row per stay."""
    fill_densities: dict[str, tuple[float, ...]]
    """Posterior of the fill over `FILLS`, by detection_id, where it was measured."""


def weigh(
    sightings: Sequence[Sighting],
    stays: Sequence[Stay],
    fleet: Sequence[Vessel],
    *,
    product: str | None,
    counts: Mapping[str, Iterable[WaterCount]] | None = None,
    times: Mapping[str, dt.datetime] | None = None,
) -> Weighed:
    """Weigh every sighting and every stay.

    Parameters
    ----------
    sightings
        All vessels seen, with the likelihoods of their freeboards.
    stays
        Port calls (and stays that do not count as such), each with everyone she may be.
    fleet
        Known vessels; may be empty.
    product
        What is shipped, for barrels per tonne; None: unknown.
    counts
        Per scene, what was seen of berths: the jetties' own shadows among it.
    times
        When each scene was taken, for the tide; those of the sightings are known.

    Returns
    -------
    Weighed
        Rows, and the posteriors behind the fills.

    Notes
    -----
    The prior on fill, within [-0.05, 1.05], is how full ships here usually are, flat at a quay;
    freeboard and draught are posterior means of one posterior, fill its median. Where the shade
    falls on a quay, all other looks say how high that is; in whatever way, a ship's other looks say
    how deep she can lie, and how high her house stands.
    """
    vessels = {vessel.vessel_id: vessel for vessel in fleet}
    stay_of = {key: stay for stay in stays for key in stay.detection_ids}
    looks = _by_call(sightings, stays)
    ships = {
        stay.call_id: draw_ships(stay.candidates, vessels, looks[stay.call_id], seed=stay.call_id)
        for stay in stays
    }
    sizes = {call_id: _size(some) for call_id, some in looks.items()}
    sightings = with_houses(sightings, stays, ships, sizes)
    looks = _by_call(sightings, stays)
    by_id = {sighting.detection_id: sighting for sighting in sightings}
    alone = {
        sighting.detection_id: draw_ships((), vessels, [sighting], seed=sighting.detection_id)
        for sighting in sightings
        if sighting.detection_id not in stay_of and _told(sighting.freeboard)
    }
    owner = {key: ships[stay.call_id] for key, stay in stay_of.items()} | alone
    known = {s.scene_id: s.datetime for s in sightings if s.datetime is not None}
    views = _quays(sightings, stay_of, owner, counts or {}, known | dict(times or {}))
    seen = {
        key: _over_water(by_id[key].freeboard, views.get(key))
        for key in owner
        if _told(by_id[key].freeboard)
    }
    passes = {
        call_id: {s.acquisition_id: seen[s.detection_id] for s in measured_looks(some)}
        for call_id, some in looks.items()
    }
    weights, usual = _learnt(stays, ships, passes, vessels, sizes)
    detections, densities = _told_of_looks(
        sightings, stay_of, owner=owner, weights=weights, seen=seen, views=views, usual=usual
    )
    told = {row.detection_id for row in detections if row.fill_status == "measured"}
    by_others = {call_id: weights[call_id, ""] for call_id in ships}
    draws = {
        stay.call_id: draw_call(
            stay,
            looks[stay.call_id],
            replace(ships[stay.call_id], weight=by_others[stay.call_id]),
            views,
            measured=len(told.intersection(stay.detection_ids)),
        )
        for stay in stays
        if told.intersection(stay.detection_ids)
    }
    return Weighed(
        detections=detections,
        calls=_calls(stays, looks, vessels, draws, product=product),
        fill_densities=densities,
    )


def _by_call(sightings: Sequence[Sighting], stays: Sequence[Stay]) -> dict[str, list[Sighting]]:
    by_id = {sighting.detection_id: sighting for sighting in sightings}
    return {stay.call_id: [by_id[key] for key in stay.detection_ids] for stay in stays}


def _learnt(
    stays: Sequence[Stay],
    ships: Mapping[str, ShipDraws],
    passes: Mapping[str, Mapping[str, Freeboard]],
    vessels: Mapping[str, Vessel],
    sizes: Mapping[str, ShipSize],
) -> tuple[dict[tuple[str, str], Any], dict[str, Any]]:
    """Return what other looks say of who each ship is, and how full ships usually are.

    The two teach each other: see :func:`learnt_weights` and :func:`usual_fills`.
    """
    usual = usual_fills(FILLS, {stay.call_id: () for stay in stays})
    alike = alike_stays(stays, sizes)
    for _ in range(_ROUNDS):
        weights = learnt_weights(stays, ships, passes, vessels, alike=alike, usual=usual)
        usual = _usual(stays, ships, passes, weights)
    return learnt_weights(stays, ships, passes, vessels, alike=alike, usual=usual), usual


def _usual(
    stays: Sequence[Stay],
    ships: Mapping[str, ShipDraws],
    passes: Mapping[str, Mapping[str, Freeboard]],
    weights: Mapping[tuple[str, str], Any],
) -> dict[str, Any]:
    """Return how full ships here usually are, as all other stays tell it to each.

    What lies at a quay loads or discharges: her fill is any, and teaches nothing.
    """
    likelihoods = {}
    for stay in stays:
        looks = (
            fill_likelihood(look, replace(ships[stay.call_id], weight=weights[stay.call_id, key]))
            for key, look in sorted(passes[stay.call_id].items())
            if look.surface == "water"
        )
        likelihoods[stay.call_id] = [said for said in looks if said is not None]
    return usual_fills(FILLS, likelihoods)


def _told_of_looks(
    sightings: Sequence[Sighting],
    stay_of: Mapping[str, Stay],
    *,
    owner: Mapping[str, ShipDraws],
    weights: Mapping[tuple[str, str], Any],
    seen: Mapping[str, Freeboard],
    views: Mapping[str, QuayView],
    usual: Mapping[str, Any],
) -> tuple[list[Detection], dict[str, tuple[float, ...]]]:
    """Return the rows of all sightings, and the posteriors of those measured."""
    detections: list[Detection] = []
    densities = {}
    for sighting in sightings:
        key, stay = sighting.detection_id, stay_of.get(sighting.detection_id)
        known = (stay.call_id if stay else "", sighting.acquisition_id)
        who = owner.get(key)
        if who is not None and known in weights:
            who = replace(who, weight=weights[known])
        often = flat_density(FILLS) if key in views else usual[known[0]]
        said = look_fill(seen[key], who, often) if who is not None and key in seen else None
        status = _status(sighting, said, views.get(key))
        detections.append(_detection(sighting, stay, said, status))
        if said is not None and status == "measured":
            densities[key] = said.fill_density
    return detections, densities


def _calls(
    stays: Sequence[Stay],
    looks: Mapping[str, Sequence[Sighting]],
    vessels: Mapping[str, Vessel],
    draws: Mapping[str, CallDraws | None],
    *,
    product: str | None,
) -> list[PortCall]:
    """Return the calls' rows; those that say which way cargo went teach the others the habit."""
    habit = learn_habit(found for _, found in sorted(draws.items()) if found is not None)
    calls = []
    for stay in stays:
        found = draws.get(stay.call_id)
        under = None if found is None else found.under(habit)
        calls.append(weigh_call(stay, looks[stay.call_id], vessels, under, product=product))
    return calls


def _size(sightings: Sequence[Sighting]) -> ShipSize:
    """Return length and beam over all looks, weighed by how well each shows them."""

    def mean(values: list[float], sds: list[float], least: float) -> tuple[float, float]:
        weight = np.array([max(sd, least) for sd in sds]) ** -2.0
        return float(np.average(values, weights=weight)), float(weight.sum() ** -0.5)

    hulls = [s.hull for s in sightings]
    length, length_sd = mean([h.length_m for h in hulls], [h.length_sd_m for h in hulls], 1.0)
    beam, beam_sd = mean([h.beam_m for h in hulls], [h.beam_sd_m for h in hulls], 0.4)
    return ShipSize(length_m=length, length_sd_m=length_sd, beam_m=beam, beam_sd_m=beam_sd)


def _told(look: Freeboard) -> bool:
    return look.status == "measured" and bool(look.log_likelihood)


def _quays(
    sightings: Sequence[Sighting],
    stay_of: Mapping[str, Stay],
    owner: Mapping[str, ShipDraws],
    counts: Mapping[str, Iterable[WaterCount]],
    times: Mapping[str, dt.datetime],
) -> dict[str, QuayView]:
    """Return what is known of the quays on which shade falls, by detection."""
    grid_m = np.arange(0.0, _LARGEST_M + 0.5 * _HEIGHT_STEP_M, _HEIGHT_STEP_M)
    on_quays = []
    for sighting in sightings:
        key = sighting.detection_id
        if sighting.freeboard.surface != "quay" or not _told(sighting.freeboard):
            continue
        known = any_fill_weights(owner[key], grid_m, _HEIGHT_STEP_M)
        on_quays.append(
            ShipOnQuay(
                detection_id=key,
                stay=stay_of[key].call_id if key in stay_of else key,
                place=place_of(sighting),
                look=sighting.scene_id,
                freeboards=known / known.sum(),
                record=sighting.freeboard,
            )
        )
    return view_quays(on_quays, counts, times)


def _over_water(look: Freeboard, view: QuayView | None) -> Freeboard:
    """Return a look's likelihood over heights above the water."""
    return look if view is None else above_water(look, view.height)


def _status(sighting: Sighting, said: LookFill | None, view: QuayView | None) -> str:
    """Return why nothing is told of a look, or `measured`.

    On a quay the deck must stand clearly above it, and what is known of the quay must leave less
    than 0.7 of the spread that the ship's size alone would.
    """
    look = sighting.freeboard
    if look.status != "measured":
        return look.status
    hidden = "not-identifiable" if view is None else "shade-on-quay"
    if said is None:
        return hidden
    if view is None:
        return "measured"
    hull = sighting.hull
    _, prior_sd = freeboard_prior_m(hull.length_m, hull.beam_m, hull.length_sd_m, hull.beam_sd_m)
    if said.freeboard_sd_m > _IDENTIFIABLE * prior_sd or not _stands_above(look):
        return hidden
    return "measured" if _ends(look) else hidden


def _stands_above(look: Freeboard) -> bool:
    """Whether a look says that the deck stands clearly above the quay."""
    said = np.exp(np.asarray(look.log_likelihood))
    least = round(_ABOVE_QUAY_M / look.step_m)
    return bool(said[:least].max() < 0.5)


def _ends(look: Freeboard) -> bool:
    """Whether a look says how high the deck stands at the most, too: not if the shade is cut off.

    What lies behind a pipe rack or a shed is not seen: there every longer shade is as likely.
    """
    said = np.exp(np.asarray(look.log_likelihood))
    return bool(said[-1] < _CUT_OFF)


def _detection(
    sighting: Sighting, stay: Stay | None, said: LookFill | None, status: str
) -> Detection:
    said = said if status == "measured" else None
    return Detection(
        detection_id=sighting.detection_id,
        scene_id=sighting.scene_id,
        datetime=sighting.datetime,
        lon=sighting.lon,
        lat=sighting.lat,
        length_m=sighting.hull.length_m,
        beam_m=sighting.hull.beam_m,
        heading_deg=sighting.heading_deg,
        heading_is_bow=sighting.hull.bow_known,
        berth=sighting.berth,
        confidence=sighting.confidence,
        vessel_class=sighting.vessel_class,
        tanker_p=sighting.tanker_p,
        vessel_id=stay.vessel_id if stay else None,
        vessel_p=stay.vessel_p if stay else None,
        freeboard_m=said.freeboard_m if said else None,
        freeboard_sd_m=said.freeboard_sd_m if said else None,
        draught_m=said.draught_m if said else None,
        fill=said.fill_p50 if said else None,
        fill_p05=said.fill_p05 if said else None,
        fill_p50=said.fill_p50 if said else None,
        fill_p95=said.fill_p95 if said else None,
        fill_status=status,
        length_sd_m=sighting.hull.length_sd_m,
        beam_sd_m=sighting.hull.beam_sd_m,
        clear_fraction=sighting.clear_fraction,
        acquisition_id=sighting.acquisition_id,
        reference_id=sighting.reference_id,
        outline_lonlat=sighting.outline_lonlat,
        freeboard_bound_m=sighting.freeboard.bound_m if said else None,
    )
