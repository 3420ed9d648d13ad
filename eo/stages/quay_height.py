"""How high a quay stands above the water, by one look: a jetty's own shadow on its far side.

A jetty's shaded edge throws a strip on the water as a hull's does, and the same fit measures it,
with the jetty for a hull: her edge is where the empty port shows it. It can be seen in any look,
ships or none, unless one lies there. Where the quay has no far side (a shore), something lies
there, or the strip is lost in the blur, nothing is said. What all looks together say, ships
included, is weighed when all are known (:mod:`eo.stages.quays`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import shapely
from scipy.ndimage import gaussian_filter1d

from eo.core.records import Hull
from eo.core.seams import NativePixels
from eo.kernels.profile import profile_likelihood
from eo.physics.shadow import ShadowGeometry
from eo.stages.empty_port import EmptyPort, Light, SceneLight, quay_edge, scene_light
from eo.stages.shade import REASONS, body_limits_m, gather_pixels
from eo.stages.shade_strip import FREEBOARD_STEP_M, HEIGHTS_M, laid_out, over_heights, usable_rows

__all__ = ["QUAY_HEIGHTS_M", "berth_as_hull", "jetty_log_likelihood"]

QUAY_HEIGHTS_M = HEIGHTS_M[:101]
"""Heights of quays that are weighed: 0-10 m."""
_USUAL_M = 3.0
_LEAST_STRIP_PX = 0.9
"""Width of a usual quay's strip below which it is lost in the blur."""
_JETTY_M = (8.0, 80.0)
_OPEN_M = 12.0
"""Water at least this wide begins a far side: a dark lane on a jetty is narrower."""
_REACH_M = 90.0
_SPARE_M = 8.0
"""The near edge of a quay lies no farther from the hull's edge than fenders are wide."""
_STEP_ACROSS_M, _STEP_ALONG_M = 1.0, 3.0
_USUAL_M, _USUAL_SD_M = 3.5, 2.5
"""Where a jetty's height is looked for first."""
_FAR_SIDE_M = 9.0
"""Of a jetty's width, from its shaded edge, that enters the fit."""
_BEAM_SD_M, _CENTRE_SD_M = 0.5, 0.4
_LONGEST_M = 60.0
"""A jetty is measured as a hull of no more than this length: its strip is as short."""
_ROUGH_SD_M, _NARROW_SD_M = 0.1, 0.8
"""What a straight, level edge knows nothing of (bollards, pipes, skew), and what more is open where
a metre of height makes a strip of k metres, over k squared: walls and lanes within the blur."""
_LARGEST_EXCESS = 0.3
"""Of the shade ratio, beyond which the dark strip is no shade on water."""
_STRAY = 0.1
"""Chance that what was fitted is no jetty's shadow."""
_LEAST_CONTRAST = 3.0
_LARGEST_INFLATION = 5.0
"""Noise so much shared along the jetty is no noise but something that lies there."""


def berth_as_hull(polygon: Any) -> Hull:
    """Return a berth's polygon (map coordinates) as if a hull filled it.

    A jetty beside an empty berth is sought from there as it is from a ship.
    """
    box = shapely.minimum_rotated_rectangle(polygon)
    corners = shapely.get_coordinates(box)[:4]
    sides = np.diff(np.vstack([corners, corners[:1]]), axis=0)
    lengths = np.hypot(sides[:, 0], sides[:, 1])
    longest = int(np.argmax(lengths[:2]))
    centre = corners.mean(axis=0)
    return Hull(
        x_m=float(centre[0]),
        y_m=float(centre[1]),
        length_m=float(lengths[longest]),
        beam_m=float(lengths[1 - longest]),
        heading_deg=float(np.rad2deg(np.arctan2(*sides[longest])) % 180.0),
        bow_known=False,
        length_sd_m=0.0,
        beam_sd_m=0.0,
        outline=(),
    )


def jetty_log_likelihood(
    native: NativePixels,
    hull: Hull,
    geometry: ShadowGeometry,
    port: EmptyPort,
    *,
    ships: tuple[Hull, ...],
    light: Light,
    water: Any,
) -> tuple[float, ...]:
    """Return ln L of a quay's height over QUAY_HEIGHTS_M by its far side's shadow; () for none.

    Parameters
    ----------
    hull
        Moored at the quay on its sunlit side, or :func:`berth_as_hull`.
    ships
        All hulls about.
    water
        (y, x) bool on the port's window.
    """
    if geometry.metres_per_metre * _USUAL_M < _LEAST_STRIP_PX * port.grid.pixel_m:
        return ()
    if not set(native.bands) <= set(port.bands):
        return ()
    jetty = _jetty(hull, geometry, port, native.bands)
    seen = None if jetty is None else scene_light(native, ships, geometry, port)
    if seen is None or jetty is None:
        return ()
    found = _shadow(native, jetty, geometry, port, ships=ships, seen=seen, light=light, water=water)
    if found is None:
        return ()
    logl = np.log(found[: QUAY_HEIGHTS_M.size])
    return tuple(round(float(value), 3) for value in logl - logl.max())


