"""Berths: named polygons from a GeoJSON file, checked before anything is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import shapely
import shapely.geometry

from eo.core.config import ANCHORAGE
from eo.core.errors import CampaignError
from eo.core.records import Berth

__all__ = ["read_berths"]

_NAME_KEYS = ("name", "berth", "id")


def read_berths(path: str | Path) -> tuple[Berth, ...]:
    """Read named polygons (EPSG:4326) from a GeoJSON FeatureCollection.

    Parameters
    ----------
    path
        The file. Each feature's name is its property `name`, `berth` or `id`, the first there is.

    Returns
    -------
    tuple of Berth
        In the file's order.

    Raises
    ------
    CampaignError
        If the file is absent or no FeatureCollection, or a feature has no name, a name twice,
        no valid polygon, or lies outside the degrees there are.
    """
    path = Path(path)
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise CampaignError(f"berths file {path} does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CampaignError(f"berths file {path} cannot be read: {error}") from error
    except ValueError as error:
        raise CampaignError(f"berths file {path} is not JSON: {error}") from error
    features = data.get("features") if isinstance(data, dict) else None
    if not isinstance(features, list) or data.get("type") != "FeatureCollection":
        raise CampaignError(
            f"berths file {path} must be a GeoJSON FeatureCollection of named polygons"
        )
    if not features:
        raise CampaignError(
            f"berths file {path} holds no feature; leave `berths` out to count calls anywhere"
        )
    _check_crs(data, path)
    berths = tuple(_berth(feature, i, path) for i, feature in enumerate(features, start=1))
    names = [berth.name for berth in berths]
    for name in names:
        if names.count(name) > 1:
            raise CampaignError(f"berths file {path}: the name {name!r} stands there twice")
    return berths


def _check_crs(data: dict[str, Any], path: Path) -> None:
    """Refuse the obsolete `crs` member unless it says longitude and latitude."""
    crs = json.dumps(data.get("crs") or "CRS84")
    if not any(known in crs for known in ("CRS84", "4326")):
        raise CampaignError(
            f"berths file {path} declares the CRS {crs}; GeoJSON is longitude and latitude "
            "(EPSG:4326): reproject it"
        )


def _berth(feature: Any, number: int, path: Path) -> Berth:
    where = f"berths file {path}, feature {number}"
    if not isinstance(feature, dict):
        raise CampaignError(f"{where}: expected a Feature, found {type(feature).__name__}")
    properties = feature.get("properties") or {}
    if not isinstance(properties, dict):
        raise CampaignError(f"{where}: its properties must be keys and values")
    name = next((properties[k] for k in _NAME_KEYS if properties.get(k) not in (None, "")), None)
    if isinstance(name, bool) or not isinstance(name, str | int) or not str(name).strip():
        found = ", ".join(map(str, properties)) or "none"
        raise CampaignError(
            f"{where}: no name; give it a property `name`, `berth` or `id` (properties: {found})"
        )
    name = str(name).strip()
    if name == ANCHORAGE:
        raise CampaignError(
            f"{where}: the name {ANCHORAGE!r} stands for the whole area; choose another"
        )
    return Berth(name=name, geometry=_polygon(feature.get("geometry"), f"{where} ({name})"))


def _polygon(geometry: Any, where: str) -> dict[str, Any]:
    try:
        shape = shapely.geometry.shape(geometry)
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise CampaignError(f"{where}: geometry is not GeoJSON: {error}") from error
    except shapely.errors.ShapelyError as error:
        raise CampaignError(f"{where}: geometry is not GeoJSON: {error}") from error
    if shape.is_empty or shape.geom_type not in {"Polygon", "MultiPolygon"}:
        raise CampaignError(
            f"{where}: a berth must be a polygon, found {shape.geom_type}"
            f"{' (empty)' if shape.is_empty else ''}"
        )
    if not shape.is_valid:
        raise CampaignError(f"{where}: polygon is not valid: {shapely.is_valid_reason(shape)}")
    west, south, east, north = shape.bounds
    if not (west >= -180 and east <= 180 and south >= -90 and north <= 90):
        raise CampaignError(
            f"{where}: it reaches {shape.bounds}, outside longitude -180..180, latitude -90..90; "
            "GeoJSON is longitude first, in degrees"
        )
    return dict(shapely.geometry.mapping(shapely.force_2d(shape)))
