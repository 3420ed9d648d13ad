"""What a band's numbers mean: scale, offset and no-data, from the item's own fields.

reflectance = DN * scale + offset. Nothing here looks at a date: an old acquisition that was
reprocessed carries the offset, a new one may have lost it on the server.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eo.access.fields import number
from eo.access.products import Product

__all__ = [
    "PLANET_RADIANCE_SCALE",
    "VISUAL_SCALE",
    "Declared",
    "Scaling",
    "check_floor",
    "declared_scaling",
    "reflectance_scaling",
    "toar_scale",
]

SENTINEL_SCALE = 1e-4
"""1 / QUANTIFICATION_VALUE of Sentinel-2 products; Planet's reflectance products use the same."""
SENTINEL_OFFSET = -0.1
"""RADIO_ADD_OFFSET and BOA_ADD_OFFSET, -1000 DN, of processing baseline 04.00 and later."""
OFFSET_BASELINE = 4.0
"""First processing baseline that adds 1000 to every DN."""
VISUAL_SCALE = 1 / 255
"""8-bit renderings: not reflectance, only brightness from 0 to 1."""
PLANET_RADIANCE_SCALE = 0.01
"""W m-2 sr-1 um-1 per DN of Planet's analytic (radiance) files, from the product specification."""

_IRRADIANCE = {
    "coastal": 1901.0,
    "blue": 1990.0,
    "green05": 1866.0,
    "green": 1824.0,
    "yellow": 1700.0,
    "red": 1570.0,
    "rededge071": 1409.0,
    "nir": 966.0,
}
"""Solar irradiance outside the atmosphere [W m-2 um-1], means of the reference solar spectrum
(Thuillier et al. 2003, doi:10.1023/A:1024048429145) over PlanetScope's bands, to some percent."""


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """What the numbers of one band mean."""

    scale: float
    """reflectance = DN * scale + offset."""
    offset: float
    """See scale."""
    nodata: float | None
    """DN that means no pixel; None where the file must say."""
    notes: tuple[str, ...] = ()
    """What was mended or assumed."""


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What asset and band say of their numbers; None where they say nothing."""

    scale: float | None
    offset: float | None
    nodata: float | None
    data_type: str | None
    notes: tuple[str, ...]


def declared_scaling(*levels: Mapping[str, Any]) -> Declared:
    """Return what is declared, the first of `levels` (band before asset) that says it winning.

    Both spellings are read: ``raster:bands[].scale`` and ``bands[].raster:scale``. An offset
    given in DN (as in -1000) and a scale given as a divisor (as in 10000) are mended.
    """
    scale = _first(levels, ("raster:scale", "scale"))
    offset = _first(levels, ("raster:offset", "offset"))
    nodata = _first(levels, ("nodata", "raster:nodata", "file:nodata"))
    kind = next(
        (
            str(v)
            for fields in levels
            if (v := fields.get("data_type", fields.get("raster:data_type")))
        ),
        None,
    )
    notes = []
    if scale is not None and scale <= 0:
        notes.append(f"declared scale {scale:g} is not positive: left out")
        scale = None
    if scale is not None and scale >= 1000:
        notes.append(f"declared scale {scale:g} is a divisor: taken as 1/{scale:g}")
        scale = 1 / scale
    if offset is not None and abs(offset) > 2 and scale is not None and scale < 0.01:
        notes.append(f"declared offset {offset:g} is in DN: taken as {offset * scale:g}")
        offset *= scale
    return Declared(scale=scale, offset=offset, nodata=nodata, data_type=kind, notes=tuple(notes))


def _first(levels: tuple[Mapping[str, Any], ...], names: tuple[str, ...]) -> float | None:
    found = (number(fields.get(name)) for fields in levels for name in names)
    return next((value for value in found if value is not None), None)


def reflectance_scaling(
    declared: Declared, product: Product, *, said: bool = False
) -> Scaling | None:
    """Return the scaling of a reflectance band; None if nobody can know it.

    Parameters
    ----------
    declared
        What asset and band say of their numbers.
    product
        What made them.
    said
        Whether the asset says in words that it holds reflectance, of whatever sensor.

    Notes
    -----
    Sentinel-2, in this order: a server that says it has applied the offset (the pixels then
    carry none, whatever the bands declare: Earth Search declares -0.1 beside it); a server that
    says it has not, with a baseline that adds one; the declared offset; the baseline. Held
    against the pixels later, by :func:`check_floor`.
    """
    known = product.sensor in {"sentinel-2", "planetscope", "skysat"}
    scale, notes = declared.scale, list(declared.notes)
    whole_numbers = not (declared.data_type or "").startswith("float")
    if scale is not None and scale >= 0.5 and known and whole_numbers:
        notes.append(f"declared scale {scale:g} is no reflectance: taken as {SENTINEL_SCALE:g}")
        scale = None
    if scale is None and known:
        scale = SENTINEL_SCALE if whole_numbers else 1.0
    if scale is None and declared.data_type == "uint8":
        scale = VISUAL_SCALE
    if scale is None and said:
        scale = SENTINEL_SCALE if whole_numbers else 1.0
        notes.append(f"reflectance without a scale: {scale:g} assumed")
    if scale is None:
        return None
    if product.sensor == "sentinel-2":
        offset, remarks = _sentinel_offset(declared, product)
        notes += remarks
    else:
        offset = declared.offset or 0.0
    nodata = declared.nodata
    if nodata is None and known and whole_numbers:
        nodata = 0.0
    return Scaling(scale=scale, offset=offset, nodata=nodata, notes=tuple(notes))


def _sentinel_offset(declared: Declared, product: Product) -> tuple[float, list[str]]:
    added = None if product.baseline is None else product.baseline >= OFFSET_BASELINE
    said = declared.offset
    if product.offset_applied:
        if said:
            return 0.0, [f"offset {said:g} is declared, but the server says it is applied: 0 used"]
        return 0.0, []
    if product.offset_applied is False and added and not said:
        note = "the server says the offset is not applied: -0.1 used"
        return SENTINEL_OFFSET, [note]
    if said is not None:
        if said and added is False:
            return said, [f"offset {said:g} is declared for baseline {product.baseline:05.2f}"]
        if not said and added:
            return said, [f"offset 0 is declared for baseline {product.baseline:05.2f}"]
        return said, []
    if added is None:
        scaled = declared.scale is not None
        return 0.0, [] if scaled else ["neither offset nor processing baseline: 0 assumed"]
    return (SENTINEL_OFFSET if added else 0.0), []


def check_floor(
    dn_low_percentile: float, offset: float, scale: float, *, infrared: bool = False
) -> tuple[float, str | None]:
    """Hold a Sentinel-2 offset against the floor of the dark pixels.

    Parameters
    ----------
    dn_low_percentile
        A low percentile (0.1 to 1 %) of the valid DN of a band over an area that holds water
        or shade: of the infrared band if there is one, since air does not light it up.
    offset
        Offset that the item leads to. [reflectance]
    scale
        Reflectance per DN.
    infrared
        Whether the band is `nir` or beyond.

    Returns
    -------
    tuple
        Offset to be used, and a note where the pixels contradict the item.

    Notes
    -----
    With 1000 added no pixel lies much below DN 1000 (surface reflectance may be a few per cent
    negative over water, hence the margin of 0.04); without, water lies at a few hundred. An
    infrared floor just above DN 1000 under an offset of zero means that 1000 was left in: in
    haze it could be true, but taking 0.1 off a haze does less harm to the contrast of a shadow
    than leaving 0.1 in. In a visible band of a scene that is not corrected for the atmosphere
    such a floor is the air itself: there it is only said. Higher floors are cloud and say
    nothing. Bands not in units of 1/10000 carry no such offset and are left alone.
    """
    floor = dn_low_percentile * scale
    if not math.isfinite(floor) or abs(scale - SENTINEL_SCALE) > 0.01 * SENTINEL_SCALE:
        return offset, None
    if abs(offset - SENTINEL_OFFSET) < 0.02 and floor < -SENTINEL_OFFSET - 0.04:
        return 0.0, (
            f"the item's offset {offset:g} was applied already: dark pixels lie at DN "
            f"{dn_low_percentile:.0f}, reflectance {floor + offset:.3f} with it; 0 used"
        )
    if abs(offset) < 1e-9 and -SENTINEL_OFFSET - 0.01 <= floor < -SENTINEL_OFFSET + 0.04:
        found = f"the item says no offset, but dark pixels lie at DN {dn_low_percentile:.0f}"
        if infrared:
            return SENTINEL_OFFSET, f"{found}: 1000 was left in; {SENTINEL_OFFSET:g} used"
        return offset, f"{found}, as if 1000 had been left in: reflectance may be 0.1 too high"
    return offset, None


def toar_scale(
    band: str, sun_elevation_deg: float, distance_au: float, radiance_scale: float
) -> float | None:
    """Return reflectance per DN of a Planet radiance band; None for a band without irradiance.

    Parameters
    ----------
    band
        Common name.
    sun_elevation_deg
        Sun above the horizon. [degree]
    distance_au
        Distance from Earth to sun d. [astronomical units]
    radiance_scale
        Radiance L per DN. [W m-2 sr-1 um-1]

    Notes
    -----
    rho = pi L d^2 / (E0 sin(elevation)) with nominal irradiance E0: good to some percent, while
    the file's own metadata (XML) would be exact.
    """
    irradiance = _IRRADIANCE.get(band)
    if irradiance is None or sun_elevation_deg <= 0:
        return None
    sine = math.sin(math.radians(sun_elevation_deg))
    return radiance_scale * math.pi * distance_au**2 / (irradiance * sine)
