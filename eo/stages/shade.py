"""Which of a scene's own pixels may speak of a hull's shadow.

Coordinates are the hull's (:mod:`eo.stages.hull_places`). A pixel is struck out, with a reason,
where it has no data, is saturated, cloud or in a cloud's shadow, part of a neighbour, no water, or
where superstructure or forecastle may throw their longer shadows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from eo.core.grid import Grid, Window
from eo.core.records import Hull
from eo.core.seams import NativePixels
from eo.physics.shadow import ShadowGeometry
from eo.stages.hull_places import near_neighbours, places_about, sampled

__all__ = ["REASONS", "HullPixels", "body_limits_m", "gather_pixels", "largest_freeboard_m"]

REASONS = (
    "",
    "outside",
    "saturated",
    "cloud",
    "occupied",
    "shade-on-quay",
    "structure",
    "manifold",
)
"""Why a pixel is struck out, by code; 0 is a pixel in use. The last two are the ship's own doing
and never a status; `manifold` gives way where too few rows are left."""

_STERN_SHARE = 0.27
_BOW_SHARE = 0.22
_BLIND_SHARE = 0.25
"""Shares of the length beyond which the hull's sides taper or carry superstructure: aft, at the
bow, and at either end where the bow is not known."""


_HOUSE_SHARE = 0.22
"""Superstructure ends this share of the length from the stern."""


@dataclass(frozen=True, kw_only=True, eq=False)
class HullPixels:
    """Pixels about one hull's parallel mid-body; arrays (pixel,) unless said otherwise."""

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
    code: Any
    """Index into REASONS."""
    crowded: Any
    """Whether a neighbour, tugs included, lies here."""
    own_shade: Any
    """Whether superstructure, manifold or crane may throw their shade here."""
    pixel_m: float
    """Pixel as seen across the hull [m]; see ProfileBatch."""
    pixel_area_m2: float
    """Ground area of a pixel."""
    body_m: tuple[float, float]
    """Ends of the parallel mid-body, along [m]."""
    moored: bool = False
    """Whether a quay lies against the sunlit side of a hull of few pixels."""
    manifold_share: float = 0.0
    """Share of the pixels beside her that the manifold's shade may reach."""

    def kept(self, keep: Any) -> HullPixels:
        """Return the pixels marked by a mask or an index (pixel,)."""
        return replace(
            self,
            values=self.values[:, keep],
            along_m=self.along_m[keep],
            across_m=self.across_m[keep],
            map_x_m=self.map_x_m[keep],
            map_y_m=self.map_y_m[keep],
            code=self.code[keep],
            crowded=self.crowded[keep],
            own_shade=self.own_shade[keep],
        )


def largest_freeboard_m(length_m: float) -> float:
    """Return a freeboard that no tanker of this length exceeds [m]: 3 + 0.07 L, at most 25.

    A ship of 100 m in ballast shows 5-6 m, a VLCC of 333 m about 20 m.
    """
    return min(25.0, 3.0 + 0.07 * length_m)


def body_limits_m(hull: Hull) -> tuple[float, float]:
    """Return both ends of the parallel mid-body along the heading, from the centre [m]."""
    half = 0.5 * hull.length_m
    if hull.bow_known:
        return -half + _STERN_SHARE * hull.length_m, half - _BOW_SHARE * hull.length_m
    return -half + _BLIND_SHARE * hull.length_m, half - _BLIND_SHARE * hull.length_m


def gather_pixels(
    native: NativePixels,
    hull: Hull,
    geometry: ShadowGeometry,
    *,
    neighbours: tuple[Hull, ...],
    grid: Grid,
    window: Window,
    water: Any,
    mask: Any,
) -> HullPixels:
    """Return the pixels about the hull's mid-body, each in use or struck out with a reason."""
    about = places_about(native, hull, geometry)
    along, across, pixel_m = about.along_m, about.across_m, about.pixel_m
    body = body_limits_m(hull)
    reach = geometry.metres_per_metre * largest_freeboard_m(hull.length_m)
    spare = max(12.0, 4.0 * pixel_m)
    inside = (along >= body[0]) & (along <= body[1])
    inside &= across >= -0.5 * hull.beam_m - spare
    inside &= across <= 0.5 * hull.beam_m + min(reach, 160.0) + spare
    along, across = along[inside], across[inside]
    values = about.values[:, inside]
    map_x, map_y = about.map_x_m[inside], about.map_y_m[inside]
    code = np.zeros(along.size, dtype=np.uint8)

    def strike(where: Any, reason: str) -> None:
        code[where & (code == 0)] = REASONS.index(reason)

    seen_mask, seen_water = (
        sampled(grid, window, mask, map_x, map_y),
        sampled(grid, window, water, map_x, map_y),
    )
    strike(~np.isfinite(values).all(axis=0), "outside")
    strike(np.asarray(native.saturated).reshape(-1)[inside], "saturated")
    strike((seen_mask == 2) | (seen_mask == 3), "cloud")
    crowded = near_neighbours(map_x, map_y, neighbours, 1.5 * pixel_m)
    strike(crowded, "occupied")
    beyond = np.abs(across) > 0.5 * hull.beam_m + 0.5 * pixel_m
    strike(beyond & (seen_water == 0), "shade-on-quay")
    strike(_too_bright(values, code, across, hull, pixel_m), "occupied")
    occupied = (code == REASONS.index("occupied")) & (np.abs(across) > 0.5 * hull.beam_m)
    strike(_close_to(along, across, occupied, 1.6 * pixel_m) & beyond, "occupied")
    structure = _under_structure(along, across, hull, geometry, pixel_m)
    manifold = _beside_manifold(along, across, hull, geometry)
    strike(structure, "structure")
    strike(manifold, "manifold")
    return HullPixels(
        values=values,
        along_m=along,
        across_m=across,
        map_x_m=map_x,
        map_y_m=map_y,
        code=code,
        crowded=crowded,
        own_shade=structure | manifold,
        pixel_m=pixel_m,
        pixel_area_m2=about.pixel_area_m2,
        body_m=body,
    )


