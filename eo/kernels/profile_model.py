"""One step of the profile's fit, and its likelihood.

Levels of a band are linear and are solved exactly; what all bands share moves by Gauss-Newton
steps on the residuals that are left (variable projection). Arrays are (vessel, width, ...)
throughout: every width asked has its own edges, blur and levels, which is what marginalising
means.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from eo.core.xp import Array
from eo.kernels.profile_columns import (
    COLUMNS,
    EDGES,
    LEE,
    MARGIN,
    OUTER_EDGE,
    PIECES,
    SHADE,
    SHARED,
    TILT,
    WATER,
    ProfileBatch,
    ProfileState,
    model_pieces,
)
from eo.kernels.profile_priors import Levels

__all__ = ["Evaluation", "evaluate"]


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
    offset = xp.zeros((*shared.shape[:2], precise.shape[1], COLUMNS))
    offset[..., SHADE] = levels.water[:, None] * shared[..., 3:4]
    offset[..., MARGIN] = levels.contrast[:, None] * shared[..., 4:5]
    mean = levels.mean[:, None] + offset
    small = gram[..., None, :COLUMNS, :COLUMNS] * scale[..., None]
    normal = small + levels.precision[:, None, :, :, None] * xp.eye(COLUMNS)
    inverse = xp.linalg.inv(normal)
    shift = shared[..., SHARED:, None] * state.steps
    moved = shift @ gram[..., EDGES, :]
    right = (project - moved)[..., :COLUMNS] * scale + levels.precision[:, None] * mean
    beta = (inverse @ right[..., None])[..., 0]
    slopes, steps = _slopes(levels, beta, xp)
    full = xp.concatenate([beta, shift, xp.zeros_like(beta[..., : PIECES - COLUMNS - 3])], axis=-1)
    residual = project - full @ gram
    away = shared - levels.shared_mean[:, None]
    pull = (levels.shared_precision[:, None] @ away[..., None])[..., 0]
    turned = xp.swapaxes(slopes, -1, -2)
    gradient = xp.sum((turned @ (residual * scale)[..., None])[..., 0], axis=2) - pull
    along = (gram[:, :, None] @ slopes) * scale[..., None]
    cross = along[..., :COLUMNS, :]
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
    bands = shared.shape[-1] - SHARED
    limit = xp.stack([blur, blur, third, half, half, blur, *[0.3 * blur] * bands], axis=-1)
    return xp.clip(step, -limit, limit)


def _slopes(levels: Levels, beta: Array, xp: Any) -> tuple[Array, Array]:
    """Return the derivatives of eq. (1), and the levels' steps at the three edges.

    Levels are taken as they stand at the edges, without what deck and water do along the hull:
    a Gauss-Newton step needs no more.
    """
    bands = beta.shape[-2]
    tilt = beta[..., TILT]
    sunlit_deck, sunlit_water = beta[..., 0] - tilt, beta[..., WATER]
    deck = beta[..., 0] + tilt + beta[..., MARGIN]
    water = beta[..., WATER] + beta[..., LEE]
    shade = beta[..., SHADE]
    left, right, outer = sunlit_water - sunlit_deck, deck - shade, shade - water
    slopes = xp.zeros((*beta.shape[:-1], PIECES, SHARED + bands))
    slopes[..., COLUMNS, 0] = left
    slopes[..., COLUMNS + 1, 1] = right
    slopes[..., OUTER_EDGE, 1] = outer
    for index, level in ((0, left), (1, right), (2, outer)):
        slopes[..., COLUMNS + 3 + index, 5] = level
        slopes[..., COLUMNS + 6 + index, 2] = level
    slopes[..., SHADE, 3] = levels.water[:, None]
    slopes[..., MARGIN, 4] = levels.contrast[:, None]
    steps = xp.stack([left, right, outer], axis=-1)
    for band in range(bands):
        slopes[..., band, EDGES, SHARED + band] = steps[..., band, :]
    return slopes, steps
