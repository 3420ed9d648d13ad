"""stackstac behind one function: a scene's bands on one window of the grid.

What is mended here (stackstac 0.5.1): it reads only `proj:epsg`, so that pystac's `proj:code`
items fail, and a CRS given by hand makes it ignore shape and transform; it takes one band per
asset; its default reader warps what could be copied. So each band becomes a virtual asset whose
box is the window itself, and :class:`WindowReader` reads the real file: windows are copied where
the lattices agree, a multi-band file is opened and read once. Radiometry is not stackstac's.
"""

from __future__ import annotations

import functools
from typing import Any
from urllib.parse import quote, unquote

import dask.core
import dask.local
import numpy as np

from eo.access.rasters import RasterFiles
from eo.core.grid import Grid, Window

__all__ = ["Source", "stack_window"]


class Source:
    """Bands of one file, read together on first use."""

    def __init__(
        self,
        files: RasterFiles,
        href: str,
        indexes: tuple[int, ...],
        *,
        grid: Grid,
        window: Window,
        nodata: float | None,
    ) -> None:
        self.files, self.href, self.indexes = files, href, indexes
        self.grid, self.window, self.nodata = grid, window, nodata
        self.resampled = False
        self._pixels: Any = None

    def band(self, index: int) -> Any:
        """Return one band on the window; the last to be asked for frees the memory."""
        if self._pixels is None:
            pixels, self.resampled = self.files.window(
                self.href, self.indexes, self.grid, self.window, nodata=self.nodata
            )
            self._pixels = dict(zip(self.indexes, pixels, strict=True))
        return self._pixels.pop(index)


class WindowReader:
    """stackstac's Reader protocol over :class:`Source`."""

    def __init__(self, sources: dict[str, Source], *, url: str, dtype: Any, **_: Any) -> None:
        href, _hash, index = url.rpartition("#")
        self._source, self._index, self._dtype = sources[unquote(href)], int(index), dtype

    def read(self, _window: Any, **_: Any) -> Any:
        """Return the band; stackstac asks for exactly the window that was stacked."""
        return self._source.band(self._index).astype(self._dtype, copy=False)

    def close(self) -> None:
        """Leave the file open: its owner closes it."""


def stack_window(
    sources: dict[str, Source],
    bands: tuple[tuple[str, str, int], ...],
    grid: Grid,
    window: Window,
    *,
    dtype: Any,
) -> Any:
    """Return an array (band, y, x) of `bands`, each (name, href, index), on the grid's window.

    Computed with the synchronous scheduler: inside a Dask task the default scheduler is the
    cluster's own, and a nested compute would resubmit itself.
    """
    west, south, east, north = grid.bounds_m(window)
    item = {
        "id": "window",
        "type": "Feature",
        "bbox": [0, 0, 1, 1],
        "properties": {"datetime": "2000-01-01T00:00:00Z"},
        "assets": {
            name: {
                "href": f"{quote(href, safe='')}#{index}",
                "proj:epsg": grid.epsg,
                "proj:bbox": [west, south, east, north],
            }
            for name, href, index in bands
        },
    }
    reader: Any = functools.partial(WindowReader, sources)
    fill: Any = np.dtype(dtype).type(np.nan if np.dtype(dtype).kind == "f" else 0)
    import stackstac  # half a second, which a run that reads nothing need not spend

    stacked = stackstac.stack(
        [item],
        assets=[name for name, _, _ in bands],
        epsg=grid.epsg,
        resolution=grid.pixel_m,
        bounds=(west, south, east, north),
        snap_bounds=False,
        dtype=np.dtype(dtype),
        fill_value=fill,
        rescale=False,
        chunksize=(1, len(bands), window.height, window.width),
        xy_coords="center",
        properties=False,
        band_coords=False,
        errors_as_nodata=(),
        reader=reader,
    )
    # There is one chunk: taken as it is, without the copy that `compute` would make of it.
    (key,) = dask.core.flatten(stacked.data.__dask_keys__())
    chunk = dask.local.get_sync(stacked.data.__dask_graph__(), key)[0]
    return chunk if chunk.flags.writeable else np.array(chunk)
