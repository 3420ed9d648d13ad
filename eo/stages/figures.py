"""Charts of the report, as SVG text that stands in the page and needs no network.

The same tables give the same bytes: no dates, no random ids.
"""

from __future__ import annotations

import datetime as dt
import io
import math
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.dates
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from eo.core.rows import PortCall, PortTotal
from eo.stages.cargo_draws import SHARED
from eo.stages.totals import arrival_time

__all__ = ["cumulative_chart", "monthly_chart"]

_dates: Any = matplotlib.dates  # annotated only in part

INK = "#1f2a37"
MUTED = "#667085"
SEEN = "#0b5cab"
UNKNOWN = "#9cc4ec"
LIKELY = "#b54708"
CAP = "#b42318"

_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "eo",
    "font.family": "sans-serif",
    "font.size": 10.5,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#e4e7ec",
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "text.color": INK,
}


def cumulative_chart(
    calls: Sequence[PortCall],
    *,
    start: dt.datetime,
    end: dt.datetime,
    cap_barrels: float | None,
    interest_marked: bool,
) -> str:
    """Draw barrels loaded within the period, added up over each calendar year, against the cap.

    Parameters
    ----------
    calls
        Calls that count; only measured loadings are drawn.
    start, end
        Period, its end excluded.
    cap_barrels
        Yearly cap; None draws none.
    interest_marked
        Whether the fleet file says which vessels are of interest: then only those are drawn,
        and the unidentified ones as a band of their own on top.

    Returns
    -------
    str
        An `<svg>` element.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.2, 3.7), layout="constrained")
        axes = figure.subplots()
        highest = 0.0
        for number, (begin, finish) in enumerate(_years(start, end)):
            mine = [c for c in calls if begin <= arrival_time(c) < finish and _loaded(c)]
            highest = max(
                highest, _year(axes, mine, begin, finish, first=number == 0, marked=interest_marked)
            )
        if cap_barrels is not None:
            axes.axhline(cap_barrels, color=CAP, linewidth=1.6, linestyle=(0, (6, 3)))
            axes.annotate(
                f"cap {cap_barrels:,.0f} a year",
                (1.0, cap_barrels),
                xycoords=("axes fraction", "data"),
                xytext=(-4, 4),
                textcoords="offset points",
                ha="right",
                color=CAP,
            )
        axes.set_ylim(0.0, 1.14 * max(highest, cap_barrels or 0.0, 1.0))
        axes.set_xlim(_number(start), _number(end))
        axes.set_ylabel("barrels this year, within the period")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))
        _date_axis(axes)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, frameon=False)
        return _svg(figure)


def _years(start: dt.datetime, end: dt.datetime) -> list[tuple[dt.datetime, dt.datetime]]:
    years = []
    begin = start
    while begin < end:
        following = begin.replace(
            year=begin.year + 1, month=1, day=1, hour=0, minute=0, second=0, microsecond=0
        )
        years.append((begin, min(following, end)))
        begin = following
    return years


def _loaded(call: PortCall) -> bool:
    return call.direction == "loading" and call.barrels_p50 is not None


def _year(
    axes: Any,
    calls: Sequence[PortCall],
    begin: dt.datetime,
    finish: dt.datetime,
    *,
    first: bool,
    marked: bool,
) -> float:
    """Draw one year's steps; return the highest value drawn."""
    known = [c for c in calls if not marked or c.of_interest]
    unknown = [c for c in calls if marked and c.of_interest is None]
    moments = sorted({arrival_time(c) for c in known + unknown})
    times = [begin, *moments, finish]
    low, mid, high = zip(*(_sum_until(known, t) for t in times), strict=True)
    with_unknown = [m + _sum_until(unknown, t)[1] for m, t in zip(mid, times, strict=True)]
    x = [_number(t) for t in times]
    if unknown:
        axes.fill_between(
            x,
            mid,
            with_unknown,
            step="post",
            color=UNKNOWN,
            alpha=0.45,
            linewidth=0,
            label="unidentified vessels" if first else None,
        )
    axes.fill_between(
        x,
        low,
        high,
        step="post",
        color=SEEN,
        alpha=0.32,
        linewidth=0,
        label="90 % interval" if first else None,
    )
    name = "seen, vessels of interest" if marked else "seen, all vessels"
    axes.step(x, mid, where="post", color=SEEN, linewidth=2.2, label=name if first else None)
    return float(max(*high, *with_unknown))


def _sum_until(calls: Sequence[PortCall], moment: dt.datetime) -> tuple[float, float, float]:
    """Sum of medians and its 90 % interval, errors partly shared between calls."""
    mine = [c for c in calls if arrival_time(c) <= moment]
    mid = math.fsum(c.barrels_p50 or 0.0 for c in mine)
    below = _joint([(c.barrels_p50 or 0.0) - (c.barrels_p05 or 0.0) for c in mine])
    above = _joint([(c.barrels_p95 or 0.0) - (c.barrels_p50 or 0.0) for c in mine])
    return max(mid - below, 0.0), mid, mid + above


def _joint(widths: Sequence[float]) -> float:
    together = math.fsum(widths) ** 2
    apart = math.fsum(w**2 for w in widths)
    return math.sqrt(SHARED * together + (1.0 - SHARED) * apart)


def monthly_chart(totals: Sequence[PortTotal]) -> str:
    """Draw each month's calls: seen as bars, likely with their interval.

    Parameters
    ----------
    totals
        Rows of the months, without `all`.

    Returns
    -------
    str
        An `<svg>` element.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.2, 3.2), layout="constrained")
        axes = figure.subplots()
        x = range(len(totals))
        axes.bar(
            x,
            [t.calls_seen for t in totals],
            width=0.62 * min(1.0, len(totals) / 6.0),
            color=SEEN,
            label="seen",
        )
        known = [
            (i, t.calls_est_p05, t.calls_est_p50, t.calls_est_p95)
            for i, t in enumerate(totals)
            if t.calls_est_p05 is not None
            and t.calls_est_p50 is not None
            and t.calls_est_p95 is not None
        ]
        if known:
            axes.errorbar(
                [i for i, *_ in known],
                [mid for _, _, mid, _ in known],
                yerr=[
                    [mid - low for _, low, mid, _ in known],
                    [high - mid for _, _, mid, high in known],
                ],
                fmt="o",
                color=LIKELY,
                markersize=5,
                capsize=4,
                linewidth=1.6,
                label="seen and unseen together, 90 % interval",
            )
        axes.set_xticks(list(x), [_month_label(t.period) for t in totals])
        if len(totals) > 14:
            axes.tick_params(axis="x", rotation=60)
        axes.set_ylabel("port calls")
        axes.set_ylim(
            0.0, 1.06 * max([4.0, *(float(t.calls_est_p95 or t.calls_seen) for t in totals)])
        )
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlim(-0.6, max(len(totals) - 0.4, 0.6))
        axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, frameon=False)
        return _svg(figure)


def _month_label(period: str) -> str:
    year, _, month = period.partition("-")
    return f"{dt.date(int(year), int(month), 1):%b %y}"


def _number(moment: dt.datetime) -> float:
    return float(_dates.date2num(moment))


def _date_axis(axes: Any) -> None:
    locator = _dates.AutoDateLocator(minticks=3, maxticks=12)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(_dates.ConciseDateFormatter(locator))


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(
        buffer,
        format="svg",
        transparent=True,
        metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
    )
    text = buffer.getvalue()
    return text[text.index("<svg") :]
