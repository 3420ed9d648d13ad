"""A run's files in an object store (S3, Google Cloud Storage), and the lease of its writer.

An object is put whole or not at all, so no temporary names are needed. What a file lock is to a
folder, a lease is here: an object that only one can create (If-None-Match), that its owner renews
while it lives and that anybody may take over once it has run out. Requests that a store turns away
for the moment (503, slow down) are repeated with growing pauses by the client.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import logging
import os
import re
import secrets
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import GCSStore, S3Store

from eo.access.naming import owner_text
from eo.core.errors import OutputError

__all__ = ["ObjectFiles", "open_store", "store_errors"]

_LEASE = ".writer.lease.json"
_LEASE_S = 60.0
"""A writer that has been silent for so long is dead."""
_CODE = re.compile(r"<Code>(\w+)</Code>")
_RETRIES = 12
_RETRY_S = 120.0
_log = logging.getLogger("eo.objects")


def open_store(url: str) -> Any:
    """Return the store of ``s3://bucket/prefix`` or ``gs://bucket/prefix``.

    Credentials come from the environment, or from the machine's role, never from the URL.
    ``AWS_ENDPOINT_URL`` (or ``?endpoint_url=``) leads to servers other than Amazon's.

    Raises
    ------
    OutputError
        If the address names no bucket.
    """
    parts = urlsplit(url)
    if not parts.netloc or "@" in parts.netloc:
        raise OutputError(
            f"output {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}: give "
            "s3://bucket/prefix, and credentials by environment or role"
        )
    prefix = parts.path.strip("/") or None
    retry: Any = {
        "max_retries": _RETRIES,
        "retry_timeout": dt.timedelta(seconds=_RETRY_S),
        "backoff": {
            "base": 2,
            "init_backoff": dt.timedelta(milliseconds=100),
            "max_backoff": dt.timedelta(seconds=15),
        },
    }
    if parts.scheme == "gs":
        return GCSStore(parts.netloc, prefix=prefix, retry_config=retry)
    asked = parse_qs(parts.query).get("endpoint_url", [os.environ.get("AWS_ENDPOINT_URL", "")])
    config: Any = {"endpoint": asked[0]} if asked[0] else {}
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if region:
        config["region"] = region
    return S3Store(
        parts.netloc,
        prefix=prefix,
        config=config,
        client_options={"allow_http": asked[0].startswith("http://")},
        retry_config=retry,
    )


@contextlib.contextmanager
def store_errors(what: str) -> Iterator[None]:
    """Turn a store's failures into an error that says what was asked and what to do.

    Raises
    ------
    OutputError
        If the store refused, is gone, or stayed busy.
    """
    try:
        yield
    except (BaseError, FileNotFoundError, PermissionError, TimeoutError) as error:
        code = _CODE.search(str(error))
        # The first line names what was asked; what follows is the client's own state.
        reason = code.group(1) if code else str(error).split("\n", 1)[0][:300]
        raise OutputError(
            f"{what} failed: {reason}; nothing that was there before is harmed: check bucket, "
            "credentials and network, then run again"
        ) from error


class ObjectFiles:
    """Files of a run below a prefix of an object store."""

    def __init__(self, url: str) -> None:
        self.place = url.partition("?")[0].rstrip("/")
        self._store = open_store(url)

    def prepare(self) -> None:
        """See whether an object can be put and deleted.

        Raises
        ------
        OutputError
            If not.
        """
        probe = f".probe-{secrets.token_hex(4)}"
        with store_errors(f"writing to {self.place}"):
            obstore.put(self._store, probe, b"probe")
            obstore.delete(self._store, probe)

    def read(self, name: str) -> bytes | None:
        """Return an object's bytes, or None if it is not there.

        Raises
        ------
        OutputError
            If the store fails, or the bucket itself is gone.
        """
        with store_errors(f"reading {self.inside(name)}"):
            try:
                return bytes(obstore.get(self._store, name).bytes())
            except FileNotFoundError as error:
                if "NoSuchBucket" in str(error):
                    raise
                return None

    def write(self, name: str, data: bytes) -> None:
        """Put an object; until it is whole the old one stands.

        Raises
        ------
        OutputError
            If the store fails.
        """
        with store_errors(f"writing {self.inside(name)}"):
            obstore.put(self._store, name, data)

    def delete(self, name: str) -> None:
        """Delete an object, and all below its name.

        Raises
        ------
        OutputError
            If the store fails.
        """
        with store_errors(f"deleting {self.inside(name)}"):
            below = [
                str(entry["path"])
                for page in obstore.list(self._store, prefix=name)
                for entry in page
                if entry["path"] == name or str(entry["path"]).startswith(f"{name}/")
            ]
            if below:
                obstore.delete(self._store, below)

    def names(self, below: str = "") -> list[str]:
        """Return the names directly below a name, sorted.

        Raises
        ------
        OutputError
            If the store fails.
        """
        with store_errors(f"listing {self.inside(below)}"):
            found = obstore.list_with_delimiter(self._store, prefix=below or None)
        paths = [*found["common_prefixes"], *(entry["path"] for entry in found["objects"])]
        return sorted(str(path).rstrip("/").rpartition("/")[2] for path in paths)

    def inside(self, name: str) -> str:
        """Return the URL of a name."""
        return f"{self.place}/{name}" if name else self.place

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the writer's lease; it runs out by itself if the process dies.

        Raises
        ------
        OutputError
            If another process holds it, or took it because this one was silent for too long.
        """
        lease = _Lease(self._store, self.place)
        lease.take()
        try:
            yield
        finally:
            lease.leave()
        lease.check()


