"""Berths files: read as meant, refused with the reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from eo.access.berths import read_berths
from eo.core.errors import CampaignError

SQUARE = [[[133.06, 42.72], [133.07, 42.72], [133.07, 42.73], [133.06, 42.73], [133.06, 42.72]]]
BOW_TIE = [[[133.06, 42.72], [133.07, 42.73], [133.07, 42.72], [133.06, 42.73], [133.06, 42.72]]]


def feature(coordinates: Any = SQUARE, kind: str = "Polygon", **properties: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "properties": properties,
        "geometry": {"type": kind, "coordinates": coordinates},
    }


def written(tmp_path: Path, data: Any) -> Path:
    path = tmp_path / "berths.geojson"
    path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return path


def collection(*features: Any, **more: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features), **more}


def test_names_come_from_name_berth_or_id(tmp_path: Path) -> None:
    data = collection(
        feature(name="East", id=9), feature(berth="West"), feature([SQUARE], "MultiPolygon", id=3)
    )
    berths = read_berths(written(tmp_path, data))
    assert [b.name for b in berths] == ["East", "West", "3"]
    assert berths[0].geometry["type"] == "Polygon"


def test_heights_are_dropped(tmp_path: Path) -> None:
    raised = [[[*point, 4.0] for point in SQUARE[0]]]
    (berth,) = read_berths(written(tmp_path, collection(feature(raised, name="A"))))
    assert all(len(point) == 2 for point in berth.geometry["coordinates"][0])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("{", "not JSON"),
        ([1], "FeatureCollection"),
        (feature(name="A"), "FeatureCollection"),
        (collection(), "no feature"),
        (collection("x"), "expected a Feature"),
        (collection(feature()), "no name"),
        (collection(feature(name=True)), "no name"),
        (collection(feature(name="  ")), "no name"),
        (collection(feature(name="anchorage")), "whole area"),
        (collection(feature(name="A"), feature(name="A")), "twice"),
        (collection(feature([133.0, 42.7], "Point", name="A")), "must be a polygon"),
        (collection(feature(BOW_TIE, name="A")), "not valid"),
        (collection(feature([], name="A")), "empty"),
        (collection(feature([[[1]]], name="A")), "not GeoJSON"),
        (collection({**feature(name="A"), "geometry": None}), "not GeoJSON"),
        (
            collection(
                feature([[[4e5, 4.7e6], [4.1e5, 4.7e6], [4.1e5, 4.8e6], [4e5, 4.7e6]]], name="A")
            ),
            "longitude",
        ),
        (collection(feature(name="A"), crs={"properties": {"name": "EPSG:32652"}}), "reproject"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, data: Any, words: str) -> None:
    with pytest.raises(CampaignError, match=words):
        read_berths(written(tmp_path, data))


def test_an_absent_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(CampaignError, match="does not exist"):
        read_berths(tmp_path / "none.geojson")
