"""Results are put in place all or none, wherever a run's files lie.

The new files are first written beside the old ones, below ``.next/``, its run.json last: from
then on they are the results, even if the writer dies. Only then are they copied over the old
ones, run.json last again. A reader takes what lies below ``.next/`` where that is complete, and
holds every table against the sha256 in the run.json it came with, so that it never mixes two
commits; who opens the Parquet files by hand sees each of them whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from eo.access.files import Files
from eo.core.errors import OutputError

__all__ = ["HISTORY", "RUN", "MemoryFiles", "publish", "read_results", "settle", "sha256_of"]

RUN = "run.json"
"""Provenance of the results; there last."""
HISTORY = "history"
"""Folder of the run.json of every commit, by tag."""
_NEXT = ".next"
_FOLDERS = ("evidence",)
"""Folders of which nothing older stays."""
_TRIES, _WAIT_S = 40, 0.05


class MemoryFiles:
    """Files of a run that is being put together, or put together again, in memory."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.contents: dict[str, bytes] = {}

    def prepare(self) -> None:
        """Nothing has to be prepared."""

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes, or None if it is not there."""
        return self.contents.get(name)

    def write(self, name: str, data: bytes) -> None:
        """Keep a file."""
        self.contents[name] = data

    def delete(self, name: str) -> None:
        """Forget a file."""
        self.contents.pop(name, None)

    def names(self, below: str = "") -> list[str]:
        """Return the names of all files; there are no folders here."""
        return [] if below else sorted(self.contents)

    def inside(self, name: str) -> str:
        """Return the path or URL that a name will have."""
        return f"{self.place}/{name}"

    def writing(self) -> AbstractContextManager[None]:
        """Nobody else can write here."""
        return contextlib.nullcontext()


def sha256_of(data: bytes) -> str:
    """Return the hex digest of a file's bytes."""
    return hashlib.sha256(data).hexdigest()


def publish(files: Files, contents: Mapping[str, bytes]) -> None:
    """Put results in place; hold the writer's lock.

    Parameters
    ----------
    files
        The run's files.
    contents
        Name -> bytes; ``run.json`` among them, with its tag.

    Raises
    ------
    OutputError
        If they cannot be written; then the old results stand.
    """
    files.delete(_NEXT)
    for name in sorted(contents, key=lambda n: (n == RUN, n)):
        files.write(f"{_NEXT}/{name}", contents[name])
    settle(files)


def settle(files: Files) -> None:
    """Finish a publication that a writer began and did not end; hold the writer's lock.

    Raises
    ------
    OutputError
        If they cannot be written; they stay the results below ``.next/``.
    """
    names = _within(files, _NEXT)
    if RUN in names:
        for name in sorted(names, key=lambda n: (n == RUN, n)):
            data = files.read(f"{_NEXT}/{name}")
            if data is None:
                continue
            if name == RUN:
                files.write(f"{HISTORY}/{json.loads(data)['tag']}.json", data)
            files.write(name, data)
        for name in _FOLDERS:
            for old in set(_within(files, name)) - {n.removeprefix(f"{name}/") for n in names}:
                files.delete(f"{name}/{old}")
        files.delete(f"{_NEXT}/{RUN}")
    if names:
        files.delete(_NEXT)


def _within(files: Files, below: str) -> list[str]:
    """Return the names of all files below a name, relative to it; one level of folders."""
    out = []
    for name in files.names(below):
        inner = files.names(f"{below}/{name}")
        out += [f"{name}/{one}" for one in inner] if inner else [name]
    return out


def read_results(files: Files, names: Sequence[str]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return run.json and the named files, all of one commit.

    Raises
    ------
    OutputError
        If there are no results, or they are not those that run.json speaks of.
    """
    strangers: list[str] = []
    for _ in range(_TRIES):
        folder = f"{_NEXT}/" if files.read(f"{_NEXT}/{RUN}") is not None else ""
        text = files.read(f"{folder}{RUN}")
        if text is None and folder:
            continue  # put in place this moment
        if text is None:
            raise OutputError(
                f"{files.place} holds no finished run: {RUN} does not exist; "
                "`eo run` goes on where it was"
            )
        run = _parsed(text, files)
        found = {name: files.read(f"{folder}{name}") for name in names}
        said = run.get("sha256", {})
        strangers = [
            name
            for name, data in found.items()
            if data is None or (name in said and sha256_of(data) != said[name])
        ]
        if not strangers:
            return run, {name: data for name, data in found.items() if data is not None}
        time.sleep(_WAIT_S)
    raise OutputError(
        f"{files.place}: {', '.join(strangers)} does not exist, or is not the table that {RUN} "
        "speaks of (sha256); it was damaged or changed by hand: `eo run` writes it again"
    )


def _parsed(text: bytes, files: Files) -> dict[str, Any]:
    try:
        return dict(json.loads(text))
    except (ValueError, TypeError) as error:
        raise OutputError(f"{files.inside(RUN)} cannot be read: {error}") from error
