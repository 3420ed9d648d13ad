"""One pass, one ship: what two tiles of one acquisition both show is one vessel.

Tiles of one pass overlap, so that a ship may be seen in two scenes at the same moment. Both
sightings keep their row; here they are matched one to one, and the clearer one speaks for the
ship. Within one scene nothing is merged: two hulls side by side are two ships.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
import shapely
from scipy.optimize import linear_sum_assignment

from eo.core.records import Hull, Sighting

__all__ = [
    "SHIP_CONFIDENCE",
    "SHIP_LENGTH_M",
    "best_of_pass",
    "is_ship",
    "may_be_ship",
    "outline_overlap",
]

SHIP_LENGTH_M = 60.0
"""Vessels shorter than this count neither as calls nor as vessels of a look."""
SHIP_CONFIDENCE = 0.5
"""A sighting below this is kept in the detections, but makes no call."""

_DOUBTFUL_LENGTH_M = 48.0
"""A ship of 60 m may be measured so short in one look at 10 m pixels."""
_DOUBTFUL_CONFIDENCE = 0.1

_NOT_SHIPS = frozenset({"small", "tug"})
_SAME_PLACE_M = 30.0
_SAME_OVERLAP = 0.5
_FAR = 1e6


def is_ship(sighting: Sighting) -> bool:
    """Whether a sighting counts as a vessel of 60 m or more that could make a port call."""
    return (
        sighting.hull.length_m >= SHIP_LENGTH_M
        and sighting.confidence >= SHIP_CONFIDENCE
        and sighting.vessel_class not in _NOT_SHIPS
    )


def may_be_ship(sighting: Sighting) -> bool:
    """Whether a sighting, too doubtful to make a call, may still be one more look at a ship."""
    return (
        sighting.hull.length_m >= _DOUBTFUL_LENGTH_M
        and sighting.confidence >= _DOUBTFUL_CONFIDENCE
        and sighting.vessel_class != "tug"
    )


def best_of_pass(sightings: Iterable[Sighting]) -> dict[str, str]:
    """Name, for each sighting, the one that speaks for the same ship in the same pass.

    Parameters
    ----------
    sightings
        Sightings of any number of passes, in any order.

    Returns
    -------
    dict
        detection_id -> detection_id of the clearest sighting of that ship in that pass (itself,
        where the ship lies in one scene only).

    Notes
    -----
    Two sightings of different scenes of a pass are one ship if their centres lie within 30 m or
    half of the smaller outline lies in the other; each ship takes at most one from each scene.
    """
    passes: dict[str, dict[str, list[Sighting]]] = defaultdict(lambda: defaultdict(list))
    for sighting in sorted(sightings, key=lambda s: (s.scene_id, s.detection_id)):
        passes[sighting.acquisition_id][sighting.scene_id].append(sighting)
    speaker: dict[str, str] = {}
    for scenes in passes.values():
        for ship in _ships_of_pass(list(scenes.values())):
            best = min(ship, key=lambda s: (-s.clear_fraction, -s.confidence, s.detection_id))
            for sighting in ship:
                speaker[sighting.detection_id] = best.detection_id
    return speaker


def _ships_of_pass(scenes: Sequence[Sequence[Sighting]]) -> list[list[Sighting]]:
    ships: list[list[Sighting]] = [[s] for s in scenes[0]]
    for scene in scenes[1:]:
        cost = np.array([[min(_apart(a, s) for a in ship) for s in scene] for ship in ships])
        cost = cost.reshape(len(ships), len(scene))
        matched = set()
        for i, j in zip(*linear_sum_assignment(cost), strict=True):
            if cost[i, j] < _FAR:
                ships[i].append(scene[j])
                matched.add(int(j))
        ships.extend([s] for j, s in enumerate(scene) if j not in matched)
    return ships


def _apart(a: Sighting, b: Sighting) -> float:
    """Distance between centres [m] where two sightings may be one ship, else a forbidding one."""
    distance = float(np.hypot(a.hull.x_m - b.hull.x_m, a.hull.y_m - b.hull.y_m))
    if distance > a.hull.length_m + b.hull.length_m:
        return _FAR
    near = distance <= _SAME_PLACE_M or outline_overlap(a.hull, b.hull) >= _SAME_OVERLAP
    return distance if near else _FAR


def outline_overlap(a: Hull, b: Hull) -> float:
    """Return the common area of two outlines over the smaller one's area."""
    one, two = _polygon(a.outline), _polygon(b.outline)
    smaller = min(one.area, two.area)
    return float(one.intersection(two).area / smaller) if smaller > 0.0 else 0.0


@lru_cache(maxsize=4096)
def _polygon(outline: tuple[tuple[float, float], ...]) -> shapely.Polygon:
    if len(outline) < 4:
        return shapely.Polygon()
    polygon = shapely.Polygon(outline)
    hull = polygon if polygon.is_valid else polygon.convex_hull
    return hull if isinstance(hull, shapely.Polygon) else shapely.Polygon()
