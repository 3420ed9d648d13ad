"""The hull's cross-profile: how wide the dark strip beside her is.

The model is three levels across the hull, deck, shade and water, blurred by pixel and optics
and held against all raw pixels along the parallel mid-body, all bands at once, the image never
resampled. For pixel i at distance u across the hull and band c:

    y_ic = D_c(u, t) f_d(u) + S_c f_s(u) + W_c(u, t) f_w(u) + noise                        (1)
    f_d = P((u - a) / q) - P((u - b) / q)        share of deck in the pixel                 (2)
    f_s = P((u - b) / q) - P((u - b - w) / q)    share of shade                             (3)
    f_w = 1 - f_d - f_s                          share of water                             (4)
    q = sigma p                                  point spread, detector included            (5)

with P the normal distribution function, p the pixel [m] and sigma the point spread's [px].
Deck and water levels are free per band, as are weak gradients, a pipe rack, the fittings of the
deck's middle, a margin of its edge and a lee patch of the water, each under a Gaussian prior.
The shade's level is pinned at a ratio to the water's, by a prior. Hull edges a and b, the
axis's skew, each band's shift and the blur are refined within priors. For every width w asked
all of these are marginalised (exactly where linear, else by Laplace's method), which leaves
ln L(w).

Noise is estimated from the residuals (:mod:`eo.kernels.profile_noise`); what it shares along
the hull and between bands is measured by the scores of blocks of the hull (a sandwich) and
tempers ln L.

One formula on NumPy and CuPy: all arrays of a batch live on one device. Nothing here knows of
ships' sizes, suns or files.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from eo.core.xp import Array, namespace
from eo.kernels.profile_columns import (
    SHADE,
    WATER,
    ProfileBatch,
    ProfileState,
    column_shapes,
)
from eo.kernels.profile_model import evaluate
from eo.kernels.profile_noise import BestFit, pick_best, reweigh, width_information
from eo.kernels.profile_priors import Levels, level_priors, start_state

__all__ = ["ProfileBatch", "ProfileFit", "profile_likelihood"]

_COARSE = 17
_MIDDLE = 9
_FINE = 21
_STEPS = (4, 1, 1)
"""Widths tried over the whole range, about the best of them, and within the peak; and the
steps that each round takes. ln L is smooth on the scale of the blur, which the first widths
resolve."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ProfileFit:
    """What a batch says of its strips; arrays on the batch's device."""

    log_likelihood: Array
    """(vessel, width) ln L at the batch's widths, maximum 0."""
    width_m: Array
    """(vessel,) best width of those asked [m]."""
    width_bound_m: Array
    """(vessel,) Cramer-Rao bound of the width's sd, noise taken as independent [m]."""
    inflation: Array
    """(vessel,) factor by which correlated noise widened the variance."""
    shade_ratio: Array
    """(vessel,) fitted shaded over lit water, mean over bands by their contrast squared."""
    centre_m: Array
    """(vessel,) fitted centre of the deck, across [m]."""
    beam_m: Array
    """(vessel,) fitted width of the deck [m]."""
    blur_px: Array
    """(vessel,) fitted sigma of the point spread [px]."""
    noise: Array
    """(vessel, band) sd of the water's noise, in the values' unit."""
    contrast: Array
    """(vessel,) lit less shaded water in units of the water's noise, best band."""
    deck_contrast: Array
    """(vessel,) deck against water in units of the water's noise, best band."""
    shade_excess: Array
    """(vessel,) residual in and beyond the strip, in units of the water's noise, mean of bands
    and of the pixels there: large where something else lies alongside."""


def profile_likelihood(batch: ProfileBatch, *, at_once: int = 1) -> ProfileFit:
    """Fit eq. (1) to every vessel of a batch and return ln L over its widths.

    Parameters
    ----------
    batch
        Pixels and priors; see :class:`~eo.kernels.profile_columns.ProfileBatch`.
    at_once
        Vessels worked on together: one fills a core's cache; a GPU wants hundreds (about 12 MB
        each at 700 pixels).

    Returns
    -------
    ProfileFit
        ln L and diagnostics.

    Raises
    ------
    DeviceError
        If the batch's arrays live on different devices.

    Notes
    -----
    Needs every pixel within reach of the strip (no halo of its own); a vessel should have some
    dozens of valid ones.
    """
    xp, _ = namespace(batch.values, batch.across_m, batch.along, batch.valid, batch.widths_m)
    fits = [
        _fit_some(_some(batch, slice(start, start + at_once)), xp)
        for start in range(0, batch.values.shape[0], at_once)
    ]
    return ProfileFit(
        **{
            item.name: xp.concatenate([getattr(fit, item.name) for fit in fits])
            for item in fields(ProfileFit)
        }
    )


def _some(batch: ProfileBatch, some: slice) -> ProfileBatch:
    """Return some vessels of a batch."""
    return ProfileBatch(**{item.name: getattr(batch, item.name)[some] for item in fields(batch)})


