"""Bad input, end to end: what is said, the exit code, and that the rest goes on.

Most cases are scenes of one campaign, run once: a bad scene must not touch its neighbours.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from rasterio.transform import Affine, from_origin
from tiny import EPSG, NORTH_M, PIXEL_M, SIZE_PX, WEST_M, TinyPort, bounds_lonlat, serving

FINISHED, WRONG, SOME_FAILED = 0, 2, 3


@dataclass(frozen=True, kw_only=True)
class Done:
    """How a command ended."""

    code: int
    said: str


def eo_command(*args: str | Path) -> Done:
    """Run `eo ARGS` in this process, as the console script would."""
    from eo.cli import main

    said = io.StringIO()
    arguments = ["eo", *(str(arg) for arg in args)]
    with (
        mock.patch.object(sys, "argv", arguments),
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
        pytest.raises(SystemExit) as ended,
    ):
        main()
    code = ended.value.code
    assert isinstance(code, int)
    return Done(code=code, said=" ".join(said.getvalue().split()))


def eo_run(campaign: Path, *flags: str | Path) -> Done:
    """Run a campaign in this process, one unit after the other."""
    return eo_command("run", campaign, "--engine", "serial", "--device", "cpu", *flags)


# ------------------------------------------------------------------ the campaign is wrong: 2
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"periods": "2024-05-01/2024-05-02"}, ("unknown key 'periods'", "'period'")),
        ({"aoi": "far.geojson"}, ("far.geojson", "does not exist")),
        ({"aoi": 7}, ("aoi must be",)),
        ({"aoi": [1, 2, 3]}, ("four numbers",)),
        ({"annual_cap_barrels": "lots"}, ("annual_cap_barrels must be",)),
        ({"collections": 5}, ("collections must be",)),
        ({"product": "petrol"}, ("product 'petrol'",)),
        ({"period": "2024-06-30/2024-05-01"}, ("is empty",)),
        ({"period": "last year"}, ("not a date",)),
        ({"aoi": [*bounds_lonlat()[2:], *bounds_lonlat()[:2]]}, ("corners swapped",)),
        ({"fleet": "none.csv"}, ("fleet names", "does not exist")),
        ({"catalog": "nowhere.json"}, ("nowhere.json",)),
        ({"name": "../x"}, ("name '../x'",)),
        ({"output": None}, ("required keys are missing: output",)),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_wrong_campaign_is_refused(
    tmp_path: Path, changed: dict[str, Any], said: tuple[str, ...]
) -> None:
    port = TinyPort(tmp_path)
    port.scene("one")
    done = eo_run(port.campaign(**changed))
    assert done.code == WRONG, done.said
    for words in said:
        assert words in done.said
    assert not (tmp_path / "run" / "scenes.parquet").exists()


@pytest.mark.parametrize(
    "text", ["- a\n- b\n", "name: [unclosed", "", "\x00\x01"], ids=["list", "yaml", "empty", "bin"]
)
def test_a_file_that_is_no_campaign_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "campaign.yaml"
    path.write_text(text)
    assert eo_run(path).code == WRONG


def test_an_absent_campaign_is_refused(tmp_path: Path) -> None:
    done = eo_run(tmp_path / "none.yaml")
    assert done.code == WRONG
    assert "none.yaml" in done.said


def test_an_unknown_engine_is_refused(tmp_path: Path) -> None:
    port = TinyPort(tmp_path)
    port.scene("one")
    assert eo_command("run", port.campaign(), "--engine", "abacus").code in {1, WRONG}


@pytest.mark.parametrize(
    "text",
    ["<html><body>Sign in</body></html>", "[1, 2]", '{"a": 1}', '{"type": "FeatureCollection"}'],
    ids=["html", "list", "object", "no-features"],
)
def test_a_catalog_that_is_not_stac_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "wrong.json").write_text(text)
    done = eo_run(TinyPort(tmp_path).campaign(catalog="wrong.json"))
    assert done.code == WRONG, done.said
    assert "wrong.json" in done.said


def test_a_server_that_is_not_stac_is_refused(tmp_path: Path) -> None:
    (tmp_path / "index").write_text("<html>Welcome</html>")
    with serving(tmp_path) as url:
        done = eo_run(TinyPort(tmp_path).campaign(catalog=f"{url}/index"))
    assert done.code == WRONG, done.said
    assert f"{url}/index" in done.said


@pytest.mark.parametrize(
    "changed",
    [{"aoi": [10.0, 50.0, 10.1, 50.1]}, {"period": "2020-01-01/2020-01-31"}],
    ids=["aoi-outside-all-scenes", "no-scenes-found"],
)
def test_nothing_found_is_said(tmp_path: Path, changed: dict[str, Any]) -> None:
    port = TinyPort(tmp_path)
    port.scene("one")
    done = eo_run(port.campaign(**changed))
    assert done.code == WRONG, done.said
    assert "no scenes found" in done.said


def test_an_output_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    port = TinyPort(tmp_path)
    port.scene("one")
    (tmp_path / "file").write_text("not a folder")
    done = eo_run(port.campaign(output="file/run"))
    assert done.code == WRONG, done.said
    assert "file" in done.said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_output_folder_that_is_not_writable_is_refused(tmp_path: Path) -> None:
    port = TinyPort(tmp_path)
    port.scene("one")
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    assert eo_run(port.campaign(output="locked/run")).code == WRONG


# --------------------------------------------------------------- some scene is wrong: 3, or 0
@dataclass(frozen=True, kw_only=True)
class Mixed:
    """One campaign of good and bad scenes, after its run."""

    folder: Path
    done: Done
    scenes: pd.DataFrame
    before: set[Path]


def _bad_numbers(numbers: Any) -> Any:
    numbers = numbers.copy()
    numbers[:16] = np.nan
    return numbers


def _saturated(numbers: Any) -> Any:
    numbers = numbers.copy()
    numbers[40:44, 40:44] = 65535
    return numbers


def _other_zone() -> Affine:
    """Where the scenes' centre lies in the zone to the west, tilted by convergence and all."""
    from pyproj import Transformer

    half = SIZE_PX * PIXEL_M / 2
    shift = Transformer.from_crs(EPSG, 32652, always_xy=True)
    x, y = shift.transform(WEST_M + half, NORTH_M - half)
    return from_origin(x - half, y + half, PIXEL_M, PIXEL_M)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Mixed:
    folder = tmp_path_factory.mktemp("outer") / "mixed"
    port = TinyPort(folder)
    with serving(folder) as url:
        _fill(port, url)
        campaign = port.campaign()
        before = set(folder.parent.parent.glob("*/*"))
        done = eo_run(campaign)
    scenes = pd.read_parquet(folder / "run" / "scenes.parquet").set_index("scene_id")
    return Mixed(folder=folder, done=done, scenes=scenes, before=before)


