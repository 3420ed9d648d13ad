"""Makes hrefs absolute, and keeps catalogs on the web from reaching files of this machine."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from eo.access.fields import as_dict, as_list, as_text

__all__ = ["PLACE", "absolute", "is_remote", "local_path", "with_absolute_hrefs"]

PLACE = "eo-place"
"""Key under which an item from the web says where it was found."""

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+):")
_WEB = frozenset({"http", "https"})
_CLOUD = frozenset({"s3", "gs", "az", "abfs", "abfss"})


def is_remote(place: str) -> bool:
    """Whether a place is on the web."""
    return place.lower().startswith(("http://", "https://"))


def local_path(place: str) -> Path:
    """Return the path of a local place, which may be a ``file:`` URL."""
    if place.lower().startswith("file:"):
        return Path(unquote(urlsplit(place).path))
    return Path(place)


def absolute(href: str, base: str) -> str | None:
    """Return `href`, found in the file at `base`, as an absolute URL or path.

    None if a file on the web leads to anything but the web (http, https) or cloud storage
    (s3, gs, az): a foreign catalog must not choose which local files are read.
    """
    href = href.strip()
    if not href:
        return None
    found = _SCHEME.match(href)
    scheme = found.group(1).lower() if found else ""
    if is_remote(base):
        if scheme in _CLOUD | _WEB:
            return href
        return None if scheme else _joined(base, href)
    if scheme == "file":
        return str(local_path(href))
    if scheme and (scheme in _CLOUD | _WEB or "://" in href):
        return href
    if href.startswith("/vsi"):
        return href
    # Not resolve(): a link in a folder of links leads beside the link, not beside its target.
    return os.path.normpath(local_path(base).absolute().parent / _unquoted(href))


def _joined(base: str, href: str) -> str | None:
    try:
        return urljoin(base, href)
    except ValueError:  # such as an unclosed bracket, which starts an IPv6 address
        return None


def _unquoted(href: str) -> str:
    """Return a relative href as a path: percent signs are undone where they encode something."""
    return unquote(href) if re.search(r"%[0-9A-Fa-f]{2}", href) else href


def with_absolute_hrefs(item: dict[str, Any], place: str) -> dict[str, Any]:
    """Return an item whose assets' hrefs are absolute; `place` is the file it was found in.

    An asset that may not be reached is left without an href, so that its band is missing.
    """
    assets = item.get("assets")
    if not isinstance(assets, dict):
        return item
    base = _base(item, place)
    mended = {}
    for key, asset in assets.items():
        fields = as_dict(asset)
        href = as_text(fields.get("href"))
        if href is not None:
            fields["href"] = absolute(href, base)
        mended[key] = fields
    found = {**item, "assets": mended}
    found.pop(PLACE, None)  # that is ours to say
    return {**found, PLACE: place} if is_remote(place) else found


def _base(item: dict[str, Any], place: str) -> str:
    """Return where an item's relative hrefs start: its own address, if a server lists it."""
    if not is_remote(place):
        return place
    for link in as_list(item.get("links")):
        fields = as_dict(link)
        href = as_text(fields.get("href")) or ""
        if fields.get("rel") == "self" and is_remote(href):
            return href
    return place
