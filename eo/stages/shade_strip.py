"""The strip beside a deck: which rows show it, how it is laid out, and what its width says.

What serves a hull's shadow on the water serves a quay's as well: a bright level top, its shadow
on the water beside it, and lit water beyond.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
from scipy.interpolate import CubicSpline, PchipInterpolator
from scipy.ndimage import gaussian_filter1d
from scipy.special import gammainc

from eo.core.records import Freeboard, Hull
from eo.core.sensors import Sensor
from eo.kernels.profile import ProfileBatch
from eo.physics.hull import freeboard_prior_m, usual_beam_m
from eo.physics.shadow import ShadowGeometry
from eo.physics.sky import shade_ratio_prior
from eo.stages.hulls import RIMS_M
from eo.stages.shade import REASONS, HullPixels, largest_freeboard_m
from eo.stages.superstructure import SceneShade

__all__ = [
    "FREEBOARD_STEP_M",
    "HEIGHTS_M",
    "bound_of_height_m",
    "edge_sd_m",
    "is_coarse",
    "laid_out",
    "over_heights",
    "published",
    "stacked",
    "usable_rows",
    "with_fittings",
]

FREEBOARD_STEP_M = 0.1
_LARGEST_M = 25.0
HEIGHTS_M = np.arange(0.0, _LARGEST_M + 0.05, FREEBOARD_STEP_M)
_FIT_STEP_M = 0.25
_MANIFOLD = REASONS.index("manifold")
_LIT_PERCENT = 70.0
"""Of the pixels beside a hull, by brightness: those are lit water."""
_FINE_BEAM_PX, _MOORED_SHARE = 4.0, 0.3
"""Pixels of a beam above which pixels are fine; share of rows with a quay on their sunlit side
from which she lies along one."""
_MOORED_FACTOR = 2.0
"""How much worse a row of pixels places an edge where a quay mixes into her deck."""
_BEAM_SD_PX = 0.4
"""How well detection knows a beam, at the best."""
_MIN_BEAM_PX = 1.2
_MIN_ROWS = 3.0
"""Fewer rows of pixels along the mid-body cannot tell a strip from a wave."""
_MIN_FINE_ROWS = 5.0
"""The same where pixels are fine: over fewer, fittings of one hatch and what took the other rows
say as much as the hull does."""
_MIN_ROW_SHARE = 0.25
_DECK_PX = 4.0
"""Pixels of a row aboard that tell the deck, however broad she is."""
_MIN_PX = 6
"""Pixels on deck, and beside it, that a fit needs at least."""
_BAND_SHIFT_SD_PX = 0.25
"""How well the bands of one scene lie on each other (Sentinel-2: better than 0.3 px at 95 %;
PlanetScope's are taken seconds apart and lie on each other to half a pixel)."""
_TRIM_SD = 0.008
"""Trim over length: ships in ballast lie 1-1.5 % deeper aft, laden ones on an even keel."""
_ROUGHNESS_SD_M = 0.12
"""Heel (half a degree over half a beam of 14 m), sheer and bulwark: no fit of a straight edge
knows better."""
_EDGE_SD_M, _EDGE_SD_PX, _EDGE_SD_ROW_PX = 0.1, 0.04, 0.5
"""How well a deck's painted, cluttered edge marks the edge that throws the shade, across; how well
any edge is placed within a pixel by a point spread that is no Gaussian; and by one row of pixels
alone, whose place within the pixel no other row makes up for: rows of a slanted hull lie at evenly
spread places, so that this falls with their number."""
_RISE_M, _RISE_SHAPE = 0.32, 3.0
"""Mean and shape (gamma) of the height by which what throws the shade stands above the main deck
amidships: gutter bar or fishplate 0.05-0.3 m all along, sheer 0-0.4 m and a stretch of bulwark
within the mid-body. Sd 0.18 m."""
_MANIFOLD_RISE_M = 0.8
"""Mean height that manifold, crane and hoses add over the stretch that their shade may reach."""
_IDENTIFIABLE = 0.7
"""Largest posterior sd as a share of the prior's."""
_HIDDEN = 0.1
"""Chance beforehand that a craft which nothing told of lies in the shade."""
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
    strip_px, beam_px = (strip + 1.2 * size) / size, hull.beam_m / size
    free = ~_cluttered(pixels, beside, row, count, strip_px=strip_px)
    coarse = is_coarse(hull, pixels)
    least = max(_MIN_ROWS if coarse else _MIN_FINE_ROWS, _MIN_ROW_SHARE * count)
    against, moored = _against_quay(pixels, hull, row, count)
    # Rows beside the manifold are used only where the others are too few.
    for usable in (pixels.code == 0, (pixels.code == 0) | (pixels.code == _MANIFOLD)):
        seen = [np.bincount(row[part & usable], minlength=count) for part in (beside, aboard)]
        good = (seen[0] >= 0.6 * strip_px) & (seen[1] >= min(0.6 * beam_px, _DECK_PX)) & free
        keep = good[row] & usable & ~against
        enough = min((keep & beside).sum(), (keep & aboard).sum()) >= _MIN_PX
        if enough and good.sum() >= least:
            break
    else:
        lost = _leading_reason(pixels, zone, (strip_px + beam_px) * count)
        return pixels, int(good.sum()), lost or "too-small"
    # Fine pixels show manifold and crane for themselves.
    share = float((pixels.code[keep & beside] == _MANIFOLD).mean()) if coarse else 0.0
    kept = replace(pixels.kept(keep), moored=moored, manifold_share=share)
    return kept, int(good.sum()), None


def is_coarse(hull: Hull, pixels: HullPixels) -> bool:
    """Whether pixels are too coarse to show what stands on a hull or beside her for itself."""
    return hull.beam_m <= _FINE_BEAM_PX * float(np.sqrt(pixels.pixel_area_m2))


def _cluttered(pixels: HullPixels, beside: Any, row: Any, count: int, *, strip_px: float) -> Any:
    """Rows (and those next to them) in which something lies where the strip should be.

    Its rim, too dim to be struck out by itself, would pass for the hull or hide the strip.
    """
    occupied = pixels.code == REASONS.index("occupied")
    land = pixels.code == REASONS.index("shade-on-quay")
    hit = np.bincount(row[beside & occupied], minlength=count) >= 1
    hit |= np.bincount(row[beside & land], minlength=count) >= min(2.0, 0.4 * strip_px)
    spread = hit.copy()
    spread[1:] |= hit[:-1]
    spread[:-1] |= hit[1:]
    return spread


def _against_quay(pixels: HullPixels, hull: Hull, row: Any, count: int) -> tuple[Any, bool]:
    """Pixels that a quay at the sunlit edge makes useless, and whether the fit must allow for it.

    A quay a metre from the hull runs into the deck. Where pixels are fine, what is left of such
    rows is her deck inboard of the blur, her shaded edge and the strip, and those are enough.
    Where a beam is a few pixels, nothing would be left: there the quay enters the fit.
    """
    across = pixels.across_m
    edge_m, size_m = 0.5 * hull.beam_m, float(np.sqrt(pixels.pixel_area_m2))
    sunlit = (across < -edge_m - 0.3 * size_m) & (across > -edge_m - 3.0 * size_m)
    free = np.bincount(row[sunlit & (pixels.code == 0)], minlength=count)
    blocked = free < 0.6 * 2.7
    if not is_coarse(hull, pixels):
        return blocked[row] & (across < -edge_m + 1.3 * size_m), False
    moored = bool(blocked.mean() > _MOORED_SHARE)
    return (moored | blocked[row]) & (across < -edge_m - 0.6 * size_m), moored


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
    shade: SceneShade | None = None,
) -> ProfileBatch:
    """Lay the pixels and the priors out for the kernel, a batch of one.

    `shade` is what the scene's houses say of how dark shade is.
    """
    start, end = pixels.body_m
    ratio, own_sd, common_sd = _shade_beforehand(
        shade_ratio_prior(bands, sun_elevation_deg, level, lit=_lit_water(pixels, hull)), shade
    )
    # Shaded hull side, seen where the sensor looks from that side, is paint and not water.
    paint = max(0.0, geometry.lean_per_m) / geometry.metres_per_metre
    heights = np.arange(0.0, _LARGEST_M + 0.5 * _FIT_STEP_M, _FIT_STEP_M)
    blur = sensor.psf_sigma_sd_px / sensor.psf_sigma_px
    spread = np.zeros((1 + len(ratio), 1 + len(ratio)))
    spread[0, 0] = blur**2
    spread[1:, 1:] = common_sd**2 + np.eye(len(ratio)) * (own_sd + 0.3 * paint) ** 2
    share = (end - start) / hull.length_m
    beam, beam_sd = _beam_beforehand_m(hull, pixels.pixel_m)
    mean, sd = freeboard_prior_m(hull.length_m, hull.beam_m, hull.length_sd_m, hull.beam_sd_m)

    def one(value: float) -> Any:
        return np.array([value], dtype=float)

    return ProfileBatch(
        values=pixels.values[None],
        across_m=pixels.across_m[None],
        along=((2.0 * pixels.along_m - start - end) / (end - start))[None],
        half_length_m=one(0.5 * (end - start)),
        valid=np.ones((1, pixels.across_m.size)),
        widths_m=(heights * geometry.metres_per_metre)[None],
        beam_m=one(beam),
        beam_sd_m=one(beam_sd),
        centre_sd_m=one(max(hull.beam_sd_m, 0.6 * pixels.pixel_m)),
        skew_sd_m=one(np.deg2rad(2.0) * 0.5 * (end - start)),
        trim_sd_m=one(0.5 * share * _TRIM_SD * hull.length_m * geometry.metres_per_metre),
        pixel_m=one(pixels.pixel_m),
        common_mean=np.array([[np.log(sensor.psf_sigma_px), *ratio]]),
        common_precision=np.linalg.inv(spread)[None],
        deck_shade=one(geometry.shadow_per_m),
        pipes=one(1.0),
        moored=one(float(pixels.moored)),
        band_shift_sd_m=one(_BAND_SHIFT_SD_PX * pixels.pixel_m),
        width_mean_m=one(mean * geometry.metres_per_metre),
        width_sd_m=one(1.3 * sd * geometry.metres_per_metre),
        scene=np.zeros(1),
    )


