"""What one scene says of the quays at its berths, with ships or without.

A jetty throws its shadow whether or not a ship lies there, and most looks show some berth empty.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from eo.core.config import ANCHORAGE
from eo.core.errors import SceneError
from eo.core.records import Hull, Sighting, WaterCount
from eo.core.seams import NativePixels
from eo.physics.shadow import ShadowGeometry, refuse_geometry, shadow_geometry
from eo.stages.empty_port import EmptyPort, Light
from eo.stages.freeboard import freeboard_bounds_m
from eo.stages.quay_height import berth_as_hull, jetty_log_likelihood

__all__ = ["with_quays"]


def with_quays(
    counts: Sequence[WaterCount],
    places: Sequence[tuple[str, Any]],
    sightings: Sequence[Sighting],
    *,
    port: EmptyPort | None,
    light: Light | None,
    ships: tuple[Hull, ...],
    water: Any,
    native: Callable[[tuple[float, float, float, float]], NativePixels],
    angles: dict[str, float | None],
) -> list[WaterCount]:
    """Return the counts of berths with what their jetties' shadows say of their heights.

    Parameters
    ----------
    counts
        One a berth; those of the anchorage and the whole area stay as they are.
    places
        Berths' names and polygons, in map coordinates.
    sightings
        The scene's vessels: where one has seen her jetty's shadow already, that is taken.
    port, light
        The empty port and the scene's light; where either is None, nothing is said.
    ships
        All hulls in the scene.
    water
        (y, x) bool on the port's window.
    native
        Returns the scene's own pixels that cover bounds in grid metres.
    angles
        Sun and view as :func:`eo.physics.shadow.shadow_geometry` takes them, from grid north.
    """
    if port is None or light is None:
        return list(counts)
    told = {
        sighting.berth: sighting.freeboard.quay_log_likelihood
        for sighting in sightings
        if sighting.freeboard.quay_log_likelihood
    }
    shapes = dict(places)
    found = []
    for count in counts:
        said: tuple[float, ...] = ()
        if count.berth in told and count.berth != ANCHORAGE:
            said = told[count.berth]
        elif count.berth in shapes and count.berth != ANCHORAGE and count.clear_px > 0:
            hull = berth_as_hull(shapes[count.berth])
            said = _seen(hull, port, light, ships, water=water, native=native, angles=angles)
        found.append(replace(count, quay_log_likelihood=said))
    return found


def _seen(
    hull: Hull,
    port: EmptyPort,
    light: Light,
    ships: tuple[Hull, ...],
    *,
    water: Any,
    native: Callable[[tuple[float, float, float, float]], NativePixels],
    angles: dict[str, float | None],
) -> tuple[float, ...]:
    geometry = _geometry(hull, angles)
    if geometry is None:
        return ()
    try:
        pixels = native(freeboard_bounds_m(hull))
    except SceneError:
        return ()
    return jetty_log_likelihood(pixels, hull, geometry, port, ships=ships, light=light, water=water)


def _geometry(hull: Hull, angles: dict[str, float | None]) -> ShadowGeometry | None:
    sun, azimuth = angles["sun_elevation_deg"], angles["sun_azimuth_deg"]
    refused = refuse_geometry(
        heading_deg=hull.heading_deg,
        sun_elevation_deg=sun,
        sun_azimuth_deg=azimuth,
        off_nadir_deg=angles["off_nadir_deg"],
        view_azimuth_deg=angles["view_azimuth_deg"],
    )
    if refused is not None or sun is None or azimuth is None:
        return None
    return shadow_geometry(
        heading_deg=hull.heading_deg,
        sun_elevation_deg=sun,
        sun_azimuth_deg=azimuth,
        off_nadir_deg=angles["off_nadir_deg"],
        view_azimuth_deg=angles["view_azimuth_deg"],
    )
