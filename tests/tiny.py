"""Scenes of 640 m by 640 m with one ship, for tests of the whole flow; made in a moment.

They are no judge of accuracy: `eo.sim` is. They show what becomes of a scene.
"""

from __future__ import annotations

import datetime as dt
import http.server
import json
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import yaml
from pyproj import Transformer
from rasterio.transform import Affine, from_origin

EPSG = 32653
WEST_M, NORTH_M = 342_600.0, 4_732_600.0
SIZE_PX, PIXEL_M = 64, 10.0
WATER = {"blue": 0.06, "green": 0.05, "red": 0.03, "nir": 0.01}
DECK = {"blue": 0.22, "green": 0.24, "red": 0.27, "nir": 0.28}
FIRST_DAY = dt.datetime(2024, 5, 1, 2, 10, tzinfo=dt.UTC)

Pixels = Callable[[Any], Any]


def bounds_lonlat(inset_m: float = 0.0) -> list[float]:
    """[west, south, east, north] of the scenes, less `inset_m` on each side."""
    side = SIZE_PX * PIXEL_M - inset_m
    to_lonlat = Transformer.from_crs(EPSG, 4326, always_xy=True)
    west, south = to_lonlat.transform(WEST_M + inset_m, NORTH_M - side)
    east, north = to_lonlat.transform(WEST_M + side, NORTH_M - inset_m)
    return [west, south, east, north]


def reflectance(seed: str) -> dict[str, Any]:
    """Water with one ship of 130 by 30 m, and her shade, by band."""
    rng = np.random.default_rng(zlib.crc32(seed.encode()))
    bands = {}
    for name, water in WATER.items():
        plane = np.full((SIZE_PX, SIZE_PX), water) + rng.normal(0, 0.002, (SIZE_PX,) * 2)
        plane[28:31, 24:37] = DECK[name]
        plane[27, 24:37] *= 0.5
        bands[name] = plane
    return bands


class TinyPort:
    """A folder with scenes, their catalog and a campaign."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.items: list[dict[str, Any]] = []
        folder.mkdir(parents=True, exist_ok=True)

    def scene(
        self,
        item_id: str,
        *,
        folder: str | None = None,
        base_url: str | None = None,
        collection: str = "sentinel-2-l2a",
        pixels: Pixels | None = None,
        dtype: str = "uint16",
        epsg: int = EPSG,
        transform: Affine | None = None,
        leave_out: tuple[str, ...] = (),
    ) -> dict[str, Any]:
        """Write a scene and add its item; `pixels` changes the numbers before they are written."""
        place = self.folder / (folder or item_id)
        place.mkdir(parents=True, exist_ok=True)
        grid = transform or from_origin(WEST_M, NORTH_M, PIXEL_M, PIXEL_M)
        assets = {}
        for name, plane in reflectance(item_id).items():
            numbers = plane if dtype.startswith("float") else np.round(plane * 10_000 + 1_000)
            numbers = pixels(numbers) if pixels else numbers
            _write(place / f"{name}.tif", numbers.astype(dtype), epsg, grid)
            if name in leave_out:
                continue
            where = f"{base_url}/{place.name}" if base_url else f"./{place.name}"
            assets[name] = _asset(f"{where}/{name}.tif", name, dtype)
        item = self._item(item_id, collection, assets, epsg, grid)
        self.items.append(item)
        return item

    def _item(
        self, item_id: str, collection: str, assets: dict[str, Any], epsg: int, grid: Affine
    ) -> dict[str, Any]:
        west, south, east, north = bounds_lonlat()
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        when = FIRST_DAY + dt.timedelta(days=len(self.items))
        return {
            "type": "Feature",
            "stac_version": "1.0.0",
            "stac_extensions": [
                "https://stac-extensions.github.io/projection/v1.1.0/schema.json",
                "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
                "https://stac-extensions.github.io/eo/v1.1.0/schema.json",
                "https://stac-extensions.github.io/view/v1.0.0/schema.json",
            ],
            "id": item_id,
            "collection": collection,
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "bbox": [west, south, east, north],
            "properties": {
                "datetime": when.isoformat().replace("+00:00", "Z"),
                "platform": "sentinel-2a",
                "constellation": "sentinel-2",
                "gsd": 10,
                "proj:epsg": epsg,
                "proj:shape": [SIZE_PX, SIZE_PX],
                "proj:transform": list(grid)[:6],
                "view:sun_elevation": 62.0,
                "view:sun_azimuth": 152.0,
                "view:incidence_angle": 5.0,
                "view:azimuth": 105.0,
                "s2:processing_baseline": "05.10",
            },
            "links": [],
            "assets": assets,
        }

    def campaign(self, *, name: str = "tiny", file: str = "campaign.yaml", **changed: Any) -> Path:
        """Write the catalog and a campaign over it; keys in `changed` replace its own."""
        collection = {"type": "FeatureCollection", "features": self.items}
        (self.folder / "items.json").write_text(json.dumps(collection))
        keys = {
            "name": name,
            "aoi": bounds_lonlat(30.0),
            "period": "2024-05-01/2024-06-30",
            "catalog": "items.json",
            "output": "run",
            **changed,
        }
        path = self.folder / file
        path.write_text(yaml.safe_dump({k: v for k, v in keys.items() if v is not None}))
        return path


def _asset(href: str, name: str, dtype: str) -> dict[str, Any]:
    numbers = {"data_type": dtype}
    if dtype == "uint16":
        numbers |= {"nodata": 0, "scale": 0.0001, "offset": -0.1}
    return {
        "href": href,
        "type": "image/tiff; application=geotiff; profile=cloud-optimized",
        "eo:bands": [{"name": name, "common_name": name}],
        "raster:bands": [numbers],
        "roles": ["data", "reflectance"],
    }


def _write(path: Path, numbers: Any, epsg: int, transform: Affine) -> None:
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        dtype=numbers.dtype,
        count=1,
        height=numbers.shape[0],
        width=numbers.shape[1],
        crs=f"EPSG:{epsg}",
        transform=transform,
        nodata=0 if numbers.dtype == np.uint16 else np.nan,
        tiled=True,
        blockxsize=64,
        blockysize=64,
        compress="deflate",
    ) as dataset:
        dataset.write(numbers, 1)


class _Handler(http.server.BaseHTTPRequestHandler):
    """Serves files by range; names that start with a status code are answered with it."""

    folder: Path

    def do_HEAD(self) -> None:
        self._answer(send=False)

    def do_GET(self) -> None:
        self._answer(send=True)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, *, send: bool) -> None:
        name = self.path.partition("?")[0].lstrip("/")
        if name[:3].isdigit():
            self.send_error(int(name[:3]))
            return
        path = self.folder / name
        if not path.is_file():
            self.send_error(404)
            return
        body = path.read_bytes()
        first, last, status = 0, len(body) - 1, 200
        if (asked := self.headers.get("Range", "")).startswith("bytes="):
            low, _, high = asked.removeprefix("bytes=").partition("-")
            first, last, status = int(low or 0), min(int(high or last), last), 206
        if first > last:
            self.send_error(416)
            return
        self.send_response(status)
        kind = "text/html" if body.lstrip()[:1] == b"<" else "image/tiff"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(last - first + 1))
        self.send_header("Accept-Ranges", "bytes")
        if status == 206:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(body)}")
        self.end_headers()
        if send:
            self.wfile.write(body[first : last + 1])


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve `folder` on loopback; give the base URL."""
    handler = type("Handler", (_Handler,), {"folder": folder})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
