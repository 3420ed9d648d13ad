"""A simulated campaign as others meet it: files, lattice, truth, determinism, faults."""

import hashlib
import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pystac
import pytest
import rasterio
from pyproj import Geod
from rasterio.features import rasterize

from eo.core.config import load_campaign
from eo.core.errors import CampaignError, OutputError
from eo.core.grid import grid_over
from eo.sim import SimOptions, simulate
from eo.sim.campaign import render_look
from eo.sim.fleet import draw_calls, draw_fleet
from eo.sim.looks import convergence_deg, plan_looks
from eo.sim.masks import usable_data
from eo.sim.options import stream
from eo.sim.port import build_port
from eo.sim.world import build_world

SMALL = SimOptions(size=160, looks=3, days=12, berths=2, ships=5, seed=3)


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    """Two sensors, few looks, a small area."""
    options = replace(SMALL, sensor="both", looks=4, clouds=0.3)
    return simulate(tmp_path_factory.mktemp("sim") / "both", options, workers=1)


@pytest.fixture(scope="module")
def truth(campaign):
    return json.loads((campaign / "truth.json").read_text())


def digest(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_same_options_same_bytes_whatever_the_workers(tmp_path):
    options = replace(SMALL, looks=2, size=120)
    one = simulate(tmp_path / "one", options, workers=1)
    two = simulate(tmp_path / "two", options, workers=2)
    assert digest(one) == digest(two)
    other = simulate(tmp_path / "other", replace(options, seed=4), workers=1)
    assert digest(one)["truth.json"] != digest(other)["truth.json"]


def test_a_finished_folder_is_left_alone_and_a_foreign_one_refused(tmp_path):
    options = replace(SMALL, looks=1)
    seen = []
    out = simulate(tmp_path / "sim", options, workers=1, progress=lambda *done: seen.append(done))
    assert seen == [(1, 1)]
    before = digest(out)
    simulate(out, options, workers=1, progress=lambda *done: seen.append(done))
    assert seen == [(1, 1)]
    assert digest(out) == before
    with pytest.raises(OutputError, match="other options"):
        simulate(out, replace(options, seed=9), workers=1)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("do not touch")
    with pytest.raises(OutputError, match="other files"):
        simulate(tmp_path / "mine", options, workers=1)


def test_options_that_make_no_campaign_are_refused():
    with pytest.raises(CampaignError, match="landsat"):
        SimOptions(sensor="landsat")
    with pytest.raises(CampaignError, match="clouds"):
        SimOptions(clouds=1.4)
    with pytest.raises(CampaignError, match="size"):
        SimOptions(size=20)


def test_the_campaign_file_loads_and_its_grid_is_the_scenes_lattice(campaign, truth):
    loaded = load_campaign(campaign / "campaign.yaml")
    for scene in truth["scenes"]:
        folder = campaign / scene["scene_id"]
        path = next(folder.glob("*.tif"))
        with rasterio.open(path) as data:
            grid = grid_over(loaded.aoi, data.res[0])
            assert data.crs.to_epsg() == grid.epsg
            assert tuple(data.transform)[:6] == pytest.approx(grid.transform())
            assert data.shape == (grid.height, grid.width)


def test_items_read_with_pystac_and_cogs_with_rasterio(campaign):
    items = list(pystac.Catalog.from_file(str(campaign / "catalog.json")).get_items())
    assert len(items) == 4
    assert {item.properties["constellation"] for item in items} == {"planetscope", "sentinel-2"}
    for item in items:
        assert item.collection_id is None
        assert item.datetime is not None
        assert item.properties["proj:code"] == "EPSG:32653"
        for asset in item.get_assets().values():
            with rasterio.open(asset.get_absolute_href()) as data:
                assert data.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") == "COG"
        west, south, east, north = item.bbox
        assert 133.0 < west < east < 133.2
        assert 42.6 < south < north < 42.8


def test_radiometry_is_as_the_items_say(campaign):
    for path in sorted(campaign.glob("*/*.json")):
        item = json.loads(path.read_text())
        for key, asset in item["assets"].items():
            bands = asset.get("raster:bands") or asset.get("bands")
            scale = bands[0].get("scale", bands[0].get("raster:scale"))
            if scale is None:
                continue
            offset = bands[0].get("offset", bands[0].get("raster:offset"))
            with rasterio.open(path.parent / asset["href"]) as data:
                dn = data.read().astype(float)
            reflectance = dn[dn > 0] * scale + offset
            assert -0.03 < np.percentile(reflectance, 0.1) < 0.2, key
            assert np.percentile(reflectance, 99.9) < 1.2


def test_angles_of_items_follow_their_conventions(campaign, truth):
    told = {scene["scene_id"]: scene for scene in truth["scenes"]}
    for path in sorted(campaign.glob("*/*.json")):
        properties = json.loads(path.read_text())["properties"]
        zenith = told[path.stem]["zenith_deg"]
        if "view:incidence_angle" in properties:
            assert properties["view:incidence_angle"] == pytest.approx(zenith, abs=1e-3)
            assert "view:off_nadir" not in properties
        else:
            at_ground = np.degrees(
                np.arcsin((1 + 500 / 6371) * np.sin(np.radians(properties["view:off_nadir"])))
            )
            assert at_ground == pytest.approx(zenith, abs=2e-3)


def test_truth_has_headings_from_true_north_and_lengths_on_the_ground(truth):
    """Held against the geodesic between stern and bow."""
    geod = Geod(ellps="WGS84")
    ships = [v for scene in truth["scenes"] for v in scene["vessels"] if v["length_m"] > 60]
    assert ships
    for ship in ships:
        ring = np.array(ship["geometry"]["coordinates"][0])
        ahead = [
            distance * np.cos(np.radians(azimuth - ship["heading_deg"]))
            for azimuth, _, distance in (geod.inv(ship["lon"], ship["lat"], *p) for p in ring)
        ]
        assert max(ahead) - min(ahead) == pytest.approx(ship["length_m"], rel=1e-3)
        # The tip of the bow is the shortest edge of the outline.
        edges = [geod.inv(*a, *b)[2] for a, b in itertools.pairwise(ring)]
        tip = ring[[np.argmin(edges), np.argmin(edges) + 1]].mean(axis=0)
        bearing = geod.inv(ship["lon"], ship["lat"], *tip)[0]
        assert abs((bearing - ship["heading_deg"] + 180) % 360 - 180) < 0.05


def test_ships_lie_in_the_picture_where_truth_says():
    """Pixels that change when one ship is taken away are those of her hull and shade."""
    quiet = replace(SMALL, looks=6, days=24).without(
        "clouds", "noise", "misregistration", "haze", "off_nadir", "wind_lee", "tugs",
        "small_craft", "nodata_edges",
    )  # fmt: skip
    world = build_world(quiet)
    empty = replace(world, schedule=replace(world.schedule, calls=()))
    checked = 0
    for plan in world.looks:
        dn, _, told = render_look(world, plan)
        without = render_look(empty, plan)[0]
        brighter = dn[2].astype(int) - without[2].astype(int) > 300
        for ship in told["vessels"]:
            frame = rasterio.Affine(*world.transform(3.0))
            outline = np.array(ship["geometry"]["coordinates"][0])
            x, y = rasterio.warp.transform("EPSG:4326", "EPSG:32653", *outline.T)
            ring = {"type": "Polygon", "coordinates": [list(zip(x, y, strict=True))]}
            hull = rasterize([ring], out_shape=dn.shape[1:], transform=frame, all_touched=True)
            assert brighter.any()
            assert (hull.astype(bool) & brighter).sum() / brighter.sum() > 0.9
            checked += 1
    assert checked


def test_half_of_the_calls_lie_so_that_the_shade_falls_on_the_quay():
    for seed in range(5):
        options = SimOptions(seed=seed)
        world = build_world(options)
        on_quay = [world.port.berths[call.berth].shade_on_quay for call in world.schedule.calls]
        assert 12 <= len(on_quay) <= 18
        assert 0.35 <= np.mean(on_quay) <= 0.65
        sun = np.radians(world.looks[0].light.sun_azimuth_grid_deg)
        for berth in world.port.berths:
            outward = np.radians(berth.outward_deg)
            towards = np.cos(outward - sun)
            assert bool(towards > 0.5) == berth.shade_on_quay
            assert abs(towards) > 0.5


def test_calls_never_meet_at_a_berth_and_fill_goes_the_right_way():
    options = SimOptions(seed=11, loading_share=0.5, days=60)
    ships = draw_fleet(options)
    calls = draw_calls(options, ships)
    assert {call.fill_departure > call.fill_arrival for call in calls} == {True, False}
    for one in calls:
        for other in calls:
            if one is not other and (one.berth == other.berth or one.vessel_id == other.vessel_id):
                assert one.departure < other.arrival or other.departure < one.arrival
        middle = one.arrival + (one.departure - one.arrival) / 2
        ends = sorted((one.fill_arrival, one.fill_departure))
        assert ends[0] < one.fill_at(middle) < ends[1]


def test_ships_have_the_proportions_of_small_tankers():
    ships = [s for seed in range(12) for s in draw_fleet(SimOptions(seed=seed))]
    length = np.array([ship.length_m for ship in ships])
    assert length.min() >= 84
    assert length.max() <= 190
    assert np.mean(length < 130) > 0.7
    assert 2500 < np.median([ship.dwt_t for ship in ships if ship.length_m < 130]) < 9000
    for ship in ships:
        assert 4.8 < ship.length_m / ship.beam_m < 7.5
        assert ship.ballast_draught_m < ship.design_draught_m < ship.depth_m
        assert ship.fill_at(ship.ballast_draught_m) == pytest.approx(0.0, abs=1e-9)
        assert ship.fill_at(ship.design_draught_m) == pytest.approx(1.0)
        assert ship.draught_at(0.5) == pytest.approx(
            (ship.ballast_draught_m + ship.design_draught_m) / 2, rel=0.06
        )
    assert 0.1 < np.mean([not ship.listed for ship in ships]) < 0.5


def test_the_fleet_file_lists_some_ships_not_all(campaign, truth):
    fleet = pd.read_csv(campaign / "fleet.csv")
    known = {ship["vessel_id"] for ship in truth["ships"] if ship["listed"]}
    assert set(fleet["vessel_id"]) == known
    assert len(known) >= 1


def test_switching_one_nuisance_off_leaves_the_rest():
    with_all, without = build_world(SMALL), build_world(SMALL.without("clouds"))
    assert with_all.schedule.calls == without.schedule.calls
    assert [plan.scene_id for plan in with_all.looks] == [plan.scene_id for plan in without.looks]
    assert [plan.sun for plan in with_all.looks] == [plan.sun for plan in without.looks]
    assert all(plan.cloud_cover == 0 for plan in without.looks)


def test_served_masks_have_faults_that_can_be_switched_off():
    options = replace(SMALL, looks=6, days=24, clouds=0.4)
    kinds = {"missed": 0, "invented": 0, "clean": 0}
    for chosen in (options, options.without("mask_faults")):
        world = build_world(chosen)
        for plan in world.looks:
            _, mask, told = render_look(world, plan)
            clear = 1 - mask[5].mean() - mask[2].mean() - mask[3].mean()
            gap = abs(clear - told["clear_fraction"])
            if chosen is options:
                kinds["missed"] += clear > told["clear_fraction"] + 0.02
                kinds["invented"] += bool(plan.bright_fault and told["vessels"])
            else:
                kinds["clean"] += gap < 0.08
    assert kinds["missed"] > 0
    assert kinds["clean"] >= 5


def test_a_clear_sky_is_never_called_cloud_but_over_ships():
    clear = np.zeros((120, 120))
    fields = {"alpha": clear, "shade": clear, "valid": clear == 0, "bright": clear > 0}
    for seed in range(12):
        mask = usable_data(fields, np.random.default_rng(seed), faults=True)
        assert mask[0].all()
        assert not mask[[1, 2, 3, 4, 5, 7]].any()


def test_bright_ships_are_sometimes_called_cloud():
    options = replace(SMALL, looks=24, days=24).without("clouds")
    world = build_world(options)
    faulty = [plan for plan in world.looks if plan.bright_fault]
    assert 3 <= len(faulty) <= 16
    assert any(render_look(world, plan)[1][5].any() for plan in faulty)
    sober = build_world(options.without("mask_faults"))
    assert not any(render_look(sober, plan)[1][5].any() for plan in sober.looks[::6])


def test_scenes_may_end_within_the_area():
    options = replace(SMALL, looks=40, days=40).without("clouds")
    world = build_world(options)
    cut = [plan for plan in world.looks if plan.edge is not None]
    assert 1 <= len(cut) <= 15
    dn, mask, _ = render_look(world, cut[0])
    assert (dn == 0).any()
    np.testing.assert_array_equal(dn[0] == 0, mask[7] == 1)
    whole = build_world(options.without("nodata_edges"))
    assert all(plan.edge is None for plan in whole.looks)


def test_looks_fall_in_the_period_in_the_morning():
    for sensor in ("planetscope", "sentinel-2", "both"):
        options = SimOptions(sensor=sensor, seed=5)
        looks = plan_looks(options)
        assert len({plan.scene_id for plan in looks}) == len(looks)
        for plan in looks:
            assert 0 <= (plan.when.date() - pd.Timestamp(options.start).date()).days < options.days
            assert 15 < plan.sun.elevation_deg < 75
            assert 90 < plan.sun.azimuth_deg < 180
    assert len(plan_looks(SimOptions())) == 36


def test_streams_do_not_depend_on_each_other():
    options = SimOptions()
    first = stream(options, "a").random(3)
    stream(options, "b").random(100)
    np.testing.assert_array_equal(first, stream(options, "a").random(3))
    assert not np.array_equal(first, stream(options, "b").random(3))


def test_the_port_follows_the_sun_and_the_area():
    turn = convergence_deg(SMALL)
    assert turn == pytest.approx(-1.3, abs=0.1)
    port = build_port(SMALL, 140.0)
    assert len(port.berths) == 2
    for berth in port.berths:
        assert abs(berth.x_m) < SMALL.extent_m / 2
        assert abs(berth.y_m) < SMALL.extent_m / 2
