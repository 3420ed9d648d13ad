"""The kernel benchmarks run, tiny, and their page can be written."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(autouse=True)
def _programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


@pytest.fixture(scope="module")
def kernel_figures() -> dict[str, object]:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import kernels
    finally:
        sys.path.remove(str(BENCHMARKS))
    kernels.COPY_BYTES = 2**16
    made: dict[str, object] = kernels.run(size=96, looks=5, rounds=1)
    return made


def test_every_kernel_is_measured_beside_a_copy(kernel_figures: dict[str, object]) -> None:
    kernels = kernel_figures["kernels"]
    assert isinstance(kernels, dict)
    for word in ("cloud", "reference", "departure", "dilation", "labelling", "projection"):
        assert any(word in name for name in kernels), word
    for told in kernels.values():
        assert told["cpu_1"]["mpx_s"] > 0
        assert told["cpu_1"]["of_copy"] > 0
        assert told["gpu"] == "not measured" or told["gpu"]["mpx_s"] > 0
    assert json.loads(json.dumps(kernel_figures)) == kernel_figures


def test_the_reference_of_a_cube(tmp_path: Path) -> None:
    """The work of both processes, without starting them."""
    import reference_cube

    dn, clear = reference_cube.write_parts(tmp_path, 40, 6)
    for work in reference_cube.CHILDREN.values():
        work(tmp_path, 6)
    wanted = np.nanmedian(np.where(clear, dn * np.float32(1e-4), np.nan).astype("f4"), axis=0)
    np.testing.assert_array_equal(np.load(tmp_path / "median.npy"), wanted)
    assert reference_cube.peer_rate(dn, clear, 6) > 0


def test_page_and_picture(kernel_figures: dict[str, object], tmp_path: Path) -> None:
    import roofline

    page = "before\n<!-- tables: begin -->\nold\n<!-- tables: end -->\nafter\n"
    cube = {
        "shape": [6, 40, 40], "one_band_gib_as_float32": 0.1, "threads": 1,
        "machine": {"load_before": 0.0},
        "median": {
            "seconds": 1.0, "peak_memory_gib": 0.2, "mpx_band_s": 1.0, "times_xarray": 9.0
        },
    }  # fmt: skip
    text = roofline.filled(page, roofline.tables(kernel_figures, cube))
    assert "old" not in text
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "| labelling | GPU |" in text
    with pytest.raises(SystemExit, match="marks"):
        roofline.filled("no marks", "")
    roofline.draw(kernel_figures, tmp_path / "roofline.svg")
    assert (tmp_path / "roofline.svg").stat().st_size > 10_000
