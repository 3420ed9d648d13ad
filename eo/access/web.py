"""HTTP for catalogs: patient with servers that are busy, and never more than a fixed size.

Every request that fails in a way that may pass (429, 5xx, time-out, broken connection, body cut
short) is repeated with growing waits, or with the wait the server asks for. A document larger
than the limit is refused while it is being read. Query strings, which may hold keys, stay out
of messages.
"""

from __future__ import annotations

import email.utils
import json
import logging
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from eo.access.hosts import url_fault
from eo.core.errors import CatalogError

__all__ = ["DOCUMENT_LIMIT", "Patience", "bare", "get_json", "new_session", "parse_json"]

log = logging.getLogger(__name__)

DOCUMENT_LIMIT = 64 * 2**20
"""Largest JSON document that is read from a server, in bytes."""

_MAY_PASS = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a server is given."""

    tries: int = 6
    """Attempts for one request."""
    first_wait_s: float = 0.5
    """Wait after the first failure; doubles each time."""
    longest_wait_s: float = 60.0
    """No wait is longer, whatever the server asks."""
    connect_s: float = 10.0
    """Time to connect."""
    read_s: float = 60.0
    """Time between two bytes."""


class _TooLargeError(requests.RequestException):
    """A document above the limit."""


class _RefusedError(requests.RequestException):
    """A host that may not be asked."""


class _PatientAdapter(HTTPAdapter):
    """Sends a request until it is answered or patience ends, and reads the whole body."""

    def __init__(self, patience: Patience, hosts: tuple[str, ...] | None) -> None:
        super().__init__(max_retries=0)
        self._patience, self._hosts = patience, hosts

    def send(  # type: ignore[override]
        self, request: requests.PreparedRequest, **options: Any
    ) -> requests.Response:
        """Send with retries; options are those of requests, of which the time-out is replaced."""
        # Redirects come here one by one, too.
        fault = None if self._hosts is None else url_fault(str(request.url), self._hosts)
        if fault is not None:
            raise _RefusedError(fault)
        patience = self._patience
        options = {
            **options,
            "stream": True,
            "timeout": (patience.connect_s, patience.read_s),
        }
        for attempt in range(1, patience.tries + 1):
            last = attempt == patience.tries
            try:
                response = super().send(request, **options)
                _read_body(response)
            except _TooLargeError:
                raise
            except requests.RequestException as error:
                if last:
                    raise
                wait, why = self._wait(attempt, None), type(error).__name__
            else:
                if last or response.status_code not in _MAY_PASS:
                    return response
                wait = self._wait(attempt, response.headers.get("Retry-After"))
                why = f"status {response.status_code}"
            log.warning(
                "%s from %s: attempt %d of %d, waiting %.1f s",
                why,
                bare(str(request.url)),
                attempt,
                patience.tries,
                wait,
            )
            time.sleep(wait)
        raise AssertionError("the last attempt returns or raises")  # pragma: no cover

    def _wait(self, attempt: int, asked: str | None) -> float:
        wait = self._patience.first_wait_s * 2.0 ** (attempt - 1)
        said = _retry_after(asked)
        return min(max(wait, said or 0.0), self._patience.longest_wait_s)


def _retry_after(text: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for, as a number or as a date."""
    if text is None:
        return None
    if text.strip().isdigit():
        return float(text)
    try:
        return email.utils.parsedate_to_datetime(text).timestamp() - time.time()
    except ValueError:
        return None


def _read_body(response: requests.Response) -> None:
    chunks, size = [], 0
    try:
        for chunk in response.iter_content(2**16):
            size += len(chunk)
            if size > DOCUMENT_LIMIT:
                raise _TooLargeError(f"the document is larger than {DOCUMENT_LIMIT // 2**20} MiB")
            chunks.append(chunk)
    finally:
        response.close()
    # Where requests keeps a body that was read: the session and its callers find it there.
    response._content = b"".join(chunks)  # noqa: SLF001


def new_session(
    patience: Patience | None = None, *, hosts: tuple[str, ...] | None = None
) -> requests.Session:
    """Return a session that waits, repeats and refuses documents above the limit.

    Given `hosts`, it asks public addresses and these alone.
    """
    session = requests.Session()
    adapter = _PatientAdapter(patience or Patience(), hosts)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def bare(url: str) -> str:
    """Return a URL without query, fragment and credentials, for messages and records."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.partition("?")[0]
    if not parts.netloc:
        return url
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def get_json(session: requests.Session, url: str) -> Any:
    """Return the JSON document at a URL.

    Raises
    ------
    CatalogError
        If there is none, or it is too large.
    """
    try:
        response = session.get(url, headers={"Accept": "application/geo+json, application/json"})
    except requests.RequestException as error:
        raise CatalogError(
            f"{bare(url)} cannot be read: {_plain(error)}; check the address and the network"
        ) from None
    if response.status_code != requests.codes.ok:
        raise CatalogError(
            f"{bare(url)} answers with status {response.status_code} ({response.reason}); "
            "check the address, and whether it needs a login"
        )
    return parse_json(response.content, bare(url))


def _plain(error: Exception) -> str:
    """Return what went wrong, without the URL (and its query) that requests puts into it."""
    names = {
        requests.ConnectTimeout: "it does not answer",
        requests.ReadTimeout: "it stopped answering",
        requests.ConnectionError: "there is no connection",
        requests.TooManyRedirects: "it redirects for ever",
        requests.exceptions.ChunkedEncodingError: "the answer is cut short",
    }
    if isinstance(error, _TooLargeError | _RefusedError):
        return str(error)
    return next(
        (text for kind, text in names.items() if isinstance(error, kind)), type(error).__name__
    )


def parse_json(content: bytes, place: str) -> Any:
    """Return the JSON document in `content`, that was found at `place`.

    Raises
    ------
    CatalogError
        If it is an HTML page, is cut short, or is not JSON at all.
    """
    start = content[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    if not start:
        raise CatalogError(f"{place} is empty; a STAC catalog is a JSON document")
    if start.startswith(b"<"):
        raise CatalogError(
            f"{place} is a web page (HTML or XML), not a STAC catalog; give the address of the "
            "API's root or of its catalog.json, not that of a page for people"
        )
    try:
        return json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise CatalogError(f"{place} is not text, so no STAC catalog") from None
    except RecursionError:
        raise CatalogError(f"{place} is nested too deeply for a STAC catalog") from None
    except json.JSONDecodeError as error:
        ends = error.pos >= len(content.rstrip()) - 1 or "Unterminated" in error.msg
        what = "is cut short" if ends else "is not valid JSON"
        raise CatalogError(
            f"{place} {what}: {error.msg} at line {error.lineno}, column {error.colno}; "
            "fetch or write it again"
        ) from None
