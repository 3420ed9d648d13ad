"""From freeboards to fill, and from the looks of a call to her cargo.

A detection's fill uses that look's pixels and what is known of the vessel, whoever she may be;
it never uses the stage of the call. A call puts her looks together (:mod:`eo.stages.cargo`).
Where nothing was measured nothing is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eo.core.records import Sighting, Stay, Vessel
from eo.core.rows import Detection, PortCall
from eo.physics.hull import FILL_LIMITS, Particulars
from eo.stages.cargo import draw_call, learn_habit, weigh_call
from eo.stages.draws import ShipDraws, draw_ships, log_likelihood_at, quantiles

__all__ = ["weigh"]

_FILL = np.linspace(FILL_LIMITS[0], FILL_LIMITS[1], 221)
_CELL = float(_FILL[1] - _FILL[0])


@dataclass(frozen=True, kw_only=True)
class _Weight:
    """Posterior of one look."""

    freeboard_m: float
    freeboard_sd_m: float
    draught_m: float
    fill_p05: float
    fill_p50: float
    fill_p95: float


def weigh(
    sightings: Sequence[Sighting],
    stays: Sequence[Stay],
    fleet: Sequence[Vessel],
    *,
    product: str | None,
) -> tuple[list[Detection], list[PortCall]]:
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

    Returns
    -------
    list of Detection, list of PortCall
        One row per sighting and per stay, in the order given.

    Notes
    -----
    A flat prior on fill within [-0.05, 1.05]; freeboard and draught are posterior means of the
    same posterior, fill its median.
    """
    vessels = {vessel.vessel_id: vessel for vessel in fleet}
    by_id = {sighting.detection_id: sighting for sighting in sightings}
    stay_of = {key: stay for stay in stays for key in stay.detection_ids}
    ships = {
        stay.call_id: draw_ships(
            stay.candidates,
            vessels,
            [by_id[key] for key in stay.detection_ids],
            seed=stay.call_id,
        )
        for stay in stays
    }
    detections = []
    for sighting in sightings:
        stay = stay_of.get(sighting.detection_id)
        who = (
            ships[stay.call_id]
            if stay is not None
            else draw_ships((), vessels, [sighting], seed=sighting.detection_id)
        )
        detections.append(_detection(sighting, stay, who))
    looks = {stay.call_id: [by_id[key] for key in stay.detection_ids] for stay in stays}
    draws = {
        stay.call_id: draw_call(stay, looks[stay.call_id], ships[stay.call_id]) for stay in stays
    }
    # Calls that say by themselves which way cargo went teach the port's habit to the others.
    habit = learn_habit(found for found in draws.values() if found is not None)
    calls = []
    for stay in stays:
        found = draws[stay.call_id]
        told = None if found is None else found.under(habit)
        calls.append(weigh_call(stay, looks[stay.call_id], vessels, told, product=product))
    return detections, calls


def _posterior(sighting: Sighting, who: ShipDraws) -> _Weight | None:
    """Return the posterior of one look over all ships and fills; None if none fits at all."""
    look = sighting.freeboard
    if look.status != "measured" or not look.log_likelihood:
        return None
    columns = Particulars(
        **{name: getattr(who.ships, name)[:, None] for name in Particulars.__dataclass_fields__}
    )
    logl, height = log_likelihood_at(look, columns, _FILL[None, :])
    weight = who.weight[:, None] * np.exp(logl)
    total = weight.sum()
    if not total > 0:
        return None
    weight = weight / total
    freeboard = float((weight * height).sum())
    spread = float(np.sqrt((weight * (height - freeboard) ** 2).sum()))
    draught = float((weight * (columns.depth_m - height)).sum())
    low, middle, high = _grid_quantiles(weight.sum(axis=0))
    return _Weight(
        freeboard_m=freeboard,
        freeboard_sd_m=spread,
        draught_m=draught,
        fill_p05=low,
        fill_p50=middle,
        fill_p95=high,
    )


def _grid_quantiles(weight: np.ndarray) -> list[float]:
    """Quantiles of a density on the fill grid, kept within its limits."""
    found = quantiles(_FILL, weight)
    return [float(np.clip(value, *FILL_LIMITS)) for value in found]


def _detection(sighting: Sighting, stay: Stay | None, who: ShipDraws) -> Detection:
    said = _posterior(sighting, who)
    status = sighting.freeboard.status
    if said is None and status == "measured":
        status = "not-identifiable"
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
