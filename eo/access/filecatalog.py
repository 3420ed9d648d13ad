"""Searches catalogs that are files: static catalogs, item collections, stac-geoparquet.

Every file is read, one at a time, and filtered here. A file of the catalog that cannot be read
comes out as a broken item, so that the search goes on and the loss is on record. A catalog on
the web leads only to other places on the web, never to files of this machine.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from eo.access.fields import as_dicts, as_list, as_text
from eo.access.filters import Wanted
from eo.access.hrefs import absolute, is_remote, with_absolute_hrefs
from eo.access.items import BROKEN, NOTES
from eo.access.odata import is_odata_answer, item_of_product
from eo.access.web import bare
from eo.core.errors import CatalogError

__all__ = [
    "FileCatalog",
    "ParquetCatalog",
    "Progress",
    "is_item",
    "is_item_list",
    "is_static",
    "refuse_single_page",
]

log = logging.getLogger(__name__)

Progress = Callable[[int, int | None], None]
Load = Callable[[str], Any]

_AT_ONCE = 8
"""Files of a catalog on the web that are asked for at a time."""
_BATCH = 64
"""And held at a time."""
_MOST_DOCUMENTS = 200_000
"""A catalog of more files than this is taken for one that never ends."""


def is_static(document: Any) -> bool:
    """Whether a document is a STAC Catalog or Collection (`type` is missing before STAC 1.0)."""
    if not isinstance(document, dict) or not isinstance(document.get("links"), list):
        return False
    kind = document.get("type", "Catalog")
    return kind in {"Catalog", "Collection"} and "stac_version" in document


def is_item(document: Any) -> bool:
    """Whether a document is one STAC item, and not any other GeoJSON feature."""
    if not isinstance(document, dict) or document.get("type") != "Feature":
        return False
    return "assets" in document or "stac_version" in document or BROKEN in document


def is_item_list(document: Any) -> bool:
    """Whether a document holds many items: a FeatureCollection, a list, an OData answer.

    One good item is enough: the others come out as what they are. An empty collection is one.
    """
    if isinstance(document, list):
        return any(is_item(entry) for entry in document)
    if is_odata_answer(document):
        return isinstance(document["value"], list)
    if not isinstance(document, dict) or document.get("type") != "FeatureCollection":
        return False
    features = document.get("features")
    return isinstance(features, list) and (not features or any(map(is_item, features)))


def refuse_single_page(document: Any, place: str) -> None:
    """Refuse one page of many, which would pass for the whole.

    Raises
    ------
    CatalogError
        If the document has a link to a next page.
    """
    links = as_dicts(document.get("links")) if isinstance(document, dict) else []
    if is_item_list(document) and any(link.get("rel") == "next" for link in links):
        raise CatalogError(
            f"{bare(place)} is one page of an API's answer; give the root of the STAC API (its "
            "landing page), and name the collection in 'collections'"
        )


class FileCatalog:
    """A catalog made of JSON files, local or on the web."""

    def __init__(
        self, place: str, document: Any, load: Load, progress: Progress | None = None
    ) -> None:
        """Search `document`, found at `place`; `load` reads the files that it leads to."""
        self._place = place
        self._document = document
        self._load = load
        self._progress = progress

    def search(
        self,
        *,
        geometry: dict[str, Any],
        start: dt.datetime,
        end: dt.datetime,
        collections: tuple[str, ...] | None,
    ) -> Iterator[dict[str, Any]]:
        """Yield the items over `geometry`, from `start` to `end`, with absolute hrefs."""
        wanted = Wanted(geometry=geometry, start=start, end=end, collections=collections)
        yield from _found(self._items(), wanted)

    def _items(self) -> Iterator[tuple[Any, str]]:
        """Yield every item with the place of the file it came from."""
        if not is_static(self._document):
            yield from ((item, self._place) for item in _listed(self._document))
            return
        waiting = [(self._document, self._place)]
        seen = {self._place}
        done = 0
        while waiting:
            document, place = waiting.pop()
            children = []
            for href, found in self._linked(document, place, seen):
                done += 1
                if self._progress is not None:
                    self._progress(done, None)
                if is_static(found) and href is not None:
                    children.append((found, href))
                    continue
                for item in _listed(found):
                    yield _in_collection(item, document), href or place
            # Last in, first out: reversed, so that files come in the order of their links.
            waiting.extend(reversed(children))

    def _linked(
        self, document: dict[str, Any], place: str, seen: set[str]
    ) -> Iterator[tuple[str | None, Any]]:
        """Yield address and content of the files a document leads to; each address once."""
        new = []
        for link in as_dicts(document.get("links")):
            if link.get("rel") not in {"child", "item", "items"}:
                continue
            href = absolute(str(link.get("href", "")), place)
            if href in seen:
                continue
            if href is not None:
                seen.add(href)
            if len(seen) > _MOST_DOCUMENTS:
                raise CatalogError(
                    f"{self._place} leads to more than {_MOST_DOCUMENTS} files; search its API, "
                    "or name a smaller catalog"
                )
            new.append((link, href))
        if not is_remote(place):
            for link, href in new:
                yield href, self._follow(link, href, place)
            return
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for first in range(0, len(new), _BATCH):
                batch = new[first : first + _BATCH]
                found = pool.map(lambda pair: self._follow(pair[0], pair[1], place), batch)
                yield from zip((href for _, href in batch), found, strict=True)

    def _follow(self, link: dict[str, Any], href: str | None, place: str) -> Any:
        """Return the document that a link leads to; a broken item where it cannot be read."""
        if href is None:
            return _broken(
                link,
                f"{place} leads to {link.get('href')!r:.200}, which a catalog on "
                "the web may not do: only http(s) is followed from there",
            )
        try:
            found = self._load(href)
        except CatalogError as error:
            log.warning("%s", error)
            return _broken(link, str(error))
        if is_remote(href):
            refuse_single_page(found, href)
        if is_static(found) or is_item(found) or is_item_list(found):
            return found
        if link.get("rel") == "item" and isinstance(found, dict):
            # Perhaps an item that forgot what it is; its reader judges.
            return {**found, "id": found.get("id", _stem(link))}
        return _broken(link, f"{href} is JSON, but neither a STAC item nor a catalog")


class ParquetCatalog:
    """A stac-geoparquet file."""

    def __init__(self, path: Path, progress: Progress | None = None) -> None:
        """Open the file at `path`.

        Raises
        ------
        CatalogError
            If it is no Parquet file, or holds no STAC items.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._path = path
        self._progress = progress
        try:
            self._file = pq.ParquetFile(path)
        except (OSError, pa.ArrowInvalid) as error:
            raise CatalogError(
                f"{path} is not a Parquet file, or is cut short: {error}; write it again, for "
                "example with stac-geoparquet"
            ) from None
        missing = {"id", "geometry", "assets"} - set(self._file.schema_arrow.names)
        if missing:
            raise CatalogError(
                f"{path} is Parquet, but not stac-geoparquet: columns {sorted(missing)} are "
                "missing; write it with stac-geoparquet"
            )

    def search(
        self,
        *,
        geometry: dict[str, Any],
        start: dt.datetime,
        end: dt.datetime,
        collections: tuple[str, ...] | None,
    ) -> Iterator[dict[str, Any]]:
        """Yield the items over `geometry`, from `start` to `end`, with absolute hrefs."""
        wanted = Wanted(geometry=geometry, start=start, end=end, collections=collections)
        yield from _found(((item, str(self._path)) for item in self._rows()), wanted)

    def _rows(self) -> Iterator[dict[str, Any]]:
        import pyarrow as pa
        from stac_geoparquet.arrow import stac_table_to_items

        done = 0
        for batch in self._file.iter_batches(batch_size=256):
            try:
                items = list(stac_table_to_items(pa.Table.from_batches([batch])))
            except Exception as error:
                raise CatalogError(
                    f"{self._path} cannot be read as stac-geoparquet: "
                    f"{type(error).__name__}: {error}"
                ) from error
            yield from items
            done += len(items)
            if self._progress is not None:
                self._progress(done, self._file.metadata.num_rows)


