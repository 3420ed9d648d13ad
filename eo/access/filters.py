"""Whether an item lies in the area, the period and the collections that are asked for."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import shapely
import shapely.geometry

from eo.access.fields import as_dict, as_text, moment
from eo.access.footprints import footprint_of

__all__ = ["Wanted"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Wanted:
    """What a search asks for."""

    geometry: dict[str, Any]
    """GeoJSON, EPSG:4326."""
    start: dt.datetime
    """First moment."""
    end: dt.datetime
    """First moment after."""
    collections: tuple[str, ...] | None
    """None: all."""

    def matches(self, item: Any) -> bool:
        """Whether the item is wanted; what is too broken to tell is, so that it is reported.

        An item without a datetime matches if its start/end overlaps the period (an open end
        reaches for ever). An item without a collection matches any: in a file nobody else
        could have put it there.
        """
        if not isinstance(item, dict) or not isinstance(item.get("properties"), dict):
            return True
        collection = as_text(item.get("collection"))
        if self.collections and collection is not None and collection not in self.collections:
            return False
        return self._in_period(as_dict(item["properties"])) and self._in_area(item)

    def _in_period(self, properties: dict[str, Any]) -> bool:
        exact = moment(properties.get("datetime"))
        if exact is not None:
            return self.start <= exact < self.end
        first = moment(properties.get("start_datetime"))
        last = moment(properties.get("end_datetime"))
        text = as_text(properties.get("datetime"))
        if first is None and last is None and text is not None and len(text) == len("2024-01-01"):
            first = moment(f"{text}T00:00:00Z")
            last = first + dt.timedelta(days=1) if first is not None else None
        if first is not None and last is not None and last < first:
            first, last = last, first
        return (first is None or first < self.end) and (last is None or last >= self.start)

    def _in_area(self, item: dict[str, Any]) -> bool:
        footprint, _ = footprint_of(item)
        if footprint is None:
            return True
        area = shapely.geometry.shape(self.geometry)
        return bool(shapely.geometry.shape(footprint).intersects(area))
