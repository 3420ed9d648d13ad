"""The report: whole, self-contained, escaped, the same bytes twice, sensible when empty."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import END, START, day, look, port_call, scene_row, sighting, vessel

from eo.core.config import Campaign
from eo.core.records import Chip, Sighting
from eo.core.rows import Detection
from eo.stages.report import ReportInput, render_report
from eo.stages.report_calendar import look_calendar
from eo.stages.totals import port_totals

EVIL = "<script>alert('x')</script>\"&"
VOID = {"meta", "br", "link", "img", "input", "hr", "image", "rect", "line", "circle", "polygon",
        "path", "use"}  # fmt: skip


class Checker(HTMLParser):
    """Collects tags, ids and links, and whether every tag is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        assert self.open.pop() == tag, tag


def campaign(**more: Any) -> Campaign:
    return Campaign(**{
        "name": "port", "aoi": {}, "start": START, "end": END, "catalog": "c",
        "collections": None, "fleet": None, "berths": None, "product": "diesel",
        "annual_cap_barrels": 500_000.0, "output": "out", **more,
    })  # fmt: skip


def detection(seen: Sighting, status: str = "measured") -> Detection:
    known = status == "measured"
    return Detection(
        detection_id=seen.detection_id, scene_id=seen.scene_id, datetime=seen.datetime,
        lon=seen.lon, lat=seen.lat, length_m=100.0, beam_m=16.0, heading_deg=30.0,
        heading_is_bow=False, berth=seen.berth, confidence=0.9, vessel_class="tanker",
        tanker_p=0.9, vessel_id=None, vessel_p=None, freeboard_m=3.0 if known else None,
        freeboard_sd_m=0.3 if known else None, draught_m=5.0 if known else None,
        fill=0.5 if known else None, fill_p05=0.4 if known else None,
        fill_p50=0.5 if known else None, fill_p95=0.6 if known else None, fill_status=status,
        length_sd_m=2.0, beam_sd_m=1.0, clear_fraction=1.0, acquisition_id=seen.acquisition_id,
        reference_id=None, outline_lonlat=seen.outline_lonlat,
    )  # fmt: skip


def report_input(number: int = 3, **more: Any) -> ReportInput:
    seen, calls = [], []
    for i in range(number):
        when = 2.0 + i * 260.0 / max(number, 1)
        one = sighting(when, f"s{i}", name=f"-{i}")
        chip = Chip(
            key="chip",
            map_to_pixel=(1 / 3, 0.0, 20 - one.hull.x_m / 3, 0.0, -1 / 3, 20 + one.hull.y_m / 3),
        )
        seen.append(replace(one, chip=chip))
        calls.append(
            port_call(
                i, when, after=when - 1, before=when + 1, detection_ids=(one.detection_id,),
                fill_arrival_p05=0.0, fill_arrival_p50=0.05, fill_arrival_p95=0.1,
                fill_departure_p05=0.8, fill_departure_p50=0.9, fill_departure_p95=1.0,
                of_interest=(True, False, None)[i % 3],
            )
        )  # fmt: skip
    looks = [look(d + 0.1, (1.0, 0.5, 0.0)[d % 3], vessels=d % 2) for d in range(0, 270, 2)]
    picture = np.full((40, 40, 3), 60, np.uint8)
    values: dict[str, Any] = {
        "campaign": campaign(),
        "scenes": [scene_row("a"), scene_row("b", status="cloudy")],
        "looks": looks,
        "detections": [detection(s, "measured" if i else "cloud") for i, s in enumerate(seen)],
        "calls": calls,
        "totals": port_totals(calls, [], looks, start=START, end=END),
        "sightings": {s.detection_id: s for s in seen},
        "chips": lambda _: picture,
        "fleet": [vessel("A", 90, 14, name="Alpha", of_interest=True)],
    }
    return ReportInput(**{**values, **more})


def page(result: ReportInput, tmp_path: Path) -> str:
    path = tmp_path / "report.html"
    path.write_text(render_report(result), encoding="utf-8")
    text = path.read_text(encoding="utf-8")
    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    ids = [a["id"] for t, a in checker.seen if "id" in a and t in {"h2", "h3", "main"}]
    assert len(ids) == len(set(ids))
    for tag, attributes in checker.seen:
        assert tag not in {"script", "link", "iframe", "object", "embed"}, tag
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "xlink:href"):
            target = attributes.get(name) or "#"
            assert target.startswith(("#", "data:image/png;base64,", "evidence/")), target
        if tag == "svg" and attributes.get("role") == "img":
            assert attributes.get("aria-label")
    assert not re.search(r"url\(\s*['\"]?(?!#)", text), "no style fetches anything"
    assert "@import" not in text
    return text


def test_findings_come_first_and_every_part_is_there(tmp_path: Path) -> None:
    text = page(report_input(), tmp_path)
    order = [text.index(f'id="{part}"') for part in
             ("found", "cap", "months", "calendar", "calls", "vessels", "unseen")]  # fmt: skip
    assert order == sorted(order)
    assert "3 port calls" in text
    assert "Against the cap of 500,000 barrels a year" in text
    assert text.count("data:image/png;base64,") == 3
    assert text.count("<polygon") == 3
    assert "Fill on departure 90 percent, 90 percent interval 80 to 100" in text
    assert "fill 50 % (40-60)" in text


