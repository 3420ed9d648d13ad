"""What went into each part's name, so that a plan can say why something will be redone.

A part's fingerprint says that something changed, not what. Beside the parts a run keeps the last
plan's inputs, each by a short digest (files with what tells their versions), by scene and phase.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from eo.core.grid import Grid
from eo.core.records import Berth, Scene, to_json
from eo.core.redaction import redacted
from eo.core.work import IngestItem, MeasureItem

__all__ = ["changed_inputs", "ingest_entry", "measure_entry"]

_UNREAD = frozenset(
    {"notes", "reason", "status", "footprint", "acquisition_id", "bands", "mask", "hosts"}
)
"""Fields of a scene that its fingerprint does not hold, or that are told apart as files."""


def _short(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def ingest_entry(
    items: Sequence[IngestItem], *, files: Sequence[Sequence[Any]], algorithm: int
) -> dict[str, Any]:
    """Return what decides a scene's ingest parts; `items` are its tiles."""
    first = items[0]
    record = to_json(Scene, first.scene)
    return {
        "parts": [item.fingerprint for item in items],
        "algorithm": algorithm,
        "grid": _short(to_json(Grid, first.grid)),
        "AOI": _short(first.aoi),
        "bands": _short(
            [{k: v for k, v in band.items() if k not in {"href", "checksum"}}
             for band in record["bands"]]
        ),
        "item": {k: _short(v) for k, v in sorted(record.items()) if k not in _UNREAD},
        "files": {redacted(str(href)): token for href, token in files},
    }  # fmt: skip


def measure_entry(items: Sequence[MeasureItem], *, algorithm: int) -> dict[str, Any]:
    """Return what decides a scene's measure parts; `items` are its tiles."""
    return {
        "parts": [item.fingerprint for item in items],
        "algorithm": algorithm,
        "pixels": _short([part.fingerprint for item in items for part in item.pixels]),
        "empty port": _short([part.fingerprint for item in items for part in item.references]),
        "berths": _short(to_json(tuple[Berth, ...], items[0].berths)),
        "tiles": _short([[item.window.key, item.halo.key] for item in items]),
    }


def changed_inputs(before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> list[str]:
    """Return, in words, what differs between two entries of one scene and phase."""
    if before is None:
        return ["new"]
    found = []
    for key, value in now.items():
        old = before.get(key)
        if key == "parts" or old == value:
            continue
        if key == "files":
            found += _changed_files(old or {}, value)
        elif key == "item":
            names = sorted(k for k, v in value.items() if (old or {}).get(k) != v)
            found.append(f"the item changed: {', '.join(names)}")
        elif key == "algorithm":
            found.append(f"algorithm {old} is now {value}")
        elif key == "pixels":
            found.append("its pixels are read anew")
        elif key == "empty port":
            found.append("the empty port is another")
        else:
            found.append(f"{key} changed")
    return found


def _changed_files(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    names = [
        href.rstrip("/").rpartition("/")[2]
        for href in sorted({*before, *now})
        if before.get(href) != now.get(href)
    ]
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return [f"files changed: {shown}"] if names else []
