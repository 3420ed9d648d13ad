"""Solids: convex prisms with vertical sides, out of which ships, quays and buildings are made.

A prism's top may slope, as decks do with sheer, trim and heel.

Coordinates are metres east and north (of the map grid) from the area's centre, and metres above
the water.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

__all__ = ["Prism", "box", "lowered", "place", "prism", "regular", "tilted"]

Array = Any


@dataclass(frozen=True, kw_only=True, eq=False)
class Prism:
    """A convex outline between a level base and a top that may slope."""

    outline: Array
    """(k, 2) corners, anticlockwise [m]."""
    base_m: float
    """Lower height."""
    top_m: float
    """Upper height, at the pivot."""
    top: str
    """Material of the top."""
    side: str
    """Material of the sides."""
    tone: float = 1.0
    """Factor on both materials' reflectance."""
    slope: tuple[float, float] = (0.0, 0.0)
    """Rise of the top per metre east and north (along and across before it is placed)."""
    pivot: tuple[float, float] = (0.0, 0.0)
    """Where the top has its height."""

    @cached_property
    def highest_m(self) -> float:
        """Height of the top's highest corner."""
        return float(self.top_at(self.outline).max())

    def top_at(self, points: Array) -> Array:
        """Return the heights of the top at (k, 2) points."""
        return self.top_m + (points - np.array(self.pivot)) @ np.array(self.slope)

    @cached_property
    def normals(self) -> Array:
        """(k, 2) outward unit normals of the sides."""
        edge = np.roll(self.outline, -1, axis=0) - self.outline
        normal = np.column_stack([edge[:, 1], -edge[:, 0]])
        return normal / np.linalg.norm(normal, axis=1, keepdims=True)


def prism(
    outline: Array,
    heights: tuple[float, float],
    top: str,
    side: str,
    *,
    tone: float = 1.0,
    slope: tuple[float, float] = (0.0, 0.0),
    pivot: tuple[float, float] = (0.0, 0.0),
) -> Prism:
    """Return a prism over a convex outline, its corners in either order."""
    points = np.asarray(outline, dtype=float)
    x, y = points[:, 0], points[:, 1]
    if np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) < 0:
        points = points[::-1]
    base_m, top_m = heights
    return Prism(
        outline=points,
        base_m=base_m,
        top_m=top_m,
        top=top,
        side=side,
        tone=tone,
        slope=slope,
        pivot=pivot,
    )


def box(
    along: tuple[float, float],
    across: tuple[float, float],
    heights: tuple[float, float],
    top: str,
    side: str,
    *,
    tone: float = 1.0,
) -> Prism:
    """Return a box between two values along, across and up, before it is placed."""
    (a0, a1), (c0, c1) = along, across
    return prism([(a0, c0), (a1, c0), (a1, c1), (a0, c1)], heights, top, side, tone=tone)


def regular(
    centre: tuple[float, float], radius_m: float, heights: tuple[float, float], top: str, side: str
) -> Prism:
    """Return a tank: a prism of sixteen sides."""
    angle = np.arange(16) * (2 * np.pi / 16)
    points = np.column_stack([np.cos(angle), np.sin(angle)]) * radius_m + np.asarray(centre)
    return prism(points, heights, top, side)


def tilted(parts: list[Prism], along: float, across: float) -> list[Prism]:
    """Return a ship's parts, in her own axes, turned about her middle by small angles.

    Parameters
    ----------
    parts
        Given as (along, across to starboard).
    along, across
        Rise per metre towards the bow (trim) and to starboard (heel).

    Notes
    -----
    To first order: heights change, plans do not (a mast of 20 m moves by 0.35 m for a degree).
    """
    turn = np.array([along, across])
    out = []
    for part in parts:
        lift = float(turn @ np.array(part.pivot))
        rise = part.outline @ turn
        base = part.base_m + float(rise.min()) if part.base_m > 0 else 0.0
        out.append(
            replace(
                part,
                base_m=max(0.0, base),
                top_m=part.top_m + lift,
                slope=(part.slope[0] + along, part.slope[1] + across),
            )
        )
    return out


def lowered(parts: list[Prism], by_m: float) -> list[Prism]:
    """Return what stands ashore with the water higher by so much; what drowns is left out."""
    out = []
    for part in parts:
        shifted = replace(part, base_m=max(0.0, part.base_m - by_m), top_m=part.top_m - by_m)
        if shifted.highest_m > shifted.base_m + 0.02:
            out.append(shifted)
    return out


def place(parts: list[Prism], x_m: float, y_m: float, bearing_deg: float) -> list[Prism]:
    """Return parts given as (along, across to starboard) moved to a place and grid bearing."""
    angle = np.radians(bearing_deg)
    along = np.array([np.sin(angle), np.cos(angle)])
    across = np.array([np.cos(angle), -np.sin(angle)])
    turn = np.vstack([along, across])
    there = np.array([x_m, y_m])
    return [
        prism(
            part.outline @ turn + there,
            (part.base_m, part.top_m),
            part.top,
            part.side,
            tone=part.tone,
            slope=_pair(np.array(part.slope) @ turn),
            pivot=_pair(np.array(part.pivot) @ turn + there),
        )
        for part in parts
    ]


def _pair(values: Array) -> tuple[float, float]:
    return float(values[0]), float(values[1])
