"""Noise of the profile fit: weights against clutter, and what correlation costs.

Pixels of one hull are not independent witnesses: pipes run along the deck, waves along the
water, and all bands see the same clutter. Counting them as independent makes any interval far
too narrow; here the scores of blocks along the hull say by how much.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from eo.core.xp import Array, constant_like
from eo.kernels.profile_bins import ProfileBins, cleared_across
from eo.kernels.profile_columns import (
    BLUR,
    COLUMN_COUNT,
    COLUMNS,
    DECK,
    LEE,
    NEAR,
    OUTER,
    PIECES,
    SIDES,
    SKEW,
    TIMED,
    WATER,
    ProfileBatch,
    ProfileState,
    profile_functions,
    smooth_factors,
)
from eo.kernels.profile_model import evaluate
from eo.kernels.profile_priors import Levels, least_noise, masked_median

__all__ = ["BestFit", "pick_best", "reweigh", "width_information"]

_STUDENT_DOF = 4.0
_ROWS = 64
_DARK_SIGMAS = 4.0
_TALL_REACH_M = 6.5
"""A crane stands within a manifold's half length of the manifold."""
_TALL_WEIGHT = 0.02
_BLOCKS = 8
"""Blocks along the hull whose scores measure correlation."""
_PRIOR_INFLATION = 1.5
_PRIOR_INFLATION_DOF = 4.0
"""Shrinks the factor, known from eight blocks only, towards a usual value."""


@dataclass(frozen=True, kw_only=True, eq=False)
class BestFit:
    """The fit at each vessel's best width; arrays (vessel, ...)."""

    width_m: Array
    """(vessel,)."""
    shared: Array
    """(vessel, 6 + 2 band)."""
    pieces: Array
    """(vessel, piece, pixel)."""
    residual: Array
    """(vessel, band, pixel)."""
    levels: Array
    """(vessel, band, column)."""
    slopes: Array
    """(vessel, band, piece, 8)."""
    outer_step: Array
    """(vessel, band)."""


def _picked(array: Array, index: Array, xp: Any) -> Array:
    """Take (vessel, ...) of (vessel, width, ...) at each vessel's index (vessel,)."""
    place = xp.reshape(index, (index.shape[0], *[1] * (array.ndim - 1)))
    return xp.take_along_axis(
        array, xp.broadcast_to(place, (array.shape[0], 1, *array.shape[2:])), axis=1
    )[:, 0, ...]


def pick_best(
    batch: ProfileBatch,
    bins: ProfileBins,
    levels: Levels,
    state: ProfileState,
    *,
    widths_m: Array,
    log_likelihood: Array,
    xp: Any,
) -> BestFit:
    """Return the fit at the best width of each vessel, pixel by pixel."""
    far = (widths_m - batch.width_mean_m[:, None, ...]) / batch.width_sd_m[:, None, ...]
    index = xp.argmax(log_likelihood - 0.5 * far**2, axis=1)
    shared = _picked(state.shared, index, xp)
    width = _picked(widths_m, index, xp)
    alone = replace(
        state,
        shared=shared[:, None, ...],
        steps=_picked(state.steps, index, xp)[:, None, ...],
    )
    found = evaluate(batch, bins, levels, alone, width[:, None, ...], xp=xp, move=False)
    u = cleared_across(batch, state.skew_m)
    plain = profile_functions(
        batch, u, factors=smooth_factors(u, state.edges_m, xp), edges_m=state.edges_m,
        shared=shared[:, None, ...], widths_m=width[:, None, ...], xp=xp,
    )[:, 0, ...]  # fmt: skip
    timed = xp.stack([plain[:, k, ...] for k in TIMED], axis=1) * batch.along[:, None, ...]
    pieces = xp.concat([plain, timed], axis=1)
    return BestFit(
        width_m=width,
        shared=shared,
        pieces=pieces,
        residual=batch.values - found.full[:, 0, ...] @ pieces,
        levels=found.levels[:, 0, ...],
        slopes=found.slopes[:, 0, ...],
        outer_step=found.outer_step[:, 0, ...],
    )


