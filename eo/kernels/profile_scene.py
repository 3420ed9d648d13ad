"""What the vessels of one scene tell each other: its point spread and how dark its shade is.

All strips of a scene are blurred by one point spread and shaded under one sky. Each vessel's fit
leaves a Gaussian message about both, her own strip's width, edges and levels marginalised; every
other vessel of the scene takes it as a prior, widened by what differs from ship to ship (a lee,
light from the ship's own side, fittings that pass for blur). Nobody hears her own message back.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from eo.core.xp import Array, constant_like
from eo.kernels.profile_columns import BLUR, SHARED, ProfileBatch

__all__ = ["message_of", "with_neighbours"]

_BLUR_SD, _RATIO_SD, _RATIO_COMMON_SD = 0.06, 0.03, 0.03
"""How much ln sigma and the shade ratios differ from vessel to vessel of one scene."""
_STUDENT_DOF = 4.0
_RIDGE = 1e-3


def message_of(
    batch: ProfileBatch, shared: Array, information: Array, inflation: Array, xp: Any
) -> tuple[Array, Array]:
    """Return precision (vessel, 1 + band, 1 + band) and precision times mean of a message.

    Parameters
    ----------
    batch
        Gives the priors that the message must not hold.
    shared
        (vessel, 6 + 2 band) best fit.
    information
        (vessel, 7 + 2 band, 7 + 2 band) of the shared parameters and the width, priors included.
    inflation
        (vessel,) factor by which correlated noise widens variances.
    xp
        Array library.
    """
    bands = (shared.shape[1] - SHARED) // 2
    count = information.shape[-1]
    pick = np.zeros((1 + bands, count))
    pick[0, BLUR] = 1.0
    pick[np.arange(1, bands + 1), SHARED + bands + np.arange(bands)] = 1.0
    chosen = constant_like(pick, shared)
    last = constant_like(np.diag(np.arange(count) == count - 1).astype(float), shared)
    whole = information + last * (batch.width_sd_m**-2.0)[:, None, None, ...]
    spread = chosen @ xp.linalg.inv(whole) @ xp.matrix_transpose(chosen)
    found = xp.concat([shared[:, BLUR : BLUR + 1, ...], shared[:, SHARED + bands :, ...]], axis=1)
    inside = xp.linalg.inv(spread)
    prior = batch.common_precision
    told = (inside @ found[..., None])[..., 0] - (prior @ batch.common_mean[..., None])[..., 0]
    # Rounding may leave a direction of which nothing was learnt slightly negative.
    ridge = _RIDGE * constant_like(np.eye(1 + bands), shared)
    precision = inside - prior + ridge
    told = told + _RIDGE * batch.common_mean
    factor = inflation[:, None, None, ...]
    return precision / factor, told / inflation[:, None, ...]


def with_neighbours(batch: ProfileBatch, precision: Array, told: Array, xp: Any) -> ProfileBatch:
    """Return the batch with priors that hold what the scene's other vessels say."""
    bands = told.shape[1] - 1
    apart = np.full((1 + bands, 1 + bands), 0.0)
    apart[1:, 1:] = _RATIO_COMMON_SD**2 + np.eye(bands) * _RATIO_SD**2
    apart[0, 0] = _BLUR_SD**2
    scatter = constant_like(apart, told)
    # What is left of a message once scatter between vessels is allowed for.
    one = constant_like(np.eye(1 + bands), told)
    keep = xp.linalg.inv(one + precision @ scatter)
    precision = keep @ precision
    told = (keep @ told[..., None])[..., 0]
    same = xp.astype(batch.scene[:, None, ...] == batch.scene[None, :], xp.float64)
    others = same * (1.0 - constant_like(np.eye(told.shape[0]), told))
    mean, inside = _heard(batch, precision, told, others, xp)
    # A message far from what all others say is taken down, not out.
    own = xp.linalg.inv(precision)
    away = (own @ told[..., None])[..., 0] - mean
    spread = own + xp.linalg.inv(inside) + scatter
    square = xp.sum(away * (xp.linalg.inv(spread) @ away[..., None])[..., 0], axis=-1)
    trust = xp.clip((_STUDENT_DOF + 1.0 + bands) / (_STUDENT_DOF + square), 0.0, 1.0)
    mean, inside = _heard(
        batch, precision * trust[:, None, None, ...], told * trust[:, None, ...], others, xp
    )
    spread = xp.linalg.inv(inside)
    heard = xp.sum(others, axis=1)[:, None, None, ...] > 0.5
    spread = xp.where(heard, spread + scatter, spread)
    return replace(batch, common_mean=mean, common_precision=xp.linalg.inv(spread))


def _heard(
    batch: ProfileBatch, precision: Array, told: Array, others: Array, xp: Any
) -> tuple[Array, Array]:
    """Mean (vessel, 1 + band) and precision of the prior and all others' messages."""
    count, size = told.shape
    prior = batch.common_precision
    flat = others @ xp.reshape(precision, (count, size * size))
    inside = prior + xp.reshape(flat, (count, size, size))
    right = (prior @ batch.common_mean[..., None])[..., 0] + others @ told
    return xp.linalg.solve(inside, right[..., None])[..., 0], inside
