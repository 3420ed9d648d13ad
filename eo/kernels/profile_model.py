"""The blurred three-level profile: its columns, priors, and one step of its fit.

Equations (1) to (5) stand in :mod:`eo.kernels.profile`. Levels of a band are linear and are
solved exactly; what all bands share moves by Gauss-Newton steps on the residuals that are left
(variable projection). Arrays are (vessel, width, pixel, ...) throughout: every width asked has
its own edges, blur and levels, which is what marginalising means.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from eo.core.xp import Array

__all__ = [
    "OUTER_EDGE",
    "SHADE",
    "WATER",
    "Evaluation",
    "Levels",
    "ProfileBatch",
    "ProfileState",
    "column_shapes",
    "evaluate",
    "level_priors",
    "model_pieces",
    "start_state",
]

_CLASS = (0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2)
"""Class (deck, water, shade) of the columns: deck 1, along, pipe rack, middle, deck shade, tilt,
margin; water 1, across, along, lee; shade 1."""
_TILT, _MARGIN, WATER, _LEE, SHADE = 5, 6, 7, 10, 11
"""Columns that others must know."""
_SHARED = 6
"""Shared parameters: edges a and b, ln q, shade ratio, margin, skew; then one shift per band."""
_COLUMNS = len(_CLASS)
_EDGES = slice(_COLUMNS, _COLUMNS + 3)
OUTER_EDGE = _COLUMNS + 2
"""Index of the shade's outer edge among the pieces: the columns; densities at the edges a, b,
b + w; the same times `along`; and z p(z) at the three edges."""
_PIECES = _COLUMNS + 9
_PIPE_RACK_M = 2.0
_PIPE_HALF_M = 1.5
"""Half the width of a pipe rack; its shadow on the deck begins there."""
_MIDDLE_SHARE = 0.45
"""Fittings stand on the middle half of a deck: sd of their hump, of the half beam."""
_MARGIN_M = 2.0
_LEE_M = 30.0
_FREE = 1e-8


@dataclass(frozen=True, kw_only=True, eq=False)
class ProfileBatch:
    """Pixels of several hulls, padded to one count; all arrays on one device, float64."""

    values: Array
    """(vessel, band, pixel) reflectance or radiance; finite everywhere, 0 where not valid."""
    across_m: Array
    """(vessel, pixel) distance of the pixel's centre from the hull's axis, positive towards the
    shaded side [m on the ground]."""
    along: Array
    """(vessel, pixel) place along the parallel mid-body, -1 to 1."""
    half_length_m: Array
    """(vessel,) half the mid-body's length: metres along per unit of `along`."""
    valid: Array
    """(vessel, pixel) 1 where the pixel is used, else 0."""
    widths_m: Array
    """(vessel, width) strip widths asked, ascending, evenly spaced from 0 [m]."""
    beam_m: Array
    """(vessel,) prior mean of the deck's width [m]."""
    beam_sd_m: Array
    """(vessel,) its sd [m]."""
    centre_sd_m: Array
    """(vessel,) sd of the hull's place across [m]."""
    skew_sd_m: Array
    """(vessel,) sd of the axis's place across at along = 1, from the heading's error [m]."""
    pixel_m: Array
    """(vessel,) pixel size as seen across the hull [m]: root of the sum of squares of the
    pixel's two edges along the normal."""
    psf_sigma_px: Array
    """(vessel,) prior mean of the point spread's sigma, detector aperture included [px]."""
    psf_sigma_sd_px: Array
    """(vessel,) its sd [px]."""
    shade_ratio: Array
    """(vessel, band) prior mean of shaded over lit water."""
    shade_ratio_sd: Array
    """(vessel,) sd of that ratio, band by band."""
    shade_ratio_common_sd: Array
    """(vessel,) sd of an offset of the ratio that all bands share."""
    deck_shade_m: Array
    """(vessel,) length across of the shadow that a deck's pipes throw on the deck [m]."""
    band_shift_sd_m: Array
    """(vessel,) sd of a band's own place across the hull [m]: bands are taken one after another."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ProfileState:
    """Where the fit stands."""

    shared: Array
    """(vessel, width, 6 + band) a [m], b [m], ln q, offset of the shade ratio, margin, skew [m],
    and each band's shift [m]."""
    steps: Array
    """(vessel, width, band, 3) steps of the levels at the edges a, b, b + w, from the last
    evaluation: what a band's shift moves."""
    weight: Array
    """(vessel, pixel) weight of a pixel in units of 1 / noise^2."""
    noise: Array
    """(vessel, band) sd of the water's noise."""
    edges_m: Array
    """(vessel, 2) deck edges about which margin and lee are laid."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Levels:
    """Priors of what is linear, and of what is shared."""

    mean: Array
    """(vessel, band, column) means of the columns' levels."""
    precision: Array
    """(vessel, band, column) one over their variances."""
    water: Array
    """(vessel, band) rough level of lit water."""
    contrast: Array
    """(vessel, band) rough deck less water."""
    shared_mean: Array
    """(vessel, 6 + band)."""
    shared_precision: Array
    """(vessel, 6 + band, 6 + band)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """The model at one state, for all widths; no array is as long as the pixels."""

    state: ProfileState
    """The state, moved by one step where that was asked for."""
    log_likelihood: Array
    """(vessel, width) at the state before the step."""
    levels: Array
    """(vessel, width, band, column) levels of the columns."""
    slopes: Array
    """(vessel, width, band, piece, 6 + band) derivative of the model by the shared parameters, as
    combinations of the pieces."""
    full: Array
    """(vessel, width, band, piece) the model itself, as a combination of the pieces."""
    width_slope: Array
    """(vessel, width, band) derivative by the strip's width, per unit of the outer edge's piece.
    """
    inverse: Array
    """(vessel, width, band, column, column) inverse normal matrices of the levels."""
    shared_normal: Array
    """(vessel, width, 6 + band, 6 + band) normal matrix of the shared parameters, levels
    eliminated."""


def _masked_median(values: Array, mask: Array, fallback: Array, xp: Any) -> Array:
    """Median over the last axis where `mask`; `fallback` where fewer than three are left."""
    enough = xp.sum(mask, axis=-1) >= 3
    keep = xp.where(enough[..., None], mask, xp.ones_like(mask))
    found = xp.nanmedian(xp.where(keep, values, xp.nan), axis=-1)
    return xp.where(enough, found, fallback)


def start_state(batch: ProfileBatch, widths_m: Array, xp: Any) -> ProfileState:
    """Return the state before any fit: edges as given, even weights, noise from the water."""
    vessels, count = widths_m.shape
    half = 0.5 * batch.beam_m
    bands = batch.values.shape[1]
    shared = xp.zeros((vessels, count, _SHARED + bands))
    shared[..., 0] = -half[:, None]
    shared[..., 1] = half[:, None]
    shared[..., 2] = xp.log(batch.pixel_m * batch.psf_sigma_px)[:, None]
    water, spread = _rough_water(batch, xp)
    noise = xp.maximum(1.4826 * spread, xp.maximum(0.01 * xp.abs(water), 1e-4))
    return ProfileState(
        shared=shared,
        steps=xp.zeros((vessels, count, bands, 3)),
        weight=batch.valid * 1.0,
        noise=noise,
        edges_m=xp.stack([-half, half], axis=-1),
    )


def _rough_water(batch: ProfileBatch, xp: Any) -> tuple[Array, Array]:
    """Median and median deviation (vessel, band) of the water farther from the hull."""
    valid = batch.valid > 0
    beyond = xp.abs(batch.across_m) - 0.5 * batch.beam_m[:, None]
    reach = xp.max(xp.where(valid, batch.across_m, -xp.inf), axis=1) - 0.5 * batch.beam_m
    least = 1.5 * batch.pixel_m[:, None]
    far = xp.where(batch.across_m > 0, xp.maximum(0.5 * reach[:, None], least), least)
    mask = xp.broadcast_to((valid & (beyond > far))[:, None, :], batch.values.shape)
    zero = xp.zeros(batch.values.shape[:2])
    middle = _masked_median(batch.values, mask, zero, xp)
    spread = _masked_median(xp.abs(batch.values - middle[..., None]), mask, zero + 1e-3, xp)
    return middle, spread


def level_priors(batch: ProfileBatch, state: ProfileState, xp: Any) -> Levels:
    """Return the priors of levels and shared parameters, scaled by rough levels."""
    water, _ = _rough_water(batch, xp)
    core = (batch.valid > 0) & (
        xp.abs(batch.across_m) < xp.maximum(0.3 * batch.beam_m, 0.6 * batch.pixel_m)[:, None]
    )
    mask = xp.broadcast_to(core[:, None, :], batch.values.shape)
    deck = _masked_median(batch.values, mask, 2.0 * water, xp)
    scale = xp.maximum(xp.abs(deck - water), 3.0 * state.noise)
    bright = xp.maximum(xp.abs(water), state.noise)
    free = xp.zeros_like(water)
    mean = xp.stack([deck, *[free] * 6, water, *[free] * 3, batch.shade_ratio * water], axis=-1)
    sd_inverse = xp.stack(
        [
            _FREE / scale,
            1.0 / (0.3 * scale),
            1.0 / (0.5 * scale),
            1.0 / (0.5 * scale),
            1.0 / (xp.minimum(0.35 * batch.deck_shade_m, 1.0)[:, None] * scale),
            1.0 / (0.2 * scale),
            1.0 / (0.06 * scale),
            _FREE / bright,
            1.0 / (0.25 * bright),
            1.0 / (0.15 * bright),
            1.0 / (0.30 * bright),
            1.0 / (batch.shade_ratio_sd[:, None] * bright),
        ],
        axis=-1,
    )
    shared_mean, shared_precision = _shared_priors(batch, xp)
    return Levels(
        mean=mean,
        precision=sd_inverse**2,
        water=water,
        contrast=deck - water,
        shared_mean=shared_mean,
        shared_precision=shared_precision,
    )


def _shared_priors(batch: ProfileBatch, xp: Any) -> tuple[Array, Array]:
    vessels, bands = batch.values.shape[:2]
    mean = xp.zeros((vessels, _SHARED + bands))
    mean[:, 0] = -0.5 * batch.beam_m
    mean[:, 1] = 0.5 * batch.beam_m
    mean[:, 2] = xp.log(batch.pixel_m * batch.psf_sigma_px)
    centre, beam = batch.centre_sd_m**-2.0, batch.beam_sd_m**-2.0
    precision = xp.zeros((vessels, _SHARED + bands, _SHARED + bands))
    precision[:, 0, 0] = precision[:, 1, 1] = 0.25 * centre + beam
    precision[:, 0, 1] = precision[:, 1, 0] = 0.25 * centre - beam
    spread = batch.psf_sigma_sd_px / batch.psf_sigma_px
    precision[:, 2, 2] = spread**-2.0
    precision[:, 3, 3] = batch.shade_ratio_common_sd**-2.0
    precision[:, 4, 4] = 0.08**-2.0
    precision[:, 5, 5] = batch.skew_sd_m**-2.0
    for band in range(bands):
        precision[:, _SHARED + band, _SHARED + band] = batch.band_shift_sd_m**-2.0
    return mean, precision


def column_shapes(batch: ProfileBatch, state: ProfileState, xp: Any) -> Array:
    """Return the smooth factors (vessel, column, pixel) that the shares are multiplied with."""
    u, t = batch.across_m, batch.along
    left, right = state.edges_m[:, :1], state.edges_m[:, 1:]
    one = xp.ones_like(u)
    middle = 0.5 * (left + right)
    half = xp.maximum(0.5 * (right - left), 1.0)
    pipe = xp.exp(-0.5 * ((u - middle) / _PIPE_RACK_M) ** 2)
    broad = xp.exp(-0.5 * ((u - middle) / (_MIDDLE_SHARE * half)) ** 2)
    long = batch.deck_shade_m[:, None]
    shaded = u - middle - _PIPE_HALF_M - 0.5 * long
    shaded = xp.exp(-0.5 * (shaded / (0.4 * long + 1.0)) ** 2)
    tilt = xp.clip((u - middle) / half, -1.5, 1.5)
    margin = xp.exp(-0.5 * (xp.minimum(u - right, 0.0) / _MARGIN_M) ** 2)
    lee = xp.where(u > right, xp.exp(-0.5 * ((u - right) / _LEE_M) ** 2), 0.0)
    return xp.stack([one, t, pipe, broad, shaded, tilt, margin, one, u / 50.0, t, lee, one], axis=1)


def _normal_cdf_pdf(z: Array, xp: Any) -> tuple[Array, Array]:
    """Return P(z) and its derivative; Abramowitz & Stegun 26.2.17, error below 7.5e-8.

    Written out since NumPy has none and SciPy's and CuPy's stand in different places.
    """
    size = xp.minimum(xp.abs(z), 12.0)
    pdf = 0.3989422804014327 * xp.exp(-0.5 * size * size)
    k = 1.0 / (1.0 + 0.2316419 * size)
    tail = k * (
        0.319381530 + k * (-0.356563782 + k * (1.781477937 + k * (-1.821255978 + k * 1.330274429)))
    )
    tail = pdf * tail
    return xp.where(z > 0, 1.0 - tail, tail), pdf


def model_pieces(
    batch: ProfileBatch, shapes: Array, shared: Array, widths_m: Array, xp: Any
) -> Array:
    """Return the pieces (vessel, width, piece, pixel) that model and derivatives are made of."""
    t = batch.along[:, None, :]
    u = batch.across_m[:, None, :] - shared[..., 5:6] * t
    a, b = shared[..., 0:1], shared[..., 1:2]
    scale = xp.exp(-shared[..., 2:3])
    z = [(u - a) * scale, (u - b) * scale, (u - b - widths_m[..., None]) * scale]
    (p_a, g_a), (p_b, g_b), (p_s, g_s) = (_normal_cdf_pdf(item, xp) for item in z)
    deck, shade = p_a - p_b, p_b - p_s
    shares = (deck, 1.0 - deck - shade, shade)
    densities = [g_a * scale, g_b * scale, g_s * scale]
    pieces = [shares[kind] * shapes[:, None, k] for k, kind in enumerate(_CLASS)]
    pieces += densities
    pieces += [t * density for density in densities]
    pieces += [z[0] * g_a, z[1] * g_b, z[2] * g_s]
    return xp.stack(pieces, axis=2)


def evaluate(
    batch: ProfileBatch,
    shapes: Array,
    levels: Levels,
    state: ProfileState,
    widths_m: Array,
    *,
    xp: Any,
    move: bool,
) -> Evaluation:
    """Solve the levels at a state, judge it, and (if `move`) take one step of the rest.

    Pixels enter through inner products of the pieces only; bands and parameters are then a
    matter of small matrices.
    """
    shared = state.shared
    pieces = model_pieces(batch, shapes, shared, widths_m, xp)
    weighted = pieces * state.weight[:, None, None, :]
    gram = weighted @ xp.swapaxes(pieces, -1, -2)
    project = xp.swapaxes(weighted @ xp.swapaxes(batch.values, 1, 2)[:, None], -1, -2)
    power = xp.sum(batch.values**2 * state.weight[:, None, :], axis=-1)
    precise = state.noise**-2.0
    scale = precise[:, None, :, None]
    # What the shared offsets of shade ratio and margin add to the levels' prior means.
    offset = xp.zeros((*shared.shape[:2], precise.shape[1], _COLUMNS))
    offset[..., SHADE] = levels.water[:, None] * shared[..., 3:4]
    offset[..., _MARGIN] = levels.contrast[:, None] * shared[..., 4:5]
    mean = levels.mean[:, None] + offset
    small = gram[..., None, :_COLUMNS, :_COLUMNS] * scale[..., None]
    normal = small + levels.precision[:, None, :, :, None] * xp.eye(_COLUMNS)
    inverse = xp.linalg.inv(normal)
    shift = shared[..., _SHARED:, None] * state.steps
    moved = shift @ gram[..., _EDGES, :]
    right = (project - moved)[..., :_COLUMNS] * scale + levels.precision[:, None] * mean
    beta = (inverse @ right[..., None])[..., 0]
    slopes, steps = _slopes(levels, beta, xp)
    full = xp.concatenate(
        [beta, shift, xp.zeros_like(beta[..., : _PIECES - _COLUMNS - 3])], axis=-1
    )
    residual = project - full @ gram
    away = shared - levels.shared_mean[:, None]
    pull = (levels.shared_precision[:, None] @ away[..., None])[..., 0]
    turned = xp.swapaxes(slopes, -1, -2)
    gradient = xp.sum((turned @ (residual * scale)[..., None])[..., 0], axis=2) - pull
    along = (gram[:, :, None] @ slopes) * scale[..., None]
    cross = along[..., :_COLUMNS, :]
    square = turned @ along - xp.swapaxes(cross, -1, -2) @ (inverse @ cross)
    square = xp.sum(square, axis=2) + levels.shared_precision[:, None]
    fitted = xp.sum(full * (project + residual), axis=-1)
    misfit = xp.sum((power[:, None] - fitted) * scale[..., 0], axis=-1)
    misfit = misfit + xp.sum((beta - mean) ** 2 * levels.precision[:, None], axis=(2, 3))
    misfit = misfit + xp.sum(away * pull, axis=-1)
    volume = xp.linalg.slogdet(square)[1] + xp.sum(xp.linalg.slogdet(normal)[1], axis=-1)
    if move:
        step = xp.linalg.solve(square, gradient[..., None])[..., 0]
        state = replace(state, shared=shared + _limited(step, shared, xp), steps=steps)
    return Evaluation(
        state=state,
        log_likelihood=-0.5 * (misfit + volume),
        levels=beta,
        slopes=slopes,
        full=full,
        width_slope=steps[..., 2],
        inverse=inverse,
        shared_normal=square,
    )


def _limited(step: Array, shared: Array, xp: Any) -> Array:
    """Cut a step: an edge moves by one blur width at most, so that it cannot jump a strip."""
    blur = xp.exp(shared[..., 2])
    third, half = 0.0 * blur + 0.3, 0.0 * blur + 0.5
    bands = shared.shape[-1] - _SHARED
    limit = xp.stack([blur, blur, third, half, half, blur, *[0.3 * blur] * bands], axis=-1)
    return xp.clip(step, -limit, limit)


def _slopes(levels: Levels, beta: Array, xp: Any) -> tuple[Array, Array]:
    """Return the derivatives of eq. (1), and the levels' steps at the three edges.

    Levels are taken as they stand at the edges, without what deck and water do along the hull:
    a Gauss-Newton step needs no more.
    """
    bands = beta.shape[-2]
    tilt = beta[..., _TILT]
    sunlit_deck, sunlit_water = beta[..., 0] - tilt, beta[..., WATER]
    deck = beta[..., 0] + tilt + beta[..., _MARGIN]
    water = beta[..., WATER] + beta[..., _LEE]
    shade = beta[..., SHADE]
    left, right, outer = sunlit_water - sunlit_deck, deck - shade, shade - water
    slopes = xp.zeros((*beta.shape[:-1], _PIECES, _SHARED + bands))
    slopes[..., _COLUMNS, 0] = left
    slopes[..., _COLUMNS + 1, 1] = right
    slopes[..., OUTER_EDGE, 1] = outer
    for index, level in ((0, left), (1, right), (2, outer)):
        slopes[..., _COLUMNS + 3 + index, 5] = level
        slopes[..., _COLUMNS + 6 + index, 2] = level
    slopes[..., SHADE, 3] = levels.water[:, None]
    slopes[..., _MARGIN, 4] = levels.contrast[:, None]
    steps = xp.stack([left, right, outer], axis=-1)
    for band in range(bands):
        slopes[..., band, _EDGES, _SHARED + band] = steps[..., band, :]
    return slopes, steps
