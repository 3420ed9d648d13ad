"""The cross-profile of a hull whose shade falls on a quay.

What the quay looks like without a ship is known: Q_c(x), the empty port in band c, brought to the
scene's light. Beside the hull the same ground is seen shaded up to a distance w from her deck's
edge b and lit beyond, whatever is painted on it or stands there:

    y_ic = (D_c + E_c x + H_c t) f_d + Q_ic (A_c (1 - f_l) + G_c f_l) + V_c Q'_ic + noise   (1)
    f_d = 1 - P((u - b - s t) / q)             share of deck in the pixel                 (2)
    f_l = P((u - b - s t - w) / q)             share of lit ground                        (3)

with u across (positive towards the shaded side) and x the same in units of the half beam, t
along the hull, P the normal distribution function, q the blur [m], s the axis's skew. Since Q is
as blurred as the scene, the quay's edge and the water before it need no edges of their own; what
of them lies under the deck is part of D. G is what is left of the light's gain (near 1), A the
shaded ground's level, near the shade ratio, Q' the slope of Q across and V the misregistration
[m]. Linear in all but b, s and ln q, which move by Gauss-Newton steps for every width asked;
ln L(w) is marginal by Laplace's method and tempered by what blocks of the hull say of noise that
pixels share.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr

__all__ = ["QuayFit", "QuayPixels", "quay_likelihood"]

_OWN = 6
"""Linear levels of a band: D, E, H, A, G, V."""
_SHADED, _LIT = 3, 4
_SHARED = 4
"""b, s, ln q, and the shade ratio's offset common to all bands."""
_STEPS = (4, 2, 2)
"""Gauss-Newton steps before and between the weighings of the pixels."""
_FREEDOM = 4.0
"""Degrees of freedom of the residuals' Student t."""
_BLOCKS = 8
_LEAST_INFLATION = 2.0
_LEAST_NOISE = 0.03
"""Of the quay's level: texture, and what changes from one day to another."""


@dataclass(frozen=True, kw_only=True, eq=False)
class QuayPixels:
    """Pixels of one hull's shaded side; host arrays."""

    values: Any
    """(band, pixel) reflectance."""
    empty: Any
    """(band, pixel) the empty port in the scene's light."""
    empty_slope: Any
    """(band, pixel) its slope towards the shaded side [1/m]."""
    across_m: Any
    """(pixel,) from the hull's axis towards the shaded side [m]."""
    along: Any
    """(pixel,) place along the parallel mid-body, -1 to 1."""
    half_beam_m: float
    """Where the deck's edge is believed to be [m]."""
    edge_sd_m: float
    """How well."""
    skew_sd_m: float
    """sd of the axis's place across at along = 1 [m]."""
    blur_m: float
    """sigma of the point spread across [m]."""
    blur_sd: float
    """Relative sd of it."""
    shade_ratio: Any
    """(band,) prior of shaded over lit ground."""
    shade_ratio_sd: float
    """sd, band by band."""
    shade_ratio_common_sd: float
    """sd of what all bands share."""
    gain_sd: float
    """Relative sd of the scene's light against the empty port's."""
    shift_sd_m: float
    """sd of the misregistration of scene and empty port, band by band [m]."""
    widths_m: Any
    """(width,) strip widths asked, ascending from 0 [m]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class QuayFit:
    """What the pixels say of the strip on the quay."""

    log_likelihood: Any
    """(width,) ln L, maximum 0."""
    width_m: float
    """Best of the widths asked [m]."""
    width_bound_m: float
    """Cramer-Rao bound of its sd, noise taken as independent [m]."""
    inflation: float
    """Factor by which noise that pixels share widens the variance."""
    shade_ratio: float
    """Shaded over lit ground, mean over bands."""
    ratio_excess: float
    """Its distance from the prior in the prior's sds."""
    contrast: float
    """Lit less shaded ground in units of the noise, best band."""
    scatter: float
    """Residual's robust sd beside the hull as a share of the ground's level, best half of bands."""
    shaded_px: float
    """Pixels of shaded ground beyond the blur of the hull."""
    lit_px: float
    """Pixels of lit ground beyond the strip."""


