"""Exposure: the chance that a call would have been seen, and how long calls last.

A call is seen if a usable look falls inside it. Looks are known; the length of calls is learnt
from those that empty looks bracket, with the bias that long calls are seen more often divided
out. Integrals over the unknown arrival have a closed form in the integrated tail of the
lognormal law (`eo.stages.dwell`), so that nothing here is drawn at random.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eo.stages.dwell import DWELL_MEDIAN_D, integrated_tail_d

__all__ = ["Bracket", "DwellGrid", "Glimpse", "dwell_grid", "dwell_log_likelihood", "seen_share"]

_HORIZON_D = 60.0
"""Days after an arrival beyond which looks are left out of its chance to be seen."""
_SAME_PASS_D = 100.0 / 86400.0
"""Tiles of one pass lie up to this far apart in time."""
_LEAST_CHANCE = 1e-3
_OUTLIER = 0.02
"""Share of calls that keep to no law (a ship laid up, two calls linked as one)."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Glimpse:
    """One pass over one berth."""

    time_d: float
    """Time [days since the period began]."""
    clear: float
    """Chance that a ship at the berth would have been seen: its clear share, 1 where clear."""


@dataclass(frozen=True, kw_only=True)
class Bracket:
    """What is known of one call's length; all in days since the period began."""

    arrival_after_d: float
    """Last clear look without her."""
    first_d: float
    """First sighting."""
    last_d: float
    """Last sighting."""
    departure_before_d: float | None
    """First clear look without her again; None: not within the campaign."""
    glimpses: tuple[Glimpse, ...] = ()
    """Passes over her berth; the partly clear ones around the call may have missed her."""

    def arrivals(self) -> list[tuple[float, float, float]]:
        """Spans of time in which she may have come, each with the chance to be overlooked since.

        (begin, end, chance), the latest first.
        """
        spans, hidden, end = [], 1.0, self.first_d
        for glimpse in reversed(self.glimpses):
            shows = glimpse.clear > 0.0
            if shows and self.arrival_after_d < glimpse.time_d < self.first_d - _SAME_PASS_D:
                spans.append((glimpse.time_d, end, hidden))
                hidden, end = hidden * (1.0 - glimpse.clear), glimpse.time_d
        return [*spans, (self.arrival_after_d, end, hidden)]

    def departures(self) -> list[tuple[float, float, float]]:
        """Spans of time in which she may have left, each with the chance to be overlooked before.

        (begin, end, chance), the earliest first; the end may be infinite.
        """
        last = math.inf if self.departure_before_d is None else self.departure_before_d
        spans, hidden, begin = [], 1.0, self.last_d
        for glimpse in self.glimpses:
            shows = glimpse.clear > 0.0
            if shows and self.last_d + _SAME_PASS_D < glimpse.time_d < last:
                spans.append((begin, glimpse.time_d, hidden))
                hidden, begin = hidden * (1.0 - glimpse.clear), glimpse.time_d
        return [*spans, (begin, last, hidden)]


@dataclass(frozen=True, kw_only=True)
class DwellGrid:
    """Laws of the length of a call, and how likely each is beforehand."""

    median_d: Floats
    """(law,) median [days]."""
    sigma: Floats
    """(law,) log-spread."""
    log_prior: Floats
    """(law,) log prior, up to a constant."""


def dwell_grid() -> DwellGrid:
    """Return the laws considered: median 0.6-5.2 days, log-spread 0.25-1.

    Beforehand the median is 1.75 days within a factor of 1.4 (one standard deviation), and the
    log-spread 0.5 within a factor of 1.6.
    """
    log_median, sigma = np.meshgrid(
        math.log(DWELL_MEDIAN_D) + np.linspace(-1.08, 1.08, 13), [0.25, 0.4, 0.55, 0.75, 1.0]
    )
    log_prior = -0.5 * ((log_median - math.log(DWELL_MEDIAN_D)) / 0.35) ** 2
    log_prior -= 0.5 * (np.log(sigma / 0.5) / 0.5) ** 2
    return DwellGrid(
        median_d=np.exp(log_median).ravel(), sigma=sigma.ravel(), log_prior=log_prior.ravel()
    )


