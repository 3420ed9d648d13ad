"""Measure: the vessels of one scene's tile, and what their shadows say.

Everything here is a fact of one scene. What is learnt across looks comes later, over all parts.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from eo.core.config import ANCHORAGE
from eo.core.errors import SceneError
from eo.core.grid import (
    LONLAT,
    Grid,
    Window,
    grid_convergence_deg,
    map_transformer,
    project_geometry,
)
from eo.core.records import Berth, Chip, Freeboard, Scene, Sighting, Target, WaterCount
from eo.core.seams import NativePixels
from eo.core.sensors import sensor_of
from eo.core.xp import to_device, to_host
from eo.stages.berth_quays import with_quays
from eo.stages.chips import keep_pictures
from eo.stages.cube import area_pixels
from eo.stages.detect import DetectResult, find_targets
from eo.stages.empty_port import EmptyPort, Light
from eo.stages.freeboard import Measured, View, freeboard_bounds_m, measure_freeboards
from eo.stages.reference import Reference

__all__ = ["HALO_M", "TilePixels", "measure_tile"]

HALO_M = 400.0
"""Surroundings of a tile: half the longest ship and her shadow."""
_BERTH_SHARE = 0.3
"""Share of the hull that must lie in a berth's polygon, unless her centre does."""
_CLEAR = 1

_log = logging.getLogger("eo.measure")


@dataclass(frozen=True, kw_only=True, eq=False)
class TilePixels:
    """One scene on the halo window (host arrays)."""

    reflectance: NDArray[np.float32]
    """(band, y, x), NaN where there is no pixel."""
    bands: tuple[str, ...]
    """Bands of `reflectance`."""
    mask: NDArray[np.uint8]
    """(y, x)."""
    reference: Reference | None
    """The empty port on the same window and bands, if there is one."""
    reference_id: str | None
    """Its id."""


@dataclass(frozen=True, kw_only=True)
class _Angles:
    sun_elevation_deg: float | None
    sun_azimuth_grid_deg: float | None
    off_nadir_deg: float | None
    view_azimuth_grid_deg: float | None


def measure_tile(
    scene: Scene,
    tile: TilePixels,
    *,
    group: str,
    grid: Grid,
    window: Window,
    halo: Window,
    aoi: dict[str, Any],
    berths: tuple[Berth, ...],
    native: Callable[[tuple[float, float, float, float]], NativePixels],
    device: str,
) -> tuple[list[Sighting], list[WaterCount], dict[str, Any]]:
    """Find the vessels centred in a tile and measure them.

    Parameters
    ----------
    window, halo
        The tile's core, and the core with its surroundings, on which `tile` lies.
    native
        Returns the scene's own pixels that cover bounds in grid metres.

    Returns
    -------
    Sightings in a fixed order, water counts of each berth, and the pictures by key.
    """
    west, south, east, north = grid.bounds_m(halo)
    convergence = grid_convergence_deg(grid.epsg, (west + east) / 2, (south + north) / 2)
    angles = _angles(scene, convergence)
    result = find_targets(
        to_device(tile.reflectance, device),
        tile.bands,
        to_device(tile.mask, device),
        reference=_on_device(tile.reference, device),
        grid=grid,
        window=halo,
        sun_elevation_deg=angles.sun_elevation_deg,
        sun_azimuth_grid_deg=angles.sun_azimuth_grid_deg,
        off_nadir_deg=angles.off_nadir_deg,
        view_azimuth_grid_deg=angles.view_azimuth_grid_deg,
    )
    water = np.asarray(to_host(result.water), bool)
    places = _places(berths, aoi, grid)
    area = project_geometry(aoi, LONLAT, grid.crs)
    shapely.prepare(area)
    chosen = [
        (number, target)
        for number, target in enumerate(result.targets)
        if _centred(target, grid, window)
        and area.covers(shapely.Point(target.hull.x_m, target.hull.y_m))
    ]
    measured = _freeboards(
        scene, [target for _, target in chosen], result, tile, angles,
        grid=grid, halo=halo, water=water, native=native,
    )  # fmt: skip
    sightings: list[Sighting] = []
    pictures: dict[str, Any] = {}
    for (number, target), (pixels, found) in zip(chosen, measured, strict=True):
        freeboard, chip = keep_pictures(number, target, pixels, found, pictures)
        refined = replace(target, hull=found.hull or target.hull)
        sightings.append(
            _sighting(
                scene, refined, freeboard, chip, tile=tile, grid=grid, group=group, places=places,
                convergence=convergence,
            )
        )  # fmt: skip
    counts = water_counts(tile, water, grid=grid, window=window, halo=halo, aoi=aoi, berths=berths)
    counts = _with_quays(
        counts, scene, tile, sightings, result=result, angles=angles,
        grid=grid, halo=halo, places=places, water=water, native=native,
    )  # fmt: skip
    return sightings, counts, pictures


