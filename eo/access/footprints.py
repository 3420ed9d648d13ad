"""Where a scene lies: an item's geometry, mended where that can be done without guessing."""

from __future__ import annotations

import json
import math
from typing import Any

import shapely
import shapely.affinity
import shapely.geometry
from shapely.geometry.base import BaseGeometry

from eo.access.fields import as_list, number

__all__ = ["footprint_of", "shape_of"]

_HALF_TURN = 180.0


def footprint_of(item: dict[str, Any]) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
    """Return an item's footprint (GeoJSON, EPSG:4326) and what was mended.

    Without a geometry the bounding box stands in. A polygon that leaps across the 180th
    meridian is split there. None if there is neither, or it is not on Earth.
    """
    notes: list[str] = []
    shape = shape_of(item.get("geometry"))
    if shape is None:
        shape = _box_of(item.get("bbox"))
        if shape is not None:
            notes.append("the item has no usable geometry: its bbox stands in")
    if shape is None:
        return None, ()
    if any(_leaps(part) for part in shapely.get_parts(shape)):
        split = _split_at_date_line(shape)
        if split is not None:
            shape = split
            notes.append("footprint split at the 180th meridian")
    # As JSON has it, in lists: a scene that has travelled equals one that has not.
    return json.loads(shapely.to_geojson(shape)), tuple(notes)


def shape_of(geometry: Any) -> BaseGeometry | None:
    """Return a GeoJSON (multi)polygon as a valid shape; None if it is none, or not on Earth."""
    if not isinstance(geometry, dict):
        return None
    try:
        shape = shapely.geometry.shape(geometry)
        if shape.is_empty or not all(math.isfinite(v) for v in shape.bounds):
            return None
        shape = shapely.force_2d(shape)
        if not shape.is_valid:
            shape = shapely.make_valid(shape)
        areas = [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon"]
        areas += [
            polygon
            for part in shapely.get_parts(shape)
            if part.geom_type == "MultiPolygon"
            for polygon in part.geoms
        ]
    except (
        AttributeError,
        IndexError,
        KeyError,
        TypeError,
        ValueError,
        shapely.errors.ShapelyError,
    ):
        return None
    if not areas:
        return None
    shape = areas[0] if len(areas) == 1 else shapely.geometry.MultiPolygon(areas)
    west, south, east, north = shape.bounds
    on_earth = south >= -90 and north <= 90 and west >= -360 and east <= 360
    return shape if on_earth and shape.area > 0 else None


def _box_of(bbox: Any) -> BaseGeometry | None:
    corners = [number(v) for v in as_list(bbox)]
    if len(corners) == 6:
        corners = corners[:2] + corners[3:5]
    if len(corners) != 4:
        return None
    west, south, east, north = corners
    if west is None or south is None or east is None or north is None:
        return None
    if west > east:
        east += 2 * _HALF_TURN
    return shape_of(shapely.geometry.mapping(shapely.geometry.box(west, south, east, north)))


def _leaps(part: BaseGeometry) -> bool:
    west, _, east, _ = part.bounds
    return bool(east - west > _HALF_TURN or east > _HALF_TURN or west < -_HALF_TURN)


def _split_at_date_line(shape: BaseGeometry) -> BaseGeometry | None:
    """Split a footprint that crosses the 180th meridian; None if it does not after all."""

    def eastward(points: Any) -> Any:
        moved = points.copy()
        moved[moved[:, 0] < 0, 0] += 2 * _HALF_TURN
        return moved

    _, south, _, north = shape.bounds
    parts = []
    for part in shapely.get_parts(shape):
        beyond_east = part.bounds[2] > _HALF_TURN
        moved = shapely.transform(part, eastward) if _leaps(part) and not beyond_east else part
        if not moved.is_valid or moved.bounds[2] - moved.bounds[0] > _HALF_TURN:
            return None
        near = shapely.geometry.box(-_HALF_TURN, south - 1, _HALF_TURN, north + 1)
        far = shapely.geometry.box(_HALF_TURN, south - 1, 3 * _HALF_TURN, north + 1)
        parts.append(moved.intersection(near))
        parts.append(shapely.affinity.translate(moved.intersection(far), xoff=-2 * _HALF_TURN))
    return shape_of(shapely.geometry.mapping(shapely.unary_union(parts)))
