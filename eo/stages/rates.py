"""How many calls went unseen: a thinned Poisson process with rates that months share.

Calls of a month are Poisson with rate lambda times its days; each is seen with the month's
exposure p. The rates are gamma about a common mean, so that a cloudy month borrows from clear
ones: lambda | n seen ~ Gamma(k + n, k / mean + days p), missed ~ Poisson(lambda days (1 - p)).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

__all__ = ["Missed", "draw_missed"]

_MEAN_PER_DAY = 0.1
"""Prior median of the mean rate [calls a day]; the 95 % range is 0.009 to 1.1."""
_MEAN_LOG_SD = 1.2
_MEANS = np.exp(math.log(_MEAN_PER_DAY) + _MEAN_LOG_SD * np.linspace(-3.5, 5.5, 91))
_SHAPES = np.array([1.5, 3.0, 6.0, 12.0, 25.0, 100.0, 400.0])
"""Shape of the gamma law of monthly rates: their relative spread is 1 / sqrt(shape)."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Missed:
    """Draws from the posterior."""

    calls: Ints
    """(draw, month) calls that nobody saw."""
    exposure: Floats
    """(month,) posterior mean chance that a call was seen."""
    exposure_all: float
    """The same for a call of the whole period, arriving at any time alike."""


def draw_missed(
    seen: Ints,
    days: Floats,
    share: Floats,
    log_weight: Floats,
    *,
    early: int,
    early_days: Floats,
    draws: int,
    rng: np.random.Generator,
) -> Missed:
    """Draw the number of unseen calls of each month.

    Parameters
    ----------
    seen
        (month,) calls seen.
    days
        (month,) days of the month within the period.
    share
        (law, month) chance that a call is seen, under each law of its length.
    log_weight
        (law,) log prior and log-likelihood of each law from the calls' brackets.
    early
        Ships that lay there when the looks began; they tell of the rate, and are no call.
    early_days
        (law,) days of arrivals before the period that the looks would still have shown.
    draws
        Number of draws.
    rng
        Source of randomness, seeded by the caller.

    Notes
    -----
    The posterior of law, mean rate and shape is exact on their grid: given them, the seen calls
    of a month are negative binomial with size k and mean `mean * days * share`.
    """
    mean = _MEANS[None, :, None, None]
    shape = _SHAPES[None, None, :, None]
    thin = days[None, :] * share
    # Who was there from the start came in the first month or before: only their sum is known.
    thin[:, 0] += early_days
    told = seen + early * (np.arange(seen.size) == 0)
    expected = mean * thin[:, None, None, :]
    n = told[None, None, None, :]
    log_p = gammaln(shape + n) - gammaln(shape) - gammaln(n + 1.0)
    log_p = log_p - shape * np.log1p(expected / shape)
    log_p = log_p + n * (np.log(np.maximum(expected, 1e-12)) - np.log(shape + expected))
    posterior = log_p.sum(axis=-1) + log_weight[:, None, None]
    posterior -= 0.5 * (np.log(_MEANS / _MEAN_PER_DAY) / _MEAN_LOG_SD)[None, :, None] ** 2
    flat = np.exp(posterior - logsumexp(posterior)).ravel()
    law, at_mean, at_shape = np.unravel_index(
        rng.choice(flat.size, size=draws, p=flat / flat.sum()), posterior.shape
    )
    k, mu = _SHAPES[at_shape][:, None], _MEANS[at_mean][:, None]
    rate = rng.gamma(k + told[None, :], 1.0 / (k / mu + thin[law]))
    calls = rng.poisson(rate * days[None, :] * (1.0 - share[law]))
    of_law = np.exp(logsumexp(posterior, axis=(1, 2)) - logsumexp(posterior))
    exposure = of_law @ share
    return Missed(
        calls=calls,
        exposure=exposure,
        exposure_all=float(exposure @ days / days.sum()),
    )