def _with_quays(
    counts: list[WaterCount],
    scene: Scene,
    tile: TilePixels,
    sightings: list[Sighting],
    *,
    result: DetectResult,
    angles: _Angles,
    **place: Any,
) -> list[WaterCount]:
    """Add what the jetties' own shadows say of the berths' heights; see `with_quays`."""
    if tile.reference is None or scene.sun_elevation_deg is None:
        return counts
    grid, halo = place.pop("grid"), place.pop("halo")
    return with_quays(
        counts,
        sightings,
        port=EmptyPort(
            reference=tile.reference, bands=tile.bands, grid=grid, window=halo, mask=tile.mask
        ),
        light=Light(
            sensor=sensor_of(scene.sensor),
            sun_elevation_deg=scene.sun_elevation_deg,
            level=scene.level,
        ),
        ships=tuple(target.hull for target in result.targets),
        sun_azimuth_deg=angles.sun_azimuth_grid_deg,
        off_nadir_deg=angles.off_nadir_deg,
        view_azimuth_deg=angles.view_azimuth_grid_deg,
        **place,
    )


def _on_device(reference: Reference | None, device: str) -> Reference | None:
    if reference is None:
        return None
    return Reference(
        median=to_device(reference.median, device),
        spread=to_device(reference.spread, device),
        water=to_device(reference.water, device),
        clear_looks=to_device(reference.clear_looks, device),
    )


def _angles(scene: Scene, convergence: float) -> _Angles:
    def grid_azimuth(true_deg: float | None) -> float | None:
        return None if true_deg is None else (true_deg - convergence) % 360

    return _Angles(
        sun_elevation_deg=scene.sun_elevation_deg,
        sun_azimuth_grid_deg=grid_azimuth(scene.sun_azimuth_deg),
        off_nadir_deg=scene.off_nadir_deg,
        view_azimuth_grid_deg=grid_azimuth(scene.view_azimuth_deg),
    )


def _centred(target: Target, grid: Grid, window: Window) -> bool:
    row, col = grid.to_pixel(target.hull.x_m, target.hull.y_m)
    return bool(
        window.row <= row < window.row + window.height
        and window.col <= col < window.col + window.width
    )


def _freeboards(
    scene: Scene,
    targets: Sequence[Target],
    result: DetectResult,
    tile: TilePixels,
    angles: _Angles,
    *,
    grid: Grid,
    halo: Window,
    water: NDArray[np.bool_],
    native: Callable[[tuple[float, float, float, float]], NativePixels],
) -> list[tuple[NativePixels | None, Measured]]:
    """Return pixels and measurement of each target; all of a scene are measured together."""
    found: list[NativePixels | None] = []
    for target in targets:
        try:
            found.append(native(freeboard_bounds_m(target.hull)))
        except SceneError as error:
            _log.warning("no native pixels for a vessel: %s", error, extra={"kind": error.kind})
            found.append(None)
    view = View(
        grid=grid,
        window=halo,
        water=water,
        mask=tile.mask,
        sensor=sensor_of(scene.sensor),
        sun_elevation_deg=angles.sun_elevation_deg,
        sun_azimuth_grid_deg=angles.sun_azimuth_grid_deg,
        off_nadir_deg=angles.off_nadir_deg,
        view_azimuth_grid_deg=angles.view_azimuth_grid_deg,
        level=scene.level,
        reference=tile.reference,
        reference_bands=tile.bands,
    )
    seen = [(n, t) for n, t in zip(found, targets, strict=True) if n is not None]
    hulls = tuple(target.hull for target in result.targets)
    measured = iter(measure_freeboards(seen, view, hulls=hulls))
    outside = Measured(freeboard=Freeboard(status="outside"))
    return [(n, outside if n is None else next(measured)) for n in found]


