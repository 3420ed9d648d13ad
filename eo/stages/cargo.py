"""The looks of one call put together: fill on arrival and departure, direction, cargo, barrels.

Cargo moves one way during a call: fill runs from f_a to f_d along a ramp that starts and ends
some time within the stay, whose ends are known only to lie between two looks. Draws of (ship,
f_a, f_d, ramp, times) are weighed by the likelihoods of all looks, so that what looks share
(who she is, her depth) stays shared. Physics:

    cargo    = (g(f_d) - g(f_a)) k DWT                                                     (1)
    g(f)     = f + x b (1 - f) s(f)                                                        (2)

with k 0.90-0.97 of the deadweight (0.95 usual), x the part of the ballast that left early (0 in
at least half of the draws: linear is the convention), b 0.30-0.40 of the deadweight in ballast
and s rising from 0 to 1 between fills 0.05 and 0.25, since an empty ship is no part-loaded one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from eo.core.records import Sighting, Stay, Vessel
from eo.core.rows import PortCall
from eo.physics.hull import CARGO_SHARE, FILL_LIMITS, barrels_per_tonne
from eo.stages.draws import ShipDraws, freeboards_at, log_likelihood_at, quantiles, seeded
from eo.stages.quay_height import QUAY_HEIGHTS_M
from eo.stages.quays import QuayView

__all__ = [
    "CallDraws",
    "PortHabit",
    "draw_call",
    "learn_habit",
    "measured_looks",
    "weigh_call",
]

_DRAWS = 16_000
_LEAST_EFFECTIVE = 80.0
"""Fewer effective draws than this and the looks' likelihoods are flattened until there are."""
_OPEN_END = dt.timedelta(days=1.5)
"""How long before the first (after the last) look she may have come (gone) where no empty look
bounds it: the stays reported from the port last one and a half to two days."""
_MOVED = 0.1
"""A change of fill that is cargo and not bunkers or stores."""
_SURE = 0.8
"""Chance from which a direction is told."""
_HARDLY = 0.001
"""Chance of a loading, below which nothing is said of what it would be."""
_QUANTILES = ("p05", "p50", "p95")
_COLUMNS = (
    "loading_p",
    *(
        f"{name}_{q}"
        for name in ("fill_arrival", "fill_departure", "cargo_t", "barrels", "loaded_barrels")
        for q in _QUANTILES
    ),
)
_USUAL = 5.0 / 6.0
_LEARNT_IN = 30
_MOVES = 0.94
"""Chance that a tanker at a berth loads or discharges at all."""


