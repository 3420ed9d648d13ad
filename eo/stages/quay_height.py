"""How high a quay stands above the water: its own shadow, seen on a jetty's far side, or a prior.

A jetty's shaded edge throws a strip on the water as a hull's does, and the same fit measures it,
with the jetty for a hull: as wide as the empty port shows it to be, at the same heading. Where the
quay has no far side (a shore), something lies there, or nothing shows, the prior stands alone. The
quay's height is what most of the interval consists of, and one and the same in all looks at a
berth, so that differences between looks are better known than levels.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter1d

from eo.core.records import Hull
from eo.core.seams import NativePixels
from eo.kernels.profile import profile_likelihood
from eo.physics.shadow import ShadowGeometry
from eo.stages.quay import EmptyPort, Light
from eo.stages.shade import body_limits_m, gather_pixels
from eo.stages.shade_strip import (
    FREEBOARD_STEP_M,
    HEIGHTS_M,
    laid_out,
    over_heights,
    usable_rows,
)

__all__ = ["above_water", "quay_heights"]

_MEDIAN_M, _LOG_SD = 3.0, 0.33
"""Height of quays and jetties above the water, lognormal: nine in ten within 1.7-5.2 m. Decks of
quays stand one to two metres above the highest tide; tide and swell make the rest."""
_LEAST_STRIP_PX = 1.0
"""Width of a usual quay's strip below which it is lost in the blur."""
_JETTY_M = (8.0, 70.0)
_SPARE_M = 8.0
"""The near edge of a quay lies no farther from the hull's edge than fenders are wide."""
_STEP_ACROSS_M, _STEP_ALONG_M = 1.0, 3.0
_EDGE_SD_M = 1.5
_ROUGH_SD_M = 0.6
"""What a straight, level edge knows nothing of: bollards, pipes, dolphins, skew, two heights."""
_STRAY = 0.1
"""Chance that what was fitted is no jetty's shadow."""
_LEAST_CONTRAST = 3.0


def above_water(likelihood: Any, quay: Any) -> Any:
    """Return a likelihood over the deck's height above water, from one above the quay.

    Parameters
    ----------
    likelihood
        (height,) over HEIGHTS_M above the quay.
    quay
        (height,) probability of the quay's height over HEIGHTS_M.

    Notes
    -----
    A deck below the quay throws no shade on it: there the likelihood is that of no strip.
    """
    size = likelihood.size
    padded = np.concatenate([np.full(size - 1, likelihood[0]), likelihood])
    return np.convolve(padded, quay, mode="full")[size - 1 : 2 * size - 1]


def quay_heights(
    native: NativePixels,
    hull: Hull,
    geometry: ShadowGeometry,
    port: EmptyPort,
    *,
    ships: tuple[Hull, ...],
    light: Light,
    water: Any,
) -> Any:
    """Return the probability of the quay's height over HEIGHTS_M.

    Parameters
    ----------
    hull
        Moored at the quay, on its sunlit side.
    ships
        All hulls about, hers among them.
    water
        (y, x) bool on the port's window.
    """
    high = np.maximum(HEIGHTS_M, 1e-3)
    prior = np.exp(-0.5 * (np.log(high / _MEDIAN_M) / _LOG_SD) ** 2) / high
    jetty = _jetty(hull, geometry, port)
    if jetty is None:
        return prior / prior.sum()
    seen = _shadow(native, jetty, geometry, port, ships=ships, light=light, water=water)
    posterior = prior if seen is None else prior * seen
    return posterior / posterior.sum()


def _jetty(hull: Hull, geometry: ShadowGeometry, port: EmptyPort) -> Hull | None:
    """Return the jetty beside a hull as if it were one, or None where it has no far side."""
    heading, normal = np.deg2rad([hull.heading_deg, geometry.normal_azimuth_deg])
    along, across = np.meshgrid(
        np.arange(*body_limits_m(hull), _STEP_ALONG_M),
        np.arange(0.5 * hull.beam_m - 2.0, 0.5 * hull.beam_m + 85.0, _STEP_ACROSS_M),
        indexing="ij",
    )
    x = hull.x_m + along * np.sin(heading) + across * np.sin(normal)
    y = hull.y_m + along * np.cos(heading) + across * np.cos(normal)
    wet = port.sample(port.reference.water, x, y, 1.0) > 0.4
    near = np.argmax(~wet, axis=1)
    beyond = wet & (np.arange(wet.shape[1]) >= near[:, None] + _JETTY_M[0])
    far = np.argmax(beyond, axis=1)
    good = (
        (~wet).any(axis=1) & beyond.any(axis=1) & (across[0, near] < 0.5 * hull.beam_m + _SPARE_M)
    )
    if good.sum() < max(4.0, 0.6 * good.size):
        return None
    start = float(np.median(across[0, near[good]])) - 0.5 * _STEP_ACROSS_M
    end = float(np.median(across[0, far[good]])) - 0.5 * _STEP_ACROSS_M
    if not _JETTY_M[0] < end - start < _JETTY_M[1]:
        return None
    middle = 0.5 * (start + end)
    return replace(
        hull,
        x_m=hull.x_m + middle * float(np.sin(normal)),
        y_m=hull.y_m + middle * float(np.cos(normal)),
        beam_m=end - start,
        beam_sd_m=_EDGE_SD_M,
    )


def _shadow(
    native: NativePixels,
    jetty: Hull,
    geometry: ShadowGeometry,
    port: EmptyPort,
    *,
    ships: tuple[Hull, ...],
    light: Light,
    water: Any,
) -> Any:
    """Return the likelihood of the jetty's height by its shadow, or None where none is seen."""
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
    strip_px = geometry.metres_per_metre * _MEDIAN_M / pixels.pixel_m
    pixels, _, reason = usable_rows(pixels, jetty, geometry)
    if reason is not None or strip_px < _LEAST_STRIP_PX:
        return None
    batch = laid_out(
        pixels,
        native.bands,
        jetty,
        geometry,
        sensor=light.sensor,
        sun_elevation_deg=light.sun_elevation_deg,
        level=light.level,
    )
    fit = profile_likelihood(batch)
    seen = fit.contrast[0] >= _LEAST_CONTRAST and fit.deck_contrast[0] >= _LEAST_CONTRAST
    if not (seen and np.isfinite(fit.log_likelihood).all()):
        return None
    total = over_heights(np.asarray(fit.log_likelihood[0]), np.asarray(batch.widths_m[0]), geometry)
    total = gaussian_filter1d(total, _ROUGH_SD_M / FREEBOARD_STEP_M, mode="reflect")
    return (1.0 - _STRAY) * total / total.max() + _STRAY * float(np.mean(total / total.max()))
