"""Opens a place to search for scenes: a STAC API, or a catalog that is files.

One call, whatever the place is; what it turns out to be decides how it is searched.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
from pystac_client import ItemSearch
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO

from eo.access.fields import as_dict, as_dicts, as_list, number
from eo.access.filecatalog import (
    FileCatalog,
    ParquetCatalog,
    Progress,
    is_item,
    is_item_list,
    is_static,
    refuse_single_page,
)
from eo.access.hosts import hosts_of_catalog
from eo.access.hrefs import absolute, is_remote, local_path, with_absolute_hrefs
from eo.access.web import Patience, bare, get_json, new_session, parse_json
from eo.core.errors import CatalogError
from eo.core.seams import Catalog

__all__ = ["ApiCatalog", "open_catalog"]

log = logging.getLogger(__name__)

_PAGE = 100
"""Items asked for at a time."""
_LOCAL_LIMIT = 512 * 2**20
"""Largest local JSON file that is read, in bytes."""


def open_catalog(
    place: str,
    *,
    progress: Progress | None = None,
    patience: Patience | None = None,
    allow_hosts: tuple[str, ...] = (),
) -> Catalog:
    """Open a catalog.

    Parameters
    ----------
    place
        URL of a STAC API or of a static catalog; path of a catalog.json (or the folder that
        holds one), of an ItemCollection, of a single item, of a Copernicus OData answer, or of
        a stac-geoparquet file.
    progress
        Told how many items (an API) or files (a static catalog) came in, and of how many where
        that is known.
    patience
        How long a server is given.
    allow_hosts
        Hosts off the public network that a catalog on the web may lead to, beside its own.

    Raises
    ------
    CatalogError
        If there is nothing at that place, or it is not STAC.
    """
    if is_remote(place):
        return _open_remote(place, progress, patience or Patience(), allow_hosts)
    if "://" in place and not place.lower().startswith("file:"):
        raise CatalogError(
            f"catalog {bare(place)}: only http(s) URLs and local paths are searched; give the "
            "bucket's https address, or copy the catalog to this machine"
        )
    path = local_path(place)
    if path.is_dir():
        path /= "catalog.json"
    if not path.is_file():
        raise CatalogError(
            f"catalog {place} does not exist; give a STAC API's URL, or the path of a "
            "catalog.json, an ItemCollection or a stac-geoparquet file"
        )
    if path.suffix.lower() in {".parquet", ".geoparquet"}:
        return ParquetCatalog(path, progress)
    document = _read_local(str(path))
    _must_be_stac(document, str(path))
    return FileCatalog(str(path), document, _read_local, progress)


def _read_local(place: str) -> Any:
    """Return the JSON document in a local file, or on the web if a local catalog leads there."""
    if is_remote(place):
        with new_session() as session:
            return get_json(session, place)
    path = Path(place)
    try:
        size = path.stat().st_size
        if size > _LOCAL_LIMIT:
            raise CatalogError(
                f"{place} holds {size / 2**20:.0f} MiB, more than {_LOCAL_LIMIT // 2**20} MiB of "
                "JSON; write it as stac-geoparquet"
            )
        return parse_json(path.read_bytes(), place)
    except FileNotFoundError:
        raise CatalogError(f"{place} does not exist") from None
    except OSError as error:
        raise CatalogError(f"{place} cannot be read: {error.strerror}") from None


def _must_be_stac(document: Any, place: str) -> None:
    if is_static(document) or is_item(document) or is_item_list(document):
        return
    found = f"a JSON {type(document).__name__}"
    if isinstance(document, dict) and document.get("type") == "FeatureCollection":
        found = "GeoJSON features that are no STAC items (none has assets)"
    elif isinstance(document, dict):
        found = "an object with " + (
            ", ".join(repr(key) for key in list(document)[:6]) or "no keys"
        )
    raise CatalogError(
        f"{place} is JSON, but not STAC: found {found}; a catalog has 'type', 'stac_version' and "
        "'links', an item collection 'type': 'FeatureCollection' and 'features'"
    )


def _open_remote(
    place: str, progress: Progress | None, patience: Patience, allow_hosts: tuple[str, ...]
) -> Catalog:
    if place.partition("?")[0].lower().endswith((".parquet", ".geoparquet")):
        raise CatalogError(
            f"catalog {bare(place)}: Parquet is read from this machine only; download it first"
        )
    session = new_session(patience, hosts=hosts_of_catalog(place, allow_hosts))
    document = get_json(session, place)
    _must_be_stac(document, bare(place))
    refuse_single_page(document, place)
    if is_static(document) and _search_link(document) is not None:
        return ApiCatalog(place, document, session, progress)
    if is_static(document) and as_list(document.get("conformsTo")):
        raise CatalogError(
            f"catalog {bare(place)} is an API without item search (no link with rel 'search'); "
            "give the root of a STAC API, or a static catalog"
        )

    def load(url: str) -> Any:
        return get_json(session, url)

    return FileCatalog(place, document, load, progress)


def _search_link(document: dict[str, Any]) -> dict[str, Any] | None:
    links = as_dicts(document.get("links"))
    return next((link for link in links if link.get("rel") == "search"), None)


class _CheckedIO(StacApiIO):
    """pystac-client's requests over a patient session, with every page checked."""

    def __init__(self, session: requests.Session) -> None:
        super().__init__(max_retries=None)
        self.session = session

    def get_pages(
        self, url: str, method: str | None = None, parameters: dict[str, Any] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield pages; one that is no FeatureCollection, or comes twice, is an error.

        Without this a page that is something else would end the search as if it were the last.
        """
        page = self._page(self.request(url, method=method, parameters=parameters), url)
        asked: set[str] = set()
        while True:
            yield page
            link = next(
                (link for link in as_dicts(page.get("links")) if link.get("rel") == "next"), None
            )
            if link is None or not page["features"]:
                return
            key = json.dumps(link, sort_keys=True)
            if key in asked:
                raise CatalogError(f"{bare(url)} leads from page to page in a circle")
            asked.add(key)
            page = self._page(self._next(link, parameters, url), url)

    def _next(self, link: dict[str, Any], parameters: dict[str, Any] | None, url: str) -> str:
        method = str(link.get("method", "GET")).upper()
        body = as_dict(link.get("body"))
        if link.get("merge") is True:
            body = {**(parameters or {}), **body}
        return self.request(
            absolute(str(link.get("href", "")), url) or url,
            method=method,
            headers=as_dict(link.get("headers")) or None,
            parameters=body if method == "POST" else None,
        )

    def _page(self, text: str, url: str) -> dict[str, Any]:
        page = parse_json(text.encode(), bare(url))
        if not isinstance(page, dict) or not isinstance(page.get("features"), list):
            raise CatalogError(
                f"{bare(url)} answers a search with something that is no FeatureCollection; is "
                "it a STAC API?"
            )
        return page


class ApiCatalog:
    """A STAC API."""

    def __init__(
        self,
        place: str,
        document: dict[str, Any],
        session: requests.Session,
        progress: Progress | None = None,
    ) -> None:
        """Search the API whose landing page is `document`."""
        self._place = place
        self._progress = progress
        self._io = _CheckedIO(session)
        by_method = {
            str(link.get("method", "GET")).upper(): str(link.get("href", ""))
            for link in as_dicts(document.get("links"))
            if link.get("rel") == "search"
        }
        self._method = "POST" if "POST" in by_method else "GET"
        search = absolute(by_method.get(self._method, ""), place)
        if search is None or not is_remote(search):
            raise CatalogError(
                f"catalog {bare(place)}: its search leads to {search!r}, not to an http(s) URL"
            )
        self._search = search

    def search(
        self,
        *,
        geometry: dict[str, Any],
        start: dt.datetime,
        end: dt.datetime,
        collections: tuple[str, ...] | None,
    ) -> Iterator[dict[str, Any]]:
        """Yield the items over `geometry`, from `start` to `end`, with absolute hrefs.

        An item that comes on two pages, as it happens when the server's catalog changes
        meanwhile, is yielded once.

        Raises
        ------
        CatalogError
            If the server fails for good: half a catalog is not taken for a whole one.
        """
        period = (start, end - dt.timedelta(milliseconds=1))  # a STAC interval holds its end
        seen: set[bytes] = set()
        count = 0
        try:
            search = ItemSearch(
                self._search,
                method=self._method,
                stac_io=self._io,
                intersects=geometry,
                datetime=period,
                collections=list(collections) if collections else None,
                limit=_PAGE,
            )
            for page in search.pages_as_dicts():
                for item in page["features"]:
                    key = hashlib.sha256(json.dumps(item, sort_keys=True).encode()).digest()
                    if key in seen:
                        continue
                    seen.add(key)
                    count += 1
                    yield with_absolute_hrefs(item, self._place) if isinstance(item, dict) else item
                if self._progress is not None:
                    self._progress(count, _matched(page))
        except APIError as error:
            raise CatalogError(
                f"search of {bare(self._place)} failed after {count} items: "
                f"{_reason(error)}; nothing was kept, run again later"
            ) from None


def _matched(page: dict[str, Any]) -> int | None:
    found = number(page.get("numberMatched"), 0)
    if found is None:
        found = number(as_dict(page.get("context")).get("matched"), 0)
    return None if found is None else int(found)


def _reason(error: APIError) -> str:
    status = getattr(error, "status_code", None)
    text = " ".join(str(error).split())[:300]
    return f"status {status}: {text}" if status else text
