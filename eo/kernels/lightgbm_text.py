"""Reads a LightGBM text model into a :class:`eo.kernels.forest.Forest`.

The format is what ``Booster.save_model`` writes, versions 2 to 4: a header of ``key=value``
lines, a block of them per tree, ``end of trees``, and notes that nothing here needs. LightGBM
itself is not needed. Models with categorical splits or linear leaves are refused, as are
objectives whose output is not known here: a wrong number is worse than none.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from eo.core.errors import ModelError
from eo.core.xp import Array
from eo.kernels.trees import (
    LEAF,
    MAX_FEATURES,
    MAX_NODES,
    NAN_LEFT,
    NAN_RIGHT,
    ZERO,
    ZERO_LEFT,
    ZERO_RIGHT,
    Forest,
)

__all__ = ["parse_lightgbm", "read_lightgbm"]

_LINKS = {
    "binary": "sigmoid",
    "cross_entropy": "sigmoid",
    "xentropy": "sigmoid",
    "multiclassova": "sigmoid",
    "multiclass": "softmax",
    "softmax": "softmax",
    "cross_entropy_lambda": "log1p_exp",
    "poisson": "exp",
    "gamma": "exp",
    "tweedie": "exp",
    "regression": "identity",
    "regression_l1": "identity",
    "huber": "identity",
    "fair": "identity",
    "quantile": "identity",
    "mape": "identity",
    "lambdarank": "identity",
    "rank_xendcg": "identity",
    "custom": "identity",
}
"""Objective -> how raw scores become predictions."""

_CATEGORICAL = 1
_DEFAULT_LEFT = 2
_MISSING_NONE, _MISSING_ZERO, _MISSING_NAN = 0, 1, 2


def read_lightgbm(path: str | Path) -> Forest:
    """Return the forest of a text model file.

    Raises
    ------
    ModelError
        If the file cannot be read, is no LightGBM model, is cut off, or holds what
        :func:`parse_lightgbm` refuses.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"the model {path} cannot be read: {error}") from error
    try:
        return parse_lightgbm(text)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error


def parse_lightgbm(text: str) -> Forest:
    """Return the forest of a text model.

    Parameters
    ----------
    text
        What ``Booster.model_to_string`` gives.

    Returns
    -------
    Forest
        Thresholds rounded down to float32, leaves in double precision.

    Raises
    ------
    ModelError
        If the text is no LightGBM model or cut off, a tree has categorical splits, linear
        leaves or more than `MAX_NODES` nodes, or the objective is unknown.
    """
    if text.partition("\n")[0].strip() != "tree" or "\nTree=" not in text:
        raise ModelError("this is no LightGBM text model: it should start with a line `tree`")
    body, ended, _ = text.partition("\nend of trees")
    if not ended:
        raise ModelError("the model is cut off: it has no line `end of trees`")
    head, *blocks = body.split("\nTree=")
    header = _fields(head)
    features = int(header.get("max_feature_idx", "-2")) + 1
    if not 0 < features <= MAX_FEATURES:
        raise ModelError(f"a model of 1 to {MAX_FEATURES} features is needed, found {features}")
    classes = int(header.get("num_tree_per_iteration", "1"))
    link, scale = _link(header.get("objective", "custom"))
    trees = [_tree(number, _fields(block), features) for number, block in enumerate(blocks)]
    if len(trees) % classes:
        raise ModelError(f"{len(trees)} trees cannot serve {classes} classes alike")
    names = ("threshold", "feature", "kind", "right", "value")
    columns: dict[str, Any] = {
        name: np.concatenate([tree[i] for tree in trees]) for i, name in enumerate(names)
    }
    sizes = [len(tree[0]) for tree in trees]
    return Forest(
        **columns,
        root=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        features=features,
        classes=classes,
        link=link,
        scale=scale,
        averaged="average_output" in header,
    )


def _fields(block: str) -> dict[str, str]:
    """Lines ``key=value``; a line without a sign is a flag."""
    return {
        key.strip(): value for key, _, value in (line.partition("=") for line in block.splitlines())
    }


def _link(objective: str) -> tuple[str, float]:
    """Link and scale of an objective such as ``binary sigmoid:1``."""
    name, *options = objective.split()
    if name not in _LINKS:
        raise ModelError(f"objective {name!r} is unknown; known: {', '.join(sorted(_LINKS))}")
    link = "square" if name == "regression" and "sqrt" in options else _LINKS[name]
    scale = 1.0
    for option in options:
        key, _, value = option.partition(":")
        if key == "sigmoid" and link == "sigmoid":
            scale = float(value)
    return link, scale


