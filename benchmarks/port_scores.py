"""Hold vessels found at labelled ports against the outlines that people drew."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import rasterio
import rasterio.features
import scipy.ndimage as ndi
import shapely

from eo.core.grid import Grid
from eo.core.records import Target
from eo.stages.pixels import Pixels

__all__ = ["SHIP_M", "f1", "matches", "off_quay", "reliability", "rmse", "score", "sides"]

SHIP_M = 60.0
"""Vessels shorter than this count neither way."""
_LAND_M2 = 60_000.0
_RING_M = (5.0, 35.0)


def sides(shape: Any) -> tuple[float, float]:
    """Return the longer and the shorter side of the smallest rectangle about an outline [m]."""
    points = np.array(shapely.minimum_rotated_rectangle(shape).exterior.coords)
    lengths = np.hypot(*np.diff(points[:3], axis=0).T)
    return float(lengths.max()), float(lengths.min())


def matches(targets: list[Target], shapes: list[Any]) -> dict[int, int]:
    """Return which target is which outline, one to one.

    A pair: centre within a quarter of the label's length (30 m at least) or IoU 0.2.
    """
    outlines = [shapely.Polygon(t.hull.outline) for t in targets]
    pairs = []
    for i, outline in enumerate(outlines):
        centre = shapely.Point(targets[i].hull.x_m, targets[i].hull.y_m)
        for j, shape in enumerate(shapes):
            away = centre.distance(shape.centroid)
            iou = outline.intersection(shape).area / outline.union(shape).area
            if away <= max(30, sides(shape)[0] / 4) or iou >= 0.2:
                pairs.append((away - 1000 * iou, i, j))
    taken: dict[int, int] = {}
    for _, i, j in sorted(pairs):
        if i not in taken and j not in taken.values():
            taken[i] = j
    return taken


def score(targets: tuple[Target, ...], shapes: list[Any]) -> Any:
    """Return hits, false and missed; below 60 m neither way."""
    taken = matches(list(targets), shapes)
    lengths = [sides(s)[0] for s in shapes]
    long = [t.hull.length_m >= SHIP_M for t in targets]
    found = {j for i, j in taken.items() if long[i]}
    hits = sum(long[i] and lengths[j] >= SHIP_M for i, j in taken.items())
    false = sum(is_long and i not in taken for i, is_long in enumerate(long))
    missed = sum(n >= SHIP_M and j not in found for j, n in enumerate(lengths))
    return np.array([hits, false, missed])


def f1(counts: Any) -> float:
    """Return F1 of hits, false, missed."""
    return float(2 * counts[0] / max(2 * counts[0] + counts[1] + counts[2], 1))


def off_quay(shapes: list[Any], scene: Pixels, grid: Grid) -> list[int]:
    """Return which outlines have no land within 35 m."""
    labels, _ = ndi.label(scene.cover > 0.5)
    large = np.bincount(labels.ravel()) * scene.pixel_m**2 >= _LAND_M2
    large[0] = False
    land = large[labels]
    away = []
    for j, shape in enumerate(shapes):
        ring = shape.buffer(_RING_M[1]).difference(shape.buffer(_RING_M[0]))
        near = rasterio.features.rasterize(
            [ring], out_shape=land.shape, transform=rasterio.Affine(*grid.transform())
        )
        if float(land[near > 0].mean()) < 0.03:
            away.append(j)
    return away


def reliability(said: Any, true: Any) -> list[dict[str, float]]:
    """Return, by tenths of what was said, how many were said and how many were ships."""
    said, true = np.asarray(said, float), np.asarray(true, bool)
    table = []
    for low in np.arange(0.0, 1.0, 0.1):
        inside = (said >= low) & (said < low + 0.1 + (low > 0.85))
        if inside.any():
            table.append(
                {
                    "from": round(float(low), 1),
                    "detections": int(inside.sum()),
                    "mean_said": round(float(said[inside].mean()), 3),
                    "ships": round(float(true[inside].mean()), 3),
                }
            )
    return table


def rmse(errors: Any) -> float:
    """Return the root mean square, NaN of nothing."""
    return math.sqrt(float(np.mean(np.square(errors)))) if len(errors) else math.nan
