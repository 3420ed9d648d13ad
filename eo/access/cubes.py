"""The cube: Zarr 3 in an Icechunk repository, a group per sensor and pixel size.

Layout of a group, readable with xarray and icechunk alone::

    dn     (time, band, y, x) uint16   0 where there is no pixel; chunk length in time is 1
    mask   (time, y, x)       uint8    0 no data, 1 clear, 2 cloud, 3 cloud shadow
    scale, offset (time, band)         reflectance = dn * scale + offset
    time, scene_id, resampled (time)   in the order of commits, sorted when read
    part   (time, tile)                fingerprint of the part that filled a slot's tile
    band, x, y, spatial_ref            CRS as CF grid mapping

Only the committer writes here, one atomic commit per batch; workers never do. Local commits are
made under the run's writer lock.
"""

from __future__ import annotations

import datetime as dt
import os
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import icechunk
import numpy as np
import xarray as xr
import zarr
import zarr.errors
from pyproj import CRS

from eo.core.errors import OutputError
from eo.core.grid import Grid, Window

__all__ = ["CubeStore", "Slot"]

# Its warning about concurrent commits is met by the writer's lock.
icechunk.set_logs_filter("error")

_CHUNK = 512
_NAT = -(2**63)


@dataclass(frozen=True, kw_only=True, eq=False)
class Slot:
    """One scene's tile on its way into the cube."""

    scene_id: str
    """Scene."""
    datetime: dt.datetime | None
    """Its time; None is stored as not-a-time."""
    tile: int
    """Number of the tile in the grid."""
    window: Window
    """Where the tile lies."""
    fingerprint: str
    """Of the part it comes from."""
    scale: tuple[float, ...]
    """Per band."""
    offset: tuple[float, ...]
    """Per band."""
    resampled: bool
    """Whether the scene was warped onto the grid."""
    dn: Any
    """uint16 (band, y, x), sliceable."""
    mask: Any
    """uint8 (y, x), sliceable."""


def _storage(url: str) -> Any:
    parts = urlsplit(url)
    if parts.scheme in {"", "file"}:
        return icechunk.local_filesystem_storage(parts.path if parts.scheme else url)
    prefix = parts.path.strip("/")
    if parts.scheme == "s3":
        query = parse_qs(parts.query)
        endpoint = query.get("endpoint_url", [os.environ.get("AWS_ENDPOINT_URL")])[0]
        return icechunk.s3_storage(
            bucket=parts.netloc,
            prefix=prefix,
            region=os.environ.get("AWS_REGION", os.environ.get("AWS_DEFAULT_REGION")),
            endpoint_url=endpoint,
            allow_http=bool(endpoint and endpoint.startswith("http://")),
            force_path_style=bool(endpoint),
            from_env=True,
        )
    if parts.scheme == "gs":
        return icechunk.gcs_storage(bucket=parts.netloc, prefix=prefix, from_env=True)
    raise OutputError(f"cube {url!r}: use a folder, s3://bucket/prefix or gs://bucket/prefix")