def _spread(residual: Array, mask: Array, fallback: Array, xp: Any) -> Array:
    """Robust sd (vessel, band) of the residuals where `mask`, where six pixels are there."""
    each = xp.broadcast_to(mask[:, None, :, ...], residual.shape)
    return 1.4826 * masked_median(xp.abs(residual), each, fallback / 1.4826, xp, least=6)


def reweigh(batch: ProfileBatch, state: ProfileState, best: BestFit, xp: Any) -> ProfileState:
    """Return the state with noise and weights taken from the best fit's residuals.

    Water and deck have noise of their own; Student-t weights (4 degrees of freedom) take
    clutter down. The best fit's edges, skew and water become those that the next bins are laid by.
    """
    valid = batch.valid > 0
    deck_share = best.pieces[:, DECK, ...]
    water_sd = _spread(best.residual, valid & (deck_share < 0.1), state.noise, xp)
    wet = sum(best.levels[..., k - COLUMNS.start] for k in (WATER, LEE, NEAR, SIDES))
    noise = xp.maximum(water_sd, least_noise(wet, xp))
    deck_sd = _spread(best.residual, valid & (deck_share > 0.8), 5.0 * noise, xp)
    ratio = xp.clip(xp.mean((deck_sd / noise) ** 2, axis=1), 1.0, 2500.0)
    uneven = 1.0 + (ratio[:, None, ...] - 1.0) * xp.clip(deck_share, 0.0, 1.0)
    square = xp.mean((best.residual / noise[..., None]) ** 2, axis=1) / uneven
    student = xp.clip((_STUDENT_DOF + 1.0) / (_STUDENT_DOF + square), 0.0, 1.0)
    tall = _beside_tall_things(batch, best, noise, xp)
    ones = xp.ones_like(student)
    weight = batch.valid * student * xp.where(tall, _TALL_WEIGHT * ones, ones) / uneven
    skew = best.shared[:, SKEW, ...]
    shared = state.shared + 0.0
    shared[..., SKEW] = shared[..., SKEW] - skew[:, None, ...]
    return replace(
        state,
        shared=shared,
        weight=weight,
        noise=noise,
        edges_m=best.shared[:, :2, ...],
        wet=wet,
        skew_m=state.skew_m + skew,
    )


def _beside_tall_things(batch: ProfileBatch, best: BestFit, noise: Array, xp: Any) -> Array:
    """Return where (vessel, pixel) something taller than the deck edge throws its shade.

    A crane or mast darkens water beyond the strip; near the hull its shade, and that of the
    manifold it serves, would pass for a wider strip. The rows that show such a dark spot lose
    their shaded side, unless that were most rows.
    """
    blur = xp.exp(best.shared[:, BLUR, ...]) * batch.pixel_m
    edge = (best.shared[:, 1, ...] + best.width_m + 1.5 * blur)[:, None, ...]
    score = xp.mean(best.residual / noise[..., None], axis=1)
    valid = batch.valid > 0
    dark = valid & (batch.across_m > edge) & (score < -_DARK_SIGMAS)
    step = xp.maximum(batch.pixel_m, batch.half_length_m / (0.5 * _ROWS))[:, None, ...]
    row = xp.floor((batch.along + 1.0) * batch.half_length_m[:, None, ...] / step)
    index = constant_like(np.arange(float(_ROWS)), row)
    member = xp.clip(row, 0.0, _ROWS - 1.0)[..., None] == index
    hit = xp.any(dark[..., None] & member, axis=1)
    known = xp.any(valid[..., None] & member, axis=1)
    apart = xp.abs(index[:, None, ...] - index)[None, ...] * step[..., None]
    near = apart <= xp.clip(step[..., None], _TALL_REACH_M, None)
    hit = xp.any(hit[:, :, None, ...] & near, axis=1) & known
    some = xp.sum(xp.astype(hit, xp.float64), axis=1)
    few = some <= 0.6 * xp.sum(xp.astype(known, xp.float64), axis=1)
    hit = hit & few[:, None, ...]
    beside = batch.across_m > 0.3 * best.shared[:, 1:2, ...]
    return xp.any(hit[:, None, :, ...] & member, axis=-1) & beside


