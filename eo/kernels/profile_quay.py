"""The cross-profile of a hull whose shade falls on a quay.

What the quay looks like without a ship is known: K_c(x), the unshaded ground in band c, brought
to the scene's light, and where the quay's edge c(t) runs. Between the deck's edge b and the quay
lies a dark gap (fenders, water in shade); beyond, the same ground is seen shaded up to a distance
w from the deck's edge, and lit further out, whatever is painted on it or stands there:

    y_ic = (D_c + E_c x + H_c t) f_d + M_c W_c f_g + K_ic (A_c f_s + G_c f_l) + V_c K'_ic f_l   (1)
    f_d = 1 - P((u - b - s t) / q)             share of deck in the pixel                     (2)
    f_l = P((u - max(c + d, b + s t + w)) / q) share of lit ground                            (3)
    f_g = 1 - f_d - P((u - c - d) / q),  f_s = P((u - c - d) / q) - f_l                       (4)

with u across (positive towards the shaded side) and x the same in units of the half beam, t
along the hull, P the normal distribution function, q the blur [m], s the axis's skew, d the
misregistration of quay and scene. A shade that ends in the gap (b + w < c) leaves the whole quay
lit: then the pixels only say that w is narrower than the gap. M is how dark the gap is, as a
share of W; G is what is left of the light's gain (near 1), A the shaded ground's level, near the
shade ratio, K' the slope of K across and V its misregistration [m]. Linear in all but b, s, ln q
and d, which move by Gauss-Newton steps for every width asked; ln L(w) is marginal by Laplace's
method and tempered by what blocks of the hull say of noise that pixels share.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr

__all__ = ["QuayFit", "QuayPixels", "quay_likelihood"]

_OWN = 7
"""Linear levels of a band: D, E, H, M, A, G, V."""
_GAP, _SHADED, _LIT, _SHIFT = 3, 4, 5, 6
_MOVING = 4
"""b, s, ln q, d."""
_SHARED = _MOVING + 1
"""The moving ones, and the shade ratio's offset common to all bands."""
_STEPS = (4, 2, 2)
"""Gauss-Newton steps before and between the weighings of the pixels."""
_FREEDOM = 4.0
"""Degrees of freedom of the residuals' Student t."""
_BLOCKS = 8
_LEAST_INFLATION = 2.0
_LEAST_NOISE = 0.03
"""Of the quay's level: texture, and what changes from one day to another."""
_RAGGED_M = 0.3
"""How far edges of hull and quay depart from straight lines, pixel by pixel: bollards, fenders."""
_DARK, _DARK_SD = 0.4, 0.3
"""M: the gap beside lit water; shaded water, fenders, a strip of quay wall."""
_WALL_SHARE = 0.1
"""Of the ground's level that is added to W: walls and fenders are no darker where water is."""


@dataclass(frozen=True, kw_only=True, eq=False)
class QuayPixels:
    """Pixels of one hull's shaded side; host arrays."""

    values: Any
    """(band, pixel) reflectance."""
    ground: Any
    """(band, pixel) K: the unshaded quay in the scene's light, its level carried on beyond its
    edge."""
    ground_slope: Any
    """(band, pixel) its slope towards the shaded side [1/m]."""
    water: Any
    """(band,) W: lit water before the empty quay."""
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
    quay_edge_m: Any
    """(pixel,) c: across, where the quay begins beside each pixel [m]."""
    quay_edge_sd_m: float
    """How well, misregistration of scene and empty port included [m]."""
    gap_m: float
    """Usual distance of quay and hull [m]."""
    gap_sd_m: float
    """Its spread."""
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
    """sd of the misregistration of the ground's markings, band by band [m]."""
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
    gap_m: float
    """Width of the dark gap between hull and quay [m]."""
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
    own[:, :, _GAP], own[:, :, _SHADED], own[:, :, _LIT] = _DARK, pixels.shade_ratio, 1.0
    shared = np.zeros((count, _SHARED))
    shared[:, 0], shared[:, 2] = pixels.half_beam_m, np.log(pixels.blur_m)
    level = np.median(pixels.ground[:, ~deck], axis=1)
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
        for index, middle, sd in (
            (_GAP, _DARK, _DARK_SD),
            (_LIT, 1.0, pixels.gain_sd),
            (_SHIFT, 0.0, pixels.shift_sd_m),
        ):
            mean[first + index], precision[first + index, first + index] = middle, sd**-2.0
        shaded, near = first + _SHADED, pixels.shade_ratio_sd**-2.0
        mean[shaded] = pixels.shade_ratio[band]
        precision[shaded, shaded] = near
        precision[shaded, rho] = precision[rho, shaded] = -near
    precision[rho, rho] = bands * pixels.shade_ratio_sd**-2.0 + pixels.shade_ratio_common_sd**-2.0
    edge, skew, log_blur, shift = range(bands * _OWN, bands * _OWN + _MOVING)
    for index, middle, sd in (
        (edge, pixels.half_beam_m, pixels.edge_sd_m),
        (skew, 0.0, pixels.skew_sd_m),
        (log_blur, np.log(pixels.blur_m), pixels.blur_sd),
        (shift, 0.0, pixels.quay_edge_sd_m),
    ):
        mean[index], precision[index, index] = middle, sd**-2.0
    # The gap, c + d - b, is as wide as fenders are: what is known of it moves the means too.
    pair = np.array([edge, shift])
    usual = np.array([-1.0, 1.0])
    wanted = pixels.gap_m - float(np.median(pixels.quay_edge_m))
    before = precision[pair[:, None], pair].copy()
    precision[pair[:, None], pair] += np.outer(usual, usual) / pixels.gap_sd_m**2
    pull = before @ mean[pair] + usual * wanted / pixels.gap_sd_m**2
    mean[pair] = np.linalg.solve(precision[pair[:, None], pair], pull)
    return mean, precision


