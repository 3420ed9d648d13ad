"""Where the profile's fit starts, and what is believed of its levels and edges beforehand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from eo.core.xp import Array, constant_like
from eo.kernels.profile_columns import (
    BLUR,
    COLUMN_COUNT,
    COLUMNS,
    GROUND,
    MARGIN,
    MARGIN_ALL,
    SHARED,
    SKEW,
    TRIM,
    ProfileBatch,
    ProfileState,
    pipe_places,
)

__all__ = ["Levels", "least_noise", "level_priors", "masked_median", "relaid", "start_state"]

_WATER_SDS = (0.15, 0.30, 0.05, 0.10, 1e3, 0.25)
"""Of the water's level: across (per 50 m), lee, near the shaded side, near both sides, level
itself, along."""
_DECK_SDS = (0.5, 0.5, 0.2, 0.06, 0.35, 0.35, 0.25, 1e3, 0.3)
"""Of the deck's contrast: pipe rack, middle, tilt, margin, three stretches pipes may shade, level
itself, along."""
_SHADED_DECK = (-0.45, -0.25, 0.0)
"""Prior means of the stretches' levels, as shares of the deck's: pipes stand 0.8 to 2 m high."""
_ANY_TOP_SD = 0.25
"""Of the stretches where no pipes are expected."""
_QUAY_SD, _NO_QUAY_SD = 3.0, 1e-3
"""Sd of the level beyond the sunlit edge less the water's, of the deck's contrast: where a quay
lies against her, and where none does."""
_MARGIN_SD = 0.08
"""Sd of the margin in all bands alike, of the deck's contrast."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Levels:
    """Priors of what is linear, and of what is shared."""

    mean: Array
    """(vessel, band, column) means of the columns' levels."""
    precision: Array
    """(vessel, column) one over their variances in units of the noise, in all bands alike: deck
    and water stand out of the noise about as far in each."""
    contrast: Array
    """(vessel, band) rough deck less water."""
    wet: Array
    """(vessel, band) level of lit water at the strip."""
    shared_mean: Array
    """(vessel, 6 + 2 band)."""
    shared_precision: Array
    """(vessel, 6 + 2 band, 6 + 2 band)."""
    pipes_m: Array
    """(vessel, 4) ends of the stretches of deck that pipes may shade [m]."""
    placing: Array
    """(band, 8, 6 + 2 band) where a band's parameters stand among all."""
    placing_width: Array
    """(band, 9, 7 + 2 band) the same with the width, last in either."""
    whole_precision: Array
    """(vessel, 7 + 2 band, 7 + 2 band) shared_precision with nothing about the width."""
    margin: Array
    """(column,) 1 at the margin, else 0."""
    outer: Array
    """(3,) 1 at the outer edge, else 0."""