def width_information(
    batch: ProfileBatch, state: ProfileState, levels: Levels, best: BestFit, xp: Any
) -> tuple[Array, Array, Array]:
    """Return what the data say of the strip's width.

    Returns
    -------
    bound
        (vessel,) Cramer-Rao bound of the width's sd, nuisances under their priors [m].
    inflation
        (vessel,) the sandwich's factor: the width's derivative is cleared of what levels and
        shared parameters can imitate; its information H and the spread J of its scores, summed
        over blocks along the hull, agree where noise is independent. J / H, shrunk and never
        below 1, is the factor.
    information
        (vessel, 7 + 2 band, 7 + 2 band) information of the shared parameters and the
        width, levels eliminated.
    """
    precise = (state.noise**-2.0)[..., None, None]
    pieces = best.pieces
    gram = (pieces * state.weight[:, None, ...]) @ xp.matrix_transpose(pieces)
    eye = constant_like(np.eye(COLUMN_COUNT), gram)
    inverse = xp.linalg.inv(gram[:, COLUMNS, COLUMNS, ...] + levels.precision[:, None, ...] * eye)
    unit = constant_like(np.arange(PIECES) == OUTER, gram)
    slopes = xp.concat([best.slopes, (best.outer_step[..., None] * unit)[..., None]], axis=-1)
    along = gram[:, None, ...] @ slopes
    cross = along[..., COLUMNS, :]
    solved = inverse[:, None, ...] @ cross
    square = xp.matrix_transpose(slopes) @ along - xp.matrix_transpose(cross) @ solved
    place = levels.placing_width
    whole = xp.sum(xp.matrix_transpose(place) @ (square * precise) @ place, axis=1)
    whole = whole + levels.whole_precision
    # What moves with the width, the shared parameters following as far as they can.
    rest = xp.linalg.solve(whole[:, :-1, :-1, ...], whole[:, :-1, -1:, ...])
    way = xp.concat([-rest, xp.ones_like(rest[:, :1, ...])], axis=1)
    information = xp.sum(whole[:, -1:, :, ...] @ way, axis=(1, 2))
    own = place @ way[:, None, ...]
    levelled = solved @ own
    moved = (slopes @ own)[..., 0]
    ahead, behind = moved[..., : COLUMNS.start], moved[..., COLUMNS.stop :]
    moved = xp.concat([ahead, moved[..., COLUMNS] - levelled[..., 0], behind], axis=-1)
    clear = moved @ pieces
    weight = state.weight[:, None, ...] * precise[..., 0]
    data = xp.sum(clear**2 * weight, axis=(1, 2))
    score = xp.sum(clear * best.residual * weight, axis=1)
    block = xp.clip(xp.floor((batch.along + 1.0) * (0.5 * _BLOCKS)), 0.0, _BLOCKS - 1.0)
    member = block[..., None] == constant_like(np.arange(float(_BLOCKS)), block)
    sums = xp.sum(score[..., None] * xp.astype(member, xp.float64), axis=1)
    found = xp.sum(sums**2, axis=1) / xp.clip(data, 1e-12, None)
    mixed = (_PRIOR_INFLATION * _PRIOR_INFLATION_DOF + found * _BLOCKS) / (
        _PRIOR_INFLATION_DOF + _BLOCKS
    )
    bound = xp.clip(information, 1e-12, None) ** -0.5
    return bound, xp.clip(mixed, 1.0, None), whole
