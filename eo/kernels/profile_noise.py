"""Noise of the profile fit: weights against clutter, and what correlation costs.

Pixels of one hull are not independent witnesses: pipes run along the deck, waves along the
water, and all bands see the same clutter. Counting them as independent makes any interval far
too narrow; here the scores of blocks along the hull say by how much.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from eo.core.xp import Array
from eo.kernels.profile_columns import (
    OUTER_EDGE,
    WATER,
    ProfileBatch,
    ProfileState,
    model_pieces,
)
from eo.kernels.profile_model import Evaluation

__all__ = ["BestFit", "pick_best", "reweigh", "width_information"]

_STUDENT_DOF = 4.0
_ROWS = 64
_DARK_SIGMAS = 4.0
_TALL_REACH_M = 6.5
"""A crane stands within a manifold's half length of the manifold."""
_TALL_WEIGHT = 0.02
_BLOCKS = 8
"""Blocks along the hull whose scores measure correlation."""
_PRIOR_INFLATION = 2.0
_PRIOR_INFLATION_DOF = 4.0
"""Shrinks the factor, known from eight blocks only, towards a usual value."""


@dataclass(frozen=True, kw_only=True, eq=False)
class BestFit:
    """The fit at each vessel's best width; arrays (vessel, ...)."""

    index: Array
    """(vessel,) index of the best width among those asked."""
    width_m: Array
    """(vessel,)."""
    shared: Array
    """(vessel, 6 + band)."""
    pieces: Array
    """(vessel, piece, pixel)."""
    residual: Array
    """(vessel, band, pixel)."""
    levels: Array
    """(vessel, band, column), shared offsets included."""
    slopes: Array
    """(vessel, band, piece, 6 + band)."""
    width_slope: Array
    """(vessel, band)."""
    inverse: Array
    """(vessel, band, column, column)."""
    shared_normal: Array
    """(vessel, 6 + band, 6 + band)."""


def pick_best(
    batch: ProfileBatch, shapes: Array, evaluation: Evaluation, widths_m: Array, xp: Any
) -> BestFit:
    """Return the fit at the best width of each vessel, pixel by pixel."""
    index = xp.argmax(evaluation.log_likelihood, axis=1)
    rows = xp.arange(index.shape[0])
    shared = evaluation.state.shared[rows, index]
    width = widths_m[rows, index]
    pieces = model_pieces(batch, shapes, shared[:, None], width[:, None], xp)[:, 0]
    levels = evaluation.levels[rows, index]
    return BestFit(
        index=index,
        width_m=width,
        shared=shared,
        pieces=pieces,
        residual=batch.values - evaluation.full[rows, index] @ pieces,
        levels=levels,
        slopes=evaluation.slopes[rows, index],
        width_slope=evaluation.width_slope[rows, index],
        inverse=evaluation.inverse[rows, index],
        shared_normal=evaluation.shared_normal[rows, index],
    )


def _spread(residual: Array, mask: Array, xp: Any) -> tuple[Array, Array]:
    """Robust sd (vessel, band) of the residuals where `mask`, and whether enough are there."""
    enough = xp.sum(mask, axis=1) >= 6
    keep = xp.where(enough[:, None], mask, xp.ones_like(mask))[:, None]
    return 1.4826 * xp.nanmedian(xp.where(keep, xp.abs(residual), xp.nan), axis=-1), enough


def reweigh(batch: ProfileBatch, state: ProfileState, best: BestFit, xp: Any) -> ProfileState:
    """Return the state with noise and weights taken from the best fit's residuals.

    Water and deck have noise of their own; Student-t weights (4 degrees of freedom) take
    clutter down.
    """
    valid = batch.valid > 0
    deck_share = best.pieces[:, 0]
    water_sd, water_known = _spread(best.residual, valid & (deck_share < 0.1), xp)
    deck_sd, deck_known = _spread(best.residual, valid & (deck_share > 0.8), xp)
    floor = xp.maximum(0.01 * xp.abs(best.levels[..., WATER]), 1e-4)
    noise = xp.maximum(xp.where(water_known[:, None], water_sd, state.noise), floor)
    ratio = xp.clip(xp.mean((deck_sd / noise) ** 2, axis=1), 1.0, 2500.0)
    ratio = xp.where(deck_known, ratio, 25.0)
    uneven = 1.0 + (ratio[:, None] - 1.0) * xp.clip(deck_share, 0.0, 1.0)
    square = xp.mean((best.residual / noise[..., None]) ** 2, axis=1) / uneven
    student = xp.minimum((_STUDENT_DOF + 1.0) / (_STUDENT_DOF + square), 1.0)
    tall = _beside_tall_things(batch, best, noise, xp)
    weight = valid * student * xp.where(tall, _TALL_WEIGHT, 1.0) / uneven
    return replace(state, weight=weight, noise=noise, edges_m=best.shared[:, :2])


