"""CRS, transform and shape of an item's pixels, under either name and at either level."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import Any

from pyproj import CRS
from pyproj.exceptions import CRSError

from eo.access.fields import as_dict, as_list, as_text, number

__all__ = ["Projection", "projection_of"]

Affine = tuple[float, float, float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Projection:
    """What an item says of its pixels' place; None where only the file knows."""

    crs: str | None
    """`EPSG:n`, or WKT."""
    transform: Affine | None
    """Affine (a, b, c, d, e, f) as in rasterio."""
    shape: tuple[int, int] | None
    """(height, width)."""
    notes: tuple[str, ...]
    """What was left out."""


def projection_of(asset: dict[str, Any], item: dict[str, Any]) -> Projection:
    """Return the projection of an asset; what it leaves out is taken from the item.

    Transform and shape are taken from one level, since an item's may belong to other pixels.
    """
    properties = as_dict(item.get("properties"))
    notes: list[str] = []
    crs = _crs(asset, notes) or _crs(properties, notes)
    for level in (asset, properties):
        transform, shape = _transform(level), _shape(level)
        if transform is not None or shape is not None:
            return Projection(crs=crs, transform=transform, shape=shape, notes=tuple(notes))
    return Projection(crs=crs, transform=None, shape=None, notes=tuple(notes))


def _crs(fields: dict[str, Any], notes: list[str]) -> str | None:
    code = as_text(fields.get("proj:code"))
    if code is not None and _is_crs(code):
        return code.upper()
    for key in ("proj:epsg", "eo:epsg"):
        text = as_text(fields.get(key)) or ""
        epsg = number(text.upper().removeprefix("EPSG:") or fields.get(key), 1024, 999_999)
        if epsg is not None and _is_crs(f"EPSG:{int(epsg)}"):
            return f"EPSG:{int(epsg)}"
    for key in ("proj:wkt2", "proj:projjson"):
        value = fields.get(key)
        wkt = json.dumps(value) if isinstance(value, dict) else as_text(value)
        if wkt is not None and _is_crs(wkt):
            return str(CRS.from_user_input(wkt).to_wkt())
    notes.extend(
        f"{key} is {fields[key]!r:.40}, no known CRS: the file must say"
        for key in ("proj:code", "proj:epsg")
        if fields.get(key) is not None
    )
    return None


@functools.lru_cache(256)
def _is_crs(text: str) -> bool:
    try:
        CRS.from_user_input(text)
    except CRSError:
        return False
    return True


def _transform(fields: dict[str, Any]) -> Affine | None:
    values = [number(v) for v in as_list(fields.get("proj:transform"))[:6]]
    a, b, c, d, e, f = (*values, *[None] * 6)[:6]
    if a is None or b is None or c is None or d is None or e is None or f is None:
        return None
    return (a, b, c, d, e, f) if a * e - b * d != 0 else None


def _shape(fields: dict[str, Any]) -> tuple[int, int] | None:
    values = [number(v, 1, 1e7) for v in as_list(fields.get("proj:shape"))]
    height, width = (*values, None, None)[:2]
    if height is None or width is None or len(values) != 2:
        return None
    return int(height), int(width)