@dataclass(frozen=True, kw_only=True)
class PortHabit:
    """Prior chances of what a ship does in this port."""

    loading: float = 0.47
    """She loads."""
    discharging: float = 0.47
    """She discharges; what is left over does neither, or part of either."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CallDraws:
    """Weighted draws of one call; arrays (draw,)."""

    arrival: Any
    """Fill on arrival."""
    departure: Any
    """Fill on departure."""
    dwt_t: Any
    """Deadweight [t]."""
    weight: Any
    """They sum to 1."""
    kind: Any
    """What the ship was drawn to do: 0 load, 1 discharge, 2 something else."""
    looks: int
    """Measured looks."""

    def under(self, habit: PortHabit) -> CallDraws:
        """Return the same draws, weighed by another habit of the port."""
        drawn, wanted = PortHabit(), habit
        ratio = np.array(
            [
                wanted.loading / drawn.loading,
                wanted.discharging / drawn.discharging,
                (1.0 - wanted.loading - wanted.discharging)
                / (1.0 - drawn.loading - drawn.discharging),
            ]
        )
        weight = self.weight * ratio[self.kind]
        return replace(self, weight=weight / weight.sum())

    @property
    def loading_p(self) -> float:
        """Chance that she loaded."""
        return float(self.weight[self.departure - self.arrival > _MOVED].sum())

    @property
    def discharging_p(self) -> float:
        """Chance that she discharged."""
        return float(self.weight[self.arrival - self.departure > _MOVED].sum())


def measured_looks(sightings: Sequence[Sighting]) -> list[Sighting]:
    """Return the measured looks by time, one a pass (two tiles of a pass show one ship once)."""
    best: dict[str, Sighting] = {}
    for sighting in sightings:
        look = sighting.freeboard
        if look.status != "measured" or not look.log_likelihood or sighting.datetime is None:
            continue
        rival = best.get(sighting.acquisition_id)
        key = (sighting.freeboard.rows, sighting.clear_fraction, sighting.detection_id)
        if rival is None or key > (
            rival.freeboard.rows,
            rival.clear_fraction,
            rival.detection_id,
        ):
            best[sighting.acquisition_id] = sighting
    return sorted(best.values(), key=lambda s: (str(s.datetime), s.detection_id))


def draw_call(
    stay: Stay,
    sightings: Sequence[Sighting],
    who: ShipDraws,
    views: Mapping[str, QuayView] | None = None,
    *,
    measured: int | None = None,
) -> CallDraws | None:
    """Return weighted draws of a call; None where no look of her was measured.

    Parameters
    ----------
    views
        What is known of the quays on which her shade falls, by detection: one height in all her
        looks, so that differences between them are better known than levels.
    measured
        How many of her looks count as measured; None: all that have a likelihood.

    Notes
    -----
    They are drawn under no habit of the port; see :meth:`CallDraws.under`.
    """
    looks = measured_looks(sightings)
    if not looks:
        return None
    generator = seeded(stay.call_id, "call")
    pick = generator.choice(who.weight.size, size=_DRAWS, p=who.weight)
    ships = who.picked(pick)
    arrival, departure, kind = _draw_fills(generator)
    begin, finish = _draw_ramp(stay, generator)
    logl = np.zeros(_DRAWS)
    heights: Any = None
    for look in looks:
        if look.datetime is None:
            continue
        above: Any = 0.0
        view = (views or {}).get(look.detection_id)
        if view is not None:
            if heights is None:
                heights = generator.choice(QUAY_HEIGHTS_M, size=_DRAWS, p=view.mean)
            above = heights - generator.normal(view.tide_m, view.tide_sd_m, _DRAWS)
        hours = (look.datetime - stay.first_seen) / dt.timedelta(hours=1)
        done = np.clip((hours - begin) / np.maximum(finish - begin, 0.5), 0.0, 1.0)
        freeboard = freeboards_at(ships, arrival + (departure - arrival) * done)
        logl += log_likelihood_at(look.freeboard, freeboard, above_m=above)
    return CallDraws(
        arrival=arrival,
        departure=departure,
        dwt_t=ships.dwt_t,
        weight=_tempered(logl),
        kind=kind,
        looks=len(looks) if measured is None else measured,
    )


def _draw_fills(generator: np.random.Generator) -> tuple[Any, Any, Any]:
    """Draw fills on arrival and departure from the prior, and what the ship does.

    A ship that loads mostly comes empty (0.01 +- 0.05) and goes nearly full (0.92 +- 0.06),
    each five times in six, else anywhere; a few do something else.
    """
    near_empty = generator.normal(0.01, 0.05, _DRAWS)
    near_full = generator.normal(0.92, 0.06, _DRAWS)
    any_two = np.sort(generator.uniform(*FILL_LIMITS, (2, _DRAWS)), axis=0)
    low = np.where(generator.random(_DRAWS) < _USUAL, near_empty, any_two[0])
    high = np.where(generator.random(_DRAWS) < _USUAL, near_full, any_two[1])
    low, high = np.minimum(low, high), np.maximum(low, high)
    habit = PortHabit()
    ends = np.cumsum([habit.loading, habit.discharging])
    kind = np.searchsorted(ends, generator.random(_DRAWS), side="right")
    same = generator.uniform(*FILL_LIMITS, _DRAWS)
    moved = same + generator.normal(0.0, 0.15, _DRAWS)
    arrival = np.choose(kind, [low, high, same])
    departure = np.choose(kind, [high, low, moved])
    return np.clip(arrival, *FILL_LIMITS), np.clip(departure, *FILL_LIMITS), kind


def _draw_ramp(stay: Stay, generator: np.random.Generator) -> tuple[Any, Any]:
    """Draw when cargo began and finished to move [h after first_seen]."""

    def hours(moment: dt.datetime) -> float:
        return (moment - stay.first_seen) / dt.timedelta(hours=1)

    before, after = stay.first_seen - _OPEN_END, stay.last_seen + _OPEN_END
    earliest = hours(max(stay.arrival_after or before, before))
    latest = hours(min(stay.departure_before or after, after))
    came = generator.uniform(earliest, 0.0, _DRAWS)
    went = generator.uniform(hours(stay.last_seen), latest, _DRAWS)
    span = np.maximum(went - came, 1.0)
    begin = came + span * generator.uniform(0.0, 0.4, _DRAWS)
    finish = went - span * generator.uniform(0.0, 0.4, _DRAWS)
    return begin, finish


def _tempered(logl: Any) -> Any:
    """Return weights; where too few draws carry them, the likelihoods are flattened."""
    power = 1.0
    while True:
        weight = np.exp(power * (logl - logl.max()))
        weight = weight / weight.sum()
        if power < 0.02 or 1.0 / float((weight**2).sum()) >= _LEAST_EFFECTIVE:
            return weight
        power *= 0.8


def learn_habit(calls: Iterable[CallDraws]) -> PortHabit:
    """Return the port's habit: the share of loadings that agrees best with all calls.

    By expectation and maximisation: each call counts with the chance that she loaded (discharged)
    under the habit so far, so that calls that say by themselves which way cargo went teach the
    others, and calls that say nothing leave it as it is.
    """
    masses = [
        [
            np.bincount(call.kind, call.weight * moved, minlength=3)
            for moved in (
                call.departure - call.arrival > _MOVED,
                call.arrival - call.departure > _MOVED,
                np.ones(call.weight.size),
            )
        ]
        for call in calls
    ]
    share = 0.5
    for _ in range(_LEARNT_IN):
        ratio = np.array([2.0 * share, 2.0 - 2.0 * share, 1.0])
        loads = sum(float(ratio @ up / (ratio @ whole)) for up, _, whole in masses)
        others = sum(float(ratio @ down / (ratio @ whole)) for _, down, whole in masses)
        share = (loads + 1.0) / (loads + others + 2.0)
    return PortHabit(loading=_MOVES * share, discharging=_MOVES * (1.0 - share))


def weigh_call(
    stay: Stay,
    sightings: Sequence[Sighting],
    fleet: Mapping[str, Vessel],
    draws: CallDraws | None,
    *,
    product: str | None,
) -> PortCall:
    """Return the row of a call."""
    vessel = fleet.get(stay.vessel_id)
    note: str | None
    direction, note = "unclear", "no look of this call was measured"
    columns: dict[str, float | None] = {}
    if draws is not None:
        columns = _columns(stay, draws, product)
        direction, note = _direction(draws)
    if draws is not None and draws.looks == 1:
        note = f"one measured look; {note}" if note else "one measured look"
    weight = np.array([max(s.confidence, 0.01) for s in sightings])
    weight = weight / weight.sum()
    return PortCall(
        call_id=stay.call_id,
        vessel_id=stay.vessel_id,
        vessel_p=stay.vessel_p,
        berth=stay.berth,
        lon=float(np.dot(weight, [s.lon for s in sightings])),
        lat=float(np.dot(weight, [s.lat for s in sightings])),
        length_m=(
            vessel.length_m
            if vessel is not None
            else float(np.dot(weight, [s.hull.length_m for s in sightings]))
        ),
        first_seen=stay.first_seen,
        last_seen=stay.last_seen,
        arrival_after=stay.arrival_after,
        arrival_before=stay.first_seen,
        departure_after=stay.last_seen,
        departure_before=stay.departure_before,
        direction=direction,
        of_interest=_of_interest(vessel, fleet),
        dark=None,
        detection_ids=stay.detection_ids,
        scene_ids=tuple(dict.fromkeys(s.scene_id for s in sightings)),
        note=note,
        **{name: columns.get(name) for name in _COLUMNS},
    )


def _columns(stay: Stay, draws: CallDraws, product: str | None) -> dict[str, float | None]:
    """Return what the draws say of fills, cargo and barrels, by column."""
    tonnes, volume = _cargo(stay, draws, product)
    loads = draws.departure - draws.arrival > _MOVED
    told: dict[str, float | None] = {"loading_p": draws.loading_p}
    for name, values, used in (
        ("fill_arrival", draws.arrival, None),
        ("fill_departure", draws.departure, None),
        ("cargo_t", tonnes, None),
        ("barrels", volume, None),
        ("loaded_barrels", volume, loads),
    ):
        if used is not None and draws.loading_p <= _HARDLY:
            continue
        kept = slice(None) if used is None else used
        found = quantiles(values[kept], draws.weight[kept])
        told |= dict(zip((f"{name}_{q}" for q in _QUANTILES), found, strict=True))
    return told


def _direction(draws: CallDraws) -> tuple[str, str | None]:
    if draws.loading_p >= _SURE:
        return "loading", None
    if draws.discharging_p >= _SURE:
        return "discharging", None
    return "unclear", (
        f"loading {100 * draws.loading_p:.0f} %, discharging {100 * draws.discharging_p:.0f} %"
    )


def _cargo(stay: Stay, draws: CallDraws, product: str | None) -> tuple[Any, Any]:
    """Return tonnes and barrels by eqs. (1) and (2), one per draw."""
    generator = seeded(stay.call_id, "cargo")
    size = draws.weight.size
    share = generator.triangular(*CARGO_SHARE, size)
    early = np.maximum(generator.uniform(-1.0, 1.0, size), 0.0)
    ballast = generator.uniform(0.30, 0.40, size)

    def loaded(fill: Any) -> Any:
        fill = np.clip(fill, 0.0, 1.0)
        part_loaded = np.clip((fill - 0.05) / 0.20, 0.0, 1.0)
        return fill + early * ballast * (1.0 - fill) * part_loaded

    tonnes = (loaded(draws.departure) - loaded(draws.arrival)) * share * draws.dwt_t
    return tonnes, tonnes * barrels_per_tonne(product, generator, size)


def _of_interest(vessel: Vessel | None, fleet: Mapping[str, Vessel]) -> bool | None:
    """Whether the call counts against the cap; where the fleet marks none, every call does."""
    if not any(known.of_interest for known in fleet.values()):
        return True
    return bool(vessel.of_interest) if vessel is not None else None
