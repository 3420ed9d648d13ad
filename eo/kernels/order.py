"""Quantiles over looks, pixel by pixel, of the looks that count.

A sort would move every value some eight times to learn one of them. Here the bits of the answer
are found one by one, from the highest that differs: each bit takes one count of the values below
a candidate, for 64 pixels at once where Numba is installed, and for every thread's own pixel on a
GPU (``order.cu``). NumPy alone sorts. All three give the same numbers.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from eo.core.xp import Array, namespace
from eo.kernels.compiled import compiled, has_numba
from eo.kernels.cuda import launch
from eo.kernels.rows import each

__all__ = ["clear_quantile"]

_CHUNK_PX = 256
"""Pixels whose keys, of all looks, are held at once: 200 looks of them fit a core's cache."""

_SHARED_BYTES = 47 * 1024
_LANES = 64

_count_below: Any = None


def clear_quantile(
    values: Array, used: Array, share: float, *, around: Array | None = None, method: str = "auto"
) -> Array:
    """Return a quantile over looks of the values that count.

    Parameters
    ----------
    values
        float32 (look, y, x); NaN never counts.
    used
        bool (look, y, x), which of them count.
    share
        0..1: 0.5 is the median. Between two looks the quantile is interpolated linearly.
    around
        float32 (y, x); if given, the quantile is that of ``abs(values - around)``.
    method
        ``auto``, or by name for tests and benchmarks: ``numba``, ``sort`` or ``cuda``.

    Returns
    -------
    Array
        float32 (y, x), NaN where nothing counts; equal to NumPy's ``nanquantile``, for the
        median to the last bit. Pixelwise: no halo.
    """
    xp, _ = namespace(values, used)
    if method == "auto":
        on_gpu = xp.__name__ == "cupy"
        method = "cuda" if on_gpu else "numba" if has_numba() else "sort"
    if values.shape[0] == 0 or values.size == 0:
        return xp.full(values.shape[1:], xp.nan, dtype=xp.float32)
    find = {"numba": _compiled_pair, "cuda": _gpu_pair}.get(method, _sorted_pair)
    low, high, count = find(xp, values, used, share, around)
    part = _place(xp, count, share)[1]
    # Written so that equal neighbours, and halves, come out exact.
    with np.errstate(invalid="ignore"):  # infinity times nothing, where it is not taken
        between = low * (xp.float32(1) - part) + high * part
    return xp.where(count > 0, xp.where(part > 0, between, low), xp.float32(xp.nan))


def _place(xp: Any, count: Array, share: float) -> tuple[Array, Array]:
    """Whole and broken part of the place of a quantile among `count` sorted values."""
    place = xp.maximum(count - 1, 0) * share
    whole = xp.floor(place)
    return whole.astype(xp.int32), (place - whole).astype(xp.float32)


def _sorted_pair(
    xp: Any, values: Array, used: Array, share: float, around: Array | None
) -> tuple[Array, Array, Array]:
    """Values at and above a place, and how many count, by sorting."""
    held = values if around is None else xp.abs(values - around)
    ordered = xp.sort(xp.where(used, held, xp.float32(xp.nan)), axis=0)  # NaN sort last
    count = (~xp.isnan(ordered)).sum(axis=0)
    low = _place(xp, count, share)[0].astype(xp.int64)
    high = xp.minimum(low + 1, xp.maximum(count - 1, 0))
    pair = [xp.take_along_axis(ordered, k[None], axis=0)[0] for k in (low, high)]
    return pair[0], pair[1], count


def _gpu_pair(
    xp: Any, values: Array, used: Array, share: float, around: Array | None
) -> tuple[Array, Array, Array]:
    """Compute the same on a GPU (`order.cu`)."""
    looks, size = values.shape[0], values[0].size
    low, high = (xp.empty(values.shape[1:], dtype=xp.float32) for _ in range(2))
    count = xp.empty(values.shape[1:], dtype=xp.int32)
    threads = max((t for t in (32, 64, 128) if t * looks * 4 <= _SHARED_BYTES), default=0)
    launch(
        "order", "clear_pair", size,
        xp.ascontiguousarray(values), xp.ascontiguousarray(used),
        xp.uint64(0) if around is None else xp.ascontiguousarray(around, dtype=xp.float32),
        low, high, count, xp.float64(share), xp.int32(looks), xp.int32(threads > 0), xp.int64(size),
        threads=threads or 128, shared_bytes=threads * looks * 4,
    )  # fmt: skip
    return low, high, count


