"""One record for every item found: completed, told apart, none lost, none counted twice."""

from __future__ import annotations

import datetime as dt
import json
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pvlib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stac_examples import AOI, changed, data_space, planet, sentinel, spoilt, square, tif
from stac_server import Fault, serving

from eo.access.catalog import open_catalog
from eo.access.filecatalog import FileCatalog
from eo.access.web import Patience
from eo.core.config import Campaign
from eo.core.records import Scene
from eo.stages.search import find_scenes

START = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
END = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)


class Listed:
    """A catalog that yields what it was given."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def search(self, **_: Any) -> Iterator[dict[str, Any]]:
        yield from self.items


def campaign(**fields: Any) -> Campaign:
    known: dict[str, Any] = {
        "name": "test", "aoi": AOI, "start": START, "end": END, "catalog": "items.json",
        "collections": None, "fleet": None, "berths": None, "product": None,
        "annual_cap_barrels": None, "output": "out",
    }  # fmt: skip
    return Campaign(**{**known, **fields})


def find(*items: Any, **fields: Any) -> list[Scene]:
    return find_scenes(Listed(list(items)), campaign(**fields))


def by_id(scenes: list[Scene]) -> dict[str, Scene]:
    assert len({scene.scene_id for scene in scenes}) == len(scenes)
    return {scene.scene_id: scene for scene in scenes}


def spa(when: dt.datetime, lon: float, lat: float) -> tuple[float, float]:
    found = pvlib.solarposition.spa_python(pd.DatetimeIndex([when]), lat, lon, how="numpy")
    return float(found.elevation.iloc[0]), float(found.azimuth.iloc[0])


# ------------------------------------------------------------------------------ completed here
def test_the_sun_is_computed_where_the_item_is_silent() -> None:
    none = {"view:sun_elevation": None, "view:sun_azimuth": None}
    (scene,) = find(changed(sentinel(), **none))
    assert scene.datetime is not None
    elevation, azimuth = spa(scene.datetime, 133.08, 42.735)
    assert scene.sun_elevation_deg == pytest.approx(elevation, abs=0.02)
    assert scene.sun_azimuth_deg == pytest.approx(azimuth, abs=0.02)
    assert scene.sun_source == "computed"
    (half,) = find(changed(sentinel(), **{"view:sun_azimuth": None}))
    assert half.sun_source == "computed"
    (own,) = find(sentinel())
    assert (own.sun_elevation_deg, own.sun_source) == (56.1, "item")


def test_without_a_time_there_is_no_sun() -> None:
    none = {"view:sun_elevation": None, "view:sun_azimuth": None, "datetime": None}
    item = changed(sentinel(), **none, start_datetime="2024-01-01T00:00:00Z",
                   end_datetime="2024-12-31T00:00:00Z")  # fmt: skip
    (scene,) = find(item)
    assert scene.status == "found"
    assert (scene.datetime, scene.sun_elevation_deg, scene.sun_source) == (None, None, None)
    assert scene.start == dt.datetime(2024, 1, 1, tzinfo=dt.UTC)


def test_sun_angles_without_a_time_are_left_out() -> None:
    (scene,) = find(changed(sentinel(), datetime=None))
    assert (scene.sun_elevation_deg, scene.sun_azimuth_deg, scene.sun_source) == (None,) * 3
    assert any("no time" in note for note in scene.notes)


def test_a_sun_that_cannot_be_is_noted() -> None:
    (scene,) = find(changed(sentinel(), **{"view:sun_elevation": 12.0}))
    assert scene.sun_elevation_deg == 12.0
    assert any("time and place say" in note for note in scene.notes)
    (plain,) = find(changed(sentinel(), **{"view:sun_elevation": 56.3,
                                           "view:sun_azimuth": 157.0}))  # fmt: skip
    assert plain.notes == () or not any("time and place" in note for note in plain.notes)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (sentinel(**{"view:incidence_angle": 8.2, "view:off_nadir": 3.0}), 8.2),
        (
            sentinel(**{"view:off_nadir": 9.0}),
            math.degrees(math.asin((1 + 786 / 6371) * math.sin(math.radians(9)))),
        ),
        (
            planet({"ortho_analytic_4b_sr": tif("a")}),
            math.degrees(math.asin((1 + 500 / 6371) * math.sin(math.radians(4.1)))),
        ),
        (sentinel(), None),
    ],
)
def test_view_at_the_ground(item: dict[str, Any], expected: float | None) -> None:
    (scene,) = find(item)
    if expected is None:
        assert scene.off_nadir_deg is None
    else:
        assert scene.off_nadir_deg == pytest.approx(expected, abs=1e-6)


def test_an_angle_of_an_unknown_satellite_is_not_guessed() -> None:
    item = sentinel("x1", constellation="elsewhere", platform="elsewhere-1",
                    **{"view:off_nadir": 5.0})  # fmt: skip
    item["collection"] = "elsewhere"
    (scene,) = find(item)
    assert (scene.sensor, scene.off_nadir_deg) == ("unknown", None)
    assert any("height is not known" in note for note in scene.notes)


def test_planet_radiance_becomes_reflectance() -> None:
    (scene,) = find(planet({"ortho_analytic_8b": tif("a")}))
    assert (scene.status, scene.level) == ("found", "toar")
    scales = {band.name: band.scale for band in scene.bands}
    # Planet's own coefficients for such a sun lie near 2e-5 (blue) and 4e-5 (near infrared).
    assert 1.5e-5 < scales["blue"] < 2.5e-5
    assert 3e-5 < scales["nir"] < 5e-5
    (dark,) = find(planet({"ortho_analytic_8b": tif("a")}, datetime="2024-04-19T15:00:00Z",
                          **{"view:sun_elevation": None, "view:sun_azimuth": None}))  # fmt: skip
    assert (dark.status, dark.reason) == ("skipped", "radiance of a scene taken by night")


# ---------------------------------------------------------------------------------- one look
def test_tiles_of_one_pass_are_one_look() -> None:
    west = sentinel("west", **{"grid:code": "MGRS-52TGN"})
    east = sentinel("east", **{"grid:code": "MGRS-52THN", "datetime": "2024-04-19T02:20:15Z"})
    other = sentinel("other", datetime="2024-04-19T02:20:05Z", platform="sentinel-2a")
    later = sentinel("later", datetime="2024-04-19T02:21:41Z")
    scenes = by_id(find(west, east, other, later))
    assert {s.status for s in scenes.values()} == {"found"}
    assert scenes["west"].acquisition_id == scenes["east"].acquisition_id
    assert len({s.acquisition_id for s in scenes.values()}) == 3


def test_the_newest_processing_is_used() -> None:
    old = sentinel("old", **{"s2:generation_time": "2024-04-19T05:00:00Z"})
    new = sentinel("new", **{"s2:generation_time": "2024-06-01T05:00:00Z",
                             "datetime": "2024-04-19T02:21:00Z"})  # fmt: skip
    scenes = by_id(find(new, old))
    assert scenes["new"].status == "found"
    assert (scenes["old"].status, scenes["old"].reason) == ("skipped", "duplicate of new")
    assert scenes["new"].acquisition_id == scenes["old"].acquisition_id


def test_updated_decides_where_no_processing_time_is_given() -> None:
    old, new = sentinel("old"), sentinel("new", updated="2024-05-01T00:00:00.5Z")
    scenes = by_id(find(old, new))
    assert scenes["old"].reason == "duplicate of new"


def test_two_halves_of_one_tile_are_both_used() -> None:
    """A pass received by two stations comes as two items of one tile."""
    north, south = sentinel("north"), sentinel("south")
    north["geometry"] = square(132.9, 42.72)
    south["geometry"] = square(132.9, 42.25)
    scenes = by_id(find(north, south))
    assert {s.status for s in scenes.values()} == {"found"}
    assert len({s.acquisition_id for s in scenes.values()}) == 1


def test_neighbours_in_a_strip_are_different_tiles() -> None:
    assets = {"ortho_analytic_4b_sr": tif("a")}
    one = planet(assets, item_id="20240419_021533_78_2414")
    two = planet(assets, item_id="20240419_021535_91_2414", datetime="2024-04-19T02:15:35.91Z")
    two["geometry"] = square(133.0, 42.65, 0.2)
    again = planet(assets, item_id="20240419_021533_78_2414_v2", updated="2024-05-01T00:00:00Z")
    scenes = by_id(find(one, two, again))
    assert scenes["20240419_021533_78_2414"].reason == "duplicate of 20240419_021533_78_2414_v2"
    assert scenes["20240419_021535_91_2414"].status == "found"


def test_without_tile_names_the_footprint_decides() -> None:
    none = {"grid:code": None}
    first = changed(sentinel("first"), **none)
    second = changed(sentinel("second", updated="2024-05-01T00:00:00Z"), **none)
    beside = changed(sentinel("beside"), **none)
    beside["geometry"] = square(133.08, 42.5)
    for item in (first, second, beside):
        item["collection"] = "local"
    scenes = by_id(find(first, second, beside))
    assert scenes["first"].reason == "duplicate of second"
    assert scenes["beside"].status == "found"


# --------------------------------------------------------------------------------------- ids
def test_one_id_in_two_collections() -> None:
    one, two = sentinel("same"), sentinel("same", datetime="2024-04-24T02:20:00Z")
    two["collection"] = "other"
    scenes = by_id(find(one, two))
    assert set(scenes) == {"sentinel-2-l2a/same", "other/same"}
    assert {s.item_id for s in scenes.values()} == {"same"}
    assert {s.status for s in scenes.values()} == {"found"}


def test_one_id_twice() -> None:
    old, new = sentinel("same"), sentinel("same", updated="2024-05-01T00:00:00Z")
    scenes = by_id(find(old, new, old))
    assert scenes["same"].updated == "2024-05-01T00:00:00Z"
    assert scenes["same"].status == "found"
    assert {scenes[k].reason for k in ("same~2", "same~3")} == {"duplicate of same"}


def test_one_id_for_two_dates_is_the_ids_fault() -> None:
    one, two = sentinel("same"), sentinel("same", datetime="2024-04-24T02:20:00Z")
    scenes = by_id(find(one, two))
    assert {s.status for s in scenes.values()} == {"found"}
    assert len({s.datetime for s in scenes.values()}) == 2


def test_a_broken_twin_does_not_take_the_id() -> None:
    broken = {**sentinel("same", updated="2024-09-01T00:00:00Z"), "assets": None}
    scenes = by_id(find(broken, sentinel("same")))
    assert scenes["same"].status == "found"
    assert scenes["same~2"].status == "failed"


def test_a_failed_scene_is_no_ones_duplicate() -> None:
    broken = {**sentinel("b", updated="2024-09-01T00:00:00Z"), "assets": None}
    scenes = by_id(find(broken, sentinel("a")))
    assert scenes["a"].status == "found"
    assert scenes["b"].status == "failed"


# ------------------------------------------------------------------------------- order and area
def test_outside_the_area_is_skipped() -> None:
    far = sentinel("far")
    far["geometry"] = square(10, 40)
    beside = sentinel("beside", datetime="2024-05-19T02:20:00Z")
    beside["geometry"] = square(133.11, 42.5)  # has a side in common with the area, no more
    scenes = by_id(find(far, beside))
    assert {s.status for s in scenes.values()} == {"skipped"}
    assert {s.reason for s in scenes.values()} == {"its footprint does not meet the AOI"}


def test_outside_the_period_is_skipped() -> None:
    items = [sentinel("old", datetime="2023-12-31T23:59:59Z"),
             sentinel("first", datetime="2024-01-01T00:00:00Z"),
             sentinel("new", datetime="2025-01-01T00:00:00Z")]  # fmt: skip
    scenes = by_id(find(*items))
    assert {k: s.status for k, s in scenes.items()} == {
        "old": "skipped", "first": "found", "new": "skipped",
    }  # fmt: skip
    assert scenes["old"].reason == "it was taken outside the period"


def test_no_items_no_scenes() -> None:
    assert find() == []


def test_the_count_is_reported() -> None:
    seen: list[int] = []
    find_scenes(Listed([sentinel("a"), 7]), campaign(), progress=seen.append)
    assert seen == [1, 2]


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_arrival_never_shows(rng: random.Random) -> None:
    items: list[Any] = [
        sentinel("a"), sentinel("a", updated="2024-05-01T00:00:00Z"),
        sentinel("b", datetime="2024-04-19T02:20:30Z"),
        sentinel("c", datetime="2024-04-19T02:22:30Z", **{"grid:code": "MGRS-52THN"}),
        sentinel("d", datetime="2024-03-19T02:20:30Z"),
        changed(sentinel("e"), datetime=None), {"id": "f"}, "junk",
        planet({"ortho_analytic_4b_sr": tif("a")}),
    ]  # fmt: skip
    straight = find(*items)
    rng.shuffle(items)
    assert find(*items) == straight
    assert len(straight) == len(items)
    known = [s.datetime for s in straight if s.datetime is not None]
    assert known == sorted(known)


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_junk_in_a_file_never_stops_the_search(data: st.DataObject) -> None:
    """Good items beside it are all found; what is wanted is never dropped for being odd."""
    good = [sentinel("a"), sentinel("b", datetime="2024-06-01T02:20:00Z")]
    item = spoilt(data, data.draw(st.sampled_from([sentinel("c"), data_space()])))
    document = {"type": "FeatureCollection", "features": [good[0], item, good[1]]}
    asked = campaign(collections=("sentinel-2-l2a",))
    opened = FileCatalog("/data/items.json", document, lambda _: None)
    found = by_id(find_scenes(opened, asked))
    assert {"a", "b"} <= {s.item_id for s in found.values()}
    assert len(found) in {2, 3}
    assert all((s.reason is None) == (s.status == "found") for s in found.values())


# ----------------------------------------------------------------------------------- end to end
def test_over_a_busy_server() -> None:
    items = [sentinel(f"s{d:02d}", datetime=f"2024-06-{d:02d}T02:20:00Z") for d in range(1, 26)]
    with serving(items=[*items, {"id": "odd"}]) as server:
        server.faults = [Fault(status=429, path="/search"), Fault(status=502, path="/search")]
        opened = open_catalog(server.url, patience=Patience(first_wait_s=0.01))
        scenes = find_scenes(opened, campaign(catalog=server.url, collections=("sentinel-2-l2a",)))
    assert [s.scene_id for s in scenes if s.status == "found"] == [i["id"] for i in items]
    assert [s.scene_id for s in scenes if s.status == "failed"] == ["odd"]


@pytest.mark.data
def test_real_ports(data_dir: Path) -> None:
    """The angles that come with the ports are those of 10:30 local mean solar time."""
    place = str(data_dir / "ports-s2" / "catalog.json")
    items = json.loads((data_dir / "ports-s2" / "genoa" / "item.json").read_text())
    asked = campaign(catalog=place, aoi=items["geometry"],
                     start=dt.datetime(2015, 1, 1, tzinfo=dt.UTC))  # fmt: skip
    (scene,) = find_scenes(open_catalog(place), asked)
    assert scene.status == "found"
    assert scene.notes == ()
    assert scene.datetime is not None
    centre = items["bbox"]
    elevation, azimuth = spa(scene.datetime, (centre[0] + centre[2]) / 2,
                             (centre[1] + centre[3]) / 2)  # fmt: skip
    assert scene.sun_elevation_deg == pytest.approx(elevation, abs=0.2)
    assert scene.sun_azimuth_deg == pytest.approx(azimuth, abs=0.5)


@pytest.mark.data
def test_real_items_agree_with_the_computed_sun(data_dir: Path) -> None:
    """No recorded item's sun is so far from time and place that a note is due."""
    world = {"type": "Polygon", "coordinates": [[[-180, -90], [180, -90], [180, 90], [-180, 90],
                                                 [-180, -90]]]}  # fmt: skip
    checked = 0
    for path in sorted((data_dir / "stac-items").glob("*.json")):
        asked = campaign(catalog=str(path), aoi=world, start=dt.datetime(2014, 1, 1, tzinfo=dt.UTC))
        for scene in find_scenes(open_catalog(str(path)), asked):
            checked += scene.sun_source == "item"
            assert not any("time and place" in note for note in scene.notes), scene.scene_id
    assert checked == 10 + 4 + 1 + 1
