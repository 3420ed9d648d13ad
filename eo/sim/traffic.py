"""Who lies where in a look: ships at berth and at anchor, tugs, barges, boats, buoys."""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from eo.sim.anchorage import Wait
from eo.sim.fleet import Ship, TrueCall
from eo.sim.hullform import HullForm
from eo.sim.options import SimOptions, stream
from eo.sim.port import BerthPlan, Port
from eo.sim.ships import boat_parts, ship_form, ship_parts, tug_parts
from eo.sim.solids import Prism, box, place

__all__ = ["Afloat", "Schedule", "afloat_in_look"]

Array = Any

FENDER_M = 1.6
"""Gap between hull and quay."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Afloat:
    """One vessel in one look, in the grid's axes."""

    name: str
    """Ship's id, or a name within the look."""
    kind: str
    """tanker, cargo, barge, tug, boat or buoy."""
    x_m: float
    """Centre, east of the area's centre."""
    y_m: float
    """Centre, north of the area's centre."""
    bearing_deg: float
    """Grid bearing towards the bow."""
    length_m: float
    """Length on deck."""
    beam_m: float
    """Beam."""
    parts: list[Prism]
    """Her solids, in place."""
    berth: BerthPlan | None = None
    """Where she is moored."""
    call_id: str | None = None
    """Her port call."""
    draught_m: float | None = None
    """Her draught."""
    freeboard_m: float | None = None
    """Main deck above water."""
    fill: float | None = None
    """Her fill."""
    wake: bool = False
    """Whether she moves and leaves foam behind."""
    form: HullForm | None = None
    """Shape of her hull; None: without rake."""
    trim_m: float = 0.0
    """Draught aft less draught forward."""
    heel_deg: float = 0.0
    """Starboard side up."""

    @property
    def waterline_m(self) -> float:
        """Length at the waterline."""
        return self.form.waterline_m if self.form else self.length_m

    @property
    def centre(self) -> tuple[float, float]:
        """Middle of the waterline, east and north of the area's centre."""
        back = 0.5 * (self.length_m - self.waterline_m) * _vector(self.bearing_deg)
        return float(self.x_m - back[0]), float(self.y_m - back[1])

    @property
    def outline(self) -> Array:
        """(k, 2) hull at the waterline."""
        form = self.form or HullForm(length_m=self.length_m, beam_m=self.beam_m)
        plan = form.outline()
        along, across = _vector(self.bearing_deg), _vector(self.bearing_deg + 90.0)
        return plan[:, :1] * along + plan[:, 1:] * across + np.array([self.x_m, self.y_m])


@dataclass(frozen=True, kw_only=True, eq=False)
class Schedule:
    """Who is where when."""

    ships: tuple[Ship, ...]
    """The fleet."""
    calls: tuple[TrueCall, ...]
    """Their calls at berths."""
    waits: tuple[Wait, ...] = ()
    """Their days at anchor."""
    places: Any = ()
    """(k, 2) where they anchor, east and north of the area's centre."""


def afloat_in_look(
    options: SimOptions, port: Port, schedule: Schedule, when: dt.datetime, wind_from_deg: float
) -> list[Afloat]:
    """Return everything afloat at a time."""
    ships = {ship.vessel_id: ship for ship in schedule.ships}
    rng = stream(options, "traffic", when.isoformat())
    found: list[Afloat] = []
    for call in schedule.calls:
        if call.arrival <= when < call.departure:
            ship = ships[call.vessel_id]
            moored = _moored(options, port.berths[call.berth], ship, call, when)
            found.append(moored)
            if options.nuisances.tugs:
                found += _alongside(rng, moored, port.berths[call.berth], call, when)
    for wait in schedule.waits:
        if wait.begin <= when < wait.end:
            spot = schedule.places[wait.place]
            swinging = _waiting(options, ships[wait.vessel_id], wait, spot, wind_from_deg)
            found.append(swinging)
            if options.nuisances.tugs:
                found += _bunkering(rng, swinging)
    if options.nuisances.anchored and options.extent_m > 900 and not len(schedule.places):
        found += _anchored(options, port, when, wind_from_deg)
    if options.nuisances.small_craft:
        boats = stream(options, "boats", when.isoformat())
        found += _small(options, port, boats, found)
    return found


def _vector(bearing_deg: float) -> Array:
    angle = np.radians(bearing_deg)
    return np.array([np.sin(angle), np.cos(angle)])


