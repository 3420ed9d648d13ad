"""Small STAC items made by hand, in the dialects that are not among the recorded ones."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

AOI = {
    "type": "Polygon",
    "coordinates": [
        [[133.05, 42.71], [133.11, 42.71], [133.11, 42.76], [133.05, 42.76], [133.05, 42.71]]
    ],
}


def square(west: float, south: float, size: float = 0.5) -> dict[str, Any]:
    east, north = west + size, south + size
    return {
        "type": "Polygon",
        "coordinates": [
            [[west, south], [east, south], [east, north], [west, north], [west, south]]
        ],
    }


def sentinel(item_id: str = "S2B_52TGN_20240419_0_L2A", **properties: Any) -> dict[str, Any]:
    """Return an item as Earth Search v1 writes it."""
    names = {"blue": "B02", "green": "B03", "red": "B04", "nir": "B08", "swir16": "B11"}
    assets: dict[str, Any] = {}
    for key, own in names.items():
        gsd = 20 if key == "swir16" else 10
        base = {
            "gsd": gsd,
            "eo:bands": [{"name": key, "common_name": key}],
            "raster:bands": [
                {
                    "nodata": 0,
                    "data_type": "uint16",
                    "spatial_resolution": gsd,
                    "scale": 0.0001,
                    "offset": -0.1,
                }
            ],
            "roles": ["data", "reflectance"],
        }
        assets[key] = {
            **base,
            "href": f"https://example.com/{item_id}/{own}.tif",
            "type": "image/tiff; application=geotiff; profile=cloud-optimized",
        }
        assets[f"{key}-jp2"] = {
            **base,
            "href": f"s3://bucket/{item_id}/{own}.jp2",
            "type": "image/jp2",
        }
    assets["scl"] = {
        "href": f"https://example.com/{item_id}/SCL.tif",
        "type": "image/tiff",
        "roles": ["data"],
    }
    assets["aot"] = {
        "href": f"https://example.com/{item_id}/AOT.tif",
        "type": "image/tiff",
        "roles": ["data"],
    }
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": item_id,
        "collection": "sentinel-2-l2a",
        "geometry": square(132.9, 42.5),
        "links": [],
        "properties": {
            "datetime": "2024-04-19T02:20:00Z",
            "platform": "sentinel-2b",
            "constellation": "sentinel-2",
            "proj:epsg": 32652,
            "grid:code": "MGRS-52TGN",
            "view:sun_elevation": 56.1,
            "view:sun_azimuth": 158.0,
            "s2:processing_baseline": "05.10",
            "earthsearch:boa_offset_applied": True,
            "updated": "2024-04-19T09:00:00Z",
            **properties,
        },
        "assets": assets,
    }


def data_space() -> dict[str, Any]:
    """Return an item as the STAC API of Copernicus Data Space writes it (STAC 1.1)."""

    def band(name: str, common: str, gsd: int) -> dict[str, Any]:
        return {
            "href": f"s3://eodata/Sentinel-2/MSI/L2A/x.SAFE/{name}_{gsd}m.jp2",
            "type": "image/jp2",
            "gsd": gsd,
            "proj:code": "EPSG:32652",
            "nodata": 0,
            "data_type": "uint16",
            "raster:scale": 0.0001,
            "raster:offset": -0.1,
            "proj:transform": [gsd, 0, 600000, 0, -gsd, 4800000],
            "proj:shape": [109800 // gsd, 109800 // gsd],
            "bands": [{"name": name, "eo:common_name": common}],
            "roles": ["data", "reflectance", f"sampling:{gsd}m"],
            "file:checksum": "d501104c2c4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d",
        }

    item_id = "S2B_MSIL2A_20240419T021529_N0510_R003_T52TGN_20240419T045210"
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": item_id,
        "collection": "sentinel-2-l2a",
        "geometry": square(132.9, 42.5),
        "links": [],
        "properties": {
            "datetime": "2024-04-19T02:15:29.024Z",
            "platform": "sentinel-2b",
            "constellation": "sentinel-2",
            "grid:code": "MGRS-52TGN",
            "processing:version": "05.10",
            "product:type": "S2MSI2A",
            "processing:datetime": "2024-04-19T04:52:10Z",
            "view:sun_elevation": 56.1,
            "view:sun_azimuth": 158.0,
        },
        "assets": {
            **{
                f"{n}_{g}m": band(n, c, g)
                for n, c, sizes in (
                    ("B02", "blue", (60, 20, 10)),
                    ("B03", "green", (10, 20)),
                    ("B04", "red", (20, 10)),
                    ("B08", "nir", (10,)),
                    ("B8A", "nir08", (20, 60)),
                    ("B11", "swir16", (20,)),
                )
                for g in sizes
            },
            "SCL_20m": {
                "href": "s3://eodata/x/SCL_20m.jp2",
                "type": "image/jp2",
                "roles": ["data"],
            },
            "TCI_10m": {
                "href": "s3://eodata/x/TCI_10m.jp2",
                "type": "image/jp2",
                "gsd": 10,
                "roles": ["visual"],
            },
            "AOT_10m": {
                "href": "s3://eodata/x/AOT_10m.jp2",
                "type": "image/jp2",
                "gsd": 10,
                "roles": ["data"],
            },
        },
    }


def planet(
    assets: dict[str, Any], item_id: str = "20240419_021533_78_2414", **properties: Any
) -> dict[str, Any]:
    """Return an item as a Planet order holds it."""
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": item_id,
        "collection": "PSScene",
        "geometry": square(133.0, 42.6, 0.2),
        "links": [],
        "properties": {
            "datetime": "2024-04-19T02:15:33.78Z",
            "constellation": "planetscope",
            "platform": "2414",
            "instruments": ["PSB.SD"],
            "gsd": 3.7,
            "pl:item_type": "PSScene",
            "pl:pixel_resolution": 3,
            "pl:strip_id": "7224931",
            "proj:epsg": 32652,
            "view:azimuth": 99.2,
            "view:off_nadir": 4.1,
            "view:sun_azimuth": 152.1,
            "view:sun_elevation": 55.8,
            **properties,
        },
        "assets": assets,
    }


def tif(name: str, **fields: Any) -> dict[str, Any]:
    return {"href": f"./{name}.tif", "type": "image/tiff; application=geotiff", **fields}


def changed(item: dict[str, Any], **properties: Any) -> dict[str, Any]:
    """Return a copy with other properties; None takes one away."""
    other = copy.deepcopy(item)
    for key, value in properties.items():
        if value is None:
            other["properties"].pop(key, None)
        else:
            other["properties"][key] = value
    return other


_nasty = ("http://[", "file:///etc/passwd", "\0", "NaN", "2024-13-45T99:99:99Z", "1e400")
_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
json_values = st.recursive(
    _scalars | st.sampled_from(_nasty),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def spoilt(data: st.DataObject, item: dict[str, Any]) -> dict[str, Any]:
    """Return an item with one to four of its values, at any depth, replaced by any JSON."""
    item = copy.deepcopy(item)
    for _ in range(data.draw(st.integers(1, 4))):
        holder: Any = item
        while True:
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            key = data.draw(st.sampled_from(keys))
            deeper = isinstance(holder[key], dict | list) and len(holder[key]) > 0
            if not deeper or data.draw(st.booleans()):
                break
            holder = holder[key]
        holder[key] = data.draw(json_values)
    return item