@dataclass(eq=False)
class _State:
    own: Any
    """(width, band, 6)."""
    shared: Any
    """(width, 4)."""
    weight: Any
    """(band, pixel), in 1 / reflectance^2."""


def quay_likelihood(pixels: QuayPixels) -> QuayFit:
    """Fit eq. (1) and return ln L over the widths asked.

    Raises
    ------
    ValueError
        If there are fewer than two dozen pixels, or a value is not finite.
    """
    if pixels.across_m.size < 24 or not np.isfinite(pixels.values).all():
        raise ValueError(f"{pixels.across_m.size} pixels, or not all finite: nothing to fit")
    state = _start(pixels)
    mean, precision = _priors(pixels)
    for number, steps in enumerate(_STEPS):
        for _ in range(steps):
            _move(pixels, state, mean, precision)
        logl, normal = _judge(pixels, state, mean, precision)
        if number < len(_STEPS) - 1:
            _reweigh(pixels, state, int(np.argmax(logl)))
    return _report(pixels, state, logl, normal)


def _start(pixels: QuayPixels) -> _State:
    count, bands = pixels.widths_m.size, pixels.values.shape[0]
    deck = pixels.across_m < pixels.half_beam_m
    own = np.zeros((count, bands, _OWN))
    own[:, :, 0] = np.median(pixels.values[:, deck], axis=1) if deck.any() else 0.1
    own[:, :, _SHADED], own[:, :, _LIT] = pixels.shade_ratio, 1.0
    shared = np.zeros((count, _SHARED))
    shared[:, 0], shared[:, 2] = pixels.half_beam_m, np.log(pixels.blur_m)
    level = np.median(pixels.empty[:, ~deck], axis=1)
    weight = np.broadcast_to((0.15 * level[:, None]) ** -2.0, pixels.values.shape)
    return _State(own=own, shared=shared, weight=weight.copy())


def _priors(pixels: QuayPixels) -> tuple[Any, Any]:
    """Means and precision of all parameters: the bands' own one after another, then the shared."""
    bands = pixels.values.shape[0]
    size = bands * _OWN + _SHARED
    mean, precision = np.zeros(size), np.zeros((size, size))
    scale = np.median(np.abs(pixels.values), axis=1) + 1e-4
    rho = size - 1
    for band in range(bands):
        first = band * _OWN
        deck = np.array([1e-3, 1.0 / 0.4, 1.0 / 0.3]) / scale[band]
        precision[range(first, first + 3), range(first, first + 3)] = deck**2
        shaded, lit, shift = first + _SHADED, first + _LIT, first + 5
        mean[shaded], mean[lit] = pixels.shade_ratio[band], 1.0
        near = pixels.shade_ratio_sd**-2.0
        precision[shaded, shaded] = precision[rho, rho] = 0.0
        precision[shaded, shaded] += near
        precision[shaded, rho] = precision[rho, shaded] = -near
        precision[lit, lit] = pixels.gain_sd**-2.0
        precision[shift, shift] = pixels.shift_sd_m**-2.0
    precision[rho, rho] = bands * pixels.shade_ratio_sd**-2.0 + pixels.shade_ratio_common_sd**-2.0
    for index, (middle, sd) in enumerate(
        (
            (pixels.half_beam_m, pixels.edge_sd_m),
            (0.0, pixels.skew_sd_m),
            (np.log(pixels.blur_m), pixels.blur_sd),
        )
    ):
        mean[bands * _OWN + index] = middle
        precision[bands * _OWN + index, bands * _OWN + index] = sd**-2.0
    return mean, precision


