"""Parts: what a unit leaves behind. A part that exists is done; there is no other ledger.

A part is a folder ``parts/<phase>/<fingerprint>/`` that holds ``records.json`` and, where there
are pixels, ``arrays.zip`` (Zarr 3 in one file: compressed, sliceable, one thing to sync). It is
written under a temporary name, synced and renamed, so that it is whole or absent.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import zarr
import zarr.codecs
import zarr.errors
import zarr.storage

from eo.access.files import is_object_store
from eo.access.naming import CHUNK_PX, checked_fingerprint
from eo.core.errors import OutputError
from eo.core.seams import PartStore

__all__ = ["LocalParts", "open_parts"]


def open_parts(place: str | Path) -> PartStore:
    """Return the parts of the run at a folder or at a prefix of an object store."""
    if is_object_store(place):
        from eo.access.objectparts import ObjectParts

        return ObjectParts(str(place))
    return LocalParts(place)


class LocalParts:
    """Parts in a local (or mounted) folder."""

    def __init__(self, root: str | Path) -> None:
        self._root = Path(root) / "parts"

    def _folder(self, phase: str, fingerprint: str) -> Path:
        return self._root / phase / checked_fingerprint(fingerprint)

    def exists(self, phase: str, fingerprint: str) -> bool:
        """Whether the part is there, whole."""
        return (self._folder(phase, fingerprint) / "records.json").is_file()

    def write(
        self, phase: str, fingerprint: str, records: dict[str, Any], arrays: dict[str, Any]
    ) -> None:
        """Write a part under a temporary name, then publish it in one step.

        Raises
        ------
        OutputError
            If the folder cannot be written (full, read-only).
        """
        final = self._folder(phase, fingerprint)
        if self.exists(phase, fingerprint):
            return
        shutil.rmtree(final, ignore_errors=True)  # what a collection of garbage left half done
        draft = final.with_name(f".{fingerprint}-{secrets.token_hex(4)}.tmp")
        try:
            draft.mkdir(parents=True)
            if arrays:
                _write_arrays(draft / "arrays.zip", arrays)
            _write_synced(draft / "records.json", json.dumps(records).encode())
            _publish(draft, final)
        except OSError as error:
            raise OutputError(
                f"part {phase}/{fingerprint} cannot be written below {self._root}: {error}; "
                "nothing that was there before is harmed: make room or give another --output"
            ) from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def records(self, phase: str, fingerprint: str) -> dict[str, Any]:
        """Return the part's records."""
        text = (self._folder(phase, fingerprint) / "records.json").read_bytes()
        return dict(json.loads(text))

    def array(self, phase: str, fingerprint: str, key: str) -> Any:
        """Return one array of the part, opened lazily: slice it to read.

        Raises
        ------
        KeyError
            If the part has no such array.
        """
        path = self._folder(phase, fingerprint) / "arrays.zip"
        if not path.exists():
            raise KeyError(key)
        try:
            return zarr.open_array(zarr.storage.ZipStore(path, mode="r"), path=key, mode="r")
        except zarr.errors.ArrayNotFoundError:
            raise KeyError(key) from None


def _write_arrays(path: Path, arrays: dict[str, Any]) -> None:
    # Without a group around them: its metadata would be written twice into the archive.
    store = zarr.storage.ZipStore(path, mode="w")
    try:
        for key, values in arrays.items():
            host = np.ascontiguousarray(values)
            chunks = (*host.shape[:-2], *map(min, host.shape[-2:], CHUNK_PX))
            zarr.create_array(
                store,
                name=key,
                data=host,
                chunks=tuple(max(1, n) for n in chunks),
                compressors=[zarr.codecs.ZstdCodec(level=1)],
            )
    finally:
        store.close()
    with path.open("rb") as handle:
        os.fsync(handle.fileno())


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as handle:
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())


def _publish(draft: Path, final: Path) -> None:
    try:
        draft.rename(final)
    except OSError:
        if not final.is_dir():  # another worker was faster: same fingerprint, same content
            raise
    folder = os.open(final.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
