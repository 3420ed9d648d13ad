"""The page of evidence: what is drawn lies where the records say, and is safe to open."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from test_report import Checker, detection, report_input

from eo.core.freeboard import Freeboard
from eo.core.records import Sighting
from eo.stages.evidence import Evidence, render_evidence

BANDS = ("blue", "red", "nir")
FILL = np.linspace(-0.05, 1.05, 23)


def profile() -> Any:
    across = np.arange(-20.0, 20.0, 0.5)
    rows = [across]
    for level in (0.06, 0.03, 0.01):
        deck = np.where(np.abs(across) < 8.0, 0.3, level)
        model = np.where((across >= 8.0) & (across < 12.0), 0.5 * level, deck)
        observed = model + 0.002 * np.sin(across)
        rows += [observed, model, np.full(across.size, 0.002)]
    table = np.array(rows, dtype=np.float32)
    table[1:, :3] = np.nan
    return table


def measured(**changed: Any) -> tuple[Sighting, Evidence]:
    seen = next(iter(report_input(1).sightings.values()))
    heights = np.arange(0.0, 25.05, 0.1)
    values: dict[str, Any] = {
        "status": "measured",
        "log_likelihood": tuple(-0.5 * ((heights - 3.0) / 0.4) ** 2),
        "strip_width_m": 4.0,
        "strip_width_sd_m": 0.3,
        "metres_per_metre": 1.3,
        "shade_ratio": 0.5,
        "rows": 17,
        "profile_key": "profile0",
        "profile_bands": BANDS,
        "across_azimuth_deg": (seen.hull.heading_deg + 90.0) % 360.0,
        "body_m": (-20.0, 25.0),
        "deck_edges_m": (-8.0, 8.0),
        "shadow_edge_m": 12.0,
        "bound_m": 0.11,
    }
    seen = replace(seen, freeboard=Freeboard(**{**values, **changed}))
    picture = np.full((40, 40, 3), 60, np.uint8)
    evidence = Evidence(
        detection=detection(seen, "measured"),
        sighting=seen,
        chip=picture,
        profile=profile(),
        fill=FILL.tolist(),
        fill_density=np.exp(-0.5 * ((FILL - 0.5) / 0.06) ** 2).tolist(),
    )
    return seen, evidence


def checked(text: str) -> str:
    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    for tag, attributes in checker.seen:
        assert tag not in {"script", "link", "iframe", "object", "embed"}, tag
        target = attributes.get("href") or "#"
        assert target.startswith(("data:image/png;base64,", "../report.html", "#"))
    return text


def test_the_page_shows_picture_profile_rest_likelihood_and_fill() -> None:
    _, evidence = measured()
    text = checked(render_evidence(evidence))
    assert text.count('<figure class="panel">') == 5
    assert "3.00 m, sd 0.30 m" in text
    assert "50 % (40 to 60 %)" in text
    assert "0.11 m" in text
    for band in BANDS:
        assert f"</i>{band}</span>" in text
    assert "nan" not in text.lower().replace("nanmedian", "")


def test_the_shadows_edge_lies_across_from_the_hull_by_its_metres() -> None:
    seen, evidence = measured()
    text = render_evidence(evidence)
    found = re.search(r'class="shadow" points="([-\d.]+),([-\d.]+) ([-\d.]+),([-\d.]+)"', text)
    assert found
    x0, y0, x1, y1 = map(float, found.groups())
    centre = np.array([20.0, 20.0])  # the picture's middle, pixels of 3 m
    middle = 0.5 * (np.array([x0, y0]) + np.array([x1, y1])) - centre
    angle = np.deg2rad(seen.hull.heading_deg)
    along, across = (
        np.array([np.sin(angle), -np.cos(angle)]),
        np.array([np.cos(angle), np.sin(angle)]),
    )
    assert middle @ across * 3.0 == pytest.approx(12.0, abs=0.05)
    assert middle @ along * 3.0 == pytest.approx(2.5, abs=0.05)
    assert np.hypot(x1 - x0, y1 - y0) * 3.0 == pytest.approx(45.0, abs=0.1)


def test_a_houses_top_is_told_and_no_fill_is_minus_nothing() -> None:
    seen, evidence = measured(house_top_m=17.24, house_top_sd_m=0.58)
    row = replace(evidence.detection, fill_p05=-0.003)
    text = checked(render_evidence(replace(evidence, detection=row)))
    assert seen.freeboard.house_top_m == pytest.approx(17.24)
    assert "17.2 m, sd 0.6 m" in text
    assert "50 % (0 to 60 %)" in text
    assert "-0 " not in text


def test_without_picture_or_profile_the_numbers_stand() -> None:
    _, evidence = measured(profile_key=None, across_azimuth_deg=None, deck_edges_m=None)
    text = checked(render_evidence(replace(evidence, chip=None, profile=None, fill=None)))
    assert "There is no picture" in text
    assert text.count('<figure class="panel">') == 1


def test_on_a_quay_the_likelihood_is_named_for_what_it_is() -> None:
    _, evidence = measured(surface="quay")
    assert "height above the quay" in checked(render_evidence(evidence))


def test_texts_from_outside_are_escaped() -> None:
    seen, evidence = measured()
    odd = replace(evidence.detection, scene_id="<script>alert(1)</script>")
    assert "<script>" not in render_evidence(replace(evidence, detection=odd, sighting=seen))
