"""One step of the profile's fit, and its likelihood.

Levels of a band are linear and are solved exactly; what all bands share moves by Gauss-Newton
steps on the residuals that are left (variable projection). Arrays are (vessel, width, ...)
throughout: every width asked has its own edges, blur and levels, which is what marginalising
means.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from eo.core.xp import Array, constant_like
from eo.kernels.profile_bins import ProfileBins
from eo.kernels.profile_columns import (
    BLUR,
    BOX,
    COLUMN_COUNT,
    COLUMNS,
    DECK,
    GAS,
    GROUND,
    LEE,
    MARGIN,
    MARGIN_ALL,
    NEAR,
    OUTER,
    PIECES,
    SHADE,
    SHARED,
    SIDES,
    SKEW,
    TILT,
    TIMED_GAS,
    TRIM,
    WATER,
    ZAS,
    ProfileBatch,
    ProfileState,
    near_hull,
    profile_functions,
)
from eo.kernels.profile_priors import Levels

__all__ = ["Evaluation", "descend", "evaluate"]

_BACK = 0.3
"""Share of a step that is left when it made things worse."""
_OWN = SHARED + 2
"""Parameters that a band's pixels see: the six of all bands, its own shift and shade ratio."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """The model at one state, for all widths; no array is as long as the pixels."""

    state: ProfileState
    """The state, moved by one step where that was asked for."""
    log_likelihood: Array
    """(vessel, width) at the state before the step."""
    levels: Array
    """(vessel, width, band, column) levels of the free columns."""
    slopes: Array
    """(vessel, width, band, piece, 8) derivative of the model by a band's parameters, as
    combinations of the pieces."""
    full: Array
    """(vessel, width, band, piece) the model itself, as a combination of the pieces."""
    outer_step: Array
    """(vessel, width, band) step of the level at the outer edge: derivative by the strip's width,
    per unit of that edge's piece."""


def evaluate(
    batch: ProfileBatch,
    bins: ProfileBins,
    levels: Levels,
    state: ProfileState,
    widths_m: Array,
    *,
    xp: Any,
    move: bool,
) -> Evaluation:
    """Solve the levels at a state, judge it, and (if `move`) take one step of the rest."""
    shared, bands = state.shared, state.noise.shape[1]
    gram, project = _products(batch, bins, state, widths_m, xp)
    precise = state.noise[:, None, :, ...] ** -2.0
    # The common margin adds to the prior means of the bands' own.
    mean = levels.mean[:, None, ...] + levels.contrast[:, None, :, None, ...] * (
        shared[..., MARGIN_ALL, None, None] * levels.margin
    )
    small = gram[..., COLUMNS, COLUMNS]
    normal = small + levels.precision[:, None, :, None, ...] * constant_like(
        np.eye(COLUMN_COUNT), gram
    )
    inverse = xp.linalg.inv(normal)
    known = _known(state, levels, bands, xp)
    prior = levels.precision[:, None, None, :, ...]
    right = (project - known @ gram)[..., COLUMNS] + prior * mean
    beta = right @ inverse
    full = xp.concat(
        [known[..., : COLUMNS.start], beta, known[..., TIMED_GAS]],
        axis=-1,
    )
    steps = _steps(state, levels, beta, widths_m, xp)
    slopes = _slopes(levels, steps, xp)
    residual = project - full @ gram
    away = shared - levels.shared_mean[:, None, ...]
    pull = (levels.shared_precision[:, None, ...] @ away[..., None])[..., 0]
    turned = xp.matrix_transpose(slopes)
    gradient = (turned @ residual[..., None])[..., 0] * precise[..., None]
    along = gram[:, :, None, ...] @ slopes
    cross = along[..., COLUMNS, :]
    square = turned @ along - xp.matrix_transpose(cross) @ (inverse[:, :, None, ...] @ cross)
    place = levels.placing
    square = xp.matrix_transpose(place) @ (square * precise[..., None, None]) @ place
    square = xp.sum(square, axis=2) + levels.shared_precision[:, None, ...]
    gradient = xp.sum((gradient[..., None, :] @ place)[..., 0, :], axis=2) - pull
    fitted = xp.sum(full * (project + residual), axis=-1)
    misfit = bins.power[:, None, ...] - fitted + xp.sum((beta - mean) ** 2 * prior, axis=-1)
    misfit = xp.sum(misfit * precise, axis=-1) + xp.sum(away * pull, axis=-1)
    volume = xp.linalg.slogdet(square)[1] + bands * xp.linalg.slogdet(normal)[1]
    if move:
        step = xp.linalg.solve(square, gradient[..., None])[..., 0]
        limit = _limits(batch, shared, xp)
        step = xp.minimum(xp.maximum(step, -limit), limit)
        state = replace(state, shared=shared + step, steps=steps)
    return Evaluation(
        state=state,
        log_likelihood=-0.5 * (misfit + volume),
        levels=beta,
        slopes=slopes,
        full=full,
        outer_step=steps[..., 2],
    )


def descend(
    batch: ProfileBatch,
    bins: ProfileBins,
    levels: Levels,
    state: ProfileState,
    widths_m: Array,
    *,
    steps: int,
    xp: Any,
) -> tuple[ProfileState, Array]:
    """Take steps at all widths; return the best states met and their ln L (vessel, width).

    A step that makes a width's ln L smaller is taken back by most of its length, so that no width
    ends worse than it began.
    """
    trial, best, logl = state, state, None
    for _ in range(steps + 1):
        found = evaluate(batch, bins, levels, trial, widths_m, xp=xp, move=True)
        if logl is None:
            logl, trial = found.log_likelihood, found.state
            continue
        good = found.log_likelihood >= logl
        more, most = good[..., None], good[..., None, None]
        logl = xp.where(good, found.log_likelihood, logl)
        best = replace(
            best,
            shared=xp.where(more, trial.shared, best.shared),
            steps=xp.where(most, trial.steps, best.steps),
        )
        back = best.shared + _BACK * (trial.shared - best.shared)
        trial = replace(
            best,
            shared=xp.where(more, found.state.shared, back),
            steps=xp.where(most, found.state.steps, best.steps),
        )
    return best, logl


