"""Every kernel's rate on one and two CPU threads, beside its peer and beside a memory copy.

In each round a copy of memory, our kernel and the peer run one after another; rates are those of
the median times, ratios are medians of the rounds' own ratios, so that a machine's other work
falls on all alike. `of_copy` is what the kernel must read and write, over what a plain copy moves
in the same time. On a GPU the copy is one from device to device. Where no GPU is at hand its
columns say `not measured`.

    python benchmarks/kernels.py [--size 2048] [--looks 200] [--rounds 5] [--json FILE]

`roofline.py` draws the figures and writes the table of docs/performance.md.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from kernel_cases import Case, cases
from machine import describe, save

from eo.core.xp import gpu_count

COPY_BYTES = 2**27
ROOF_SIZE = 2**15
"""Numbers that fit a core's cache, and take longer than handing the interpreter over."""
NOT_MEASURED = "not measured"


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--looks", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    print(save(asked.json, run(size=asked.size, looks=asked.looks, rounds=asked.rounds)))


def run(*, size: int, looks: int, rounds: int) -> dict[str, Any]:
    """Return the figures."""
    machine = describe()
    counts = [1] + ([2] if machine["cores"] > 1 else [])
    kernels: dict[str, Any] = {}
    for case in cases(size, looks, "cpu"):
        entry: dict[str, Any] = {
            "pixels": case.pixels,
            "bytes_per_pixel": case.bytes_per_pixel,
            "operations_per_pixel": round(case.operations_per_pixel, 1),
            "peer": case.peer_name,
        }
        for threads in counts:
            with only(threads):
                entry[f"cpu_{threads}"] = measured(case, threads, rounds)
        entry["gpu"] = NOT_MEASURED
        kernels[case.name] = entry
    figures = {
        "benchmark": "kernels",
        "machine": machine,
        "size": size,
        "rounds": rounds,
        "roof": {f"cpu_{n}": roof(n) for n in counts} | {"gpu": NOT_MEASURED},
        "kernels": kernels,
    }
    if gpu_count():
        on_gpu(figures, size, looks, rounds)
    return figures


@contextmanager
def only(threads: int) -> Iterator[None]:
    """Let this process, and the threads it starts, use a number of cores."""
    cores = os.sched_getaffinity(0)
    told = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.sched_setaffinity(0, sorted(cores)[:threads])
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
        if told is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = told


def measured(case: Case, threads: int, rounds: int) -> dict[str, Any]:
    """Measure ours, the peer's and a copy, in turn."""
    peer = case.peer(threads)
    copy = copying(threads)
    case.ours()  # compiled and warm
    if peer is not None:
        peer()
    seconds: dict[str, list[float]] = {"copy": [], "ours": [], "peer": []}
    for _ in range(rounds):
        for key, work in (("copy", copy), ("ours", case.ours), ("peer", peer)):
            if work is not None:
                seconds[key].append(timed(work))
    ours = case.pixels / statistics.median(seconds["ours"]) / 1e6
    moved = [
        (case.bytes_per_pixel * case.pixels / mine) / (2 * COPY_BYTES / copied)
        for mine, copied in zip(seconds["ours"], seconds["copy"], strict=True)
    ]
    made: dict[str, Any] = {
        "mpx_s": figures_of(ours),
        "of_copy": figures_of(statistics.median(moved)),
        "copy_gb_s": figures_of(2 * COPY_BYTES / statistics.median(seconds["copy"]) / 1e9),
        "peer_mpx_s": NOT_MEASURED,
        "times_peer": NOT_MEASURED,
    }
    if peer is not None:
        ratios = [
            (case.pixels / mine) / (case.peer_pixels / theirs)
            for mine, theirs in zip(seconds["ours"], seconds["peer"], strict=True)
        ]
        made["peer_mpx_s"] = figures_of(case.peer_pixels / statistics.median(seconds["peer"]) / 1e6)
        made["times_peer"] = figures_of(statistics.median(ratios))
    return made


def figures_of(value: float) -> float:
    """Round to three significant figures."""
    return float(f"{value:.3g}")


def timed(work: Callable[[], Any]) -> float:
    """Return the seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def copying(threads: int) -> Callable[[], Any]:
    """Return a copy of memory by a number of threads."""
    count = COPY_BYTES // 4 // threads
    pairs = [(np.ones(count, np.float32), np.zeros(count, np.float32)) for _ in range(threads)]
    pool = ThreadPoolExecutor(threads)
    return lambda: list(pool.map(lambda pair: np.copyto(pair[1], pair[0]), pairs))


def roof(threads: int) -> dict[str, float]:
    """Return the highest rates seen: of arithmetic in the cache, and of a copy of memory."""
    small = [np.ones(ROOF_SIZE, np.float32) for _ in range(threads)]
    repeats = 500

    def multiply(numbers: np.ndarray) -> None:
        for _ in range(repeats):
            np.multiply(numbers, numbers[0], out=numbers)

    with only(threads), ThreadPoolExecutor(threads) as pool:
        arithmetic = min(timed(lambda: list(pool.map(multiply, small))) for _ in range(5))
        copied = min(timed(copying(threads)) for _ in range(5))
    return {
        "operations_g_s": figures_of(threads * repeats * ROOF_SIZE / arithmetic / 1e9),
        "copy_gb_s": figures_of(2 * COPY_BYTES / copied / 1e9),
    }


def on_gpu(figures: dict[str, Any], size: int, looks: int, rounds: int) -> None:
    """Measure the same on the GPU, beside a copy from device to device."""
    import cupy

    device = cupy.cuda.runtime.getDeviceProperties(0)
    figures["machine"]["gpu"] = device["name"].decode()
    source = cupy.ones(COPY_BYTES, cupy.float32)
    target = cupy.empty_like(source)

    def synced(work: Callable[[], Any]) -> Callable[[], Any]:
        def call() -> None:
            work()
            cupy.cuda.runtime.deviceSynchronize()

        return call

    copy = synced(lambda: cupy.copyto(target, source))
    copy()
    rate = 2 * source.nbytes / min(timed(copy) for _ in range(5)) / 1e9
    figures["roof"]["gpu"] = {"operations_g_s": NOT_MEASURED, "copy_gb_s": figures_of(rate)}
    for case in cases(size, looks, "gpu"):
        ours = synced(case.ours)
        ours()
        pairs = [(timed(copy), timed(ours)) for _ in range(rounds)]
        moved = [
            (case.bytes_per_pixel * case.pixels / mine) / (2 * source.nbytes / copied)
            for copied, mine in pairs
        ]
        figures["kernels"][case.name]["gpu"] = {
            "mpx_s": figures_of(case.pixels / statistics.median(m for _, m in pairs) / 1e6),
            "of_copy": figures_of(statistics.median(moved)),
            "copy_gb_s": figures_of(
                2 * source.nbytes / statistics.median(c for c, _ in pairs) / 1e9
            ),
        }


if __name__ == "__main__":
    main()
