"""The scale benchmark runs, small; its figures have the shape that docs/scale.md reads."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def scale():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import scale

        yield scale
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.mark.slow
def test_the_benchmark_of_scale_runs_small(scale) -> None:
    figures = scale.run(
        items=[4, 8], pairs=1, unit_count=50, scenes=4, size=120, growth_size=120,
        kinds=("threads",),
    )  # fmt: skip
    both = figures["speedup"]["threads"]["both"]
    assert both["spread"][0] <= both["median"] <= both["spread"][1]
    growth = figures["growth"]
    assert [row["items"] for row in growth["runs"]] == [4, 8]
    assert growth["runs"][1]["cpu_s"] > 0
    # Peak memory follows the scene's size, not the number of scenes.
    assert growth["memory_ratio"] < 1.15
    assert set(figures["overhead"]["ms_per_unit"]) == {"serial", "threads"}


def test_an_engine_adds_little_to_a_unit(scale) -> None:
    added = scale.overhead(300, ("serial", "threads"))["ms_per_unit"]
    assert all(0 < ms < 20 for ms in added.values())


def test_slopes_are_per_scene(scale) -> None:
    assert scale._slope({"items": 10, "s": 5.0}, {"items": 30, "s": 9.0}, "s") == 0.2


def test_the_costed_plan_is_what_its_program_says() -> None:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import port_year
    finally:
        sys.path.remove(str(BENCHMARKS))
    text = port_year.DOCUMENT.read_text()
    assert port_year.tables() in text
    one = port_year.port_year()
    assert one.times(100).cpu_hours == pytest.approx(100 * one.cpu_hours)
    # By hand, for one kind of scene: 10 looks of 1 Mpx in one tile, 0.29 + 1.7 s each, and
    # 20 units in pods of 16 that take 4 s to start.
    look = port_year.Look(name="x", a_year=10, pixel_m=6.0, bands=4, block_px=512, bytes_px=1.0)
    cost = port_year.port_year((look,))
    assert cost.cpu_hours * 3600 == pytest.approx(10 * (0.29 + 1.7) + 20 / 16 * 4)
    assert cost.read_bytes == 10 * 4 * 9 * 512**2
    assert cost.kept_bytes == pytest.approx(2 * 10 * 1e6 * 5.9 + 4 * 1e6 * 29)
