"""The rows of the tables: the contract with users, one class a table.

A field's annotation is its column's type; `eo.access.tables` derives the Arrow schema from it,
so that the two cannot disagree. Units are in the names; missing is None.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from eo.core.records import Point

__all__ = ["Detection", "Look", "PortCall", "PortTotal", "SceneRow"]


@dataclass(frozen=True, kw_only=True)
class SceneRow:
    """Row of scenes.parquet."""

    scene_id: str
    datetime: dt.datetime | None
    sensor: str
    gsd_m: float
    sun_elevation_deg: float | None
    sun_azimuth_deg: float | None
    sun_source: str | None
    off_nadir_deg: float | None
    view_azimuth_deg: float | None
    clear_fraction: float | None
    status: str
    reason: str | None
    item_id: str
    collection: str | None
    platform: str | None
    level: str
    group: str | None
    acquisition_id: str
    resampled: bool | None
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Look:
    """Row of looks.parquet: one scene over one berth, or over the anchorage area."""

    scene_id: str
    berth: str
    datetime: dt.datetime | None
    status: str
    """clear, partly, cloudy, outside."""
    clear_fraction: float | None
    vessels: int | None
    """Vessels seen there; None where nothing could be seen."""
    acquisition_id: str


@dataclass(frozen=True, kw_only=True)
class Detection:
    """Row of detections.parquet (geometry comes from outline_lonlat)."""

    detection_id: str
    scene_id: str
    datetime: dt.datetime | None
    lon: float
    lat: float
    length_m: float
    beam_m: float
    heading_deg: float
    heading_is_bow: bool
    berth: str | None
    confidence: float
    vessel_class: str
    tanker_p: float
    vessel_id: str | None
    vessel_p: float | None
    freeboard_m: float | None
    freeboard_sd_m: float | None
    draught_m: float | None
    fill: float | None
    fill_p05: float | None
    fill_p50: float | None
    fill_p95: float | None
    fill_status: str
    length_sd_m: float
    beam_sd_m: float
    clear_fraction: float
    acquisition_id: str
    reference_id: str | None
    outline_lonlat: tuple[Point, ...]
    freeboard_bound_m: float | None = None
    """Cramer-Rao bound of the freeboard's sd; None where nothing was measured."""


@dataclass(frozen=True, kw_only=True)
class PortCall:
    """Row of calls.parquet."""

    call_id: str
    vessel_id: str
    vessel_p: float
    berth: str | None
    lon: float
    lat: float
    length_m: float
    first_seen: dt.datetime
    last_seen: dt.datetime
    arrival_after: dt.datetime | None
    arrival_before: dt.datetime
    departure_after: dt.datetime
    departure_before: dt.datetime | None
    direction: str
    fill_arrival_p05: float | None
    fill_arrival_p50: float | None
    fill_arrival_p95: float | None
    fill_departure_p05: float | None
    fill_departure_p50: float | None
    fill_departure_p95: float | None
    cargo_t_p05: float | None
    cargo_t_p50: float | None
    cargo_t_p95: float | None
    barrels_p05: float | None
    barrels_p50: float | None
    barrels_p95: float | None
    of_interest: bool | None
    dark: bool | None
    detection_ids: tuple[str, ...]
    scene_ids: tuple[str, ...]
    note: str | None
    loading_p: float | None = None
    """Chance that she loaded; None where no look of the call was measured."""
    loaded_barrels_p05: float | None = None
    """Barrels, if she loaded."""
    loaded_barrels_p50: float | None = None
    loaded_barrels_p95: float | None = None


@dataclass(frozen=True, kw_only=True)
class PortTotal:
    """Row of totals.parquet."""

    period: str
    """`2024-08`, or `all`."""
    looks: int
    clear_looks: int
    calls_seen: int
    vessels_seen: int
    calls_est_p05: float | None
    calls_est_p50: float | None
    calls_est_p95: float | None
    barrels_seen_p05: float | None
    barrels_seen_p50: float | None
    barrels_seen_p95: float | None
    barrels_est_p05: float | None
    barrels_est_p50: float | None
    barrels_est_p95: float | None
    exposure: float | None
    note: str | None