def _tree(number: int, fields: dict[str, str], features: int) -> tuple[Array, ...]:
    """Threshold, feature, kind, right and value of one tree's nodes, in preorder."""
    leaves = int(fields.get("num_leaves", "0"))
    if leaves < 1 or 2 * leaves - 1 > MAX_NODES:
        raise ModelError(
            f"tree {number} has {leaves} leaves; 1 to {(MAX_NODES + 1) // 2} can be evaluated"
        )
    if int(fields.get("num_cat", "0")):
        raise ModelError(f"tree {number} has categorical splits, which are not supported")
    if int(fields.get("is_linear", "0")):
        raise ModelError(f"tree {number} has linear leaves, which are not supported")
    splits = leaves - 1
    value = _numbers(number, fields, "leaf_value", np.float64, leaves)
    threshold = _numbers(number, fields, "threshold", np.float64, splits)
    feature = _numbers(number, fields, "split_feature", np.int64, splits)
    decision = _numbers(number, fields, "decision_type", np.int64, splits)
    left = _numbers(number, fields, "left_child", np.int64, splits)
    right = _numbers(number, fields, "right_child", np.int64, splits)
    if (decision & _CATEGORICAL).any():
        raise ModelError(f"tree {number} has categorical splits, which are not supported")
    if splits and not (feature.min() >= 0 and feature.max() < features):
        raise ModelError(f"tree {number} splits on a feature beyond the model's {features}")
    order, right_of = _preorder(number, left, right)
    split, leaf = order >= 0, order < 0
    size = len(order)
    columns = {
        "threshold": np.zeros(size, np.float32),
        "feature": np.zeros(size, np.uint16),
        "kind": np.full(size, LEAF, np.uint8),
        "right": right_of,
        "value": np.zeros(size, np.float64),
    }
    columns["threshold"][split] = _float32(threshold)[order[split]]
    columns["feature"][split] = feature[order[split]]
    columns["kind"][split] = _kinds(decision, threshold)[order[split]]
    columns["value"][leaf] = value[~order[leaf]]
    return tuple(columns.values())


def _numbers(number: int, fields: dict[str, str], key: str, dtype: Any, size: int) -> Array:
    """One array of a tree, whole."""
    try:
        found = np.array(fields.get(key, "").split(), dtype=dtype)
    except ValueError as error:
        raise ModelError(f"{key} of tree {number} cannot be read: {error}") from error
    if len(found) != size:
        raise ModelError(f"{key} of tree {number} has {len(found)} numbers, expected {size}")
    return found


def _preorder(number: int, left: Array, right: Array) -> tuple[Array, Array]:
    """Nodes in preorder, leaves as ``~leaf``, and each split's right child in that order."""
    order: list[int] = []
    right_of: list[int] = []
    lefts, rights = left.tolist(), right.tolist()
    waiting = [(0 if lefts else ~0, -1)]
    while waiting:
        node, parent = waiting.pop()
        if parent >= 0:
            right_of[parent] = len(order)
        if not -len(lefts) - 1 <= node < max(len(lefts), 1) or len(order) > 2 * len(lefts):
            raise ModelError(f"tree {number} has a node without a place: {node}")
        here = len(order)
        order.append(node)
        right_of.append(0)
        if node >= 0:
            waiting.append((rights[node], here))
            waiting.append((lefts[node], -1))
    return np.array(order), np.array(right_of, dtype=np.int32)


def _float32(threshold: Array) -> Array:
    """Return float32 thresholds that decide alike for every float32 feature.

    The largest float32 not above is one. LightGBM reads what lies within +-`ZERO` as 0, so a
    threshold in there moves to its edge: all of it goes where 0 goes.
    """
    with np.errstate(over="ignore"):
        near = threshold.astype(np.float32)
    below = np.nextafter(near, np.float32(-np.inf))
    down = np.where(near.astype(np.float64) > threshold, below, near)
    edge = np.where(threshold >= 0, ZERO, np.nextafter(-ZERO, np.float32(-np.inf)))
    return np.where(np.abs(threshold) <= ZERO, edge, down)


def _kinds(decision: Array, threshold: Array) -> Array:
    """Where missing values go, from LightGBM's bits: 1 default left, 2-3 what is missing."""
    missing, default_left = (decision >> 2) & 3, (decision & _DEFAULT_LEFT) > 0
    # A model that knew no missing value reads NaN as 0.
    as_zero = np.where(threshold >= 0, NAN_LEFT, NAN_RIGHT)
    for_nan = np.where(default_left, NAN_LEFT, NAN_RIGHT)
    for_zero = np.where(default_left, ZERO_LEFT, ZERO_RIGHT)
    kinds = np.where(missing == _MISSING_ZERO, for_zero, for_nan)
    return np.where(missing == _MISSING_NONE, as_zero, kinds).astype(np.uint8)