def _fill(port: TinyPort, url: str) -> None:
    for name in ("good-1", "good-2"):
        port.scene(name)
    port.scene("http-good", base_url=url)
    absent = port.scene("http-404", base_url=url)
    absent["assets"]["red"]["href"] = f"{url}/http-404/none.tif?token=secret"
    broken = port.scene("http-500", base_url=url)
    broken["assets"]["red"]["href"] = f"{url}/500/red.tif"
    port.scene("gone")
    (port.folder / "gone" / "green.tif").unlink()
    port.scene("cut")
    _cut(port.folder / "cut" / "red.tif")
    port.scene("http-cut", base_url=url)
    _cut(port.folder / "http-cut" / "red.tif")
    port.scene("html")
    (port.folder / "html" / "blue.tif").write_text("<html><body>Please sign in</body></html>")
    port.scene("http-html", base_url=url)
    (port.folder / "http-html" / "blue.tif").write_text("<html>Please sign in</html>")
    port.scene("no-red", leave_out=("red",))
    port.scene("no-nir", leave_out=("nir",))
    port.scene("all-nodata", pixels=np.zeros_like)
    port.scene("nan", dtype="float32", pixels=_bad_numbers)
    port.scene("saturated", pixels=_saturated)
    port.scene("other-crs", epsg=32652, transform=_other_zone())
    rotated = Affine.translation(WEST_M - 60, NORTH_M - 140) * Affine.rotation(12.0)
    port.scene("rotated", transform=rotated * Affine.scale(PIXEL_M * 1.2, -PIXEL_M * 1.2))
    port.scene("same", folder="same-a", collection="first")
    port.scene("same", folder="same-b", collection="second")
    port.scene("twice", folder="twice-a")
    port.scene("twice", folder="twice-b")
    port.scene("../../x", folder="path")
    port.scene("good-3")


