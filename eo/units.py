"""The units of work: plain functions of one record, which leave one part each.

A unit knows nothing of Dask, threads or Kubernetes. It opens what it needs, works on one
device, writes its part and returns a few numbers; pixels never travel to the caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eo.access.parts import open_parts
from eo.access.readers import CogReader
from eo.access.signing import sign
from eo.core.errors import EoError, SceneError
from eo.core.grid import Window
from eo.core.logs import scene_logs
from eo.core.records import CubePart, Scene, Sighting, WaterCount, from_json, to_json
from eo.core.seams import NativePixels, PartStore
from eo.core.sensors import sensor_of
from eo.core.work import IngestItem, MeasureItem, ReferenceItem, TilePart
from eo.core.xp import resolve_device
from eo.stages.cube import (
    convergence_deg,
    ingest_tile,
    reflectance_of,
    with_part_radiometry,
)
from eo.stages.measure import TilePixels, measure_tile
from eo.stages.reference import LookArrays, Reference, port_reference
from eo.stages.veil import mask_by_port

__all__ = ["ALGORITHMS", "cube_part", "ingest", "measure", "reference"]

ALGORITHMS = {"ingest": 3, "reference": 5, "measure": 14}
"""Raised whenever a phase's results change; part of every fingerprint of that phase."""


def ingest(item: IngestItem) -> str:
    """Read, grid and mask one scene's tile; return the part's fingerprint."""
    parts = open_parts(item.output)
    if parts.exists("ingest", item.fingerprint):
        return item.fingerprint
    with scene_logs(item.scene.scene_id), CogReader(sign=_sign) as reader:
        part, arrays = ingest_tile(
            item.scene,
            group=item.group,
            grid=item.grid,
            window=item.window,
            aoi=item.aoi,
            reader=reader,
            device=resolve_device(item.device),
        )
    parts.write("ingest", item.fingerprint, {"part": to_json(CubePart, part)}, arrays)
    return item.fingerprint


def _sign(href: str, service: str | None) -> str:
    return sign(href, service) if service else href


def reference(item: ReferenceItem) -> str:
    """Learn the empty port of one tile; return the part's fingerprint."""
    parts = open_parts(item.output)
    if parts.exists("reference", item.fingerprint):
        return item.fingerprint
    records = [cube_part(parts, look) for look in item.looks]
    bands = _common_bands(records)
    looks = [
        _Selected(parts, look, record, bands).arrays()
        for look, record in zip(item.looks, records, strict=True)
    ]
    port = port_reference(looks, item.grid.pixel_m, bands)
    parts.write(
        "reference",
        item.fingerprint,
        {"bands": list(bands), "looks": list(item.looks)},
        {
            "median": port.median,
            "spread": port.spread,
            "water": port.water,
            "clear_looks": port.clear_looks,
            "bare": port.bare,
            "bare_water": port.bare_water,
        },
    )
    return item.fingerprint


def cube_part(parts: PartStore, fingerprint: str) -> CubePart:
    """Return the record of an ingest part."""
    part: CubePart = from_json(CubePart, parts.records("ingest", fingerprint)["part"])
    return part


def _present(part: CubePart) -> tuple[str, ...]:
    return tuple(n for n, gain in zip(part.bands, part.scale, strict=True) if gain > 0)


def _common_bands(records: Sequence[CubePart]) -> tuple[str, ...]:
    """Bands that every look has: a reference is of one set of bands."""
    common = [n for n in records[0].bands if all(n in _present(r) for r in records)]
    if not common:
        raise SceneError(f"the looks of {records[0].group} have no band in common")
    return tuple(common)


class _Selected:
    """An ingest part's DN with some of its bands, sliced lazily."""

    def __init__(
        self, parts: PartStore, fingerprint: str, record: CubePart, bands: tuple[str, ...]
    ) -> None:
        self._dn = parts.array("ingest", fingerprint, "dn")
        self._mask = parts.array("ingest", fingerprint, "mask")
        self._record = record
        self._index = [record.bands.index(name) for name in bands]
        self.shape = (len(bands), *self._dn.shape[1:])

    def __getitem__(self, key: Any) -> Any:
        _, rows = key
        return self._dn[:, rows][self._index]

    def arrays(self) -> LookArrays:
        """Return the look that `port_reference` takes."""
        return LookArrays(
            dn=self,
            mask=self._mask,
            scale=tuple(self._record.scale[k] for k in self._index),
            offset=tuple(self._record.offset[k] for k in self._index),
        )


def measure(item: MeasureItem) -> str:
    """Find and measure the vessels of one scene's tile; return the part's fingerprint."""
    parts = open_parts(item.output)
    if parts.exists("measure", item.fingerprint):
        return item.fingerprint
    tile, part = _assemble(parts, item)
    scene = with_part_radiometry(item.scene, part)
    with scene_logs(scene.scene_id), CogReader(sign=_sign) as reader:

        def native(bounds_m: tuple[float, float, float, float]) -> NativePixels:
            if part.resampled:
                return reader.native_pixels(scene, item.grid, bounds_m)
            return _native_from_grid(tile, scene, item, bounds_m)

        sightings, counts, pictures = measure_tile(
            scene,
            tile,
            group=item.group,
            grid=item.grid,
            window=item.window,
            halo=item.halo,
            aoi=item.aoi,
            berths=item.berths,
            native=native,
            device=resolve_device(item.device),
        )
    parts.write(
        "measure",
        item.fingerprint,
        {
            "sightings": to_json(list[Sighting], sightings),
            "counts": to_json(list[WaterCount], counts),
        },
        pictures,
    )
    return item.fingerprint


