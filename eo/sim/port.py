"""The port: land, piers with berths, tanks and buildings, a breakwater, an island.

All places are metres east and north of the area's centre, in the grid's axes. A pier runs across
the sun's azimuth at the time of the looks, so that ships on its sunny side shade the pier and
those on the other side shade the water.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from eo.sim.options import SimOptions, stream
from eo.sim.solids import Prism, box, place, prism, regular

__all__ = ["BerthPlan", "Port", "build_port", "vehicles"]

Array = Any

BERTH_WIDTH_M = 46.0
"""How far a berth's polygon reaches out from the quay."""


@dataclass(frozen=True, kw_only=True)
class BerthPlan:
    """One berth."""

    name: str
    """Its name."""
    x_m: float
    """Middle of its quay edge, east."""
    y_m: float
    """Middle of its quay edge, north."""
    along_deg: float
    """Grid bearing along the quay, towards the land."""
    outward_deg: float
    """Grid bearing from the quay to the water."""
    length_m: float
    """Length of quay."""
    shade_on_quay: bool
    """Whether the sun throws a ship's shade on the quay."""
    quay_m: float
    """Height of its quay above mean water."""

    @property
    def outline(self) -> Array:
        """(4, 2) corners of the berth's polygon."""
        along, out = _unit(self.along_deg), _unit(self.outward_deg)
        centre = np.array([self.x_m, self.y_m])
        half = along * self.length_m / 2
        far = out * BERTH_WIDTH_M
        return np.array([centre - half, centre + half, centre + half + far, centre - half + far])


@dataclass(frozen=True, kw_only=True, eq=False)
class Port:
    """All that never moves."""

    prisms: list[Prism]
    """Its solids."""
    berths: tuple[BerthPlan, ...]
    """Its berths."""
    axis_deg: float
    """Grid bearing along the piers, towards the land."""
    shore_m: float
    """Where the land begins, along the axis."""
    ground_m: float
    """Height of the land above mean water."""
    breakwater: Array
    """(k, 2) its middle line; empty without one."""
    island: tuple[float, float, float] | None
    """(x, y, radius), None without one."""

    def on_land(self, x: Array, y: Array, margin_m: float = 0.0) -> Array:
        """Whether places are ashore, or nearer to the shore than a margin."""
        ux, uy = _unit(self.axis_deg)
        return x * ux + y * uy > self.shore_m - margin_m

    def inland(self, x: Array, y: Array) -> Array:
        """Whether places are so far ashore that no vessel's blur or shade reaches them."""
        return self.on_land(x, y, -60.0)


def _unit(bearing_deg: float) -> Array:
    angle = np.radians(bearing_deg)
    return np.array([np.sin(angle), np.cos(angle)])


