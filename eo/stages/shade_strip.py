"""The strip beside a deck: which rows show it, how it is laid out, and what its width says.

What serves a hull's shadow on the water serves a quay's as well: a bright level top, its shadow
on the water beside it, and lit water beyond.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.interpolate import CubicSpline, PchipInterpolator
from scipy.ndimage import gaussian_filter1d

from eo.core.records import Freeboard, Hull
from eo.core.sensors import Sensor
from eo.kernels.profile import ProfileBatch
from eo.physics.hull import freeboard_prior_m
from eo.physics.shadow import ShadowGeometry
from eo.physics.sky import shade_ratio_prior
from eo.stages.shade import REASONS, HullPixels, largest_freeboard_m

__all__ = [
    "FREEBOARD_STEP_M",
    "HEIGHTS_M",
    "laid_out",
    "over_heights",
    "published",
    "usable_rows",
    "with_fittings",
]

FREEBOARD_STEP_M = 0.1
_LARGEST_M = 25.0
HEIGHTS_M = np.arange(0.0, _LARGEST_M + 0.05, FREEBOARD_STEP_M)
_FIT_STEP_M = 0.25
_MANIFOLD = REASONS.index("manifold")
_MIN_BEAM_PX = 1.4
_MIN_ROWS = 4.0
"""Fewer rows of pixels along the mid-body cannot tell a strip from a wave."""
_MIN_ROW_SHARE = 0.25
_BAND_SHIFT_SD_PX = 0.15
"""How well the bands of one scene lie on each other (Sentinel-2: better than 0.3 px at 95 %;
PlanetScope is about as good over still ground)."""
_PIPES_M = 1.4
"""Height of the pipes along a tanker's deck."""
_ROUGHNESS_SD_M = 0.12
"""Heel (half a degree over half a beam of 14 m), sheer and bulwark: no fit of a straight edge
knows better."""
_EDGE_SD_M = 0.2
"""How well a deck's painted, cluttered edge marks the edge that throws the shade, across."""
_FITTINGS_M = 0.15
"""Mean height (exponential) by which gunwale, manifold and what the fit did not notice raise the
edge that throws the shade: a manifold of 1.3 m over a tenth of the mid-body alone makes 0.13."""
_IDENTIFIABLE = 0.7
"""Largest posterior sd as a share of the prior's."""
_STRAY = 0.01
"""Chance that what was fitted is no hull's shadow at all."""


def usable_rows(
    pixels: HullPixels, hull: Hull, geometry: ShadowGeometry
) -> tuple[HullPixels, int, str | None]:
    """Keep rows whose shaded side is seen; return them, how many, and why if too few."""
    size = float(np.sqrt(pixels.pixel_area_m2))
    start, end = pixels.body_m
    count = int((end - start) / size)
    if hull.beam_m < _MIN_BEAM_PX * size or count < _MIN_ROWS:
        return pixels, count, "too-small"
    row = np.clip(((pixels.along_m - start) / size).astype(int), 0, count - 1)
    edge = 0.5 * hull.beam_m
    strip = 0.5 * largest_freeboard_m(hull.length_m) * geometry.metres_per_metre
    beside = (pixels.across_m > edge + 0.3 * size) & (pixels.across_m < edge + strip + 1.5 * size)
    aboard = np.abs(pixels.across_m) < edge
    zone = beside | aboard
    expected = (strip + 1.2 * size + hull.beam_m) / size
    free = ~_cluttered(pixels, beside, row, count)
    least = max(_MIN_ROWS, _MIN_ROW_SHARE * count)
    # Rows beside the manifold are used only where the others are too few.
    for usable in (pixels.code == 0, (pixels.code == 0) | (pixels.code == _MANIFOLD)):
        good = (np.bincount(row[zone & usable], minlength=count) >= 0.6 * expected) & free
        if good.sum() >= least:
            break
    lost = _leading_reason(pixels, zone, expected * count)
    if good.sum() < least:
        return pixels, int(good.sum()), lost or "outside"
    keep = good[row] & usable & ~_against_quay(pixels, row, edge, size, count)
    if (keep & beside).sum() < 6 or (keep & aboard).sum() < 6:
        return pixels, int(good.sum()), lost or "too-small"
    return (
        pixels.kept(keep),
        int(good.sum()),
        None,
    )


def _cluttered(pixels: HullPixels, beside: Any, row: Any, count: int) -> Any:
    """Rows (and those next to them) in which something lies where the strip should be.

    Its rim, too dim to be struck out by itself, would pass for the hull or hide the strip.
    """
    occupied = pixels.code == REASONS.index("occupied")
    land = pixels.code == REASONS.index("shade-on-quay")
    hit = np.bincount(row[beside & occupied], minlength=count) >= 1
    hit |= np.bincount(row[beside & land], minlength=count) >= 2
    spread = hit.copy()
    spread[1:] |= hit[:-1]
    spread[:-1] |= hit[1:]
    return spread


def _against_quay(pixels: HullPixels, row: Any, edge_m: float, size_m: float, count: int) -> Any:
    """Pixels at the sunlit edge in rows where no water is seen there.

    A quay a metre from the hull runs into the deck; what is left of such rows is her deck
    inboard of the blur, her shaded edge and the strip, and those are enough.
    """
    sunlit = (pixels.across_m < -edge_m - 0.3 * size_m) & (pixels.across_m > -edge_m - 3.0 * size_m)
    free = np.bincount(row[sunlit & (pixels.code == 0)], minlength=count)
    blocked = free < 0.6 * 2.7
    return blocked[row] & (pixels.across_m < -edge_m + 1.3 * size_m)


