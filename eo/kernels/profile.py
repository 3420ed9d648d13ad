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

import numpy as np

from eo.core.xp import Array, constant_like, namespace
from eo.kernels.profile_bins import bin_pixels
from eo.kernels.profile_columns import (
    BLUR,
    SHARED,
    ProfileBatch,
    ProfileState,
)
from eo.kernels.profile_curve import between, curve_at
from eo.kernels.profile_model import descend
from eo.kernels.profile_noise import BestFit, pick_best, reweigh, width_information
from eo.kernels.profile_priors import Levels, level_priors, relaid, start_state
from eo.kernels.profile_scene import message_of, with_neighbours

__all__ = ["ProfileBatch", "ProfileFit", "profile_likelihood"]

_COARSE = 11
_MIDDLE = 7
_FINE = 13
_FARTHEST_SDS = 4.0
"""Widths are tried up to this many sds above the one to be expected; ln L stays level beyond."""
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
    """(vessel,) middle of the deck against water farther off, in units of the water's noise, best
    band."""
    edges_m: Array
    """(vessel, 3) sunlit and shaded edge of the deck, and the shade's far edge, across [m]."""
    skew_m: Array
    """(vessel,) fitted skew of the axis: place across at along = 1 [m]."""
    model: Array
    """(vessel, band, pixel) the best fit."""
    information: Array
    """(vessel, 7 + 2 band, 7 + 2 band) information of shared parameters and width, priors of the
    shared ones included; see :mod:`eo.kernels.profile_columns` for their order."""
    shared: Array
    """(vessel, 6 + 2 band) shared parameters of the best fit."""


def profile_likelihood(batch: ProfileBatch, *, at_once: int = 8) -> ProfileFit:
    """Fit eq. (1) to every vessel of a batch and return ln L over its widths.

    Parameters
    ----------
    batch
        Pixels and priors; see :class:`~eo.kernels.profile_columns.ProfileBatch`.
    at_once
        Vessels worked on together: a few fill a core's cache; a GPU wants hundreds.

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
    count = batch.values.shape[0]
    chunks = [slice(start, min(start + at_once, count)) for start in range(0, count, at_once)]
    begun = [_begin(_some(batch, chunk), xp) for chunk in chunks]
    if count > 1:
        told = [start.message for start in begun]
        precision, mean = (xp.concat([each[k] for each in told], axis=0) for k in (0, 1))
        batch = with_neighbours(batch, precision, mean, xp)
    fits = [
        _finish(_some(batch, chunk), start, xp) for chunk, start in zip(chunks, begun, strict=True)
    ]
    return ProfileFit(
        **{
            item.name: xp.concat([getattr(fit, item.name) for fit in fits], axis=0)
            for item in fields(ProfileFit)
        }
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Begun:
    """A batch's fit before its vessels hear of each other."""

    nodes: Array
    state: ProfileState
    levels: Levels
    message: tuple[Array, Array]


def _some(batch: ProfileBatch, some: slice) -> ProfileBatch:
    """Return some vessels of a batch."""
    return ProfileBatch(
        **{item.name: getattr(batch, item.name)[some, ...] for item in fields(batch)}
    )


def _begin(batch: ProfileBatch, xp: Any) -> _Begun:
    """Fit vessels together: coarse widths, then finer ones about the best; choose the last."""
    most = (batch.width_mean_m + _FARTHEST_SDS * batch.width_sd_m)[:, None, ...]
    last = xp.minimum(batch.widths_m[:, -1:, ...], most)
    # Denser towards 0, where freeboards are.
    nodes = last * constant_like((np.arange(_COARSE) / (_COARSE - 1.0)) ** 1.6, last)
    state = start_state(batch, nodes, xp)
    levels = level_priors(batch, state, xp)
    state, levels, best = _fit(batch, levels, state, widths_m=nodes, steps=_STEPS[0], xp=xp)
    gap = 0.08 * last + 0.2 * batch.pixel_m[:, None, ...]
    nodes, state = _with_nodes(state, nodes, best.width_m[:, None, ...], gap, _MIDDLE, xp=xp)
    state, levels, best = _fit(batch, levels, state, widths_m=nodes, steps=_STEPS[1], xp=xp)
    bound, inflation, information = width_information(batch, state, levels, best, xp)
    message = message_of(batch, best.shared, information, inflation, xp)
    reach = xp.minimum(4.5 * bound * xp.sqrt(inflation), 0.4 * last[:, 0, ...])[:, None, ...]
    nodes, state = _with_nodes(state, nodes, best.width_m[:, None, ...], reach, _FINE, xp=xp)
    return _Begun(nodes=nodes, state=state, levels=levels, message=message)


