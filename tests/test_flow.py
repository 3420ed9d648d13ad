"""The flow as a whole: resume, replace, engines alike, and nothing but records to the client."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from tiny import TinyPort

import eo
from eo import flow, units
from eo.access.tables import TABLES, read_rows
from eo.core.config import load_campaign
from eo.core.errors import OutputError
from eo.engine.local import SerialEngine
from eo.engine.plan import Epoch, declare_epochs
from eo.results import export_zarr
from eo.session import open_session

DAYS = 5


def rows(folder: Path) -> dict[str, list[object]]:
    return {name: read_rows(folder, name) for name in TABLES}


def port(folder: Path, days: int = DAYS) -> TinyPort:
    made = TinyPort(folder)
    for day in range(days):
        made.scene(f"s{day}")
    return made


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of five days, serial; copy nothing into it."""
    folder = tmp_path_factory.mktemp("first")
    flow.run(port(folder).campaign(), engine="serial", device="cpu")
    return folder / "run"


def parts(folder: Path) -> set[str]:
    return {f"{p.parent.name}/{p.name}" for p in (folder / "parts").glob("*/*")}


def test_a_run_gives_frames_and_cubes(first: Path) -> None:
    run = eo.open_run(first)
    assert set(run.scenes["status"]) == {"used"}
    assert len(run.detections) == DAYS
    assert run.detections.crs.to_epsg() == 4326
    assert run.totals["period"].tolist()[-1] == "all"
    assert list(run.cubes) == ["sentinel-2-10m"]
    cube = run.cube
    assert cube["dn"].dims == ("time", "band", "y", "x")
    assert np.all(np.diff(cube["time"].values) > np.timedelta64(0))
    assert run.exit_code == 0
    assert run.provenance["sha256"].keys() == {f"{name}.parquet" for name in TABLES}


def test_an_exported_cube_opens_with_xarray_alone(first: Path, tmp_path: Path) -> None:
    run = eo.open_run(first)
    assert export_zarr(run, tmp_path / "plain") == ["sentinel-2-10m"]
    plain = xr.open_zarr(tmp_path / "plain" / "sentinel-2-10m", consolidated=False)
    np.testing.assert_array_equal(plain["dn"].values, run.cube["dn"].values)
    with pytest.raises(OutputError, match="not empty"):
        export_zarr(run, tmp_path / "plain")


def test_an_unfinished_folder_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="does not exist"):
        eo.open_run(tmp_path)


@pytest.mark.parametrize("engine", ["threads", "processes"])
@pytest.mark.filterwarnings("ignore:.*:UserWarning")
def test_every_engine_gives_the_same_rows(first: Path, tmp_path: Path, engine: str) -> None:
    flow.run(port(tmp_path).campaign(), engine=engine, device="cpu", workers=2)
    # Local files are told apart by their time of modification, so prints differ; rows must not.
    mine, theirs = rows(tmp_path / "run"), rows(first)
    for name in TABLES:
        assert [_plain(row) for row in mine[name]] == [_plain(row) for row in theirs[name]], name


def _plain(row: object) -> dict[str, object]:
    values = dataclasses.asdict(row)  # type: ignore[call-overload]
    values.pop("reference_id", None)
    return dict(values)


def test_units_return_names_not_pixels(tmp_path: Path) -> None:
    campaign = load_campaign(port(tmp_path, 3).campaign())
    session = open_session(campaign, SerialEngine(), device="cpu", progress=lambda *_: None)
    for item in session.planner.ingest_items(session.usable, session.grids):
        assert units.ingest(item) == item.fingerprint


def test_a_late_scene_touches_nothing_but_itself(tmp_path: Path) -> None:
    made = port(tmp_path, 4)
    made.items[2], late = made.items[3], made.items.pop(2)
    flow.run(made.campaign(), engine="serial", device="cpu")
    before, old = parts(tmp_path / "run"), rows(tmp_path / "run")
    made.items.append(late)
    flow.run(made.campaign(), engine="serial", device="cpu")
    after, new = parts(tmp_path / "run"), rows(tmp_path / "run")
    assert before < after
    assert sorted(p.split("/")[0] for p in after - before) == ["ingest", "measure"]
    learnt = {"vessel_id", "vessel_p", "draught_m", "fill", "fill_p05", "fill_p50", "fill_p95"}
    kept = {d["detection_id"]: d for d in map(dataclasses.asdict, new["detections"])}
    for detection in map(dataclasses.asdict, old["detections"]):
        same = kept[detection["detection_id"]]
        changed = {key for key, value in detection.items() if same[key] != value}
        assert changed <= learnt
    cube = eo.open_run(tmp_path / "run").cube
    assert [str(v) for v in cube["scene_id"].values] == ["s0", "s1", "s2", "s3"]