def _products(
    batch: ProfileBatch, bins: ProfileBins, state: ProfileState, widths_m: Array, xp: Any
) -> tuple[Array, Array]:
    """Inner products of the pieces (vessel, width, piece, piece), and with the values."""
    plain = profile_functions(
        batch, bins.across_m, factors=bins.factors, edges_m=state.edges_m, shared=state.shared,
        widths_m=widths_m, xp=xp,
    )  # fmt: skip
    timed = xp.concat(
        [plain[..., DECK : DECK + 1, :], plain[..., WATER : WATER + 1, :], plain[..., GAS, :]],
        axis=-2,
    )
    weight = bins.weight[:, :, None, None, :, ...]
    turned = xp.matrix_transpose(plain)
    first = (plain * weight[:, 0, ...]) @ turned
    mixed = (timed * weight[:, 1, ...]) @ turned
    last = (timed * weight[:, 2, ...]) @ xp.matrix_transpose(timed)
    gram = xp.concat(
        [
            xp.concat([first, xp.matrix_transpose(mixed)], axis=-1),
            xp.concat([mixed, last], axis=-1),
        ],
        axis=-2,
    )
    values = xp.matrix_transpose(bins.values)[:, :, None, ...]
    project = xp.concat([plain @ values[:, 0, ...], timed @ values[:, 1, ...]], axis=-2)
    return gram, xp.matrix_transpose(project)


def _known(state: ProfileState, levels: Levels, bands: int, xp: Any) -> Array:
    """Return what the state fixes of the model (vessel, width, band, piece).

    The shade's level, and what shifts, skew and trim move at the edges.
    """
    shared, steps = state.shared, state.steps
    shade = shared[..., SHARED + bands :] * state.wet[:, None, ...]
    shift = shared[..., SHARED : SHARED + bands, None] * steps
    turned = shared[..., SKEW, None, None] * steps
    trim = shared[..., TRIM, None, None] * steps * levels.outer
    empty = xp.zeros_like(shade)[..., None]
    return xp.concat(
        [shade[..., None], *[empty] * 3, shift, *[empty] * COLUMN_COUNT, turned + trim], axis=-1
    )


def _steps(state: ProfileState, levels: Levels, beta: Array, widths_m: Array, xp: Any) -> Array:
    """Return the levels' steps (vessel, width, band, 3) at the edges, falling from left to right.

    Levels are taken as they stand at the edges, without what deck and water do along the hull:
    a Gauss-Newton step needs no more.
    """
    bands = beta.shape[-2]

    def level(piece: int) -> Array:
        return beta[..., piece - COLUMNS.start]

    shared = state.shared
    shade = shared[..., SHARED + bands :] * state.wet[:, None, ...]
    sunlit_deck = level(DECK) - level(TILT)
    deck = level(DECK) + level(TILT) + level(MARGIN)
    for k in range(3):
        # A stretch of shaded deck counts where the deck's edge cuts it off.
        cut = (shared[..., 1] > levels.pipes_m[:, None, k, ...]) & (
            shared[..., 1] <= levels.pipes_m[:, None, k + 1, ...]
        )
        box = level(BOX + k)
        deck = deck + xp.where(cut[..., None], box, xp.zeros_like(box))
    beside = near_hull(widths_m, xp)[..., None]
    water = level(WATER) + level(LEE) + beside * (level(NEAR) + level(SIDES))
    sunlit = level(WATER) + level(SIDES) + level(GROUND)
    return xp.stack([sunlit - sunlit_deck, deck - shade, shade - water], axis=-1)


def _slopes(levels: Levels, steps: Array, xp: Any) -> Array:
    """Return the derivatives (vessel, width, band, piece, 8) of eq. (1) by a band's parameters."""
    slopes = steps[..., :1, None] * constant_like(np.zeros((PIECES, _OWN)), steps)
    for edge in range(3):
        step = steps[..., edge]
        if edge < 2:
            slopes[..., GAS.start + edge, edge] = step
        else:
            slopes[..., OUTER, 1] = step
            slopes[..., TIMED_GAS.start + edge, TRIM] = step
        slopes[..., ZAS.start + edge, BLUR] = step
        slopes[..., TIMED_GAS.start + edge, SKEW] = step
        slopes[..., GAS.start + edge, SHARED] = step
    ones = xp.ones_like(steps[..., 0])
    slopes[..., MARGIN, MARGIN_ALL] = levels.contrast[:, None, ...] * ones
    slopes[..., SHADE, SHARED + 1] = levels.wet[:, None, ...] * ones
    return slopes


def _limits(batch: ProfileBatch, shared: Array, xp: Any) -> Array:
    """Largest step of each parameter: an edge moves by one blur width, and cannot jump a strip."""
    bands = (shared.shape[-1] - SHARED) // 2
    blur = xp.exp(shared[..., BLUR]) * batch.pixel_m[:, None, ...]
    one = xp.ones_like(blur)
    each = [blur, blur, 0.3 * one, 0.5 * one, blur, blur]
    return xp.stack([*each, *[0.3 * blur] * bands, *[0.3 * one] * bands], axis=-1)