def _columns(pixels: QuayPixels, state: _State) -> tuple[Any, Any, Any]:
    """Return derivatives (width, band, pixel, 9), the model (width, band, pixel), and dy/dw."""
    edge, skew, log_blur = (state.shared[:, k, None] for k in range(3))
    blur = np.exp(log_blur)
    inner = (pixels.across_m - edge - skew * pixels.along) / blur
    outer = inner - pixels.widths_m[:, None] / blur
    deck, lit = ndtr(-inner), ndtr(outer)
    dense_b = np.exp(-0.5 * inner**2) * 0.3989422804014327
    dense_s = np.exp(-0.5 * outer**2) * 0.3989422804014327
    place = np.clip((pixels.across_m - pixels.half_beam_m) / pixels.half_beam_m, -1.5, 0.2)
    full = (*deck.shape[:1], *pixels.values.shape)
    out = np.zeros((*full, _OWN + 3))
    for k, column in enumerate((deck, deck * place, deck * pixels.along)):
        out[..., k] = column[:, None]
    out[..., _SHADED] = pixels.empty * (1.0 - lit)[:, None]
    out[..., _LIT] = pixels.empty * lit[:, None]
    out[..., 5] = pixels.empty_slope
    model = (out[..., :_OWN] @ state.own[..., None])[..., 0]
    level = state.own[..., 0][..., None] + state.own[..., 2][..., None] * pixels.along
    step = (state.own[..., _LIT] - state.own[..., _SHADED])[..., None] * pixels.empty
    at_b, at_s = level * dense_b[:, None], -step * dense_s[:, None]
    move = (at_b + at_s) / blur[:, None]
    out[..., _OWN] = move
    out[..., _OWN + 1] = move * pixels.along
    out[..., _OWN + 2] = at_b * inner[:, None] + at_s * outer[:, None]
    return out, model, at_s / blur[:, None]


def _normal(columns: Any, state: _State, residual: Any) -> tuple[Any, Any]:
    """Return normal matrix and gradient in the order of the priors, without them."""
    count, bands = residual.shape[:2]
    size = bands * _OWN + _SHARED
    normal, gradient = np.zeros((count, size, size)), np.zeros((count, size))
    weighted = columns * state.weight[..., None]
    gram = np.swapaxes(weighted, -1, -2) @ columns
    pull = (np.swapaxes(weighted, -1, -2) @ residual[..., None])[..., 0]
    for band in range(bands):
        index = np.r_[band * _OWN : (band + 1) * _OWN, bands * _OWN : bands * _OWN + 3]
        normal[:, index[:, None], index] += gram[:, band]
        gradient[:, index] += pull[:, band]
    return normal, gradient


def _packed(state: _State) -> Any:
    return np.concatenate([state.own.reshape(len(state.own), -1), state.shared], axis=1)


def _move(pixels: QuayPixels, state: _State, mean: Any, precision: Any) -> None:
    columns, model, _ = _columns(pixels, state)
    normal, gradient = _normal(columns, state, pixels.values - model)
    away = _packed(state) - mean
    step = np.linalg.solve(normal + precision, (gradient - away @ precision)[..., None])[..., 0]
    own = step[:, :-_SHARED].reshape(state.own.shape)
    limit = np.array([0.5 * pixels.blur_m, 0.5 * pixels.blur_m, 0.15, 0.2])
    state.own = state.own + own
    state.shared = state.shared + np.clip(step[:, -_SHARED:], -limit, limit)


def _judge(pixels: QuayPixels, state: _State, mean: Any, precision: Any) -> tuple[Any, Any]:
    """Return ln L (width,) and the normal matrices."""
    columns, model, _ = _columns(pixels, state)
    residual = pixels.values - model
    normal, _ = _normal(columns, state, residual)
    normal = normal + precision
    away = _packed(state) - mean
    misfit = (residual**2 * state.weight).sum(axis=(1, 2)) + ((away @ precision) * away).sum(axis=1)
    return -0.5 * (misfit + np.linalg.slogdet(normal)[1]), normal


