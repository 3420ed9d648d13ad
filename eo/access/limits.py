"""What a raster's header may declare, and which of GDAL's faults may pass.

A header of a few bytes can declare a block of terabytes, which a reader would then allocate; so
the header is looked at before the first pixel is read.
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

__all__ = ["may_pass", "size_fault"]

_MOST_PX = 2_000_000
"""Pixels along one side: the Earth around at 20 m."""
_MOST_BANDS = 1024
_MOST_BLOCK_BYTES = 2**30
"""A block is decoded whole; files without blocks are one block a strip or an image."""
_PASSING = re.compile(
    r"(?i)response code:? ?(408|425|429|5\d\d)|timed? ?-?out|could not resolve|couldn.t resolve"
    r"|connection (reset|refused|closed|was)|(failed|could not) to? ?connect|recv failure"
    r"|send failure|transfer closed|empty reply"
)


def size_fault(dataset: Any) -> str | None:
    """Return why an open raster is not one that is read; None if it is."""
    if max(dataset.width, dataset.height) > _MOST_PX:
        return (
            f"its header declares {dataset.height} x {dataset.width} pixels; at most "
            f"{_MOST_PX} along a side are read"
        )
    if dataset.count > _MOST_BANDS:
        return f"its header declares {dataset.count} bands; at most {_MOST_BANDS} are read"
    rows, cols = dataset.block_shapes[0]
    together = dataset.count if _is_interleaved(dataset) else 1
    size = math.prod((rows, cols, together, np.dtype(dataset.dtypes[0]).itemsize))
    if size > _MOST_BLOCK_BYTES:
        return (
            f"its header declares blocks of {rows} x {cols} pixels, {size / 2**30:.1f} GiB each; "
            f"at most {_MOST_BLOCK_BYTES // 2**30} GiB are read: tile the file"
        )
    return None


def _is_interleaved(dataset: Any) -> bool:
    return str(getattr(dataset.interleaving, "value", "")).upper() == "PIXEL"


def may_pass(message: str, href: str) -> bool:
    """Whether a fault of GDAL's is that of a server or of the network, not of the file."""
    return "://" in href and _PASSING.search(message) is not None
