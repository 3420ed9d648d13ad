"""From a vessel's pixels to a likelihood of her freeboard, or the reason why there is none.

The scene's own pixels, in its own CRS, along the parallel mid-body are gathered
(:mod:`eo.stages.shade`), the blurred profile is fitted (:mod:`eo.kernels.profile`), and widths
become heights by the geometry (:mod:`eo.physics.shadow`). Nothing of who she is, or of the
stage of her call, enters here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from eo.core.grid import Grid, Window
from eo.core.records import Freeboard, Hull, Target
from eo.core.seams import NativePixels
from eo.core.sensors import Sensor
from eo.kernels.profile import ProfileFit, profile_likelihood
from eo.physics.shadow import ShadowGeometry, refuse_geometry, shadow_geometry
from eo.stages.quay import EmptyPort, Light
from eo.stages.quay_strip import measure_on_quay
from eo.stages.reference import Reference
from eo.stages.shade import gather_pixels
from eo.stages.shade_strip import (
    FREEBOARD_STEP_M,
    laid_out,
    over_heights,
    published,
    usable_rows,
    with_fittings,
)

__all__ = ["FREEBOARD_STEP_M", "freeboard_bounds_m", "measure_freeboard"]

_MIN_DECK_CONTRAST, _MIN_SHADE_CONTRAST = 5.0, 1.0
"""Deck against water, and lit against shaded water, in sds of the water's noise: below, there is
no hull, or no light, to be seen."""


def freeboard_bounds_m(hull: Hull) -> tuple[float, float, float, float]:
    """Return the map bounds (west, south, east, north) [m] that a measurement wants to see."""
    reach = 0.5 * float(np.hypot(hull.length_m, hull.beam_m)) + 130.0
    return hull.x_m - reach, hull.y_m - reach, hull.x_m + reach, hull.y_m + reach


def measure_freeboard(
    native: NativePixels,
    target: Target,
    *,
    neighbours: tuple[Hull, ...],
    grid: Grid,
    window: Window,
    water: Any,
    mask: Any,
    sensor: Sensor,
    sun_elevation_deg: float | None,
    sun_azimuth_grid_deg: float | None,
    off_nadir_deg: float | None,
    view_azimuth_grid_deg: float | None,
    level: str,
    reference: Reference | None = None,
    reference_bands: tuple[str, ...] = (),
) -> Freeboard:
    """Measure one hull's freeboard in one look.

    Parameters
    ----------
    native
        The scene's pixels that cover :func:`freeboard_bounds_m`, as far as the scene reaches.
    target
        The hull at the waterline, in the grid's CRS.
    neighbours
        Other hulls nearby, tugs included.
    grid, window, water, mask
        Water (bool) and cloud mask (uint8: 0 none, 1 clear, 2 cloud, 3 cloud shadow), both
        (y, x) over `window` of `grid`.
    sensor
        Gives the point-spread prior.
    sun_elevation_deg, sun_azimuth_grid_deg
        Sun; azimuths from grid north [deg].
    off_nadir_deg, view_azimuth_grid_deg
        View; where missing, 0-6 degrees from anywhere are allowed for.
    level
        The scene's level; `visual` is tone-mapped.
    reference, reference_bands
        The empty port on `window` of `grid`, and its bands: without it, shade that falls on a
        quay is not measured.

    Returns
    -------
    Freeboard
        With a likelihood over 0-25 m where status is `measured`; else status says why not.
    """
    hull = target.hull
    refused = refuse_geometry(
        heading_deg=hull.heading_deg,
        sun_elevation_deg=sun_elevation_deg,
        sun_azimuth_deg=sun_azimuth_grid_deg,
        off_nadir_deg=off_nadir_deg,
        view_azimuth_deg=view_azimuth_grid_deg,
    )
    if refused is not None or sun_elevation_deg is None or sun_azimuth_grid_deg is None:
        return Freeboard(status=refused or "no-sun-geometry")
    geometry = shadow_geometry(
        heading_deg=hull.heading_deg,
        sun_elevation_deg=sun_elevation_deg,
        sun_azimuth_deg=sun_azimuth_grid_deg,
        off_nadir_deg=off_nadir_deg,
        view_azimuth_deg=view_azimuth_grid_deg,
    )
    pixels = gather_pixels(
        native,
        hull,
        geometry,
        neighbours=neighbours,
        grid=grid,
        window=window,
        water=water,
        mask=mask,
    )
    every = pixels
    pixels, rows, reason = usable_rows(pixels, hull, geometry)
    if reason == "shade-on-quay" and reference is not None:
        port = EmptyPort(
            reference=reference, bands=reference_bands, grid=grid, window=window, mask=mask
        )
        light = Light(sensor=sensor, sun_elevation_deg=sun_elevation_deg, level=level)
        ships = (hull, *neighbours)
        found = measure_on_quay(
            every, native, hull, geometry, port, ships=ships, light=light, water=water
        )
        if found is not None:
            return found
    if reason is not None:
        return Freeboard(status=reason, rows=rows, metres_per_metre=geometry.metres_per_metre)
    batch = laid_out(
        pixels,
        native.bands,
        hull,
        geometry,
        sensor=sensor,
        sun_elevation_deg=sun_elevation_deg,
        level=level,
    )
    fit = profile_likelihood(batch)
    return _judge(fit, np.asarray(batch.widths_m[0]), hull, geometry, rows=rows)


def _judge(
    fit: ProfileFit, widths_m: Any, hull: Hull, geometry: ShadowGeometry, *, rows: int
) -> Freeboard:
    """Turn widths into heights, allow for what is uncertain, and refuse what says nothing."""
    said = Freeboard(
        status="not-identifiable",
        rows=rows,
        metres_per_metre=geometry.metres_per_metre,
        strip_width_m=float(fit.width_m[0]),
        strip_width_sd_m=float(fit.width_bound_m[0]),
        shade_ratio=float(fit.shade_ratio[0]),
    )
    seen = fit.deck_contrast[0] >= _MIN_DECK_CONTRAST and fit.contrast[0] >= _MIN_SHADE_CONTRAST
    if not (seen and np.isfinite(fit.log_likelihood).all()):
        return said
    heights = over_heights(np.asarray(fit.log_likelihood[0]), widths_m, geometry)
    return published(said, with_fittings(heights, geometry), hull)