def _finish(batch: ProfileBatch, begun: _Begun, xp: Any) -> ProfileFit:
    """Take the last steps, under what the scene's other vessels say, and report."""
    nodes, state = begun.nodes, begun.state
    levels = relaid(batch, begun.levels, state, xp)
    bins = bin_pixels(batch, state, xp)
    state, logl = descend(batch, bins, levels, state, nodes, steps=_STEPS[2], xp=xp)
    best = pick_best(batch, bins, levels, state, widths_m=nodes, log_likelihood=logl, xp=xp)
    bound, inflation, information = width_information(batch, state, levels, best, xp)
    logl = (logl - xp.max(logl, axis=1, keepdims=True)) / inflation[:, None, ...]
    logl = curve_at(nodes, logl, batch.widths_m, xp)
    return _report(
        batch, state, levels, best, logl=logl, bound=bound, inflation=inflation,
        information=information, xp=xp,
    )  # fmt: skip


def _fit(
    batch: ProfileBatch,
    levels: Levels,
    state: ProfileState,
    *,
    widths_m: Array,
    steps: int,
    xp: Any,
) -> tuple[ProfileState, Levels, BestFit]:
    """Take some steps at all widths, then weigh the pixels anew by the best one's residuals."""
    bins = bin_pixels(batch, state, xp)
    state, logl = descend(batch, bins, levels, state, widths_m, steps=steps, xp=xp)
    best = pick_best(batch, bins, levels, state, widths_m=widths_m, log_likelihood=logl, xp=xp)
    state = reweigh(batch, state, best, xp)
    return state, relaid(batch, levels, state, xp), best


def _with_nodes(
    state: ProfileState, nodes: Array, middle: Array, reach: Array, count: int, *, xp: Any
) -> tuple[Array, ProfileState]:
    """Add `count` widths within `reach` of `middle`; their state is interpolated."""
    extra = middle + reach * constant_like(np.linspace(-1.0, 1.0, count), middle)
    extra = xp.minimum(xp.clip(extra, 0.0, None), nodes[:, -1:, ...])
    more = xp.sort(xp.concat([nodes, extra], axis=1), axis=1)
    flat = xp.reshape(state.steps, (*nodes.shape, -1))
    return more, replace(
        state,
        shared=between(nodes, state.shared, more, xp),
        steps=xp.reshape(between(nodes, flat, more, xp), (*more.shape, *state.steps.shape[2:])),
    )


def _report(
    batch: ProfileBatch,
    state: ProfileState,
    levels: Levels,
    best: BestFit,
    *,
    logl: Array,
    bound: Array,
    inflation: Array,
    information: Array,
    xp: Any,
) -> ProfileFit:
    bands = batch.values.shape[1]
    left, right = best.shared[:, 0, ...], best.shared[:, 1, ...]
    ratio = best.shared[:, SHARED + bands :, ...]
    clear = (1.0 - ratio) * state.wet / state.noise
    seen = clear**2 + 1e-9
    return ProfileFit(
        log_likelihood=logl,
        width_m=best.width_m,
        width_bound_m=bound,
        inflation=inflation,
        # Bands in which shade shows say what the ratio is.
        shade_ratio=xp.sum(ratio * seen, axis=1) / xp.sum(seen, axis=1),
        centre_m=0.5 * (left + right),
        beam_m=right - left,
        blur_px=xp.exp(best.shared[:, BLUR, ...]),
        noise=state.noise,
        contrast=xp.max(clear, axis=1),
        deck_contrast=xp.max(xp.abs(levels.contrast) / state.noise, axis=1),
        edges_m=xp.stack([left, right, right + best.width_m], axis=-1),
        skew_m=state.skew_m,
        model=batch.values - best.residual,
        information=information,
        shared=best.shared,
    )
