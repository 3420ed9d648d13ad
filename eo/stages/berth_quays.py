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
    sightings: Sequence[Sighting],
    *,
    places: Sequence[tuple[str, Any]],
    port: EmptyPort,
    light: Light,
    ships: tuple[Hull, ...],
    water: Any,
    native: Callable[[tuple[float, float, float, float]], NativePixels],
    sun_azimuth_deg: float | None,
    off_nadir_deg: float | None,
    view_azimuth_deg: float | None,
) -> list[WaterCount]:
    """Return the counts of berths with what their jetties' shadows say of their heights.

    Parameters
    ----------
    counts
        One a berth; those of the anchorage and the whole area stay as they are.
    sightings
        The scene's vessels: where one has seen her jetty's shadow already, that is taken.
    places
        Berths' names and polygons, in map coordinates.
    port, light
        The empty port and the scene's light.
    ships
        All hulls in the scene.
    water
        (y, x) bool on the port's window.
    native
        Returns the scene's own pixels that cover bounds in grid metres.
    sun_azimuth_deg, off_nadir_deg, view_azimuth_deg
        Sun and view from grid north [deg].
    """
    told = {
        sighting.berth: sighting.freeboard.quay_log_likelihood
        for sighting in sightings
        if sighting.freeboard.quay_log_likelihood
    }
    shapes = {name: shape for name, shape in places if name != ANCHORAGE}
    found = []
    for count in counts:
        said: tuple[float, ...] = ()
        if count.berth in shapes and count.berth in told:
            said = told[count.berth]
        elif count.berth in shapes and count.clear_px > 0:
            hull = berth_as_hull(shapes[count.berth])
            geometry = _geometry(
                hull, light.sun_elevation_deg, sun_azimuth_deg, off_nadir_deg, view_azimuth_deg
            )
            if geometry is not None:
                said = _seen(hull, geometry, port, light, ships, water=water, native=native)
        found.append(replace(count, quay_log_likelihood=said))
    return found


def _seen(
    hull: Hull,
    geometry: ShadowGeometry,
    port: EmptyPort,
    light: Light,
    ships: tuple[Hull, ...],
    *,
    water: Any,
    native: Callable[[tuple[float, float, float, float]], NativePixels],
) -> tuple[float, ...]:
    try:
        pixels = native(freeboard_bounds_m(hull))
    except SceneError:
        return ()
    return jetty_log_likelihood(pixels, hull, geometry, port, ships=ships, light=light, water=water)


def _geometry(
    hull: Hull,
    sun_elevation_deg: float,
    sun_azimuth_deg: float | None,
    off_nadir_deg: float | None,
    view_azimuth_deg: float | None,
) -> ShadowGeometry | None:
    """Return how heights show across a berth; None where they do not."""
    refused = refuse_geometry(
        heading_deg=hull.heading_deg,
        sun_elevation_deg=sun_elevation_deg,
        sun_azimuth_deg=sun_azimuth_deg,
        off_nadir_deg=off_nadir_deg,
        view_azimuth_deg=view_azimuth_deg,
    )
    if refused is not None or sun_azimuth_deg is None:
        return None
    return shadow_geometry(
        heading_deg=hull.heading_deg,
        sun_elevation_deg=sun_elevation_deg,
        sun_azimuth_deg=sun_azimuth_deg,
        off_nadir_deg=off_nadir_deg,
        view_azimuth_deg=view_azimuth_deg,
    )
