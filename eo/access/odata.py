"""Copernicus Data Space's OData answers, which name whole SAFE products, as STAC items.

An answer lists no band files; where they lie inside a product follows from its name (ESA,
*Sentinel-2 Products Specification Document*, naming of granules): the granule's folder joins
level, tile, absolute orbit and the start of the data strip, all of which the answer gives.
"""

from __future__ import annotations

import re
from typing import Any

from eo.access.bandnames import sentinel_band
from eo.access.fields import as_dict, as_dicts, as_text, number

__all__ = ["is_odata_answer", "is_odata_product", "item_of_product"]

_NAME = re.compile(
    r"(?P<platform>S2[A-D])_MSIL(?P<level>1C|2A)_(?P<time>\d{8}T\d{6})_N\d{4}_R\d{3}_"
    r"T(?P<tile>\d{2}[A-Z]{3})_\d{8}T\d{6}"
)
_STRIP_START = re.compile(r"_S(\d{8}T\d{6})_")
_BUCKET = "/eodata/"
_GSD_M = {"B02": 10, "B03": 10, "B04": 10, "B08": 10, "B8A": 20, "B11": 20, "B12": 20, "SCL": 20}


def is_odata_answer(document: Any) -> bool:
    """Whether a JSON document is an OData answer of products."""
    return isinstance(document, dict) and "@odata.context" in document and "value" in document


def is_odata_product(item: Any) -> bool:
    """Whether a dict is one product of an OData answer, not a STAC item."""
    return isinstance(item, dict) and "ContentDate" in item and "Name" in item


def item_of_product(product: dict[str, Any]) -> dict[str, Any]:
    """Return an OData product as a STAC item; its id is the product's name without ``.SAFE``."""
    name = (as_text(product.get("Name")) or "").removesuffix(".SAFE")
    said = {
        str(entry.get("Name")): entry.get("Value") for entry in as_dicts(product.get("Attributes"))
    }
    period = as_dict(product.get("ContentDate"))
    start, end = as_text(period.get("Start")), as_text(period.get("End"))
    properties: dict[str, Any] = {
        **said,
        "datetime": start if start == end else None,
        "start_datetime": start,
        "end_datetime": end,
        "updated": as_text(product.get("ModificationDate")),
        "processing:datetime": said.get("processingDate"),
        "s2:product_uri": name,
    }
    found = _NAME.fullmatch(name)
    assets: dict[str, Any] = {}
    notes: list[str] = []
    if found is not None:
        zone, band = int(found["tile"][:2]), found["tile"][2]
        properties["constellation"] = "sentinel-2"
        properties["platform"] = f"sentinel-{found['platform'][1:].lower()}"
        properties["proj:epsg"] = (32600 if band >= "N" else 32700) + zone
        # The sensing time in a product's name is the data take's; the content date is the tile's.
        properties["datetime"] = start
        assets = _assets(product, said, found)
        if assets:
            notes.append("an OData answer lists no files: band paths follow from the product name")
    return {
        "type": "Feature",
        "id": name or as_text(product.get("Id")),
        "collection": None,
        "geometry": product.get("GeoFootprint"),
        "properties": properties,
        "assets": assets,
        "links": [],
        "eo-notes": notes,
    }


def _assets(product: dict[str, Any], said: dict[str, Any], found: re.Match[str]) -> dict[str, Any]:
    place = as_text(product.get("S3Path")) or ""
    orbit = number(said.get("orbitNumber"), 1, 999_999)
    strip = _STRIP_START.search(as_text(said.get("datastripId")) or "")
    if not place.startswith(_BUCKET) or orbit is None or strip is None:
        return {}
    granule = f"L{found['level']}_T{found['tile']}_A{int(orbit):06d}_{strip.group(1)}"
    folder = f"s3://{place.removeprefix('/').rstrip('/')}/GRANULE/{granule}/IMG_DATA"
    file = f"T{found['tile']}_{found['time']}"
    assets = {}
    for band, gsd in _GSD_M.items():
        if found["level"] == "1C":
            href = f"{folder}/{file}_{band}.jp2"
        else:
            href = f"{folder}/R{gsd}m/{file}_{band}_{gsd}m.jp2"
        if sentinel_band(band) is not None or found["level"] == "2A":
            assets[band] = {"href": href, "type": "image/jp2", "gsd": gsd, "roles": ["data"]}
    return assets
