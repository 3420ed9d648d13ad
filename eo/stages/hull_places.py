"""A scene's own pixels in a hull's coordinates, and what lies there.

`along` runs from her centre towards the heading, `across` towards the side away from the sun, both
in metres on the ground, through the scene's map-to-pixel affine: web mercator's pixels are no
metres.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from eo.core.grid import Grid, Window
from eo.core.records import Hull
from eo.core.seams import NativePixels
from eo.physics.shadow import ShadowGeometry

__all__ = ["HullPlaces", "near_neighbours", "places_about", "sampled"]

_NOTHING = 255


@dataclass(frozen=True, kw_only=True, eq=False)
class HullPlaces:
    """All pixels of a native window; arrays (pixel,) unless said otherwise."""

    values: Any
    """(band, pixel) reflectance; NaN where there is none."""
    along_m: Any
    """Distance from the hull's centre towards the heading [m]."""
    across_m: Any
    """Distance from the axis towards the shaded side [m]."""
    map_x_m: Any
    """Map coordinates of the pixel's centre in the grid's CRS [m]."""
    map_y_m: Any
    """See map_x_m."""
    pixel_m: float
    """Pixel as seen across the hull [m]; see ProfileBatch."""
    pixel_area_m2: float
    """Ground area of a pixel."""


def places_about(native: NativePixels, hull: Hull, geometry: ShadowGeometry) -> HullPlaces:
    """Return where a native window's pixels lie about a hull."""
    a, b, c, d, e, f = native.map_to_pixel
    inverse = np.linalg.inv(np.array([[a, b], [d, e]]))
    heading = np.deg2rad(hull.heading_deg)
    normal_azimuth = np.deg2rad(geometry.normal_azimuth_deg)
    tangent = np.array([np.sin(heading), np.cos(heading)])
    normal = np.array([np.sin(normal_azimuth), np.cos(normal_azimuth)])
    height, width = native.reflectance.shape[-2:]
    cols, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    offsets = inverse @ np.stack([cols.ravel() - c, rows.ravel() - f])
    offsets = offsets - np.array([[hull.x_m], [hull.y_m]])
    return HullPlaces(
        values=np.asarray(native.reflectance, dtype=float).reshape(len(native.bands), -1),
        along_m=tangent @ offsets,
        across_m=normal @ offsets,
        map_x_m=offsets[0] + hull.x_m,
        map_y_m=offsets[1] + hull.y_m,
        pixel_m=float(np.hypot(*(normal @ inverse))),
        pixel_area_m2=float(abs(np.linalg.det(inverse))),
    )


def sampled(grid: Grid, window: Window, array: Any, x_m: Any, y_m: Any) -> Any:
    """Value of the grid cell under each point; 255 beyond the window, where nothing is known."""
    row, col = grid.to_pixel(x_m, y_m, window)
    row, col = np.floor(row).astype(int), np.floor(col).astype(int)
    known = (row >= 0) & (row < window.height) & (col >= 0) & (col < window.width)
    found = np.full(row.shape, _NOTHING, dtype=int)
    found[known] = np.asarray(array)[row[known], col[known]]
    return found


def near_neighbours(x_m: Any, y_m: Any, neighbours: tuple[Hull, ...], margin_m: float) -> Any:
    """Whether each point lies on a neighbour's outline, or within a margin of it."""
    near = np.zeros(x_m.shape, dtype=bool)
    for hull in neighbours:
        if len(hull.outline) >= 4:
            near |= shapely.contains_xy(shapely.Polygon(hull.outline).buffer(margin_m), x_m, y_m)
    return near
