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
from eo.physics.hull import usual_deadweight_t

__all__ = ["SHARED", "LoadDraws", "PortLoads", "draw_loads"]

SHARED = 0.25
"""Share of the variance that all calls have in common: barrels per tonne, the share of
deadweight that is cargo, the shadow model's own bias."""

_LOAD_SPREAD = 0.35
"""Spread of the natural log of loads for their ships' size: what is usual beforehand."""

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
    draws
        Number of draws.
    rng
        Source of randomness.

    Notes
    -----
    Whether a call loaded is drawn by its chance; what she then loaded from a two-piece normal law
    through its three percentiles, with a quarter of the variance common to all calls, and never
    below nothing. A call without a measured load, seen or not, is a loading with the measured
    calls' share (Jeffreys prior); it then loads like a measured one at random, in proportion to
    what a ship of her length usually carries. The length of a ship that nobody saw is that of one
    that was seen, at random.
    """
    measured = np.array([_load(c) is not None for c in calls], dtype=bool)
    loading = np.array([bool(_load(c)) for c in calls], dtype=bool)
    common = rng.standard_normal((draws, 1))
    own = rng.standard_normal((draws, len(calls)))
    z = np.sqrt(SHARED) * common + np.sqrt(1.0 - SHARED) * own
    barrels = np.zeros((draws, len(calls)))
    # The port's habit weighs in all calls of unclear direction; the clear ones tell it.
    clear = sum(c.direction in {"loading", "discharging"} for c in calls)
    tilt = 2.0 / np.sqrt(clear + 2.0) * rng.standard_normal(draws)
    for j, call in enumerate(calls):
        spread = _load(call)
        if spread:
            low, mid, high = spread
            below, above = (mid - low) / _Z95, (high - mid) / _Z95
            step = np.where(z[:, j] < 0.0, below, above)
            barrels[:, j] = np.maximum(mid + z[:, j] * step, 0.0)
            if call.loading_p is not None:
                barrels[:, j] *= rng.random(draws) < _tilted(call.loading_p, tilt)
    unseen = None
    if missed is not None and measured.any():
        known = _Known(
            volume=np.array([float(usual_deadweight_t(c.length_m)) for c in calls]),
            measured=measured,
            loading=loading,
            loads=barrels[:, loading],
        )
        unseen = _unseen(missed, at, known, rng)
    elif missed is not None and not missed.any():
        unseen = np.zeros(missed.shape) if not len(calls) else None
    unclear = measured & np.array([c.direction == "unclear" for c in calls], dtype=bool)
    return PortLoads(at=at, measured=measured, unclear=unclear, barrels=barrels, unseen=unseen)


def _tilted(chance: float, tilt: Floats) -> Floats:
    """Return a chance (draw,) with its log-odds moved by `tilt`."""
    odds = np.log(max(chance, 1e-9) / max(1.0 - chance, 1e-9))
    return np.asarray(1.0 / (1.0 + np.exp(-(odds + tilt))))


def _load(call: PortCall) -> tuple[float, float, float] | tuple[()] | None:
    """Percentiles of the barrels moved; () where she discharged, None where it is unknown."""
    if call.direction == "discharging":
        return ()
    spread = (call.barrels_p05, call.barrels_p50, call.barrels_p95)
    if call.loading_p is not None and call.loaded_barrels_p50 is not None:
        # Which way cargo went, and how much if it was loaded, are two questions.
        spread = (call.loaded_barrels_p05, call.loaded_barrels_p50, call.loaded_barrels_p95)
    if None in spread:
        return None
    low, mid, high = (float(v) for v in spread if v is not None)
    return (min(low, mid), mid, max(high, mid))


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What the calls seen tell of the others."""

    volume: Floats
    """(call,) what a ship of her length usually carries [t]."""
    measured: NDArray[np.bool_]
    """(call,) whether something is known of what the call loaded."""
    loading: NDArray[np.bool_]
    """(call,) whether that is a loading."""
    loads: Floats
    """(draw, loading) barrels loaded."""


def _unseen(
    missed: NDArray[np.int64], at: NDArray[np.int_], known: _Known, rng: np.random.Generator
) -> Floats:
    """Barrels (draw, month) of calls that were not measured or not seen."""
    loadings, blind = int(known.loading.sum()), np.flatnonzero(~known.measured)
    barrels = np.zeros(missed.shape)
    if loadings == 0:
        return barrels
    draws = missed.shape[0]
    others = int(known.measured.sum()) - loadings
    share = np.ones((draws, 1))
    if others:
        share = rng.beta(loadings + 0.5, others + 0.5, size=(draws, 1))
    relative = known.loads / known.volume[known.loading]
    load, load_sd = _bootstrap(relative, rng)
    # Few loads say little of the usual one.
    load = load * np.exp(_LOAD_SPREAD / np.sqrt(loadings) * rng.standard_normal((draws, 1)))
    volume, volume_sd = _bootstrap(np.broadcast_to(known.volume, (draws, known.volume.size)), rng)
    number = rng.binomial(missed, share)
    spread = np.sqrt((load * volume_sd) ** 2 + (volume * load_sd) ** 2 + (load_sd * volume_sd) ** 2)
    noise = rng.standard_normal(missed.shape)
    barrels += np.maximum(number * load * volume + np.sqrt(number) * spread * noise, 0.0)
    for j in blind:
        one = np.maximum(load + load_sd * rng.standard_normal((draws, 1)), 0.0) * known.volume[j]
        barrels[:, at[j]] += np.where(rng.random((draws, 1)) < share, one, 0.0)[:, 0]
    return barrels


def _bootstrap(values: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Mean and spread (draw, 1) of (draw, item) values by the Bayesian bootstrap.

    Which of the items are typical is itself uncertain.
    """
    weight = rng.dirichlet(np.ones(values.shape[1]), size=values.shape[0])
    mean = (weight * values).sum(axis=1, keepdims=True)
    square = (weight * values**2).sum(axis=1, keepdims=True)
    return mean, np.sqrt(np.maximum(square - mean**2, 0.0))
