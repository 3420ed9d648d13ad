"""What the bands are called, by every provider that is read, in the STAC common names.

The names are those of the STAC `eo` extension 2.0 (https://github.com/stac-extensions/eo);
band tables are from ESA's Sentinel-2 MSI user guide and Planet's product specifications.
"""

from __future__ import annotations

import re

__all__ = ["PLANET_ORDER", "REQUIRED", "VISUAL_ORDER", "band_name", "sentinel_band"]

REQUIRED = ("blue", "green", "red")
"""Bands without which no scene can be used."""

VISUAL_ORDER = ("red", "green", "blue")
"""Bands of a rendered picture; a fourth is transparency."""

PLANET_ORDER: dict[int, tuple[str, ...]] = {
    4: ("blue", "green", "red", "nir"),
    5: ("blue", "green", "red", "rededge071", "nir"),
    8: ("coastal", "blue", "green05", "green", "yellow", "red", "rededge071", "nir"),
}
"""Bands of Planet's analytic files by how many there are (PSB.SD for 8)."""

_SENTINEL_2 = {
    "B01": "coastal",
    "B02": "blue",
    "B03": "green",
    "B04": "red",
    "B05": "rededge071",
    "B06": "rededge075",
    "B07": "rededge078",
    "B08": "nir",
    "B8A": "nir08",
    "B09": "nir09",
    "B10": "cirrus",
    "B11": "swir16",
    "B12": "swir22",
}

_COMMON = frozenset(_SENTINEL_2.values()) | {"green05", "yellow", "pan"}

_ALIASES = {
    "coastalblue": "coastal",
    "coastalaerosol": "coastal",
    "greeni": "green05",
    "green1": "green05",
    "greenii": "green",
    "green2": "green",
    "rededge1": "rededge071",
    "rededge2": "rededge075",
    "rededge3": "rededge078",
    "nearinfrared": "nir",
    "nir1": "nir",
    "panchromatic": "pan",
    "swir1": "swir16",
    "swir2": "swir22",
}

_SENTINEL_KEY = re.compile(r"(?i)^B(?:AND)?[ _-]?(0?[1-9]|1[0-2]|8A)(?=$|[^0-9A-Z])")

_RED_EDGES = ((0.69, "rededge071"), (0.725, "rededge075"), (0.76, "rededge078"), (0.8, "nir08"))


def sentinel_band(name: str) -> str | None:
    """Return the common name of a Sentinel-2 band key such as ``B8A``, ``B2`` or ``B02_10m``."""
    found = _SENTINEL_KEY.match(name)
    if found is None:
        return None
    return _SENTINEL_2.get("B" + found.group(1).upper().rjust(2, "0"))


def band_name(
    *, declared: str | None, own: str | None, sensor: str, wavelength_um: float | None = None
) -> str | None:
    """Return the common name of a band.

    Parameters
    ----------
    declared
        The item's `common_name` or `eo:common_name`.
    own
        The provider's name, or the asset's key.
    sensor
        Key of the sensor.
    wavelength_um
        Centre wavelength, which tells the red edges apart. [µm]

    Returns
    -------
    str or None
        Common name; None for a band that has none that is known here.

    Notes
    -----
    A Sentinel-2 band number wins over a declared name: Planetary Computer declares B8A a
    `rededge`, and four bands share that name.
    """
    if sensor == "sentinel-2" and own is not None:
        numbered = sentinel_band(own)
        if numbered is not None:
            return numbered
    for text in (declared, own):
        if text is None:
            continue
        plain = re.sub(r"[^a-z0-9]", "", text.lower())
        if plain == "rededge" and wavelength_um is not None:
            return (
                [name for lowest, name in _RED_EDGES if wavelength_um >= lowest][-1:][0]
                if (wavelength_um >= _RED_EDGES[0][0])
                else None
            )
        if plain == "rededge" and sensor == "planetscope":
            return "rededge071"
        if plain in _COMMON:
            return plain
        if plain in _ALIASES:
            return _ALIASES[plain]
    return None
