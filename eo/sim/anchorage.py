"""Where ships lie at anchor, and which of the fleet wait there before and after their calls."""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from eo.sim.fleet import Ship, TrueCall
from eo.sim.options import SimOptions, stream
from eo.sim.port import Port

__all__ = ["Wait", "anchor_places", "draw_waits"]

Array = Any

_CLEARANCE_M = 105.0
"""From a place to anything fixed: half a long ship and her shade."""


@dataclass(frozen=True, kw_only=True)
class Wait:
    """One true ship at anchor for some days."""

    vessel_id: str
    """Who."""
    place: int
    """Index of the place."""
    begin: dt.datetime
    """Anchor down."""
    end: dt.datetime
    """Anchor up."""
    fill: float
    """Her fill."""


def anchor_places(options: SimOptions, port: Port) -> Array:
    """Return up to `anchor_places` places (k, 2) of open water, in metres from the centre."""
    if options.anchor_places == 0:
        return np.empty((0, 2))
    rng = stream(options, "anchor places")
    solid = shapely.union_all([shapely.Polygon(part.outline) for part in port.prisms])
    fixed = [solid, *(shapely.Polygon(berth.outline) for berth in port.berths)]
    half = 0.5 * options.extent_m - _CLEARANCE_M
    lattice = np.arange(-half, half + 1.0, 30.0)
    chosen: list[Array] = []
    for spot in rng.permutation(list(itertools.product(lattice, lattice))):
        if len(chosen) == options.anchor_places:
            break
        if any(np.hypot(*(spot - other)) < 2 * _CLEARANCE_M for other in chosen):
            continue
        point = shapely.Point(spot)
        if all(point.distance(thing) > _CLEARANCE_M for thing in fixed):
            chosen.append(spot)
    return np.array(chosen).reshape(-1, 2)


def draw_waits(
    options: SimOptions, ships: tuple[Ship, ...], calls: tuple[TrueCall, ...], places: int
) -> tuple[Wait, ...]:
    """Return who waits when: each ship between her calls, as full as she comes or goes."""
    if places == 0:
        return ()
    rng = stream(options, "waits")
    first = dt.datetime.fromisoformat(options.start).replace(tzinfo=dt.UTC)
    last = first + dt.timedelta(days=options.days)
    gap = dt.timedelta(days=0.25)
    found: list[Wait] = []
    for ship in ships:
        mine = sorted((c for c in calls if c.vessel_id == ship.vessel_id), key=lambda c: c.arrival)
        bounds = [(first, None)] + [(call.departure, call) for call in mine]
        ends = [(call.arrival, call) for call in mine] + [(last, None)]
        for (start, before), (stop, after) in zip(bounds, ends, strict=True):
            begin, end = start + gap, stop - gap
            fills = [c.fill_departure for c in (before,) if c] + [
                c.fill_arrival for c in (after,) if c
            ]
            fill = float(rng.choice(fills)) if fills else float(rng.uniform(0.0, 0.95))
            length = dt.timedelta(days=float(rng.uniform(1.0, 4.0)))
            slack = (end - begin) - length
            if slack < dt.timedelta(0):
                length, slack = end - begin, dt.timedelta(0)
            if length < dt.timedelta(days=0.7):
                continue
            begin = (begin + float(rng.random()) * slack).replace(microsecond=0)
            end = (begin + length).replace(microsecond=0)
            free = [
                place
                for place in rng.permutation(places)
                if all(
                    w.place != place or w.end + gap < begin or end + gap < w.begin for w in found
                )
            ]
            if free:
                found.append(
                    Wait(
                        vessel_id=ship.vessel_id,
                        place=int(free[0]),
                        begin=begin,
                        end=end,
                        fill=fill,
                    )
                )
    return tuple(found)
