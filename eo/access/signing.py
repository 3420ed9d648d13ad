"""Signs hrefs for services that hand out pixels to those who ask for a token first.

A token is kept until shortly before it expires, one for each storage container. Tokens and
signed hrefs are secrets: they are never logged, written or put into messages.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import threading
from urllib.parse import urlsplit

import requests

from eo.access.fields import as_dict, as_text, moment
from eo.access.web import Patience, bare, new_session
from eo.core.errors import AssetError

__all__ = ["sign"]

_SAS_URL = "https://planetarycomputer.microsoft.com/api/sas/v1/token"
_BLOB_HOST = re.compile(r"([a-z0-9]{3,24})\.blob\.core\.windows\.net")
_MARGIN = dt.timedelta(minutes=5)
_PUBLIC = frozenset({"ai4edatasetspublicassets"})
"""Storage accounts that need no token."""

_lock = threading.Lock()
_tokens: dict[tuple[str, str], tuple[str, dt.datetime]] = {}


def sign(href: str, service: str | None) -> str:
    """Return an href with a token where its service asks for one; any other unchanged.

    Parameters
    ----------
    href
        Path or URL of a file.
    service
        ``planetary-computer``, or None.

    Raises
    ------
    AssetError
        If the service is unknown or gives no token.

    Notes
    -----
    ``PC_SDK_SAS_URL`` and ``PC_SDK_SUBSCRIPTION_KEY`` are read from the environment, as
    Microsoft's own client does.
    """
    if service is None:
        return href
    if service != "planetary-computer":
        raise AssetError(f"signing service {service!r} is unknown; known: planetary-computer")
    try:
        parts = urlsplit(href)
    except ValueError as error:
        raise AssetError(f"{href[:200]!r} is no address: {error}") from None
    host = _BLOB_HOST.fullmatch((parts.hostname or "").lower())
    container = parts.path.lstrip("/").partition("/")[0]
    if host is None or not container or host.group(1) in _PUBLIC or "sig=" in parts.query:
        return href
    token = _token(host.group(1), container)
    return parts._replace(query="&".join(part for part in (parts.query, token) if part)).geturl()


def _token(account: str, container: str) -> str:
    """Return the token of a container; threads that want the same one wait for one request."""
    with _lock:
        known = _tokens.get((account, container))
        if known is not None and dt.datetime.now(dt.UTC) < known[1] - _MARGIN:
            return known[0]
        fresh = _fetch(account, container)
        _tokens[account, container] = fresh
        return fresh[0]


def _fetch(account: str, container: str) -> tuple[str, dt.datetime]:
    url = f"{os.environ.get('PC_SDK_SAS_URL', _SAS_URL).rstrip('/')}/{account}/{container}"
    key = os.environ.get("PC_SDK_SUBSCRIPTION_KEY")
    headers = {"Ocp-Apim-Subscription-Key": key} if key else {}
    try:
        with new_session(Patience(read_s=30.0)) as session:
            response = session.get(url, headers=headers)
    except requests.RequestException as error:
        raise AssetError(
            f"no token for {account}/{container}: {bare(url)} does not answer "
            f"({type(error).__name__})"
        ) from None
    try:
        answer = as_dict(response.json())
    except ValueError:
        answer = {}
    token, expiry = as_text(answer.get("token")), moment(answer.get("msft:expiry"))
    if response.status_code != requests.codes.ok or token is None:
        raise AssetError(
            f"no token for {account}/{container}: {bare(url)} answers with status "
            f"{response.status_code}; set PC_SDK_SUBSCRIPTION_KEY if it asks for a key"
        )
    return token.lstrip("?"), expiry or dt.datetime.now(dt.UTC) + 2 * _MARGIN