def _beside_tall_things(batch: ProfileBatch, best: BestFit, noise: Array, xp: Any) -> Array:
    """Return where (vessel, pixel) something taller than the deck edge throws its shade.

    A crane or mast darkens water beyond the strip; near the hull its shade, and that of the
    manifold it serves, would pass for a wider strip. The rows that show such a dark spot lose
    their shaded side, unless that were most rows.
    """
    blur = xp.exp(best.shared[:, 2:3])
    edge = best.shared[:, 1:2] + best.width_m[:, None] + 1.5 * blur
    score = xp.mean(best.residual / noise[..., None], axis=1)
    dark = (batch.valid > 0) & (batch.across_m > edge) & (score < -_DARK_SIGMAS)
    step = xp.maximum(batch.pixel_m, batch.half_length_m / (0.5 * _ROWS))[:, None]
    row = xp.floor((batch.along + 1.0) * batch.half_length_m[:, None] / step)
    member = xp.clip(row, 0, _ROWS - 1)[..., None] == xp.arange(_ROWS)
    hit = xp.any(dark[..., None] & member, axis=1)
    known = xp.any((batch.valid > 0)[..., None] & member, axis=1)
    index = xp.arange(_ROWS)
    apart = xp.abs(index[:, None] - index)[None] * step[..., None]
    near = apart <= xp.maximum(_TALL_REACH_M, step[..., None])
    hit = xp.any(hit[:, :, None] & near, axis=1) & known
    few = xp.sum(hit, axis=1) <= 0.6 * xp.sum(known, axis=1)
    hit = hit & few[:, None]
    return xp.any(hit[:, None, :] & member, axis=-1) & (batch.across_m > 0.3 * best.shared[:, 1:2])


def width_information(
    batch: ProfileBatch, state: ProfileState, best: BestFit, xp: Any
) -> tuple[Array, Array]:
    """Return the bound of the width's sd (vessel,) [m] and the sandwich's factor (vessel,).

    The width's derivative is cleared of what levels and shared parameters can imitate; its
    information H and the spread J of its scores, summed over blocks along the hull, agree where
    noise is independent. J / H, shrunk and never below 1, is the factor.
    """
    weight = state.weight[:, None] * (state.noise**-2.0)[..., None]
    columns = best.pieces[:, : best.levels.shape[-1]]
    outer = best.width_slope[..., None] * best.pieces[:, None, OUTER_EDGE]
    jacobian = xp.swapaxes(best.slopes, -1, -2) @ best.pieces[:, None]
    cross = columns[:, None] @ xp.swapaxes(jacobian * weight[:, :, None], -1, -2)
    on_columns = (columns[:, None] @ (outer * weight)[..., None])[..., 0]
    on_shared = xp.sum((jacobian @ (outer * weight)[..., None])[..., 0], axis=1)
    solved = best.inverse @ on_columns[..., None]
    on_shared = on_shared - xp.sum(xp.swapaxes(cross, -1, -2) @ solved, axis=1)[..., 0]
    shared = xp.linalg.solve(best.shared_normal, on_shared[..., None])
    left = on_columns[..., None] - cross @ shared[:, None]
    column = best.inverse @ left
    clear = outer - (xp.swapaxes(jacobian, -1, -2) @ shared[:, None])[..., 0]
    clear = clear - (xp.swapaxes(columns[:, None], -1, -2) @ column)[..., 0]
    # The priors' share of the information makes the product with the raw slope, not the square.
    information = xp.sum(outer * clear * weight, axis=(1, 2))
    data = xp.sum(clear**2 * weight, axis=(1, 2))
    score = xp.sum(clear * best.residual * weight, axis=1)
    block = xp.clip(xp.floor((batch.along + 1.0) * (0.5 * _BLOCKS)), 0, _BLOCKS - 1)
    member = block[..., None] == xp.arange(_BLOCKS)
    sums = xp.sum(score[..., None] * member, axis=1)
    found = xp.sum(sums**2, axis=1) / xp.maximum(data, 1e-12)
    mixed = (_PRIOR_INFLATION * _PRIOR_INFLATION_DOF + found * _BLOCKS) / (
        _PRIOR_INFLATION_DOF + _BLOCKS
    )
    bound = xp.maximum(information, 1e-12) ** -0.5
    return bound, xp.maximum(mixed, 1.0)
