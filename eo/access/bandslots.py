"""What the bands of one file are, in order: described by the item, or by the provider's habit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from eo.access.bandnames import PLANET_ORDER, VISUAL_ORDER, band_name
from eo.access.fields import as_dict, as_dicts, as_list, as_text, number
from eo.access.products import Product

__all__ = ["Slot", "slots_of"]

_EIGHT_BANDS = re.compile(r"(?i)(?<![a-z0-9])8b(?![a-z0-9])")


@dataclass(frozen=True, kw_only=True)
class Slot:
    """One band of a file."""

    name: str | None
    """Common name; None if it is not known here."""
    own: str
    """The provider's name."""
    fields: tuple[dict[str, Any], ...]
    """What is said of it, the newer spelling first."""


def slots_of(
    key: str,
    asset: dict[str, Any],
    properties: dict[str, Any],
    product: Product,
    *,
    picture: bool,
) -> tuple[Slot, ...]:
    """Return the bands of a file, in order.

    Parameters
    ----------
    key, asset
        The asset.
    properties
        The item's properties, which hold the bands in items older than STAC 1.0.
    product
        What made it.
    picture
        Whether it is a rendering in red, green and blue.
    """
    described = as_dicts(asset.get("bands"))
    older = _older_bands(asset, properties)
    raster = as_dicts(asset.get("raster:bands"))
    count = max(len(described), len(older), len(raster))
    slots = []
    for i in range(count):
        new = described[i] if i < len(described) else {}
        old = older[i] if i < len(older) else {}
        numbers = raster[i] if i < len(raster) else (raster[0] if len(raster) == 1 else {})
        own = as_text(new.get("name")) or as_text(old.get("name")) or (key if count == 1 else "")
        slots.append(
            Slot(
                name=_name(key if count == 1 else None, own, new, old, product),
                own=own,
                fields=(new, numbers),
            )
        )
    if any(slot.name is not None for slot in slots):
        return tuple(slots)
    return _unnamed(key, asset, product, picture, [slot.fields for slot in slots])


def _name(
    key: str | None, own: str, new: dict[str, Any], old: dict[str, Any], product: Product
) -> str | None:
    """Name one band; `key` is that of a file of one band, which may name it too."""
    declared = as_text(new.get("eo:common_name")) or as_text(new.get("common_name"))
    wavelength = number(new.get("eo:center_wavelength"))
    name = band_name(
        declared=declared or as_text(old.get("common_name")),
        own=own,
        sensor=product.sensor,
        wavelength_um=wavelength or number(old.get("center_wavelength")),
    )
    if name is None and key is not None:
        return band_name(declared=None, own=key, sensor=product.sensor)
    return name


def _unnamed(
    key: str,
    asset: dict[str, Any],
    product: Product,
    picture: bool,
    fields: list[tuple[dict[str, Any], ...]],
) -> tuple[Slot, ...]:
    """Name the bands of a file that says nothing of them: by its key, or the provider's order."""
    order: tuple[str, ...] = ()
    if picture:
        order = VISUAL_ORDER
    elif product.sensor in {"planetscope", "skysat"}:
        words = " ".join((key, str(asset.get("pl:asset_type", "")), str(asset["href"])))
        count = len(fields) if len(fields) > 1 else (8 if _EIGHT_BANDS.search(words) else 4)
        order = PLANET_ORDER.get(count, ())
    name = band_name(declared=None, own=key, sensor=product.sensor)
    if name is not None and len(fields) <= 1:
        return (Slot(name=name, own=key, fields=fields[0] if fields else ()),)
    common = fields[0] if len(fields) == 1 else ()
    said = [*fields, *[common] * len(order)] if len(fields) != 1 else [common] * len(order)
    return tuple(Slot(name=n, own=n, fields=said[i]) for i, n in enumerate(order))


def _older_bands(asset: dict[str, Any], properties: dict[str, Any]) -> list[dict[str, Any]]:
    """Return ``eo:bands`` of an asset; before STAC 1.0 it numbers a list in the properties."""
    common = as_dicts(properties.get("eo:bands"))
    bands = []
    for entry in as_list(asset.get("eo:bands")):
        if isinstance(entry, int) and not isinstance(entry, bool) and 0 <= entry < len(common):
            bands.append(common[entry])
        elif isinstance(entry, str):
            bands.append({"name": entry})
        else:
            bands.append(as_dict(entry))
    return bands
