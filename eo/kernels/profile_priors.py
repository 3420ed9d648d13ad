"""Where the profile's fit starts, and what is believed of its levels and edges beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eo.core.xp import Array
from eo.kernels.profile_columns import SHARED, ProfileBatch, ProfileState

__all__ = ["Levels", "level_priors", "start_state"]

_FREE = 1e-3
"""One over the sd, in rough levels, that leaves a level free and the matrices well conditioned."""


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
    shared = xp.zeros((vessels, count, SHARED + bands))
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
    mean = xp.zeros((vessels, SHARED + bands))
    mean[:, 0] = -0.5 * batch.beam_m
    mean[:, 1] = 0.5 * batch.beam_m
    mean[:, 2] = xp.log(batch.pixel_m * batch.psf_sigma_px)
    centre, beam = batch.centre_sd_m**-2.0, batch.beam_sd_m**-2.0
    precision = xp.zeros((vessels, SHARED + bands, SHARED + bands))
    precision[:, 0, 0] = precision[:, 1, 1] = 0.25 * centre + beam
    precision[:, 0, 1] = precision[:, 1, 0] = 0.25 * centre - beam
    spread = batch.psf_sigma_sd_px / batch.psf_sigma_px
    precision[:, 2, 2] = spread**-2.0
    precision[:, 3, 3] = batch.shade_ratio_common_sd**-2.0
    precision[:, 4, 4] = 0.08**-2.0
    precision[:, 5, 5] = batch.skew_sd_m**-2.0
    for band in range(bands):
        precision[:, SHARED + band, SHARED + band] = batch.band_shift_sd_m**-2.0
    return mean, precision