GOOD = ("good-1", "good-2", "good-3", "http-good", "no-nir", "nan", "saturated", "other-crs")
BAD = {
    "http-404": ("none.tif",),
    "http-500": ("red.tif",),
    "gone": ("green.tif",),
    "cut": ("red.tif",),
    "http-cut": ("red.tif",),
    "html": ("blue.tif",),
    "http-html": ("blue.tif",),
    "no-red": ("red",),
}


def test_a_campaign_with_bad_scenes_finishes(mixed: Mixed) -> None:
    assert mixed.done.code == SOME_FAILED, mixed.done.said
    for name in ("looks", "detections", "calls", "totals"):
        assert (mixed.folder / "run" / f"{name}.parquet").is_file()
    assert (mixed.folder / "run" / "report.html").is_file()
    assert (mixed.folder / "run" / "run.json").is_file()


@pytest.mark.parametrize("scene_id", GOOD)
def test_a_good_scene_beside_bad_ones_is_used(mixed: Mixed, scene_id: str) -> None:
    row = mixed.scenes.loc[scene_id]
    assert row["status"] == "used", row["reason"]
    assert row["clear_fraction"] > 0.5


@pytest.mark.parametrize("scene_id", BAD)
def test_a_bad_scene_fails_with_its_reason(mixed: Mixed, scene_id: str) -> None:
    row = mixed.scenes.loc[scene_id]
    assert row["status"] == "failed"
    for words in BAD[scene_id]:
        assert words in row["reason"]
    assert "secret" not in row["reason"]


def test_an_all_nodata_scene_is_not_used_and_says_why(mixed: Mixed) -> None:
    row = mixed.scenes.loc["all-nodata"]
    assert row["status"] in {"skipped", "failed"}
    assert row["reason"]


def test_nan_is_no_data_and_not_cloud(mixed: Mixed) -> None:
    assert mixed.scenes.loc["nan", "status"] == "used"
    detections = pd.read_parquet(mixed.folder / "run" / "detections.parquet")
    numbers = detections.select_dtypes("number").drop(columns=["freeboard_m"], errors="ignore")
    assert not np.isinf(numbers.to_numpy(dtype=float)).any()


@pytest.mark.parametrize("scene_id", ["other-crs", "rotated"])
def test_a_scene_on_another_lattice_is_warped_and_flagged(mixed: Mixed, scene_id: str) -> None:
    row = mixed.scenes.loc[scene_id]
    assert row["status"] == "used", row["reason"]
    assert bool(row["resampled"]) is True
    assert not mixed.scenes.loc["good-1", "resampled"]


def test_two_scenes_with_one_id_stay_two(mixed: Mixed) -> None:
    assert mixed.scenes.index.is_unique
    assert {"first/same", "second/same"} <= set(mixed.scenes.index)
    assert (mixed.scenes.loc[["first/same", "second/same"], "item_id"] == "same").all()
    assert mixed.scenes.loc["first/same", "status"] == "used"
    assert mixed.scenes.loc["second/same", "status"] == "used"


def test_two_scenes_with_one_id_in_one_collection_lose_nothing_silently(mixed: Mixed) -> None:
    rows = mixed.scenes[mixed.scenes["item_id"] == "twice"]
    assert len(rows) >= 1
    assert (rows["status"] == "used").any()
    assert rows.loc[rows["status"] != "used", "reason"].notna().all()


def test_an_id_that_is_a_path_stays_inside_the_folder(mixed: Mixed) -> None:
    row = mixed.scenes.loc["../../x"]
    assert row["status"] == "used", row["reason"]
    after = set(mixed.folder.parent.parent.glob("*/*"))
    assert {path for path in after - mixed.before if path != mixed.folder / "run"} == set()
    assert not list(mixed.folder.parent.rglob("x"))