def _shade_beforehand(
    modelled: tuple[tuple[float, ...], float, float], seen: SceneShade | None
) -> tuple[tuple[float, ...], float, float]:
    """Return the shade ratio in each band, and its sds, by the sky's model and what is seen."""
    ratio, own_sd, common_sd = modelled
    if seen is None or len(seen.ratio) != len(ratio):
        return modelled
    before, after = own_sd**2 + common_sd**2, seen.common_sd**2
    share = before / (before + after)
    mixed = tuple(r + share * (s - r) for r, s in zip(ratio, seen.ratio, strict=True))
    both = common_sd * seen.common_sd / float(np.hypot(common_sd, seen.common_sd))
    return mixed, min(own_sd, seen.own_sd), both


def _lit_water(pixels: HullPixels, hull: Hull) -> tuple[float, ...] | None:
    """Return the level of the water about a hull in each band; None where too little is seen.

    Shade is darker: the upper part of what lies beside her.
    """
    beside = np.abs(pixels.across_m) > 0.5 * hull.beam_m + 1.5 * pixels.pixel_m
    if beside.sum() < _MIN_PX:
        return None
    return tuple(np.percentile(pixels.values[:, beside], _LIT_PERCENT, axis=1).tolist())


def _beam_beforehand_m(hull: Hull, pixel_m: float) -> tuple[float, float]:
    """Return a deck's width before the fit, as seen and as ships so long have it, and sd [m]."""
    seen_sd = max(hull.beam_sd_m, _BEAM_SD_PX * pixel_m)
    usual, usual_sd = usual_beam_m(hull.length_m, hull.length_sd_m)
    share = seen_sd**2 / (seen_sd**2 + usual_sd**2)
    beam = hull.beam_m + share * (usual - hull.beam_m)
    return beam - RIMS_M, seen_sd * float(np.sqrt(1.0 - share))


