"""The campaign: one frozen description of what is asked, checked before anything is read.

Sources, the later winning: the campaign file, environment (``EO_OUTPUT``, ``EO_ENGINE``,
``EO_DEVICE``), the command's flags. An unknown key is an error that names the nearest known
one. Relative paths are relative to the campaign file.
"""

from __future__ import annotations

import calendar
import difflib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import shapely.geometry
import yaml

from eo.core.errors import CampaignError

__all__ = ["ANCHORAGE", "PRODUCTS", "Campaign", "load_campaign"]

PRODUCTS = ("gasoline", "kerosene", "diesel", "fuel-oil", "crude")
ANCHORAGE = "anchorage"
"""Name of the whole area as a place to look, where no berths are given."""

_REQUIRED = ("name", "aoi", "period", "catalog", "output")
_OPTIONAL = (
    "collections",
    "fleet",
    "berths",
    "product",
    "annual_cap_barrels",
    "cube",
    "allow_hosts",
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """What is asked, with every path made absolute."""

    name: str
    """Name of the campaign; a run's folder belongs to one."""
    aoi: dict[str, Any]
    """GeoJSON geometry, EPSG:4326."""
    start: datetime
    """First moment of the period, UTC."""
    end: datetime
    """First moment after the period, UTC."""
    catalog: str
    """URL of a STAC API, or path of catalog.json, an ItemCollection or a stac-geoparquet file."""
    collections: tuple[str, ...] | None
    """Collections searched; None: all of a file catalog."""
    fleet: str | None
    """Path of the fleet file."""
    berths: str | None
    """Path of the berths file."""
    product: str | None
    """One of PRODUCTS; None: barrels are given for diesel..crude, with the wider interval."""
    annual_cap_barrels: float | None
    """Drawn in the report."""
    output: str
    """Folder of the run."""
    cube: str | None = None
    """Where the cube goes if not into the run's folder: s3://... or gs://..."""
    allow_hosts: tuple[str, ...] = ()
    """Hosts, addresses or networks, not public, that a catalog on the web may lead to."""
    source: str | None = None
    """The campaign file."""

    def as_dict(self) -> dict[str, Any]:
        """Return the campaign as plain JSON values, for run.json and for printing."""
        return {
            "name": self.name,
            "aoi": self.aoi,
            "period": f"{self.start.isoformat()}/{self.end.isoformat()}",
            "catalog": self.catalog,
            "collections": list(self.collections) if self.collections else None,
            "fleet": self.fleet,
            "berths": self.berths,
            "product": self.product,
            "annual_cap_barrels": self.annual_cap_barrels,
            "output": self.output,
            "cube": self.cube,
        }


def load_campaign(path: str | Path, *, output: str | Path | None = None) -> Campaign:
    """Read and check a campaign file.

    Parameters
    ----------
    path
        The YAML file.
    output
        Folder that replaces the file's `output`, relative to the working directory.

    Raises
    ------
    CampaignError
        If the file is absent, is not YAML, or a key is unknown, missing or wrong.
    """
    path = Path(path)
    data = _read_yaml(path)
    _check_keys(data, path)
    if output is not None:
        data["output"] = _place(str(output), Path.cwd())
    missing = [key for key in _REQUIRED if data.get(key) is None]
    if missing:
        raise CampaignError(f"{path}: required keys are missing: {', '.join(missing)}")
    base = path.absolute().parent
    name = _text(data, "name", path)
    if not _NAME.fullmatch(name):
        raise CampaignError(
            f"{path}: name {name!r} must consist of letters, digits, '.', '_' and '-', "
            "since it names a folder"
        )
    start, end = _period(data["period"], path)
    return Campaign(
        name=name,
        aoi=_aoi(data["aoi"], base, path),
        start=start,
        end=end,
        catalog=_place(_text(data, "catalog", path), base),
        collections=_collections(data.get("collections"), path),
        fleet=_file(data, "fleet", base, path),
        berths=_file(data, "berths", base, path),
        product=_product(data.get("product"), path),
        annual_cap_barrels=_cap(data.get("annual_cap_barrels"), path),
        output=_place(_text(data, "output", path), base),
        cube=_place(_text(data, "cube", path), base) if data.get("cube") is not None else None,
        allow_hosts=_hosts(data.get("allow_hosts"), path),
        source=str(path.absolute()),
    )


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CampaignError(f"campaign file {path} does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CampaignError(f"campaign file {path} cannot be read: {error}") from error
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise CampaignError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(data, dict):
        raise CampaignError(f"{path}: expected keys and values, found {type(data).__name__}")
    return dict(data)


def _check_keys(data: dict[str, Any], path: Path) -> None:
    known = (*_REQUIRED, *_OPTIONAL)
    for key in data:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.0)
            raise CampaignError(
                f"{path}: unknown key {key!r}; did you mean {near[0]!r}? "
                f"Known keys: {', '.join(known)}"
            )


def _text(data: dict[str, Any], key: str, path: Path) -> str:
    value = data[key]
    if not isinstance(value, str) or not value.strip():
        raise CampaignError(f"{path}: {key} must be text, found {value!r}")
    return value.strip()


def _place(value: str, base: Path) -> str:
    return value if "://" in value else str((base / Path(value).expanduser()).resolve())


def _file(data: dict[str, Any], key: str, base: Path, path: Path) -> str | None:
    if data.get(key) is None:
        return None
    place = _place(_text(data, key, path), base)
    if "://" not in place and not Path(place).is_file():
        raise CampaignError(f"{path}: {key} names {place}, which does not exist")
    return place


def _collections(value: Any, path: Path) -> tuple[str, ...] | None:
    if value is None:
        return None
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and value and all(isinstance(v, str) for v in value):
        return tuple(value)
    raise CampaignError(f"{path}: collections must be a list of names, found {value!r}")


def _hosts(value: Any, path: Path) -> tuple[str, ...]:
    if value is None:
        return ()
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(
        isinstance(v, str) and v.strip() and "://" not in v and "*" not in v for v in listed
    ):
        raise CampaignError(
            f"{path}: allow_hosts must be a list of hosts, addresses or networks, such as "
            f"[stac.lan, 10.1.0.0/16], found {value!r}"
        )
    return tuple(v.strip() for v in listed)


def _product(value: Any, path: Path) -> str | None:
    if value is None:
        return None
    if value not in PRODUCTS:
        near = difflib.get_close_matches(str(value), PRODUCTS, n=1, cutoff=0.0)[0]
        raise CampaignError(
            f"{path}: product {value!r} is unknown; did you mean {near!r}? "
            f"Known: {', '.join(PRODUCTS)}"
        )
    return str(value)


def _cap(value: Any, path: Path) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise CampaignError(
            f"{path}: annual_cap_barrels must be a positive number, found {value!r}"
        )
    return float(value)


def _aoi(value: Any, base: Path, path: Path) -> dict[str, Any]:
    if isinstance(value, list):
        return _box(value, path)
    if isinstance(value, dict):
        data: Any = value
    elif isinstance(value, str):
        place = Path(_place(value, base))
        try:
            data = json.loads(place.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise CampaignError(f"{path}: aoi names {place}, which does not exist") from None
        except (OSError, ValueError) as error:
            raise CampaignError(f"{path}: aoi file {place} is not GeoJSON: {error}") from error
    else:
        raise CampaignError(
            f"{path}: aoi must be [west, south, east, north] or a path to a GeoJSON polygon, "
            f"found {value!r}"
        )
    return _polygon(data, path)


def _box(value: list[Any], path: Path) -> dict[str, Any]:
    numbers = [v for v in value if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(value) != 4 or len(numbers) != 4:
        raise CampaignError(
            f"{path}: aoi must be four numbers [west, south, east, north] in degrees, "
            f"found {value!r}"
        )
    west, south, east, north = (float(v) for v in numbers)
    if not (
        -180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= 90 and -90 <= north <= 90
    ):
        raise CampaignError(
            f"{path}: aoi {value} lies outside longitude -180..180, latitude -90..90; "
            "the order is [west, south, east, north]"
        )
    if west >= east or south >= north:
        raise CampaignError(
            f"{path}: aoi {value} has its corners swapped: west {west:g} must lie below east "
            f"{east:g} and south {south:g} below north {north:g}; the order is "
            "[west, south, east, north]"
        )
    return dict(shapely.geometry.mapping(shapely.geometry.box(west, south, east, north)))


def _polygon(data: Any, path: Path) -> dict[str, Any]:
    try:
        if data.get("type") == "FeatureCollection":
            shapes = [shapely.geometry.shape(f["geometry"]) for f in data["features"]]
        elif data.get("type") == "Feature":
            shapes = [shapely.geometry.shape(data["geometry"])]
        else:
            shapes = [shapely.geometry.shape(data)]
        merged = shapely.unary_union(shapes)
    except (AttributeError, KeyError, TypeError, ValueError, shapely.errors.ShapelyError) as error:
        raise CampaignError(f"{path}: aoi is not a GeoJSON polygon: {error}") from error
    if merged.is_empty or merged.geom_type not in {"Polygon", "MultiPolygon"}:
        raise CampaignError(
            f"{path}: aoi must be a polygon, found {merged.geom_type}"
            f"{' (empty)' if merged.is_empty else ''}"
        )
    if not merged.is_valid:
        raise CampaignError(
            f"{path}: aoi is not a valid polygon: {shapely.is_valid_reason(merged)}"
        )
    west, south, east, north = merged.bounds
    if west < -180 or east > 180 or south < -90 or north > 90:
        raise CampaignError(
            f"{path}: aoi reaches {merged.bounds}, outside longitude -180..180, latitude -90..90; "
            "GeoJSON is longitude first, in degrees"
        )
    return dict(shapely.geometry.mapping(merged))


def _period(value: Any, path: Path) -> tuple[datetime, datetime]:
    how = "as in 2024-03-01/2024-11-30 (the last day is included)"
    text = value.isoformat() if hasattr(value, "isoformat") else value
    if not isinstance(text, str):
        raise CampaignError(f"{path}: period must be text {how}, found {value!r}")
    first, slash, last = text.partition("/")
    open_ends = {"", ".."}
    if slash and (first.strip() in open_ends or last.strip() in open_ends):
        raise CampaignError(f"{path}: period {text!r} is open; a campaign needs both ends, {how}")
    start, _ = _moments(first, path)
    _, end = _moments(last if slash else first, path)
    if end <= start:
        raise CampaignError(
            f"{path}: period {text!r} is empty: its end lies before its start; write it {how}"
        )
    return start, end


def _moments(text: str, path: Path) -> tuple[datetime, datetime]:
    """First moment of a date or time, and the first moment after it."""
    text = text.strip()
    try:
        if re.fullmatch(r"\d{4}", text):
            year = int(text)
            return datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
        if re.fullmatch(r"\d{4}-\d{2}", text):
            year, month = int(text[:4]), int(text[5:])
            days = calendar.monthrange(year, month)[1]
            start = datetime(year, month, 1, tzinfo=UTC)
            return start, start + timedelta(days=days)
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            start = datetime.fromisoformat(text).replace(tzinfo=UTC)
            return start, start + timedelta(days=1)
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise CampaignError(
            f"{path}: {text!r} in period is not a date: {error}; write it as 2024-03-01"
        ) from error
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment, moment + timedelta(microseconds=1)
