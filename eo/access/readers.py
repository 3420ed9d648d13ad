"""COG -> array: the grid's windows through stackstac, native windows through rasterio."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Self

import numpy as np
import rasterio
import rasterio.errors
import rasterio.windows

from eo.access.hosts import journey_fault
from eo.access.rasters import GDAL_OPTIONS, Encoding, RasterFiles, encoding_of, plain_href
from eo.access.stack import Source, stack_window
from eo.core.errors import AssetError, BandError, GridError
from eo.core.grid import Grid, Window, map_transformer
from eo.core.records import Band, Scene
from eo.core.seams import GridPixels, NativePixels
from eo.core.sensors import sensor_of

__all__ = ["CogReader"]


class CogReader:
    """Reader of scenes whose assets GDAL can open, local or remote.

    Parameters
    ----------
    sign
        Turns an href into one that may be fetched; given the name of the signing service.
    """

    def __init__(self, *, sign: Callable[[str, str | None], str] | None = None) -> None:
        self._files = RasterFiles()
        self._sign = sign or (lambda href, _service: href)
        self._may_be_asked: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        self._files.close()

    def _href(self, scene: Scene, href: str) -> str:
        signed = self._sign(href, scene.signing)
        if scene.hosts is not None and href not in self._may_be_asked:
            fault = journey_fault(signed, scene.hosts)
            if fault is not None:
                raise AssetError(f"{plain_href(href)} is not read: {fault}")
            self._may_be_asked.add(href)
        return signed

    def grid_pixels(
        self, scene: Scene, bands: tuple[str, ...], grid: Grid, window: Window
    ) -> GridPixels:
        """Return the scene's DN on the grid's window; a band that it lacks is all 0.

        Raises
        ------
        BandError
            If none of the bands is there.
        AssetError
            If a file is absent, cut off or no raster.
        """
        wanted = [_band(scene, name) for name in bands]
        found = [band for band in wanted if band is not None]
        if not found:
            raise BandError(
                f"scene {scene.scene_id} has none of the bands {', '.join(bands)}; it has "
                f"{', '.join(b.name for b in scene.bands) or 'none'}"
            )
        sources: dict[str, Source] = {}
        hrefs: dict[str, str] = {}
        for band in found:
            href = hrefs.setdefault(band.href, self._href(scene, band.href))
            indexes = tuple(b.index for b in found if b.href == band.href)
            if href not in sources:
                self._check_indexes(href, indexes)
                sources[href] = Source(
                    self._files, href, indexes, grid=grid, window=window, nodata=band.nodata
                )
        floating = any(np.dtype(self._files.open(href).dtypes[0]).kind in "fi" for href in sources)
        stacked = stack_window(
            sources,
            tuple((band.name, hrefs[band.href], band.index) for band in found),
            grid,
            window,
            dtype=np.float32 if floating else np.uint16,
        )
        # Where every band is there, as DN, the stack is the answer: no pixel is copied again.
        whole = len(found) == len(bands) and not floating
        out = stacked if whole else np.zeros((len(bands), *stacked.shape[1:]), np.uint16)
        scales, offsets = [0.0] * len(bands), [0.0] * len(bands)
        position = {band.name: k for k, band in enumerate(found)}
        for k, band_or_none in enumerate(wanted):
            if band_or_none is not None:
                band = band_or_none
                encoding = encoding_of(self._files.open(hrefs[band.href]), band.nodata)
                plane = _to_dn(stacked[position[band.name]], encoding, band)
                if not np.may_share_memory(plane, out[k]):
                    out[k] = plane
                scales[k], offsets[k] = encoding.rescale(band.scale, band.offset)
        _open_shifted(out, wanted, self._files, hrefs)
        return GridPixels(
            dn=out,
            scale=tuple(scales),
            offset=tuple(offsets),
            resampled=any(sources[hrefs[b.href]].resampled for b in found if _is_native(scene, b)),
            absent=tuple(n for n, b in zip(bands, wanted, strict=True) if b is None),
        )

    def _check_indexes(self, href: str, indexes: tuple[int, ...]) -> None:
        count = self._files.open(href).count
        if max(indexes) > count:
            raise BandError(
                f"{plain_href(href)} has {count} bands; band {max(indexes)} was asked for"
            )

    def grid_mask(self, scene: Scene, grid: Grid, window: Window) -> Any | None:
        """Return the served mask's raw values on the grid's window; None where there is none.

        Nearest neighbour; (y, x), or (8, y, x) for UDM2.

        Raises
        ------
        AssetError
            If the file is absent, cut off or no raster.
        """
        source = scene.mask
        if source is None:
            return None
        href = self._href(scene, source.href)
        count = self._files.open(href).count
        many = 8 if source.kind == "udm2" and count >= source.index + 7 else 1
        indexes = tuple(range(source.index, source.index + many))
        # Nodata is not asked for: 0 is a class of its own in every served mask.
        pixels, _ = self._files.window(href, indexes, grid, window, nodata=None, nearest=True)
        pixels = pixels.astype(np.uint8, copy=False)
        return pixels if many > 1 else pixels[0]

    def native_pixels(
        self, scene: Scene, grid: Grid, bounds_m: tuple[float, float, float, float]
    ) -> NativePixels:
        """Return the scene's own pixels that cover `bounds_m` (west, south, east, north).

        Bands at the sensor's full pixel size only, all on one lattice; pixels beyond the
        scene's edge are NaN.

        Raises
        ------
        BandError
            If no band at full pixel size is there.
        GridError
            If the bounds do not meet the scene.
        """
        wanted = [_band(scene, n) for n in sensor_of(scene.sensor).native_bands]
        found = [band for band in wanted if band is not None]
        if not found:
            raise BandError(f"scene {scene.scene_id} has no band at full pixel size")
        first = self._files.open(self._href(scene, found[0].href))
        affine = _map_to_pixel(first, grid, bounds_m)
        window = _covering(affine, bounds_m, first)
        kept, planes, top = [], [], np.zeros((window.height, window.width), bool)
        black = np.ones_like(top)
        for band in found:
            dataset = self._files.open(self._href(scene, band.href))
            if dataset.transform.almost_equals(first.transform) and dataset.crs == first.crs:
                plane, saturated = self._native_band(dataset, band, window)
                kept.append(band.name)
                planes.append(plane)
                top |= saturated
                black &= _is_black(dataset, band, plane)
        for plane in planes:
            plane[black] = np.nan
        a, b, c, d, e, f = affine
        return NativePixels(
            bands=tuple(kept),
            reflectance=np.stack(planes),
            saturated=top,
            map_to_pixel=(a, b, c - window.col, d, e, f - window.row),
        )

    def _native_band(self, dataset: Any, band: Band, window: Window) -> tuple[Any, Any]:
        plane = np.full((window.height, window.width), np.nan, np.float32)
        inside = window.intersection(
            Window(row=0, col=0, height=dataset.height, width=dataset.width)
        )
        saturated = np.zeros(plane.shape, bool)
        if inside is None:
            return plane, saturated
        try:
            with rasterio.Env(**GDAL_OPTIONS):
                raw = dataset.read(
                    band.index,
                    window=rasterio.windows.Window(
                        inside.col, inside.row, inside.width, inside.height
                    ),
                )
        except (rasterio.errors.RasterioError, OSError) as error:
            raise AssetError(f"cannot read {plain_href(dataset.name)}: {error}") from None
        part = inside.within(window)
        nodata = dataset.nodata if dataset.nodata is not None else band.nodata
        if encoding_of(dataset, band.nodata).kind == "shifted":
            nodata = None
        missing = np.isnan(raw) if raw.dtype.kind == "f" else np.zeros(raw.shape, bool)
        if nodata is not None:
            missing |= raw == nodata
        plane[part] = np.where(
            missing, np.nan, raw * np.float32(band.scale) + np.float32(band.offset)
        )
        if raw.dtype.kind == "u":
            saturated[part] = raw == np.iinfo(raw.dtype).max
        return plane, saturated


def _band(scene: Scene, name: str) -> Band | None:
    return next((band for band in scene.bands if band.name == name), None)


def _is_native(scene: Scene, band: Band) -> bool:
    return band.name in sensor_of(scene.sensor).native_bands


def _is_black(dataset: Any, band: Band, plane: Any) -> Any:
    """Where a band of an 8-bit picture is 0; nowhere, for other files."""
    if encoding_of(dataset, band.nodata).kind != "shifted":
        return np.zeros(plane.shape, bool)
    return plane == np.float32(band.offset)


def _to_dn(plane: Any, encoding: Encoding, band: Band) -> Any:
    if encoding.kind == "float":
        reflectance = plane * band.scale + band.offset
        dn = np.round((reflectance + 0.1) / 1e-4)
        missing = ~np.isfinite(plane)
        if band.nodata is not None:
            missing |= plane == band.nodata
        return np.where(missing, 0, np.clip(dn, 1, 65535)).astype(np.uint16)
    if encoding.kind == "shifted":
        return plane.astype(np.uint16) + np.uint16(1)
    return plane.astype(np.uint16, copy=False)


def _open_shifted(
    out: Any, wanted: list[Band | None], files: RasterFiles, hrefs: dict[str, str]
) -> None:
    """Where every shifted band of a file is black, the picture has no pixel: its collar."""
    by_file: dict[str, list[int]] = {}
    for k, band in enumerate(wanted):
        if band is not None:
            href = hrefs[band.href]
            if encoding_of(files.open(href), band.nodata).kind == "shifted":
                by_file.setdefault(href, []).append(k)
    for planes in by_file.values():
        black = (out[planes] == 1).all(axis=0)
        for k in planes:
            out[k][black] = 0


def _map_to_pixel(
    dataset: Any, grid: Grid, bounds_m: tuple[float, float, float, float]
) -> tuple[float, float, float, float, float, float]:
    """Linearise grid-CRS metres -> the file's pixels about the centre of the bounds."""
    west, south, east, north = bounds_m
    x, y = (west + east) / 2, (south + north) / 2
    dx, dy = max((east - west) / 2, 1.0), max((north - south) / 2, 1.0)
    transformer = map_transformer(grid.crs, dataset.crs.to_string())
    xs, ys = transformer.transform(
        [x, x - dx, x + dx, x, x], [y, y, y, y - dy, y + dy], errcheck=False
    )
    if not all(math.isfinite(v) for v in (*xs, *ys)):
        raise GridError(f"{plain_href(dataset.name)} does not meet the area asked for")
    inverse = ~dataset.transform
    cols, rows = zip(*(inverse * (u, v) for u, v in zip(xs, ys, strict=True)), strict=True)
    a, b = (cols[2] - cols[1]) / (2 * dx), (cols[4] - cols[3]) / (2 * dy)
    d, e = (rows[2] - rows[1]) / (2 * dx), (rows[4] - rows[3]) / (2 * dy)
    return a, b, cols[0] - a * x - b * y, d, e, rows[0] - d * x - e * y


def _covering(
    affine: tuple[float, float, float, float, float, float],
    bounds_m: tuple[float, float, float, float],
    dataset: Any,
) -> Window:
    a, b, c, d, e, f = affine
    west, south, east, north = bounds_m
    corners = [(x, y) for x in (west, east) for y in (south, north)]
    cols = [a * x + b * y + c for x, y in corners]
    rows = [d * x + e * y + f for x, y in corners]
    col0, col1 = math.floor(min(cols)), math.ceil(max(cols))
    row0, row1 = math.floor(min(rows)), math.ceil(max(rows))
    if col1 <= 0 or row1 <= 0 or col0 >= dataset.width or row0 >= dataset.height:
        raise GridError(f"{plain_href(dataset.name)} does not meet the area asked for")
    if (col1 - col0) * (row1 - row0) > 4_000_000:
        raise GridError(
            f"a native window of {row1 - row0} x {col1 - col0} pixels was asked for; "
            "at most 4 million are read at once"
        )
    return Window(row=row0, col=col0, height=row1 - row0, width=col1 - col0)
