"""The reference of a long cube, out of core: time and peak memory, beside xarray's median.

Two figures, each from a process of its own, so that its peak memory is its own:

- `median`: one band, uint16 in a file, read by blocks of rows, its median over the clear looks;
- `port_reference`: ingest parts of four bands as a run writes them (compressed chunks), and all
  that a run learns of them: water of each look, then median, spread and lit level of every band.

The peer is xarray's median over time of the same looks in memory already, reflectance and gaps
made, cut to as many rows as a fair figure needs. Rates are per pixel and band.

    python benchmarks/reference_cube.py [--size 2000] [--looks 200] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe, save

from eo.access.parts import LocalParts
from eo.kernels.order import clear_quantile
from eo.stages.reference import LookArrays, port_reference

BANDS = ("blue", "green", "red", "nir")
DISTINCT = 20
"""Looks that are really different; they come round again, each opened anew."""
PEER_PX = 40_000
BLOCK_BYTES = 96 * 2**20


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=2000)
    parser.add_argument("--looks", type=int, default=200)
    parser.add_argument("--only", choices=sorted(CHILDREN), help="measure one of the two")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", choices=sorted(CHILDREN), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child is not None:
        start = time.perf_counter()
        CHILDREN[asked.child](asked.folder, asked.looks)
        seconds = time.perf_counter() - start
        print(json.dumps({"seconds": seconds, "peak_gib": peak_gib()}))
        return
    print(save(asked.json, run(size=asked.size, looks=asked.looks, only=asked.only)))


def run(*, size: int, looks: int, only: str | None = None) -> dict[str, Any]:
    """Return the figures."""
    machine = describe()
    keys = [only] if only else list(CHILDREN)
    with tempfile.TemporaryDirectory() as name:
        rows = write_parts(Path(name), size, looks)
        figures = {key: measured(key, Path(name), size, looks, rows) for key in keys}
    return {
        "benchmark": "reference_cube",
        "machine": machine,
        "shape": [looks, size, size],
        "threads": int(os.environ.get("OMP_NUM_THREADS", "0")) or machine["cores"],
        "one_band_gib_as_float32": round(looks * size * size * 4 / 2**30, 2),
        **figures,
    }


def measured(
    key: str, folder: Path, size: int, looks: int, rows: tuple[np.ndarray, np.ndarray]
) -> dict[str, Any]:
    """Run one of the two in a process of its own, between two runs of the peer on some rows."""
    dn, clear = rows
    before = peer_rate(dn, clear, looks)
    told = subprocess.run(
        [sys.executable, __file__, "--child", key, "--folder", str(folder), "--looks", str(looks)],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    after = peer_rate(dn, clear, looks)
    ours: dict[str, float] = json.loads(told.stdout.splitlines()[-1])
    bands = len(BANDS) if key == "port_reference" else 1
    rate = bands * size * size / 1e6 / ours["seconds"]
    return {
        "seconds": round(ours["seconds"], 1),
        "peak_memory_gib": round(ours["peak_gib"], 3),
        "mpx_band_s": float(f"{rate:.3g}"),
        "xarray_median_mpx_band_s": [float(f"{r:.3g}") for r in (before, after)],
        "times_xarray": float(f"{rate / (before * after) ** 0.5:.3g}"),
    }


def write_parts(folder: Path, size: int, looks: int) -> tuple[np.ndarray, np.ndarray]:
    """Write the looks as ingest parts and one band as a cube; return some rows of that band."""
    rng = np.random.default_rng(7)
    parts = LocalParts(folder)
    rows = max(1, min(size, PEER_PX // size))
    ground = np.where(np.arange(size)[:, None] > size // 2, 1800, 1350) + np.zeros(size, int)
    shape = (looks, size, size)
    cube = np.lib.format.open_memmap(folder / "dn.npy", mode="w+", dtype=np.uint16, shape=shape)
    seen = np.lib.format.open_memmap(folder / "clear.npy", mode="w+", dtype=bool, shape=shape)
    count = min(looks, DISTINCT)
    some, masks = [], []
    for look in range(count):
        noise = rng.integers(-80, 80, (len(BANDS), size, size), dtype=np.int16)
        dn = (ground - np.array([0, 50, 100, 150])[:, None, None] + noise).astype(np.uint16)
        # Every pixel is seen at least once.
        mask = np.where(rng.random((size, size)) < (0.7 if look else 1.0), 1, 2).astype(np.uint8)
        parts.write("ingest", f"{look:016x}", {}, {"dn": dn, "mask": mask})
        for again in range(look, looks, count):
            cube[again], seen[again] = dn[0], mask == 1
        some.append(dn[0, :rows])
        masks.append(mask[:rows] == 1)
    return np.stack(some), np.stack(masks)


def median(folder: Path, looks: int) -> None:
    """Write the median over clear looks of one band, by blocks of rows."""
    shape = np.load(folder / "dn.npy", mmap_mode="r").shape[1:]
    rows = max(1, BLOCK_BYTES // (looks * shape[1] * 8))
    out = np.lib.format.open_memmap(folder / "median.npy", mode="w+", dtype=np.float32, shape=shape)
    for row in range(0, shape[0], rows):
        block = slice(row, row + rows)
        # Opened anew: pages of a mapped file would stay in this process's count of memory.
        dn, clear = (np.load(folder / f"{key}.npy", mmap_mode="r") for key in ("dn", "clear"))
        values, used = dn[:, block] * np.float32(1e-4), np.array(clear[:, block])
        del dn, clear
        out[block] = clear_quantile(values, used, 0.5)


def learn(folder: Path, looks: int) -> None:
    """Learn the reference as a run does."""
    parts = LocalParts(folder)
    count = len(list((folder / "parts" / "ingest").iterdir()))
    stack = [
        LookArrays(
            dn=parts.array("ingest", f"{k % count:016x}", "dn"),
            mask=parts.array("ingest", f"{k % count:016x}", "mask"),
            scale=(1e-4,) * len(BANDS),
            offset=(-0.1,) * len(BANDS),
        )
        for k in range(looks)
    ]
    port_reference(stack, 10.0, BANDS)


CHILDREN = {"median": median, "port_reference": learn}


def peak_gib() -> float:
    """Return this process's peak memory; `getrusage` would count its parent's before the start."""
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 2**20


def peer_rate(dn: np.ndarray, clear: np.ndarray, looks: int) -> float:
    """Return the million pixels a second of xarray's median over as many looks, in memory."""
    import xarray as xr

    order = np.arange(looks) % len(dn)
    values = np.where(clear, dn * np.float32(1e-4), np.float32(np.nan))[order]
    cube = xr.DataArray(values, dims=("time", "y", "x"))
    start = time.perf_counter()
    cube.median("time", skipna=True)
    return values[0].size / (time.perf_counter() - start) / 1e6


if __name__ == "__main__":
    main()
