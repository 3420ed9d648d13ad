"""The judge, judged: runs made by hand whose score is known."""

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shapely
import shapely.affinity

from eo.core.errors import CampaignError
from eo.core.grid import LONLAT, project_geometry
from eo.sim import format_score, score, score_many
from eo.sim.labels import axis_of, read_truth

DATA = Path(__file__).parents[2] / "shared" / "data"
UTM = "EPSG:32653"
CENTRE = (342_000.0, 4_733_000.0)
DAY = dt.datetime(2024, 3, 4, 1, tzinfo=dt.UTC)


def hull(east=0.0, north=0.0, length=120.0, beam=20.0, bearing=40.0):
    """A rectangle in metres from CENTRE."""
    shape = shapely.box(-beam / 2, -length / 2, beam / 2, length / 2)
    shape = shapely.affinity.rotate(shape, -bearing, origin=(0, 0))
    return shapely.affinity.translate(shape, CENTRE[0] + east, CENTRE[1] + north)


def lonlat(shape):
    return project_geometry(shapely.geometry.mapping(shape), UTM, LONLAT)


def detection(number, shape, scene="s1", **changes):
    outline = lonlat(shape)
    length, beam, heading = axis_of(outline)
    row = {
        "detection_id": f"d{number}",
        "scene_id": scene,
        "length_m": length,
        "beam_m": beam,
        "heading_deg": heading,
        "heading_is_bow": False,
        "fill_status": "no-shadow",
        "fill": None,
        "fill_p05": None,
        "fill_p95": None,
        "freeboard_m": None,
        "freeboard_sd_m": None,
        "geometry": shapely.to_wkb(outline),
    }
    return row | changes


CALLS = {
    "call_id": str,
    "vessel_id": str,
    "berth": str,
    "first_seen": "datetime64[us, UTC]",
    "last_seen": "datetime64[us, UTC]",
    "direction": str,
    "barrels_p05": float,
    "barrels_p50": float,
    "barrels_p95": float,
}


def run_of(folder, detections, scenes=("s1",), calls=(), status="used"):
    folder.mkdir()
    pd.DataFrame({"scene_id": list(scenes), "item_id": list(scenes), "status": status}).to_parquet(
        folder / "scenes.parquet"
    )
    columns = list(detection(0, hull()))
    pd.DataFrame(list(detections), columns=columns).to_parquet(folder / "detections.parquet")
    pd.DataFrame(list(calls), columns=list(CALLS)).astype(CALLS).to_parquet(
        folder / "calls.parquet"
    )
    totals = {"period": ["2024-03", "all"]}
    for name in ("barrels_seen", "barrels_est", "calls_est"):
        totals |= {f"{name}_{level}": [1.0, value] for level, value in
                   (("p05", 10.0), ("p50", 20.0), ("p95", 50_000.0))}  # fmt: skip
    pd.DataFrame(totals).to_parquet(folder / "totals.parquet")
    return folder


