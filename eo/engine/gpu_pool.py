"""CuPy's memory out of RMM's pool, on each worker of a CUDA cluster."""

from __future__ import annotations

import importlib
from typing import Any

from distributed import WorkerPlugin

__all__ = ["CupyPool"]


class CupyPool(WorkerPlugin):
    """Makes RMM's current pool the allocator of a worker's CuPy, restarted workers included."""

    name = "eo-cupy-pool"

    def setup(self, worker: Any) -> None:  # noqa: ARG002 - Dask's signature
        """Set it up in the worker's process."""
        import cupy

        pool = importlib.import_module("rmm.allocators.cupy")
        cupy.cuda.set_allocator(pool.rmm_cupy_allocator)
