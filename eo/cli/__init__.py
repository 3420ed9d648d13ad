"""The command line: parses, calls one library function, prints."""

from __future__ import annotations

import os

# One thread per worker: NumPy reads this when it is first imported, which is after this line.
for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")

# Each module adds its commands to the app; the order is that of `eo --help`.
from eo.cli import campaigns, folders, jobs, simulation  # noqa: E402, F401
from eo.cli.console import app, main  # noqa: E402

__all__ = ["app", "main"]
