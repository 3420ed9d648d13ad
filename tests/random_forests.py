"""Random forests and samples that meet every branch of their evaluation."""

from __future__ import annotations

import numpy as np

from eo.kernels.trees import LEAF, ZERO_RIGHT, Forest

__all__ = ["LEVELS", "random_forest", "sample_values"]

LEVELS = np.array([-np.inf, -2.5, -1.0, -1e-35, -0.0, 0.0, 1e-35, 1e-3, 0.3, 1.0, 7.0], np.float32)
"""Thresholds and samples are drawn from these, so that they often meet."""


def random_forest(seed: int) -> Forest:
    """Return a forest of one to nine trees, some of them a single leaf or a long chain."""
    rng = np.random.default_rng(seed)
    features, classes = int(rng.integers(1, 6)), int(rng.integers(1, 4))
    many = rng.random() < 0.2  # more thresholds than one byte can rank
    nodes: list[tuple[float, int, int, int, float]] = []
    roots = [0]
    for _ in range(classes * int(rng.integers(1, 4))):
        nodes += _tree(rng, int(rng.choice([1, 2, 5, 30, 300 if many else 31])), features, many)
        roots.append(len(nodes))
    threshold, feature, kind, right, value = (np.array(c) for c in zip(*nodes, strict=True))
    return Forest(
        threshold=threshold.astype(np.float32), feature=feature.astype(np.uint16),
        kind=kind.astype(np.uint8), right=right.astype(np.int32), value=value,
        root=np.array(roots, np.int64), features=features, classes=classes, link="identity",
    )  # fmt: skip


def _tree(
    rng: np.random.Generator, leaves: int, features: int, many: bool
) -> list[tuple[float, int, int, int, float]]:
    """Return nodes in preorder: threshold, feature, kind, right, value."""
    if leaves == 1:
        return [(0.0, 0, LEAF, 0, float(rng.normal()))]
    on_left = int(rng.integers(1, leaves))
    left, right = (_tree(rng, n, features, many) for n in (on_left, leaves - on_left))
    cut = rng.normal() if many else rng.choice(LEVELS)
    moved = [
        [(t, f, k, r + by if k != LEAF else 0, v) for t, f, k, r, v in side]
        for side, by in ((left, 1), (right, 1 + len(left)))
    ]
    split = (float(np.float32(cut)), int(rng.integers(features)), int(rng.integers(ZERO_RIGHT + 1)))
    return [(*split, 1 + len(left), 0.0), *moved[0], *moved[1]]


def sample_values(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return float32 samples: thresholds, numbers between them, zeros, NaN and infinity."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, shape).astype(np.float32)
    drawn = rng.random(shape)
    x = np.where(drawn < 0.5, rng.choice(LEVELS, shape), x)
    x[drawn > 0.95] = np.inf
    if seed % 2:
        x[(drawn > 0.85) & (drawn < 0.95)] = np.nan
    return x