def test_the_ship_is_seen_wherever_the_pixels_are_good(mixed: Mixed) -> None:
    """The run measured the good scenes, and did not merely list them."""
    looks = pd.read_parquet(mixed.folder / "run" / "looks.parquet").set_index("scene_id")
    assert (looks.loc[["good-1", "good-2", "good-3"], "status"] == "clear").all()
    failed = mixed.scenes.index[mixed.scenes["status"] == "failed"]
    seen = looks.loc[looks.index.isin(failed), "vessels"]
    assert seen.isna().all()


# ------------------------------------------------------------------ nothing to see, yet no fault
FLEET = "vessel_id,name,length_m,beam_m,depth_m,design_draught_m,ballast_draught_m,dwt_t\n"


def _no_ship(numbers: Any) -> Any:
    return np.full_like(numbers, np.median(numbers))


def test_an_empty_port_with_a_fleet_leaves_empty_tables(tmp_path: Path) -> None:
    port = TinyPort(tmp_path)
    port.scene("calm", pixels=_no_ship)
    (tmp_path / "fleet.csv").write_text(FLEET + "v1,One,120,20,10,8,5,7000\n")
    done = eo_run(port.campaign(fleet="fleet.csv"))
    assert done.code == FINISHED, done.said
    assert len(pd.read_parquet(tmp_path / "run" / "detections.parquet")) == 0
    assert len(pd.read_parquet(tmp_path / "run" / "calls.parquet")) == 0
    looks = pd.read_parquet(tmp_path / "run" / "looks.parquet")
    assert looks["vessels"].tolist() == [0]
    assert looks["status"].tolist() == ["clear"]


# ----------------------------------------------------------------- the folder is another's: 2
@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> TinyPort:
    port = TinyPort(tmp_path_factory.mktemp("finished"))
    port.scene("one")
    done = eo_run(port.campaign())
    assert done.code == FINISHED, done.said
    return port


@pytest.mark.parametrize(
    "changed",
    [{"name": "other"}, {"aoi": bounds_lonlat(90.0)}],
    ids=["name", "aoi"],
)
def test_a_folder_with_another_campaign_is_refused(
    finished: TinyPort, changed: dict[str, Any]
) -> None:
    table = (finished.folder / "run" / "scenes.parquet").read_bytes()
    done = eo_run(finished.campaign(file="changed.yaml", **changed))
    assert done.code == WRONG, done.said
    assert (finished.folder / "run" / "scenes.parquet").read_bytes() == table


def test_a_folder_that_holds_something_else_is_not_overwritten(finished: TinyPort) -> None:
    other = finished.folder / "photos"
    other.mkdir(exist_ok=True)
    (other / "scenes.parquet").write_text("someone's own")
    done = eo_run(finished.campaign(file="photos.yaml", output="photos"))
    assert done.code == WRONG, done.said
    assert (other / "scenes.parquet").read_text() == "someone's own"


def test_other_keys_may_change(finished: TinyPort) -> None:
    done = eo_run(finished.campaign(file="cap.yaml", annual_cap_barrels=1000, product="crude"))
    assert done.code == FINISHED, done.said


def test_a_second_run_changes_nothing(finished: TinyPort) -> None:
    folder = finished.folder / "run"
    names = [f"{name}.parquet" for name in ("scenes", "looks", "detections", "calls", "totals")]
    campaign = finished.campaign(file="again.yaml")
    assert eo_run(campaign).code == FINISHED
    before = {name: (folder / name).read_bytes() for name in names}
    assert eo_run(campaign).code == FINISHED
    assert {name: (folder / name).read_bytes() for name in names} == before
    assert json.loads((folder / "run.json").read_text())


@pytest.mark.skipif(os.name != "posix", reason="a path of POSIX systems")
def test_output_on_a_read_only_file_system_is_refused(tmp_path: Path) -> None:
    port = TinyPort(tmp_path)
    port.scene("one")
    assert eo_run(port.campaign(output="/proc/eo-run")).code == WRONG
