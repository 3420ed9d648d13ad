"""Reads single values out of items, whatever was put there.

Catalogs hold numbers as text, NaN, times without a zone, null where a list should be. Every
function here returns a value that can be trusted, or None; none of them raises.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = [
    "as_dict",
    "as_dicts",
    "as_list",
    "as_text",
    "first_number",
    "first_text",
    "moment",
    "number",
    "truth",
]

_FRACTION = re.compile(r"(\.\d{6})\d+")


def as_dict(value: Any) -> dict[str, Any]:
    """Return `value` if it is a mapping, else an empty one."""
    return dict(value) if isinstance(value, Mapping) else {}


def as_list(value: Any) -> list[Any]:
    """Return `value` as a list if it is a list or tuple, else an empty one."""
    return list(value) if isinstance(value, list | tuple) else []


def as_dicts(value: Any) -> list[dict[str, Any]]:
    """Return the mappings of a list; an empty list if it is none."""
    return [as_dict(entry) for entry in as_list(value)]


def as_text(value: Any) -> str | None:
    """Return text without blanks around it; None if it is no text, or empty."""
    if isinstance(value, str) and value.strip():
        return value.strip()
    return None


def number(value: Any, low: float = -math.inf, high: float = math.inf) -> float | None:
    """Return a finite number within [low, high], also out of text; else None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) and low <= found <= high else None


def truth(value: Any) -> bool | None:
    """Return a truth value, also out of text; None if it is none."""
    if isinstance(value, bool):
        return value
    text = (as_text(value) or "").lower()
    return {"true": True, "1": True, "false": False, "0": False}.get(text)


def first_number(
    fields: Mapping[str, Any],
    names: Iterable[str],
    low: float = -math.inf,
    high: float = math.inf,
) -> float | None:
    """Return the first of the named fields that holds a number within [low, high]."""
    found = (number(fields.get(name), low, high) for name in names)
    return next((value for value in found if value is not None), None)


def first_text(fields: Mapping[str, Any], names: Iterable[str]) -> str | None:
    """Return the first of the named fields that holds text."""
    found = (as_text(fields.get(name)) for name in names)
    return next((value for value in found if value is not None), None)


def moment(value: Any) -> dt.datetime | None:
    """Return an aware UTC time; one without a zone is taken as UTC; a bare date is None.

    A bare date names a day, not a moment: shadows turn by 15 degrees an hour.
    """
    if isinstance(value, dt.datetime):
        found = value
    else:
        text = as_text(value)
        if text is None or len(text) < len("2024-04-19T00:00"):
            return None
        try:
            found = dt.datetime.fromisoformat(_FRACTION.sub(r"\1", text))
        except ValueError:
            return None
    if found.tzinfo is None:
        return found.replace(tzinfo=dt.UTC)
    try:
        return found.astimezone(dt.UTC)
    except (OverflowError, ValueError):
        return None
