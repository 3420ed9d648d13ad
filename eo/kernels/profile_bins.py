"""Pixels of a hull summed into narrow bins across it: all that the profile's fit needs.

Across the hull the model changes over metres, along it only linearly. So a few hundred bins with
the sums of weight and value, plain and times the place along, stand for all pixels however many
they are, and no step of the fit sees a pixel. A bin is placed at its pixels' mean; what it loses
is the spread within, which widens the blur by less than a hundredth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eo.core.xp import Array, constant_like
from eo.kernels.profile_columns import ProfileBatch, ProfileState, smooth_factors

__all__ = ["ProfileBins", "bin_pixels", "cleared_across"]

_BINS = 128


@dataclass(frozen=True, kw_only=True, eq=False)
class ProfileBins:
    """Sums over pixels, (vessel, ..., bin)."""

    across_m: Array
    """(vessel, bin) weighted mean place across, cleared of skew [m]."""
    factors: Array
    """(vessel, 8, bin); see :func:`~eo.kernels.profile_columns.smooth_factors`."""
    weight: Array
    """(vessel, 3, bin) sums of weight, times along to the power of 0, 1, 2."""
    values: Array
    """(vessel, 2, band, bin) sums of weight times value, times along to the power of 0, 1."""
    power: Array
    """(vessel, band) sum of weight times value squared."""


def cleared_across(batch: ProfileBatch, skew_m: Array) -> Array:
    """Return the places across (vessel, pixel), cleared of the axis's skew [m]."""
    return batch.across_m - skew_m[:, None, ...] * batch.along


def bin_pixels(batch: ProfileBatch, state: ProfileState, xp: Any) -> ProfileBins:
    """Sum a batch's pixels under the state's weights.

    Notes
    -----
    Sums over sorted pixels and their differences at the bins' edges: no scatter, which array
    libraries spell each in its own way.
    """
    u = cleared_across(batch, state.skew_m)
    used = batch.valid > 0
    far = xp.where(used, u, xp.zeros_like(u))
    low = xp.min(far, axis=1, keepdims=True)
    high = xp.max(far, axis=1, keepdims=True)
    order = xp.argsort(xp.where(used, u, high + 1.0), axis=1)
    u = xp.take_along_axis(u, order, axis=1)
    t = xp.take_along_axis(batch.along, order, axis=1)
    weight = xp.take_along_axis(state.weight * batch.valid, order, axis=1)
    used = xp.take_along_axis(batch.valid, order, axis=1) > 0
    values = xp.take_along_axis(batch.values, order[:, None, :, ...], axis=2) * weight[:, None, ...]
    bands = values.shape[1]
    sums = xp.concat(
        [
            xp.stack([weight, weight * t, weight * t * t, weight * u], axis=1),
            values,
            values * t[:, None, ...],
        ],
        axis=1,
    )
    sums = xp.cumulative_sum(sums, axis=2, include_initial=True)
    step = constant_like([(k + 1.0) / _BINS for k in range(_BINS)], u)
    edges = low + (high - low + 1e-6) * step
    below = (u[:, None, :, ...] < edges[..., None]) & used[:, None, :, ...]
    end = xp.sum(xp.astype(below, xp.int64), axis=-1)
    start = xp.concat([xp.zeros_like(end[:, :1, ...]), end[:, :-1, ...]], axis=1)
    sums = xp.take_along_axis(sums, end[:, None, ...], axis=2) - xp.take_along_axis(
        sums, start[:, None, ...], axis=2
    )
    some = sums[:, 0, ...] > 1e-12
    mean = sums[:, 3, ...] / xp.where(some, sums[:, 0, ...], xp.ones_like(edges))
    centre = xp.where(some, mean, edges)
    power = xp.sum(batch.values**2 * (state.weight * batch.valid)[:, None, ...], axis=-1)
    return ProfileBins(
        across_m=centre,
        factors=smooth_factors(centre, state.edges_m, xp),
        weight=sums[:, :3, ...],
        values=xp.stack([sums[:, 4 : 4 + bands, ...], sums[:, 4 + bands :, ...]], axis=1),
        power=power,
    )