def _moored(
    options: SimOptions, berth: BerthPlan, ship: Ship, call: TrueCall, when: dt.datetime
) -> Afloat:
    rng = stream(options, "berthing", call.call_id)
    slack = max(0.0, berth.length_m - ship.length_m - 8.0) / 2
    along = rng.uniform(-0.6, 0.6) * slack
    out = FENDER_M + ship.beam_m / 2 + rng.uniform(0.0, 0.8)
    x, y = (
        np.array([berth.x_m, berth.y_m])
        + along * _vector(berth.along_deg)
        + out * _vector(berth.outward_deg)
    )
    bearing = (berth.along_deg + (180.0 if call.bow_out else 0.0) + rng.normal(0, 0.25)) % 360
    return _tanker(
        options,
        ship,
        (float(x), float(y), float(bearing)),
        fill=call.fill_at(when),
        rng=rng,
        berth=berth,
        call_id=call.call_id,
    )


def _waiting(
    options: SimOptions, ship: Ship, wait: Wait, spot: Array, wind_from_deg: float
) -> Afloat:
    """Return a ship that swings about her anchor with the wind."""
    rng = stream(options, "anchoring", ship.vessel_id, wait.begin.isoformat())
    x, y = spot + rng.uniform(-10, 10, 2)
    bearing = (wind_from_deg + rng.normal(0, 12)) % 360
    return _tanker(options, ship, (float(x), float(y), float(bearing)), fill=wait.fill, rng=rng)


def _tanker(
    options: SimOptions,
    ship: Ship,
    where: tuple[float, float, float],
    *,
    fill: float,
    rng: np.random.Generator,
    berth: BerthPlan | None = None,
    call_id: str | None = None,
) -> Afloat:
    """Return a ship of the fleet at a place and grid bearing."""
    nuisances = options.nuisances
    draught = ship.draught_at(fill)
    trim = float(np.interp(fill, [0, 1], [1.3, 0.2])) * rng.uniform(0.3, 1.0)
    heel = float(np.clip(rng.normal(0, 0.35), -1.0, 1.0))
    trim, heel = trim if nuisances.trim else 0.0, heel if nuisances.heel else 0.0
    form = ship_form(ship.length_m, ship.beam_m, ship.style, nuisances)
    parts = ship_parts(
        form,
        ship.depth_m - draught,
        ship.style,
        nuisances=nuisances,
        trim_m=trim,
        heel_deg=heel,
    )
    return Afloat(
        name=ship.vessel_id,
        kind="tanker",
        x_m=where[0],
        y_m=where[1],
        bearing_deg=where[2],
        length_m=ship.length_m,
        beam_m=ship.beam_m,
        parts=place(parts, *where),
        berth=berth,
        call_id=call_id,
        draught_m=draught,
        freeboard_m=ship.depth_m - draught,
        fill=fill,
        form=form,
        trim_m=trim,
        heel_deg=heel,
    )


def _alongside(
    rng: np.random.Generator,
    ship: Afloat,
    berth: BerthPlan,
    call: TrueCall,
    when: dt.datetime,
) -> list[Afloat]:
    """Tugs near arrival and departure; a bunker barge now and then in between."""
    edge = min(when - call.arrival, call.departure - when)
    out = berth.outward_deg
    found = []
    if edge < dt.timedelta(hours=5) or rng.random() < 0.08:
        for sign in (-1, 1)[: int(rng.integers(1, 3))]:
            size = (float(rng.uniform(24, 34)), float(rng.uniform(8.5, 11.5)))
            along = sign * rng.uniform(0.2, 0.36) * ship.length_m
            found.append(_beside(rng, ship, out, along_m=along, size=size, kind="tug"))
    elif rng.random() < 0.2:
        size = (float(rng.uniform(38, 55)), float(rng.uniform(8.0, 10.5)))
        along = float(rng.uniform(-0.2, 0.2)) * ship.length_m
        found.append(_beside(rng, ship, out, along_m=along, size=size, kind="barge"))
    return found


def _bunkering(rng: np.random.Generator, ship: Afloat) -> list[Afloat]:
    """Return a bunker barge beside every eighth ship at anchor, on either side."""
    if rng.random() > 1 / 8:
        return []
    side = ship.bearing_deg + (90.0 if rng.random() < 0.5 else -90.0)
    size = (float(rng.uniform(38, 55)), float(rng.uniform(8.0, 10.5)))
    along = float(rng.uniform(-0.2, 0.2)) * ship.length_m
    return [_beside(rng, ship, side, along_m=along, size=size, kind="barge")]


def _beside(
    rng: np.random.Generator,
    ship: Afloat,
    outward_deg: float,
    *,
    along_m: float,
    size: tuple[float, float],
    kind: str,
) -> Afloat:
    length, beam = size
    out = ship.beam_m / 2 + beam / 2 + rng.uniform(0.6, 1.8)
    x, y = (
        np.array([ship.x_m, ship.y_m])
        + along_m * _vector(ship.bearing_deg)
        + out * _vector(outward_deg)
    )
    bearing = (ship.bearing_deg + (180 if rng.random() < 0.5 else 0) + rng.normal(0, 2)) % 360
    style = int(rng.integers(2**31))
    if kind == "tug":
        parts = tug_parts(length, beam, style)
    else:
        parts = ship_parts(HullForm(length_m=length, beam_m=beam), rng.uniform(1.0, 2.2), style)
    return Afloat(
        name=f"{kind}-{style % 100000:05d}",
        kind=kind,
        x_m=float(x),
        y_m=float(y),
        bearing_deg=float(bearing),
        length_m=length,
        beam_m=beam,
        parts=place(parts, float(x), float(y), float(bearing)),
    )