def labels_of(path, shapes):
    features = [
        {
            "type": "Feature",
            "properties": {"class": "vessel"},
            "geometry": json.loads(shapely.to_geojson(lonlat(shape))),
        }
        for shape in shapes
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def vessel(name, shape, **changes):
    outline = lonlat(shape)
    length, beam, heading = axis_of(outline)
    return {
        "vessel": name,
        "class": "tanker",
        "call_id": None,
        "berth": None,
        "geometry": json.loads(shapely.to_geojson(outline)),
        "length_m": length,
        "beam_m": beam,
        "heading_deg": heading,
        "freeboard_m": None,
        "fill": None,
        "clear_fraction": 1.0,
        "is_shade_on_quay": False,
    } | changes


def truth_of(path, vessels, calls=()):
    data = {
        "options": {"epsg": 32653},
        "period": "2024-03-01/2024-03-31",
        "scenes": [{"scene_id": "s1", "vessels": list(vessels)}],
        "calls": list(calls),
        "totals": {"calls": len(calls), "barrels": 0.0},
    }
    path.write_text(json.dumps(data))
    return path


def test_a_perfect_run_scores_one(tmp_path):
    shapes = [hull(), hull(300.0, 50.0, 90.0, 15.0, 120.0)]
    run = run_of(tmp_path / "run", [detection(i, s) for i, s in enumerate(shapes)])
    result = score(run, labels_of(tmp_path / "labels.geojson", shapes))
    assert (result.recall, result.precision, result.f1) == (1.0, 1.0, 1.0)
    for name in ("length_error_m", "beam_error_m", "heading_error_deg", "offset_m"):
        assert result.rmse(name) == pytest.approx(0.0, abs=1e-6)
    assert "F1 1.000" in format_score(result)


@pytest.mark.parametrize(
    ("along", "across", "hit"),
    [(29, 0, True), (0, 29.5, True), (0, 31, False), (36, 0, True), (95, 0, False)],
)
def test_a_hit_is_near_or_overlaps(tmp_path, along, across, hit):
    """A ship of 120 m: 30 m off is near; 36 m along still overlaps by more than 0.2."""
    label = hull(bearing=0.0)
    run = run_of(tmp_path / "run", [detection(0, hull(across, along, bearing=0.0))])
    result = score(run, labels_of(tmp_path / "labels.geojson", [label]))
    assert len(result.hits) == int(hit)
    assert len(result.missed) == len(result.false) == int(not hit)


def test_a_quarter_of_a_long_ship_is_more_than_thirty_metres(tmp_path):
    label = hull(length=240.0, beam=32.0, bearing=0.0)
    run = run_of(tmp_path / "run", [detection(0, hull(55.0, 0.0, 200.0, 30.0, 0.0))])
    assert score(run, labels_of(tmp_path / "labels.geojson", [label])).recall == 1.0


def test_matching_is_one_to_one(tmp_path):
    """Two detections on one ship: one is false. One detection between two ships: one is missed."""
    run = run_of(tmp_path / "twice", [detection(0, hull()), detection(1, hull(5.0, 5.0))])
    result = score(run, labels_of(tmp_path / "one.geojson", [hull()]))
    assert (len(result.hits), len(result.missed), len(result.false)) == (1, 0, 1)
    assert result.hits[0].detection_id == "d0"
    run = run_of(tmp_path / "once", [detection(0, hull())])
    pair = [hull(-12.0, 10.0), hull(10.0, -10.0)]
    result = score(run, labels_of(tmp_path / "two.geojson", pair))
    assert (len(result.hits), len(result.missed), len(result.false)) == (1, 1, 0)


def test_most_hits_are_preferred_to_the_nearest_pair(tmp_path):
    """Greedy matching would take the nearest pair and leave the other two alone."""
    run = run_of(tmp_path / "run", [detection(0, hull(0.0)), detection(1, hull(26.0))])
    result = score(run, labels_of(tmp_path / "labels.geojson", [hull(2.0), hull(-24.0)]))
    assert len(result.hits) == 2


def test_short_vessels_count_neither_way(tmp_path):
    tug, ship = hull(400.0, 0.0, 52.0, 14.0), hull()
    found = [detection(0, ship), detection(1, hull(-500.0, 0.0, 40.0, 9.0))]
    found.append(detection(2, hull(400.0, 0.0, 63.0, 15.0)))
    result = score(run_of(tmp_path / "run", found), labels_of(tmp_path / "l.geojson", [tug, ship]))
    assert (len(result.hits), len(result.missed), len(result.false)) == (1, 0, 0)


def test_hulls_partly_hidden_count_neither_way(tmp_path):
    hidden = vessel("hidden", hull(400.0), clear_fraction=0.6)
    truth = truth_of(tmp_path / "truth.json", [vessel("seen", hull()), hidden])
    run = run_of(tmp_path / "run", [detection(0, hull()), detection(1, hull(400.0))])
    result = score(run, truth)
    assert (len(result.hits), len(result.missed), len(result.false)) == (1, 0, 0)
    result = score(run_of(tmp_path / "other", [detection(0, hull())]), truth)
    assert (result.recall, result.precision) == (1.0, 1.0)


def test_headings_are_compared_modulo_180_and_bows_apart(tmp_path):
    truth = truth_of(tmp_path / "truth.json", [vessel("v", hull(), heading_deg=359.0)])
    there = detection(0, hull(), heading_deg=1.0, heading_is_bow=True)
    hit = score(run_of(tmp_path / "a", [there]), truth).hits[0]
    assert hit.heading_error_deg == pytest.approx(2.0)
    assert hit.bow_right is True
    there = detection(0, hull(), heading_deg=181.0, heading_is_bow=True)
    hit = score(run_of(tmp_path / "b", [there]), truth).hits[0]
    assert hit.heading_error_deg == pytest.approx(2.0)
    assert hit.bow_right is False


def test_fill_errors_bias_and_coverage(tmp_path):
    places = [hull(300.0 * i) for i in range(3)]
    fills = [0.0, 0.5, 0.9]
    truth = truth_of(
        tmp_path / "truth.json",
        [
            vessel(f"v{i}", place, fill=fill, freeboard_m=4.0, is_shade_on_quay=i == 0,
                   berth="b", call_id=None)
            for i, (place, fill) in enumerate(zip(places, fills, strict=True))
        ],
    )  # fmt: skip
    said = [
        {"fill": 0.1, "fill_p05": -0.05, "fill_p95": 0.3, "freeboard_m": 3.0},
        {"fill": 0.7, "fill_p05": 0.6, "fill_p95": 0.8, "freeboard_m": 4.5},
    ]
    rows = [
        detection(i, places[i], fill_status="measured", freeboard_sd_m=0.5, **values)
        for i, values in enumerate(said)
    ]
    rows.append(detection(2, places[2]))
    result = score(run_of(tmp_path / "run", rows), truth)
    assert result.rmse("fill_error") == pytest.approx(np.sqrt((0.01 + 0.04) / 2))
    assert result.mean("fill_error") == pytest.approx(0.15)
    assert result.mean("fill_covered") == 0.5
    assert result.mean("freeboard_error_m") == pytest.approx(-0.25)
    text = format_score(result)
    assert "all: measured 2 of 3" in text
    assert "shade on quay: measured 1 of 1" in text
    assert "holds 50 %" in text


def test_points_are_hit_within_a_quarter_of_the_detection(tmp_path):
    middle = shapely.Point(*CENTRE)
    labels = labels_of(tmp_path / "labels.geojson", [middle])
    far = run_of(tmp_path / "far", [detection(0, hull(48.0, 0.0, 160.0))])
    assert score(far, labels).recall == 0.0
    near = score(run_of(tmp_path / "near", [detection(0, hull(48.0, 0.0, 200.0))]), labels)
    assert near.recall == 1.0
    assert near.rmse("length_error_m") is None
    assert "true fill not known" in format_score(near)


def true_call(number, berth, day, listed=True):
    start = DAY + dt.timedelta(days=day)
    return {
        "call_id": f"c{number}",
        "vessel_id": f"v{number}",
        "listed": listed,
        "berth": berth,
        "arrival": start.isoformat(),
        "departure": (start + dt.timedelta(days=2)).isoformat(),
        "barrels": 20_000.0,
        "direction": "loading",
    }


def call_row(number, berth, day, vessel_id, high=30_000.0):
    seen = DAY + dt.timedelta(days=day)
    return {
        "call_id": f"r{number}",
        "vessel_id": vessel_id,
        "berth": berth,
        "first_seen": seen,
        "last_seen": seen,
        "direction": "loading",
        "barrels_p05": 15_000.0,
        "barrels_p50": 19_000.0,
        "barrels_p95": high,
    }


def test_calls_are_matched_by_berth_and_time(tmp_path):
    calls = [true_call(0, "a", 0), true_call(1, "b", 0), true_call(2, "a", 5, listed=False)]
    seen = [vessel(f"v{i}", hull(300.0 * i), call_id=f"c{i}", berth="a") for i in (0, 2)]
    truth = truth_of(tmp_path / "truth.json", seen, calls)
    rows = [
        call_row(0, "a", 1.0, "v0"),
        call_row(1, "b", 1.0, "u-1"),
        call_row(2, "a", 6.0, "v9", high=16_000.0),
        call_row(3, "a", 12.0, "u-2"),
    ]
    found = [detection(i, hull(300.0 * i)) for i in (0, 2)]
    result = score(run_of(tmp_path / "run", found, calls=rows), truth)
    calls_score = result.calls
    assert calls_score is not None
    assert (calls_score.true, calls_score.visible, calls_score.found) == (3, 2, 2)
    assert (calls_score.also_found, calls_score.false) == (1, 1)
    assert (calls_score.identified, calls_score.misnamed) == (1, 1)
    assert (calls_score.barrels_stated, calls_score.barrels_covered) == (2, 1)
    assert calls_score.est_barrels_covered == 0
    assert "calls: 3 true, 2 of them visible, 2 found" in format_score(result)


def test_a_run_without_calls_or_detections(tmp_path):
    truth = truth_of(tmp_path / "truth.json", [vessel("v", hull())], [true_call(0, "a", 0)])
    result = score(run_of(tmp_path / "run", []), truth)
    assert (result.recall, result.precision, result.f1) == (0.0, None, 0.0)
    assert "recall 0.000  precision -" in format_score(result, detail=True)


def test_runs_are_pooled(tmp_path):
    one = run_of(tmp_path / "one", [detection(0, hull())])
    two = run_of(tmp_path / "two", [])
    labels = labels_of(tmp_path / "labels.geojson", [hull()])
    pooled = score_many([(one, labels), (two, labels)])
    assert (pooled.recall, pooled.precision, pooled.scenes) == (0.5, 1.0, 2)


def test_labels_belong_to_the_item_beside_them(tmp_path):
    folder = tmp_path / "port"
    folder.mkdir()
    (folder / "item.json").write_text(json.dumps({"id": "s2"}))
    labels_of(folder / "labels.geojson", [hull()])
    run = run_of(tmp_path / "run", [detection(0, hull(), scene="s2")], scenes=("s1", "s2"))
    assert score(run, tmp_path).recall == 1.0
    (tmp_path / "catalog.json").write_text("{}")
    assert score(run, tmp_path / "catalog.json").recall == 1.0


def test_what_cannot_be_compared_is_refused(tmp_path):
    labels = labels_of(tmp_path / "labels.geojson", [hull()])
    with pytest.raises(CampaignError, match="no finished run"):
        score(tmp_path / "nowhere", labels)
    run = run_of(tmp_path / "run", [], scenes=("s1", "s2"))
    with pytest.raises(CampaignError, match="2 scenes"):
        score(run, labels)
    other = run_of(tmp_path / "other", [], scenes=("s7",))
    with pytest.raises(CampaignError, match="no scene in common"):
        score(other, truth_of(tmp_path / "truth.json", []))
    with pytest.raises(CampaignError, match="does not exist"):
        read_truth(tmp_path / "absent.json")
    (tmp_path / "bad.json").write_text("<html>")
    with pytest.raises(CampaignError, match="not JSON"):
        read_truth(tmp_path / "bad.json")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CampaignError, match="neither"):
        read_truth(tmp_path / "empty")


def test_axis_of_a_known_hull():
    """Grid north at the place lies 1.3 degrees west of true north."""
    length, beam, heading = axis_of(lonlat(hull(0.0, 0.0, 120.0, 20.0, 40.0)))
    assert length == pytest.approx(120.0, abs=0.01)
    assert beam == pytest.approx(20.0, abs=0.01)
    assert heading == pytest.approx(40.0 - 1.31, abs=0.05)


@pytest.mark.data
def test_the_labelled_ports_are_read():
    if not (DATA / "ports-s2").is_dir():
        pytest.skip("the real inputs are not in ../shared/data")
    known = read_truth(DATA / "ports-s2" / "catalog.json")
    assert len(known.scenes) == 5
    assert sum(len(labels) for labels in known.scenes.values()) == 129
    points = read_truth(DATA / "anchorage-planet")
    (labels,) = points.scenes.values()
    assert [label.outline.geom_type for label in labels] == ["Point"] * 4
    assert all(replace(label).length_m is None for label in labels)
