"""True ships and their port calls.

Particulars are drawn about the proportions of small product tankers; fill is stated here by
its definition, in a few lines of the simulator's own, with a block coefficient drawn per ship,
so that an estimate is never judged by its own formulas.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from eo.sim.options import SimOptions, stream

__all__ = ["BARRELS_PER_TONNE", "Ship", "TrueCall", "draw_calls", "draw_fleet"]

BARRELS_PER_TONNE = {
    "gasoline": 8.35,
    "kerosene": 7.88,
    "diesel": 7.46,
    "fuel-oil": 6.35,
    "crude": 7.33,
}
"""BP conversion table 2021 (crude: the usual mean)."""

_SEAWATER_T_M3 = 1.025


@dataclass(frozen=True, kw_only=True)
class Ship:
    """One true tanker."""

    vessel_id: str
    """Her id."""
    name: str
    """Her name."""
    imo: str
    """A number of seven digits."""
    length_m: float
    """Length on deck."""
    beam_m: float
    """Beam."""
    depth_m: float
    """Keel to main deck."""
    design_draught_m: float
    """Draught at fill 1."""
    ballast_draught_m: float
    """Draught at fill 0."""
    dwt_t: float
    """Deadweight."""
    block: float
    """Block coefficient at design draught."""
    capacity_t: float
    """Cargo at fill 1."""
    listed: bool
    """Whether the fleet file knows her."""
    style: int
    """Seed of her looks."""

    def displacement_t(self, draught_m: float) -> float:
        """Displacement at a draught, the block coefficient falling with it (Riddlesworth) [t]."""
        block = 1 - (1 - self.block) * (self.design_draught_m / draught_m) ** (1 / 3)
        return float(_SEAWATER_T_M3 * 0.96 * self.length_m * self.beam_m * draught_m * block)

    def fill_at(self, draught_m: float) -> float:
        """Fill at a draught, by its definition."""
        empty = self.displacement_t(self.ballast_draught_m)
        full = self.displacement_t(self.design_draught_m)
        return (self.displacement_t(draught_m) - empty) / (full - empty)

    def draught_at(self, fill: float) -> float:
        """Draught at a fill [m]; the inverse of :meth:`fill_at`."""
        low, high = 0.5 * self.ballast_draught_m, 1.3 * self.design_draught_m
        return float(brentq(lambda draught: self.fill_at(draught) - fill, low, high, xtol=1e-6))


@dataclass(frozen=True, kw_only=True)
class TrueCall:
    """One true port call."""

    call_id: str
    """Its id."""
    vessel_id: str
    """Who."""
    berth: int
    """Index of the berth."""
    arrival: dt.datetime
    """Made fast."""
    departure: dt.datetime
    """Cast off."""
    fill_arrival: float
    """Fill when she comes."""
    fill_departure: float
    """Fill when she goes."""
    bow_out: bool
    """Bow away from the shore."""

    def fill_at(self, when: dt.datetime) -> float:
        """Fill at a time: pumping begins after a tenth of the stay and ends at nine tenths."""
        share = (when - self.arrival) / (self.departure - self.arrival)
        done = float(np.clip((share - 0.1) / 0.8, 0.0, 1.0))
        return self.fill_arrival + done * (self.fill_departure - self.fill_arrival)


def draw_fleet(options: SimOptions, *, longest_m: float = 190.0) -> tuple[Ship, ...]:
    """Return the true ships: mostly 85-130 m, some up to `longest_m`."""
    rng = stream(options, "fleet")
    return tuple(_ship(options, rng, index, longest_m) for index in range(options.ships))


def _ship(options: SimOptions, rng: np.random.Generator, index: int, longest_m: float) -> Ship:
    long = rng.random() < 0.18
    length = rng.uniform(130, 190) if long else 85 + 45 * rng.beta(1.3, 1.5)
    length = min(length, longest_m * rng.uniform(0.9, 1.0))
    beam = length / np.interp(length, [85, 130, 185], [6.55, 6.3, 5.75]) * rng.normal(1, 0.025)
    depth = beam / np.interp(length, [85, 130, 185], [1.92, 1.85, 1.74]) * rng.normal(1, 0.03)
    design = depth * np.interp(length, [85, 130, 185], [0.765, 0.74, 0.69]) * rng.normal(1, 0.015)
    block = float(np.clip(rng.normal(0.82, 0.025), 0.76, 0.88))
    if length < 150:
        guide = 0.5 * ((0.200 + 0.032 * length) + (1.550 + 0.023 * length))
    else:
        guide = 2.0 + 0.02 * length
    ballast = float(np.clip(guide * rng.normal(1, 0.09), 0.42 * design, 0.75 * design))
    listed = rng.random() < 0.7 or index == 0
    displacement = _SEAWATER_T_M3 * 0.96 * length * beam * design * block
    dwt = displacement * rng.uniform(0.70, 0.76)
    return Ship(
        vessel_id=f"v{index + 1:02d}",
        name=f"SIM TANKER {index + 1}",
        imo=str(9000001 + 37 * index),
        length_m=round(float(length), 1),
        beam_m=round(float(beam), 1),
        depth_m=round(float(depth), 2),
        design_draught_m=round(float(design), 2),
        ballast_draught_m=round(ballast, 2),
        dwt_t=round(float(dwt), -1),
        block=round(block, 4),
        capacity_t=round(float(dwt * rng.uniform(0.93, 0.97)), 0),
        listed=bool(listed or not options.nuisances.unlisted),
        style=int(rng.integers(2**31)),
    )


def draw_calls(options: SimOptions, ships: tuple[Ship, ...]) -> tuple[TrueCall, ...]:
    """Return the true port calls, alternating between shade on the quay and on the water.

    Stays last one to three days about a median of 1.8; a berth stays empty for at least half a
    day between two of them, and a ship is at one berth at a time.
    """
    rng = stream(options, "calls")
    first = dt.datetime.fromisoformat(options.start).replace(tzinfo=dt.UTC)
    wanted = max(2, round(options.calls_per_berth_week * options.berths * options.days / 7))
    sides = [[b for b in range(options.berths) if b % 2 == side] for side in (0, 1)]
    calls: list[TrueCall] = []
    for number in range(wanted):
        berths = sides[number % 2] or sides[0]
        for _ in range(300):
            berth = int(rng.choice(berths))
            ship = ships[int(rng.integers(len(ships)))]
            stay = dt.timedelta(days=float(np.clip(rng.lognormal(np.log(1.8), 0.3), 0.9, 3.5)))
            arrival = first + dt.timedelta(days=float(rng.uniform(-0.5, options.days - 0.6)))
            gap = dt.timedelta(days=0.5)
            if all(
                arrival - gap > call.departure or arrival + stay + gap < call.arrival
                for call in calls
                if call.berth == berth or call.vessel_id == ship.vessel_id
            ):
                calls.append(_call(options, rng, ship, berth, arrival=arrival, stay=stay))
                break
    ordered = sorted(calls, key=lambda call: (call.arrival, call.berth))
    return tuple(ordered)


def _call(
    options: SimOptions,
    rng: np.random.Generator,
    ship: Ship,
    berth: int,
    *,
    arrival: dt.datetime,
    stay: dt.timedelta,
) -> TrueCall:
    empty = float(np.clip(rng.normal(0.02, 0.03), -0.03, 0.10))
    full = float(np.clip(rng.normal(0.90, 0.05), 0.70, 1.0))
    loads = rng.random() < options.loading_share
    when = arrival.replace(microsecond=0)
    return TrueCall(
        call_id=f"{ship.vessel_id}-{when:%Y%m%dT%H%M}",
        vessel_id=ship.vessel_id,
        berth=berth,
        arrival=when,
        departure=(arrival + stay).replace(microsecond=0),
        fill_arrival=empty if loads else full,
        fill_departure=full if loads else empty,
        bow_out=bool(rng.random() < 0.5),
    )
