"""Names that folders and buckets share: of parts, of the writer; and how a part's pixels lie."""

from __future__ import annotations

import os
import re
import socket

__all__ = ["CHUNK_PX", "checked_fingerprint", "owner_text"]

_FINGERPRINT = re.compile(r"[0-9a-f]{16,64}")
CHUNK_PX = (16, 1024)
"""Rows and columns of a chunk: a reference reads all looks by thin blocks of rows."""


def checked_fingerprint(fingerprint: str) -> str:
    """Return a fingerprint; nothing else becomes part of a path.

    Raises
    ------
    ValueError
        If it is none.
    """
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise ValueError(f"{fingerprint!r} is not a fingerprint")
    return fingerprint


def owner_text() -> str:
    """Return who holds a lock, for people."""
    return f"process {os.getpid()} on {socket.gethostname()}"
