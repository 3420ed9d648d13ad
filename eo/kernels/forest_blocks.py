"""Walks a forest for 64 pixels at once on the CPU, compiled by Numba.

Each feature is first replaced by its rank among the model's thresholds of that feature, one byte
where there are no more than 254 (LightGBM bins features so), which keeps every decision as it
was. A node then compares 64 ranks with one number in an instruction or two and gets 64 decisions
as one word. Neighbouring pixels mostly go the same way, so a tile of 8 x 8 of them visits a node
once where pixels by themselves would visit it 64 times, and branches without pixels are skipped.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from eo.core.xp import Array
from eo.kernels.compiled import compiled
from eo.kernels.trees import LEAF, NAN_LEFT, ZERO, ZERO_LEFT, Forest

__all__ = ["block_scores"]

LANES = 64
"""Pixels of a tile: bits of a word."""
_SIDE = 8
_TILES = 64
"""Tiles that go through one tree before the next tree is taken: their ranks stay in cache."""

_left_mask: Any = None
_lowest_bit: Any = None


def block_scores(forest: Forest, samples: Array, threads: int) -> Array:
    """Return raw scores, float64 (class, ...), of float32 `samples` (feature, ...) on the host."""
    planes = samples.reshape(forest.features, *_plane_shape(samples.shape[1:]))
    out = np.empty((forest.classes, *planes.shape[1:]))
    across = _SIDE if planes.shape[1] > 1 else LANES
    tiles = -(-planes.shape[1] // (LANES // across)) * -(-planes.shape[2] // across)
    _functions(), _ranked(forest)  # before threads would do so at the same time
    ends = np.linspace(0, tiles, max(1, min(threads, tiles)) + 1).astype(int).tolist()
    if len(ends) == 2:
        _part(forest, planes, out, 0, tiles)
    else:
        with ThreadPoolExecutor(len(ends) - 1) as pool:
            list(pool.map(lambda a, b: _part(forest, planes, out, a, b), ends[:-1], ends[1:]))
    return out.reshape(forest.classes, *samples.shape[1:])


def _part(forest: Forest, planes: Array, out: Array, first: int, end: int) -> None:
    """Score tiles `first` to `end`, some at a time."""
    fill, walk, store = _functions()
    ranked = _ranked(forest)
    across = _SIDE if planes.shape[1] > 1 else LANES
    ranks = np.empty((_TILES, forest.features, LANES), ranked.code.dtype)
    sums = np.empty((forest.classes, _TILES * LANES))
    nodes, words = np.empty(forest.depth + 1, np.int64), np.empty(forest.depth + 1, np.uint64)
    for tile in range(first, end, _TILES):
        count = min(_TILES, end - tile)
        gaps = fill(planes, ranked.thresholds, ranked.missing, ranks, tile, count, across)
        sums[:] = 0
        walk(
            ranks.reshape(-1), ranked.code, ranked.feature, forest.right, forest.value, forest.root,
            forest.kind, ranked.zero, ranked.missing, gaps, forest.features, count,
            sums, nodes, words,
        )  # fmt: skip
        store(sums, out, tile, count, across)


def _plane_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns of an image; anything else is one row."""
    return (shape[0], shape[1]) if len(shape) == 2 else (1, int(np.prod(shape)))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Ranked:
    """A forest's thresholds by their ranks: the number of thresholds of the feature below."""

    thresholds: Array
    """float32 (feature, power of two), sorted, filled up with infinity."""
    code: Array
    """(node,) rank of a node's threshold: ``x <= threshold`` is ``rank(x) <= code``."""
    feature: Array
    """uint16 (node,) feature compared; the number of features at a leaf."""
    zero: Array
    """(2, feature) highest rank below what counts as zero, and highest rank within."""
    missing: Any
    """Rank of NaN, above all others."""


@cache
def _ranked(forest: Forest) -> _Ranked:
    """Rank a forest's thresholds, once."""
    split = forest.kind != LEAF
    fence = np.array([np.nextafter(-ZERO, np.float32(-np.inf)), ZERO], np.float32)
    tables = []
    for number in range(forest.features):
        mine = split & (forest.feature == number)
        zero_counts = (forest.kind[mine] >= ZERO_LEFT).any()
        tables.append(
            np.unique(np.concatenate([forest.threshold[mine], fence if zero_counts else fence[:0]]))
        )
    most = max(len(table) for table in tables)
    kinds = (np.uint8, np.uint16, np.uint32)
    dtype = next(kind for kind in kinds if most < np.iinfo(kind).max)
    thresholds = np.full((forest.features, 1 << int(most).bit_length()), np.inf, np.float32)
    code = np.zeros(len(forest.kind), dtype)
    zero = np.zeros((2, forest.features), dtype)
    for number, table in enumerate(tables):
        thresholds[number, : len(table)] = table
        mine = split & (forest.feature == number)
        code[mine] = np.searchsorted(table, forest.threshold[mine])
        zero[:, number] = np.searchsorted(table, fence)
    return _Ranked(
        thresholds=thresholds,
        code=code,
        feature=np.where(split, forest.feature, forest.features).astype(np.uint16),
        zero=zero,
        missing=dtype(np.iinfo(dtype).max),
    )


