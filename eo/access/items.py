"""Turns one STAC item, of any dialect and in any state, into one `Scene`.

Nothing is lost here: an item that cannot be read becomes a failed scene with the reason, one
that is no optical scene a skipped one. No path is ever made from an id.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

from eo.access.angles import Angles, angles_of
from eo.access.bandnames import REQUIRED
from eo.access.content import Content, content_of, files_of
from eo.access.fields import (
    as_dict,
    as_dicts,
    as_list,
    as_text,
    first_number,
    first_text,
    moment,
    number,
)
from eo.access.footprints import footprint_of
from eo.access.odata import is_odata_product, item_of_product
from eo.access.products import Product, product_of
from eo.access.projection import projection_of
from eo.core.records import Band, Scene
from eo.core.sensors import sensor_of

__all__ = ["BROKEN", "NOTES", "scene_from_item"]

BROKEN = "eo-broken"
"""Key under which a catalog hands on why an item could not be read."""
NOTES = "eo-notes"
"""Key under which a catalog hands on what it mended in an item."""

_PLANETARY_COMPUTER = "planetarycomputer.microsoft.com"
_LEVELS = {"sr": "l2a", "toar": "toar", "radiance": "radiance", "visual": "visual"}


def scene_from_item(item: Any, *, place: str | None = None) -> Scene:
    """Return the scene that a STAC item describes.

    Parameters
    ----------
    item
        STAC item as a dict (any version), a product of a Copernicus OData answer, or whatever a
        catalog held in its stead.
    place
        URL or path of the catalog, which may tell that hrefs need signing.

    Returns
    -------
    Scene
        With status `found`; `skipped` if it is no optical scene; `failed` if the item is broken.
        `off_nadir_deg` is set only where the item gives the angle at the ground, the sun only
        where the item gives it, and `acquisition_id` is still of this item alone:
        `eo.stages.search` completes all three. Never raises.
    """
    if not isinstance(item, dict):
        return _failed({}, item, f"the item is {type(item).__name__}, not a JSON object")
    if is_odata_product(item):
        item = item_of_product(item)
    broken = as_text(item.get(BROKEN))
    if broken is not None:
        return _failed(item, item, broken)
    if _item_id(item) is None:
        return _failed(item, item, "the item has no id")
    if not isinstance(item.get("properties"), dict):
        return _failed(item, item, "the item has no properties")
    try:
        return _scene(item, place)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # Anything a foreign item can hold that the readers of single fields did not foresee.
        return _failed(item, item, f"the item cannot be read: {type(error).__name__}: {error}")


def _item_id(item: dict[str, Any]) -> str | None:
    found = item.get("id")
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    return found if isinstance(found, str) and found.strip() else None


@dataclass(frozen=True, kw_only=True)
class _Times:
    moment: dt.datetime | None
    start: dt.datetime | None
    end: dt.datetime | None
    notes: tuple[str, ...]


def _scene(item: dict[str, Any], place: str | None) -> Scene:
    properties = as_dict(item.get("properties"))
    product = product_of(item)
    angles = angles_of(properties)
    times = _times(properties)
    footprint, mended = footprint_of(item)
    content = content_of(item, product)
    projection = projection_of(content.lead, item)
    status, reason = _verdict(item, product, content, footprint)
    sensor = sensor_of(product.sensor)
    gsd = content.gsd_m or first_number(properties, ("gsd", "eo:gsd"), 0.01, 1e4)
    gsd = gsd or number(properties.get("pl:pixel_resolution"), 0.01, 1e4) or sensor.gsd_m
    item_id = _item_id(item) or ""
    scene = Scene(
        scene_id=item_id,
        item_id=item_id,
        collection=as_text(item.get("collection")),
        datetime=times.moment,
        start=times.start,
        end=times.end,
        updated=first_text(properties, ("updated", "published", "created")),
        platform=product.platform,
        sensor=product.sensor,
        level=_LEVELS.get(content.level or "", product.level),
        gsd_m=gsd,
        sun_elevation_deg=angles.sun_elevation_deg,
        sun_azimuth_deg=angles.sun_azimuth_deg,
        sun_source=_sun_source(angles),
        off_nadir_deg=angles.incidence_deg,
        view_azimuth_deg=angles.view_azimuth_deg,
        crs=projection.crs,
        transform=projection.transform,
        shape=projection.shape,
        footprint=footprint,
        bands=tuple(_with_gsd(band, gsd) for band in content.bands),
        mask=content.mask,
        acquisition_id=item_id,
        tile_id=product.tile_id,
        status=status,
        reason=reason,
        signing=_signing(item, place),
        satellite_off_nadir_deg=None if angles.incidence_deg is not None else angles.off_nadir_deg,
        processed=product.processed,
    )
    said = tuple(text for note in as_list(item.get(NOTES)) if (text := as_text(note)))
    parts = (said, times.notes, mended, angles.notes, content.notes, projection.notes)
    return replace(scene, notes=tuple(note for notes in parts for note in notes))


def _sun_source(angles: Angles) -> Any:
    known = (angles.sun_elevation_deg, angles.sun_azimuth_deg)
    return None if all(value is None for value in known) else "item"


def _with_gsd(band: Band, scene_gsd_m: float) -> Band:
    return band if band.gsd_m != scene_gsd_m else replace(band, gsd_m=None)


def _times(properties: dict[str, Any]) -> _Times:
    notes: list[str] = []
    found = {}
    for key in ("datetime", "start_datetime", "end_datetime"):
        value = properties.get(key)
        found[key] = moment(value)
        if value is not None and found[key] is None:
            notes.append(f"{key} is {value!r:.40}, not a time: left out")
    exact = found["datetime"]
    start = found["start_datetime"] or exact
    end = found["end_datetime"] or exact
    if exact is None:
        day = _day(properties.get("datetime"))
        start, end = start or day, end or (day + dt.timedelta(days=1) if day else None)
    if start is not None and end is not None and end < start:
        notes.append(f"end_datetime {end} lies before start_datetime {start}: swapped")
        start, end = end, start
    return _Times(moment=exact, start=exact or start, end=exact or end, notes=tuple(notes))


def _day(value: Any) -> dt.datetime | None:
    text = as_text(value)
    return moment(f"{text}T00:00:00Z") if text is not None and len(text) == 10 else None


def _verdict(
    item: dict[str, Any], product: Product, content: Content, footprint: dict[str, Any] | None
) -> tuple[Any, str | None]:
    """Return status and reason."""
    have = [band.name for band in content.bands]
    missing = [name for name in REQUIRED if name not in have]
    if product.radar:
        return "skipped", "a radar scene: shadows are measured in blue, green and red"
    if missing and not have and product.sensor == "unknown":
        return "skipped", "no optical bands with a known scale among the assets: " + (
            ", ".join(content.others[:8]) or "there are none"
        )
    if footprint is None:
        return "failed", "the item has neither a usable geometry nor a bbox"
    if not files_of(item):
        return "failed", "the item has no assets with an href"
    if missing:
        return "failed", (
            f"required bands are missing: {', '.join(missing)} "
            f"(found: {', '.join(have) or 'none'}; assets: {', '.join(content.others[:8])})"
        )
    return "found", None


def _signing(item: dict[str, Any], place: str | None) -> str | None:
    links = [str(link.get("href", "")) for link in as_dicts(item.get("links"))]
    said = any(_PLANETARY_COMPUTER in text for text in (place or "", *links))
    return "planetary-computer" if said else None


def _failed(item: dict[str, Any], whole: Any, reason: str) -> Scene:
    """Return a failed scene of an item of which nothing can be relied on but, perhaps, its id."""
    item_id = _item_id(item)
    if item_id is None:
        text = json.dumps(whole, sort_keys=True, default=repr)
        item_id = f"unnamed-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    return Scene(
        scene_id=item_id,
        item_id=item_id,
        collection=as_text(item.get("collection")),
        datetime=None,
        start=None,
        end=None,
        updated=None,
        platform=None,
        sensor="unknown",
        level="unknown",
        gsd_m=sensor_of("unknown").gsd_m,
        sun_elevation_deg=None,
        sun_azimuth_deg=None,
        sun_source=None,
        off_nadir_deg=None,
        view_azimuth_deg=None,
        crs=None,
        transform=None,
        shape=None,
        footprint=None,
        bands=(),
        mask=None,
        acquisition_id=item_id,
        tile_id=None,
        status="failed",
        reason=reason,
    )
