"""Items of every dialect become scenes; broken ones become failed scenes, never exceptions."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import shapely.geometry
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS
from stac_examples import changed, data_space, json_values, planet, sentinel, spoilt, tif

from eo.access.fields import moment, number
from eo.access.footprints import footprint_of
from eo.access.items import BROKEN, scene_from_item
from eo.access.radiometry import check_floor, toar_scale
from eo.core.records import Scene, from_json, to_json


def recorded(data_dir: Path, name: str) -> list[Any]:
    document = json.loads((data_dir / "stac-items" / f"{name}.json").read_text())
    if isinstance(document, list):
        return document
    return document.get("features", document.get("value", [document]))


def by_name(scene: Scene) -> dict[str, Any]:
    return {band.name: band for band in scene.bands}


# ------------------------------------------------------------------------- recorded dialects
@pytest.mark.data
def test_earth_search_c1(data_dir: Path) -> None:
    scenes = [scene_from_item(i) for i in recorded(data_dir, "earth-search-sentinel-2-c1-l2a")]
    assert len({s.scene_id for s in scenes}) == len(scenes) == 10
    first = scenes[0]
    assert (first.sensor, first.level, first.platform) == ("sentinel-2", "l2a", "sentinel-2a")
    assert (first.crs, first.shape, first.tile_id) == ("EPSG:32613", (10980, 10980), "13TDE")
    assert first.transform == (10, 0, 399960, 0, -10, 4500000)
    assert first.sun_elevation_deg == pytest.approx(58.65, abs=0.01)
    assert first.off_nadir_deg == pytest.approx(10.59, abs=0.01)
    bands = by_name(first)
    assert len(bands) == 12
    assert bands["nir08"].source_name == "B8A"
    assert bands["swir16"].gsd_m == 20
    assert bands["red"].gsd_m is None
    assert {(b.scale, b.offset, b.nodata) for b in bands.values()} == {(1e-4, -0.1, 0)}
    assert bands["red"].checksum is not None
    assert first.mask is not None
    assert first.mask.kind == "scl"


@pytest.mark.data
def test_view_azimuth_points_from_target_to_sensor(data_dir: Path) -> None:
    """Held to real items: at the edge of a swath the sensor stands on the side of the swath.

    Tile 13TDE is seen by two orbits. Of one only the tile's east holds data: the swath, and the
    satellite in its middle, lie to the east. The other's view angle is small.
    """
    tile = shapely.geometry.box(-106.18, 39.66, -104.88, 40.65)
    checked = 0
    for item in recorded(data_dir, "earth-search-sentinel-2-c1-l2a"):
        scene = scene_from_item(item)
        footprint = shapely.geometry.shape(scene.footprint)
        if footprint.area > 0.6 * tile.area:
            continue
        checked += 1
        east_of_centre = footprint.centroid.x - tile.centroid.x
        assert scene.off_nadir_deg is not None
        assert scene.view_azimuth_deg is not None
        assert scene.off_nadir_deg > 8  # the swath's edge
        assert math.copysign(1, math.sin(math.radians(scene.view_azimuth_deg))) == math.copysign(
            1, east_of_centre
        )
    assert checked >= 3


@pytest.mark.data
def test_planetary_computer(data_dir: Path) -> None:
    for item in recorded(data_dir, "planetary-computer-sentinel-2-l2a"):
        scene = scene_from_item(item)
        assert scene.status == "found"
        assert scene.signing == "planetary-computer"
        assert scene.platform == "sentinel-2b"
        assert scene.sun_elevation_deg == pytest.approx(
            90 - item["properties"]["s2:mean_solar_zenith"]
        )
        bands = by_name(scene)
        assert bands["nir08"].source_name == "B8A"
        # No band declares an offset there; baseline 05.10 adds one.
        assert bands["red"].offset == -0.1
        assert scene.crs == f"EPSG:{item['properties']['proj:epsg']}"
        assert scene.view_azimuth_deg is None


@pytest.mark.data
def test_earth_search_v0(data_dir: Path) -> None:
    (item,) = recorded(data_dir, "earth-search-v0-without-sun-angles")
    scene = scene_from_item(item)
    assert (scene.sun_elevation_deg, scene.sun_source) == (None, None)
    assert scene.tile_id == "28QCH"
    assert scene.satellite_off_nadir_deg == 0
    bands = by_name(scene)
    assert bands["swir16"].href.endswith("B11.tif")
    assert bands["swir16"].gsd_m == 20
    # Baseline 02.14, read out of the product's name: no offset.
    assert bands["red"].offset == 0
    assert scene.mask is not None


@pytest.mark.data
def test_l1c(data_dir: Path) -> None:
    (item,) = recorded(data_dir, "sentinel-2-l1c")
    scene = scene_from_item(item)
    assert scene.level == "l1c"
    assert scene.mask is None
    assert by_name(scene)["cirrus"].gsd_m == 60
    # The footprint crosses the 180th meridian and stays in two halves.
    west, _, east, _ = shapely.geometry.shape(scene.footprint).bounds
    assert (west, east) == (-180, 180)
    assert shapely.geometry.shape(scene.footprint).area < 2


@pytest.mark.data
def test_data_space_odata_answer(data_dir: Path) -> None:
    scenes = [scene_from_item(i) for i in recorded(data_dir, "copernicus-dataspace-search")]
    first = scenes[0]
    assert first.scene_id == "S2A_MSIL1C_20200808T010311_N0500_R045_T54PXA_20230413T212505"
    assert (first.level, first.tile_id, first.crs) == ("l1c", "54PXA", "EPSG:32654")
    assert first.platform == "sentinel-2a"
    red = by_name(first)["red"]
    assert red.href.startswith("s3://eodata/Sentinel-2/MSI/L1C_N0500/2020/08/08/")
    assert red.href.endswith(
        "GRANULE/L1C_T54PXA_A026783_20200808T010314/IMG_DATA/T54PXA_20200808T010311_B04.jp2"
    )
    assert red.offset == -0.1
    assert first.processed is not None
    assert first.processed.year == 2023


@pytest.mark.data
def test_radar_is_skipped_in_words(data_dir: Path) -> None:
    for item in recorded(data_dir, "planetary-computer-sentinel-1-rtc"):
        scene = scene_from_item(item)
        assert scene.status == "skipped"
        assert "radar" in (scene.reason or "")


@pytest.mark.data
def test_planet_order(data_dir: Path) -> None:
    (item,) = recorded(data_dir, "planetscope-harvey")
    scene = scene_from_item(item)
    assert (scene.sensor, scene.level, scene.platform) == ("planetscope", "radiance", "101c")
    assert [(b.name, b.index) for b in scene.bands] == [
        ("blue", 1), ("green", 2), ("red", 3), ("nir", 4),
    ]  # fmt: skip
    assert scene.mask is not None
    assert scene.mask.kind == "udm"
    assert scene.tile_id == "724553/172754"
    assert scene.satellite_off_nadir_deg == 0.2


@pytest.mark.data
def test_ports_and_anchorage(data_dir: Path) -> None:
    port = scene_from_item(json.loads((data_dir / "ports-s2/durban/item.json").read_text()))
    assert (port.status, port.crs, port.shape) == ("found", "EPSG:3857", (1038, 1334))
    assert all(b.scale == pytest.approx(1 / 65535) for b in port.bands)
    assert [b.offset for b in port.bands] == [0] * 5
    visual = json.loads((data_dir / "anchorage-planet/lb_1/item.json").read_text())
    scene = scene_from_item(visual)
    assert (scene.status, scene.level, scene.sensor) == ("found", "visual", "planetscope")
    assert scene.datetime is None
    assert scene.start is not None
    assert [b.name for b in scene.bands] == ["red", "green", "blue"]
    assert {b.scale for b in scene.bands} == {1 / 255}
    assert (scene.sun_elevation_deg, scene.sun_source) == (None, None)


@pytest.mark.data
def test_recorded_paging_holds_scenes(data_dir: Path) -> None:
    """Aerial photographs of an unknown sensor without a scale are skipped, not guessed at."""
    import yaml

    session = yaml.safe_load((data_dir / "stac-items/recorded-paging.yaml").read_text())
    pages = [json.loads(i["response"]["body"]["string"]) for i in session["interactions"]]
    scenes = [scene_from_item(item) for page in pages for item in page["features"]]
    assert len(scenes) == 30
    assert {s.status for s in scenes} == {"skipped"}
    assert all("known scale" in (s.reason or "") for s in scenes)


# --------------------------------------------------------------------------- written dialects
def test_cog_before_its_jp2_twin() -> None:
    scene = scene_from_item(sentinel())
    assert [b.name for b in scene.bands] == ["blue", "green", "nir", "red", "swir16"]
    assert all(b.href.endswith(".tif") for b in scene.bands)
    only_jp2 = sentinel()
    for key in [k for k in only_jp2["assets"] if k + "-jp2" in only_jp2["assets"]]:
        del only_jp2["assets"][key]
    assert all(b.href.endswith(".jp2") for b in scene_from_item(only_jp2).bands)


def test_data_space_stac() -> None:
    scene = scene_from_item(data_space())
    bands = by_name(scene)
    assert set(bands) == {"blue", "green", "red", "nir", "nir08", "swir16"}
    assert bands["blue"].href.endswith("B02_10m.jp2")
    assert bands["nir08"].href.endswith("B8A_20m.jp2")
    assert {(b.scale, b.offset, b.nodata) for b in bands.values()} == {(1e-4, -0.1, 0)}
    assert (scene.crs, scene.shape) == ("EPSG:32652", (10980, 10980))
    assert scene.transform == (10, 0, 600000, 0, -10, 4800000)
    assert scene.mask is not None
    assert scene.mask.href.endswith("SCL_20m.jp2")
    assert scene.processed is not None


EIGHT = ["coastal", "blue", "green05", "green", "yellow", "red", "rededge071", "nir"]


@pytest.mark.parametrize(
    ("assets", "level", "names"),
    [
        ({"ortho_analytic_4b_sr": tif("a")}, "l2a", ["blue", "green", "red", "nir"]),
        ({"ortho_analytic_8b_sr": tif("a")}, "l2a", EIGHT),
        ({"ortho_analytic_8b_sr": tif("a"), "ortho_analytic_4b": tif("b")}, "l2a", EIGHT),
        ({"ortho_analytic_8b": tif("a")}, "radiance", EIGHT),
        ({"ortho_visual": tif("a")}, "visual", ["red", "green", "blue"]),
        ({"20240419_3B_AnalyticMS_SR_8b_clip_tif": tif("a")}, "l2a", EIGHT),
        (
            {"data": tif("a", **{"pl:asset_type": "ortho_analytic_4b_sr"})},
            "l2a",
            ["blue", "green", "red", "nir"],
        ),
        (
            {"image": tif("a", bands=[{"name": n} for n in
                          ("Coastal Blue", "Blue", "Green I", "Green", "Yellow", "Red",
                           "RedEdge", "NIR")], roles=["data", "reflectance"])},
            "l2a",
            EIGHT,
        ),
        (
            {"analytic": tif("a", **{"eo:bands": [{"common_name": n} for n in EIGHT[1:2]]
                             + [{"common_name": n} for n in ("green", "red", "nir")],
                             "raster:bands": [{"scale": 1e-4}] * 4})},
            "toar",
            ["blue", "green", "red", "nir"],
        ),
    ],
)  # fmt: skip
def test_planet_variants(assets: dict[str, Any], level: str, names: list[str]) -> None:
    extra = {
        "ortho_udm2": tif("u"),
        "basic_analytic_4b": tif("c"),
        "thumbnail": {"href": "x.png", "type": "image/png"},
        "ortho_analytic_8b_xml": {"href": "x.xml", "type": "text/xml"},
    }
    scene = scene_from_item(planet({**assets, **extra}))
    assert (scene.status, scene.level) == ("found", level)
    assert [b.name for b in sorted(scene.bands, key=lambda b: b.index)] == names
    assert len({b.href for b in scene.bands}) == 1
    assert scene.mask is not None
    assert scene.mask.kind == "udm2"
    if level in {"l2a", "toar"}:
        assert {(b.scale, b.offset, b.nodata) for b in scene.bands} == {(1e-4, 0, 0)}
    assert scene.tile_id == "7224931/021533_78"
    assert scene.satellite_off_nadir_deg == 4.1


def test_skysat() -> None:
    item = planet(
        {"ortho_analytic_sr": tif("a"), "ortho_analytic_udm2": tif("u"),
         "ortho_panchromatic": tif("p")},
        item_id="20240419_021533_ssc7_u0001",
        **{"constellation": "skysat", "platform": "SSC7", "gsd": 0.8,
           "pl:item_type": "SkySatCollect", "instruments": ["SkySat"]},
    )  # fmt: skip
    scene = scene_from_item(item)
    assert (scene.sensor, scene.level, scene.gsd_m) == ("skysat", "l2a", 0.8)
    assert scene.mask is not None
    assert [b.name for b in scene.bands] == ["blue", "green", "red", "nir"]


def test_angles_by_their_older_names() -> None:
    bare = {f"view:sun_{a}": None for a in ("elevation", "azimuth")}
    for names in (
        ("eo:sun_elevation", "eo:sun_azimuth"),
        ("sun_elevation", "sun_azimuth"),
        ("view:sun_elevation", "s2:mean_solar_azimuth"),
    ):
        item = changed(changed(sentinel(), **bare), **dict(zip(names, ("41.5", 160), strict=True)))
        scene = scene_from_item(item)
        assert (scene.sun_elevation_deg, scene.sun_azimuth_deg) == (41.5, 160)
        assert scene.sun_source == "item"


def test_impossible_angles_are_left_out_and_said() -> None:
    item = changed(sentinel(), **{"view:sun_elevation": 190, "view:sun_azimuth": "NaN",
                                  "view:off_nadir": -7, "view:azimuth": -80})  # fmt: skip
    scene = scene_from_item(item)
    assert (scene.sun_elevation_deg, scene.sun_azimuth_deg) == (None, None)
    assert scene.satellite_off_nadir_deg == 7
    assert scene.view_azimuth_deg == 280
    assert len([n for n in scene.notes if "not an angle" in n]) == 2


UTM = CRS.from_epsg(32652)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"proj:code": "EPSG:32652"}, "EPSG:32652"),
        ({"proj:code": "epsg:32652", "proj:epsg": 4326}, "EPSG:32652"),
        ({"proj:epsg": "32652"}, "EPSG:32652"),
        ({"proj:epsg": "EPSG:32652"}, "EPSG:32652"),
        ({"proj:code": None, "proj:epsg": 32652.0}, "EPSG:32652"),
        ({"eo:epsg": 32652}, "EPSG:32652"),
        ({"proj:epsg": None, "proj:wkt2": UTM.to_wkt()}, UTM.to_wkt()),
        ({"proj:projjson": UTM.to_json_dict()}, UTM.to_wkt()),
        ({"proj:epsg": None}, None),
        ({"proj:epsg": 99999}, None),
        ({"proj:code": "EPSG:oops"}, None),
    ],
)
def test_crs_under_every_name_and_at_either_level(
    fields: dict[str, Any], expected: str | None
) -> None:
    bare = changed(sentinel(), **{"proj:epsg": None})
    by_item = {**bare, "properties": {**bare["properties"], **fields}}
    by_asset = {**bare, "assets": {k: {**a, **fields} for k, a in bare["assets"].items()}}
    for item in (by_item, by_asset):
        scene = scene_from_item(item)
        assert scene.status == "found"
        assert scene.crs == expected
        if expected is None and any(fields.values()):
            assert any("no known CRS" in note for note in scene.notes)


def test_transform_and_shape_belong_together() -> None:
    item = sentinel()
    item["properties"] |= {"proj:transform": [10, 0, 6e5, 0, -10, 4.8e6], "proj:shape": [9, 8]}
    item["assets"]["red"]["proj:shape"] = [10980, 10980]
    scene = scene_from_item(item)
    assert (scene.transform, scene.shape) == (None, (10980, 10980))
    del item["assets"]["red"]["proj:shape"]
    scene = scene_from_item(item)
    assert (scene.transform, scene.shape) == ((10, 0, 6e5, 0, -10, 4.8e6), (9, 8))
    item["properties"]["proj:transform"] = [10, 10, 0, 10, 10, 0]  # no area
    assert scene_from_item(item).transform is None


# ---------------------------------------------------------------------------------- radiometry
@pytest.mark.parametrize(
    ("applied", "baseline", "declared", "offset"),
    [
        (True, "05.10", -0.1, 0.0),  # Earth Search v1 as it is: the band's offset is history
        (True, "04.00", None, 0.0),
        (False, "04.00", None, -0.1),
        (False, "05.10", 0, -0.1),
        (False, "05.10", -0.1, -0.1),
        (None, "05.10", -0.1, -0.1),
        (None, "05.10", None, -0.1),  # Planetary Computer
        (None, "04.00", None, -0.1),
        (None, "03.01", None, 0.0),
        (None, "02.14", 0, 0.0),
        (None, "05.10", 0, 0.0),  # the server may have applied it: the pixels will tell
        (None, "05.10", -1000, -0.1),  # an offset in DN
        ("false", 5.1, None, -0.1),
        (None, None, None, -0.1),  # N0510 in the product's name
    ],
)
def test_offset_by_the_items_own_fields(
    applied: Any, baseline: Any, declared: float | None, offset: float
) -> None:
    item = changed(sentinel(), **{
        "earthsearch:boa_offset_applied": applied,
        "s2:processing_baseline": baseline,
        "s2:product_uri": "S2B_MSIL2A_20240419T021529_N0510_R003_T52TGN_20240419T045210.SAFE",
    })  # fmt: skip
    for old in (True, False):
        for asset in item["assets"].values():
            asset.pop("raster:bands", None)
            asset.pop("bands", None)
            fields: dict[str, Any] = {"scale": 0.0001}
            if declared is not None:
                fields["offset"] = declared
            if old:
                asset["raster:bands"] = [fields]
            elif "eo:bands" in asset:
                asset["bands"] = [{f"raster:{k}": v for k, v in fields.items()}]
        scene = scene_from_item(item)
        assert all(b.offset == pytest.approx(offset) for b in scene.bands)
        assert {b.scale for b in scene.bands} == {1e-4}


def test_offset_is_never_a_matter_of_date() -> None:
    old = changed(sentinel(), **{"datetime": "2016-05-01T02:20:00Z",
                                 "earthsearch:boa_offset_applied": None})  # fmt: skip
    assert {b.offset for b in scene_from_item(old).bands} == {-0.1}


@pytest.mark.parametrize(
    ("dn", "offset", "expected"),
    [
        (1090, -0.1, -0.1),
        (950, -0.1, -0.1),  # slightly negative reflectance over water is normal
        (130, -0.1, 0.0),
        (130, 0.0, 0.0),
        (1080, 0.0, -0.1),
        (3000, 0.0, 0.0),  # cloud all over says nothing
        (math.nan, -0.1, -0.1),
    ],
)
def test_floor_of_the_dark_pixels(dn: float, offset: float, expected: float) -> None:
    found, note = check_floor(dn, offset, 1e-4, infrared=True)
    assert found == expected
    assert (note is None) == (found == offset)
    assert check_floor(dn, offset, 1 / 65535) == (offset, None)


def test_blue_air_is_no_offset() -> None:
    """From above the atmosphere blue water lies near reflectance 0.1 by the air alone."""
    offset, note = check_floor(1080, 0.0, 1e-4)
    assert offset == 0
    assert note is not None


def test_radiance_of_a_white_sheet() -> None:
    # Sun overhead at 1 au on reflectance 1: L = E0 / pi.
    irradiance = 1570.0
    dn = irradiance / math.pi / 0.01
    scale = toar_scale("red", 90, 1.0, 0.01)
    assert scale is not None
    assert dn * scale == pytest.approx(1)
    assert toar_scale("red", 0, 1.0, 0.01) is None
    assert toar_scale("swir16", 40, 1.0, 0.01) is None


# ------------------------------------------------------------------------------------ bad input
def test_a_missing_band_fails_and_is_named() -> None:
    item = sentinel()
    del item["assets"]["red"], item["assets"]["red-jp2"]
    scene = scene_from_item(item)
    assert scene.status == "failed"
    assert "red" in (scene.reason or "")


@pytest.mark.parametrize("junk", [None, 7, "item", [], {}, {"id": ""}, {"id": None}])
def test_what_is_no_item_still_gets_a_scene(junk: Any) -> None:
    scene = scene_from_item(junk)
    assert scene.status == "failed"
    assert scene.scene_id.startswith("unnamed-")
    assert scene.reason


@pytest.mark.parametrize(
    "change",
    [
        {"properties": None},
        {"properties": 5},
        {"geometry": None, "bbox": None},
        {"geometry": {"type": "Polygon", "coordinates": [[[1, 2], [3]]]}},
        {"geometry": {"type": "Polygon", "coordinates": [[[0, 0], [400, 0], [400, 95], [0, 0]]]}},
        {"geometry": {"type": "Point", "coordinates": [133, 42]}},
        {"assets": None},
        {"assets": {"blue": {"type": "image/tiff"}}},
        {BROKEN: "the file is cut short"},
    ],
)
def test_broken_items_fail_with_a_reason(change: dict[str, Any]) -> None:
    scene = scene_from_item({**sentinel(), **change})
    assert scene.status == "failed"
    assert scene.scene_id == sentinel()["id"]
    assert scene.reason


def test_ids_stay_as_they_are() -> None:
    for item_id in ("../../x", "a/b\\c", " padded ", "тест", "x" * 300):
        scene = scene_from_item({**sentinel(), "id": item_id})
        assert scene.scene_id == scene.item_id == item_id
        assert scene.status == "found"
    assert scene_from_item({**sentinel(), "id": 17}).scene_id == "17"


def test_bbox_stands_in_for_a_missing_geometry() -> None:
    scene = scene_from_item({**sentinel(), "geometry": None, "bbox": [132.9, 42.5, 133.4, 43]})
    assert scene.status == "found"
    assert any("bbox" in note for note in scene.notes)


def test_footprint_across_the_180th_meridian() -> None:
    leap = {
        "type": "Polygon",
        "coordinates": [[[179, -16], [-179, -16], [-179, -15], [179, -15], [179, -16]]],
    }
    for item in ({"geometry": leap}, {"bbox": [179, -16, -179, -15]}):
        footprint, notes = footprint_of(item)
        shape = shapely.geometry.shape(footprint)
        assert shape.area == pytest.approx(2)
        assert shape.contains(shapely.geometry.Point(179.5, -15.5))
        assert shape.contains(shapely.geometry.Point(-179.5, -15.5))
        assert notes


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2024-04-19T02:20:00Z", "2024-04-19T02:20:00+00:00"),
        ("2024-04-19 02:20:00.123456789+00:00", "2024-04-19T02:20:00.123456+00:00"),
        ("2024-04-19T11:20:00+09:00", "2024-04-19T02:20:00+00:00"),
        ("2024-04-19T02:20:00", "2024-04-19T02:20:00+00:00"),
        ("2024-04-19", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday, about noon", None),
        (20240419, None),
    ],
)
def test_moments(text: Any, found: str | None) -> None:
    result = moment(text)
    assert (result.isoformat() if result else None) == found


def test_a_bare_date_is_a_day_not_a_moment() -> None:
    scene = scene_from_item(changed(sentinel(), datetime="2024-04-19"))
    assert scene.datetime is None
    assert scene.start is not None
    assert scene.end is not None
    assert (scene.end - scene.start).days == 1


@pytest.mark.parametrize(
    ("value", "found"),
    [("42.1", 42.1), (" 7 ", 7), (True, None), ("x", None), (math.inf, None), ("nan", None),
     (None, None), (10**400, None)],
)  # fmt: skip
def test_numbers(value: Any, found: float | None) -> None:
    assert number(value) == found


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_junk_anywhere_in_an_item_never_raises(data: st.DataObject) -> None:
    whole = [sentinel(), data_space(), planet({"ortho_analytic_8b_sr": tif("a")})]
    item = spoilt(data, data.draw(st.sampled_from(whole)))
    scene = scene_from_item(item)
    assert scene.status in {"found", "skipped", "failed"}
    assert (scene.reason is None) == (scene.status == "found")
    if isinstance(item.get("id"), str) and item["id"].strip():
        assert scene.scene_id == item["id"]
    if scene.status == "found":
        assert {"blue", "green", "red"} <= {b.name for b in scene.bands}
        assert all(math.isfinite(b.scale) and math.isfinite(b.offset) for b in scene.bands)
    assert from_json(Scene, to_json(Scene, scene)) == scene


@settings(max_examples=100, deadline=None)
@given(json_values)
def test_any_json_is_a_scene_of_some_kind(value: Any) -> None:
    scene_from_item(value)
