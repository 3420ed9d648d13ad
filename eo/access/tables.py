"""Tables: Parquet with one fixed Arrow schema each, derived from the rows of `eo.core.rows`.

Every file carries its schema version; a file of a newer version is refused, since its meaning
is not known here. Equal rows give equal bytes.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import json
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from eo.access.files import Files, open_files
from eo.core.errors import OutputError
from eo.core.rows import Detection, Look, PortCall, PortTotal, SceneRow

__all__ = ["SCHEMA_VERSION", "TABLES", "read_rows", "read_table", "table_of", "write_table"]

SCHEMA_VERSION = 3
"""2 added `freeboard_bound_m` to the detections, 3 `loading_p` and `loaded_barrels_*` to the calls.
Versions only add columns: what an older file
lacks is read as missing."""

TABLES: dict[str, type] = {
    "scenes": SceneRow,
    "looks": Look,
    "detections": Detection,
    "calls": PortCall,
    "totals": PortTotal,
}
_OUTLINE = "outline_lonlat"
_GEO = {
    "version": "1.1.0",
    "primary_column": "geometry",
    "columns": {
        "geometry": {
            "encoding": "WKB",
            "geometry_types": ["Polygon"],
            "crs": None,  # filled in below
        }
    },
}


def _arrow_type(annotation: Any) -> pa.DataType:
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in {typing.Union, types.UnionType}:
        (inner,) = (a for a in args if a is not type(None))
        return _arrow_type(inner)
    if origin is tuple:
        return pa.list_(pa.field("item", _arrow_type(args[0])))
    known = {
        str: pa.string(),
        float: pa.float64(),
        int: pa.int64(),
        bool: pa.bool_(),
        dt.datetime: pa.timestamp("us", tz="UTC"),
    }
    return known[annotation]


def schema_of(name: str) -> pa.Schema:
    """Return the Arrow schema of a table."""
    kind = TABLES[name]
    hints = typing.get_type_hints(kind)
    fields: list[pa.Field] = []
    for field in dataclasses.fields(kind):
        if field.name == _OUTLINE:
            fields.append(pa.field("geometry", pa.binary()))
        else:
            fields.append(pa.field(field.name, _arrow_type(hints[field.name])))
    metadata = {"eo_table": name, "eo_schema_version": str(SCHEMA_VERSION)}
    if name == "detections":
        metadata["geo"] = json.dumps(_geo_metadata())
    return pa.schema(fields, metadata=metadata)


def _geo_metadata() -> dict[str, Any]:
    from pyproj import CRS

    geo: dict[str, Any] = json.loads(json.dumps(_GEO))
    geo["columns"]["geometry"]["crs"] = CRS.from_epsg(4326).to_json_dict()
    return geo


def table_of(name: str, rows: Sequence[Any]) -> pa.Table:
    """Return rows as an Arrow table of the fixed schema."""
    schema = schema_of(name)
    columns: dict[str, list[Any]] = {}
    for field in schema:
        if field.name == "geometry":
            columns["geometry"] = [
                shapely.to_wkb(shapely.Polygon(getattr(row, _OUTLINE))) for row in rows
            ]
        else:
            columns[field.name] = [_plain(getattr(row, field.name)) for row in rows]
    return pa.Table.from_pydict(columns, schema=schema)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value


def write_table(folder: str | Path | Files, name: str, rows: Sequence[Any]) -> str:
    """Write ``<name>.parquet`` whole, or the old table stands; return where it is.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    buffer = io.BytesIO()
    pq.write_table(table_of(name, rows), buffer, compression="zstd")
    files = _files(folder)
    files.write(f"{name}.parquet", buffer.getvalue())
    return files.inside(f"{name}.parquet")


def _files(folder: str | Path | Files) -> Files:
    return open_files(folder) if isinstance(folder, str | Path) else folder


def read_table(folder: str | Path | Files, name: str) -> pa.Table:
    """Read a table of a run.

    Raises
    ------
    OutputError
        If it is absent, no table of this kind, or of a newer schema.
    """
    files = _files(folder)
    path = files.inside(f"{name}.parquet")
    data = files.read(f"{name}.parquet")
    if data is None:
        raise OutputError(f"{path} does not exist: is {files.place} the folder of a run?")
    try:
        table = pq.read_table(io.BytesIO(data))
    except (OSError, pa.ArrowInvalid) as error:
        raise OutputError(f"{path} is not a Parquet table: {error}") from error
    metadata = table.schema.metadata or {}
    version = int(metadata.get(b"eo_schema_version", b"0"))
    if not 0 < version <= SCHEMA_VERSION:
        raise OutputError(
            f"{path} has schema version {version}; this eo reads 1 to {SCHEMA_VERSION}: "
            "open it with the version of eo named in run.json"
        )
    return _with_new_columns(table, name)


def _with_new_columns(table: pa.Table, name: str) -> pa.Table:
    """Return a table with the columns that an older one lacks, null throughout."""
    for index, field in enumerate(schema_of(name)):
        if field.name not in table.column_names:
            table = table.add_column(index, field, pa.nulls(table.num_rows, field.type))
    return table


def read_rows(folder: str | Path | Files, name: str) -> list[Any]:
    """Read a table of a run back as its rows."""
    kind = TABLES[name]
    rows = []
    for record in read_table(folder, name).to_pylist():
        values = {key: tuple(v) if isinstance(v, list) else v for key, v in record.items()}
        if "geometry" in values:
            polygon: Any = shapely.from_wkb(values.pop("geometry"))
            outline = polygon.exterior.coords
            values[_OUTLINE] = tuple((x, y) for x, y in outline)
        rows.append(kind(**values))
    return rows