def _compiled_pair(
    xp: Any, values: Array, used: Array, share: float, around: Array | None
) -> tuple[Array, Array, Array]:
    """Compute the same by counting, 64 pixels at once."""
    looks = values.shape[0]
    flat = xp.asarray(values, dtype=xp.float32).reshape(looks, -1)
    counts = xp.asarray(used, dtype=bool).reshape(looks, -1)
    size = flat.shape[1]
    middle = xp.zeros(0, xp.float32) if around is None else around.astype(xp.float32).reshape(-1)
    low, high = xp.empty(size, xp.float32), xp.empty(size, xp.float32)
    count = xp.empty(size, xp.int32)
    keyed, select = _functions()

    def chunk(start: int) -> None:
        part = slice(start, min(start + _CHUNK_PX, size))
        keys = np.empty((looks, _CHUNK_PX), np.uint32)
        agree, differ = np.empty(_CHUNK_PX, np.uint32), np.empty(_CHUNK_PX, np.uint32)
        seen = np.empty(_CHUNK_PX, np.int32)
        keyed(flat[:, part], counts[:, part], middle[part], keys, seen, agree, differ)
        wanted = _place(np, seen, share)[0]
        count[part] = seen[: part.stop - part.start]
        select(keys.reshape(-1), looks, seen, wanted, agree, differ, low[part], high[part])

    each(chunk, list(range(0, size, _CHUNK_PX)))
    shape = values.shape[1:]
    return low.reshape(shape), high.reshape(shape), count.reshape(shape)


