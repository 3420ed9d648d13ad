"""From a scene's vessels' pixels to likelihoods of their freeboards, or reasons why there are none.

The scene's own pixels, in its own CRS, along the parallel mid-body are gathered
(:mod:`eo.stages.shade`), the blurred profiles of all vessels of the scene are fitted together
(:mod:`eo.kernels.profile`), so that they share the scene's point spread and the darkness of its
shade, and widths become heights by the geometry (:mod:`eo.physics.shadow`). Nothing of who a
vessel is, or of the stage of her call, enters here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from eo.core.freeboard import Freeboard
from eo.core.grid import Grid, Window
from eo.core.records import Hull, Target
from eo.core.seams import NativePixels
from eo.core.sensors import Sensor
from eo.kernels.block_shadow import WideShade
from eo.kernels.profile import ProfileBatch, ProfileFit, profile_likelihood
from eo.kernels.profile_columns import SKEW
from eo.physics.shadow import (
    DETECTED_HEADING_SD_DEG,
    ShadowGeometry,
    refuse_geometry,
    shadow_geometry,
)
from eo.stages.alongside import stands_in_strip, too_broad
from eo.stages.hulls import RIMS_M, with_beam
from eo.stages.quay import EmptyPort, Light
from eo.stages.quay_strip import measure_on_quay
from eo.stages.reference import Reference
from eo.stages.shade import HullPixels, gather_pixels
from eo.stages.shade_profile import measured_profile
from eo.stages.shade_strip import (
    FREEBOARD_STEP_M,
    bound_of_height_m,
    edge_sd_m,
    is_coarse,
    laid_out,
    over_heights,
    published,
    stacked,
    usable_rows,
    with_fittings,
)
from eo.stages.superstructure import (
    SceneShade,
    house_shade,
    house_side_m,
    house_top_m,
    scene_shade,
)

__all__ = [
    "FREEBOARD_STEP_M", "Measured", "View", "freeboard_bounds_m", "measure_freeboard",
    "measure_freeboards",
]  # fmt: skip

_STRAIGHT_SD_DEG = 0.5
"""How well straight edges of a mid-body tell a heading, however well they are fitted."""
_RIMS_SD_M = 0.25
"""How much decks differ in what their rims take of their breadth; see RIMS_M."""
_MIN_DECK_CONTRAST, _MIN_SHADE_CONTRAST = 5.0, 2.5
"""Deck against water, and lit against shaded water, in sds of the water's noise: below, there is
no hull, or no light, to be seen."""


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """How and over what a scene was taken; water and mask are (y, x) over `window` of `grid`."""

    grid: Grid
    window: Window
    water: Any
    """bool."""
    mask: Any
    """uint8: 0 none, 1 clear, 2 cloud, 3 cloud shadow."""
    sensor: Sensor
    """Gives the point-spread prior."""
    sun_elevation_deg: float | None
    sun_azimuth_grid_deg: float | None
    """Azimuths from grid north [deg]."""
    off_nadir_deg: float | None
    view_azimuth_grid_deg: float | None
    """View; where missing, 0-6 degrees from anywhere are allowed for."""
    level: str
    """The scene's level; `visual` is tone-mapped."""
    reference: Reference | None = None
    """The empty port on `window` of `grid`: without it, shade on a quay is not measured."""
    reference_bands: tuple[str, ...] = ()
    """Its bands."""

    def refused(self, hull: Hull) -> str | None:
        """Return why no height can follow for this hull, or None where one can."""
        return refuse_geometry(
            heading_deg=hull.heading_deg,
            sun_elevation_deg=self.sun_elevation_deg,
            sun_azimuth_deg=self.sun_azimuth_grid_deg,
            off_nadir_deg=self.off_nadir_deg,
            view_azimuth_deg=self.view_azimuth_grid_deg,
        )

    def geometry(
        self, heading_deg: float, heading_sd_deg: float = DETECTED_HEADING_SD_DEG
    ) -> ShadowGeometry:
        """Return how heights show across a hull of that heading; where the sun is known."""
        if self.sun_elevation_deg is None or self.sun_azimuth_grid_deg is None:
            raise ValueError("no sun, no shadow: ask refused() first")
        return shadow_geometry(
            heading_deg=heading_deg,
            heading_sd_deg=heading_sd_deg,
            sun_elevation_deg=self.sun_elevation_deg,
            sun_azimuth_deg=self.sun_azimuth_grid_deg,
            off_nadir_deg=self.off_nadir_deg,
            view_azimuth_deg=self.view_azimuth_grid_deg,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """What one vessel's pixels say."""

    freeboard: Freeboard
    hull: Hull | None = None
    """The hull with the beam that the fit's edges say; None where nothing was fitted."""
    profile: Any = None
    """float32 array for an evidence figure, as Freeboard.profile_key describes; None if none."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Laid:
    """A vessel whose strip on the water can be fitted."""

    hull: Hull
    view: View
    geometry: ShadowGeometry
    pixels: HullPixels
    rows: int
    bands: tuple[str, ...]
    batch: ProfileBatch
    notes: tuple[str, ...]


def freeboard_bounds_m(hull: Hull) -> tuple[float, float, float, float]:
    """Return the map bounds (west, south, east, north) [m] that a measurement wants to see."""
    reach = 0.5 * float(np.hypot(hull.length_m, hull.beam_m)) + 130.0
    return hull.x_m - reach, hull.y_m - reach, hull.x_m + reach, hull.y_m + reach


def measure_freeboard(
    native: NativePixels, target: Target, *, neighbours: tuple[Hull, ...], **view: Any
) -> Freeboard:
    """Measure one hull's freeboard by herself; see :func:`measure_freeboards`.

    Parameters
    ----------
    native
        The scene's pixels that cover :func:`freeboard_bounds_m`, as far as the scene reaches.
    target
        The hull at the waterline, in the grid's CRS.
    neighbours
        Other hulls nearby, tugs included.
    **view
        Fields of :class:`View`.
    """
    hulls = (target.hull, *neighbours)
    return measure_freeboards([(native, target)], View(**view), hulls=hulls)[0].freeboard


def measure_freeboards(
    vessels: Sequence[tuple[NativePixels, Target]], view: View, *, hulls: tuple[Hull, ...]
) -> list[Measured]:
    """Measure the freeboards of a scene's vessels, which share point spread and sky.

    Parameters
    ----------
    vessels
        Each with the scene's pixels that cover :func:`freeboard_bounds_m`, as far as the scene
        reaches, and the hull at the waterline, in the grid's CRS.
    view
        The scene.
    hulls
        All hulls of the scene, tugs and those measured included.

    Returns
    -------
    list of Measured
        In order. A likelihood over 0-25 m where status is `measured`; else status says why not.
    """
    houses = [_house(native, target.hull, view, hulls) for native, target in vessels]
    shade = scene_shade([house for house in houses if house is not None])
    begun = [_begin(native, target, view, hulls, shade) for native, target in vessels]
    found = [Measured(freeboard=item) if isinstance(item, Freeboard) else None for item in begun]
    groups: dict[tuple[str, ...], list[int]] = {}
    for index, item in enumerate(begun):
        if isinstance(item, _Laid):
            groups.setdefault(item.bands, []).append(index)
    for indices in groups.values():
        some = [item for item in (begun[i] for i in indices) if isinstance(item, _Laid)]
        fit = profile_likelihood(stacked([item.batch for item in some]))
        for place, (index, item) in enumerate(zip(indices, some, strict=True)):
            found[index] = _judge(fit, place, item)
    return [
        _with_house(item, house, target.hull, view)
        for item, house, (_, target) in zip(found, houses, vessels, strict=True)
        if item is not None
    ]


def _with_house(item: Measured, house: WideShade | None, hull: Hull, view: View) -> Measured:
    """Add how high the top of her house stands, from the edges that were fitted where any were."""
    if house is None:
        return item
    said = item.freeboard
    side = house_side_m(hull.beam_m)
    if said.status == "measured" and said.deck_edges_m is not None:
        side = house_side_m(
            said.deck_edges_m[1] - said.deck_edges_m[0] + RIMS_M, 0.5 * sum(said.deck_edges_m)
        )
    top = house_top_m(house, view.geometry(hull.heading_deg), side, view.grid.pixel_m)
    if top is None:
        return item
    return replace(item, freeboard=replace(said, house_top_m=top[0], house_top_sd_m=top[1]))


def _house(
    native: NativePixels, hull: Hull, view: View, hulls: tuple[Hull, ...]
) -> WideShade | None:
    """Return how dark the shadow of a ship's house is, where it can be seen."""
    if view.refused(hull) is not None:
        return None
    return house_shade(
        native, hull, view.geometry(hull.heading_deg),
        neighbours=tuple(other for other in hulls if other is not hull), grid=view.grid,
        window=view.window, water=view.water, mask=view.mask,
        psf_sigma_px=view.sensor.psf_sigma_px,
    )  # fmt: skip


def _begin(
    native: NativePixels,
    target: Target,
    view: View,
    hulls: tuple[Hull, ...],
    shade: SceneShade | None,
) -> Freeboard | _Laid:
    """Gather a vessel's pixels; return what says already that, or how, she is measured."""
    hull, elevation = target.hull, view.sun_elevation_deg
    refused = view.refused(hull)
    if refused is not None or elevation is None:
        return Freeboard(status=refused or "no-sun-geometry")
    geometry = view.geometry(hull.heading_deg)
    neighbours = tuple(other for other in hulls if other is not hull)
    every = gather_pixels(
        native, hull, geometry, neighbours=neighbours, grid=view.grid, window=view.window,
        water=view.water, mask=view.mask,
    )  # fmt: skip
    notes = () if geometry.lean_known else ("view-unknown",)
    pixels, rows, reason = usable_rows(every, hull, geometry)
    if reason == "shade-on-quay" and view.reference is not None:
        port = EmptyPort(
            reference=view.reference, bands=view.reference_bands, grid=view.grid,
            window=view.window, mask=view.mask,
        )  # fmt: skip
        light = Light(sensor=view.sensor, sun_elevation_deg=elevation, level=view.level)
        ships = (hull, *neighbours)
        on_quay = measure_on_quay(
            every, native, hull, geometry, port, ships=ships, light=light, water=view.water
        )
        if on_quay is not None:
            return replace(on_quay, notes=(*notes, *on_quay.notes))
    if reason is not None:
        return Freeboard(
            status=reason, rows=rows, metres_per_metre=geometry.metres_per_metre, notes=notes
        )
    batch = laid_out(
        pixels, native.bands, hull, geometry, sensor=view.sensor, sun_elevation_deg=elevation,
        level=view.level, shade=shade,
    )  # fmt: skip
    return _Laid(
        hull=hull, view=view, geometry=geometry, pixels=pixels, rows=rows, bands=native.bands,
        batch=batch, notes=notes,
    )  # fmt: skip


def _judge(fit: ProfileFit, place: int, laid: _Laid) -> Measured:
    """Turn widths into heights, allow for what is uncertain, and refuse what says nothing."""
    hull = laid.hull
    spread = _spread_of_shared(fit, place, laid)
    geometry = laid.view.geometry(*_fitted_heading_deg(fit, place, laid, spread))
    beam = _fitted_beam_m(fit, place, spread)
    edges = [float(value) for value in fit.edges_m[place]]
    edge_m = edge_sd_m(laid.pixels.pixel_m, laid.rows, moored=laid.pixels.moored)
    said = Freeboard(
        status="not-identifiable",
        rows=laid.rows,
        metres_per_metre=geometry.metres_per_metre,
        strip_width_m=float(fit.width_m[place]),
        strip_width_sd_m=float(fit.width_bound_m[place]),
        bound_m=bound_of_height_m(
            float(fit.width_bound_m[place]),
            float(fit.width_m[place]),
            geometry,
            edge_m,
        ),
        shade_ratio=float(fit.shade_ratio[place]),
        notes=laid.notes,
        profile_bands=laid.bands,
        across_azimuth_deg=geometry.normal_azimuth_deg,
        body_m=laid.pixels.body_m,
        deck_edges_m=(edges[0], edges[1]),
        shadow_edge_m=edges[2],
    )
    logl = np.asarray(fit.log_likelihood[place])
    seen = (
        fit.deck_contrast[place] >= _MIN_DECK_CONTRAST
        and fit.contrast[place] >= _MIN_SHADE_CONTRAST
    )
    if not (seen and np.isfinite(logl).all()):
        return Measured(freeboard=said)
    if too_broad(hull, *beam) or _shares_strip(fit, place, laid):
        return Measured(freeboard=replace(said, status="occupied"))
    heights = over_heights(logl, np.asarray(laid.batch.widths_m[0]), geometry)
    heights = with_fittings(heights, geometry, edge_m, manifold_share=laid.pixels.manifold_share)
    told = published(said, heights, hull)
    if told.status != "measured":
        return Measured(freeboard=told)
    hull = with_beam(hull, *beam)
    count = laid.pixels.across_m.size
    across = laid.pixels.across_m - float(fit.skew_m[place]) * laid.batch.along[0]
    model = np.asarray(fit.model[place])[:, :count]
    profile = measured_profile(across, laid.pixels.values, model, laid.pixels.pixel_m)
    return Measured(freeboard=told, hull=hull, profile=profile)


def _spread_of_shared(fit: ProfileFit, place: int, laid: _Laid) -> Any:
    """Return the covariance of the fit's shared parameters and the width."""
    information = np.array(fit.information[place])
    information[-1, -1] += float(laid.batch.width_sd_m[0]) ** -2.0
    return np.linalg.inv(information) * float(fit.inflation[place])


def _fitted_heading_deg(
    fit: ProfileFit, place: int, laid: _Laid, spread: Any
) -> tuple[float, float]:
    """Return the heading with the turn of the fitted edges, and its sd [deg]."""
    half = float(laid.batch.half_length_m[0])
    turn = np.arctan(float(fit.skew_m[place]) / half)
    sd = np.arctan(np.sqrt(max(float(spread[SKEW, SKEW]), 0.0)) / half)
    # The skew is positive where the axis runs towards the shaded side ahead.
    side = np.sin(np.deg2rad(laid.geometry.normal_azimuth_deg - laid.hull.heading_deg))
    heading = float(laid.hull.heading_deg + np.rad2deg(turn) * np.sign(side))
    if not np.isfinite([heading, sd]).all():  # a fit that failed turns nothing
        return laid.hull.heading_deg, DETECTED_HEADING_SD_DEG
    return heading, float(np.hypot(np.rad2deg(sd), _STRAIGHT_SD_DEG))


def _shares_strip(fit: ProfileFit, place: int, laid: _Laid) -> bool:
    """Whether something stands in her strip, where pixels are too coarse to show it."""
    if not is_coarse(laid.hull, laid.pixels):
        return False
    count = laid.pixels.across_m.size
    batch = laid.batch
    return stands_in_strip(
        laid.pixels,
        laid.pixels.values - np.asarray(fit.model[place])[:, :count],
        np.asarray(fit.noise[place]),
        edge_m=float(fit.edges_m[place][1]),
        width_m=max(float(fit.width_m[place]), float(batch.width_mean_m[0] + batch.width_sd_m[0])),
    )


def _fitted_beam_m(fit: ProfileFit, place: int, spread: Any) -> tuple[float, float]:
    """Return the beam by the fit's two edges, and its sd [m]."""
    variance = float(spread[0, 0] + spread[1, 1] - 2.0 * spread[0, 1])
    sd = np.hypot(np.sqrt(max(variance, 0.0)), _RIMS_SD_M)
    return float(fit.beam_m[place]) + RIMS_M, float(sd)
