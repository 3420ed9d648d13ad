"""The records that stages pass to each other.

Every record is frozen and keyword-only; each field is followed by its meaning and unit.
Records travel as JSON (:func:`to_json`, :func:`from_json`), so that a unit can be run by any
engine, on any machine. Angles are in degrees, clockwise from true north unless said
otherwise; lengths are metres on the ground; times are aware UTC datetimes. Missing is None.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from pydantic import TypeAdapter

from eo.core.freeboard import Freeboard
from eo.core.grid import Window

__all__ = [
    "Band", "Berth", "Candidate", "Chip", "CubePart", "Freeboard", "Hull", "MaskSource",
    "Point", "Scene", "Sighting", "Stay", "Target", "Vessel", "WaterCount", "from_json",
    "to_json",
]  # fmt: skip

Point = tuple[float, float]
"""(x, y) or (lon, lat), always in this order."""


# ---------------------------------------------------------------- what a catalog says of a scene
@dataclass(frozen=True, kw_only=True)
class Band:
    """One band of a scene: where its pixels are and what its numbers mean."""

    name: str
    """STAC common name: coastal, blue, green, red, rededge071, nir, nir08, swir16, swir22 ..."""
    href: str
    """Absolute path or URL of the file; unsigned."""
    index: int = 1
    """Band of that file, counted from 1."""
    scale: float
    """reflectance = DN * scale + offset."""
    offset: float
    """See scale."""
    nodata: float | None
    """DN that means no pixel; None where the file itself must say."""
    gsd_m: float | None = None
    """Ground sample distance of this band, where it differs from the scene's."""
    checksum: str | None = None
    """file:checksum of the asset, where given."""
    source_name: str = ""
    """The provider's own name of the band, such as B8A."""


@dataclass(frozen=True, kw_only=True)
class MaskSource:
    """A mask that the provider serves with the scene: a witness, never the last word."""

    kind: Literal["scl", "udm2", "udm"]
    """Sentinel-2 scene classification, Planet UDM2 (8 bands) or the older UDM (bit flags)."""
    href: str
    """Absolute path or URL of the file; unsigned."""
    index: int = 1
    """First band of the mask in that file, counted from 1."""
    checksum: str | None = None
    """file:checksum of the asset, where given."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One STAC item, whatever its dialect."""

    scene_id: str
    """The item's id, unchanged; `collection/id` only where two clash."""
    item_id: str
    """The item's id, unchanged."""
    collection: str | None
    """The item's collection."""
    datetime: dt.datetime | None
    """Time of acquisition; None where the item does not know it."""
    start: dt.datetime | None
    """First possible time (start_datetime); equals datetime where that is known."""
    end: dt.datetime | None
    """Last possible time (end_datetime); equals datetime where that is known."""
    updated: str | None
    """The item's `updated` or processing time, as text, for fingerprints and duplicates."""
    platform: str | None
    """Platform, such as sentinel-2b."""
    sensor: str
    """Key of eo.core.sensors.SENSORS: sentinel-2, planetscope, skysat, unknown."""
    level: str
    """l1c, l2a (surface reflectance), toar, visual (8-bit, tone-mapped) or unknown."""
    gsd_m: float
    """Nominal ground sample distance of the finest band that is used."""
    sun_elevation_deg: float | None
    """Sun above the horizon; None where time and angles are unknown."""
    sun_azimuth_deg: float | None
    """Direction towards the sun."""
    sun_source: Literal["item", "computed"] | None
    """Whether the sun's angles come from the item or from time and place."""
    off_nadir_deg: float | None
    """Sensor's zenith angle at the ground (not at the satellite)."""
    view_azimuth_deg: float | None
    """Direction from the target towards the sensor."""
    crs: str | None
    """Native CRS as `EPSG:n` or WKT; None where only the file knows."""
    transform: tuple[float, float, float, float, float, float] | None
    """Native affine (a, b, c, d, e, f) as in rasterio; None where only the file knows."""
    shape: tuple[int, int] | None
    """Native (height, width) in pixels."""
    footprint: dict[str, Any] | None
    """GeoJSON geometry, EPSG:4326."""
    bands: tuple[Band, ...]
    """The scene's bands, known ones only."""
    mask: MaskSource | None
    """The served mask, where there is one."""
    acquisition_id: str
    """Same for all items of one pass (same platform, within 100 s): one look."""
    tile_id: str | None
    """Provider's tile (MGRS tile, Planet strip part); None where there is none."""
    status: Literal["found", "skipped", "failed"] = "found"
    """skipped and failed scenes go no further, but are never lost."""
    reason: str | None = None
    """Why it is skipped or failed."""
    notes: tuple[str, ...] = ()
    """What was mended or guessed when reading the item, in words."""
    signing: str | None = None
    """Name of the signing service the hrefs need (planetary-computer), else None."""
    satellite_off_nadir_deg: float | None = None
    """Off-nadir angle at the satellite, as the item gives it; search turns it into
    off_nadir_deg. None where the item gives the angle at the ground, or none."""
    processed: dt.datetime | None = None
    """When the pixels were processed; the newest of several items of one acquisition is used."""
    hosts: tuple[str, ...] | None = None
    """Hosts that its hrefs may lead to beside public ones; None: any, its catalog is a file."""


