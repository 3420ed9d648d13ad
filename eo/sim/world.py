"""Where the simulated area lies: map, degrees, pixels, and all that its looks share."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import shapely
from pyproj import CRS, Transformer

from eo.sim.anchorage import anchor_places, draw_waits
from eo.sim.fleet import draw_calls, draw_fleet
from eo.sim.looks import LookPlan, plan_looks, typical_sun_azimuth_grid_deg
from eo.sim.options import SimOptions
from eo.sim.port import Port, build_port
from eo.sim.traffic import Schedule
from eo.sim.water import Textures, make_textures

__all__ = ["World", "build_world"]

Array = Any


@dataclass(frozen=True, kw_only=True, eq=False)
class World:
    """A campaign's truth before any pixel is drawn."""

    options: SimOptions
    """What was asked."""
    epsg: int
    """CRS of the scenes."""
    origin: tuple[float, float]
    """Easting and northing of the area's centre."""
    port: Port
    """What never moves."""
    schedule: Schedule
    """Who calls and waits, where and when."""
    looks: tuple[LookPlan, ...]
    """What is taken."""
    textures: Textures
    """Water and ground."""

    @property
    def period(self) -> str:
        """The period as in a campaign file."""
        first = dt.date.fromisoformat(self.options.start)
        last = first + dt.timedelta(days=self.options.days - 1)
        return f"{first.isoformat()}/{last.isoformat()}"

    @property
    def aoi(self) -> tuple[float, float, float, float]:
        """(west, south, east, north) in degrees of the largest box whose grid fits the scenes."""
        half = self.options.extent_m / 2 - 1e-3
        corners = self.lonlat(np.array([[0, -half], [0, half], [-half, 0], [half, 0]]))
        (_, south), (_, north), (west, _), (east, _) = corners
        for _ in range(40):
            line = shapely.segmentize(shapely.box(west, south, east, north), 1e-3)
            points = shapely.get_coordinates(line)
            x, y = _transformer(4326, self.epsg).transform(points[:, 0], points[:, 1])
            over_x = max(0.0, float(np.abs(x - self.origin[0]).max()) - half)
            over_y = max(0.0, float(np.abs(y - self.origin[1]).max()) - half)
            if over_x == 0 and over_y == 0:
                break
            lon_cut = 0.25 * (over_x + 0.01) / half * (east - west)
            lat_cut = 0.25 * (over_y + 0.01) / half * (north - south)
            west, east = west + lon_cut, east - lon_cut
            south, north = south + lat_cut, north - lat_cut
        return (
            float(np.ceil(west * 1e6) / 1e6),
            float(np.ceil(south * 1e6) / 1e6),
            float(np.floor(east * 1e6) / 1e6),
            float(np.floor(north * 1e6) / 1e6),
        )

    def transform(self, pixel_m: float) -> tuple[float, float, float, float, float, float]:
        """Affine of the scenes, (a, b, c, d, e, f)."""
        half = self.options.extent_m / 2
        return (pixel_m, 0.0, self.origin[0] - half, 0.0, -pixel_m, self.origin[1] + half)

    def lonlat(self, points: Array) -> Array:
        """Return (k, 2) longitudes and latitudes of points in metres from the centre."""
        east, north = points[:, 0] + self.origin[0], points[:, 1] + self.origin[1]
        lon, lat = _transformer(self.epsg, 4326).transform(east, north)
        return np.column_stack([lon, lat])

    def polygon(self, outline: Array) -> dict[str, Any]:
        """Return a GeoJSON polygon of an outline in metres from the centre."""
        ring = np.round(self.lonlat(np.vstack([outline, outline[:1]])), 8)
        shape = shapely.geometry.polygon.orient(shapely.Polygon(ring))
        return dict(shapely.geometry.mapping(shape))

    def footprint(self, valid: Array, pixel_m: float) -> dict[str, Any]:
        """Return the GeoJSON outline of the pixels that hold data."""
        half = self.options.extent_m / 2
        rows, cols = np.nonzero(valid)
        if rows.size == 0:
            points = np.array([[-half, -half], [half, -half], [half, half], [-half, half]])
            return self.polygon(points)
        # The ends of each row are enough for the outline.
        lines, start = np.unique(rows, return_index=True)
        stop = np.append(start[1:], rows.size) - 1
        ends = np.concatenate(
            [
                np.column_stack([cols[start] + 0, lines + 0]),
                np.column_stack([cols[start] + 0, lines + 1]),
                np.column_stack([cols[stop] + 1, lines + 0]),
                np.column_stack([cols[stop] + 1, lines + 1]),
            ]
        )
        hull = shapely.MultiPoint(ends).convex_hull
        ring = shapely.get_coordinates(hull)[:-1]
        return self.polygon(ring * [pixel_m, -pixel_m] + [-half, half])


@lru_cache(maxsize=8)
def _transformer(source: int, target: int) -> Transformer:
    return Transformer.from_crs(CRS.from_epsg(source), CRS.from_epsg(target), always_xy=True)


@lru_cache(maxsize=2)
def build_world(options: SimOptions) -> World:
    """Return a campaign's truth, drawn from its seed."""
    east, north = _transformer(4326, options.epsg).transform(*options.centre)
    # The origin lies on a lattice of 30 m plus half the extent, so that edges fall on whole
    # multiples of every sensor's pixel.
    half = options.extent_m / 2
    origin = (
        float(round((east - half) / 30.0) * 30.0 + half),
        float(round((north - half) / 30.0) * 30.0 + half),
    )
    port = build_port(options, typical_sun_azimuth_grid_deg(options))
    shortest = min(berth.length_m for berth in port.berths)
    ships = draw_fleet(options, longest_m=shortest - 12.0)
    calls = draw_calls(options, ships)
    places = anchor_places(options, port)
    waits = draw_waits(options, ships, calls, len(places))
    return World(
        options=options,
        epsg=options.epsg,
        origin=origin,
        port=port,
        schedule=Schedule(ships=ships, calls=calls, waits=waits, places=places),
        looks=plan_looks(options),
        textures=make_textures(options),
    )