def _places(berths: tuple[Berth, ...], aoi: dict[str, Any], grid: Grid) -> list[tuple[str, Any]]:
    if not berths:
        return [(ANCHORAGE, project_geometry(aoi, LONLAT, grid.crs))]
    return [(b.name, project_geometry(b.geometry, LONLAT, grid.crs)) for b in berths]


def berth_of(target: Target, places: Sequence[tuple[str, Any]]) -> str | None:
    """Return the place in which most of a hull lies; None if she lies in none."""
    hull = shapely.Polygon(target.hull.outline)
    centre = shapely.Point(target.hull.x_m, target.hull.y_m)
    best: tuple[float, str] | None = None
    for name, shape in places:
        share = shape.intersection(hull).area / max(hull.area, 1e-6)
        if share < _BERTH_SHARE and not shape.covers(centre):
            continue
        if best is None or (share, name) > best:
            best = (share, name)
    return best[1] if best else None


def _sighting(
    scene: Scene,
    target: Target,
    freeboard: Freeboard,
    chip: Chip | None,
    *,
    tile: TilePixels,
    grid: Grid,
    group: str,
    places: Sequence[tuple[str, Any]],
    convergence: float,
) -> Sighting:
    hull = target.hull
    to_lonlat = map_transformer(grid.crs, LONLAT)
    lon, lat = to_lonlat.transform(hull.x_m, hull.y_m)
    outline = tuple(to_lonlat.transform(x, y) for x, y in hull.outline)
    seed = f"{scene.scene_id}|{group}|{hull.x_m:.0f}|{hull.y_m:.0f}"
    return Sighting(
        detection_id="d-" + hashlib.sha256(seed.encode()).hexdigest()[:16],
        scene_id=scene.scene_id,
        acquisition_id=scene.acquisition_id,
        datetime=scene.datetime,
        group=group,
        hull=hull,
        lon=lon,
        lat=lat,
        outline_lonlat=outline,
        heading_deg=(hull.heading_deg + convergence) % (360.0 if hull.bow_known else 180.0),
        berth=berth_of(target, places),
        confidence=target.confidence,
        vessel_class=target.vessel_class,
        tanker_p=target.tanker_p,
        clear_fraction=target.clear_fraction,
        reference_id=tile.reference_id,
        freeboard=freeboard,
        chip=chip,
    )


def water_counts(
    tile: TilePixels,
    water: NDArray[np.bool_],
    *,
    grid: Grid,
    window: Window,
    halo: Window,
    aoi: dict[str, Any],
    berths: tuple[Berth, ...],
) -> list[WaterCount]:
    """Count, for each berth (or the anchorage), the water and how much of it is seen clear.

    With a reference, water is known under cloud too; without, the hidden part is taken to hold
    as much water as the clear part does.
    """
    core = window.within(halo)
    mask, wet = tile.mask[core], water[core]
    clear, seen = mask == _CLEAR, mask != 0
    areas = [(b.name, b.geometry) for b in berths] or [(ANCHORAGE, aoi)]
    inside_aoi = area_pixels(aoi, grid, window)
    counts = []
    # The AOI as a whole comes first, under its own name, for the scene's clear_fraction.
    for name, geometry in (("", aoi), *areas):
        inside = inside_aoi if name == "" else area_pixels(geometry, grid, window) & inside_aoi
        clear_water = float((wet & clear & inside).sum())
        if tile.reference is not None:
            total = float((wet & inside).sum())
        else:
            share = clear_water / max(1.0, float((clear & inside).sum()))
            total = clear_water + share * float((inside & seen & ~clear).sum())
        counts.append(
            WaterCount(
                berth=name,
                water_px=max(total, clear_water),
                clear_px=clear_water,
                covered_px=float((seen & inside).sum()),
                area_px=float(inside.sum()),
            )
        )
    return counts
