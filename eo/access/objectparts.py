"""Parts in an object store: arrays first, records last, so that a part with records is whole.

``parts/<phase>/<fingerprint>/<key>/`` holds each array as one shard of Zarr 3, of which readers
fetch the chunks that they slice; ``records.json``, put last, is the manifest that makes it a part.
A unit that died on the way leaves objects that the next attempt overwrites with the same bytes.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import obstore
import zarr
import zarr.codecs
import zarr.errors
from zarr.storage import ObjectStore

from eo.access.naming import CHUNK_PX, checked_fingerprint
from eo.access.objects import open_store, store_errors

__all__ = ["ObjectParts"]

_RECORDS = "records.json"


class ObjectParts:
    """Parts below a prefix of an object store.

    Parameters
    ----------
    url
        The run's ``s3://bucket/prefix`` or ``gs://bucket/prefix``.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._store = open_store(url)

    def _key(self, phase: str, fingerprint: str) -> str:
        return f"parts/{phase}/{checked_fingerprint(fingerprint)}"

    def _what(self, phase: str, fingerprint: str, doing: str) -> str:
        return f"{doing} part {phase}/{fingerprint[:12]} at {self._url.partition('?')[0]}"

    def exists(self, phase: str, fingerprint: str) -> bool:
        """Whether the part is there, whole.

        Raises
        ------
        OutputError
            If the store cannot say.
        """
        with store_errors(self._what(phase, fingerprint, "looking for")):
            try:
                obstore.head(self._store, f"{self._key(phase, fingerprint)}/{_RECORDS}")
            except FileNotFoundError:
                return False
        return True

    def write(
        self, phase: str, fingerprint: str, records: dict[str, Any], arrays: dict[str, Any]
    ) -> None:
        """Put the arrays, then the records that make them a part.

        Raises
        ------
        OutputError
            If the store fails.
        """
        if self.exists(phase, fingerprint):
            return
        key = self._key(phase, fingerprint)
        with store_errors(self._what(phase, fingerprint, "writing")):
            for name, values in arrays.items():
                self._put_array(f"{key}/{name}", np.ascontiguousarray(values))
            text = json.dumps(records).encode()
            obstore.put(self._store, f"{key}/{_RECORDS}", text)

    def _put_array(self, path: str, values: Any) -> None:
        chunks = (*values.shape[:-2], *map(min, values.shape[-2:], CHUNK_PX))
        chunks = tuple(max(1, n) for n in chunks)
        # One object an array: a shard covers it all, rounded up to whole chunks.
        shard = tuple(-(-max(1, n) // c) * c for n, c in zip(values.shape, chunks, strict=True))
        zarr.create_array(
            ObjectStore(self._store),
            name=path,
            data=values,
            chunks=chunks,
            shards=shard or None,
            compressors=[zarr.codecs.ZstdCodec(level=1)],
            overwrite=True,
        )

    def records(self, phase: str, fingerprint: str) -> dict[str, Any]:
        """Return the part's records.

        Raises
        ------
        OutputError
            If the store fails, or there is no such part.
        """
        with store_errors(self._what(phase, fingerprint, "reading")):
            found = obstore.get(self._store, f"{self._key(phase, fingerprint)}/{_RECORDS}")
            return dict(json.loads(bytes(found.bytes())))

    def array(self, phase: str, fingerprint: str, key: str) -> Any:
        """Return one array of the part, opened lazily: slice it to read.

        Raises
        ------
        KeyError
            If the part has no such array.
        """
        path = f"{self._key(phase, fingerprint)}/{key}"
        try:
            return zarr.open_array(
                ObjectStore(self._store, read_only=True), path=path, mode="r", zarr_format=3
            )
        except (zarr.errors.ArrayNotFoundError, FileNotFoundError):
            raise KeyError(key) from None
