"""Which satellite made an item, what was done to its pixels, and which tile of a pass it is."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from eo.access.fields import as_dict, as_list, as_text, first_text, moment, number, truth

__all__ = ["Product", "product_of"]

_PLATFORM = ("platform", "eo:platform", "pl:satellite_id", "satellite_id", "platformShortName")
_PRODUCT_NAMES = (
    "s2:product_uri",
    "sentinel:product_id",
    "s2:product_type",
    "product:type",
    "processing:level",
    "sentinel2:product_id",
    "productType",
)
_PROCESSED = (
    "s2:generation_time",
    "processing:datetime",
    "sentinel:generation_time",
    "processingDate",
)
_ITEM_TYPE = ("pl:item_type", "item_type")

_S2_ID = re.compile(r"(?i)(?:^|[^A-Z0-9])S2([A-D])(?=[_-])")
_S2_TILE = re.compile(r"(?:^|_)T?(\d{1,2})([C-HJ-NP-X])([A-HJ-NP-Z]{2})(?=_|$|\.)")
_S2_LEVEL = re.compile(r"(?i)(?:MSI_?|\bL|_L|LEVEL-?)L?(1C|2A)")
_S2_BASELINE = re.compile(r"_N(\d{2})(\d{2})_")
_PLANET_ID = re.compile(r"(?i)^(\d{8})_(\d{6})(?:_(\d{2}))?_([0-9a-f]{4})(?=_|$)")
_SKYSAT_ID = re.compile(r"(?i)^(\d{8})_(\d{6})_(ssc?\d+)(d\d)?_?(\d+)?")
_RADAR = ("sar:", "s1:")


@dataclass(frozen=True, kw_only=True)
class Product:
    """What an item says of its making."""

    sensor: str
    """Key of eo.core.sensors.SENSORS."""
    platform: str | None
    """Satellite, lower case, such as sentinel-2b."""
    level: str
    """l1c, l2a or unknown; for other sensors the assets decide."""
    tile_id: str | None
    """MGRS tile, or the frame within a Planet strip."""
    baseline: float | None
    """Sentinel-2 processing baseline, such as 5.1."""
    offset_applied: bool | None
    """Whether the server says it took the +1000 off already."""
    processed: dt.datetime | None
    """When the pixels were processed."""
    radar: bool
    """Whether it is a radar scene."""


def product_of(item: dict[str, Any]) -> Product:
    """Return what an item says of its making, whatever its dialect."""
    properties = as_dict(item.get("properties"))
    names = tuple(_names(item, properties))
    sensor = _sensor(properties, names)
    return Product(
        sensor=sensor,
        platform=_platform(properties, names, sensor),
        level=_level(names) if sensor == "sentinel-2" else "unknown",
        tile_id=_tile(properties, names, sensor),
        baseline=_baseline(properties, names) if sensor == "sentinel-2" else None,
        offset_applied=next(
            (
                truth(value)
                for key, value in properties.items()
                if key.endswith("boa_offset_applied")
            ),
            None,
        ),
        processed=next((t for key in _PROCESSED if (t := moment(properties.get(key)))), None),
        radar=any(key.startswith(_RADAR) for key in properties),
    )


def _names(item: dict[str, Any], properties: Mapping[str, Any]) -> Iterator[str]:
    """Yield every text that may tell the product: its own names first, then id and collection."""
    for key in _PRODUCT_NAMES:
        text = as_text(properties.get(key))
        if text is not None:
            yield text
    for value in (item.get("id"), item.get("collection")):
        text = as_text(value)
        if text is not None:
            yield text


def _sensor(properties: Mapping[str, Any], names: tuple[str, ...]) -> str:
    said = [
        as_text(properties.get(key)) or ""
        for key in ("constellation", "eo:constellation", *_PLATFORM, *_ITEM_TYPE)
    ]
    said += [text for value in as_list(properties.get("instruments")) if (text := as_text(value))]
    pool = " ".join(said).lower()
    plain = re.sub(r"[ _-]", "", pool)
    if "skysat" in plain or re.search(r"\bssc?\d{1,2}\b", pool):
        return "skysat"
    if "planetscope" in plain or "psscene" in plain or re.search(r"\bps2\b|\bpsb\.sd\b", pool):
        return "planetscope"
    if "sentinel2" in plain:
        return "sentinel-2"
    if "sentinel" in plain or "landsat" in plain:
        return "unknown"
    if any(_SKYSAT_ID.match(name) for name in names):
        return "skysat"
    if any(_PLANET_ID.match(name) for name in names):
        return "planetscope"
    named = re.sub(r"[ _-]", "", " ".join(names)).lower()
    by_name = any(_S2_ID.search(name) for name in names) or re.search(r"sentinel(s)?2|s2msi", named)
    return "sentinel-2" if by_name else "unknown"


def _platform(properties: Mapping[str, Any], names: tuple[str, ...], sensor: str) -> str | None:
    said = (first_text(properties, _PLATFORM) or "").lower()
    if sensor == "sentinel-2":
        letter = re.search(r"(?:^s|sentinel[ _-]?)2([a-d])$", said)
        serial = as_text(properties.get("platformSerialIdentifier"))
        found = next((m for name in names if (m := _S2_ID.search(name))), None)
        if letter:
            return f"sentinel-2{letter.group(1)}"
        if serial and re.fullmatch(r"(?i)[A-D]", serial):
            return f"sentinel-2{serial.lower()}"
        if found:
            return f"sentinel-2{found.group(1).lower()}"
    elif sensor == "planetscope" and not said:
        matched = next((m for name in names if (m := _PLANET_ID.match(name))), None)
        return matched.group(4).lower() if matched else None
    elif sensor == "skysat" and not said:
        matched = next((m for name in names if (m := _SKYSAT_ID.match(name))), None)
        return matched.group(3).lower() if matched else None
    return said or None


def _level(names: tuple[str, ...]) -> str:
    for name in names:
        found = _S2_LEVEL.search(name)
        if found:
            return "l" + found.group(1).lower()
    return "unknown"


def _tile(properties: Mapping[str, Any], names: tuple[str, ...], sensor: str) -> str | None:
    code = as_text(properties.get("grid:code"))
    if code is not None:
        return code.upper().removeprefix("MGRS-").rjust(5, "0")
    if sensor == "sentinel-2":
        return _mgrs_tile(properties, names)
    if sensor in {"planetscope", "skysat"}:
        return _planet_frame(properties, names)
    return None


def _mgrs_tile(properties: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    whole = first_text(properties, ("s2:mgrs_tile", "tileId", "mgrs_tile"))
    if whole is not None:
        return whole.upper().removeprefix("T").rjust(5, "0")
    for prefix in ("mgrs", "sentinel"):
        zone = number(properties.get(f"{prefix}:utm_zone"), 1, 60)
        band = as_text(properties.get(f"{prefix}:latitude_band"))
        square = as_text(properties.get(f"{prefix}:grid_square"))
        if zone is not None and band and square:
            return f"{int(zone):02d}{band}{square}".upper()
    for name in names:
        found = _S2_TILE.search(name)
        if found:
            return f"{int(found.group(1)):02d}{found.group(2)}{found.group(3)}"
    return None


def _planet_frame(properties: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    """Frames of one strip differ in their time of day; the strip alone would join neighbours."""
    strip = as_text(properties.get("pl:strip_id")) or as_text(properties.get("strip_id"))
    for name in names:
        planet = _PLANET_ID.match(name)
        skysat = _SKYSAT_ID.match(name)
        if planet:
            frame = "_".join(part for part in planet.group(2, 3) if part)
        elif skysat:
            frame = "_".join(part for part in skysat.group(2, 4, 5) if part)
        else:
            continue
        return f"{strip}/{frame}" if strip else frame
    return None


def _baseline(properties: Mapping[str, Any], names: tuple[str, ...]) -> float | None:
    for key, value in properties.items():
        if key.endswith("processing_baseline") or key == "processorVersion":
            found = number(value, 0, 100)
            if found is not None:
                return found
    for name in names:
        matched = _S2_BASELINE.search(name)
        if matched:
            return float(f"{matched.group(1)}.{matched.group(2)}")
    # Copernicus Data Space gives the baseline as the version of the processing.
    return number(properties.get("processing:version"), 0, 100)
