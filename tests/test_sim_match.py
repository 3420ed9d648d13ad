"""Rows of matched vessels and the figures made of them, held against runs made by hand."""

import argparse
import datetime as dt
import importlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shapely
import shapely.affinity

from eo.core.errors import CampaignError
from eo.core.grid import LONLAT, project_geometry
from eo.sim.labels import axis_of
from eo.sim.match import match_vessels
from eo.sim.optics import sun_at

UTM = "EPSG:32653"
CENTRE = (342_000.0, 4_733_000.0)
BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


def hull(east=0.0, north=0.0, length=120.0, beam=20.0, bearing=40.0):
    shape = shapely.box(-beam / 2, -length / 2, beam / 2, length / 2)
    shape = shapely.affinity.rotate(shape, -bearing, origin=(0, 0))
    shape = shapely.affinity.translate(shape, CENTRE[0] + east, CENTRE[1] + north)
    return project_geometry(shapely.geometry.mapping(shape), UTM, LONLAT)


def vessel(name, outline, **changes):
    length, beam, heading = axis_of(outline)
    return {
        "vessel": name,
        "class": "tanker",
        "call_id": "c1",
        "berth": "berth-1",
        "lon": outline.centroid.x,
        "lat": outline.centroid.y,
        "geometry": json.loads(shapely.to_geojson(outline)),
        "length_m": length,
        "beam_m": beam,
        "heading_deg": heading,
        "draught_m": 5.0,
        "freeboard_m": 4.0,
        "fill": 0.3,
        "clear_fraction": 1.0,
        "is_shade_on_quay": False,
        "quay_m": 3.0,
        "heel_deg": 0.2,
        "trim_m": 0.5,
    } | changes


def detection(number, outline, **changes):
    length, beam, heading = axis_of(outline)
    return {
        "detection_id": f"d{number}",
        "scene_id": "s1",
        "length_m": length,
        "beam_m": beam,
        "heading_deg": heading,
        "geometry": shapely.to_wkb(outline),
        "fill_status": "measured",
        "vessel_id": "v1",
        "vessel_p": 0.9,
        "freeboard_m": 4.2,
        "freeboard_sd_m": 0.3,
        "freeboard_bound_m": None,
        "draught_m": 4.8,
        "fill": 0.25,
        "fill_p05": 0.1,
        "fill_p50": 0.25,
        "fill_p95": 0.4,
        "tanker_p": 0.9,
        "clear_fraction": 1.0,
    } | changes


def written(tmp_path, vessels, detections):
    scene = {
        "scene_id": "s1",
        "datetime": "2024-03-04T01:00:00+00:00",
        "sensor": "planetscope",
        "sun_elevation_deg": 30.0,
        "sun_azimuth_deg": 130.0,
        "zenith_deg": 2.0,
        "view_azimuth_deg": 100.0,
        "psf_sigma_px": 0.6,
        "aerosol": 0.1,
        "wind_m_s": 4.0,
        "vessels": vessels,
    }
    truth = {
        "period": "2024-03-01/2024-03-31",
        "ships": [{"vessel_id": "v1", "listed": True}, {"vessel_id": "v2", "listed": False}],
        "scenes": [scene, scene | {"scene_id": "elsewhere"}],
        "calls": [],
        "totals": {},
    }
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    pd.DataFrame({"scene_id": ["s1"], "item_id": ["s1"], "gsd_m": [3.0]}).to_parquet(
        tmp_path / "scenes.parquet"
    )
    pd.DataFrame(detections, columns=list(detection(0, hull()))).to_parquet(
        tmp_path / "detections.parquet"
    )
    said = {"status": "measured", "strip_width_sd_m": 0.4, "metres_per_metre": 2.0, "rows": 20}
    stored = [{"detection_id": row["detection_id"], "freeboard": said} for row in detections]
    (tmp_path / "sightings.json").write_text(json.dumps({"sightings": stored}))
    return match_vessels(tmp_path, tmp_path)