def _anchored(
    options: SimOptions, port: Port, when: dt.datetime, wind_from_deg: float
) -> list[Afloat]:
    """Return a cargo ship or tanker at anchor for some days in every ten."""
    rng = stream(options, "anchored")
    first = dt.datetime.fromisoformat(options.start).replace(tzinfo=dt.UTC)
    found = []
    for number in range(max(1, options.days // 10)):
        begin = first + dt.timedelta(days=float(rng.uniform(0, 10)) + 10 * number)
        end = begin + dt.timedelta(days=float(rng.uniform(1, 5)))
        length = float(rng.uniform(80, 150))
        beam = length / float(rng.uniform(5.8, 6.6))
        freeboard = float(rng.uniform(2.2, 6.0))
        kind = "cargo" if rng.random() < 0.5 else "tanker"
        style = int(rng.integers(2**31))
        spot = rng.uniform(-20, 20, 2)
        swing = float(rng.normal(0, 12))
        if not begin <= when < end:
            continue
        # Off the piers' end, between island and breakwater.
        middle = -0.36 * options.extent_m * _vector(port.axis_deg)
        x, y = middle + 0.03 * options.extent_m * _vector(port.axis_deg + 90) + spot
        bearing = (wind_from_deg + swing) % 360
        form = ship_form(length, beam, style, options.nuisances)
        parts = ship_parts(form, freeboard, style, nuisances=options.nuisances, kind=kind)
        found.append(
            Afloat(
                name=f"anchored-{number + 1}",
                kind=kind,
                x_m=float(x),
                y_m=float(y),
                bearing_deg=float(bearing),
                length_m=length,
                beam_m=beam,
                parts=place(parts, float(x), float(y), float(bearing)),
                freeboard_m=freeboard,
                form=form,
            )
        )
    return found


def _small(
    options: SimOptions, port: Port, rng: np.random.Generator, others: list[Afloat]
) -> list[Afloat]:
    half = options.extent_m / 2
    fixed = stream(options, "buoys")
    buoys = [("buoy", *fixed.uniform(-0.9 * half, 0.9 * half, 2)) for _ in range(5)]
    boats = [
        ("boat", *rng.uniform(-0.95 * half, 0.95 * half, 2)) for _ in range(int(rng.integers(1, 7)))
    ]
    found = []
    for number, (kind, x, y) in enumerate(buoys + boats):
        if not _free(port, others, float(x), float(y)):
            continue
        bearing = float(rng.uniform(0, 360))
        length = 2.6 if kind == "buoy" else float(rng.uniform(6, 24))
        beam = 2.6 if kind == "buoy" else length * float(rng.uniform(0.26, 0.36))
        if kind == "buoy":
            parts = [box((-1.3, 1.3), (-1.3, 1.3), (0.0, 3.0), "orange", "orange")]
        else:
            parts = boat_parts(length, beam, int(rng.integers(2**31)))
        found.append(
            Afloat(
                name=f"{kind}-{number}",
                kind=kind,
                x_m=float(x),
                y_m=float(y),
                bearing_deg=bearing,
                length_m=length,
                beam_m=beam,
                parts=place(parts, float(x), float(y), bearing),
                wake=kind == "boat" and bool(rng.random() < 0.5),
            )
        )
    return found


def _free(port: Port, others: list[Afloat], x: float, y: float) -> bool:
    """Whether a place is open water."""
    if bool(port.on_land(np.asarray(x), np.asarray(y), 40.0)):
        return False
    ux, uy = _vector(port.axis_deg)
    across = x * uy - y * ux
    piers = {round(berth.x_m * uy - berth.y_m * ux, 1) for berth in port.berths}
    if any(abs(across - pier) < 90 for pier in piers) and x * ux + y * uy > port.shore_m - 620:
        return False
    if port.island and np.hypot(x - port.island[0], y - port.island[1]) < 110:
        return False
    if port.breakwater.size and np.min(np.hypot(*(_dense(port.breakwater) - [x, y]).T)) < 40:
        return False
    return all(np.hypot(x - ship.x_m, y - ship.y_m) > ship.length_m for ship in others)


def _dense(line: Array) -> Array:
    share = np.linspace(0, 1, 40)[:, None]
    return np.vstack([a + (b - a) * share for a, b in itertools.pairwise(line)])