def _assemble(parts: PartStore, item: MeasureItem) -> tuple[TilePixels, CubePart]:
    """Put the halo together from the tiles that touch it."""
    records = [cube_part(parts, t.fingerprint) for t in item.pixels]
    bands = _common_bands(records)
    if item.references:
        known = parts.records("reference", item.references[0].fingerprint)["bands"]
        bands = tuple(n for n in bands if n in known)
    if not bands:
        raise EoError(f"scene {item.scene.scene_id} shares no band with its reference")
    halo = item.halo
    pixels = np.full((len(bands), halo.height, halo.width), np.nan, np.float32)
    mask = np.zeros((halo.height, halo.width), np.uint8)
    for tile, record in zip(item.pixels, records, strict=True):
        common, source, target = _overlap(tile, halo)
        if common is None:
            continue
        index = [record.bands.index(n) for n in bands]
        dn = parts.array("ingest", tile.fingerprint, "dn")[:, source[0], source[1]][index]
        pixels[:, target[0], target[1]] = reflectance_of(
            dn, tuple(record.scale[k] for k in index), tuple(record.offset[k] for k in index)
        )
        mask[target] = parts.array("ingest", tile.fingerprint, "mask")[source]
    port = _reference(parts, item.references, bands, halo)
    if port is not None:
        azimuth = item.scene.sun_azimuth_deg
        mask = mask_by_port(
            mask,
            pixels,
            bands,
            port=port,
            pixel_m=item.grid.pixel_m,
            sun_azimuth_grid_deg=None
            if azimuth is None
            else azimuth - convergence_deg(item.grid, halo),
            sun_elevation_deg=item.scene.sun_elevation_deg,
        )
    tile_pixels = TilePixels(
        reflectance=pixels,
        bands=bands,
        mask=mask,
        reference=port,
        reference_id=item.reference_id,
    )
    return tile_pixels, records[0]


def _overlap(
    tile: TilePart, halo: Window
) -> tuple[Window | None, tuple[slice, slice], tuple[slice, slice]]:
    common = tile.window.intersection(halo)
    nothing = (slice(0, 0), slice(0, 0))
    if common is None:
        return None, nothing, nothing
    return common, common.within(tile.window), common.within(halo)


def _reference(
    parts: PartStore, tiles: tuple[TilePart, ...], bands: tuple[str, ...], halo: Window
) -> Reference | None:
    if not tiles:
        return None
    shape = (halo.height, halo.width)
    median = np.full((len(bands), *shape), np.nan, np.float32)
    spread, bare = np.full_like(median, np.nan), np.full_like(median, np.nan)
    water = np.full(shape, np.nan, np.float32)
    bare_water = water.copy()
    looks: NDArray[np.uint16] = np.zeros(shape, np.uint16)
    for tile in tiles:
        common, source, target = _overlap(tile, halo)
        if common is None:
            continue
        known = parts.records("reference", tile.fingerprint)["bands"]
        index = [known.index(n) for n in bands]
        for out, key in ((median, "median"), (spread, "spread"), (bare, "bare")):
            array = parts.array("reference", tile.fingerprint, key)
            out[:, target[0], target[1]] = array[:, source[0], source[1]][index]
        water[target] = parts.array("reference", tile.fingerprint, "water")[source]
        bare_water[target] = parts.array("reference", tile.fingerprint, "bare_water")[source]
        looks[target] = parts.array("reference", tile.fingerprint, "clear_looks")[source]
    return Reference(
        median=median,
        spread=spread,
        water=water,
        clear_looks=looks,
        bare=bare,
        bare_water=bare_water,
    )


def _native_from_grid(
    tile: TilePixels,
    scene: Scene,
    item: MeasureItem,
    bounds_m: tuple[float, float, float, float],
) -> NativePixels:
    """Return native pixels of a scene whose lattice is the grid's: they are here already."""
    names = [n for n in sensor_of(scene.sensor).native_bands if n in tile.bands]
    if not names:
        raise SceneError(f"scene {scene.scene_id} has no band at full pixel size")
    west, south, east, north = bounds_m
    rows, cols = item.grid.to_pixel([west, east], [north, south], item.halo)
    row0, row1 = int(np.floor(rows[0])), int(np.ceil(rows[1]))
    col0, col1 = int(np.floor(cols[0])), int(np.ceil(cols[1]))
    window = Window(row=row0, col=col0, height=row1 - row0, width=col1 - col0)
    inside = window.intersection(
        Window(row=0, col=0, height=item.halo.height, width=item.halo.width)
    )
    out = np.full((len(names), window.height, window.width), np.nan, np.float32)
    if inside is not None:
        source, target = inside.slices, inside.within(window)
        index = [tile.bands.index(n) for n in names]
        out[:, target[0], target[1]] = tile.reflectance[index][:, source[0], source[1]]
    size = item.grid.pixel_m
    _, _, x0, _, _, y0 = item.grid.transform(item.halo)
    gain = max(band.scale for band in scene.bands if band.name in names)
    top = max(band.scale * 65535 + band.offset for band in scene.bands if band.name in names)
    return NativePixels(
        bands=tuple(names),
        reflectance=out,
        saturated=np.asarray((out >= top - gain / 2).any(axis=0)),
        map_to_pixel=(1 / size, 0.0, -x0 / size - col0, 0.0, -1 / size, y0 / size - row0),
    )
