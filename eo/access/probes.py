"""Whether another process sees the run's folder: a note left there, and an answer to it."""

from __future__ import annotations

import secrets
from pathlib import Path

from eo.access.files import Files, open_files
from eo.core.errors import EoError

__all__ = ["leave_probe", "probe_fault", "take_probe"]

_PREFIX = ".probe-"


def leave_probe(files: Files) -> str:
    """Leave a note in a run's folder; return what another process must find there."""
    word = secrets.token_hex(8)
    files.write(f"{_PREFIX}{word}.tmp", word.encode())
    return word


def take_probe(files: Files, word: str) -> None:
    """Take the note away."""
    files.delete(f"{_PREFIX}{word}.tmp")


def probe_fault(output: str | Path, word: str) -> str | None:
    """Return why this process cannot use the folder that holds a note; None if it can."""
    try:
        files = open_files(output)
        if files.read(f"{_PREFIX}{word}.tmp") != word.encode():
            return f"it does not see the run's folder {files.place}"
        answer = f"{_PREFIX}{word}-{secrets.token_hex(4)}.tmp"
        files.write(answer, word.encode())
        files.delete(answer)
    except (EoError, OSError) as error:
        return f"it cannot use the run's folder: {error}"
    return None
