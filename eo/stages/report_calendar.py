"""The calendar of looks: for each place and day, what could be seen.

`no look`, `cloudy` and `clear, no vessel` are told apart by sign and word as well as colour.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from eo.core.rows import Look

__all__ = ["CalendarCell", "CalendarMonth", "CalendarRow", "look_calendar"]

MAX_ROWS = 150
"""More rows than this are drawn as one row a month, the best of all places."""

_RANK = {"clear": 3, "partly": 2, "cloudy": 1}
_WORDS = {"clear": "clear", "partly": "partly clear", "cloudy": "cloudy", "none": "no look"}


@dataclass(frozen=True, kw_only=True)
class CalendarCell:
    """One place on one day."""

    status: str
    """clear, partly, cloudy, none, or `off` for days outside the period."""
    text: str
    """Number of vessels seen; empty where nothing could be seen."""
    title: str
    """The same in words."""


@dataclass(frozen=True, kw_only=True)
class CalendarRow:
    """One place in one month."""

    name: str
    cells: tuple[CalendarCell, ...]


@dataclass(frozen=True, kw_only=True)
class CalendarMonth:
    """One month."""

    name: str
    rows: tuple[CalendarRow, ...]


def look_calendar(
    looks: Sequence[Look], *, start: dt.datetime, end: dt.datetime
) -> tuple[list[CalendarMonth], bool]:
    """Return the calendar, and whether its places were merged into one row.

    Parameters
    ----------
    looks
        All looks; those of unknown time have no day and are left out.
    start, end
        Period, its end excluded; days are UTC.
    """
    places = sorted({look.berth for look in looks}) or ["port"]
    months = _months(start, end)
    merged = len(places) > 1 and len(places) * len(months) > MAX_ROWS
    by_day: dict[tuple[str, dt.date], list[Look]] = {}
    for look in looks:
        if look.datetime is not None and look.status in _RANK:
            place = "all places" if merged else look.berth
            by_day.setdefault((place, look.datetime.date()), []).append(look)
    rows = ["all places"] if merged else places
    first, last = start.date(), (end - dt.timedelta(microseconds=1)).date()
    calendar = [
        CalendarMonth(
            name=f"{month:%B %Y}",
            rows=tuple(
                CalendarRow(
                    name=place,
                    cells=tuple(
                        _cell(place, month, number, by_day, first=first, last=last)
                        for number in range(1, 32)
                    ),
                )
                for place in rows
            ),
        )
        for month in months
    ]
    return calendar, merged


def _months(start: dt.datetime, end: dt.datetime) -> list[dt.date]:
    month = start.date().replace(day=1)
    last = (end - dt.timedelta(microseconds=1)).date()
    months = []
    while month <= last:
        months.append(month)
        month = (month + dt.timedelta(days=32)).replace(day=1)
    return months


def _cell(
    place: str,
    month: dt.date,
    number: int,
    by_day: dict[tuple[str, dt.date], list[Look]],
    *,
    first: dt.date,
    last: dt.date,
) -> CalendarCell:
    try:
        day = month.replace(day=number)
    except ValueError:
        return CalendarCell(status="off", text="", title="")
    if not first <= day <= last:
        return CalendarCell(status="off", text="", title="")
    looks = by_day.get((place, day), [])
    status = max((look.status for look in looks), key=lambda s: _RANK[s], default="none")
    counts = [look.vessels for look in looks if look.vessels is not None]
    title = f"{day.day} {day:%b}: {_WORDS[status]}"
    if not counts:
        return CalendarCell(status=status, text="", title=title)
    ships = max(counts)
    words = "no vessel" if ships == 0 else "1 vessel" if ships == 1 else f"{ships} vessels"
    return CalendarCell(status=status, text=str(ships), title=f"{title}, {words}")
