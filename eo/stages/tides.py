"""The water's height at the hours of the looks: a few waves carry it from look to look.

Tides are sums of waves whose periods are known to the second and whose heights and phases belong
to the port. Seen at one hour of the day, the moon's half-daily wave comes again after a fortnight:
what one look says of the water, its neighbours share. With constituents c of period w_c,

    t(h) = sum over c of a_c cos(2 pi h / w_c) + b_c sin(2 pi h / w_c) + e                    (1)

a_c and b_c of variance q_c v, h the hour, v the tide's variance, q_c the usual shares in it and e
what weather adds, each look its own. How large the tide is here, and whether half-daily or daily,
the looks weigh.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

__all__ = ["TIDES_M", "told_by_others"]

TIDES_M = 0.1 * np.arange(-25, 26)
"""Heights of the water that are weighed, about its mean at the hours of the looks."""

_PERIODS_H = np.array([12.4206, 12.0, 12.6583, 23.9345, 25.8193, 24.0659])
"""M2, S2, N2 and K1, O1, P1 (Pugh, Woodworth, Sea-Level Science, 2014, table 4.1)."""
_HALF_DAILY = np.array([0.80, 0.17, 0.03, 0.0, 0.0, 0.0])
_DAILY = np.array([0.0, 0.0, 0.0, 0.63, 0.30, 0.07])
"""Their shares in the variance of half-daily and daily tides, by the potential that raises them."""
_FORMS, _FORM_PRIOR = (0.9, 0.6, 0.2), (0.4, 0.35, 0.25)
"""Share of the variance that is half-daily, of half-daily, mixed and daily tides."""
_SDS_M, _SD_PRIOR = (0.1, 0.25, 0.5, 1.0), (0.25, 0.40, 0.25, 0.10)
"""Of the tide: enclosed seas, usual coasts, large tides, very large ones."""
_WEATHER_SD_M = 0.12
"""Of what wind and pressure do to the water from one look to another."""
_BROAD_SD_M = 0.7
"""Of the height under which a look's likelihood is taken as a Gaussian."""
_SILENT = 0.97
"""Share of that variance from which a look says nothing."""


def told_by_others(hours: Any, said: Any) -> Any:
    """Return ln p (look, tide) over TIDES_M of the water in each look, by what all others say.

    Parameters
    ----------
    hours
        (look,) when, from any common moment [h]; NaN where unknown: such a look shares nothing.
    said
        (look, tide) ln L of the water's height by each look itself, each up to a constant.

    Notes
    -----
    Bayesian linear regression on the waves of (1), each look left out in turn; sizes and forms of
    tides enter by their evidence, as the mean of their variances. A look's likelihood counts as the
    Gaussian that changes a broad one alike.
    """
    hours, said = np.asarray(hours, dtype=float), np.asarray(said, dtype=float)
    value, precision = _as_gaussians(said)
    known = np.isfinite(hours)
    precision = np.where(known, precision, 0.0)
    phase = 2.0 * np.pi * np.where(known, hours, 0.0)[:, None] / _PERIODS_H
    waves = np.concatenate([np.cos(phase), np.sin(phase)], axis=1) * known[:, None]
    variance = _variances(waves, value, precision)
    waves = waves * np.sqrt(np.tile(variance, 2))
    inverse = np.linalg.inv(np.eye(waves.shape[1]) + (waves.T * precision) @ waves)
    fitted = inverse @ (waves.T @ (precision * value))
    # Each look's own part taken out again (Sherman, Morrison).
    spread = np.sum((waves @ inverse) * waves, axis=1)
    rest = 1.0 - precision * spread
    mean = (waves @ fitted - precision * spread * value) / rest
    spread = spread / rest + np.where(known, 0.0, variance.sum()) + _WEATHER_SD_M**2
    return -0.5 * (TIDES_M - mean[:, None]) ** 2 / spread[:, None]


def _as_gaussians(said: Any) -> tuple[Any, Any]:
    """Return what each look measured, and the precision with weather; 0 where it says nothing."""
    usual = np.exp(-0.5 * (TIDES_M / _BROAD_SD_M) ** 2)
    weight = np.exp(said - said.max(axis=1, keepdims=True)) * usual
    weight = weight / weight.sum(axis=1, keepdims=True)
    middle = weight @ TIDES_M
    left = np.maximum(weight @ TIDES_M**2 - middle**2, 1e-3)
    broad = float(usual @ TIDES_M**2 / usual.sum())
    speaks = (left < _SILENT * broad) & (np.ptp(said, axis=1) > 0)
    own = np.where(speaks, 1.0 / left - 1.0 / broad, 1.0)
    value = np.where(speaks, middle / left / own, 0.0)
    return value, np.where(speaks, 1.0 / (1.0 / own + _WEATHER_SD_M**2), 0.0)


def _variances(waves: Any, value: Any, precision: Any) -> Any:
    """Return the variance (constituent,) of each wave: the mean over sizes and forms."""
    options, logs = [], []
    for (sd, sd_p), (form, form_p) in itertools.product(
        zip(_SDS_M, _SD_PRIOR, strict=True), zip(_FORMS, _FORM_PRIOR, strict=True)
    ):
        variance = sd**2 * (form * _HALF_DAILY + (1.0 - form) * _DAILY)
        scaled = waves * np.sqrt(np.tile(variance, 2))
        matrix = np.eye(scaled.shape[1]) + (scaled.T * precision) @ scaled
        moment = scaled.T @ (precision * value)
        gain = moment @ np.linalg.solve(matrix, moment) - np.linalg.slogdet(matrix)[1]
        options.append(variance)
        logs.append(np.log(sd_p * form_p) + 0.5 * gain)
    weight = np.exp(np.array(logs) - max(logs))
    return weight @ np.array(options) / weight.sum()