def _close_to(along_m: Any, across_m: Any, marked: Any, reach_m: float) -> Any:
    """Where a pixel lies within reach of a marked one: the blur carries brightness that far."""
    if not marked.any():
        return marked
    points = np.column_stack([along_m, across_m])
    distance, _ = cKDTree(points[marked]).query(points, distance_upper_bound=reach_m)
    return np.isfinite(distance)


def _too_bright(values: Any, code: Any, across_m: Any, hull: Hull, pixel_m: float) -> Any:
    """Where something lies beside the hull that is much brighter than the water there.

    Quays, barges and tugs that no mask knows. The darker side's median is the water, since
    whatever lies in water is brighter; glint and lee change it by less than a third.
    """
    beyond = np.abs(across_m) - 0.5 * hull.beam_m > 1.5 * pixel_m + hull.beam_sd_m
    seen = beyond & (code == 0)
    sides = [seen & (across_m < 0), seen & (across_m > 0)]
    levels = [np.median(values[:, side], axis=1) for side in sides if side.sum() >= 6]
    if not levels:
        return np.zeros(across_m.shape, dtype=bool)
    water = np.min(levels, axis=0)
    spread = 1.4826 * np.min(
        [
            np.median(np.abs(values[:, side] - np.median(values[:, side], axis=1)[:, None]), axis=1)
            for side in sides
            if side.sum() >= 6
        ],
        axis=0,
    )
    limit = water + np.maximum(0.6 * np.abs(water), 6.0 * spread)
    brighter = np.nan_to_num(values, nan=-np.inf) > limit[:, None]
    return beyond & (brighter.sum(axis=0) >= min(2, len(values)))


def _beside_manifold(along_m: Any, across_m: Any, hull: Hull, geometry: ShadowGeometry) -> Any:
    """Where manifold and hose crane, amidships, may throw their shade beside the hull's own.

    They stand in the middle of the cargo tanks, a little forward of amidships; from one to ten
    metres above the deck, their shade makes the strip too wide.
    """
    shift = 0.04 * hull.length_m * geometry.shadow_along_per_m
    middle, half = (0.03, 0.09) if hull.bow_known else (0.0, 0.11)
    near = np.abs(along_m - shift - middle * hull.length_m) < half * hull.length_m
    return near & (across_m > 0.1 * hull.beam_m)


def _under_structure(
    along_m: Any, across_m: Any, hull: Hull, geometry: ShadowGeometry, pixel_m: float
) -> Any:
    """Where superstructure (or forecastle) may throw its shadow over deck or water.

    A point z above the water throws its shadow `shift` along and `step` across the hull per
    metre of z. What stands aft of the mid-body, `ahead` metres behind a pixel, reaches it from
    z = ahead / shift upwards, and then darkens everything from the sunlit rail's shadow at that
    height outwards. Where the bow is unknown, either end may be the stern; only the end that
    shadows point away from matters. The far third of the mid-body always stays in use: few
    structures are as broad as the hull up to their top.
    """
    tallest = 0.5 * largest_freeboard_m(hull.length_m) + 5.0 + 0.09 * hull.length_m
    shift, step = geometry.shadow_along_per_m, geometry.shadow_per_m
    body = body_limits_m(hull)
    if shift > 0:
        ahead = along_m + (0.5 - _HOUSE_SHARE) * hull.length_m
    elif shift < 0 and not hull.bow_known:
        ahead = (0.5 - _HOUSE_SHARE) * hull.length_m - along_m
    else:
        return np.zeros(along_m.shape, dtype=bool)
    height = np.maximum(ahead, 0.0) / abs(shift)
    reached = (height < tallest) & (ahead < 0.6 * (body[1] - body[0]) + 0.05 * hull.length_m)
    return reached & (across_m > -0.5 * hull.beam_m + height * step - pixel_m)
