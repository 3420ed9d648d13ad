"""How long ships stay: the lognormal law of the length of a port call.

One law serves three questions: whether two sightings on either side of a cloudy week are one
call, what chance a call had of being seen at all, and what the bracketed calls say of the law
itself. All of them need only the integrated tail of the law, which has a closed form.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import ndtr

__all__ = ["DWELL_MEDIAN_D", "DWELL_SIGMA", "integrated_tail_d", "remain_probability"]

DWELL_MEDIAN_D = 1.75
"""Median stay [days]: small tankers at Vostochny stayed one and a half to two days (Open Source
Centre, 2024)."""
DWELL_SIGMA = 0.7
"""Spread of the natural log of a stay when sightings are linked: wide, since a stay cut in two is
counted twice."""


def integrated_tail_d(time_d: Any, median_d: Any, sigma: Any) -> Any:
    """Integrate the chance that a stay lasts longer than `u` over all u beyond `time_d`.

    Parameters
    ----------
    time_d
        Lower limit [days], any shape; below 0 the tail is 1.
    median_d, sigma
        Median [days] and log-spread of the lognormal law; broadcast against `time_d`.

    Returns
    -------
    array
        T(x) = E[d] Phi(-(ln x - mu - sigma^2) / sigma) - x Phi(-(ln x - mu) / sigma) [days],
        the mean excess; for x <= 0 it is E[d] - x.

    Notes
    -----
    T(x) = integral from x to infinity of S(u) du. It is the standard stop-loss transform of the
    lognormal law (Klugman, Panjer, Willmot, Loss Models, 2012, appendix A).
    """
    time_d = np.asarray(time_d, dtype=np.float64)
    mu, mean_d = np.log(median_d), median_d * np.exp(np.square(sigma) / 2.0)
    z = (np.log(np.maximum(time_d, 1e-9)) - mu) / sigma
    beyond = mean_d * ndtr(sigma - z) - np.maximum(time_d, 0.0) * ndtr(-z)
    return np.where(time_d > 0.0, np.maximum(beyond, 0.0), mean_d - time_d)


def remain_probability(span_d: float, gap_d: float) -> float:
    """Return the chance that a ship, present for `span_d` days, is there `gap_d` days later.

    The ship was met at a random moment of her stay, so that the time left is that of a
    length-biased stay: T(span + gap) / T(span).
    """
    here = float(integrated_tail_d(span_d, DWELL_MEDIAN_D, DWELL_SIGMA))
    later = float(integrated_tail_d(span_d + gap_d, DWELL_MEDIAN_D, DWELL_SIGMA))
    if here < 1e-12:
        # Present for longer than the law can tell: the log-hazard of its far tail.
        return math.exp(-gap_d / max(span_d, 1.0))
    return min(later / here, 1.0)