def _reweigh(pixels: QuayPixels, state: _State, best: int) -> None:
    """Take noise from the residuals of the best width, deck and ground apart, outliers down."""
    _, model, _ = _columns(pixels, state)
    residual = pixels.values - model[best]
    deck = pixels.across_m < state.shared[best, 0]
    for side in (deck, ~deck):
        if not side.any():
            continue
        noise = 1.4826 * np.median(np.abs(residual[:, side]), axis=1)
        floor = _LEAST_NOISE * np.median(np.abs(pixels.values[:, side]), axis=1) + 1e-4
        noise = np.maximum(noise, floor)[:, None]
        ratio = (residual[:, side] / noise) ** 2
        state.weight[:, side] = (_FREEDOM + 1.0) / (_FREEDOM + ratio) / noise**2


def _report(pixels: QuayPixels, state: _State, logl: Any, normal: Any) -> QuayFit:
    best = int(np.argmax(logl))
    columns, model, by_width = _columns(pixels, state)
    residual = pixels.values - model[best]
    bound, inflation = _information(
        pixels,
        state,
        columns[best],
        by_width=by_width[best],
        residual=residual,
        normal=normal[best],
    )
    own, edge = state.own[best], state.shared[best, 0]
    ratio = own[:, _SHADED] / np.maximum(own[:, _LIT], 1e-3)
    spread = np.hypot(pixels.shade_ratio_sd, pixels.shade_ratio_common_sd)
    ground = pixels.across_m > edge + pixels.blur_m
    beyond = edge + pixels.widths_m[best]
    level = np.median(pixels.empty[:, ground], axis=1) if ground.any() else np.ones(len(own))
    noise = np.full(len(own), np.inf)
    if ground.any():
        noise = 1.4826 * np.median(np.abs(residual[:, ground]), axis=1)
        noise = np.maximum(noise, _LEAST_NOISE * level)
    return QuayFit(
        log_likelihood=(logl - logl.max()) / inflation,
        width_m=float(pixels.widths_m[best]),
        width_bound_m=bound,
        inflation=inflation,
        shade_ratio=float(ratio.mean()),
        ratio_excess=float(np.mean(ratio - pixels.shade_ratio) / spread),
        contrast=float(np.max((own[:, _LIT] - own[:, _SHADED]) * level / noise)),
        scatter=float(np.median(noise / level)),
        shaded_px=float((ground & (pixels.across_m < beyond)).sum()),
        lit_px=float((pixels.across_m > np.maximum(beyond, edge) + pixels.blur_m).sum()),
    )


def _information(
    pixels: QuayPixels,
    state: _State,
    columns: Any,
    *,
    by_width: Any,
    residual: Any,
    normal: Any,
) -> tuple[float, float]:
    """Return the bound of the width's sd and the sandwich's factor by the scores of blocks."""
    bands = residual.shape[0]
    size = bands * _OWN + _SHARED
    cross = np.zeros(size)
    moved = np.zeros((bands, columns.shape[1], size))
    for band in range(bands):
        index = np.r_[band * _OWN : (band + 1) * _OWN, bands * _OWN : bands * _OWN + 3]
        moved[band][:, index] = columns[band]
        cross += moved[band].T @ (state.weight[band] * by_width[band])
    left = by_width - moved @ np.linalg.solve(normal, cross)
    information = float((state.weight * left * by_width).sum())
    if not information > 0:
        return float("inf"), _LEAST_INFLATION
    block = np.clip(((pixels.along + 1.0) / 2.0 * _BLOCKS).astype(int), 0, _BLOCKS - 1)
    score = (state.weight * residual * left).sum(axis=0)
    sums = np.bincount(block, weights=score, minlength=_BLOCKS)
    used = max(2, int((np.bincount(block, minlength=_BLOCKS) > 0).sum()))
    spread = used / (used - 1.0) * float(((sums - sums.sum() / used) ** 2).sum())
    return information**-0.5, max(_LEAST_INFLATION, spread / information)
