"""Which files of an item hold which bands, and which hold the served mask.

One file per band is chosen: a GeoTIFF before its JPEG 2000 twin, the finest pixel, the file with
more bands. Pictures, previews and other rasters (aerosol, water vapour) are passed over, unless
a picture is all there is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from eo.access.bandnames import REQUIRED
from eo.access.bandslots import Slot, slots_of
from eo.access.fields import as_dict, as_list, as_text, first_number, number
from eo.access.products import Product
from eo.access.radiometry import (
    PLANET_RADIANCE_SCALE,
    VISUAL_SCALE,
    Declared,
    declared_scaling,
    reflectance_scaling,
)
from eo.core.records import Band, MaskSource

__all__ = ["Content", "content_of", "files_of"]

Meaning = Literal["reflectance", "radiance", "visual"]

_RASTER_TYPE = re.compile(r"(?i)tiff|jp2|jpeg2000|image/x\.")
_RASTER_FILE = re.compile(r"(?i)\.(tiff?|jp2|j2k)(?:$|[?#])")
_JP2 = re.compile(r"(?i)jp2|j2k|jpeg2000")
_PASSED_OVER = re.compile(
    r"(?i)preview|overview|thumb|browse|quick.?look|tilejson|^aot|^wvp|^cld|^snw|^snow|^cloud"
    r"|^msk|_aot|_wvp|^basic_|_basic_|_xml|^qa|^pvi|metadata|rpc"
)
_VISUAL = re.compile(r"(?i)visual|(?:^|_)tci(?:_|$)|true.?colou?r|^rgb$|rendered")
_SURFACE = re.compile(r"(?i)(?:^|[_-])sr(?:[_.-]|$)|surface.?reflectance")
_TOAR = re.compile(r"(?i)toar|top.of.atmosphere.reflectance")
_ANALYTIC = re.compile(r"(?i)analytic|pansharpened")
_SCL = re.compile(r"(?i)^scl(?:$|[_-])")
_UDM2 = re.compile(r"(?i)udm2")
_UDM = re.compile(r"(?i)(?:^|[_-])udm(?:$|[_.-])")
_KEY_GSD = re.compile(r"_(\d{2})m$")
_PREFERENCE = {"sr": 0, None: 0, "toar": 1}


@dataclass(frozen=True, kw_only=True)
class Content:
    """What an item's files hold."""

    level: str | None
    """sr, toar, radiance, visual; None where the product's own level stands."""
    bands: tuple[Band, ...]
    """One per common name."""
    mask: MaskSource | None
    """Served mask."""
    lead: dict[str, Any]
    """The asset of the finest band, for CRS, transform and shape."""
    gsd_m: float | None
    """Finest ground sample distance that any used asset states."""
    others: tuple[str, ...]
    """Keys of the assets that are not used, for messages."""
    notes: tuple[str, ...]
    """What was mended or assumed."""


@dataclass(frozen=True, kw_only=True)
class _Candidate:
    band: Band
    meaning: Meaning
    level: str | None
    jp2: bool
    company: int
    key: str
    asset: dict[str, Any]
    notes: tuple[str, ...]

    @property
    def rank(self) -> tuple[int, bool, float, int, str]:
        gsd = self.band.gsd_m if self.band.gsd_m is not None else 1e9
        return (_PREFERENCE.get(self.level, 2), self.jp2, gsd, -self.company, self.key)


