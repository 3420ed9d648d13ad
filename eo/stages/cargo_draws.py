"""Barrels of many calls: sums of skewed intervals whose errors are partly shared.

A call's barrels come as three percentiles; a sum needs draws. Calls whose load could not be
measured, and calls that nobody saw, are drawn from the loads that were measured, so that they
enter the estimate and never what was seen. Only loadings are summed: a call of unclear direction
counts with what it may have loaded, and nothing where it discharged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eo.core.rows import PortCall

__all__ = ["SHARED", "LoadDraws", "PortLoads", "draw_loads"]

SHARED = 0.25
"""Share of the variance that all calls have in common: barrels per tonne, the share of
deadweight that is cargo, the shadow model's own bias."""

_Z95 = 1.6448536269514722

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class LoadDraws:
    """Draws of barrels loaded over one span of time."""

    seen: Floats | None
    """(draw,) loaded in calls that were seen and measured; None where none was measured."""
    total: Floats | None
    """(draw,) loaded in all calls, seen or not; None where no measured load tells of them."""
    notes: tuple[str, ...]
    """What is missing in `seen`."""


@dataclass(frozen=True, kw_only=True)
class PortLoads:
    """Draws of barrels loaded, by month."""

    at: NDArray[np.int_]
    """(call,) month of each call."""
    measured: NDArray[np.bool_]
    """(call,) whether something is known of what the call loaded, be it nothing."""
    unclear: NDArray[np.bool_]
    """(call,) measured, but not which way cargo went."""
    barrels: Floats
    """(draw, call) barrels loaded; 0 for calls that were not measured."""
    unseen: Floats | None
    """(draw, month) barrels of calls not measured or not seen; None where unknown."""

    def over(self, month: int | None) -> LoadDraws:
        """Return the draws of one month, or of all."""
        mine = np.ones(self.at.size, bool) if month is None else self.at == month
        known = mine & self.measured
        notes = tuple(
            f"{number} of {int(mine.sum())} calls {what}"
            for number, what in (
                (int((mine & ~self.measured).sum()), "without a measured load"),
                (int((mine & self.unclear).sum()), "of unclear direction"),
            )
            if number
        )
        seen = self.barrels[:, known].sum(axis=1)
        total = None
        if self.unseen is not None:
            more = self.unseen.sum(axis=1) if month is None else self.unseen[:, month]
            total = seen + more
        return LoadDraws(
            seen=seen if known.any() or not mine.any() else None, total=total, notes=notes
        )


def draw_loads(
    calls: Sequence[PortCall],
    at: NDArray[np.int_],
    missed: NDArray[np.int64] | None,
    *,
    months: int,
    draws: int,
    rng: np.random.Generator,
) -> PortLoads:
    """Draw the barrels of all calls.

    Parameters
    ----------
    calls
        Calls that count.
    at
        (call,) month of each.
    missed
        (draw, month) unseen calls; None where they cannot be estimated.
    months
        Number of months.
    draws
        Number of draws.
    rng
        Source of randomness.

    Notes
    -----
    A call's barrels are drawn from a two-piece normal law through its three percentiles, with a
    quarter of the variance common to all calls, and never below nothing. A call without a
    measured load is a loading with the measured calls' share (Jeffreys prior), and then one of
    the measured loadings at random.
    """
    measured = np.array([_load(c) is not None for c in calls], dtype=bool)
    loading = np.array([bool(_load(c)) for c in calls], dtype=bool)
    common = rng.standard_normal((draws, 1))
    own = rng.standard_normal((draws, len(calls)))
    z = np.sqrt(SHARED) * common + np.sqrt(1.0 - SHARED) * own
    barrels = np.zeros((draws, len(calls)))
    for j, call in enumerate(calls):
        spread = _load(call)
        if spread:
            low, mid, high = spread
            below, above = (mid - low) / _Z95, (high - mid) / _Z95
            step = np.where(z[:, j] < 0.0, below, above)
            barrels[:, j] = np.maximum(mid + z[:, j] * step, 0.0)
    unseen = None
    if missed is not None and measured.any():
        blind = np.bincount(at[~measured], minlength=months)
        unseen = _unseen(missed + blind, barrels[:, loading], measured, loading, rng)
    elif missed is not None and not missed.any():
        unseen = np.zeros(missed.shape) if not len(calls) else None
    unclear = measured & np.array([c.direction == "unclear" for c in calls], dtype=bool)
    return PortLoads(at=at, measured=measured, unclear=unclear, barrels=barrels, unseen=unseen)


def _load(call: PortCall) -> tuple[float, float, float] | tuple[()] | None:
    """Percentiles of the barrels moved; () where she discharged, None where it is unknown."""
    if call.direction == "discharging":
        return ()
    spread = (call.barrels_p05, call.barrels_p50, call.barrels_p95)
    if None in spread:
        return None
    low, mid, high = (float(v) for v in spread if v is not None)
    return (min(low, mid), mid, max(high, mid))


def _unseen(
    calls: NDArray[np.int64],
    loads: Floats,
    measured: NDArray[np.bool_],
    loading: NDArray[np.bool_],
    rng: np.random.Generator,
) -> Floats:
    """Barrels (draw, month) of calls about which only their number is known."""
    loads_seen = int(loading.sum())
    if loads_seen == 0:
        return np.zeros(calls.shape)
    others = int(measured.sum()) - loads_seen
    draws = calls.shape[0]
    share = np.ones((draws, 1))
    if others:
        share = rng.beta(loads_seen + 0.5, others + 0.5, size=(draws, 1))
    number = rng.binomial(calls, share)
    # A Bayesian bootstrap: which of the measured loads are typical is itself uncertain.
    weight = rng.dirichlet(np.ones(loads_seen), size=draws)
    mean = (weight * loads).sum(axis=1)[:, None]
    sd = np.sqrt(np.maximum((weight * loads**2).sum(axis=1)[:, None] - mean**2, 0.0))
    noise = rng.standard_normal(number.shape)
    return np.asarray(np.maximum(number * mean + np.sqrt(number) * sd * noise, 0.0))