def masked_median(values: Array, mask: Array, fallback: Array, xp: Any, *, least: int = 3) -> Array:
    """Median over the last axis where `mask`; `fallback` where fewer than `least` are left."""
    count = xp.sum(xp.astype(mask, xp.int64), axis=-1, keepdims=True)
    top = xp.max(xp.abs(values), axis=-1, keepdims=True) + 1.0
    ordered = xp.sort(xp.where(mask, values, top), axis=-1)
    last = values.shape[-1] - 1
    low = xp.clip((count - 1) // 2, 0, last)
    high = xp.clip(count // 2, 0, last)
    found = 0.5 * (
        xp.take_along_axis(ordered, low, axis=-1) + xp.take_along_axis(ordered, high, axis=-1)
    )
    return xp.where(count >= least, found, fallback[..., None])[..., 0]


def start_state(batch: ProfileBatch, widths_m: Array, xp: Any) -> ProfileState:
    """Return the state before any fit: edges as given, even weights, noise from the water."""
    half = 0.5 * batch.beam_m
    water, spread = _rough_water(batch, xp)
    noise = xp.maximum(1.4826 * spread, least_noise(water, xp))
    nothing = xp.zeros_like(half)
    bands = batch.values.shape[1]
    parts = [-half, half, batch.common_mean[:, 0, ...], *[nothing] * (SHARED - 3 + bands)]
    shared = xp.concat([xp.stack(parts, axis=-1), batch.common_mean[:, 1:, ...]], axis=-1)
    ones = xp.ones_like(widths_m)
    return ProfileState(
        shared=shared[:, None, ...] * ones[..., None],
        steps=(water * 0.0)[:, None, :, None, ...]
        * ones[..., None, None]
        * constant_like([1.0] * 3, half),
        weight=batch.valid * 1.0,
        noise=noise,
        edges_m=xp.stack([-half, half], axis=-1),
        wet=water,
        skew_m=nothing,
    )


def least_noise(water: Array, xp: Any) -> Array:
    """Return a floor of the noise: a hundredth of the water, since no model is truer."""
    return xp.maximum(0.01 * xp.abs(water), xp.ones_like(water) * 1e-4)


def _rough_water(batch: ProfileBatch, xp: Any) -> tuple[Array, Array]:
    """Median and median deviation (vessel, band) of the water farther from the hull."""
    valid = batch.valid > 0
    u = batch.across_m
    beyond = xp.abs(u) - 0.5 * batch.beam_m[:, None, ...]
    reach = xp.max(xp.where(valid, u, xp.zeros_like(u)), axis=1) - 0.5 * batch.beam_m
    least = 1.5 * batch.pixel_m[:, None, ...] * xp.ones_like(u)
    far = xp.where(u > 0, xp.maximum(0.5 * reach[:, None, ...], least), least)
    mask = xp.broadcast_to((valid & (beyond > far))[:, None, :, ...], batch.values.shape)
    zero = xp.zeros_like(batch.values[..., 0])
    middle = masked_median(batch.values, mask, zero, xp)
    spread = masked_median(xp.abs(batch.values - middle[..., None]), mask, zero + 1e-3, xp)
    return middle, spread


def level_priors(batch: ProfileBatch, state: ProfileState, xp: Any) -> Levels:
    """Return the priors of levels and shared parameters, scaled by rough levels."""
    water = state.wet
    most = xp.maximum(0.3 * batch.beam_m, 0.6 * batch.pixel_m)[:, None, ...]
    core = (batch.valid > 0) & (xp.abs(batch.across_m) < most)
    mask = xp.broadcast_to(core[:, None, :, ...], batch.values.shape)
    deck = masked_median(batch.values, mask, 2.0 * water, xp)
    contrast = deck - water
    nothing = xp.zeros_like(water)
    shaded = [share * batch.pipes[:, None, ...] * deck for share in _SHADED_DECK]
    mean = xp.stack([*[nothing] * 8, *shaded, nothing, water, deck, *[nothing] * 2], axis=-1)
    strong = (contrast / state.noise) ** 2
    aboard = xp.maximum(xp.mean(strong, axis=1), xp.ones_like(batch.beam_m) * 9.0)[:, None, ...]
    afloat = xp.mean((water / state.noise) ** 2, axis=1)[:, None, ...] + 1.0
    wet = [value**-2.0 for value in _WATER_SDS]
    dry = [value**-2.0 for value in _DECK_SDS]
    on_water = constant_like([*wet[:4], *[0.0] * 8, wet[4], 0.0, 0.0, wet[5]], water)
    on_deck = constant_like([*[0.0] * 4, *dry[:7], 0.0, 0.0, dry[7], dry[8], 0.0], water)
    loose = [_ANY_TOP_SD**-2.0 - value for value in dry[4:7]]
    on_deck = on_deck + (1.0 - batch.pipes[:, None, ...]) * constant_like(
        [*[0.0] * 8, *loose, *[0.0] * 5], water
    )
    # A quay against the sunlit side is as bright as it likes; water there is water.
    ground = batch.moored * _QUAY_SD**-2.0 + (1.0 - batch.moored) * _NO_QUAY_SD**-2.0
    on_deck = on_deck + ground[:, None, ...] * constant_like(
        np.arange(COLUMN_COUNT) == GROUND - COLUMNS.start, water
    )
    shared_mean, shared_precision = _shared_priors(batch, state, xp)
    bands = water.shape[1]
    return Levels(
        mean=mean,
        precision=on_water / afloat + on_deck / aboard,
        contrast=contrast,
        wet=water,
        shared_mean=shared_mean,
        shared_precision=shared_precision,
        pipes_m=pipe_places(batch, state.edges_m, xp),
        placing=constant_like(_placing(bands), water),
        placing_width=constant_like(_placing_width(bands), water),
        whole_precision=_with_width(shared_precision, xp),
        margin=constant_like(np.arange(COLUMN_COUNT) == MARGIN - COLUMNS.start, water),
        outer=constant_like([0.0, 0.0, 1.0], water),
    )


def relaid(batch: ProfileBatch, levels: Levels, state: ProfileState, xp: Any) -> Levels:
    """Return the priors for a state whose bins, edges and water were renewed."""
    mean, precision = _shared_priors(batch, state, xp)
    return replace(
        levels,
        wet=state.wet,
        shared_mean=mean,
        shared_precision=precision,
        whole_precision=_with_width(precision, xp),
        pipes_m=pipe_places(batch, state.edges_m, xp),
    )


def _placing(bands: int) -> Any:
    place = np.zeros((bands, SHARED + 2, SHARED + 2 * bands))
    for band in range(bands):
        place[band, np.arange(SHARED), np.arange(SHARED)] = 1.0
        place[band, SHARED, SHARED + band] = 1.0
        place[band, SHARED + 1, SHARED + bands + band] = 1.0
    return place


def _placing_width(bands: int) -> Any:
    place = np.zeros((bands, SHARED + 3, SHARED + 2 * bands + 1))
    place[:, :-1, :-1, ...] = _placing(bands)
    place[:, -1, -1, ...] = 1.0
    return place


def _with_width(precision: Array, xp: Any) -> Array:
    wide = xp.concat([precision, xp.zeros_like(precision[..., :1])], axis=-1)
    return xp.concat([wide, xp.zeros_like(wide[:, :1, ...])], axis=1)


def _shared_priors(batch: ProfileBatch, state: ProfileState, xp: Any) -> tuple[Array, Array]:
    bands = batch.values.shape[1]
    half, nothing = 0.5 * batch.beam_m, xp.zeros_like(batch.beam_m)
    parts = [-half, half, batch.common_mean[:, 0, ...], nothing, -state.skew_m, nothing]
    mean = xp.concat(
        [xp.stack([*parts, *[nothing] * bands], axis=-1), batch.common_mean[:, 1:, ...]], axis=-1
    )
    size = SHARED + 2 * bands
    precision = nothing[:, None, None, ...] * constant_like(np.zeros((size, size)), nothing)
    centre, beam = batch.centre_sd_m**-2.0, batch.beam_sd_m**-2.0
    precision[:, 0, 0, ...] = 0.25 * centre + beam
    precision[:, 1, 1, ...] = 0.25 * centre + beam
    precision[:, 0, 1, ...] = 0.25 * centre - beam
    precision[:, 1, 0, ...] = 0.25 * centre - beam
    precision[:, MARGIN_ALL, MARGIN_ALL, ...] = nothing + _MARGIN_SD**-2.0
    precision[:, SKEW, SKEW, ...] = batch.skew_sd_m**-2.0
    precision[:, TRIM, TRIM, ...] = batch.trim_sd_m**-2.0
    for band in range(bands):
        precision[:, SHARED + band, SHARED + band, ...] = batch.band_shift_sd_m**-2.0
    ratios = SHARED + bands
    precision[:, BLUR, BLUR, ...] = batch.common_precision[:, 0, 0, ...]
    precision[:, BLUR, ratios:, ...] = batch.common_precision[:, 0, 1:, ...]
    precision[:, ratios:, BLUR, ...] = batch.common_precision[:, 1:, 0, ...]
    precision[:, ratios:, ratios:, ...] = batch.common_precision[:, 1:, 1:, ...]
    return mean, precision