def seen_share(glimpses: Sequence[Glimpse], edges_d: Sequence[float], laws: DwellGrid) -> Floats:
    """Return the chance that a call arriving within each span of time is seen.

    Parameters
    ----------
    glimpses
        Passes over the berth, by time.
    edges_d
        Bounds of the spans, ascending [days].
    laws
        Laws of the length of a call.

    Returns
    -------
    array (law, span)
        Mean over arrivals spread evenly in the span.

    Notes
    -----
    With looks k after the arrival a, visible with chance c_k, a call of length d is seen first
    in look k with chance c_k prod_{j<k} (1 - c_j), if a + d > t_k. The mean of S(t_k - a) over
    arrivals between two looks is a difference of the integrated tail.
    """
    edges = np.asarray(edges_d, dtype=np.float64)
    times = np.array([g.time_d for g in glimpses])
    cuts = np.unique(np.concatenate([edges, times[(times > edges[0]) & (times < edges[-1])]]))
    share = np.zeros((laws.median_d.size, edges.size - 1))
    for begin, finish in itertools.pairwise(cuts):
        span = int(np.searchsorted(edges, begin, side="right")) - 1
        hidden = 1.0
        for glimpse in glimpses[int(np.searchsorted(times, finish, side="left")) :]:
            if hidden < 1e-4 or glimpse.time_d - finish > _HORIZON_D:
                break
            if glimpse.clear > 0.0:
                share[:, span] += (
                    hidden
                    * glimpse.clear
                    * _tail_between(glimpse.time_d - finish, glimpse.time_d - begin, laws)
                )
            hidden *= 1.0 - glimpse.clear
    return np.clip(share / np.diff(edges), 0.0, 1.0)


def _tail_between(low_d: float, high_d: float, laws: DwellGrid) -> Floats:
    """Integrate the chance to stay longer than u over u from `low_d` to `high_d` (law,)."""
    low = integrated_tail_d(low_d, laws.median_d, laws.sigma)
    return np.asarray(low - integrated_tail_d(high_d, laws.median_d, laws.sigma))


def dwell_log_likelihood(
    brackets: Sequence[Bracket], mean_share: Floats, laws: DwellGrid
) -> Floats:
    """Return the log-likelihood of each law given the bracketed calls (law,).

    Parameters
    ----------
    brackets
        Calls with an empty look before.
    mean_share
        (law,) chance that a call of the campaign is seen under each law: dividing by it takes
        out that long calls are seen more often.
    laws
        Laws of the length of a call.

    Notes
    -----
    Of a call that arrived evenly between A0 and A1 and left between D0 and D1 the density is
    the integral of S(D0 - a) - S(D1 - a) over a from A0 to A1, over the chance to be seen. A
    partly clear look between, in which she was not seen, weighs the times it would have shown
    her by its chance to miss her.
    """
    total = np.zeros(laws.median_d.size)
    for call in brackets:
        inside = np.zeros(laws.median_d.size)
        for come_0, come_1, missed_before in call.arrivals():
            for gone_0, gone_1, missed_after in call.departures():
                chance = missed_before * missed_after
                if chance > _LEAST_CHANCE:
                    inside += chance * _stay_between((come_0, come_1), (gone_0, gone_1), laws)
        wide = max(call.first_d - call.arrival_after_d, 1e-6)
        # Bounded below by an outlier's share, so that one odd stay does not set the law.
        fitted = np.maximum(inside, 0.0) / np.maximum(mean_share, 1e-6)
        total += np.log((1.0 - _OUTLIER) * fitted + _OUTLIER * min(wide, 1.0))
    return total


def _stay_between(came: tuple[float, float], gone: tuple[float, float], laws: DwellGrid) -> Floats:
    """Integrate the chance to leave within `gone` over arrivals within `came` [days] (law,)."""
    inside = _tail_between(gone[0] - came[1], gone[0] - came[0], laws)
    if math.isfinite(gone[1]):
        inside = inside - _tail_between(gone[1] - came[1], gone[1] - came[0], laws)
    return inside
