"""What is known to be true of scenes: simulated truth, or outlines and points drawn by people."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import shapely
import shapely.geometry

from eo.core.errors import CampaignError
from eo.core.grid import LONLAT, grid_convergence_deg, project_geometry, utm_epsg

__all__ = ["SHIP_M", "CallLabel", "Label", "Truth", "axis_of", "in_metres", "read_truth", "zone_of"]

SHIP_M = 60.0
"""Vessels shorter than this count neither way."""
WHOLLY_CLEAR = 0.999


@dataclass(frozen=True, kw_only=True, eq=False)
class Label:
    """One vessel that is there."""

    vessel: str
    """Name."""
    outline: Any
    """Shapely polygon or point, longitude and latitude."""
    length_m: float | None
    """Length; None for a point."""
    beam_m: float | None
    """Beam; None for a point."""
    heading_deg: float | None
    """From true north; None for a point."""
    bow_known: bool
    """Whether the heading is that of the bow."""
    counts: bool
    """Whether missing her counts; if not, finding her counts neither way."""
    freeboard_m: float | None = None
    """True freeboard."""
    fill: float | None = None
    """True fill."""
    shade_on_quay: bool | None = None
    """Whether her shade falls on the quay."""


@dataclass(frozen=True, kw_only=True)
class CallLabel:
    """One true port call."""

    call_id: str
    """Its id."""
    vessel_id: str
    """Who."""
    listed: bool
    """Whether the fleet file knows her."""
    berth: str
    """Where."""
    arrival: dt.datetime
    """Made fast."""
    departure: dt.datetime
    """Cast off."""
    barrels: float
    """Cargo moved."""
    direction: str
    """loading or discharging."""
    in_period: bool
    """Whether it arrived within the period."""
    visible: bool
    """Whether she lies wholly clear in at least one scene."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Truth:
    """All that is known of a set of scenes."""

    scenes: dict[str, list[Label]]
    """Labels by scene_id; `*` stands for the only scene of a run."""
    calls: tuple[CallLabel, ...] | None = None
    """True port calls; None where they are not known."""
    totals: dict[str, float] | None = None
    """True calls and barrels of the period."""


def read_truth(path: Path | str) -> Truth:
    """Read truth.json, a labels.geojson, or a folder or catalog that holds several.

    A labels.geojson belongs to the item (item.json) in the same folder; alone, it belongs to the
    only scene of a run.

    Raises
    ------
    CampaignError
        If nothing of the kind is there.
    """
    path = Path(path)
    if path.is_dir() and (path / "truth.json").is_file():
        path = path / "truth.json"
    if path.name == "catalog.json":
        path = path.parent
    if path.is_dir():
        found = sorted(path.glob("**/labels.geojson"))
        if not found:
            raise CampaignError(f"{path} holds neither truth.json nor any labels.geojson")
        return _merge([_labels(place) for place in found])
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CampaignError(f"{path} does not exist; name truth.json or labels.geojson") from None
    except (OSError, ValueError) as error:
        raise CampaignError(f"{path} is not JSON: {error}") from error
    if data.get("type") == "FeatureCollection":
        return _labels(path)
    if "scenes" not in data or "calls" not in data:
        raise CampaignError(f"{path} is neither a simulation's truth nor GeoJSON labels")
    return _simulated(data)


def in_metres(geometry: Any, epsg: int) -> Any:
    """Return a shapely geometry in degrees in a metric CRS."""
    return project_geometry(shapely.geometry.mapping(geometry), LONLAT, f"EPSG:{epsg}")


def zone_of(geometry: Any) -> int:
    """Return the EPSG code of the UTM zone of a shapely geometry in degrees."""
    # A tenth of a degree decides the zone of the hulls of one port alike, and once.
    return _zone(round(geometry.centroid.x, 1), round(geometry.centroid.y, 1))


@lru_cache(maxsize=64)
def _zone(lon: float, lat: float) -> int:
    return utm_epsg(lon, lat)


def axis_of(geometry: Any) -> tuple[float, float, float]:
    """Return length, beam [m] and axis from true north [deg, 0-180] of an outline in degrees."""
    epsg = zone_of(geometry)
    outline = in_metres(geometry, epsg)
    ring = shapely.get_coordinates(shapely.minimum_rotated_rectangle(outline))[:4]
    sides = np.roll(ring, -1, axis=0) - ring
    size = np.hypot(sides[:, 0], sides[:, 1])
    longest = int(np.argmax(size[:2]))
    bearing = np.degrees(np.arctan2(sides[longest, 0], sides[longest, 1]))
    centre = outline.centroid
    turn = grid_convergence_deg(epsg, centre.x, centre.y)
    return float(size.max()), float(size[:2].min()), float((bearing + turn) % 180)


def _labels(path: Path) -> Truth:
    data = json.loads(path.read_text(encoding="utf-8"))
    features = data.get("features", [])
    scene = "*"
    item = path.with_name("item.json")
    if item.is_file():
        scene = str(json.loads(item.read_text(encoding="utf-8"))["id"])
    labels = []
    for number, feature in enumerate(features):
        outline = shapely.geometry.shape(feature["geometry"])
        name = f"label-{number + 1}"
        if outline.geom_type == "Point":
            labels.append(_point(name, outline))
            continue
        length, beam, heading = axis_of(outline)
        labels.append(
            Label(
                vessel=name,
                outline=outline,
                length_m=length,
                beam_m=beam,
                heading_deg=heading,
                bow_known=False,
                counts=length >= SHIP_M,
            )
        )
    return Truth(scenes={scene: labels})


def _point(name: str, outline: Any) -> Label:
    return Label(
        vessel=name,
        outline=outline,
        length_m=None,
        beam_m=None,
        heading_deg=None,
        bow_known=False,
        counts=True,
    )


def _merge(parts: list[Truth]) -> Truth:
    scenes: dict[str, list[Label]] = {}
    for part in parts:
        if "*" in part.scenes:
            raise CampaignError("labels in a folder need an item.json beside each of them")
        scenes |= part.scenes
    return Truth(scenes=scenes)


def _simulated(data: dict[str, Any]) -> Truth:
    seen: set[str] = set()
    scenes = {}
    for scene in data["scenes"]:
        labels = []
        for vessel in scene["vessels"]:
            clear = vessel["clear_fraction"] >= WHOLLY_CLEAR
            if clear and vessel["call_id"]:
                seen.add(vessel["call_id"])
            labels.append(
                Label(
                    vessel=vessel["vessel"],
                    outline=shapely.geometry.shape(vessel["geometry"]),
                    length_m=vessel["length_m"],
                    beam_m=vessel["beam_m"],
                    heading_deg=vessel["heading_deg"],
                    bow_known=True,
                    counts=clear and vessel["length_m"] >= SHIP_M,
                    freeboard_m=vessel["freeboard_m"],
                    fill=vessel["fill"],
                    shade_on_quay=vessel["is_shade_on_quay"] if vessel["berth"] else None,
                )
            )
        scenes[scene["scene_id"]] = labels
    first = data["period"].partition("/")[0]
    calls = tuple(
        CallLabel(
            call_id=call["call_id"],
            vessel_id=call["vessel_id"],
            listed=call["listed"],
            berth=call["berth"],
            arrival=dt.datetime.fromisoformat(call["arrival"]),
            departure=dt.datetime.fromisoformat(call["departure"]),
            barrels=call["barrels"],
            direction=call["direction"],
            in_period=call["arrival"][:10] >= first,
            visible=call["call_id"] in seen,
        )
        for call in data["calls"]
    )
    return Truth(scenes=scenes, calls=calls, totals=data["totals"])
