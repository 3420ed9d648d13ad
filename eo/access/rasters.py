"""Raster files: opened once, read by window, every fault turned into an AssetError.

Pixels come out as the cube's DN: uint16, 0 where there is no pixel. Files of another kind are
brought to it here, and the change of scale is reported, so that reflectance stays what the item
says: an 8-bit picture is shifted by one (a 0 in one of its bands is a dark pixel; only black in
all of them is no pixel), floating point becomes 1e-4 steps above -0.1.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import rasterio
import rasterio.errors
import rasterio.windows
from rasterio.enums import ColorInterp, Resampling
from rasterio.vrt import WarpedVRT

from eo.access.limits import may_pass, size_fault
from eo.core.errors import AssetError, GridError, NetworkError
from eo.core.grid import Grid, Window

__all__ = [
    "FLOAT_OFFSET",
    "FLOAT_SCALE",
    "GDAL_OPTIONS",
    "Encoding",
    "RasterFiles",
    "encoding_of",
    "plain_href",
]

FLOAT_SCALE, FLOAT_OFFSET = 1e-4, -0.1
"""DN of floating-point reflectance, the convention of Sentinel-2 since baseline 04.00."""

GDAL_OPTIONS: dict[str, Any] = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_MAX_RETRY": "4",
    "GDAL_HTTP_RETRY_DELAY": "0.5",
    "GDAL_HTTP_RETRY_CODES": "429,500,502,503,504",
    "GDAL_HTTP_TIMEOUT": "60",
    "GDAL_HTTP_CONNECTTIMEOUT": "20",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_NUM_THREADS": "1",
    "VSI_CACHE": "TRUE",
    "VSI_CACHE_SIZE": "5000000",
}

_ALIGNED_PX = 1e-3
"""A lattice this close to the grid's, in pixels, is the grid's."""


def plain_href(href: str) -> str:
    """Return what may be said of `href`: a URL without its query, a file without its folders.

    A query may hold a signature; folders differ from machine to machine, and reasons end up in
    tables that must not.
    """
    plain = href.partition("?")[0]
    return plain if "://" in plain else "/".join(plain.split("/")[-2:])


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """How a file's numbers became the cube's DN."""

    kind: str
    """`dn` (as stored), `shifted` (DN + 1) or `float` (reflectance in 1e-4 steps)."""

    def rescale(self, scale: float, offset: float) -> tuple[float, float]:
        """Return the scale and offset of the cube's DN, given those of the file's numbers."""
        if self.kind == "shifted":
            return scale, offset - scale
        if self.kind == "float":
            return FLOAT_SCALE, FLOAT_OFFSET
        return scale, offset


def _driver(href: str) -> str:
    """Return the only driver allowed: a VRT from outside could name any file of this machine."""
    return "JP2OpenJPEG" if plain_href(href).lower().endswith(".jp2") else "GTiff"


def _is_remote(href: str) -> bool:
    """Whether bytes of the file come over the network; the system caches local ones itself."""
    return "://" in href or href.startswith("/vsi")


def encoding_of(dataset: Any, nodata: float | None) -> Encoding:
    """Return how the numbers of an open dataset become DN."""
    dtype = np.dtype(dataset.dtypes[0])
    if dtype.kind in {"f", "i"} or dtype.itemsize > 2:
        return Encoding(kind="float")
    declared = dataset.nodata if dataset.nodata is not None else nodata
    if dtype == np.uint8 and declared in {None, 0}:
        return Encoding(kind="shifted")
    return Encoding(kind="dn")


class RasterFiles:
    """Open files of one unit of work; close them with :meth:`close` or ``with``."""

    def __init__(self, *, most: int = 32) -> None:
        self._open: OrderedDict[str, Any] = OrderedDict()
        self._most = most
        self._lock = threading.RLock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __dask_tokenize__(self) -> tuple[str, int]:
        return ("eo.RasterFiles", id(self))

    def close(self) -> None:
        """Close every file."""
        with self._lock:
            for dataset in self._open.values():
                dataset.close()
            self._open.clear()

    def open(self, href: str) -> Any:
        """Return the rasterio dataset of `href`, opened once.

        Raises
        ------
        AssetError
            If it is absent, cut off, or not a raster.
        """
        with self._lock:
            dataset = self._open.get(href)
            if dataset is None:
                while len(self._open) >= self._most:
                    self._open.popitem(last=False)[1].close()
                dataset = self._opened(href)
                self._open[href] = dataset
            self._open.move_to_end(href)
            return dataset

    @staticmethod
    def _opened(href: str) -> Any:
        try:
            with rasterio.Env(**{**GDAL_OPTIONS, "VSI_CACHE": str(_is_remote(href)).upper()}):
                dataset = rasterio.open(href, driver=_driver(href))
        except (rasterio.errors.RasterioError, OSError) as error:
            why = _short(error, href)
            kind = NetworkError if may_pass(why, href) else AssetError
            raise kind(f"cannot open {plain_href(href)} as a raster: {why}") from None
        fault = size_fault(dataset)
        if fault is not None:
            dataset.close()
            raise AssetError(f"{plain_href(href)} is not read: {fault}")
        if dataset.crs is None:
            dataset.close()
            raise AssetError(
                f"{plain_href(href)} has no CRS: it is not georeferenced and cannot be placed"
            )
        return dataset

    def window(
        self,
        href: str,
        indexes: tuple[int, ...],
        grid: Grid,
        window: Window,
        *,
        nodata: float | None,
        nearest: bool = False,
    ) -> tuple[Any, bool]:
        """Return bands of a file on a window of the grid, and whether they were resampled.

        Parameters
        ----------
        indexes
            Bands of the file, counted from 1.
        nodata
            Value that means no pixel, where the file does not say.
        nearest
            Nearest neighbour instead of bilinear, for masks.

        Returns
        -------
        array (band, y, x) in the file's dtype, nodata as 0 (integers) or NaN (floats); bool.
        """
        dataset = self.open(href)
        try:
            with self._lock, rasterio.Env(**GDAL_OPTIONS):
                lattice = aligned_offset(dataset, grid, window)
                if lattice is not None:
                    return _copy(dataset, indexes, lattice, window, nodata), False
                return _warp(dataset, indexes, grid, window, nodata, nearest=nearest), True
        except (rasterio.errors.RasterioError, OSError) as error:
            why = _short(error, href)
            if may_pass(why, href):
                raise NetworkError(f"cannot read {plain_href(href)}: {why}") from None
            raise AssetError(
                f"cannot read {plain_href(href)}: {why}; the file may be cut off"
            ) from None


def _short(error: Exception, href: str) -> str:
    cause = error.__cause__ or error
    text = str(cause).replace(href, plain_href(href)).strip()
    text = text.replace(href.partition("?")[0], plain_href(href))
    return text.splitlines()[0][:300] if text else type(cause).__name__


def aligned_offset(dataset: Any, grid: Grid, window: Window) -> tuple[int, int] | None:
    """Return (row, col) of the window in the file where both share one lattice, else None."""
    t = dataset.transform
    if dataset.crs.to_epsg() != grid.epsg or t.b or t.d:
        return None
    size = grid.pixel_m
    if abs(t.a - size) > 1e-6 * size or abs(t.e + size) > 1e-6 * size:
        return None
    west, _, _, north = grid.bounds_m(window)
    col, row = (west - t.c) / size, (t.f - north) / size
    if abs(col - round(col)) > _ALIGNED_PX or abs(row - round(row)) > _ALIGNED_PX:
        return None
    return round(row), round(col)


def _copy(
    dataset: Any,
    indexes: tuple[int, ...],
    lattice: tuple[int, int],
    window: Window,
    nodata: float | None,
) -> Any:
    row, col = lattice
    dtype = np.dtype(dataset.dtypes[0])
    floating = dtype.kind == "f"
    missing = np.nan if floating else 0
    r0, r1 = max(row, 0), min(row + window.height, dataset.height)
    c0, c1 = max(col, 0), min(col + window.width, dataset.width)
    if r0 >= r1 or c0 >= c1:
        return np.full((len(indexes), window.height, window.width), missing, dtype)
    inside = rasterio.windows.Window(c0, r0, c1 - c0, r1 - r0)
    read = dataset.read(list(indexes), window=inside)
    value = dataset.nodata if dataset.nodata is not None else nodata
    if value is not None and value != 0 and not np.isnan(value):
        read[read == value] = missing
    elif value == 0 and floating:
        read[read == 0] = missing
    _apply_alpha(dataset, read, inside, missing)
    if read.shape[1:] == (window.height, window.width):
        return read
    out = np.full((len(indexes), window.height, window.width), missing, dtype)
    out[:, r0 - row : r1 - row, c0 - col : c1 - col] = read
    return out


def _apply_alpha(dataset: Any, read: Any, inside: Any, missing: float) -> None:
    if ColorInterp.alpha in dataset.colorinterp:
        alpha = dataset.colorinterp.index(ColorInterp.alpha) + 1
        read[:, dataset.read(alpha, window=inside) == 0] = missing


def _warp(
    dataset: Any,
    indexes: tuple[int, ...],
    grid: Grid,
    window: Window,
    nodata: float | None,
    *,
    nearest: bool,
) -> Any:
    dtype = np.dtype(dataset.dtypes[0])
    value = dataset.nodata if dataset.nodata is not None else nodata
    missing = np.nan if dtype.kind == "f" else 0
    options: dict[str, Any] = {}
    if value is not None:
        options = {"src_nodata": value, "nodata": missing}
    else:
        options = {"add_alpha": ColorInterp.alpha not in dataset.colorinterp}
    try:
        vrt = WarpedVRT(
            dataset,
            crs=grid.crs,
            transform=rasterio.Affine(*grid.transform(window)),
            width=window.width,
            height=window.height,
            resampling=Resampling.nearest if nearest else Resampling.bilinear,
            **options,
        )
    except rasterio.errors.CRSError as error:
        raise GridError(f"{dataset.name} cannot be warped to {grid.crs}: {error}") from None
    with vrt:
        read = vrt.read(list(indexes))
        if value is None:
            alpha = vrt.read(vrt.count) if vrt.colorinterp[-1] == ColorInterp.alpha else None
            if alpha is not None:
                read[:, alpha == 0] = missing
    return read
