"""A run's folder: whose it is, who may write to it, and its small JSON files."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eo.access.tables import TABLES
from eo.core.config import Campaign
from eo.core.errors import OutputError
from eo.core.grid import Grid
from eo.core.records import from_json, to_json

__all__ = ["RunFolder"]

_IDENTITY = "campaign.json"
_LOCK = ".writer.lock"


class RunFolder:
    """One run's folder on a local or mounted file system."""

    def __init__(self, path: str | Path) -> None:
        if "://" in str(path):
            raise OutputError(
                f"output {path}: a run's folder is local or mounted; "
                "put only the cube elsewhere, with the campaign's key cube: s3://bucket/prefix"
            )
        self.path = Path(path)

    def prepare(self) -> None:
        """Make the folder and see whether it can be written.

        Raises
        ------
        OutputError
            If it cannot.
        """
        probe = self.path / f".probe-{secrets.token_hex(4)}.tmp"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise OutputError(
                f"output folder {self.path} cannot be written: {error}; give another --output"
            ) from error

    def claim(self, campaign: Campaign, grids: dict[str, Grid]) -> None:
        """Bind the folder to a campaign's name, area and grids.

        Raises
        ------
        OutputError
            If it holds a run of another campaign.
        """
        mine = {
            "name": campaign.name,
            "aoi": _rounded(campaign.aoi),
            "grids": {name: to_json(Grid, grid) for name, grid in sorted(grids.items())},
        }
        known = self.read_json(_IDENTITY)
        if known is None:
            tables = (f"{name}.parquet" for name in TABLES)
            ours = ("run.json", "report.html", "parts", "cube", *tables)
            strangers = [name for name in ours if (self.path / name).exists()]
            if strangers:
                raise OutputError(
                    f"{self.path} holds {', '.join(strangers)} of an unknown run; "
                    "give an empty --output"
                )
            self.write_json(_IDENTITY, mine)
            return
        for key, what in (("name", "name"), ("aoi", "AOI")):
            if known.get(key) != mine[key]:
                raise OutputError(
                    f"{self.path} holds a run of another campaign: its {what} is "
                    f"{_short(known.get(key))}, this one's is {_short(mine[key])}; "
                    "give another --output or name"
                )
        grids_known = {n: from_json(Grid, g) for n, g in known.get("grids", {}).items()}
        for name, grid in grids.items():
            if name in grids_known and grids_known[name] != grid:
                raise OutputError(
                    f"{self.path} holds group {name} on another grid: {grids_known[name]}, "
                    f"this campaign needs {grid}; give another --output"
                )
        if not set(grids) <= set(grids_known):
            merged = {**known["grids"], **mine["grids"]}
            self.write_json(_IDENTITY, {**mine, "grids": merged})

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the writer's lock; it frees itself if the process dies.

        Raises
        ------
        OutputError
            If another process holds it.
        """
        handle = (self.path / _LOCK).open("a+", encoding="utf-8")
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                handle.seek(0)
                owner = handle.read().strip() or "another process"
                raise OutputError(
                    f"{self.path} is being written by {owner}; wait for it or give another --output"
                ) from None
            handle.seek(0)
            handle.truncate()
            handle.write(f"process {os.getpid()} on {socket.gethostname()}")
            handle.flush()
            yield
        finally:
            handle.close()

    def read_json(self, name: str) -> Any | None:
        """Return a JSON file of the folder, or None if it is not there.

        Raises
        ------
        OutputError
            If it is there but cannot be read.
        """
        path = self.path / name
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise OutputError(f"{path} cannot be read: {error}") from error

    def write_json(self, name: str, data: Any) -> None:
        """Write a JSON file under a temporary name, synced, then rename it.

        Raises
        ------
        OutputError
            If the folder cannot be written.
        """
        self.write_text(name, json.dumps(data, indent=1, sort_keys=True) + "\n")

    def write_text(self, name: str, text: str) -> None:
        """Write a text file, like :meth:`write_json`.

        Raises
        ------
        OutputError
            If the folder cannot be written.
        """
        final = self.path / name
        draft = final.with_name(f".{name}-{secrets.token_hex(4)}.tmp")
        try:
            with draft.open("w", encoding="utf-8") as handle:
                handle.write(text)
                handle.flush()
                os.fsync(handle.fileno())
            draft.replace(final)
        except OSError as error:
            raise OutputError(f"{final} cannot be written: {error}; the old one stands") from error
        finally:
            draft.unlink(missing_ok=True)

    def digest(self, name: str) -> str:
        """Return the sha256 of a file of the folder."""
        return hashlib.sha256((self.path / name).read_bytes()).hexdigest()


def _rounded(geometry: Any) -> Any:
    """Coordinates as JSON would give them back: lists of floats."""
    return json.loads(json.dumps(geometry))


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 120 else text[:117] + "..."