class _Lease:
    """An object that only one process owns, renewed by a thread."""

    def __init__(self, store: Any, place: str) -> None:
        self._store, self._place = store, place
        self._owner = f"{owner_text()} ({secrets.token_hex(4)})"
        self._version: Any = None
        self._lost: str | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="eo-lease", daemon=True)

    def _text(self) -> bytes:
        until = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=_LEASE_S)
        return json.dumps({"owner": self._owner, "until": until.isoformat()}).encode()

    def take(self) -> None:
        with store_errors(f"taking the writer's lease at {self._place}"):
            try:
                self._version = obstore.put(self._store, _LEASE, self._text(), mode="create")
            except AlreadyExistsError:
                self._take_over()
        self._thread.start()

    def _take_over(self) -> None:
        found = obstore.get(self._store, _LEASE)
        held = json.loads(bytes(found.bytes()))
        if dt.datetime.fromisoformat(held["until"]) > dt.datetime.now(dt.UTC):
            raise OutputError(
                f"{self._place} is being written by {held['owner']} (its lease runs until "
                f"{held['until'][:19]} UTC and frees itself if that process died); wait for it or "
                "give another --output"
            )
        _log.warning("%s: taking over the lease of %s, which ran out", self._place, held["owner"])
        try:
            self._version = obstore.put(
                self._store, _LEASE, self._text(), mode=_updating(found.meta)
            )
        except (PreconditionError, AlreadyExistsError):
            raise OutputError(
                f"{self._place}: another process took the writer's lease at the same moment; "
                "wait for it"
            ) from None

    def _renew(self) -> None:
        while not self._stop.wait(_LEASE_S / 4.0):
            if not self._put_again():
                return

    def _put_again(self) -> bool:
        """Renew; False where the lease is another's by now."""
        try:
            self._version = obstore.put(
                self._store, _LEASE, self._text(), mode=_updating(self._version)
            )
        except (PreconditionError, AlreadyExistsError, FileNotFoundError) as error:
            self._lost = type(error).__name__
            _log.exception("%s: the writer's lease was lost", self._place)
            return False
        except BaseError:  # it may come back before the lease runs out
            _log.warning("%s: the lease could not be renewed", self._place, exc_info=True)
        return True

    def leave(self) -> None:
        self._stop.set()
        self._thread.join()
        # Only the owner may delete it, and only a conditional put tells who that is.
        if self._lost is None and self._put_again():
            with contextlib.suppress(BaseError, FileNotFoundError):
                obstore.delete(self._store, _LEASE)

    def check(self) -> None:
        if self._lost is not None:
            raise OutputError(
                f"{self._place}: the writer's lease was lost ({self._lost}) while writing; another "
                "process may have written there: run again"
            )


def _updating(version: Any) -> Any:
    return {key: version[key] for key in ("e_tag", "version") if version.get(key)}