@cache
def _functions() -> tuple[Any, Any]:
    """Compile; the count of a column of keys is given as LLVM's vector instructions."""
    global _count_below  # noqa: PLW0603 - compiled code finds it by this name
    from numba import types
    from numba.core import cgutils
    from numba.extending import intrinsic

    tools: Any = cgutils
    ir = tools.ir  # llvmlite's, as Numba has it

    @intrinsic
    def count_below(_: Any, keys: Any, at: Any, looks: Any, stride: Any, cut: Any, out: Any) -> Any:  # noqa: ARG001, PLR0917 - by place
        """Count, for 64 columns from `at` on, the keys below each column's cut."""
        vector, index = ir.VectorType(ir.IntType(32), 16), ir.IntType(64)

        def emit(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            data = {
                k: context.make_array(signature.args[k])(context, builder, given[k]).data
                for k in (0, 4, 5)
            }

            def place(k: int, offset: Any) -> Any:
                return builder.bitcast(builder.gep(data[k], [offset]), vector.as_pointer())

            def load(k: int, offset: Any) -> Any:
                made = builder.load(place(k, offset))
                made.align = 4
                return made

            quarters = [ir.Constant(index, 16 * k) for k in range(_LANES // 16)]
            cuts = [load(4, quarter) for quarter in quarters]
            sums = [tools.alloca_once_value(builder, ir.Constant(vector, [0] * 16)) for _ in cuts]
            with tools.for_range(builder, given[2]) as loop:
                row = builder.add(given[1], builder.mul(loop.index, given[3]))
                for cutting, total, quarter in zip(cuts, sums, quarters, strict=True):
                    key = load(0, builder.add(row, quarter))
                    less = builder.sext(builder.icmp_unsigned("<", key, cutting), vector)
                    builder.store(builder.sub(builder.load(total), less), total)
            for total, quarter in zip(sums, quarters, strict=True):
                builder.store(builder.load(total), place(5, quarter)).align = 4
            return context.get_dummy_value()

        whole = types.int64
        return types.void(keys, whole, whole, whole, cut, out), emit

    _count_below = count_below
    return compiled(_keyed), compiled(_select)


def _keyed(  # noqa: PLR0917 - flat arrays are what compiled code takes
    values: Array,
    used: Array,
    middle: Array,
    keys: Array,
    seen: Array,
    agree: Array,
    differ: Array,
) -> None:
    """Turn values into whole numbers of the same order; what does not count comes last.

    `agree` and `differ` get, of a pixel's keys, the bits set in all and those not alike.
    """
    size = values.shape[1]
    bits = np.empty(size, np.float32)
    seen[:] = 0
    agree[:] = np.uint32(0xFFFFFFFF)
    differ[:] = np.uint32(0)
    keys[:, size:] = np.uint32(0xFFFFFFFF)
    for look in range(values.shape[0]):
        if middle.size:
            row, centre = values[look], middle
            for k in range(size):
                bits[k] = np.abs(row[k] - centre[k])
        else:
            bits[:] = values[look]
        raw, counts, ours = bits.view(np.int32), used[look], keys[look]
        for k in range(size):
            bit = raw[k]
            # Negative numbers get all bits turned, others the sign alone: order as of integers.
            turned = np.uint32(bit ^ ((bit >> np.int32(31)) | np.int32(-0x80000000)))
            number = (bit & np.int32(0x7FFFFFFF)) <= np.int32(0x7F800000)
            fine = number & counts[k]
            ours[k] = turned if fine else np.uint32(0xFFFFFFFF)
            seen[k] += np.int32(1) if fine else np.int32(0)
            agree[k] &= turned if fine else np.uint32(0xFFFFFFFF)
            differ[k] |= turned if fine else np.uint32(0)
    for k in range(agree.size):
        differ[k] = differ[k] & ~agree[k] if seen[k] else np.uint32(0)


def _select(  # noqa: C901, PLR0912, PLR0917 - compiled code is one function over flat arrays
    keys: Array,
    looks: int,
    seen: Array,
    wanted: Array,
    agree: Array,
    differ: Array,
    low: Array,
    high: Array,
) -> None:
    """Find the value at place `wanted`, counted from 0, and the next, for every pixel."""
    stride, size = seen.size, low.size
    found, cut = np.empty(64, np.uint32), np.empty(64, np.uint32)
    below = np.empty(64, np.int32)
    for first in range(0, size, 64):
        open_bits = np.uint32(0)
        for lane in range(64):
            open_bits |= differ[first + lane]
        top = 0
        while open_bits:
            open_bits >>= np.uint32(1)
            top += 1
        known = np.uint32(0xFFFFFFFF << top & 0xFFFFFFFF)
        for lane in range(64):
            found[lane] = agree[first + lane] & known
        for bit in range(top - 1, -1, -1):
            for lane in range(64):
                cut[lane] = found[lane] | np.uint32(1 << bit)
            _count_below(keys, first, looks, stride, cut, below)
            for lane in range(64):
                if below[lane] <= wanted[first + lane]:
                    found[lane] = cut[lane]
        # The next is the same again where several looks share the value.
        for lane in range(64):
            cut[lane] = found[lane] + np.uint32(1)
        _count_below(keys, first, looks, stride, cut, below)
        cut[:] = np.uint32(0xFFFFFFFF)
        for look in range(looks):
            row = keys[look * stride + first : look * stride + first + 64]
            for lane in range(64):
                key = row[lane]
                cut[lane] = key if found[lane] < key < cut[lane] else cut[lane]
        for lane in range(64):
            if below[lane] > wanted[first + lane] + 1 or below[lane] >= seen[first + lane]:
                cut[lane] = found[lane]
            for pair in (found, cut):
                positive = pair[lane] >> np.uint32(31)
                pair[lane] ^= np.uint32(0x80000000) if positive else np.uint32(0xFFFFFFFF)
        last = min(64, size - first)
        low[first : first + last] = found.view(np.float32)[:last]
        high[first : first + last] = cut.view(np.float32)[:last]