def _jetty(
    hull: Hull, geometry: ShadowGeometry, port: EmptyPort, bands: tuple[str, ...]
) -> Hull | None:
    """Return the jetty beside a hull as if it were one, or None where it has no far side."""
    heading, normal = np.deg2rad([hull.heading_deg, geometry.normal_azimuth_deg])
    edge = 0.5 * hull.beam_m
    along, across = np.meshgrid(
        np.arange(*body_limits_m(hull), _STEP_ALONG_M),
        # A berth's polygon may reach on to the quay.
        np.arange(min(edge - 2.0, 8.0) if not hull.outline else edge - 2.0, edge + _REACH_M),
        indexing="ij",
    )
    x = hull.x_m + along * np.sin(heading) + across * np.sin(normal)
    y = hull.y_m + along * np.cos(heading) + across * np.cos(normal)
    wet = port.wet(x, y) > 0.4
    near = np.argmax(~wet, axis=1)
    # Open water: wet from here on for some metres.
    run = np.stack([np.roll(wet, -k, axis=1) for k in range(int(_OPEN_M))]).all(axis=0)
    place = np.arange(wet.shape[1])
    run &= (place >= near[:, None] + _JETTY_M[0]) & (place < wet.shape[1] - int(_OPEN_M))
    far = np.argmax(run, axis=1)
    good = (~wet).any(axis=1) & run.any(axis=1) & (across[0, near] < edge + _SPARE_M)
    if good.sum() < max(4.0, 0.6 * good.size):
        return None
    start = float(np.median(across[0, near[good]])) - 0.5 * _STEP_ACROSS_M
    end = float(np.median(across[0, far[good]])) - 0.5 * _STEP_ACROSS_M
    line = quay_edge(hull, geometry, port, bands, across_m=np.arange(end + 12.0, end - 14.0, -1.0))
    if line is None or not _JETTY_M[0] < line.across_m - start < _JETTY_M[1]:
        return None
    end = line.across_m
    middle = 0.5 * (start + end)
    return replace(
        hull,
        x_m=hull.x_m + middle * float(np.sin(normal)),
        y_m=hull.y_m + middle * float(np.cos(normal)),
        heading_deg=(hull.heading_deg + _turned_deg(line.slope, hull, geometry)) % 360.0,
        length_m=min(hull.length_m, 2.0 * _LONGEST_M),
        beam_m=end - start,
        beam_sd_m=_BEAM_SD_M,
        outline=(),
    )


def _turned_deg(slope: float, hull: Hull, geometry: ShadowGeometry) -> float:
    """Turn of a line that moves by `slope` across for each metre along [deg]."""
    side = np.sin(np.deg2rad(geometry.normal_azimuth_deg - hull.heading_deg))
    return float(np.rad2deg(np.arctan(slope)) * np.sign(side))


def _shadow(
    native: NativePixels,
    jetty: Hull,
    geometry: ShadowGeometry,
    port: EmptyPort,
    *,
    ships: tuple[Hull, ...],
    seen: SceneLight,
    light: Light,
    water: Any,
) -> Any:
    """Return the likelihood of the jetty's height by its shadow, or None where none is seen."""
    jetty = replace(
        jetty, x_m=jetty.x_m + float(seen.shift_m[0]), y_m=jetty.y_m + float(seen.shift_m[1])
    )
    pixels = gather_pixels(
        native,
        jetty,
        geometry,
        neighbours=ships,
        grid=port.grid,
        window=port.window,
        water=water,
        mask=port.mask,
    )
    # A jetty has neither superstructure nor manifold.
    ships_own = [REASONS.index("structure"), REASONS.index("manifold")]
    code = np.where(np.isin(pixels.code, ships_own), 0, pixels.code).astype(np.uint8)
    pixels, _, reason = usable_rows(
        replace(pixels, code=code), replace(jetty, length_m=_LONGEST_M), geometry
    )
    if reason is not None:
        return None
    # Its near side may lie in the shade of the ship that is moored there.
    pixels = pixels.kept(pixels.across_m > 0.5 * jetty.beam_m - _FAR_SIDE_M)
    batch = laid_out(
        pixels,
        native.bands,
        jetty,
        geometry,
        sensor=light.sensor,
        sun_elevation_deg=light.sun_elevation_deg,
        level=light.level,
    )
    batch = replace(
        batch,
        beam_m=np.array([jetty.beam_m]),
        beam_sd_m=np.array([_BEAM_SD_M]),
        centre_sd_m=np.array([_CENTRE_SD_M]),
        # Neither pipes along the axis nor a ship's height is to be expected of a jetty.
        pipes=np.zeros(1),
        width_mean_m=np.array([_USUAL_M * geometry.metres_per_metre]),
        width_sd_m=np.array([_USUAL_SD_M * geometry.metres_per_metre]),
    )
    fit = profile_likelihood(batch)
    shown = fit.contrast[0] >= _LEAST_CONTRAST and fit.deck_contrast[0] >= _LEAST_CONTRAST
    excess = float(np.asarray(fit.shade_ratio)[0] - np.mean(batch.shade_ratio))
    strange = float(np.asarray(fit.inflation)[0]) > _LARGEST_INFLATION
    strange |= abs(excess) > _LARGEST_EXCESS
    if not shown or strange or not np.isfinite(fit.log_likelihood).all():
        return None
    total = over_heights(
        np.asarray(fit.log_likelihood[0]), np.asarray(batch.widths_m[0]), geometry, monotone=True
    )
    rough = _ROUGH_SD_M + _NARROW_SD_M / geometry.metres_per_metre**2
    total = gaussian_filter1d(total, rough / FREEBOARD_STEP_M, mode="nearest")
    return (1.0 - _STRAY) * total / total.max() + _STRAY * float(np.mean(total / total.max()))