@cache
def _functions() -> tuple[Any, Any, Any]:
    """Compile the walk. The two instructions that Numba has no words for are given as LLVM's."""
    global _left_mask, _lowest_bit
    from numba import types
    from numba.core import cgutils
    from numba.extending import intrinsic

    tools: Any = cgutils
    ir = tools.ir  # llvmlite's, as Numba has it

    @intrinsic
    def left_mask(_: Any, ranks: Any, at: Any, code: Any) -> Any:  # noqa: ARG001 - by place
        """Compare 64 ranks from `at` on with one code: bit k is ranks[at + k] <= code."""

        def emit(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            array = context.make_array(signature.args[0])(context, builder, given[0])
            element = ir.IntType(signature.args[0].dtype.bitwidth)
            vector = ir.VectorType(element, LANES)
            place = builder.bitcast(builder.gep(array.data, [given[1]]), vector.as_pointer())
            ours = builder.load(place)
            ours.align = element.width // 8
            nothing = ir.Constant(vector, ir.Undefined)
            first = builder.insert_element(nothing, given[2], ir.Constant(ir.IntType(32), 0))
            same = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
            theirs = builder.shuffle_vector(first, nothing, same)
            return builder.bitcast(builder.icmp_unsigned("<=", ours, theirs), ir.IntType(LANES))

        return types.uint64(ranks, types.int64, ranks.dtype), emit

    @intrinsic
    def lowest_bit(_: Any, word: Any) -> Any:  # noqa: ARG001 - by place
        """Give the number of the lowest bit that is set."""

        def emit(_context: Any, builder: Any, _signature: Any, given: Any) -> Any:
            return builder.cttz(given[0], ir.Constant(ir.IntType(1), 0))

        return types.int64(types.uint64), emit

    _left_mask, _lowest_bit = left_mask, lowest_bit
    return compiled(_fill), compiled(_walk), compiled(_store)


def _fill(  # noqa: PLR0917 - flat arrays and numbers are what compiled code takes
    planes: Array,
    thresholds: Array,
    missing: Any,
    ranks: Array,
    first: int,
    count: int,
    across: int,
) -> bool:
    """Rank the features of `count` tiles from `first` on; True if any is NaN."""
    features, height, width = planes.shape
    down, per_row = 64 // across, -(-width // across)
    half = thresholds.shape[1] // 2
    gaps = False
    values, found = np.empty(64, np.float32), np.empty(64, np.uint32)
    rows, cols = np.empty(64, np.int64), np.empty(64, np.int64)
    for tile in range(count):
        for lane in range(64):
            # Beyond the edge the last pixel stands in; nothing of it is stored.
            top, left = (first + tile) // per_row * down, (first + tile) % per_row * across
            rows[lane] = min(top + lane // across, height - 1)
            cols[lane] = min(left + lane % across, width - 1)
        for feature in range(features):
            table, plane = thresholds[feature], planes[feature]
            for lane in range(64):
                values[lane] = plane[rows[lane], cols[lane]]
                found[lane] = 0
            step = np.uint32(half)
            while step:  # all lanes take a step of the search before any takes the next
                last = np.uint32(step - np.uint32(1))
                for lane in range(64):
                    rank = found[lane]
                    found[lane] = rank + step if table[rank + last] < values[lane] else rank
                step = np.uint32(step >> np.uint32(1))
            for lane in range(64):
                ranks[tile, feature, lane] = found[lane]
                if np.isnan(values[lane]):
                    ranks[tile, feature, lane] = missing
                    gaps = True
    return gaps


def _walk(  # noqa: PLR0917 - one loop, and flat arrays are what it takes
    ranks: Array,
    code: Array,
    feature: Array,
    right: Array,
    value: Array,
    root: Array,
    kind: Array,
    zero: Array,
    missing: Any,
    gaps: bool,
    features: int,
    tiles: int,
    sums: Array,
    nodes: Array,
    words: Array,
) -> None:
    """Add every tree's leaves to the sums (class, tile x lane)."""
    for tree in range(len(root) - 1):
        base, score = root[tree], sums[tree % sums.shape[0]]
        for tile in range(tiles):
            ours = tile * features * 64
            node, waiting, word = base, 0, np.uint64(0xFFFFFFFFFFFFFFFF)
            while True:
                if feature[node] == features:  # a leaf
                    leaf = value[node]
                    while word:
                        score[tile * 64 + _lowest_bit(word)] += leaf
                        word &= word - np.uint64(1)
                    if waiting == 0:
                        break
                    waiting -= 1
                    node, word = nodes[waiting], words[waiting]
                    continue
                at = ours + np.int64(feature[node]) * 64
                go = _left_mask(ranks, at, code[node])
                if kind[node] >= ZERO_LEFT:
                    below = _left_mask(ranks, at, zero[0, feature[node]])
                    zeros = _left_mask(ranks, at, zero[1, feature[node]]) & ~below
                    go = go | zeros if kind[node] == ZERO_LEFT else go & ~zeros
                if gaps and (kind[node] == NAN_LEFT or kind[node] == ZERO_LEFT):
                    go |= ~_left_mask(ranks, at, missing - 1)
                to_left, to_right = word & go, word & ~go
                if to_right == 0:
                    node += 1
                elif to_left == 0:
                    node = base + right[node]
                else:
                    nodes[waiting], words[waiting] = base + right[node], to_right
                    waiting += 1
                    node, word = node + 1, to_left


def _store(sums: Array, out: Array, first: int, count: int, across: int) -> None:
    """Put the sums of `count` tiles from `first` on where their pixels are."""
    classes, height, width = out.shape
    down, per_row = 64 // across, -(-width // across)
    for score in range(classes):
        for tile in range(count):
            top = (first + tile) // per_row * down
            left_edge = (first + tile) % per_row * across
            for lane in range(64):
                row, col = top + lane // across, left_edge + lane % across
                if row < height and col < width:
                    out[score, row, col] = sums[score, tile * 64 + lane]
