"""Made-up ships, looks and calls for the tests of everything after measurement."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

from eo.core.records import Freeboard, Hull, Sighting, Vessel
from eo.core.rows import Look, PortCall, SceneRow

START = dt.datetime(2024, 3, 1, tzinfo=dt.UTC)
END = dt.datetime(2024, 12, 1, tzinfo=dt.UTC)
X0, Y0 = 340_000.0, 4_730_000.0


def day(number: float) -> dt.datetime:
    """Moment that many days after the period began."""
    return START + dt.timedelta(days=number)


def hull(x: float = 0.0, y: float = 0.0, *, length: float = 100.0, beam: float = 16.0,
         heading: float = 30.0, sd: float = 3.0) -> Hull:  # fmt: skip
    """Return a rectangular hull, x and y metres from the port's corner."""
    ahead = math.sin(math.radians(heading)), math.cos(math.radians(heading))
    abeam = ahead[1], -ahead[0]
    corners = [(0.5, 0.5), (0.5, -0.5), (-0.5, -0.5), (-0.5, 0.5), (0.5, 0.5)]
    outline = tuple(
        (
            X0 + x + u * length * ahead[0] + v * beam * abeam[0],
            Y0 + y + u * length * ahead[1] + v * beam * abeam[1],
        )
        for u, v in corners
    )
    return Hull(
        x_m=X0 + x,
        y_m=Y0 + y,
        length_m=length,
        beam_m=beam,
        heading_deg=heading,
        bow_known=False,
        length_sd_m=sd,
        beam_sd_m=0.5 * sd,
        outline=outline,
    )


def sighting(when: float | None, scene: str | None = None, *, acquisition: str | None = None,
             berth: str | None = "anchorage", name: str = "", **size: Any) -> Sighting:  # fmt: skip
    """Return a ship seen `when` days after the period began."""
    scene = scene or f"s{when}"
    fields = {key: size.pop(key) for key in ("confidence", "vessel_class", "clear_fraction")
              if key in size}  # fmt: skip
    body = hull(**size)
    lonlat = tuple((133.05 + (x - X0) / 82_000, 42.7 + (y - Y0) / 111_000) for x, y in body.outline)
    return Sighting(
        detection_id=f"d-{scene}-{body.x_m:.0f}-{body.y_m:.0f}{name}",
        scene_id=scene,
        acquisition_id=acquisition or scene,
        datetime=None if when is None else day(when),
        group="planetscope-3m",
        hull=body,
        lon=133.05 + (body.x_m - X0) / 82_000,
        lat=42.7 + (body.y_m - Y0) / 111_000,
        outline_lonlat=lonlat,
        heading_deg=body.heading_deg,
        berth=berth,
        tanker_p=0.9,
        reference_id=None,
        freeboard=Freeboard(status="measured"),
        **{"confidence": 0.95, "vessel_class": "tanker", "clear_fraction": 1.0, **fields},
    )


def look(when: float | None, clear: float = 1.0, *, scene: str | None = None,
         berth: str = "anchorage", acquisition: str | None = None,
         vessels: int | None = None) -> Look:  # fmt: skip
    """Return a look of that clear share."""
    scene = scene or f"s{when}"
    status = "clear" if clear >= 0.9 else "partly" if clear >= 0.02 else "cloudy"
    return Look(
        scene_id=scene,
        berth=berth,
        datetime=None if when is None else day(when),
        status=status,
        clear_fraction=clear,
        vessels=vessels,
        acquisition_id=acquisition or scene,
    )


def scene_row(scene_id: str, when: float | None = 0.0, status: str = "used",
              reason: str | None = None, clear: float | None = 1.0) -> SceneRow:  # fmt: skip
    """Return a scene's row."""
    return SceneRow(
        scene_id=scene_id,
        datetime=None if when is None else day(when),
        sensor="planetscope",
        gsd_m=3.0,
        sun_elevation_deg=40.0,
        sun_azimuth_deg=160.0,
        sun_source="item",
        off_nadir_deg=3.0,
        view_azimuth_deg=100.0,
        clear_fraction=clear,
        status=status,
        reason=reason,
        item_id=scene_id,
        collection=None,
        platform="p",
        level="toar",
        group="planetscope-3m",
        acquisition_id=scene_id,
        resampled=False,
        notes=(),
    )


def vessel(vessel_id: str, length: float, beam: float, **more: Any) -> Vessel:
    """Return a fleet vessel."""
    return Vessel(vessel_id=vessel_id, length_m=length, beam_m=beam, **more)


def port_call(number: int, first: float, last: float | None = None, *, after: float | None = None,
              before: float | None = None, direction: str = "loading",
              barrels: tuple[float, float, float] | None = (18e3, 23e3, 27e3),
              **more: Any) -> PortCall:  # fmt: skip
    """Return a call seen from day `first` to day `last`."""
    low, mid, high = barrels or (None, None, None)
    fill = {
        f"fill_{end}_p{q}": None for end in ("arrival", "departure") for q in ("05", "50", "95")
    }
    values: dict[str, Any] = {
        "call_id": f"c-{number:03d}",
        "vessel_id": f"u-{number:03d}",
        "vessel_p": 1.0,
        "berth": "anchorage",
        "lon": 133.07,
        "lat": 42.73,
        "length_m": 100.0,
        "first_seen": day(first),
        "last_seen": day(first if last is None else last),
        "arrival_after": None if after is None else day(after),
        "arrival_before": day(first),
        "departure_after": day(first if last is None else last),
        "departure_before": None if before is None else day(before),
        "direction": direction,
        **fill,
        "cargo_t_p05": None,
        "cargo_t_p50": None,
        "cargo_t_p95": None,
        "barrels_p05": low,
        "barrels_p50": mid,
        "barrels_p95": high,
        "of_interest": None,
        "dark": None,
        "detection_ids": (f"d-{number:03d}",),
        "scene_ids": (f"s{first}",),
        "note": None,
    }
    return PortCall(**{**values, **more})