def _fit_some(batch: ProfileBatch, xp: Any) -> ProfileFit:
    """Fit vessels together: coarse widths, finer ones about the best, then the peak itself."""
    last = batch.widths_m[:, -1:]
    # Denser towards 0, where freeboards are.
    nodes = last * (xp.arange(_COARSE) / (_COARSE - 1.0)) ** 1.6
    state = start_state(batch, nodes, xp)
    levels = level_priors(batch, state, xp)
    state, best, _ = _fit(batch, levels, state, widths_m=nodes, steps=_STEPS[0], xp=xp)
    gap = 0.08 * last + 0.2 * batch.pixel_m[:, None]
    nodes, state = _with_nodes(state, nodes, best.width_m[:, None], gap, _MIDDLE, xp=xp)
    state, best, shapes = _fit(batch, levels, state, widths_m=nodes, steps=_STEPS[1], xp=xp)
    bound, inflation = width_information(batch, state, best, xp)
    reach = xp.minimum(4.5 * bound * xp.sqrt(inflation), 0.4 * last[:, 0])[:, None]
    nodes, state = _with_nodes(state, nodes, best.width_m[:, None], reach, _FINE, xp=xp)
    for _ in range(_STEPS[2]):
        state = evaluate(batch, shapes, levels, state, nodes, xp=xp, move=True).state
    evaluation = evaluate(batch, shapes, levels, state, nodes, xp=xp, move=False)
    best = pick_best(batch, shapes, evaluation, nodes, xp)
    bound, inflation = width_information(batch, state, best, xp)
    logl = evaluation.log_likelihood
    logl = (logl - xp.max(logl, axis=1, keepdims=True)) / inflation[:, None]
    logl = _interpolated(nodes, logl[..., None], batch.widths_m, xp)[..., 0]
    return _report(batch, state, best, logl=logl, bound=bound, inflation=inflation, xp=xp)


def _fit(
    batch: ProfileBatch,
    levels: Levels,
    state: ProfileState,
    *,
    widths_m: Array,
    steps: int,
    xp: Any,
) -> tuple[ProfileState, BestFit, Array]:
    """Take some steps at all widths, then weigh the pixels anew by the best one's residuals."""
    shapes = column_shapes(batch, state, xp)
    for _ in range(steps):
        state = evaluate(batch, shapes, levels, state, widths_m, xp=xp, move=True).state
    evaluation = evaluate(batch, shapes, levels, state, widths_m, xp=xp, move=False)
    best = pick_best(batch, shapes, evaluation, widths_m, xp)
    state = reweigh(batch, state, best, xp)
    return state, best, column_shapes(batch, state, xp)


def _with_nodes(
    state: ProfileState, nodes: Array, middle: Array, reach: Array, count: int, *, xp: Any
) -> tuple[Array, ProfileState]:
    """Add `count` widths within `reach` of `middle`; their state is interpolated."""
    extra = middle + reach * xp.linspace(-1.0, 1.0, count)
    extra = xp.clip(extra, 0.0, nodes[:, -1:])
    more = xp.sort(xp.concatenate([nodes, extra], axis=1), axis=1)
    steps = state.steps.reshape(*nodes.shape, -1)
    steps = _interpolated(nodes, steps, more, xp)
    return more, replace(
        state,
        shared=_interpolated(nodes, state.shared, more, xp),
        steps=steps.reshape(*more.shape, *state.steps.shape[2:]),
    )


def _interpolated(nodes: Array, values: Array, at: Array, xp: Any) -> Array:
    """Interpolate (vessel, node, ...) linearly to (vessel, width, ...); nodes ascend."""
    below = xp.sum(nodes[:, None, :] <= at[..., None], axis=-1) - 1
    below = xp.clip(below, 0, nodes.shape[1] - 2)
    rows = xp.arange(nodes.shape[0])[:, None]
    start, end = nodes[rows, below], nodes[rows, below + 1]
    part = xp.clip((at - start) / xp.maximum(end - start, 1e-9), 0.0, 1.0)[..., None]
    return values[rows, below] * (1.0 - part) + values[rows, below + 1] * part


def _report(
    batch: ProfileBatch,
    state: ProfileState,
    best: BestFit,
    *,
    logl: Array,
    bound: Array,
    inflation: Array,
    xp: Any,
) -> ProfileFit:
    water, shade = best.levels[..., WATER], best.levels[..., SHADE]
    safe = xp.where(xp.abs(water) > 1e-6, water, 1e-6)
    left, right = best.shared[:, 0], best.shared[:, 1]
    blur = xp.exp(best.shared[:, 2]) / batch.pixel_m
    beside = (batch.across_m > right[:, None]) & (batch.valid > 0)
    beside = beside & (batch.across_m < (right + best.width_m + 2.0 * batch.pixel_m)[:, None])
    excess = xp.mean(best.residual / state.noise[..., None], axis=1)
    count = xp.maximum(xp.sum(beside, axis=1), 1)
    clear = (water - shade) / state.noise
    return ProfileFit(
        log_likelihood=logl,
        width_m=best.width_m,
        width_bound_m=bound,
        inflation=inflation,
        # Bands in which shade shows say what the ratio is.
        shade_ratio=xp.sum(shade / safe * clear**2, axis=1) / xp.sum(clear**2 + 1e-9, axis=1),
        centre_m=0.5 * (left + right),
        beam_m=right - left,
        blur_px=blur,
        noise=state.noise,
        contrast=xp.max(clear, axis=1),
        deck_contrast=xp.max(xp.abs(best.levels[..., 0] - water) / state.noise, axis=1),
        shade_excess=xp.sum(xp.where(beside, excess, 0.0), axis=1) / count,
    )
