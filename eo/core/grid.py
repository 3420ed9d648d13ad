"""The cube's grid: CRS, pixel size, windows. The only place where y points down.

A grid is a rectangle of square pixels in one metric CRS whose edges are whole multiples of the
pixel size, so that a scene delivered on that lattice is copied and never resampled. Rows run
southwards. Pixel (0, 0) has its centre at (x0_m + pixel_m / 2, y0_m - pixel_m / 2).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import shapely
import shapely.geometry
from pyproj import Transformer
from pyproj.aoi import AreaOfInterest
from pyproj.database import query_utm_crs_info

__all__ = [
    "LONLAT",
    "Grid",
    "Window",
    "grid_convergence_deg",
    "grid_over",
    "map_transformer",
    "project_geometry",
    "utm_epsg",
]

LONLAT = "EPSG:4326"


@dataclass(frozen=True, kw_only=True)
class Window:
    """A rectangle of pixels of a grid."""

    row: int
    """First row."""
    col: int
    """First column."""
    height: int
    """Rows."""
    width: int
    """Columns."""

    @property
    def slices(self) -> tuple[slice, slice]:
        """(rows, columns) to index an array of the whole grid."""
        return (
            slice(self.row, self.row + self.height),
            slice(self.col, self.col + self.width),
        )

    def within(self, outer: Window) -> tuple[slice, slice]:
        """(rows, columns) to index an array that covers `outer`."""
        row, col = self.row - outer.row, self.col - outer.col
        return slice(row, row + self.height), slice(col, col + self.width)

    def intersection(self, other: Window) -> Window | None:
        """Return the common part, or None."""
        row, col = max(self.row, other.row), max(self.col, other.col)
        height = min(self.row + self.height, other.row + other.height) - row
        width = min(self.col + self.width, other.col + other.width) - col
        if height <= 0 or width <= 0:
            return None
        return Window(row=row, col=col, height=height, width=width)

    @property
    def key(self) -> str:
        """Short name, unique within a grid."""
        return f"r{self.row}c{self.col}h{self.height}w{self.width}"


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A group's pixel lattice."""

    epsg: int
    """Metric CRS (UTM of the area)."""
    x0_m: float
    """Western edge."""
    y0_m: float
    """Northern edge."""
    pixel_m: float
    """Pixel size."""
    height: int
    """Rows."""
    width: int
    """Columns."""

    @property
    def crs(self) -> str:
        """`EPSG:n`."""
        return f"EPSG:{self.epsg}"

    @property
    def window(self) -> Window:
        """The whole grid."""
        return Window(row=0, col=0, height=self.height, width=self.width)

    def transform(self, window: Window | None = None) -> tuple[float, ...]:
        """Affine (a, b, c, d, e, f) from (col, row) pixel corners to map metres."""
        row, col = (window.row, window.col) if window else (0, 0)
        return (
            self.pixel_m,
            0.0,
            self.x0_m + col * self.pixel_m,
            0.0,
            -self.pixel_m,
            self.y0_m - row * self.pixel_m,
        )

    def bounds_m(self, window: Window | None = None) -> tuple[float, float, float, float]:
        """(west, south, east, north) of a window's outer edges."""
        win = window or self.window
        west = self.x0_m + win.col * self.pixel_m
        north = self.y0_m - win.row * self.pixel_m
        return (west, north - win.height * self.pixel_m, west + win.width * self.pixel_m, north)

    def to_map(self, row: Any, col: Any, window: Window | None = None) -> tuple[Any, Any]:
        """(easting, northing) of pixel coordinates; a pixel's centre is at (row + .5, col + .5)."""
        a, _, c, _, e, f = self.transform(window)
        return c + a * np.asarray(col), f + e * np.asarray(row)

    def to_pixel(self, x_m: Any, y_m: Any, window: Window | None = None) -> tuple[Any, Any]:
        """(row, col) pixel coordinates of map coordinates; inverse of :meth:`to_map`."""
        a, _, c, _, e, f = self.transform(window)
        return (np.asarray(y_m) - f) / e, (np.asarray(x_m) - c) / a

    def centres(self, window: Window | None = None) -> tuple[Any, Any]:
        """(x of columns, y of rows) of the pixel centres."""
        win = window or self.window
        x = self.x0_m + (win.col + np.arange(win.width) + 0.5) * self.pixel_m
        y = self.y0_m - (win.row + np.arange(win.height) + 0.5) * self.pixel_m
        return x, y

    def tiles(self, size: int) -> Iterator[Window]:
        """Cut the grid into windows of at most `size` pixels a side, row by row."""
        for row in range(0, self.height, size):
            for col in range(0, self.width, size):
                yield Window(
                    row=row,
                    col=col,
                    height=min(size, self.height - row),
                    width=min(size, self.width - col),
                )

    def halo(self, window: Window, pixels: int) -> Window:
        """Return `window` grown by `pixels` on each side, cut at the grid's edge."""
        row, col = max(0, window.row - pixels), max(0, window.col - pixels)
        return Window(
            row=row,
            col=col,
            height=min(self.height, window.row + window.height + pixels) - row,
            width=min(self.width, window.col + window.width + pixels) - col,
        )


@cache
def map_transformer(source: str, target: str) -> Transformer:
    """Return a cached transformer, always x (lon) before y (lat)."""
    return Transformer.from_crs(source, target, always_xy=True)


def utm_epsg(lon: float, lat: float) -> int:
    """Return the EPSG code of the WGS 84 / UTM zone at a point."""
    found = query_utm_crs_info(
        datum_name="WGS 84",
        area_of_interest=AreaOfInterest(lon, lat, lon, lat),
    )
    return int(found[0].code)


def project_geometry(geometry: dict[str, Any], source: str, target: str) -> Any:
    """Return a GeoJSON geometry as a shapely geometry in another CRS."""
    transformer = map_transformer(source, target)

    def project(points: Any) -> Any:
        x, y = transformer.transform(points[:, 0], points[:, 1])
        return np.column_stack([x, y])

    return shapely.transform(shapely.geometry.shape(geometry), project)


def grid_over(geometry: dict[str, Any], pixel_m: float) -> Grid:
    """Return the grid that covers a GeoJSON geometry (EPSG:4326) at a pixel size.

    The area is densified before it is projected, since a straight line in degrees is curved
    on the map; edges fall on whole multiples of the pixel.
    """
    shape = shapely.geometry.shape(geometry)
    centre = shape.centroid
    epsg = utm_epsg(centre.x, centre.y)
    dense = shapely.segmentize(shape, max_segment_length=0.01)
    west, south, east, north = project_geometry(
        shapely.geometry.mapping(dense), LONLAT, f"EPSG:{epsg}"
    ).bounds
    col0, col1 = math.floor(west / pixel_m), math.ceil(east / pixel_m)
    row0, row1 = math.floor(south / pixel_m), math.ceil(north / pixel_m)
    return Grid(
        epsg=epsg,
        x0_m=col0 * pixel_m,
        y0_m=row1 * pixel_m,
        pixel_m=pixel_m,
        height=row1 - row0,
        width=col1 - col0,
    )


def grid_convergence_deg(epsg: int, x_m: float, y_m: float) -> float:
    """Return the angle to add to a grid bearing to get the bearing from true north [deg]."""
    lon, lat = map_transformer(f"EPSG:{epsg}", LONLAT).transform(x_m, y_m)
    x2, y2 = map_transformer(LONLAT, f"EPSG:{epsg}").transform(lon, lat + 1e-4)
    # The bearing of true north on the grid; a grid bearing of that value is 0 from true north.
    return -math.degrees(math.atan2(x2 - x_m, y2 - y_m))
