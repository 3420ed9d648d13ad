"""Port calls and totals of a run held against the true ones."""

from __future__ import annotations

import dataclasses
import datetime as dt
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from eo.sim.labels import CallLabel, Truth

__all__ = ["CallScore", "join_calls", "score_calls"]


@dataclass(frozen=True, kw_only=True)
class CallScore:
    """What a run got right of the port calls."""

    true: int
    """Calls that arrived within the period."""
    visible: int
    """Those during which the ship lay wholly clear in at least one scene."""
    found: int
    """Visible calls that the run lists."""
    also_found: int
    """Calls listed though the ship was never wholly clear, or arrived before the period."""
    false: int
    """Calls listed that never were."""
    identified: int
    """Found calls of listed ships under the right name."""
    misnamed: int
    """Found calls under a wrong name of the fleet file."""
    listed: int
    """Found calls of ships that the fleet file knows."""
    direction_right: int
    """Found calls with the right direction."""
    direction_wrong: int
    """Found calls with the wrong direction; the rest are unclear."""
    barrels_stated: int
    """Found calls whose barrels are given."""
    barrels_covered: int
    """Those whose interval holds the truth."""
    true_barrels: float
    """Barrels loaded in all calls of the period."""
    seen_barrels: tuple[float | None, float | None, float | None]
    """The run's barrels seen: p05, p50, p95."""
    est_barrels: tuple[float | None, float | None, float | None]
    """The run's barrels, seen and unseen."""
    est_calls: tuple[float | None, float | None, float | None]
    """The run's calls, seen and unseen."""
    campaigns: int = 1
    """Campaigns pooled."""
    est_calls_covered: int = 0
    """Campaigns whose interval holds the true number of calls."""
    est_barrels_covered: int = 0
    """Campaigns whose interval holds the true barrels."""


def score_calls(truth: Truth, calls: pd.DataFrame, totals: pd.DataFrame) -> CallScore:
    """Compare calls.parquet and totals.parquet with the truth.

    A call is found if a row at its berth overlaps its stay; one to one, longest overlap first.
    """
    true = list(truth.calls or ())
    rows: list[Any] = list(calls.itertuples(index=False))
    pairs = _assign(true, rows)
    seen = {call.call_id for call in true if call.visible and call.in_period}
    found: list[tuple[CallLabel, Any]] = [
        (true[i], rows[j]) for i, j in pairs if true[i].call_id in seen
    ]
    named = [pair for pair in found if not str(pair[1].vessel_id).startswith("u-")]
    barrels = [(call, row) for call, row in found if pd.notna(row.barrels_p05)]
    everything = totals[totals["period"] == "all"]
    est_barrels, est_calls = _three(everything, "barrels_est"), _three(everything, "calls_est")
    number = sum(call.in_period for call in true)
    amount = float(sum(max(_signed(call), 0.0) for call in true if call.in_period))
    return CallScore(
        true=number,
        visible=len(seen),
        found=len(found),
        also_found=len(pairs) - len(found),
        false=len(rows) - len(pairs),
        identified=sum(call.vessel_id == row.vessel_id for call, row in named),
        misnamed=sum(call.vessel_id != row.vessel_id for call, row in named),
        listed=sum(call.listed for call, _ in found),
        direction_right=sum(call.direction == row.direction for call, row in found),
        direction_wrong=sum(
            row.direction not in {call.direction, "unclear"} for call, row in found
        ),
        barrels_stated=len(barrels),
        barrels_covered=sum(
            bool(row.barrels_p05 <= _signed(call) <= row.barrels_p95) for call, row in barrels
        ),
        true_barrels=amount,
        seen_barrels=_three(everything, "barrels_seen"),
        est_barrels=est_barrels,
        est_calls=est_calls,
        est_calls_covered=int(_within(number, est_calls)),
        est_barrels_covered=int(_within(amount, est_barrels)),
    )


def join_calls(parts: list[CallScore]) -> CallScore:
    """Return the sum of several campaigns; their intervals are not summed."""
    if len(parts) == 1:
        return parts[0]
    none = (None, None, None)
    sums: dict[str, Any] = {
        field.name: sum(getattr(part, field.name) for part in parts)
        for field in dataclasses.fields(CallScore)
        if field.name not in {"seen_barrels", "est_barrels", "est_calls"}
    }
    return CallScore(**sums, seen_barrels=none, est_barrels=none, est_calls=none)


def _signed(call: CallLabel) -> float:
    """Return a call's barrels as its row states them: below zero where she discharged."""
    return -call.barrels if call.direction == "discharging" else call.barrels


def _three(table: pd.DataFrame, name: str) -> tuple[float | None, float | None, float | None]:
    if table.empty:
        return (None, None, None)
    values = [table[f"{name}_{level}"].iloc[0] for level in ("p05", "p50", "p95")]
    low, middle, high = (None if pd.isna(value) else float(value) for value in values)
    return (low, middle, high)


def _within(value: float, interval: tuple[float | None, float | None, float | None]) -> bool:
    low, _, high = interval
    return low is not None and high is not None and low <= value <= high


def _assign(true: list[CallLabel], rows: list[Any]) -> list[tuple[int, int]]:
    if not true or not rows:
        return []
    overlap = np.zeros((len(true), len(rows)))
    for i, call in enumerate(true):
        for j, row in enumerate(rows):
            if row.berth != call.berth:
                continue
            start = max(pd.Timestamp(call.arrival), row.first_seen)
            stop = min(pd.Timestamp(call.departure), row.last_seen)
            # A call seen once has no length: being there at all is worth a second.
            if stop >= start:
                overlap[i, j] = (stop - start) / dt.timedelta(seconds=1) + 1.0
    chosen = linear_sum_assignment(-overlap)
    return [(int(i), int(j)) for i, j in zip(*chosen, strict=True) if overlap[i, j] > 0]
