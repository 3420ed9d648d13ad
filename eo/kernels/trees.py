"""A forest of decision trees as a handful of flat arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from eo.core.xp import Array

__all__ = [
    "LEAF",
    "MAX_FEATURES",
    "MAX_NODES",
    "NAN_LEFT",
    "NAN_RIGHT",
    "ZERO",
    "ZERO_LEFT",
    "ZERO_RIGHT",
    "Forest",
]

NAN_RIGHT, NAN_LEFT, ZERO_LEFT, ZERO_RIGHT, LEAF = 0, 1, 2, 3, 7
"""Kinds of node: where NaN goes; where zero and NaN go together; no split at all."""

ZERO = np.float32(1e-35)
"""A feature within +-`ZERO` is zero, as in LightGBM (``kZeroThreshold``)."""

MAX_NODES = 2**16
"""Nodes of one tree: a right child's number takes 16 bits on a GPU."""

MAX_FEATURES = 2**12
"""Features of a model: a feature's number takes 12 bits on a GPU."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Forest:
    """Decision trees, one after another, each in preorder: the left child is the next node."""

    threshold: Array
    """float32 (node,): a feature not above it goes left. Rounded down from the model's double
    precision, which decides alike for every float32 feature."""
    feature: Array
    """uint16 (node,): number of the feature compared; 0 at a leaf."""
    kind: Array
    """uint8 (node,): `NAN_RIGHT`, `NAN_LEFT`, `ZERO_LEFT`, `ZERO_RIGHT` or `LEAF`."""
    right: Array
    """int32 (node,): number of the right child within its tree; 0 at a leaf."""
    value: Array
    """float64 (node,): what a leaf adds to the score; 0 elsewhere."""
    root: Array
    """int64 (tree + 1,): each tree's first node, then the number of nodes."""
    features: int
    """Number of features of a sample."""
    classes: int
    """Number of scores of a sample; tree t adds to score t mod `classes`."""
    link: str
    """How scores become predictions; see :func:`transform`."""
    scale: float = 1.0
    """Factor of the score inside the sigmoid."""
    averaged: bool = False
    """Whether predictions are made of means over trees (random forests) and not of sums."""

    @property
    def trees(self) -> int:
        """Number of trees."""
        return len(self.root) - 1

    @cached_property
    def depth(self) -> int:
        """Most splits between a root and a leaf."""
        deepest = 0
        for first, end in zip(self.root[:-1].tolist(), self.root[1:].tolist(), strict=True):
            kind, right = self.kind[first:end].tolist(), self.right[first:end].tolist()
            level = [0] * (end - first)
            for node, split in enumerate(kind):  # a parent comes before its children
                if split != LEAF:
                    level[node + 1] = level[right[node]] = level[node] + 1
            deepest = max(deepest, *level)
        return deepest