def test_a_row_holds_truth_and_estimate_side_by_side(tmp_path):
    (row,) = written(tmp_path, [vessel("v1", hull())], [detection(1, hull(north=6.0))])
    assert row["true_freeboard_m"] == 4.0
    assert row["freeboard_m"] == 4.2
    assert row["fill_p95"] == 0.4
    assert row["listed"] is True
    assert row["gsd_m"] == 3.0
    assert row["offset_m"] == pytest.approx(6.0, abs=0.05)
    assert row["bound_m"] == pytest.approx(0.2)  # of the strip, for want of the run's own
    assert row["sine"] == pytest.approx(abs(np.sin(np.radians(130.0 - 38.69))), abs=1e-3)
    assert row["heading_error_deg"] == pytest.approx(0.0, abs=0.01)


def test_the_runs_own_bound_comes_first(tmp_path):
    found = detection(1, hull(), freeboard_bound_m=0.07)
    assert written(tmp_path, [vessel("v1", hull())], [found])[0]["bound_m"] == 0.07


def test_ships_not_found_have_rows_and_hidden_or_foreign_ones_have_none(tmp_path):
    far = hull(north=400.0)
    there = [
        vessel("v1", hull()),
        vessel("v2", far),
        vessel("v3", hull(north=-400.0), clear_fraction=0.8),
        vessel("c1", hull(east=400.0), **{"class": "cargo"}),
    ]
    rows = written(tmp_path, there, [detection(1, hull())])
    assert [row["vessel"] for row in rows] == ["v1", "v2"]
    assert [row["fill_status"] for row in rows] == ["measured", "not-found"]
    assert [row["listed"] for row in rows] == [True, False]


def test_craft_alongside_are_counted(tmp_path):
    tug = hull(east=18.0, length=30.0, beam=9.0)
    away = hull(east=500.0, length=30.0, beam=9.0)
    there = [vessel("v1", hull()), *(vessel("t", t, **{"class": "tug"}) for t in (tug, away))]
    assert written(tmp_path, there, [])[0]["craft_near"] == 1


def test_two_ships_get_one_detection_each(tmp_path):
    east = hull(east=30.0)
    there = [vessel("v1", hull()), vessel("v2", east)]
    rows = written(tmp_path, there, [detection(1, east), detection(2, hull())])
    assert [row["detection_id"] for row in rows] == ["d2", "d1"]


def test_a_run_that_is_none_is_refused(tmp_path):
    written(tmp_path, [vessel("v1", hull())], [])
    (tmp_path / "detections.parquet").unlink()
    with pytest.raises(CampaignError, match="no finished run"):
        match_vessels(tmp_path, tmp_path)


def drawn_rows(count, spread, sun=30.0, gsd=3.0, bias=0.0):
    rng = np.random.default_rng(5)
    rows = []
    for number in range(count):
        error = bias + spread * rng.standard_normal()
        rows += [
            {
                "season": "low-0",
                "clean": False,
                "with_fleet": with_fleet,
                "vessel": f"v{number % 10}",
                "sun_elevation_deg": sun,
                "gsd_m": gsd,
                "on_quay": number % 2 == 0,
                "listed": True,
                "true_quay_m": (1.0, 3.9)[number % 4 == 0],
                "fill_status": "measured" if number % 4 else "occupied",
                "true_freeboard_m": 4.0,
                "freeboard_m": 4.0 + error if number % 4 else None,
                "freeboard_sd_m": spread,
                "bound_m": 0.5 * spread,
                "true_fill": 0.5,
                "fill": 0.5 + 0.3 * error,
                "fill_p05": 0.5 + 0.3 * error - 0.3 * 1.645 * spread,
                "fill_p95": 0.5 + 0.3 * error + 0.3 * 1.645 * spread,
            }
            for with_fleet in (True, False)
        ]
    return rows