def _columns(pixels: QuayPixels, state: _State) -> tuple[Any, Any, Any]:
    """Return derivatives (width, band, pixel, 11), the model (width, band, pixel), and dy/dw."""
    edge, skew, log_blur, shift = (state.shared[:, k, None] for k in range(_MOVING))
    blur = np.exp(log_blur)
    inner = (pixels.across_m - edge - skew * pixels.along) / blur
    rim = (pixels.across_m - pixels.quay_edge_m - shift) / blur
    ashore = inner - pixels.widths_m[:, None] / blur
    on_quay = ashore <= rim  # the shade reaches the quay
    outer = np.minimum(ashore, rim)
    deck, quay, lit = ndtr(-inner), ndtr(rim), ndtr(outer)
    place = np.clip((pixels.across_m - pixels.half_beam_m) / pixels.half_beam_m, -1.5, 0.2)
    dark = pixels.water[:, None] + _WALL_SHARE * pixels.ground
    out = np.zeros((*deck.shape[:1], *pixels.values.shape, _OWN + _MOVING))
    for k, column in enumerate((deck, deck * place, deck * pixels.along)):
        out[..., k] = column[:, None]
    out[..., _GAP] = dark * (1.0 - deck - quay)[:, None]
    out[..., _SHADED] = pixels.ground * (quay - lit)[:, None]
    out[..., _LIT] = pixels.ground * lit[:, None]
    out[..., _SHIFT] = pixels.ground_slope * lit[:, None]
    model = (out[..., :_OWN] @ state.own[..., None])[..., 0]
    level = state.own[..., 0][..., None] + state.own[..., 2][..., None] * pixels.along
    gap = state.own[..., _GAP][..., None] * dark
    shaded = state.own[..., _SHADED][..., None] * pixels.ground
    bright = state.own[..., _LIT][..., None] * pixels.ground

    def density(place: Any) -> Any:
        return (np.exp(-0.5 * place**2) * 0.3989422804014327 / blur)[:, None]

    # What a step from one level to the next adds as its edge moves outwards.
    at_deck = (level - gap) * density(inner)
    at_rim = (gap - np.where(on_quay[:, None], shaded, bright)) * density(rim)
    at_end = np.where(on_quay[:, None], (shaded - bright) * density(ashore), 0.0)
    out[..., _OWN] = at_deck + at_end
    out[..., _OWN + 1] = out[..., _OWN] * pixels.along
    scaled = blur[:, None]
    out[..., _OWN + 2] = scaled * (
        at_deck * inner[:, None] + at_rim * rim[:, None] + at_end * ashore[:, None]
    )
    out[..., _OWN + 3] = at_rim
    return out, model, at_end


def _normal(columns: Any, state: _State, residual: Any) -> tuple[Any, Any]:
    """Return normal matrix and gradient in the order of the priors, without them."""
    count, bands = residual.shape[:2]
    size = bands * _OWN + _SHARED
    normal, gradient = np.zeros((count, size, size)), np.zeros((count, size))
    weighted = columns * state.weight[..., None]
    gram = np.swapaxes(weighted, -1, -2) @ columns
    pull = (np.swapaxes(weighted, -1, -2) @ residual[..., None])[..., 0]
    for band in range(bands):
        index = np.r_[band * _OWN : (band + 1) * _OWN, bands * _OWN : bands * _OWN + _MOVING]
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
    limit = np.array([0.5, 0.5, 0.0, 0.5, 0.0]) * pixels.blur_m + np.array([0, 0, 0.15, 0, 0.2])
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
    columns, model, _ = _columns(pixels, state)
    residual = pixels.values - model[best]
    # Edges are not as straight as lines: what a pixel changes if all of them move together.
    ragged = _RAGGED_M * (columns[best, ..., _OWN] + columns[best, ..., _OWN + 3])
    deck = pixels.across_m < state.shared[best, 0]
    for side in (deck, ~deck):
        if not side.any():
            continue
        noise = 1.4826 * np.median(np.abs(residual[:, side]), axis=1)
        floor = _LEAST_NOISE * np.median(np.abs(pixels.values[:, side]), axis=1) + 1e-4
        noise = np.hypot(np.maximum(noise, floor)[:, None], ragged[:, side])
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
    rim = pixels.quay_edge_m + state.shared[best, 3]
    end = edge + pixels.widths_m[best]
    ground = pixels.across_m > np.maximum(edge, rim) + pixels.blur_m
    level = np.median(pixels.ground[:, ground], axis=1) if ground.any() else np.ones(len(own))
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
        gap_m=float(np.median(rim)) - float(edge),
        shaded_px=float((ground & (pixels.across_m < end)).sum()),
        lit_px=float((pixels.across_m > np.maximum(end, rim) + pixels.blur_m).sum()),
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
        index = np.r_[band * _OWN : (band + 1) * _OWN, bands * _OWN : bands * _OWN + _MOVING]
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