def build_port(options: SimOptions, sun_azimuth_grid_deg: float) -> Port:
    """Return the port of a campaign; the sun's azimuth is that of a typical look."""
    rng = stream(options, "port")
    extent = options.extent_m
    turn = options.pier_turn_deg
    axis = (sun_azimuth_grid_deg - 90.0 + rng.uniform(-turn, turn)) % 360.0
    shore = 0.26 * extent
    quay_m = _quay_height(options, "land")
    pier = min(500.0, 0.58 * extent)
    width = float(rng.uniform(30.0, 42.0))
    parts = _land(stream(options, "land"), options, extent, shore, quay_m)
    berths = []
    for number in range(-(-options.berths // 4)):
        offset = 0.0 if number == 0 else ((-1) ** number) * 250.0 * ((number + 1) // 2)
        height = _quay_height(options, f"pier-{number}")
        parts += _pier(
            options, number, (shore - pier, shore + 5.0), offset=offset, width=width, quay_m=height
        )
        for index in range(4 * number, min(options.berths, 4 * number + 4)):
            place_m = (shore - pier, pier, offset, width)
            berths.append(_berth(options.berths, index, place_m, axis=axis, quay_m=height))
    placed = place(parts, 0.0, 0.0, axis)
    breakwater, island = np.empty((0, 2)), None
    if options.nuisances.breakwater and extent > 700:
        breakwater = _turn([(-0.46, 0.30), (-0.12, 0.40), (0.10, 0.37)], extent, axis)
        placed += _wall(breakwater, 13.0, 4.2)
    if options.nuisances.island and extent > 700:
        x, y = _turn([(-0.36, -0.33)], extent, axis)[0]
        island = (float(x), float(y), 55.0)
        placed += _rocks(stream(options, "island"), float(x), float(y))
    return Port(
        prisms=placed,
        berths=tuple(berths),
        axis_deg=float(axis),
        shore_m=float(shore),
        ground_m=quay_m,
        breakwater=breakwater,
        island=island,
    )


def _quay_height(options: SimOptions, name: str) -> float:
    """Height above mean water: 1.5-6 m, mostly two to four and a half."""
    share = stream(options, "quay", name).beta(1.6, 2.6)
    return float(1.5 + 4.5 * share) if options.nuisances.quay_heights else 3.2


def _turn(points: list[tuple[float, float]], extent: float, axis_deg: float) -> Array:
    """Points given along and across the axis, in parts of the extent, as (x, y) in metres."""
    along, across = _unit(axis_deg), _unit(axis_deg + 90)
    return np.array([a * extent * along + c * extent * across for a, c in points])


def _berth(
    count: int,
    index: int,
    pier: tuple[float, float, float, float],
    *,
    axis: float,
    quay_m: float,
) -> BerthPlan:
    start, length, offset, width = pier
    sunny = index % 2 == 0
    slots = 2 if count > 2 and length > 330 else 1
    slot = (index // 2) % 2 if slots == 2 else 0
    middle = start + length * (slot + 0.5) / slots - (0.04 * length)
    # Starboard of the axis faces the sun: the pier runs across its azimuth.
    across = offset + (width / 2 if sunny else -width / 2)
    x, y = middle * _unit(axis) + across * _unit(axis + 90)
    return BerthPlan(
        name=f"berth-{index + 1}",
        x_m=float(x),
        y_m=float(y),
        along_deg=float(axis),
        outward_deg=float((axis + (90 if sunny else -90)) % 360),
        length_m=0.9 * length / slots,
        shade_on_quay=sunny,
        quay_m=quay_m,
    )


def _pier(
    options: SimOptions,
    number: int,
    span: tuple[float, float],
    *,
    offset: float,
    width: float,
    quay_m: float,
) -> list[Prism]:
    rng = stream(options, "pier", number)
    start, stop = span
    top = str(rng.choice(("concrete", "concrete", "asphalt")))
    half = width / 2
    parts = [box((start, stop), (offset - half, offset + half), (0.0, quay_m), top, "concrete")]
    lane = rng.uniform(-0.15, 0.15) * width + offset
    parts += [
        box((start + 8, stop), (lane - 3.5, lane + 3.5), (0.0, quay_m + 0.05), "asphalt",
            "asphalt"),
        box((start + 20, stop), (lane + 5.0, lane + 7.0), (quay_m, quay_m + 3.0), "pipe", "pipe"),
    ]  # fmt: skip
    arms = np.arange(start + 0.25 * (stop - start), stop, 0.25 * (stop - start))
    for along in arms if options.nuisances.cranes else ():
        for sign in (-1.0, 1.0):
            edge = offset + sign * (half - 3.5)
            for step in (-6.0, 0.0, 6.0):
                parts.append(
                    box((along + step - 0.7, along + step + 0.7), (edge - 0.7, edge + 0.7),
                        (quay_m, quay_m + 8.5), "white", "deck-grey")
                )  # fmt: skip
    if options.nuisances.clutter:
        for _ in range(10):
            along, across = rng.uniform(start + 10, stop - 10), rng.uniform(-0.32, 0.32) * width
            long, wide = rng.uniform(3, 9), rng.uniform(2, 3.5)
            parts.append(
                box((along, along + long), (offset + across, offset + across + wide),
                    (quay_m, quay_m + rng.uniform(1.5, 4.5)),
                    str(rng.choice(("white", "rust", "dark", "hull-blue"))), "deck-grey")
            )  # fmt: skip
    return parts


def _land(
    rng: np.random.Generator, options: SimOptions, extent: float, shore: float, quay_m: float
) -> list[Prism]:
    far = 1.5 * extent
    parts = [
        box((shore, far), (-far, far), (0.0, quay_m), "concrete", "concrete", tone=0.9),
        box((shore + 90, far), (-far, far), (0.0, quay_m + 0.3), "soil", "soil", tone=0.9),
    ]
    for _ in range(14):
        along, across = rng.uniform(shore + 60, 0.7 * extent), rng.uniform(-0.75, 0.75) * extent
        long, wide = rng.uniform(40, 190, 2)
        kind = str(rng.choice(("green", "asphalt", "green", "soil", "concrete")))
        lift = quay_m + 0.4 + 0.02 * len(parts)
        parts.append(box((along, along + long), (across, across + wide), (0.0, lift), kind, "soil"))
    ground = quay_m + 0.4
    for row in range(2):
        for col in range(5):
            if rng.random() < 0.8:
                centre = (shore + 70 + 48 * row, -0.30 * extent + 48 * col)
                height = ground + rng.uniform(9.0, 15.0)
                parts.append(
                    regular(centre, rng.uniform(11, 18), (quay_m, height), "white", "hull-grey")
                )
    for _ in range(34 if options.nuisances.clutter else 8):
        along, across = rng.uniform(shore + 12, 0.62 * extent), rng.uniform(-0.7, 0.7) * extent
        long, wide = rng.uniform(8, 60), rng.uniform(6, 24)
        colour = str(rng.choice(("deck-grey", "rust", "white", "hull-blue", "concrete", "dark")))
        roof = ground + rng.uniform(2.5, 13.0)
        parts.append(
            box((along, along + long), (across, across + wide), (quay_m, roof), colour, "hull-grey")
        )
    return parts


def _wall(line: Array, width: float, height: float) -> list[Prism]:
    parts = []
    for start, stop in itertools.pairwise(line):
        way = stop - start
        length = float(np.hypot(*way))
        bearing = float(np.degrees(np.arctan2(way[0], way[1])))
        middle = 0.5 * (start + stop)
        slope = [
            box((-length / 2, length / 2), (-width / 2, width / 2), (0.0, 0.4 * height), "rock",
                "rock"),
            box((-length / 2, length / 2), (-0.3 * width, 0.3 * width), (0.0, height),
                "concrete", "rock", tone=0.9),
        ]  # fmt: skip
        parts += place(slope, float(middle[0]), float(middle[1]), bearing)
    return parts


def _rocks(rng: np.random.Generator, x: float, y: float) -> list[Prism]:
    """Return a ship-sized rock of three uneven steps."""
    bearing = float(rng.uniform(0, 360))
    angle = np.sort(rng.uniform(0, 2 * np.pi, 9))
    parts = []
    for share, height in ((1.0, 1.5), (0.72, 4.5), (0.4, 8.5)):
        radius = share * rng.uniform(0.85, 1.15)
        points = np.column_stack([48 * np.cos(angle), 27 * np.sin(angle)]) * radius
        top = "green" if height > 8 else "rock"
        parts.append(prism(points, (0.0, height), top, "rock"))
    return place(parts, x, y, bearing)


def vehicles(port: Port, rng: np.random.Generator, extent_m: float) -> list[Prism]:
    """Return lorries and stacks that stand elsewhere in every look, on quays and ashore."""
    parts = []
    along, out = _unit(port.axis_deg), _unit(port.axis_deg + 90)
    for _ in range(int(rng.integers(6, 16))):
        floor = port.ground_m
        if rng.random() < 0.5:
            berth = port.berths[int(rng.integers(len(port.berths)))]
            inward = -_unit(berth.outward_deg)
            floor = berth.quay_m
            spot = np.array([berth.x_m, berth.y_m]) + rng.uniform(4, 12) * inward
            spot = spot + rng.uniform(-0.45, 0.45) * berth.length_m * along
        else:
            spot = (port.shore_m + rng.uniform(15, 80)) * along
            spot = spot + rng.uniform(-0.6, 0.6) * extent_m * out
        colour = str(rng.choice(("white", "orange", "hull-blue", "rust", "dark")))
        size = (float(rng.uniform(6, 16)), float(rng.uniform(2.4, 5.0)))
        block = box(
            (0.0, size[0]), (0.0, size[1]), (floor - 0.3, floor + rng.uniform(1.5, 4.5)),
            colour, colour,
        )  # fmt: skip
        turn = port.axis_deg + float(rng.choice((0.0, 90.0)))
        parts += place([block], float(spot[0]), float(spot[1]), turn)
    return parts