class CubeStore:
    """An Icechunk repository that holds a run's cubes.

    Parameters
    ----------
    url
        Folder, ``s3://bucket/prefix`` (``AWS_ENDPOINT_URL`` is honoured) or ``gs://...``.
    snapshot
        Commit that is read; by default the last one.
    """

    def __init__(self, url: str, *, snapshot: str | None = None) -> None:
        self._url, self._snapshot = url, snapshot

    def _reading(self) -> Any:
        """Return a session at the snapshot asked for, or at the last commit."""
        repository = self._repository(create=False)
        if self._snapshot is None:
            return repository.readonly_session("main")
        try:
            return repository.readonly_session(snapshot_id=self._snapshot)
        except icechunk.IcechunkError as error:
            raise OutputError(
                f"the cube at {self._url} has no snapshot {self._snapshot}: {error}"
            ) from error

    def _repository(self, *, create: bool) -> Any:
        try:
            storage = _storage(self._url)
            if create:
                if "://" not in self._url:
                    Path(self._url).mkdir(parents=True, exist_ok=True)
                return icechunk.Repository.open_or_create(storage)
            return icechunk.Repository.open(storage)
        except (icechunk.IcechunkError, OSError, ValueError) as error:
            raise OutputError(f"the cube at {self._url} cannot be opened: {error}") from error

    def create(self) -> None:
        """Make the repository, if it is not there yet."""
        repository = self._repository(create=True)
        session = repository.writable_session("main")
        if not _is_group(session.store):
            zarr.create_group(session.store)
            session.commit("an empty cube")

    def snapshot(self) -> str:
        """Return the id of the latest commit."""
        return str(self._repository(create=False).lookup_branch("main"))

    def committed(self) -> dict[str, dict[tuple[str, int], str]]:
        """Return, for each group, the fingerprint that fills each (scene_id, tile)."""
        session = self._repository(create=False).readonly_session("main")
        out: dict[str, dict[tuple[str, int], str]] = {}
        for name, group in zarr.open_group(session.store, mode="r").groups():
            node: Any = group
            ids, parts = _texts(node, "scene_id"), np.asarray(node["part"][...])
            out[name] = {
                (scene_id, tile): parts[k, tile].tobytes().decode().rstrip("\0")
                for k, scene_id in enumerate(ids)
                for tile in range(parts.shape[1])
                if parts[k, tile].any()
            }
        return out

    def commit(
        self,
        group: str,
        grid: Grid,
        bands: Sequence[str],
        slots: Iterable[Slot],
        *,
        tiles: int,
        message: str,
    ) -> str:
        """Write slots into a group, in one commit, and return its id.

        A scene that is there already keeps its slot and is overwritten; others are appended.

        Raises
        ------
        OutputError
            If the store cannot be written, or the group has another grid or other bands.
        """
        repository = self._repository(create=True)
        session = repository.writable_session("main")
        try:
            root = zarr.open_group(session.store, mode="a")
            if group in root:
                node = root[group]
                _check_group(node, grid, bands, group)
            else:
                node = _new_group(root, group, grid, bands, tiles)
            _write_slots(node, slots)
            return str(session.commit(message))
        except (icechunk.IcechunkError, OSError) as error:
            raise OutputError(
                f"the cube at {self._url} cannot be written: {error}; "
                "its last commit stands and nothing in it is harmed"
            ) from error

    def collect_orphans(self, *, delete: bool) -> int:
        """Return the bytes of what no commit names, left by writers that died; delete if asked.

        Hold the writer's lock. Every snapshot stays.

        Raises
        ------
        OutputError
            If the store cannot be read or written.
        """
        try:
            found = self._repository(create=False).garbage_collect(
                dt.datetime.now(dt.UTC), dry_run=not delete
            )
        except (icechunk.IcechunkError, OSError) as error:
            raise OutputError(
                f"orphans of the cube at {self._url} cannot be collected: {error}"
            ) from error
        return int(found.bytes_deleted)

    def groups(self) -> list[str]:
        """Return the names of the groups."""
        session = self._reading()
        return sorted(name for name, _ in zarr.open_group(session.store, mode="r").groups())

    def dataset(self, group: str) -> xr.Dataset:
        """Return one group as a lazy dataset, sorted by time, then scene_id."""
        session = self._reading()
        cube = xr.open_zarr(session.store, group=group, consolidated=False, chunks={})
        # The rows that describe the slots are small: only pixels stay lazy.
        rows = [n for n in cube.coords if n not in {"x", "y"}]
        cube = cube.assign_coords({n: cube[n].load() for n in rows})
        names, times = [str(v) for v in cube["scene_id"].values], cube["time"].values
        order = sorted(range(len(names)), key=lambda k: (np.isnat(times[k]), times[k], names[k]))
        sorted_cube: xr.Dataset = cube.isel(time=order).drop_vars("part")
        return sorted_cube


def _is_group(store: Any) -> bool:
    try:
        zarr.open_group(store, mode="r")
    except zarr.errors.GroupNotFoundError:
        return False
    return True


def _texts(group: Any, key: str) -> list[str]:
    return [str(value) for value in group[key][...]]


def _array(group: Any, name: str, **options: Any) -> Any:
    dims = options.pop("dims")
    attributes = options.pop("attrs", {})
    with warnings.catch_warnings():
        # Text of variable length has no final Zarr 3 specification yet; icechunk and xarray
        # both write and read it this way.
        warnings.simplefilter("ignore")
        return group.create_array(name, dimension_names=dims, attributes=attributes, **options)


