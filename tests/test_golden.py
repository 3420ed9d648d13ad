"""Results do not change without a new algorithm number: fixed input, kept numbers."""

from __future__ import annotations

import json

import pytest
from golden import GOLDEN, differences, numbers_now

from eo.units import ALGORITHMS

HOW = "python tests/golden.py"


@pytest.fixture(scope="module")
def now() -> dict[str, dict[str, object]]:
    return numbers_now()


@pytest.mark.parametrize("phase", sorted(ALGORITHMS))
def test_a_result_that_changes_needs_a_new_number(
    now: dict[str, dict[str, object]], phase: str
) -> None:
    kept = json.loads(GOLDEN.read_text())[phase]
    assert kept["algorithm"] == ALGORITHMS[phase], (
        f"{phase} has a new algorithm number: write what it gives now with `{HOW}`"
    )
    changed = differences(kept["gives"], json.loads(json.dumps(now[phase]["gives"])))
    assert changed == [], (
        f"{phase} gives other results under the same number: raise ALGORITHMS[{phase!r}] in "
        f"eo/units.py, then `{HOW}`"
    )


def test_differences_are_told_from_rounding() -> None:
    kept = {"a": [1.0, {"b": None, "c": 2}]}
    assert differences(kept, {"a": [1.0 + 1e-9, {"b": None, "c": 2}]}) == []
    assert differences(kept, {"a": [1.1, {"b": 0.0, "c": 2}]}) == [
        "/a/0: 1.0 is now 1.1",
        "/a/1/b: None is now 0.0",
    ]
    assert differences(kept, {"a": [1.0]}) != []
