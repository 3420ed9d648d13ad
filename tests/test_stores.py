"""Parts, tables and the cube: whole or absent, typed, readable without eo."""

from __future__ import annotations

import dataclasses
import datetime as dt
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyarrow.parquet as pq
import pytest

from eo.access import tables
from eo.access.cubes import CubeStore, Slot
from eo.access.folder import RunFolder
from eo.access.parts import LocalParts
from eo.core.errors import OutputError
from eo.core.grid import Grid, Window
from eo.core.rows import Look

PRINT = "ab" * 16
GRID = Grid(epsg=32653, x0_m=342_600.0, y0_m=4_732_600.0, pixel_m=3.0, height=40, width=60)
NOON = dt.datetime(2024, 5, 1, 2, tzinfo=dt.UTC)


# ------------------------------------------------------------------------------------- parts
def test_a_part_is_absent_or_whole(tmp_path: Path) -> None:
    parts = LocalParts(tmp_path)
    array = np.arange(4 * 300 * 20, dtype=np.uint16).reshape(4, 300, 20)
    assert not parts.exists("ingest", PRINT)
    parts.write("ingest", PRINT, {"a": [1, None]}, {"dn": array})
    assert parts.records("ingest", PRINT) == {"a": [1, None]}
    lazy = parts.array("ingest", PRINT, "dn")
    np.testing.assert_array_equal(lazy[1:3, 250:280, 5:], array[1:3, 250:280, 5:])
    assert not list((tmp_path / "parts" / "ingest").glob(".*"))
    with pytest.raises(KeyError):
        parts.array("ingest", PRINT, "mask")


def test_a_part_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    parts = LocalParts(tmp_path)
    with pytest.raises(TypeError):
        parts.write("ingest", PRINT, {"a": object()}, {"dn": np.zeros((2, 2))})
    assert not parts.exists("ingest", PRINT)
    assert not list((tmp_path / "parts" / "ingest").iterdir())


