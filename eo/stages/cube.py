"""Ingest: one scene's tile, read onto the grid and masked.

The radiometry is decided here: the item's own scale and offset are held against the floor of
the data, and where they disagree the data win and a note says so. Everything later works on
``dn`` with the part's scale and offset.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import shapely

from eo.access.radiometry import check_floor
from eo.core.errors import BandError
from eo.core.grid import LONLAT, Grid, Window, grid_convergence_deg, project_geometry
from eo.core.records import CubePart, Scene
from eo.core.seams import GridPixels, Reader
from eo.core.sensors import sensor_of
from eo.core.xp import to_device, to_host
from eo.stages.mask import mask_scene

__all__ = [
    "area_pixels",
    "convergence_deg",
    "ingest_tile",
    "reflectance_of",
    "with_part_radiometry",
]

MASK_HALO_M = 1000.0
"""How far beyond its edges a tile is masked: so far a cloud's other half, or the cloud that throws
a shade, is seen. An area of one tile has no such edge, and nothing more is read for it."""

_FLOOR_PERCENTILE = 0.5
_FLOOR_PIXELS = 1000
"""Fewer pixels than this show no floor."""
_INFRARED = ("nir", "swir16")
"""Bands in which water is nearly black, whatever the air does."""


def area_pixels(geometry: dict[str, Any], grid: Grid, window: Window) -> Any:
    """Return bool (y, x): pixels of the window whose centre lies in a lon/lat geometry."""
    # Not rasterio's rasterizer: it silences a warning for the whole process while it works, and
    # threads then disturb each other's filters.
    shape = project_geometry(geometry, LONLAT, grid.crs)
    shapely.prepare(shape)
    xs, ys = grid.centres(window)
    return np.asarray(shapely.contains_xy(shape, *np.meshgrid(xs, ys)), bool)


def reflectance_of(dn: Any, scale: tuple[float, ...], offset: tuple[float, ...]) -> Any:
    """Return float32 reflectance (band, y, x) of DN, NaN where there is no pixel."""
    out = dn.astype(np.float32)
    for k, (gain, bias) in enumerate(zip(scale, offset, strict=True)):
        plane = out[k]
        missing = plane == 0
        plane *= np.float32(gain)
        plane += np.float32(bias)
        plane[missing] = np.nan
    return out


def ingest_tile(
    scene: Scene,
    *,
    group: str,
    grid: Grid,
    window: Window,
    aoi: dict[str, Any],
    reader: Reader,
    device: str,
) -> tuple[CubePart, dict[str, Any]]:
    """Read one scene's tile, bring it to the grid, decide its radiometry and mask it.

    Returns
    -------
    The part's record, and its arrays ``dn`` uint16 (band, y, x) and ``mask`` uint8 (y, x).

    Raises
    ------
    BandError
        If the scene lacks a band that is needed.
    AssetError
        If a file is absent, cut off or no raster.
    """
    sensor = sensor_of(scene.sensor)
    lacking = [n for n in sensor.required_bands if n not in {b.name for b in scene.bands}]
    if lacking:
        raise BandError(
            f"scene {scene.scene_id} lacks the band {', '.join(lacking)}; it has "
            f"{', '.join(b.name for b in scene.bands) or 'none that is known'}"
        )
    halo = grid.halo(window, round(MASK_HALO_M / grid.pixel_m))
    pixels = reader.grid_pixels(scene, sensor.cube_bands, grid, halo)
    offset, correction, notes = _checked_offset(scene, sensor.cube_bands, pixels)
    kept = [k for k, name in enumerate(sensor.cube_bands) if name not in pixels.absent]
    bands = tuple(sensor.cube_bands[k] for k in kept)
    scale = tuple(pixels.scale[k] for k in kept)
    kept_offset = tuple(offset[k] for k in kept)
    convergence = convergence_deg(grid, window)
    served = reader.grid_mask(scene, grid, halo)
    result = mask_scene(
        reflectance_of(to_device(pixels.dn[kept], device), scale, kept_offset),
        bands,
        served=None
        if served is None or scene.mask is None
        else (scene.mask.kind, to_device(served, device)),
        level=scene.level,
        gsd_m=grid.pixel_m,
        sun_elevation_deg=scene.sun_elevation_deg,
        sun_azimuth_grid_deg=None
        if scene.sun_azimuth_deg is None
        else scene.sun_azimuth_deg - convergence,
    )
    rows, cols = window.within(halo)
    mask = to_host(result.mask)[rows, cols]
    inside = area_pixels(aoi, grid, window)
    area = max(1, int(inside.sum()))
    if pixels.absent:
        notes = (*notes, f"without {', '.join(pixels.absent)}")
    part = CubePart(
        scene_id=scene.scene_id,
        group=group,
        window=window,
        bands=sensor.cube_bands,
        scale=pixels.scale,
        offset=offset,
        offset_correction=correction,
        valid_fraction=float((mask[inside] != 0).sum() / area),
        clear_fraction=float((mask[inside] == 1).sum() / area),
        resampled=pixels.resampled,
        mask_methods=result.methods,
        notes=notes,
    )
    return part, {"dn": pixels.dn[:, rows, cols], "mask": mask}


def convergence_deg(grid: Grid, window: Window) -> float:
    """Return the angle to add to a grid bearing for a bearing from true north, mid-window [deg]."""
    west, south, east, north = grid.bounds_m(window)
    return grid_convergence_deg(grid.epsg, (west + east) / 2, (south + north) / 2)


def _checked_offset(
    scene: Scene, bands: tuple[str, ...], pixels: GridPixels
) -> tuple[tuple[float, ...], float, tuple[str, ...]]:
    """Hold the declared offset against the darkest pixels, of the infrared where there is one."""
    there = [k for k, gain in enumerate(pixels.scale) if gain > 0]
    if not there or scene.sensor != "sentinel-2":
        return pixels.offset, 0.0, ()
    infrared = [k for k in there if bands[k] in _INFRARED]
    band = infrared[-1] if infrared else there[0]
    seen = pixels.dn[band][pixels.dn[band] > 0]
    if seen.size < _FLOOR_PIXELS:
        return pixels.offset, 0.0, ()
    floor = float(np.percentile(seen, _FLOOR_PERCENTILE))
    mended, note = check_floor(
        floor, pixels.offset[band], pixels.scale[band], infrared=bool(infrared)
    )
    correction = mended - pixels.offset[band]
    offset = tuple(
        value + correction if gain > 0 else value
        for value, gain in zip(pixels.offset, pixels.scale, strict=True)
    )
    return offset, correction, (note,) if note else ()


def with_part_radiometry(scene: Scene, part: CubePart) -> Scene:
    """Return the scene with the offsets that its part decided on, for native pixels."""
    if not part.offset_correction:
        return scene
    bands = tuple(
        dataclasses.replace(band, offset=band.offset + part.offset_correction)
        for band in scene.bands
    )
    return dataclasses.replace(scene, bands=bands)
