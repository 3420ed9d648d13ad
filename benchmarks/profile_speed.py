"""How many vessels a second the hull-profile fit measures: on CPU cores, and on a GPU.

Hulls of 12-28 m beam, three deck, shade and water levels in four bands, blurred and noisy, laid
out as a scene's vessels are: 500 to 2,000 pixels of 3 m each. Only the fit is timed
(`eo.kernels.profile.profile_likelihood`), pixels in memory, ln L of 101 widths out. A core is a
process with one thread (set OMP_NUM_THREADS=1); without a GPU that figure reads `not measured`.

    OMP_NUM_THREADS=1 python benchmarks/profile_speed.py [--vessels 128] [--cores 2] [--json FILE]
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe, save

from eo.core.xp import gpu_count
from eo.kernels.profile import ProfileBatch, profile_likelihood

PIXEL_M = 3.0
WATER = np.array([0.050, 0.045, 0.030, 0.018])
DECK = np.array([0.085, 0.100, 0.130, 0.160])
SHADE = 0.4
WIDTHS_M = np.linspace(0.0, 30.0, 101)


def hull(rng: np.random.Generator) -> tuple[Any, Any, Any, float, float]:
    """Return values (4, pixel), across [m], along, beam [m] and half length [m] of one hull."""
    beam, width = float(rng.uniform(12.0, 28.0)), float(rng.uniform(1.0, 12.0))
    half = 1.6 * beam
    turn = rng.uniform(0, np.pi)
    lattice = (np.arange(-30, 31) + rng.uniform(0, 1)) * PIXEL_M
    x, y = (a.ravel() for a in np.meshgrid(lattice, lattice))
    across, along = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
    keep = (np.abs(along) < half) & (across > -beam / 2 - 13) & (across < beam / 2 + 35)
    across, along = across[keep], along[keep]
    steps = np.linspace(-4, 4, 81)
    weight = np.exp(-0.5 * steps**2)
    u = across[:, None] + steps * 0.6 * PIXEL_M
    deck = (np.abs(u) < beam / 2) @ weight / weight.sum()
    shade = ((u >= beam / 2) & (u < beam / 2 + width)) @ weight / weight.sum()
    values = np.outer(DECK, deck) + np.outer(SHADE * WATER, shade)
    values += np.outer(WATER, 1 - deck - shade)
    values += 0.01 * deck * rng.normal(size=deck.size) + 0.002 * rng.normal(size=values.shape)
    return values, across, along / half, beam, half


def batch_of(count: int, seed: int = 0) -> ProfileBatch:
    """Return a batch of vessels, eight to a scene."""
    rng = np.random.default_rng(seed)
    hulls = [hull(rng) for _ in range(count)]
    most = max(item[1].size for item in hulls)
    values = np.zeros((count, 4, most))
    across, along, valid = (np.zeros((count, most)) for _ in range(3))
    for i, (v, u, t, _, _) in enumerate(hulls):
        values[i, :, : u.size], across[i, : u.size], along[i, : u.size] = v, u, t
        valid[i, : u.size] = 1.0
    one = np.ones(count)
    spread = np.diag([0.04, *[0.0036] * 4])
    spread[1:, 1:] += 0.0144
    return ProfileBatch(
        values=values,
        across_m=across,
        along=along,
        half_length_m=np.array([item[4] for item in hulls]),
        valid=valid,
        widths_m=np.tile(WIDTHS_M, (count, 1)),
        width_mean_m=6.0 * one,
        width_sd_m=6.0 * one,
        beam_m=np.array([item[3] for item in hulls]),
        beam_sd_m=1.0 * one,
        centre_sd_m=1.8 * one,
        skew_sd_m=0.8 * one,
        trim_sd_m=0.3 * one,
        pixel_m=PIXEL_M * one,
        common_mean=np.tile([np.log(0.6), *[SHADE] * 4], (count, 1)),
        common_precision=np.tile(np.linalg.inv(spread), (count, 1, 1)),
        deck_shade=1.0 * one,
        pipes=one,
        moored=0.0 * one,
        band_shift_sd_m=0.75 * one,
        scene=np.arange(count) // 8 * 1.0,
    )


def timed(seed: int, count: int, at_once: int) -> tuple[float, float]:
    """Return wall and processor seconds of one fit of `count` vessels in this process."""
    batch = batch_of(count, seed)
    profile_likelihood(batch_of(8, seed), at_once=at_once)
    wall, busy = time.perf_counter(), time.process_time()
    profile_likelihood(batch, at_once=at_once)
    return time.perf_counter() - wall, time.process_time() - busy


def on_cores(cores: int, count: int, at_once: int) -> dict[str, Any]:
    """Return vessels per second of `cores` processes at once."""
    with ProcessPoolExecutor(cores) as pool:
        spent = list(pool.map(timed, range(cores), [count] * cores, [at_once] * cores))
    wall, busy = max(s[0] for s in spent), sum(s[1] for s in spent) / cores
    return {
        "cores": cores,
        "vessels": count * cores,
        "vessels_per_s": round(count * cores / wall, 1),
        # What the cores would do alone: on a shared machine the clock also counts others' work.
        "vessels_per_processor_s": round(count / busy, 1),
    }


def on_gpu(count: int, at_once: int) -> dict[str, Any]:
    """Return vessels per second on a GPU, and how far it is from NumPy; else `not measured`."""
    if not gpu_count():
        return {"vessels_per_s": "not measured"}
    import cupy

    batch = batch_of(count)
    there = ProfileBatch(
        **{item.name: cupy.asarray(getattr(batch, item.name)) for item in fields(batch)}
    )
    profile_likelihood(there, at_once=at_once)
    cupy.cuda.Device().synchronize()
    start = time.perf_counter()
    found = profile_likelihood(there, at_once=at_once)
    cupy.cuda.Device().synchronize()
    spent = time.perf_counter() - start
    few = ProfileBatch(**{item.name: getattr(batch, item.name)[:32] for item in fields(batch)})
    apart = profile_likelihood(few).width_m - found.width_m[:32].get()
    return {
        "vessels": count,
        "vessels_per_s": round(count / spent, 1),
        "largest_difference_m": float(np.abs(apart).max()),
    }


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vessels", type=int, default=128)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    rows = {
        "one_core": on_cores(1, asked.vessels, asked.at_once),
        "cores": on_cores(asked.cores, asked.vessels, asked.at_once),
        "gpu": on_gpu(8192, 1024),
    }
    for name, row in rows.items():
        print(name, row)
    if asked.json:
        save(asked.json, {"machine": describe(), "rows": rows})


if __name__ == "__main__":
    main()