def test_a_second_writer_of_one_part_changes_nothing(tmp_path: Path) -> None:
    parts = LocalParts(tmp_path)
    together = threading.Barrier(4)

    def write(value: int) -> None:
        together.wait()
        parts.write("measure", PRINT, {"value": value}, {})

    threads = [threading.Thread(target=write, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first = parts.records("measure", PRINT)
    parts.write("measure", PRINT, {"value": 99}, {})
    assert parts.records("measure", PRINT) == first
    assert first["value"] in range(4)
    assert len(list((tmp_path / "parts" / "measure").iterdir())) == 1


def test_names_that_are_no_fingerprints_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a fingerprint"):
        LocalParts(tmp_path).exists("ingest", "../../etc")


# ------------------------------------------------------------------------------------ tables
def look(**changed: Any) -> Look:
    row = Look(
        scene_id="s", berth="b", datetime=NOON, status="clear", clear_fraction=0.5, vessels=2,
        acquisition_id="a",
    )  # fmt: skip
    return dataclasses.replace(row, **changed)


@pytest.mark.parametrize("name", tables.TABLES)
def test_an_empty_table_has_the_schema_of_a_full_one(tmp_path: Path, name: str) -> None:
    tables.write_table(tmp_path, name, [])
    table = pq.read_table(tmp_path / f"{name}.parquet")
    assert table.schema.equals(tables.schema_of(name), check_metadata=False)
    assert tables.read_rows(tmp_path, name) == []
    if name == "detections":
        assert geopandas.read_parquet(tmp_path / "detections.parquet").crs.to_epsg() == 4326


def test_rows_survive_and_missing_is_null(tmp_path: Path) -> None:
    rows = [look(), look(scene_id="t", datetime=None, clear_fraction=None, vessels=None)]
    tables.write_table(tmp_path, "looks", rows)
    assert tables.read_rows(tmp_path, "looks") == rows
    nan = look(clear_fraction=float("nan"))
    tables.write_table(tmp_path, "looks", [nan])
    assert tables.read_table(tmp_path, "looks")["clear_fraction"].null_count == 1


def test_equal_rows_give_equal_bytes(tmp_path: Path) -> None:
    first = Path(tables.write_table(tmp_path, "looks", [look()])).read_bytes()
    assert Path(tables.write_table(tmp_path, "looks", [look()])).read_bytes() == first


def test_a_table_of_a_newer_eo_is_refused(tmp_path: Path) -> None:
    path = Path(tables.write_table(tmp_path, "looks", [look()]))
    table = pq.read_table(path)
    newer = {**table.schema.metadata, b"eo_schema_version": b"99"}
    pq.write_table(table.replace_schema_metadata(newer), path)
    with pytest.raises(OutputError, match="schema version 99"):
        tables.read_table(tmp_path, "looks")
    (tmp_path / "looks.parquet").write_text("no table")
    with pytest.raises(OutputError, match="not a Parquet"):
        tables.read_table(tmp_path, "looks")


def test_a_table_of_an_older_eo_lacks_columns_and_is_read(tmp_path: Path) -> None:
    path = Path(tables.write_table(tmp_path, "detections", []))
    table = pq.read_table(path).drop_columns(["freeboard_bound_m"])
    older = {**table.schema.metadata, b"eo_schema_version": b"1"}
    pq.write_table(table.replace_schema_metadata(older), path)
    found = tables.read_table(tmp_path, "detections")
    assert found.schema.field("freeboard_bound_m") == tables.schema_of("detections").field(
        "freeboard_bound_m"
    )
    assert tables.read_rows(tmp_path, "detections") == []


# -------------------------------------------------------------------------------------- cube
def slot(scene_id: str, when: dt.datetime | None, value: int) -> Slot:
    dn = np.full((3, GRID.height, GRID.width), value, np.uint16)
    return Slot(
        scene_id=scene_id, datetime=when, tile=0, window=GRID.window, fingerprint=PRINT,
        scale=(1e-4,) * 3, offset=(-0.1,) * 3, resampled=False, dn=dn,
        mask=np.ones(dn.shape[1:], np.uint8),
    )  # fmt: skip


BANDS = ("blue", "green", "red")


def test_late_scenes_append_replaced_ones_overwrite_and_readers_get_them_sorted(
    tmp_path: Path,
) -> None:
    cube = CubeStore(str(tmp_path / "cube"))
    cube.create()
    assert cube.groups() == []
    day = dt.timedelta(days=1)
    cube.commit("p-3m", GRID, BANDS, [slot("b", NOON + day, 2), slot("x", None, 9)],
                tiles=1, message="1")  # fmt: skip
    cube.commit("p-3m", GRID, BANDS, [slot("a", NOON, 1), slot("b", NOON + day, 7)],
                tiles=1, message="2")  # fmt: skip
    ds = cube.dataset("p-3m")
    assert [str(v) for v in ds["scene_id"].values] == ["a", "b", "x"]
    assert ds["dn"][:, 0, 0, 0].values.tolist() == [1, 7, 9]
    assert np.isnat(ds["time"].values[2])
    assert set(ds["dn"].chunksizes["time"]) == {1}
    assert cube.committed()["p-3m"] == {(k, 0): PRINT for k in "abx"}


def test_a_group_on_another_grid_or_with_other_bands_is_refused(tmp_path: Path) -> None:
    cube = CubeStore(str(tmp_path / "cube"))
    cube.commit("p-3m", GRID, BANDS, [slot("a", NOON, 1)], tiles=1, message="1")
    before = cube.snapshot()
    other = dataclasses.replace(GRID, x0_m=GRID.x0_m + 3)
    for grid, bands in ((other, BANDS), (GRID, ("red", "green", "blue"))):
        with pytest.raises(OutputError, match="give another --output"):
            cube.commit("p-3m", grid, bands, [slot("a", NOON, 1)], tiles=1, message="2")
    assert cube.snapshot() == before


def test_a_place_that_is_no_store_says_so() -> None:
    with pytest.raises(OutputError, match="s3://bucket/prefix"):
        CubeStore("ftp://host/cube").create()


def test_the_cube_opens_georeferenced_where_eo_cannot_be_imported(tmp_path: Path) -> None:
    cube = CubeStore(str(tmp_path / "cube"))
    cube.commit("p-3m", GRID, BANDS, [slot("a", NOON, 3000)], tiles=1, message="1")
    code = f"""
import sys
sys.modules["eo"] = None
import icechunk, xarray as xr, pyproj, numpy as np
store = icechunk.local_filesystem_storage({str(tmp_path / "cube")!r})
session = icechunk.Repository.open(store).readonly_session("main")
ds = xr.open_zarr(session.store, group="p-3m", consolidated=False)
assert "eo" not in [m for m in sys.modules if sys.modules[m] is not None]
crs = pyproj.CRS.from_wkt(ds.spatial_ref.attrs["crs_wkt"])
assert crs.to_epsg() == 32653, crs
assert ds.dn.attrs.get("grid_mapping") or ds.dn.encoding.get("grid_mapping") == "spatial_ref"
assert float(ds.x[0]) == 342601.5 and float(ds.y[0]) == 4732598.5
assert float(ds.y[1] - ds.y[0]) == -3.0
red = (ds.dn * ds.scale + ds.offset).sel(band="red")
assert abs(float(red[0, 0, 0]) - 0.2) < 1e-9, red
assert str(ds.time.values[0]).startswith("2024-05-01T02:00")
print("ok")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    # Icechunk may warn of concurrent commits on the way.
    assert done.stdout.strip().endswith("ok"), done.stderr


# ------------------------------------------------------------------------------------ folder
def test_one_writer_at_a_time_and_the_lock_frees_itself(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.prepare()
    code = f"""
import time
from eo.access.folder import RunFolder
with RunFolder({str(tmp_path)!r}).writing():
    print("held", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(OutputError, match=f"process {other.pid}"), folder.writing():
            pass
        other.kill()
    with folder.writing():
        pass


def test_windows_meet_or_do_not() -> None:
    a = Window(row=0, col=0, height=4, width=4)
    assert a.intersection(Window(row=4, col=0, height=2, width=2)) is None
    common = a.intersection(Window(row=2, col=3, height=9, width=9))
    assert common == Window(row=2, col=3, height=2, width=1)
