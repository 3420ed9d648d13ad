"""Solids: convex prisms with vertical sides, out of which ships, quays and buildings are made.

Coordinates are metres east and north (of the map grid) from the area's centre, and metres above
the water.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Prism", "box", "place", "prism", "regular"]

Array = Any


@dataclass(frozen=True, kw_only=True, eq=False)
class Prism:
    """A convex outline between two heights."""

    outline: Array
    """(k, 2) corners, anticlockwise [m]."""
    base_m: float
    """Lower height."""
    top_m: float
    """Upper height."""
    top: str
    """Material of the top."""
    side: str
    """Material of the sides."""
    tone: float = 1.0
    """Factor on both materials' reflectance."""

    @property
    def normals(self) -> Array:
        """(k, 2) outward unit normals of the sides."""
        edge = np.roll(self.outline, -1, axis=0) - self.outline
        normal = np.column_stack([edge[:, 1], -edge[:, 0]])
        return normal / np.linalg.norm(normal, axis=1, keepdims=True)


def prism(
    outline: Array, heights: tuple[float, float], top: str, side: str, *, tone: float = 1.0
) -> Prism:
    """Return a prism over a convex outline, its corners in either order."""
    points = np.asarray(outline, dtype=float)
    x, y = points[:, 0], points[:, 1]
    if np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) < 0:
        points = points[::-1]
    base_m, top_m = heights
    return Prism(outline=points, base_m=base_m, top_m=top_m, top=top, side=side, tone=tone)


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


def place(parts: list[Prism], x_m: float, y_m: float, bearing_deg: float) -> list[Prism]:
    """Return parts given as (along, across to starboard) moved to a place and grid bearing."""
    angle = np.radians(bearing_deg)
    along = np.array([np.sin(angle), np.cos(angle)])
    across = np.array([np.cos(angle), -np.sin(angle)])
    return [
        prism(
            part.outline[:, :1] * along + part.outline[:, 1:] * across + np.array([x_m, y_m]),
            (part.base_m, part.top_m),
            part.top,
            part.side,
            tone=part.tone,
        )
        for part in parts
    ]