def stacked(batches: list[ProfileBatch]) -> ProfileBatch:
    """Return batches of one vessel each as one batch of a scene, padded to one count of pixels."""
    most = max(batch.across_m.shape[1] for batch in batches)

    def padded(array: Any, pixels: int) -> Any:
        if array.ndim < 2 or array.shape[-1] != pixels:
            return array
        rows = [(0, 0)] * (array.ndim - 1)
        return np.pad(array, [*rows, (0, most - pixels)])

    parts: dict[str, Any] = {}
    for item in fields(ProfileBatch):
        arrays = [getattr(batch, item.name) for batch in batches]
        if item.name in {"values", "across_m", "along", "valid"}:
            counts = [batch.across_m.shape[1] for batch in batches]
            arrays = [padded(a, n) for a, n in zip(arrays, counts, strict=True)]
        parts[item.name] = np.concatenate(arrays)
    return ProfileBatch(**parts)


def over_heights(
    log_likelihood: Any, widths_m: Any, geometry: ShadowGeometry, *, monotone: bool = True
) -> Any:
    """Return the likelihood over HEIGHTS_M of ln L over widths, marginal over heading and lean.

    `monotone` keeps the curve between its nodes' values; else it is a cubic spline.
    """
    spline = (PchipInterpolator if monotone else CubicSpline)(widths_m, log_likelihood)
    total = np.zeros(HEIGHTS_M.size)
    for per_metre, weight in zip(
        geometry.metres_per_metre_nodes, geometry.node_weights, strict=True
    ):
        width = np.clip(HEIGHTS_M * per_metre, 0.0, widths_m[-1])
        total += weight * np.exp(np.minimum(spline(width), 1.0))
    return total