# ------------------------------------------------------------------ what is known beforehand
@dataclass(frozen=True, kw_only=True)
class Vessel:
    """One row of the fleet file."""

    vessel_id: str
    """The file's own id."""
    name: str | None = None
    """Ship's name."""
    imo: str | None = None
    """IMO number."""
    length_m: float
    """Length over all."""
    beam_m: float
    """Moulded breadth."""
    depth_m: float | None = None
    """Moulded depth, keel to main deck."""
    design_draught_m: float | None = None
    """Summer draught."""
    ballast_draught_m: float | None = None
    """Mean draught in ballast."""
    dwt_t: float | None = None
    """Deadweight."""
    of_interest: bool | None = None
    """Whether the campaign is about her; None where the file has no such column."""


@dataclass(frozen=True, kw_only=True)
class Berth:
    """A named polygon; where berths are given, calls count only there."""

    name: str
    """Its name."""
    geometry: dict[str, Any]
    """GeoJSON geometry, EPSG:4326."""


# ------------------------------------------------------------------ what a unit says of pixels
@dataclass(frozen=True, kw_only=True)
class CubePart:
    """Outcome of `ingest` for one scene and tile; its arrays are `dn` and `mask`."""

    scene_id: str
    """Scene."""
    group: str
    """Cube group, such as sentinel-2-10m."""
    window: Window
    """Where the tile lies in the group's grid."""
    bands: tuple[str, ...]
    """Bands of `dn`, in order."""
    scale: tuple[float, ...]
    """Per band: reflectance = DN * scale + offset."""
    offset: tuple[float, ...]
    """Per band, see scale; decided here, from the item held against the dark pixels."""
    offset_correction: float
    """Added to the offsets the item declares (0 unless the data contradict them)."""
    valid_fraction: float
    """Share of the tile's AOI pixels that hold data."""
    clear_fraction: float
    """Share of the tile's AOI pixels that are clear, land and water alike."""
    resampled: bool
    """Whether the scene had to be warped onto the grid."""
    mask_methods: tuple[str, ...]
    """Witnesses that made the mask: spectral, scl, udm2, udm ..."""
    notes: tuple[str, ...] = ()
    """What was mended on the way (radiometry that disagreed, a missing optional band)."""


@dataclass(frozen=True, kw_only=True)
class WaterCount:
    """How much of one berth's (or the anchorage's) water one scene shows within one tile."""

    berth: str
    """Berth, or `anchorage` where no berths are given."""
    water_px: float
    """Water pixels of the area inside the tile's core (estimated where cloud hides them)."""
    clear_px: float
    """Those of them seen clear."""
    covered_px: float
    """Pixels of the area for which the scene holds data."""
    area_px: float
    """All pixels of the area inside the tile's core."""
    quay_log_likelihood: tuple[float, ...] = ()
    """ln L of the berth's quay above the water over 0-10 m in steps of 0.1 m, by its own shadow;
    empty where none is seen."""


