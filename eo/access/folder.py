"""A run's folder: whose it is, who may write to it, and its small JSON files."""

from __future__ import annotations

import hashlib
import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from eo.access.files import open_files
from eo.access.tables import TABLES
from eo.core.config import Campaign
from eo.core.errors import OutputError
from eo.core.grid import Grid
from eo.core.records import from_json, to_json

__all__ = ["RunFolder"]

_IDENTITY = "campaign.json"


class RunFolder:
    """One run's folder: local, mounted, or a prefix of an object store."""

    def __init__(self, place: str | Path) -> None:
        self.files = open_files(place)
        self.place = self.files.place
        """Absolute path or URL."""

    def inside(self, name: str) -> str:
        """Return the path or URL of a name in the folder."""
        return self.files.inside(name)

    def prepare(self) -> None:
        """Make the folder and see whether it can be written.

        Raises
        ------
        OutputError
            If it cannot.
        """
        self.files.prepare()

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
            there = set(self.files.names())
            strangers = [name for name in ours if name in there]
            if strangers:
                raise OutputError(
                    f"{self.place} holds {', '.join(strangers)} of an unknown run; "
                    "give an empty --output"
                )
            self.write_json(_IDENTITY, mine)
            return
        for key, what in (("name", "name"), ("aoi", "AOI")):
            if known.get(key) != mine[key]:
                raise OutputError(
                    f"{self.place} holds a run of another campaign: its {what} is "
                    f"{_short(known.get(key))}, this one's is {_short(mine[key])}; "
                    "give another --output or name"
                )
        grids_known = {n: from_json(Grid, g) for n, g in known.get("grids", {}).items()}
        for name, grid in grids.items():
            if name in grids_known and grids_known[name] != grid:
                raise OutputError(
                    f"{self.place} holds group {name} on another grid: {grids_known[name]}, "
                    f"this campaign needs {grid}; give another --output"
                )
        if not set(grids) <= set(grids_known):
            merged = {**known["grids"], **mine["grids"]}
            self.write_json(_IDENTITY, {**mine, "grids": merged})

    def writing(self) -> AbstractContextManager[None]:
        """Hold the writer's lock; it frees itself if the process dies.

        Raises
        ------
        OutputError
            If another process holds it.
        """
        return self.files.writing()

    def read_json(self, name: str) -> Any | None:
        """Return a JSON file of the folder, or None if it is not there.

        Raises
        ------
        OutputError
            If it is there but cannot be read.
        """
        data = self.files.read(name)
        if data is None:
            return None
        try:
            return json.loads(data)
        except ValueError as error:
            raise OutputError(f"{self.inside(name)} cannot be read: {error}") from error

    def write_json(self, name: str, data: Any) -> None:
        """Write a JSON file: afterwards it is whole, or the old one stands.

        Raises
        ------
        OutputError
            If the folder cannot be written.
        """
        self.files.write(name, self.json_bytes(data))

    @staticmethod
    def json_bytes(data: Any) -> bytes:
        """Return JSON as files of the folder hold it."""
        return (json.dumps(data, indent=1, sort_keys=True) + "\n").encode()

    def write_text(self, name: str, text: str) -> None:
        """Write a text file, like :meth:`write_json`.

        Raises
        ------
        OutputError
            If the folder cannot be written.
        """
        self.files.write(name, text.encode("utf-8"))

    def digest(self, name: str) -> str:
        """Return the sha256 of a file of the folder.

        Raises
        ------
        OutputError
            If it is not there.
        """
        data = self.files.read(name)
        if data is None:
            raise OutputError(f"{self.inside(name)} is not there")
        return hashlib.sha256(data).hexdigest()


def _rounded(geometry: Any) -> Any:
    """Coordinates as JSON would give them back: lists of floats."""
    return json.loads(json.dumps(geometry))


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 120 else text[:117] + "..."
