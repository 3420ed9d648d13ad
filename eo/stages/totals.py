"""Totals: what was seen each month, and what was probably there.

Seen is counted; the rest is estimated from the looks there were (`eo.stages.exposure`) and a
rate that months share (`eo.stages.rates`). Nothing here looks at pixels, and no estimate lies
below what was seen. A false detection is not undone here: intervals hold what clouds hid.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eo.core.records import Stay
from eo.core.rows import Look, PortCall, PortTotal
from eo.stages.cargo_draws import LoadDraws, draw_loads
from eo.stages.distinct import distinct_vessels
from eo.stages.dwell import DWELL_MEDIAN_D, DWELL_SIGMA, integrated_tail_d
from eo.stages.exposure import (
    Bracket,
    Glimpse,
    dwell_grid,
    dwell_log_likelihood,
    seen_share,
)
from eo.stages.looks import CLEAR_FROM
from eo.stages.rates import Missed, draw_missed

__all__ = ["arrival_time", "port_totals"]

DRAWS = 4000
"""Draws of the posterior; percentiles are good to a few hundredths of the interval."""
PRIOR_DOMINATED_BELOW = 0.1

_FOUND = 0.95
"""Chance that a ship in full view is found: what the detector is held to."""
_BEFORE_D = 30.0
"""Days before the period from which ships may still lie there."""
_DAY = dt.timedelta(days=1)
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class _Month:
    name: str
    start: dt.datetime
    end: dt.datetime


@dataclass(frozen=True, kw_only=True)
class _Passes:
    """Acquisitions within a span of time."""

    looks: int
    """Passes that hold data of the port."""
    usable: int
    """Those that are not cloudy everywhere."""
    clear: int
    """Those in which at least one place is clear."""


def port_totals(
    calls: Iterable[PortCall],
    stays: Iterable[Stay],
    looks: Iterable[Look],
    *,
    start: dt.datetime,
    end: dt.datetime,
) -> list[PortTotal]:
    """Return a row for every month of the period, by time, and last one for `all` of it.

    Parameters
    ----------
    calls
        Port calls; those whose stay does not count are left out.
    stays
        Their stays, for who else an unidentified ship may be.
    looks
        All looks.
    start, end
        The campaign's period, its end excluded.

    Returns
    -------
    list of PortTotal
        `looks` are passes that showed any place, `clear_looks` those that showed one clear;
        `vessels_seen` is the likely number of different ships (see `eo.stages.distinct`).
        Estimates are null where no look of known time showed the port, barrels where no call's
        load was measured; `note` says so.

    Notes
    -----
    Draws are seeded by the content of the calls and looks: the same tables give the same
    numbers on any machine, whatever the order of the rows.
    """
    by_id = {stay.call_id: stay for stay in stays}
    ordered = sorted(calls, key=lambda c: (c.first_seen.isoformat(), c.call_id))
    counted = [c for c in ordered if c.call_id not in by_id or by_id[c.call_id].counts]
    early = [c for c in ordered if c.call_id in by_id and _there_before(by_id[c.call_id], start)]
    shown = sorted(
        (look for look in looks if look.status != "outside"),
        key=lambda k: (k.datetime.isoformat() if k.datetime else "", k.scene_id, k.berth),
    )
    months = _months(start, end)
    latest = end - dt.timedelta(microseconds=1)
    arrivals = [min(max(arrival_time(c), start), latest) for c in counted]
    at = np.array(
        [next(i for i, m in enumerate(months) if m.start <= t < m.end) for t in arrivals], dtype=int
    )
    rng = np.random.default_rng(_seed([*counted, *early], shown, start, end))
    missed = _missed(counted, at, early, shown, months, rng=rng)
    loads = draw_loads(
        counted,
        at,
        missed.calls if missed else None,
        draws=DRAWS,
        rng=rng,
    )
    rows = []
    for i, month in enumerate([*months, _Month(name="all", start=start, end=end)]):
        only = i if i < len(months) else None
        rows.append(
            _row(
                month.name,
                [c for c, m in zip(counted, at, strict=True) if only is None or m == i],
                by_id,
                passes=_passes([k for k in shown if only is None or _within(k, month)]),
                estimate=_estimate(missed, only),
                loads=loads.over(only),
                early=[c for c in early if month.start <= c.first_seen < month.end],
            )
        )
    return rows


def _there_before(stay: Stay, start: dt.datetime) -> bool:
    """Whether a stay is no call only because she came, as far as is known, before the period."""
    return not stay.counts and stay.berth is not None and stay.first_seen >= start


def arrival_time(call: PortCall) -> dt.datetime:
    """Return the middle of the bracket of a call's arrival.

    Where no clear look before shows the port without her, half a typical stay before she was
    first seen.
    """
    if call.arrival_after is None:
        return call.arrival_before - dt.timedelta(days=0.5 * DWELL_MEDIAN_D)
    return call.arrival_after + 0.5 * (call.arrival_before - call.arrival_after)


# ----------------------------------------------------------------------------- time and looks
def _months(start: dt.datetime, end: dt.datetime) -> list[_Month]:
    months = []
    begin = start
    while begin < end:
        first = begin.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        following = (first + dt.timedelta(days=32)).replace(day=1)
        months.append(_Month(name=f"{begin:%Y-%m}", start=begin, end=min(following, end)))
        begin = following
    return months


def _within(look: Look, month: _Month) -> bool:
    return look.datetime is not None and month.start <= look.datetime < month.end


def _passes(looks: Sequence[Look]) -> _Passes:
    return _Passes(
        looks=len({k.acquisition_id for k in looks}),
        usable=len({k.acquisition_id for k in looks if k.status != "cloudy"}),
        clear=len({k.acquisition_id for k in looks if k.status == "clear"}),
    )


def _glimpses(looks: Sequence[Look], origin: dt.datetime) -> dict[str, list[Glimpse]]:
    """Return each berth's passes by time, the best of a pass's scenes speaking for it."""
    best: dict[tuple[str, str], Look] = {}
    for look in looks:
        key = (look.berth, look.acquisition_id)
        if look.datetime and (key not in best or _clear(look) > _clear(best[key])):
            best[key] = look
    glimpses: dict[str, list[Glimpse]] = {}
    for (berth, _), look in best.items():
        if look.datetime is not None:
            time_d = (look.datetime - origin) / _DAY
            glimpses.setdefault(berth, []).append(Glimpse(time_d=time_d, clear=_clear(look)))
    return {b: sorted(g, key=lambda k: (k.time_d, k.clear)) for b, g in sorted(glimpses.items())}


def _clear(look: Look) -> float:
    """Chance that a ship at the berth would have been seen in this look."""
    if look.status == "cloudy" or look.clear_fraction is None:
        return 0.0
    return _FOUND * (1.0 if look.clear_fraction >= CLEAR_FROM else look.clear_fraction)


# ------------------------------------------------------------------------------ the estimate
def _missed(
    calls: Sequence[PortCall],
    at: NDArray[np.int_],
    early: Sequence[PortCall],
    looks: Sequence[Look],
    months: Sequence[_Month],
    *,
    rng: np.random.Generator,
) -> Missed | None:
    """Draw unseen calls; None where no look of known time showed the port."""
    origin = months[0].start
    glimpses = _glimpses(looks, origin)
    if not glimpses:
        return None
    laws = dwell_grid()
    edges = [(m.start - origin) / _DAY for m in months] + [(months[-1].end - origin) / _DAY]
    days = np.diff(edges)
    seen_at = {berth: sum(c.berth == berth for c in calls) for berth in glimpses}
    weights = np.array([1.0 + seen_at[berth] for berth in glimpses])
    # One span more, before the period: the looks still show some who came then.
    spans = [-_BEFORE_D, *edges]
    by_berth = np.array([seen_share(g, spans, laws) for g in glimpses.values()])
    by_span = np.tensordot(weights / weights.sum(), by_berth, axes=1)
    share = by_span[:, 1:]
    brackets = [
        _bracket(c, origin, glimpses.get(c.berth or "", ()))
        for c in calls
        if c.arrival_after is not None
    ]
    fit = dwell_log_likelihood(brackets, share @ days / days.sum(), laws)
    seen = np.bincount(at, minlength=len(months))
    missed = draw_missed(
        seen,
        days,
        share,
        laws.log_prior + fit,
        early=len(early),
        early_days=_BEFORE_D * by_span[:, 0],
        draws=DRAWS,
        rng=rng,
    )
    # Some who lay there when the looks began came within the period after all.
    for call in early:
        since = (call.first_seen - origin) / _DAY
        within = 1.0 - _remaining(since)
        missed.calls[:, 0] += rng.random(DRAWS) < within
    return missed


def _remaining(since_d: float) -> float:
    """Chance that a ship met so long after the period began had come before it."""
    tail = integrated_tail_d(np.array([since_d, 0.0]), DWELL_MEDIAN_D, DWELL_SIGMA)
    return float(tail[0] / tail[1])


def _bracket(call: PortCall, origin: dt.datetime, glimpses: Sequence[Glimpse]) -> Bracket:
    before = call.arrival_after or call.first_seen
    after = call.departure_before
    return Bracket(
        arrival_after_d=(before - origin) / _DAY,
        first_d=(call.first_seen - origin) / _DAY,
        last_d=(call.last_seen - origin) / _DAY,
        departure_before_d=None if after is None else (after - origin) / _DAY,
        glimpses=tuple(glimpses),
    )


def _estimate(missed: Missed | None, month: int | None) -> tuple[Floats, float] | None:
    """Draws of the unseen calls and the exposure of one month, or of all."""
    if missed is None:
        return None
    if month is None:
        return missed.calls.sum(axis=1).astype(float), missed.exposure_all
    return missed.calls[:, month].astype(float), float(missed.exposure[month])


def _seed(
    calls: Sequence[PortCall], looks: Sequence[Look], start: dt.datetime, end: dt.datetime
) -> int:
    digest = hashlib.sha256(f"{start.isoformat()}/{end.isoformat()}".encode())
    for call in calls:
        digest.update(call.call_id.encode())
    for look in looks:
        digest.update(f"{look.scene_id}|{look.berth}|{look.status}".encode())
    return int.from_bytes(digest.digest()[:8], "big")


# ------------------------------------------------------------------------------------ a row
def _row(
    period: str,
    calls: Sequence[PortCall],
    stays: dict[str, Stay],
    *,
    passes: _Passes,
    estimate: tuple[Floats, float] | None,
    loads: LoadDraws,
    early: Sequence[PortCall],
) -> PortTotal:
    counts: list[float | None] = [None] * 3
    if estimate is not None:
        # Calls are whole numbers: the percentile is one of the draws, not a mean of two.
        low, mid, high = np.percentile(len(calls) + estimate[0], [5, 50, 95], method="inverted_cdf")
        counts = [float(low), float(mid), float(high)]
    # Nothing seen where nothing could be seen is not nothing.
    blind = passes.usable == 0 and not calls
    seen, likely = _spread(None if blind else loads.seen), _spread(loads.total)
    exposure = estimate[1] if estimate is not None else None
    return PortTotal(
        period=period,
        looks=passes.looks,
        clear_looks=passes.clear,
        calls_seen=len(calls),
        vessels_seen=distinct_vessels([*calls, *early], stays),
        calls_est_p05=counts[0],
        calls_est_p50=counts[1],
        calls_est_p95=counts[2],
        barrels_seen_p05=seen[0],
        barrels_seen_p50=seen[1],
        barrels_seen_p95=seen[2],
        barrels_est_p05=likely[0],
        barrels_est_p50=likely[1],
        barrels_est_p95=likely[2],
        exposure=exposure,
        note=_note(passes, exposure, loads, len(early)),
    )


def _spread(draws: Floats | None) -> tuple[float | None, float | None, float | None]:
    if draws is None:
        return None, None, None
    low, mid, high = np.percentile(draws, [5, 50, 95])
    return float(low), float(mid), float(high)


def _note(passes: _Passes, exposure: float | None, loads: LoadDraws, early: int) -> str | None:
    notes = []
    if passes.looks == 0:
        notes.append("no looks")
    elif passes.usable == 0:
        notes.append("every look cloudy")
    if exposure is None:
        notes.append("no look of known time shows the port: nothing can be estimated")
    elif exposure < PRIOR_DOMINATED_BELOW:
        notes.append("prior-dominated")
    if early:
        notes.append(f"{early} more lay there when the looks began")
    notes.extend(loads.notes)
    return "; ".join(notes) or None
