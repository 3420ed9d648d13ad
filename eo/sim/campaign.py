"""A whole campaign: every scene rendered, every file written, the truth set down last.

Scenes are rendered in processes of their own; each draws all it needs from the options and its
own name, so that neither order nor number of workers shows in the result.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from rasterio.features import rasterize
from rasterio.transform import Affine

from eo.core.errors import OutputError
from eo.sim.clouds import CLOUD_REFLECTANCE, Cloud, cloud_field
from eo.sim.fleet import BARRELS_PER_TONNE
from eo.sim.looks import LookPlan, convergence_deg
from eo.sim.masks import scene_classes, usable_data
from eo.sim.optics import WAVELENGTH_NM
from eo.sim.options import SimOptions, stream
from eo.sim.port import vehicles
from eo.sim.render import Surface, render
from eo.sim.scatter import scattered
from eo.sim.solids import lowered
from eo.sim.stac import write_campaign, write_catalog, write_json, write_scene
from eo.sim.traffic import Afloat, afloat_in_look
from eo.sim.water import make_surface
from eo.sim.world import World, build_world

__all__ = ["look_surface", "look_traffic", "render_look", "simulate"]

log = logging.getLogger(__name__)

Array = Any
Progress = Callable[[int, int], None]

VERSION = 4
"""Raised whenever the same options give other pixels."""


def simulate(
    out: Path | str,
    options: SimOptions | None = None,
    *,
    workers: int = 2,
    progress: Progress | None = None,
) -> Path:
    """Render a campaign of known truth into a folder.

    Parameters
    ----------
    out
        The folder. Holding the same campaign already, it is left as it is.
    options
        What to render; None: forty days of Vostochny.
    workers
        Processes; 1 renders in this one.
    progress
        Called with (scenes done, scenes in all).

    Returns
    -------
    pathlib.Path
        The folder, with campaign.yaml, fleet.csv, berths.geojson, catalog.json, a folder per
        scene (COGs and item) and truth.json.

    Raises
    ------
    OutputError
        If the folder holds something else, or cannot be written.
    """
    options = options or SimOptions()
    out = Path(out)
    told = {"version": VERSION, **dataclasses.asdict(options)}
    if _holds(out, json.loads(json.dumps(told))):
        return out
    try:
        out.mkdir(parents=True, exist_ok=True)
        world = build_world(options)
        write_campaign(out, options, world, world.schedule.ships)
    except OSError as error:
        raise OutputError(f"cannot write the simulated campaign to {out}: {error}") from error
    rows: dict[str, dict[str, Any]] = {}
    for scene_id, scene in _scenes(out, options, len(world.looks), workers):
        rows[scene_id] = scene
        if progress is not None:
            progress(len(rows), len(world.looks))
    ordered = [rows[plan.scene_id] for plan in world.looks]
    write_catalog(out, options, [plan.scene_id for plan in world.looks])
    write_json(out / "truth.json", {"options": told, **_truth(world, ordered)})
    return out


def _holds(out: Path, told: dict[str, Any]) -> bool:
    """Whether the folder holds this very campaign; refuse one that holds anything else."""
    if not out.exists():
        return False
    if not out.is_dir():
        raise OutputError(f"{out} is a file; name a folder for the simulated campaign")
    truth = out / "truth.json"
    if truth.is_file():
        found = json.loads(truth.read_text(encoding="utf-8")).get("options")
        if found == told:
            return True
        raise OutputError(
            f"{out} holds a simulated campaign with other options; name another folder"
        )
    # An interrupted simulation is finished; anything else is left alone.
    if any(out.iterdir()) and not (out / "campaign.yaml").is_file():
        raise OutputError(f"{out} holds other files; name a new folder for the simulation")
    return False


def _scenes(
    out: Path, options: SimOptions, count: int, workers: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    left = set(range(count))
    if workers > 1 and count > 1:
        # Spawned, not forked: GDAL and BLAS threads do not survive a fork.
        context = multiprocessing.get_context("spawn")
        with (
            _one_thread_each(),
            ProcessPoolExecutor(min(workers, count), mp_context=context) as pool,
        ):
            jobs = {pool.submit(_one, out, options, index): index for index in range(count)}
            try:
                for job in as_completed(jobs):
                    yield job.result()
                    left.discard(jobs[job])
            except BrokenProcessPool:
                # A script without a __main__ guard, or one read from stdin, cannot be spawned.
                log.warning("worker processes could not run; rendering %d scenes here", len(left))
    for index in sorted(left):
        yield _one(out, options, index)


@contextlib.contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let processes spawned within use one BLAS thread each, unless the user says otherwise."""
    names = [name for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS") if name not in os.environ]
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name in names:
            os.environ.pop(name, None)


def _one(out: Path, options: SimOptions, index: int) -> tuple[str, dict[str, Any]]:
    world = build_world(options)
    plan = world.looks[index]
    dn, mask, truth = render_look(world, plan)
    write_scene(out / plan.scene_id, world, plan, dn, mask, cover=truth["cloud_cover"])
    return plan.scene_id, truth


def render_look(world: World, plan: LookPlan) -> tuple[Array, Array, dict[str, Any]]:
    """Render one scene.

    Returns
    -------
    tuple
        DN (band, y, x) uint16; the served mask; the scene's part of the truth.
    """
    options = world.options
    afloat = look_traffic(world, plan)
    surface = look_surface(world, plan, afloat)
    solids = [*world.port.prisms]
    if options.nuisances.clutter:
        ashore = stream(options, "ashore", plan.scene_id)
        solids += vehicles(world.port, ashore, options.extent_m)
    # Heights are over the water of the moment, at which the picture is orthorectified.
    solids = lowered(solids, plan.tide_m)
    solids += [part for ship in afloat for part in ship.parts]
    lit = render(solids, surface, plan.light, options.extent_m, inland=world.port.inland)
    if options.nuisances.adjacency:
        lit = scattered(lit, plan.light)
    rng = stream(options, "sky", plan.scene_id)
    cloud = cloud_field(rng, plan.cloud_cover, options.extent_m)
    image, alpha, shade = _under_cloud(lit, cloud, plan, options.extent_m)
    valid = _valid(plan, image.shape[1:], options.extent_m)
    dn = _digitise(image, plan, valid, rng)
    fields = {"alpha": alpha, "shade": shade, "valid": valid}
    fields["land"] = _land(world, plan)
    fields["bright"] = _bright(world, plan, afloat, rng)
    served = scene_classes if plan.sensor == "sentinel-2" else usable_data
    mask = served(fields, rng, faults=options.nuisances.mask_faults)
    return dn, mask, _scene_truth(world, plan, afloat, fields)


def look_traffic(world: World, plan: LookPlan) -> list[Afloat]:
    """Return everything afloat in a look."""
    wind = plan.weather.wind_from_deg
    return afloat_in_look(world.options, world.port, world.schedule, plan.when, wind)


def look_surface(world: World, plan: LookPlan, afloat: list[Afloat]) -> Surface:
    """Return water and ground of a look."""
    full = tuple(WAVELENGTH_NM)
    return make_surface(
        world.options,
        world.port,
        afloat,
        plan.weather,
        textures=world.textures,
        bands=tuple(full.index(band) for band in plan.light.bands),
        seed=int(stream(world.options, "ripples", plan.scene_id).integers(2**31)),
    )


def _axes(extent_m: float, pixel_m: float) -> tuple[Array, Array]:
    side = round(extent_m / pixel_m)
    x = -extent_m / 2 + (np.arange(side) + 0.5) * pixel_m
    return x, -x[:, None]


def _under_cloud(
    lit: Array, cloud: Cloud | None, plan: LookPlan, extent_m: float
) -> tuple[Array, Array, Array]:
    """Reflectance with clouds above; their opacity; the share of sunlight that they take."""
    light = plan.light
    zero = np.zeros(lit.shape[2:], dtype=np.float32)
    if cloud is None:
        return lit.sum(axis=0), zero, zero
    x, y = _axes(extent_m, light.pixel_m)
    seen = cloud.depth_at(x, y, light.to_sensor)
    above = cloud.depth_at(x, y, light.to_sun)
    alpha = 1 - np.exp(-0.55 * seen)
    # Even under thick cloud some light comes through and from the sides.
    shade = 0.88 * (1 - np.exp(-0.75 * above / np.sin(np.radians(light.sun_elevation_deg))))
    ground = lit[0] * (1 - 0.15 * shade) + lit[1] * (1 - shade)
    bright = np.array([CLOUD_REFLECTANCE[band] for band in light.bands], dtype=np.float32)
    image = ground * (1 - alpha) + bright[:, None, None] * alpha
    return image.astype(np.float32), alpha, shade


def _valid(plan: LookPlan, shape: tuple[int, int], extent_m: float) -> Array:
    if plan.edge is None:
        return np.ones(shape, dtype=bool)
    bearing, offset = plan.edge
    angle = np.radians(bearing)
    x, y = _axes(extent_m, plan.light.pixel_m)
    return np.asarray(x * np.sin(angle) + y * np.cos(angle) < offset)


def _digitise(image: Array, plan: LookPlan, valid: Array, rng: np.random.Generator) -> Array:
    left = np.array(plan.residual, dtype=np.float32)[:, None, None]
    seen = image * np.float32(plan.gain) + left
    # Shot noise grows with the root of the light; at reflectance 0.1 it equals half the read noise.
    spread = plan.noise * np.sqrt(1 + 2.5 * np.maximum(seen, 0))
    seen = seen + spread * rng.standard_normal(seen.shape, dtype=np.float32)
    shift = 1000.0 if plan.sensor == "sentinel-2" else 0.0
    dn = np.clip(np.rint(seen * 10000.0 + shift), 1, 65535).astype(np.uint16)
    return np.where(valid, dn, 0).astype(np.uint16)


def _land(world: World, plan: LookPlan) -> Array:
    x, y = _axes(world.options.extent_m, plan.light.pixel_m)
    return np.asarray(world.port.on_land(x, y))


def _raster(world: World, plan: LookPlan, shapes: list[Any], *, touched: bool) -> Array:
    half, pixel = world.options.extent_m / 2, plan.light.pixel_m
    side = round(world.options.extent_m / pixel)
    if not shapes:
        return np.zeros((side, side), dtype=bool)
    frame = Affine(pixel, 0, -half, 0, -pixel, half)
    return np.asarray(
        rasterize(shapes, out_shape=(side, side), transform=frame, all_touched=touched), dtype=bool
    )


def _bright(world: World, plan: LookPlan, afloat: list[Afloat], rng: np.random.Generator) -> Array:
    """Pixels of ships that the served mask calls cloud."""
    chosen = [
        shapely.Polygon(ship.outline).buffer(plan.light.pixel_m)
        for ship in afloat
        if ship.length_m > 40 and rng.random() < 0.6
    ]
    return _raster(world, plan, chosen if plan.bright_fault else [], touched=True)


def _scene_truth(
    world: World, plan: LookPlan, afloat: list[Afloat], fields: dict[str, Array]
) -> dict[str, Any]:
    clear = (fields["alpha"] < 0.08) & (fields["shade"] < 0.2) & fields["valid"]
    seen = fields["alpha"] >= 0.25
    valid = fields["valid"]
    return {
        "scene_id": plan.scene_id,
        "datetime": plan.when.isoformat(),
        "sensor": plan.sensor,
        "sun_elevation_deg": plan.sun.elevation_deg,
        "sun_azimuth_deg": plan.sun.azimuth_deg,
        "zenith_deg": plan.zenith_deg,
        "view_azimuth_deg": plan.view_azimuth_deg,
        "psf_sigma_px": plan.light.psf_sigma_px,
        "aerosol": plan.light.aerosol,
        "tide_m": plan.tide_m,
        "wind_m_s": plan.weather.wind_m_s,
        "wind_from_deg": (plan.weather.wind_from_deg + convergence_deg(world.options)) % 360,
        "cloud_cover": float(seen[valid].mean()) if valid.any() else 0.0,
        "clear_fraction": float(clear.mean()),
        "vessels": [_vessel_truth(world, plan, ship, clear) for ship in afloat],
    }


def _vessel_truth(world: World, plan: LookPlan, ship: Afloat, clear: Array) -> dict[str, Any]:
    hull = _raster(world, plan, [shapely.Polygon(ship.outline)], touched=True)
    # A hull that reaches out of the area is not wholly seen.
    half = world.options.extent_m / 2
    inside = shapely.Polygon(ship.outline).intersection(shapely.box(-half, -half, half, half)).area
    share = inside / shapely.Polygon(ship.outline).area
    lon, lat = world.lonlat(np.array([ship.centre]))[0]
    return {
        "vessel": ship.name,
        "class": ship.kind,
        "call_id": ship.call_id,
        "berth": ship.berth.name if ship.berth else None,
        "lon": float(lon),
        "lat": float(lat),
        "geometry": world.polygon(ship.outline),
        "length_m": ship.waterline_m,
        "beam_m": ship.beam_m,
        "heading_deg": (ship.bearing_deg + convergence_deg(world.options)) % 360,
        "draught_m": ship.draught_m,
        "freeboard_m": ship.freeboard_m,
        "fill": ship.fill,
        "trim_m": ship.trim_m,
        "heel_deg": ship.heel_deg,
        "quay_m": ship.berth.quay_m - plan.tide_m if ship.berth else None,
        "clear_fraction": float(clear[hull].mean() * share) if hull.any() else 0.0,
        "is_shade_on_quay": bool(ship.berth.shade_on_quay) if ship.berth else False,
    }


def _truth(world: World, scenes: list[dict[str, Any]]) -> dict[str, Any]:
    ships = {ship.vessel_id: ship for ship in world.schedule.ships}
    factor = BARRELS_PER_TONNE[world.options.product]
    calls: list[dict[str, Any]] = []
    for call in world.schedule.calls:
        cargo = (call.fill_departure - call.fill_arrival) * ships[call.vessel_id].capacity_t
        calls.append(
            {
                "call_id": call.call_id,
                "vessel_id": call.vessel_id,
                "listed": ships[call.vessel_id].listed,
                "berth": world.port.berths[call.berth].name,
                "arrival": call.arrival.isoformat(),
                "departure": call.departure.isoformat(),
                "fill_arrival": call.fill_arrival,
                "fill_departure": call.fill_departure,
                "cargo_t": cargo,
                "barrels": abs(cargo) * factor,
                "direction": "loading" if cargo > 0 else "discharging",
            }
        )
    first = world.period[:10]
    within = [call for call in calls if call["arrival"][:10] >= first]
    return {
        "period": world.period,
        "barrels_per_tonne": factor,
        "ships": [dataclasses.asdict(ship) for ship in world.schedule.ships],
        "calls": calls,
        "totals": {
            "calls": len(within),
            "vessels": len({call["vessel_id"] for call in within}),
            "barrels": sum(c["barrels"] for c in within if c["direction"] == "loading"),
        },
        "scenes": scenes,
    }