def test_figures_of_drawn_errors_are_those_they_were_drawn_with(bench):
    tables = bench("freeboard_tables")
    figures = tables.summarise(drawn_rows(2000, 0.2))
    whole = next(f for f in figures if f["shade"] == "all" and f["with_fleet"])
    assert whole["clear_looks"] == 2000
    assert whole["measured_share"] == pytest.approx(0.75)
    assert whole["freeboard_rmse_m"] == pytest.approx(0.2, rel=0.05)
    assert whole["freeboard_bias_m"] == pytest.approx(0.0, abs=0.02)
    assert whole["rmse_over_bound"] == pytest.approx(2.0, rel=0.05)
    assert whole["fill_rmse"] == pytest.approx(0.06, rel=0.05)
    assert whole["freeboard_90_holds"] == pytest.approx(0.9, abs=0.025)
    assert whole["fill_90_holds"] == pytest.approx(whole["freeboard_90_holds"])
    assert whole["fill_90_se"] == pytest.approx(np.sqrt(0.09 / 1500), rel=0.2)
    assert whole["statuses"] == {"measured": 1500, "occupied": 500}
    text = tables.format_tables(figures)
    line = next(line for line in text.splitlines() if line.startswith("low      yes   all"))
    assert line.endswith("  met")
    above = next(f for f in figures if f["shade"] == "quay+1m" and f["with_fleet"])
    assert above["clear_looks"] == 500  # half lie at a quay, half of these well above it


def test_rows_go_to_the_group_of_their_own_sun(bench):
    tables = bench("freeboard_tables")
    rows = (
        drawn_rows(8, 0.2, sun=34.9)
        + drawn_rows(8, 0.2, sun=35.1)
        + drawn_rows(8, 0.2, sun=56.0)
        + drawn_rows(8, 0.2, sun=20.0, gsd=10.0)
    )
    assert [f["group"] for f in tables.summarise(rows) if f["shade"] == "all"] == [
        name for name in ("low", "mid", "high", "ten") for _ in range(2)
    ]


def test_what_misses_an_aim_is_named(bench):
    tables = bench("freeboard_tables")
    text = tables.format_tables(tables.summarise(drawn_rows(400, 0.2, bias=0.4)))
    first = next(line for line in text.splitlines() if line.startswith("low      yes   all"))
    for name in ("freeboard_rmse_m", "bias", "freeboard_90_holds", "(of 300 only)"):
        assert name in first
    assert tables.summarise([]) == []


@pytest.mark.parametrize("group", ["low", "mid", "high", "ten"])
def test_a_seasons_sun_stays_in_its_group(bench, group):
    seasons = bench("freeboard_seasons")
    _, low, high = seasons.GROUPS[group]
    for seed in (0, 1000):
        options = seasons.season_options(group, seed, looks=12)
        assert options.ships == 10
        assert options.berths == 8
        assert not options.nuisances.clouds
        start = dt.datetime.fromisoformat(options.start).replace(tzinfo=dt.UTC)
        middle = start + dt.timedelta(days=6, hours=10.4 - options.centre[0] / 15)
        sun = sun_at(middle, *options.centre)
        assert low < sun.elevation_deg < high


def test_clean_seasons_keep_noise_alone(bench):
    options = bench("freeboard_seasons").season_options("low", 3, clean=True)
    assert options.nuisances.noise
    assert sum(vars(options.nuisances).values()) == 1


def test_tables_are_of_judging_seeds_and_of_seasons_of_one_length(bench):
    accuracy = bench("freeboard_accuracy")
    asked = argparse.Namespace(quick=False, looks=30, clouds=0.0)
    rows = [
        {"season": f"s{seed}-{looks}", "seed": seed, "looks": looks, "clouds": 0.0}
        for seed in (3, 1003)
        for looks in (8, 30)
    ]
    kind, chosen = accuracy.pooled(rows, asked, [])
    assert (kind, [row["season"] for row in chosen]) == ("judging seeds", ["s1003-30"])
    kind, chosen = accuracy.pooled(rows[:2], asked, [])
    assert (kind, [row["season"] for row in chosen]) == ("development seeds", ["s3-30"])
    asked.quick = True
    assert [r["season"] for r in accuracy.pooled(rows, asked, ["s3-8"])[1]] == ["s3-8"]


def test_development_and_judging_seeds_do_not_mix(bench):
    accuracy = bench("freeboard_accuracy")
    assert accuracy.seeds_of("3:6") == [3, 4, 5]
    assert accuracy.seeds_of("1002") == [1002]
    for text in ("90:110", "200", "2000"):
        with pytest.raises(argparse.ArgumentTypeError):
            accuracy.seeds_of(text)
