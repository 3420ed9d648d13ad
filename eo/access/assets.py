"""What tells one version of a file from another, without reading it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import requests

from eo.access.signing import sign
from eo.access.web import Patience, new_session
from eo.core.errors import EoError
from eo.core.records import Scene

__all__ = ["asset_tokens"]

_BRIEFLY = Patience(tries=1, connect_s=15.0, read_s=15.0)


def asset_tokens(scene: Scene) -> list[list[Any]]:
    """Return [href without query, token] of every file a scene's units read, sorted.

    The token is the item's checksum where it gives one, else ETag and size of a remote file,
    else size and time of modification of a local one; None where nothing can be told.
    """
    checksums: dict[str, str | None] = {}
    for band in scene.bands:
        checksums.setdefault(band.href, band.checksum)
    if scene.mask:
        checksums.setdefault(scene.mask.href, scene.mask.checksum)
    return sorted(
        (
            [href.partition("?")[0], value or _token(href, scene)]
            for href, value in checksums.items()
        ),
        key=lambda pair: str(pair[0]),
    )


def _token(href: str, scene: Scene) -> Any:
    parts = urlsplit(href)
    if parts.scheme in {"", "file"}:
        path = unquote(parts.path) if parts.scheme else href
        try:
            status = Path(path).stat()
        except OSError:
            return None
        return [status.st_size, status.st_mtime_ns]
    if parts.scheme in {"http", "https"} and not scene.updated:
        try:
            signed = sign(href, scene.signing)
            with new_session(_BRIEFLY, hosts=scene.hosts) as session:
                answer = session.head(signed, allow_redirects=True)
        except (requests.RequestException, EoError):
            return None  # reading it will say what is wrong
        if not answer.ok:
            return None
        return [answer.headers.get("ETag"), answer.headers.get("Content-Length")]
    return None