def edge_sd_m(pixel_m: float, rows: int, *, moored: bool = False) -> float:
    """Return how well some rows of pixels place the edge that throws the shade, across [m].

    One edge of a hull less is seen where she lies `moored` at a quay that mixes into her deck.
    """
    a_row = _EDGE_SD_ROW_PX * (_MOORED_FACTOR if moored else 1.0)
    within = np.hypot(_EDGE_SD_PX, a_row / max(rows, 1))
    return float(np.hypot(_EDGE_SD_M, within * pixel_m))


def rough_sd_m(geometry: ShadowGeometry, edge_m: float) -> float:
    """Return by how much no fit of straight edges knows a height better, in sds [m]."""
    return float(np.hypot(_ROUGHNESS_SD_M, edge_m / geometry.metres_per_metre))


def bound_of_height_m(
    width_bound_m: float, width_m: float, geometry: ShadowGeometry, edge_m: float
) -> float:
    """Return the Cramer-Rao bound of the freeboard's sd [m], all nuisances under their priors.

    The strip's width is known to `width_bound_m`; metres of strip per metre of height, what
    stands on the deck's edge, and its roughness add what they leave open.
    """
    nodes, weights = np.array(geometry.metres_per_metre_nodes), np.array(geometry.node_weights)
    height = width_m / geometry.metres_per_metre
    heights = width_m / np.maximum(nodes, 0.05)
    spread = np.sqrt(np.sum(weights * (heights - height) ** 2))
    rise = _RISE_M / np.sqrt(_RISE_SHAPE)
    parts = [width_bound_m / geometry.metres_per_metre, spread, rise]
    return float(np.sqrt(np.sum(np.square(parts)) + rough_sd_m(geometry, edge_m) ** 2))


def with_fittings(
    likelihood: Any, geometry: ShadowGeometry, edge_m: float, *, manifold_share: float = 0.0
) -> Any:
    """Return a likelihood over HEIGHTS_M, marginal over fittings, roughness and stray fits.

    `edge_m` is what :func:`edge_sd_m` says; `manifold_share` that of HullPixels.
    """
    # What stands on the deck's edge makes a hull look higher, never lower.
    rise = _RISE_M + manifold_share * _MANIFOLD_RISE_M
    above = np.arange(0.0, 4.0 * rise, FREEBOARD_STEP_M)
    share = gammainc(
        _RISE_SHAPE, np.append(above, above[-1] + FREEBOARD_STEP_M) * _RISE_SHAPE / rise
    )
    raised = np.diff(np.interp(np.arange(above.size + 1) - 0.5, np.arange(above.size + 1), share))
    padded = np.concatenate([likelihood, np.full(above.size - 1, likelihood[-1])])
    total = np.convolve(padded, raised[::-1] / raised.sum(), mode="valid")
    rough = rough_sd_m(geometry, edge_m)
    total = gaussian_filter1d(total, rough / FREEBOARD_STEP_M, mode="reflect")
    return (1.0 - _STRAY) * total / total.sum() + _STRAY / total.size


def published(said: Freeboard, likelihood: Any, hull: Hull) -> Freeboard:
    """Publish a likelihood over HEIGHTS_M unless it says too little beside the prior."""
    prior_mean, prior_sd = freeboard_prior_m(
        hull.length_m, hull.beam_m, hull.length_sd_m, hull.beam_sd_m
    )
    prior = np.exp(-0.5 * ((HEIGHTS_M - prior_mean) / prior_sd) ** 2)
    posterior = prior * likelihood
    if _is_hidden(likelihood, posterior.sum() / prior.sum(), prior_mean):
        return replace(said, status="occupied")
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


def _is_hidden(likelihood: Any, as_a_ships: float, usual_m: float) -> bool:
    """Whether a craft in the shade explains a short strip better than any ship of her size does.

    Where a tug or a barge lies in it, what is left of the shade may be as long as it likes, up to
    the whole. `as_a_ships` is the mean likelihood of such ships, whose usual freeboard is given.
    """
    shorter = float(likelihood[usual_m > HEIGHTS_M].mean())
    return _HIDDEN * shorter > (1.0 - _HIDDEN) * as_a_ships
