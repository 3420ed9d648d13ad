"""Looks: clear, partly, cloudy and outside are told apart, and no look is made up."""

from __future__ import annotations

import pytest
from made_up import scene_row, sighting

from eo.core.records import Berth, WaterCount
from eo.core.rows import Look, SceneRow
from eo.stages.looks import look_rows

BERTHS = (Berth(name="1", geometry={}), Berth(name="2", geometry={}))


def count(
    clear: float, *, berth: str = "anchorage", covered: float = 120.0, water: float = 100.0
) -> WaterCount:
    return WaterCount(
        berth=berth, water_px=water, clear_px=clear, covered_px=covered, area_px=120.0
    )


def one(scene: SceneRow, counts: list[WaterCount] | None, **more: object) -> Look:
    given = {} if counts is None else {scene.scene_id: counts}
    (row,) = look_rows([scene], given, more.get("sightings", []), ())  # type: ignore[arg-type]
    return row


@pytest.mark.parametrize(
    ("clear", "status"),
    [(100, "clear"), (90, "clear"), (89, "partly"), (2, "partly"), (1.9, "cloudy"), (0, "cloudy")],
)
def test_status_follows_the_clear_share(clear: float, status: str) -> None:
    row = one(scene_row("a"), [count(clear)])
    assert row.status == status
    assert row.clear_fraction == pytest.approx(clear / 100)
    assert row.vessels == (None if status == "cloudy" else 0)


def test_tiles_add_up() -> None:
    row = one(scene_row("a"), [count(100), count(0)])
    assert (row.status, row.clear_fraction) == ("partly", 0.5)


def test_a_scene_without_data_there_is_outside() -> None:
    for counts in ([count(0, covered=0.0)], [], None):
        row = one(scene_row("a"), counts)
        assert (row.status, row.clear_fraction, row.vessels) == ("outside", None, None)


def test_a_cloudy_scene_gives_cloudy_looks_and_a_failed_one_none() -> None:
    assert one(scene_row("a", status="cloudy"), None).status == "cloudy"
    assert one(scene_row("a", status="cloudy"), [count(60)]).status == "cloudy"
    assert one(scene_row("a", status="cloudy"), [count(0, covered=0.0)]).status == "outside"
    for status in ("failed", "skipped"):
        assert look_rows([scene_row("a", status=status)], {"a": [count(90)]}, [], ()) == []


def test_a_hull_that_fills_the_berth_leaves_no_water_but_was_seen() -> None:
    ship = sighting(0.0, "a")
    row = one(scene_row("a"), [count(0, water=0.0)], sightings=[ship])
    assert (row.status, row.clear_fraction, row.vessels) == ("partly", None, 1)


def test_vessels_are_counted_per_berth_from_60_m() -> None:
    seen = [
        sighting(0.0, "a", berth="1"),
        sighting(0.0, "a", berth="1", x=200),
        sighting(0.0, "a", berth="1", x=400, length=50),
        sighting(0.0, "a", berth="1", x=500, vessel_class="tug"),
        sighting(0.0, "a", berth=None, x=900),
    ]
    counts = {"a": [count(100, berth="1"), count(100, berth="2"), count(5, berth="")]}
    rows = look_rows([scene_row("a")], counts, seen, BERTHS)
    assert [(r.berth, r.vessels) for r in rows] == [("1", 2), ("2", 0)]


def test_rows_are_sorted_and_unknown_times_come_last() -> None:
    scenes = [scene_row("z", None), scene_row("b", 2.0), scene_row("a", 3.0)]
    counts = {s.scene_id: [count(100)] for s in scenes}
    assert [r.scene_id for r in look_rows(scenes, counts, [], ())] == ["b", "a", "z"]