def _new_group(root: Any, name: str, grid: Grid, bands: Sequence[str], tiles: int) -> Any:
    node = root.create_group(name, attributes={"Conventions": "CF-1.11"})
    count = len(bands)
    y, x = min(_CHUNK, grid.height), min(_CHUNK, grid.width)
    pixels = {
        "grid_mapping": "spatial_ref",
        "coordinates": "scene_id scale offset resampled spatial_ref",
    }
    _array(node, "dn", shape=(0, count, grid.height, grid.width), dtype="uint16",
           chunks=(1, count, y, x), fill_value=0, dims=("time", "band", "y", "x"),
           attrs={"long_name": "digital number; reflectance = dn * scale + offset; 0: no data",
                  **pixels})  # fmt: skip
    _array(node, "mask", shape=(0, grid.height, grid.width), dtype="uint8", chunks=(1, y, x),
           fill_value=0, dims=("time", "y", "x"),
           attrs={"flag_values": [0, 1, 2, 3],
                  "flag_meanings": "no_data clear cloud cloud_shadow",
                  **pixels})  # fmt: skip
    for key in ("scale", "offset"):
        _array(node, key, shape=(0, count), dtype="float64", chunks=(1024, count),
               fill_value=0.0, dims=("time", "band"))  # fmt: skip
    _array(node, "time", shape=(0,), dtype="int64", chunks=(1024,), fill_value=_NAT,
           dims=("time",), attrs={"units": "microseconds since 1970-01-01", "calendar": "standard",
                                  "standard_name": "time", "_FillValue": _NAT})  # fmt: skip
    _array(node, "scene_id", shape=(0,), dtype=str, chunks=(1024,), dims=("time",))
    _array(node, "resampled", shape=(0,), dtype="bool", chunks=(1024,), fill_value=False,
           dims=("time",))  # fmt: skip
    _array(node, "part", shape=(0, tiles, 64), dtype="uint8", chunks=(1024, tiles, 64),
           fill_value=0, dims=("time", "tile", "hex"))  # fmt: skip
    _coordinates(node, grid, bands)
    return node


def _coordinates(node: Any, grid: Grid, bands: Sequence[str]) -> None:
    xs, ys = grid.centres()
    for key, values in (("x", xs), ("y", ys)):
        _array(node, key, data=values, chunks=values.shape, dims=(key,),
               attrs={"standard_name": f"projection_{key}_coordinate", "units": "m"})  # fmt: skip
    names = _array(node, "band", shape=(len(bands),), dtype=str, chunks=(len(bands),),
                   dims=("band",))  # fmt: skip
    names[...] = np.array(list(bands), dtype=object)
    a, b, c, d, e, f = grid.transform()
    crs = CRS.from_epsg(grid.epsg)
    reference = _array(node, "spatial_ref", shape=(), dtype="int64", chunks=(), dims=(),
                       attrs={**crs.to_cf(), "crs_wkt": crs.to_wkt(), "spatial_ref": crs.to_wkt(),
                              "GeoTransform": f"{c} {a} {b} {f} {d} {e}"})  # fmt: skip
    reference[...] = 0


def _check_group(node: Any, grid: Grid, bands: Sequence[str], group: str) -> None:
    found_bands = tuple(_texts(node, "band"))
    a, _, c, _, _, f = grid.transform()
    transform = [float(v) for v in node["spatial_ref"].attrs["GeoTransform"].split()]
    same_grid = (
        node["dn"].shape[2:] == (grid.height, grid.width)
        and transform[:2] == [c, a]
        and transform[3] == f
    )
    if found_bands != tuple(bands) or not same_grid:
        raise OutputError(
            f"cube group {group} holds bands {found_bands} on the grid {transform}; this campaign "
            f"needs {tuple(bands)} on {grid}: give another --output"
        )


def _write_slots(node: Any, slots: Iterable[Slot]) -> None:
    known = {scene_id: k for k, scene_id in enumerate(_texts(node, "scene_id"))}
    for slot in slots:
        k = known.get(slot.scene_id)
        if k is None:
            k = known[slot.scene_id] = len(known)
            for key in ("dn", "mask", "scale", "offset", "time", "scene_id", "resampled", "part"):
                node[key].resize((k + 1, *node[key].shape[1:]))
        rows, cols = slot.window.slices
        node["dn"][k, :, rows, cols] = slot.dn[...]
        node["mask"][k, rows, cols] = slot.mask[...]
        node["scale"][k] = np.asarray(slot.scale)
        node["offset"][k] = np.asarray(slot.offset)
        node["time"][k] = _NAT if slot.datetime is None else _microseconds(slot.datetime)
        node["scene_id"][k] = slot.scene_id
        node["resampled"][k] = slot.resampled
        hexes = np.frombuffer(slot.fingerprint.encode().ljust(64, b"\0"), np.uint8)
        node["part"][k, slot.tile] = hexes


def _microseconds(moment: dt.datetime) -> int:
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return (moment - epoch) // dt.timedelta(microseconds=1)