def test_the_same_tables_give_the_same_bytes(tmp_path: Path) -> None:
    assert page(report_input(), tmp_path) == page(report_input(), tmp_path)


def test_text_from_outside_is_escaped(tmp_path: Path) -> None:
    base = report_input(2)
    calls = [replace(base.calls[0], vessel_id=EVIL, berth=EVIL, call_id=EVIL, note=EVIL)]
    result = replace(
        base,
        campaign=campaign(name=EVIL, product=EVIL),
        calls=calls,
        looks=[replace(k, berth=EVIL) for k in base.looks],
        scenes=[scene_row(EVIL, status="failed", reason=EVIL)],
        detections=[replace(base.detections[0], fill_status=EVIL, scene_id=EVIL)],
        totals=[replace(t, note=EVIL) for t in base.totals],
        fleet=[vessel(EVIL, 90, 14, name=EVIL, of_interest=True)],
        provenance={EVIL: EVIL},
    )
    text = page(result, tmp_path)
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_an_outline_is_drawn_where_the_hull_lies(tmp_path: Path) -> None:
    text = page(report_input(1), tmp_path)
    points = re.search(r'<polygon points="([^"]+)"', text)
    assert points
    xy = np.array([[float(v) for v in p.split(",")] for p in points[1].split()])
    assert xy[:-1].mean(axis=0) == pytest.approx([20.0, 20.0], abs=0.05)
    assert np.hypot(*(xy[1] - xy[2])) == pytest.approx(100 / 3, abs=0.1)


def test_no_scenes_and_no_calls_still_make_a_page(tmp_path: Path) -> None:
    nothing = replace(
        report_input(0), scenes=[], looks=[], totals=port_totals([], [], [], start=START, end=END)
    )
    text = page(nothing, tmp_path)
    assert "No scene was found" in text
    assert "NaN" not in text
    clear = report_input(0)
    assert "No vessel was seen" in page(clear, tmp_path)


def test_vessels_at_unknown_times_are_shown_without_a_call(tmp_path: Path) -> None:
    one = replace(sighting(None, "u"), chip=Chip(key="c", map_to_pixel=(0.3, 0, 0, 0, -0.3, 0)))
    result = replace(
        report_input(0),
        detections=[detection(one, "no-sun-geometry")],
        sightings={one.detection_id: one},
    )
    text = page(result, tmp_path)
    assert "No port call could be established" in text
    assert "time of 1 sighting is unknown" in text
    assert "Seen, but part of no call" in text
    assert text.count("data:image/png;base64,") == 1


def test_many_calls_keep_the_page_small_and_say_so(tmp_path: Path) -> None:
    text = page(report_input(500), tmp_path)
    assert "shown for 60 of 500 calls" in text
    assert text.count("data:image/png;base64,") <= 60
    assert len(text) < 3_000_000
    assert text.count('<tr><th scope="row">c-') == 500


def test_missing_pictures_and_fills_are_no_fault(tmp_path: Path) -> None:
    text = page(report_input(3, chips=lambda _: None), tmp_path)
    assert "<image" not in text
    bare = port_call(1, 3.0, barrels=None, direction="unclear")
    text = page(report_input(0, calls=[bare]), tmp_path)
    assert "Fill was not measured" in text
    assert "nothing can be drawn against the cap" in text


def test_where_nobody_is_marked_all_are_of_interest(tmp_path: Path) -> None:
    text = page(report_input(3, fleet=[vessel("A", 90, 14)]), tmp_path)
    assert "No vessel is marked as of interest, so all are taken to be" in text


def test_failed_and_skipped_scenes_are_listed_with_reasons(tmp_path: Path) -> None:
    scenes = [
        scene_row("x", status="failed", reason="asset blue: 404"),
        scene_row("y", status="skipped", reason="duplicate of z"),
    ]
    text = page(report_input(1, scenes=scenes), tmp_path)
    assert "asset blue: 404" in text
    assert "duplicate of a newer processing" in text


def test_what_it_rests_on_names_no_secret(tmp_path: Path) -> None:
    signed = "https://me:pw@stac.example/v1?token=hush"
    text = page(report_input(1, campaign=campaign(catalog=signed)), tmp_path)
    assert "https://stac.example/v1" in text
    assert "hush" not in text
    assert "pw@" not in text


def test_the_calendar_tells_its_states_apart() -> None:
    looks = [look(0.1, 1.0, vessels=2), look(1.1, 1.0, vessels=0), look(2.1, 0.5, vessels=1),
             look(3.1, 0.0)]  # fmt: skip
    months, merged = look_calendar(looks, start=START, end=day(6))
    assert not merged
    (month,) = months
    cells = month.rows[0].cells
    assert [c.status for c in cells[:7]] == ["clear", "clear", "partly", "cloudy", "none", "none",
                                             "off"]  # fmt: skip
    assert [c.text for c in cells[:5]] == ["2", "0", "1", "", ""]
    assert cells[1].title == "2 Mar: clear, no vessel"
    assert cells[3].title == "4 Mar: cloudy"
    assert cells[4].title == "5 Mar: no look"


def test_too_many_places_are_merged() -> None:
    looks = [look(0.1, 0.0, berth=f"b{i}") for i in range(30)]
    months, merged = look_calendar(looks, start=START, end=END)
    assert merged
    assert [len(m.rows) for m in months] == [1] * 9