def _leading_reason(pixels: HullPixels, zone: Any, expected: float) -> str | None:
    """Return the status that cost most of the zone's pixels."""
    lost = np.bincount(pixels.code[zone], minlength=len(REASONS)).astype(float)
    lost[REASONS.index("outside")] += max(0.0, expected - float(zone.sum()))
    lost[[0, REASONS.index("structure"), _MANIFOLD]] = 0.0
    worst = int(np.argmax(lost))
    return REASONS[worst] if lost[worst] > 0 else None


def laid_out(
    pixels: HullPixels,
    bands: tuple[str, ...],
    hull: Hull,
    geometry: ShadowGeometry,
    *,
    sensor: Sensor,
    sun_elevation_deg: float,
    level: str,
) -> ProfileBatch:
    """Lay the pixels and the priors out for the kernel, a batch of one."""
    start, end = pixels.body_m
    ratio, own_sd, common_sd = shade_ratio_prior(bands, sun_elevation_deg, level)
    # Shaded hull side, seen where the sensor looks from that side, is paint and not water.
    paint = max(0.0, geometry.lean_per_m) / geometry.metres_per_metre
    heights = np.arange(0.0, _LARGEST_M + 0.5 * _FIT_STEP_M, _FIT_STEP_M)

    def one(value: float) -> Any:
        return np.array([value], dtype=float)

    return ProfileBatch(
        values=pixels.values[None],
        across_m=pixels.across_m[None],
        along=((2.0 * pixels.along_m - start - end) / (end - start))[None],
        half_length_m=one(0.5 * (end - start)),
        valid=np.ones((1, pixels.across_m.size)),
        widths_m=(heights * geometry.metres_per_metre)[None],
        beam_m=one(hull.beam_m),
        beam_sd_m=one(max(hull.beam_sd_m, 0.4 * pixels.pixel_m)),
        centre_sd_m=one(max(hull.beam_sd_m, 0.6 * pixels.pixel_m)),
        skew_sd_m=one(np.deg2rad(2.0) * 0.5 * (end - start)),
        pixel_m=one(pixels.pixel_m),
        psf_sigma_px=one(sensor.psf_sigma_px),
        psf_sigma_sd_px=one(sensor.psf_sigma_sd_px),
        shade_ratio=np.asarray(ratio, dtype=float)[None],
        shade_ratio_sd=one(own_sd + 0.3 * paint),
        shade_ratio_common_sd=one(common_sd),
        deck_shade_m=one(_PIPES_M * geometry.shadow_per_m),
        band_shift_sd_m=one(_BAND_SHIFT_SD_PX * pixels.pixel_m),
    )


def over_heights(
    log_likelihood: Any, widths_m: Any, geometry: ShadowGeometry, *, monotone: bool = False
) -> Any:
    """Return the likelihood over HEIGHTS_M of ln L over widths, marginal over heading and lean.

    `monotone` keeps the interpolation between its nodes' values, for ln L with a step in it.
    """
    curve = PchipInterpolator if monotone else CubicSpline
    spline = curve(widths_m, log_likelihood)
    total = np.zeros(HEIGHTS_M.size)
    for per_metre, weight in zip(
        geometry.metres_per_metre_nodes, geometry.node_weights, strict=True
    ):
        width = np.clip(HEIGHTS_M * per_metre, 0.0, widths_m[-1])
        total += weight * np.exp(np.minimum(spline(width), 1.0))
    return total


def with_fittings(likelihood: Any, geometry: ShadowGeometry) -> Any:
    """Return a likelihood over HEIGHTS_M, marginal over fittings, roughness and stray fits."""
    # What stands on the deck's edge makes a hull look higher, never lower.
    above = np.arange(0.0, 5.0 * _FITTINGS_M, FREEBOARD_STEP_M)
    raised = np.exp(-above / _FITTINGS_M)
    padded = np.concatenate([likelihood, np.full(above.size - 1, likelihood[-1])])
    total = np.convolve(padded, raised[::-1] / raised.sum(), mode="valid")
    rough = np.hypot(_ROUGHNESS_SD_M, _EDGE_SD_M / geometry.metres_per_metre)
    total = gaussian_filter1d(total, rough / FREEBOARD_STEP_M, mode="reflect")
    return (1.0 - _STRAY) * total / total.sum() + _STRAY / total.size


def published(said: Freeboard, likelihood: Any, hull: Hull) -> Freeboard:
    """Publish a likelihood over HEIGHTS_M unless it says too little beside the prior."""
    prior_mean, prior_sd = freeboard_prior_m(
        hull.length_m, hull.beam_m, hull.length_sd_m, hull.beam_sd_m
    )
    prior = np.exp(-0.5 * ((HEIGHTS_M - prior_mean) / prior_sd) ** 2)
    posterior = prior * likelihood
    posterior = posterior / posterior.sum()
    mean = float((posterior * HEIGHTS_M).sum())
    sd = float(np.sqrt((posterior * (HEIGHTS_M - mean) ** 2).sum()))
    if sd > _IDENTIFIABLE * prior_sd:
        return said
    logl = np.log(likelihood / likelihood.max())
    return replace(
        said,
        status="measured",
        step_m=FREEBOARD_STEP_M,
        log_likelihood=tuple(round(float(value), 4) for value in logl),
    )
