"""One hull from the many boxes that agree on her.

Along a shore every stretch and every beam gives a box of its own, so that a ship is found dozens
of times and a chance resemblance once or twice. What counts is therefore how likely the boxes
about one place are together; their weighted mean is a better outline than the likeliest alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import shapely

from eo.core.xp import Array
from eo.kernels.hullfit import Box

__all__ = ["Agreed", "agreed_hulls", "covers"]

LEAST_VOTE = 0.1
"""Boxes less likely than this have no say."""
_SAME = 0.5
"""Intersection over union from which two boxes are of one hull."""
_VOTERS = 12
"""Boxes that a ship is found by at least; the best ones count, missing ones as 0."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Agreed:
    """A hull that boxes agree on."""

    box: Box
    """Weighted mean of the boxes."""
    support: float
    """Mean chance of the `_VOTERS` likeliest boxes about it, 0..1."""


def agreed_hulls(boxes: list[Box], chance: Array) -> list[Agreed]:
    """Return hulls that do not cover each other, the likeliest box of each first.

    Parameters
    ----------
    boxes
        Boxes, many to a ship.
    chance
        (box,) chance that each is a ship.

    Notes
    -----
    Greedy suppression with voting: Gidaris and Komodakis (2015), doi:10.1109/ICCV.2015.135.
    """
    kept = np.flatnonzero(chance >= LEAST_VOTE)
    order = kept[np.argsort(-chance[kept], kind="stable")]
    if order.size == 0:
        return []
    ranked = [boxes[k] for k in order]
    votes = np.asarray(chance)[order]
    shapes: Array = shapely.polygons(np.array([box.corners() for box in ranked]))
    tree = shapely.STRtree(shapes)
    areas: Array = shapely.area(shapes)
    open_ = np.ones(len(ranked), bool)
    hulls = []
    for k, box in enumerate(ranked):
        if not open_[k]:
            continue
        near = np.sort(tree.query(shapes[k]))
        shared = shapely.area(shapely.intersection(shapes[near], shapes[k]))
        overlap = shared / (areas[near] + areas[k] - shared)
        for other in near:
            if covers(box, ranked[other]) or covers(ranked[other], box):
                open_[other] = False
        same = overlap > _SAME
        best = np.sort(votes[near[same]])[::-1][:_VOTERS]
        weight = (votes[near] * overlap)[same] ** 2
        mean = _mean(box, [ranked[n] for n in near[same]], weight / weight.sum())
        hulls.append(Agreed(box=mean, support=float(best.sum() / _VOTERS)))
    return hulls


def covers(one: Box, other: Box) -> bool:
    """Whether the centre of `other` lies in `one`, or close to its side."""
    dr, dc = other.row - one.row, other.col - one.col
    u = abs(dr * one.along[0] + dc * one.along[1])
    v = abs(dr * one.across[0] + dc * one.across[1])
    return u < 0.5 * one.length_px and v < 0.5 * one.width_px + 0.35 * other.width_px


def _mean(box: Box, others: list[Box], weight: Array) -> Box:
    """Mean of the sides, ends and axes of boxes, in the axes of `box`; its spread besides."""
    offset = np.array([(o.row - box.row, o.col - box.col) for o in others])
    u, v = offset @ np.array(box.along), offset @ np.array(box.across)
    length = np.array([o.length_px for o in others])
    width = np.array([o.width_px for o in others])
    half_turn = np.array([(o.axis_rad - box.axis_rad + math.pi / 2) % math.pi for o in others])
    row, col = box.at(float(weight @ u), float(weight @ v))
    mean_length, mean_width = float(weight @ length), float(weight @ width)
    return replace(
        box,
        row=row,
        col=col,
        axis_rad=box.axis_rad + float(weight @ half_turn) - math.pi / 2,
        length_px=mean_length,
        width_px=mean_width,
        length_sd_px=math.sqrt(float(weight @ (length - mean_length) ** 2) + 1.0),
        width_sd_px=math.sqrt(float(weight @ (width - mean_width) ** 2) + 0.36),
    )
