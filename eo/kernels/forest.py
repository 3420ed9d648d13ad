"""Forests of gradient-boosted decision trees, evaluated on the CPU and on GPUs.

A forest is a handful of flat arrays, nodes in preorder, so that one model serves three ways of
walking it: blocks of 64 pixels at once where Numba is installed (:mod:`eo.kernels.forest_blocks`),
a CUDA kernel for arrays on a GPU (``forest.cu``), and plain array operations everywhere. All
three take the same branch at every node and add the leaves in the same order, in double
precision: their raw scores are the same bits.

It trains nothing, and refuses trees with categorical splits or linear leaves.
:func:`eo.kernels.lightgbm_text.read_lightgbm` makes a forest from a LightGBM text model.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from eo.core.errors import ModelError
from eo.core.xp import Array, namespace
from eo.kernels.compiled import has_numba
from eo.kernels.cuda import launch
from eo.kernels.rows import threads as allowed
from eo.kernels.trees import LEAF, NAN_LEFT, ZERO, ZERO_LEFT, ZERO_RIGHT, Forest

__all__ = ["predict", "raw_scores", "transform"]

_THREADS = 128
_PIXELS_PER_THREAD = 4
_SHARED_BYTES = 47 * 1024
"""Shared memory that every CUDA device gives a block without being asked for more."""


def predict(forest: Forest, features: Array, *, threads: int | None = None) -> Array:
    """Return what the model says of every sample.

    Parameters
    ----------
    forest
        The model.
    features
        (feature, ...), NumPy or CuPy, NaN where missing. Taken as float32: wider numbers are
        rounded first.
    threads
        CPU threads, which share the samples; as many as :func:`eo.kernels.rows.threads` if None.

    Returns
    -------
    Array
        float64 (...) of the same kind, or (class, ...) where the model has several classes:
        probabilities of a classifier, values of a regression.

    Raises
    ------
    ModelError
        If the number of features is not the model's.
    """
    scores = transform(forest, raw_scores(forest, features, threads=threads))
    return scores[0] if forest.classes == 1 else scores


def raw_scores(
    forest: Forest, features: Array, *, threads: int | None = None, method: str = "auto"
) -> Array:
    """Return the sums of leaves, float64 (class, ...), as :func:`predict` before its link.

    Parameters
    ----------
    forest
        The model.
    features
        (feature, ...), NumPy or CuPy, NaN where missing.
    threads
        CPU threads, as for :func:`predict`.
    method
        ``auto``, or by name for tests and benchmarks: ``numba``, ``arrays`` or ``cuda``.

    Raises
    ------
    ModelError
        If the number of features is not the model's, or the method does not fit the array.
    """
    xp, _ = namespace(features)
    if features.ndim < 1 or features.shape[0] != forest.features:
        raise ModelError(
            f"the model has {forest.features} features, found an array of shape "
            f"{tuple(features.shape)}; give (feature, ...)"
        )
    on_gpu = xp.__name__ == "cupy"
    if method == "auto":
        method = "cuda" if on_gpu else "numba" if has_numba() else "arrays"
    if method not in {"numba", "arrays", "cuda"} or (
        method != "arrays" and on_gpu != (method == "cuda")
    ):
        raise ModelError(f"method {method!r} cannot evaluate {xp.__name__} arrays")
    samples = xp.asarray(features, dtype=xp.float32)
    if samples.size == 0:
        scores = xp.zeros((forest.classes, *features.shape[1:]), dtype=xp.float64)
    elif method == "cuda":
        scores = _on_gpu(xp, forest, samples)
    elif method == "numba":
        from eo.kernels.forest_blocks import block_scores

        scores = block_scores(forest, samples, allowed() if threads is None else threads)
    else:
        scores = _by_arrays(xp, forest, samples)
    return scores


def transform(forest: Forest, scores: Array) -> Array:
    """Return predictions from raw scores (class, ...) by the forest's link.

    ``identity``; ``sigmoid`` 1 / (1 + exp(-scale s)), each class for itself; ``softmax`` over
    classes; ``exp``; ``log1p_exp`` log(1 + exp(s)); ``square`` sign(s) s^2.
    """
    xp, _ = namespace(scores)
    if forest.averaged:
        scores = scores / (forest.trees // forest.classes)
    if forest.link == "sigmoid":
        with np.errstate(over="ignore"):  # exp of a large number is inf, and 1 / inf is right
            return 1.0 / (1.0 + xp.exp(-forest.scale * scores))
    if forest.link == "softmax":
        grown = xp.exp(scores - scores.max(axis=0))
        return grown / grown.sum(axis=0)
    if forest.link == "exp":
        return xp.exp(scores)
    if forest.link == "log1p_exp":
        return xp.log1p(xp.exp(scores))
    if forest.link == "square":
        return xp.sign(scores) * scores * scores
    if forest.link == "identity":
        return scores
    raise ModelError(f"link {forest.link!r} is unknown")


def _by_arrays(xp: Any, forest: Forest, samples: Array) -> Array:
    """Part the samples at every node: index arrays go down the tree instead of samples."""
    flat = samples.reshape(forest.features, -1)
    scores = xp.zeros((forest.classes, flat.shape[1]), dtype=xp.float64)
    everything = xp.arange(flat.shape[1])
    feature, threshold = forest.feature.tolist(), forest.threshold
    kind, right, value = forest.kind.tolist(), forest.right.tolist(), forest.value.tolist()
    for tree, first in enumerate(forest.root[:-1].tolist()):
        waiting = [(first, everything)]
        while waiting:
            node, which = waiting.pop()
            if which.size == 0:
                continue
            if kind[node] == LEAF:
                scores[tree % forest.classes, which] += value[node]
                continue
            left = _goes_left(xp, flat[feature[node]][which], threshold[node], kind[node])
            waiting.append((first + right[node], which[~left]))
            waiting.append((node + 1, which[left]))
    return scores.reshape(forest.classes, *samples.shape[1:])


def _goes_left(xp: Any, x: Array, threshold: Any, kind: int) -> Array:
    """Decide at one node; NaN compares false and so goes right by itself."""
    left = x <= threshold
    if kind == NAN_LEFT:
        left |= xp.isnan(x)
    elif kind == ZERO_LEFT:
        left |= xp.isnan(x) | (xp.abs(x) <= ZERO)
    elif kind == ZERO_RIGHT:
        left &= ~(xp.abs(x) <= ZERO)
    return left


def _packed(forest: Forest) -> Array:
    """Nodes as `forest.cu` reads them, 8 bytes each: threshold, then right, feature and kind."""
    nodes = np.empty(len(forest.kind), dtype=[("threshold", "<f4"), ("word", "<u4")])
    nodes["threshold"] = forest.threshold
    nodes["word"] = (
        forest.right.astype(np.uint32)
        | (forest.feature.astype(np.uint32) << 16)
        | (forest.kind.astype(np.uint32) << 28)
    )
    return nodes.view(np.uint64)


@cache
def _device_arrays(forest: Forest, device: int) -> tuple[Array, Array, Array]:
    """Copy a forest to a GPU, once per process."""
    import cupy

    with cupy.cuda.Device(device):
        return tuple(cupy.asarray(a) for a in (_packed(forest), forest.value, forest.root))


def _on_gpu(xp: Any, forest: Forest, samples: Array) -> Array:
    """Sum the leaves by `forest.cu`: trees and features of a block in shared memory."""
    nodes, value, root = _device_arrays(forest, int(xp.cuda.runtime.getDevice()))
    samples = xp.ascontiguousarray(samples)
    count = samples.size // forest.features
    scores = xp.empty((forest.classes, *samples.shape[1:]), dtype=xp.float64)
    held = forest.features * _THREADS * _PIXELS_PER_THREAD * 4
    held = held if held <= _SHARED_BYTES // 2 else 0
    largest = int(np.diff(forest.root).max()) * 8
    room = min(largest, _SHARED_BYTES - held)
    launch(
        "forest", "forest_scores", -(-count // _PIXELS_PER_THREAD),
        samples, nodes, value, root, scores,
        xp.int32(forest.features), xp.int32(forest.classes), xp.int32(forest.trees),
        xp.int32(held > 0), xp.int32(room // 8), xp.int64(count),
        threads=_THREADS, shared_bytes=held + room,
    )  # fmt: skip
    return scores
