"""Dead letters: what could not be done, why, and whether to try it again.

``dead-letters.jsonl`` in a run's folder, one JSON object a line, by phase and scene. `eo run`
tries all of them again. `eo reprocess`, which runs by night and unattended, leaves those alone of
which nothing else can come: the same files read by the same code, or a unit that took its worker
down; `eo retry` has them tried again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any

from eo.access.files import Files
from eo.core.redaction import redacted

__all__ = ["LETTERS", "Letter", "read_letters", "write_letters"]

LETTERS = "dead-letters.jsonl"


@dataclass(frozen=True, kw_only=True)
class Letter:
    """One unit that could not be done."""

    phase: str
    """ingest, reference or measure."""
    scene_id: str | None
    """Its scene; None for a reference, which is learnt from many."""
    tile: str
    """Its tile."""
    fingerprint: str
    """Of the part that it did not leave: what is asked now may be another."""
    kind: str
    """network, memory, lost, input, or fault (an error that nobody raised on purpose)."""
    reason: str
    """In words."""
    attempts: int
    """How often it was tried."""
    files_known: bool
    """Whether a change of its files would show in the fingerprint."""
    code: str
    """Digest of the code that failed."""

    def holds(self, code: str) -> bool:
        """Whether trying again would bring the same, as far as can be told."""
        if self.kind in {"lost", "memory"}:
            return True
        return self.kind in {"input", "fault"} and self.files_known and self.code == code


def read_letters(files: Files) -> list[Letter]:
    """Return a run's dead letters; lines that cannot be read are passed over."""
    data = files.read(LETTERS) or b""
    known = {field.name for field in fields(Letter)}
    letters = []
    for line in data.decode("utf-8", "replace").splitlines():
        try:
            entry: Any = json.loads(line)
            letters.append(Letter(**{k: v for k, v in entry.items() if k in known}))
        except (ValueError, TypeError, AttributeError):
            continue
    return letters


def write_letters(files: Files, letters: Iterable[Letter]) -> None:
    """Write a run's dead letters, if they are others than before.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    ordered = sorted(letters, key=lambda n: (n.phase, n.scene_id or "", n.tile, n.fingerprint))
    lines = [json.dumps(asdict(letter), sort_keys=True) for letter in ordered]
    text = redacted("".join(f"{line}\n" for line in lines)).encode()
    if text != (files.read(LETTERS) or b""):
        files.write(LETTERS, text)