def test_a_replaced_scene_overwrites_its_slot(tmp_path: Path) -> None:
    made = port(tmp_path, 4)
    flow.run(made.campaign(), engine="serial", device="cpu")
    before = parts(tmp_path / "run")
    items = list(made.items)
    made.scene("s1", pixels=lambda plane: plane + 200)
    made.items[:] = items
    flow.run(made.campaign(), engine="serial", device="cpu")
    new = parts(tmp_path / "run") - before
    assert sorted(p.split("/")[0] for p in new) == ["ingest", "measure"]
    cube = eo.open_run(tmp_path / "run").cube
    assert cube.sizes["time"] == 4
    level = cube["dn"].isel(band=0).median(("y", "x")).values
    assert level[1] - np.delete(level, 1).mean() == pytest.approx(200, abs=5)


def test_killed_at_any_moment_it_ends_as_if_undisturbed(first: Path, tmp_path: Path) -> None:
    campaign = port(tmp_path).campaign()
    command = [sys.executable, "-m", "eo", "run", str(campaign), "--engine", "serial"]
    for wait_for in ("parts/ingest/*/records.json", "parts/measure/*/records.json"):
        with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as run:
            deadline = time.monotonic() + 120
            while not list((tmp_path / "run").glob(wait_for)):
                assert run.poll() is None or list((tmp_path / "run").glob(wait_for))
                assert time.monotonic() < deadline
                time.sleep(0.02)
            os.kill(run.pid, signal.SIGKILL)
    flow.run(campaign, engine="serial", device="cpu")
    mine, theirs = rows(tmp_path / "run"), rows(first)
    for name in TABLES:
        assert [_plain(r) for r in mine[name]] == [_plain(r) for r in theirs[name]], name


def test_small_tiles_find_the_same_ships(first: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("eo.engine.plan.Planner.__init__.__kwdefaults__", {"tile_px": 40})
    flow.run(port(tmp_path).campaign(), engine="threads", device="cpu")
    assert len(list((tmp_path / "run" / "parts" / "ingest").iterdir())) == 4 * DAYS
    mine = pd.DataFrame(map(dataclasses.asdict, read_rows(tmp_path / "run", "detections")))
    whole = pd.DataFrame(map(dataclasses.asdict, read_rows(first, "detections")))
    assert mine["scene_id"].tolist() == whole["scene_id"].tolist()
    np.testing.assert_allclose(mine["length_m"], whole["length_m"], atol=5)
    np.testing.assert_allclose(mine[["lon", "lat"]], whole[["lon", "lat"]], atol=5e-5)
    ours, theirs = (eo.open_run(f).cube["dn"].values for f in (tmp_path / "run", first))
    np.testing.assert_array_equal(ours, theirs)


def test_a_scene_json_round_trip_is_exact(first: Path) -> None:
    provenance = json.loads((first / "run.json").read_text())
    assert [entry["id"] for entry in provenance["inputs"]] == [f"s{k}" for k in range(DAYS)]


def test_epochs_are_quarters_thin_ones_joined_and_frozen_ones_kept(first: Path) -> None:
    campaign = load_campaign(first.parent / "campaign.yaml")
    session = open_session(campaign, SerialEngine(), device="cpu", progress=lambda *_: None)
    base = session.scenes[0]
    assert base.datetime is not None

    def scene(month: int, day: int):
        when = base.datetime.replace(month=month, day=day)
        return dataclasses.replace(base, scene_id=f"{month}-{day}", datetime=when)

    many = [scene(m, d) for m in (1, 4) for d in range(1, 15)] + [scene(7, 1), scene(7, 2)]
    epochs = declare_epochs(many)
    assert [len(e.scene_ids) for e in epochs] == [14, 16]
    late = scene(1, 20)
    frozen = [
        Epoch(key="k", start=many[0].datetime, end=late.datetime, scene_ids=epochs[0].scene_ids)
    ]
    again = declare_epochs([*many, late], frozen)
    assert again[0] == frozen[0]
    assert [len(e.scene_ids) for e in again] == [14, 16]
