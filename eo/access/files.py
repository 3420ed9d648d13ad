"""Where a run's files lie: a folder, or a prefix of an object store, behind one small seam.

Everything a run keeps by name (JSON, tables, report) is written whole or not at all, read as
bytes and small. Parts have a store of their own (:mod:`eo.access.parts`), the cube its
repository (:mod:`eo.access.cubes`).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from eo.access.naming import owner_text
from eo.core.errors import OutputError

__all__ = ["Files", "LocalFiles", "is_object_store", "open_files"]

_LOCK = ".writer.lock"
_SCHEMES = ("s3://", "gs://")


class Files(Protocol):
    """Named files of one run."""

    place: str
    """Absolute path or URL."""

    def prepare(self) -> None:
        """See whether files can be written here; make the folder if need be."""
        ...

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes, or None if it is not there."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Write a file: afterwards it is whole, or the old one stands."""
        ...

    def delete(self, name: str) -> None:
        """Delete a file, or all below a name; nothing happens if there is none."""
        ...

    def names(self, below: str = "") -> list[str]:
        """Return the names directly below a name, sorted."""
        ...

    def inside(self, name: str) -> str:
        """Return the path or URL of a name."""
        ...

    def writing(self) -> AbstractContextManager[None]:
        """Hold the writer's lock; it frees itself if the process dies."""
        ...


def is_object_store(place: str | Path) -> bool:
    """Whether a place is a prefix of an object store."""
    return str(place).lower().startswith(_SCHEMES)


def open_files(place: str | Path) -> Files:
    """Return the files at a folder, ``s3://bucket/prefix`` or ``gs://bucket/prefix``.

    Raises
    ------
    OutputError
        If the place is of a kind that no run can be kept at.
    """
    if is_object_store(place):
        from eo.access.objects import ObjectFiles

        return ObjectFiles(str(place))
    if "://" in str(place):
        raise OutputError(
            f"output {place}: a run is kept in a folder, at s3://bucket/prefix or "
            "gs://bucket/prefix"
        )
    return LocalFiles(place)


class LocalFiles:
    """Files of a local or mounted folder."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path).absolute()
        self.place = str(self._path)

    def prepare(self) -> None:
        """Make the folder and see whether it can be written.

        Raises
        ------
        OutputError
            If it cannot.
        """
        probe = self._path / f".probe-{secrets.token_hex(4)}.tmp"
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise OutputError(
                f"output folder {self._path} cannot be written: {error}; give another --output"
            ) from error

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes, or None if it is not there.

        Raises
        ------
        OutputError
            If it is there but cannot be read.
        """
        try:
            return (self._path / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise OutputError(f"{self._path / name} cannot be read: {error}") from error

    def write(self, name: str, data: bytes) -> None:
        """Write a file under a temporary name, synced, then rename it.

        Raises
        ------
        OutputError
            If the folder cannot be written.
        """
        final = self._path / name
        draft = final.with_name(f".{final.name}-{secrets.token_hex(4)}.tmp")
        try:
            final.parent.mkdir(parents=True, exist_ok=True)
            with draft.open("wb") as handle:
                handle.write(data)
                handle.flush()
                os.fsync(handle.fileno())
            draft.replace(final)
        except OSError as error:
            raise OutputError(f"{final} cannot be written: {error}; the old one stands") from error
        finally:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)

    def delete(self, name: str) -> None:
        """Delete a file, or a folder and all in it.

        Raises
        ------
        OutputError
            If it cannot be deleted.
        """
        path = self._path / name
        try:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{path} cannot be deleted: {error}") from error

    def names(self, below: str = "") -> list[str]:
        """Return the names directly below a name, sorted."""
        folder = self._path / below
        return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []

    def inside(self, name: str) -> str:
        """Return the path of a name."""
        return str(self._path / name)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the writer's lock (flock); it frees itself if the process dies.

        Raises
        ------
        OutputError
            If another process holds it.
        """
        try:
            handle = (self._path / _LOCK).open("a+", encoding="utf-8")
        except OSError as error:
            raise OutputError(
                f"{self._path} cannot be written: {error}; give another --output"
            ) from error
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                handle.seek(0)
                owner = handle.read().strip() or "another process"
                raise OutputError(
                    f"{self._path} is being written by {owner}; "
                    "wait for it or give another --output"
                ) from None
            handle.seek(0)
            handle.truncate()
            handle.write(owner_text())
            handle.flush()
            yield
        finally:
            handle.close()
