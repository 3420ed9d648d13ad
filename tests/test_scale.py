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