def files_of(item: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the item's assets that have an href."""
    return {
        str(key): as_dict(asset)
        for key, asset in as_dict(item.get("assets")).items()
        if as_text(as_dict(asset).get("href")) is not None
    }


def content_of(item: dict[str, Any], product: Product) -> Content:
    """Return the bands and the mask that an item's assets hold.

    The best meaning that holds blue, green and red is taken: reflectance before radiance before
    a picture; where none does, the bands of the fullest one are given, for the message.
    """
    files = files_of(item)
    candidates = [
        found
        for key, asset in files.items()
        if _is_raster(key, asset)
        for found in _candidates(key, asset, item, product)
    ]
    chosen: dict[str, _Candidate] = {}
    for meaning in ("reflectance", "radiance", "visual"):
        best = _best(candidates, meaning)
        if set(REQUIRED) <= set(best):
            chosen = best
            break
        if len(best) > len(chosen):
            chosen = best
    return _content(chosen, files, product)


def _content(
    chosen: dict[str, _Candidate], files: dict[str, dict[str, Any]], product: Product
) -> Content:
    finest = min(chosen.values(), key=lambda c: (c.rank[2], c.band.name != "red"), default=None)
    stated = [c.band.gsd_m for c in chosen.values() if c.band.gsd_m is not None]
    used = {c.key for c in chosen.values()}
    levels = {c.level for name, c in chosen.items() if name in REQUIRED}
    return Content(
        level=next(iter(levels)) if len(levels) == 1 else None,
        bands=tuple(c.band for c in chosen.values()),
        mask=_mask(files, product),
        lead=finest.asset if finest is not None else {},
        gsd_m=min(stated) if stated else None,
        others=tuple(key for key in files if key not in used),
        notes=tuple(dict.fromkeys(note for c in chosen.values() for note in c.notes)),
    )


def _best(candidates: list[_Candidate], meaning: str) -> dict[str, _Candidate]:
    best: dict[str, _Candidate] = {}
    for candidate in sorted(candidates, key=lambda c: c.rank):
        if candidate.meaning == meaning:
            best.setdefault(candidate.band.name, candidate)
    return best


def _is_raster(key: str, asset: dict[str, Any]) -> bool:
    roles = {str(role).lower() for role in as_list(asset.get("roles"))}
    if _PASSED_OVER.search(key) or roles & {"thumbnail", "overview", "metadata", "cloud", "mask"}:
        return False
    if _UDM2.search(key) or _UDM.search(key) or _SCL.search(key):
        return False
    return _holds_pixels(asset)


def _holds_pixels(asset: dict[str, Any]) -> bool:
    media = as_text(asset.get("type"))
    if media is not None and not _RASTER_TYPE.search(media):
        return False
    return media is not None or bool(_RASTER_FILE.search(str(asset["href"])))


def _candidates(
    key: str, asset: dict[str, Any], item: dict[str, Any], product: Product
) -> Iterator[_Candidate]:
    meaning, level = _meaning(key, asset, product)
    properties = as_dict(item.get("properties"))
    slots = slots_of(key, asset, properties, product, picture=meaning == "visual")
    for index, slot in enumerate(slots, start=1):
        declared = declared_scaling(*slot.fields, asset)
        seen, kind = meaning, level
        if seen == "reflectance" and len(slots) >= 3 and declared.data_type == "uint8":
            seen, kind = "visual", "visual"
        if seen == "radiance" and declared.scale is not None and declared.scale < 0.005:
            # No radiance is counted so finely: whoever wrote the item made reflectance of it.
            seen, kind = "reflectance", "toar"
        found = _band(
            slot, key, asset, declared=declared, product=product, meaning=seen, level=kind
        )
        if found is None:
            continue
        media = as_text(asset.get("type")) or ""
        yield _Candidate(
            band=replace(found[0], index=index),
            meaning=seen,
            level=kind,
            jp2=bool(_JP2.search(media) or _JP2.search(key)),
            company=len(slots),
            key=key,
            asset=asset,
            notes=found[1],
        )


def _meaning(key: str, asset: dict[str, Any], product: Product) -> tuple[Meaning, str | None]:
    """Return what a file's numbers mean, and their level where the file tells it."""
    roles = {str(role).lower() for role in as_list(asset.get("roles"))}
    words = " ".join(str(asset.get(name, "")) for name in ("pl:asset_type", "pl:type", "title"))
    file = str(asset["href"]).rsplit("/", 1)[-1]
    if "visual" in roles or _VISUAL.search(key) or _VISUAL.search(words):
        return "visual", "visual"
    if product.sensor == "sentinel-2":
        return "reflectance", None
    for text in (key, *words.split(), file):
        if _SURFACE.search(text):
            return "reflectance", "sr"
        if _TOAR.search(text):
            return "reflectance", "toar"
    is_planet = product.sensor in {"planetscope", "skysat"}
    if "reflectance" in roles:
        return "reflectance", "sr" if is_planet else None
    if is_planet and (_ANALYTIC.search(key) or _ANALYTIC.search(words)):
        return "radiance", "radiance"
    return "reflectance", None


def _band(
    slot: Slot,
    key: str,
    asset: dict[str, Any],
    *,
    declared: Declared,
    product: Product,
    meaning: Meaning,
    level: str | None,
) -> tuple[Band, tuple[str, ...]] | None:
    """Return the band and what was mended; None if it has no known name or scale."""
    if slot.name is None:
        return None
    notes = declared.notes
    if meaning == "visual":
        scale, offset, nodata = VISUAL_SCALE, 0.0, declared.nodata
    elif meaning == "radiance":
        scale, offset = declared.scale or PLANET_RADIANCE_SCALE, 0.0
        nodata = 0.0 if declared.nodata is None else declared.nodata
    else:
        roles = {str(role).lower() for role in as_list(asset.get("roles"))}
        scaling = reflectance_scaling(
            declared, product, said=level is not None or "reflectance" in roles
        )
        if scaling is None:
            return None
        scale, offset, nodata = scaling.scale, scaling.offset, scaling.nodata
        notes = scaling.notes
    band = Band(
        name=slot.name,
        href=str(asset["href"]).strip(),
        scale=scale,
        offset=offset,
        nodata=nodata,
        gsd_m=_gsd(key, asset, slot),
        checksum=as_text(asset.get("file:checksum")),
        source_name=slot.own,
    )
    return band, notes


def _gsd(key: str, asset: dict[str, Any], slot: Slot) -> float | None:
    names = ("gsd", "eo:gsd", "raster:spatial_resolution", "spatial_resolution")
    for level in (*slot.fields, asset):
        found = first_number(level, names, 0.01, 1e4)
        if found is not None:
            return found
    suffix = _KEY_GSD.search(key)
    if suffix:
        return float(suffix.group(1))
    # A map pixel is the last resort: it is metres in UTM; in degrees it is below the limit here.
    return number(next(iter(as_list(asset.get("proj:transform"))), None), 0.1, 1e4)


def _mask(files: dict[str, dict[str, Any]], product: Product) -> MaskSource | None:
    """Return the served mask: the classes of Sentinel-2 L2A, or Planet's UDM2 before its UDM."""
    kinds: tuple[tuple[Literal["scl", "udm2", "udm"], re.Pattern[str]], ...]
    kinds = (("udm2", _UDM2), ("udm", _UDM))
    if product.sensor in {"sentinel-2", "unknown"}:
        kinds = (("scl", _SCL), *kinds)
    for kind, pattern in kinds:
        found = [
            (bool(_JP2.search(str(asset.get("type", "")))), key)
            for key, asset in files.items()
            if _names_mask(pattern, key, asset)
        ]
        if found:
            asset = files[min(found)[1]]
            return MaskSource(
                kind=kind,
                href=str(asset["href"]).strip(),
                checksum=as_text(asset.get("file:checksum")),
            )
    return None


def _names_mask(pattern: re.Pattern[str], key: str, asset: dict[str, Any]) -> bool:
    if key.lower().startswith("basic_") or not _holds_pixels(asset):
        return False
    return any(pattern.search(text) for text in (key, str(asset.get("pl:asset_type", ""))))