def _found(items: Iterable[tuple[Any, str]], wanted: Wanted) -> Iterator[dict[str, Any]]:
    """Yield the wanted ones of (item, place of its file), with absolute hrefs."""
    for item, place in items:
        if not wanted.matches(item):
            continue
        if not isinstance(item, dict):
            yield {BROKEN: f"an item in {place} is {type(item).__name__}, not a JSON object"}
            continue
        if wanted.collections and as_text(item.get("collection")) is None and BROKEN not in item:
            note = "the item names no collection: taken as one that was asked for"
            item[NOTES] = [*as_list(item.get(NOTES)), note]
        yield with_absolute_hrefs(item, place)


def _listed(document: Any) -> list[Any]:
    """Return the items of a document that holds one or many."""
    if isinstance(document, list):
        return document
    if is_odata_answer(document):
        return [item_of_product(p) if isinstance(p, dict) else p for p in document["value"]]
    if is_item_list(document):
        return list(document["features"])
    return [document]


def _in_collection(item: Any, parent: dict[str, Any]) -> Any:
    """Name the collection of an item that leaves it out, where a Collection links to it."""
    if (
        not isinstance(item, dict)
        or BROKEN in item
        or as_text(item.get("collection"))
        or parent.get("type") != "Collection"
    ):
        return item
    return {**item, "collection": as_text(parent.get("id"))}


def _stem(link: dict[str, Any]) -> str:
    """Return a name for a file that cannot tell its own: that of the file, or of its folder."""
    path = str(link.get("href", "")).partition("?")[0].rstrip("/")
    parts = [part for part in path.split("/") if part not in {"", ".", ".."}]
    if not parts:
        return "unnamed"
    stem = parts[-1].rpartition(".")[0] or parts[-1]
    generic = stem in {"item", "catalog", "collection", "stac"} and len(parts) > 1
    return f"{parts[-2]}/{stem}" if generic else stem


def _broken(link: dict[str, Any], reason: str) -> dict[str, Any]:
    return {"type": "Feature", "id": _stem(link), BROKEN: reason}
