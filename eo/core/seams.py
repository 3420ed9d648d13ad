"""The seams: what stages ask of catalogs, readers, stores and engines.

Stages receive these as arguments; `eo.access` and `eo.engine` implement them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from eo.core.grid import Grid, Window
from eo.core.records import Scene

__all__ = [
    "Catalog",
    "Engine",
    "GridPixels",
    "NativePixels",
    "Needs",
    "Outcome",
    "PartStore",
    "Reader",
]


@dataclass(frozen=True, kw_only=True, eq=False)
class NativePixels:
    """A window of a scene in its own pixels and CRS (host arrays)."""

    bands: tuple[str, ...]
    """Bands of `reflectance`, in order; all on one pixel grid."""
    reflectance: Any
    """float32 (band, y, x); NaN where there is no pixel."""
    saturated: Any
    """bool (y, x): at least one band at the top of its range."""
    map_to_pixel: tuple[float, float, float, float, float, float]
    """Affine from grid-CRS metres to pixels: col = a x + b y + c, row = d x + e y + f, with pixel
    centres at half integers; linearised at the window's centre, exact to a hundredth of a pixel."""


@dataclass(frozen=True, kw_only=True, eq=False)
class GridPixels:
    """A scene's bands on a window of the cube's grid (host arrays)."""

    dn: Any
    """uint16 (band, y, x); 0: no data."""
    scale: tuple[float, ...]
    """Per band: reflectance = dn * scale + offset."""
    offset: tuple[float, ...]
    """Per band, see scale."""
    resampled: bool
    """Whether the full-resolution bands had to be warped."""
    absent: tuple[str, ...]
    """Bands asked for that the scene does not have."""


class Catalog(Protocol):
    """A place to search for STAC items."""

    def search(
        self,
        *,
        geometry: dict[str, Any],
        start: dt.datetime,
        end: dt.datetime,
        collections: tuple[str, ...] | None,
    ) -> Iterator[dict[str, Any]]:
        """Yield items as dicts with absolute hrefs, over `geometry`, from `start` to `end`."""
        ...


class Reader(Protocol):
    """Brings a scene's pixels into memory."""

    def grid_pixels(
        self, scene: Scene, bands: tuple[str, ...], grid: Grid, window: Window
    ) -> GridPixels:
        """Return the scene's DN on the grid's window; a band that it lacks is all 0."""
        ...

    def grid_mask(self, scene: Scene, grid: Grid, window: Window) -> Any | None:
        """Return the served mask's raw values on the grid's window; None where there is none.

        Nearest neighbour; (y, x), or (8, y, x) for UDM2.
        """
        ...

    def native_pixels(
        self, scene: Scene, grid: Grid, bounds_m: tuple[float, float, float, float]
    ) -> NativePixels:
        """Return the scene's own pixels that cover `bounds_m` (west, south, east, north)."""
        ...


class PartStore(Protocol):
    """The ledger: a part that exists is done."""

    def exists(self, phase: str, fingerprint: str) -> bool:
        """Whether the part is there, whole."""
        ...

    def write(
        self, phase: str, fingerprint: str, records: dict[str, Any], arrays: dict[str, Any]
    ) -> None:
        """Write a part under a temporary name, then publish it in one step."""
        ...

    def records(self, phase: str, fingerprint: str) -> dict[str, Any]:
        """Return the part's records (JSON)."""
        ...

    def array(self, phase: str, fingerprint: str, key: str) -> Any:
        """Return one array of the part, opened lazily: slice it to read."""
        ...


Item = TypeVar("Item")
Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class Outcome(Generic[Item, Value]):
    """What became of one item."""

    item: Item
    """The item, as given."""
    value: Value | None = None
    """The unit's result."""
    error: Exception | None = field(default=None, compare=False)
    """The unit's failure; one of value and error is None."""
    attempts: int = field(default=1, compare=False)
    """How often it was tried."""


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What units will ask of a worker, told before the first one is submitted."""

    device: str = "auto"
    """auto, cpu or gpu."""
    output: str | None = None
    """Run folder, which every worker must see and write to."""
    host_bytes: int = 0
    """Projected memory of the largest unit."""
    gpu_bytes: int = 0
    """Projected GPU memory of the largest unit, where it runs on one."""


class Engine(Protocol):
    """Runs units; the only thing that differs between a laptop and a cluster."""

    name: str

    def check(self, needs: Needs) -> None:
        """Refuse what the workers cannot do, before anything is submitted.

        Raises
        ------
        EngineError
            If no worker can: no GPU, other versions, no view of the output, too little memory.
        """
        ...

    def map(
        self,
        unit: Callable[[Item], Value],
        items: Iterable[Item],
        *,
        in_flight: int | None = None,
    ) -> Iterator[Outcome[Item, Value]]:
        """Yield an outcome for every item, as they come, at most `in_flight` under way."""
        ...

    def close(self) -> None:
        """Release workers."""
        ...