@dataclass(frozen=True, kw_only=True)
class Hull:
    """A hull at the waterline, lean and shadow removed, in map coordinates of the grid's CRS."""

    x_m: float
    """Centre, easting."""
    y_m: float
    """Centre, northing."""
    length_m: float
    """Length on the ground."""
    beam_m: float
    """Beam on the ground."""
    heading_deg: float
    """Axis in grid north: 0-360 towards the bow where bow_known, else 0-180."""
    bow_known: bool
    """Whether the heading names the bow."""
    length_sd_m: float
    """One standard deviation of the length."""
    beam_sd_m: float
    """One standard deviation of the beam."""
    outline: tuple[Point, ...]
    """Closed outline, (easting, northing) in metres."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A vessel found in one scene, before anything is said of her freeboard."""

    hull: Hull
    """Hull at the waterline."""
    confidence: float
    """Chance that this is a ship of 60 m or more."""
    vessel_class: str
    """tanker, cargo, small, tug, unknown ..."""
    tanker_p: float
    """Chance that she is a tanker."""
    clear_fraction: float
    """Share of the hull and its surroundings that is clear."""


@dataclass(frozen=True, kw_only=True)
class Chip:
    """Picture of a vessel, kept in the part, in the scene's own pixels."""

    key: str
    """Name of the array (y, x, 3) uint8 in the part."""
    map_to_pixel: tuple[float, float, float, float, float, float]
    """Affine (a, b, c, d, e, f): col = a x + b y + c, row = d x + e y + f, from grid-CRS metres
    to chip pixels (pixel centres at half integers)."""


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """One vessel seen in one scene, by that scene's pixels alone."""

    detection_id: str
    """Derived from scene and place, so that a second run overwrites itself."""
    scene_id: str
    """Scene."""
    acquisition_id: str
    """Pass: two tiles of one pass show one ship once."""
    datetime: dt.datetime | None
    """Time of the scene."""
    group: str
    """Cube group."""
    hull: Hull
    """Hull at the waterline."""
    lon: float
    """Centre, degrees east."""
    lat: float
    """Centre, degrees north."""
    outline_lonlat: tuple[Point, ...]
    """Closed outline, (lon, lat)."""
    heading_deg: float
    """The hull's heading against true north."""
    berth: str | None
    """Berth in which the centre lies; `anchorage` where no berths are given; else None."""
    confidence: float
    """Chance that this is a ship of 60 m or more."""
    vessel_class: str
    """tanker, cargo, small, tug, unknown ..."""
    tanker_p: float
    """Chance that she is a tanker."""
    clear_fraction: float
    """Share of the hull and its surroundings that is clear."""
    reference_id: str | None
    """Frozen reference she was measured against; None for a single look."""
    freeboard: Freeboard
    """What the pixels say of the freeboard."""
    chip: Chip | None = None
    """Her picture."""


# --------------------------------------------------------------------- what finish learns
@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One answer to the question who she is."""

    vessel_id: str | None
    """Vessel of the fleet; None: none of them."""
    probability: float
    """Posterior probability; those of one stay sum to 1."""


@dataclass(frozen=True, kw_only=True)
class Stay:
    """Sightings of one vessel during one port call."""

    call_id: str
    """Derived from content."""
    vessel_id: str
    """Fleet vessel where one is likely enough, else an id of its own, `u-...`."""
    vessel_p: float
    """Probability of that vessel."""
    candidates: tuple[Candidate, ...]
    """Everyone she may be."""
    berth: str | None
    """Where."""
    detection_ids: tuple[str, ...]
    """Her sightings, by time."""
    first_seen: dt.datetime
    """First look in which she was seen."""
    last_seen: dt.datetime
    """Last look in which she was seen."""
    arrival_after: dt.datetime | None
    """Last usable look before, without her; None if there is none."""
    departure_before: dt.datetime | None
    """First usable look after, without her; None if there is none."""
    counts: bool
    """Whether it is a call: at a berth (where berths are given) and arrived within the period."""


# -------------------------------------------------------------------------------------- JSON
@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def to_json(kind: Any, value: Any) -> Any:
    """Return `value` (of type `kind`, such as ``list[Sighting]``) as plain JSON objects."""
    return _adapter(kind).dump_python(value, mode="json")


def from_json(kind: Any, data: Any) -> Any:
    """Return `data`, made by :func:`to_json`, as `kind`.

    Raises
    ------
    pydantic.ValidationError
        If the data does not fit.
    """
    return _adapter(kind).validate_python(data)
