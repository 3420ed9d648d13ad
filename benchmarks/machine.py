"""What a benchmark ran on, and where its figures go."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

__all__ = ["describe", "save"]


def describe() -> dict[str, Any]:
    """Return processor, cores, memory, Python and package versions."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "load_before": round(os.getloadavg()[0], 2),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "rasterio", "stackstac", "zarr", "dask")},
    }


def save(path: Path | None, figures: dict[str, Any]) -> str:
    """Return the figures as JSON, and write them to `path` if one is given."""
    text = json.dumps(figures, indent=1)
    if path is not None:
        path.write_text(text + "\n")
    return text
