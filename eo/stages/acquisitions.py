"""Which scenes are one pass of a satellite, and which are the same pixels processed twice."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import shapely.geometry

from eo.access.fields import moment
from eo.core.records import Scene

__all__ = ["age", "same_acquisition", "with_acquisitions", "without_duplicates"]

PASS = dt.timedelta(seconds=100)
"""Scenes of one satellite closer in time than this were taken in one pass."""

_SAME_TILE_OVERLAP = 0.5
"""Share of the smaller footprint. One tile comes in two halves where a pass was received by two
stations; those overlap little, and together they cover what neither does alone."""
_SAME_PLACE_OVERLAP = 0.8
"""Where no tile is named: neighbours in a strip overlap by less, a second processing by more."""

_LONG_AGO = dt.datetime.min.replace(tzinfo=dt.UTC)


def age(scene: Scene) -> tuple[Any, ...]:
    """Return a key that sorts scenes from the oldest processing to the newest."""
    updated = moment(scene.updated)
    files = tuple(band.href for band in scene.bands)
    processed = scene.processed or updated or _LONG_AGO
    return (processed, updated or _LONG_AGO, scene.scene_id, files)


def with_acquisitions(scenes: Iterable[Scene]) -> list[Scene]:
    """Return the scenes with the id of their pass: satellite and time of its first scene.

    A scene whose time is unknown is a pass of its own.
    """
    passes: dict[str, list[Scene]] = defaultdict(list)
    done = []
    for scene in scenes:
        if scene.datetime is None:
            done.append(replace(scene, acquisition_id=scene.scene_id))
        else:
            passes[_satellite(scene)].append(scene)
    for satellite, mine in passes.items():
        first: dt.datetime | None = None
        for scene in sorted(mine, key=lambda s: (s.datetime or _LONG_AGO, s.scene_id)):
            taken = scene.datetime or _LONG_AGO
            if first is None or taken - first > PASS:
                first = taken
            done.append(replace(scene, acquisition_id=f"{satellite}-{first:%Y%m%dT%H%M%S}"))
    return done


def _satellite(scene: Scene) -> str:
    return scene.platform or scene.sensor


def without_duplicates(scenes: Iterable[Scene]) -> list[Scene]:
    """Return the scenes, with all but the newest processing of an acquisition skipped."""
    kept: dict[tuple[str, int | None], list[Scene]] = defaultdict(list)
    done = []
    for scene in sorted(scenes, key=age, reverse=True):
        if scene.status != "found":
            done.append(scene)
            continue
        satellite, slot = _satellite(scene), _slot(scene)
        slots = [slot] if slot is None else [slot - 1, slot, slot + 1]
        near = (other for number in slots for other in kept[satellite, number])
        newer = next((other for other in near if same_acquisition(other, scene)), None)
        if newer is None:
            kept[satellite, slot].append(scene)
            done.append(scene)
        else:
            reason = f"duplicate of {newer.scene_id}"
            done.append(replace(scene, status="skipped", reason=reason))
    return done


def _slot(scene: Scene) -> int | None:
    """Return a number that differs by one at most between scenes of one pass."""
    if scene.datetime is None:
        return None
    return int(scene.datetime.timestamp() // PASS.total_seconds())


def same_acquisition(one: Scene, other: Scene) -> bool:
    """Whether two scenes hold the same pixels: one satellite, within 100 s, one tile."""
    if _satellite(one) != _satellite(other):
        return False
    if one.datetime is None or other.datetime is None:
        in_time = one.datetime == other.datetime and (one.start, one.end) == (
            other.start,
            other.end,
        )
    else:
        in_time = abs(one.datetime - other.datetime) <= PASS
    if not in_time:
        return False
    if one.tile_id is not None and other.tile_id is not None:
        if one.tile_id != other.tile_id:
            return False
        return _overlap(one, other) > _SAME_TILE_OVERLAP
    return _overlap(one, other) > _SAME_PLACE_OVERLAP


def _overlap(one: Scene, other: Scene) -> float:
    """Return the common area as a share of the smaller (same tile) or of the union."""
    if one.footprint is None or other.footprint is None:
        return 1.0 if one.footprint == other.footprint else 0.0
    a = shapely.geometry.shape(one.footprint)
    b = shapely.geometry.shape(other.footprint)
    common = a.intersection(b).area
    same_tile = one.tile_id is not None and one.tile_id == other.tile_id
    whole = min(a.area, b.area) if same_tile else a.union(b).area
    return float(common / whole) if whole > 0 else 0.0
