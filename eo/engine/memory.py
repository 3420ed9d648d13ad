"""How much memory there is, and how much a unit will take.

The projection is an upper figure by formula: arrays of a unit, by their shape, times what a
measured peak held against that sum. It serves to refuse a run that cannot fit, and to say in a
plan what to give a worker; it is no promise to the byte.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Projected", "gib", "memory_limit_bytes", "project_ingest", "project_measure",
           "project_reference"]  # fmt: skip

_CGROUP = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_UNLIMITED = 1 << 60

BASE_BYTES = 350 * 2**20
"""A process that has imported everything and opened files, before its first pixel."""
INGEST_PER_PIXEL = 32
"""Bytes per pixel and band at the peak of an ingest: DN, reflectance, and the mask's planes.
Measured between tiles of 256 and 1024 pixels on clear scenes: 10; clouds take more planes."""
MEASURE_PER_PIXEL = 80
"""Bytes per pixel and band at the peak of a measure: pixels, reference, spread, indices.
Measured likewise: 51."""
REFERENCE_PER_PIXEL = 48
"""Bytes per pixel and band of what a reference writes; looks come in thin blocks of rows.
Measured likewise: 36."""
REFERENCE_PER_LOOK = 16 * 2048 * 12
"""Bytes per look and band in one block of rows."""


@dataclass(frozen=True, kw_only=True)
class Projected:
    """Memory that one unit will take."""

    host_bytes: int
    """Main memory."""
    gpu_bytes: int
    """GPU memory, where it runs on one."""


def gib(count: float) -> str:
    """Return bytes for people."""
    return f"{count / 2**30:.1f} GiB"


def memory_limit_bytes() -> int | None:
    """Return what this process may use: its container's limit, else the machine's memory."""
    found = []
    for name in _CGROUP:
        try:
            text = Path(name).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdigit() and int(text) < _UNLIMITED:
            found.append(int(text))
    with contextlib.suppress(OSError, ValueError):  # not told on every system
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return min(found, default=None)


def project_ingest(pixels: int, bands: int) -> Projected:
    """Return what an ingest of so many pixels and bands takes."""
    arrays = pixels * bands * INGEST_PER_PIXEL
    return Projected(host_bytes=BASE_BYTES + arrays, gpu_bytes=arrays)


def project_reference(pixels: int, bands: int, looks: int) -> Projected:
    """Return what a reference over so many looks takes."""
    arrays = pixels * bands * REFERENCE_PER_PIXEL + looks * bands * REFERENCE_PER_LOOK
    return Projected(host_bytes=BASE_BYTES + arrays, gpu_bytes=0)


def project_measure(pixels: int, bands: int) -> Projected:
    """Return what a measure of so many pixels, its halo included, and bands takes."""
    arrays = pixels * bands * MEASURE_PER_PIXEL
    return Projected(host_bytes=BASE_BYTES + arrays, gpu_bytes=arrays)
