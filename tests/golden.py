"""What each phase gives for a small fixed input: `python tests/golden.py` writes golden.json anew.

Five scenes of one small ship, through ingest, reference and measure. Kept are numbers, not
hashes, so that a difference can be read, and the last bits of another library do not matter.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from tiny import TinyPort

from eo import units
from eo.core.config import load_campaign
from eo.engine.local import SerialEngine
from eo.flow import ingest_scenes, measure_scenes
from eo.session import open_session

__all__ = ["GOLDEN", "differences", "numbers_now"]

GOLDEN = Path(__file__).with_name("golden.json")
RELATIVE, ABSOLUTE = 1e-3, 1e-5
"""What other versions of NumPy or of a compiler may change."""
SCENES = 5


def numbers_now() -> dict[str, dict[str, Any]]:
    """Return, by phase, its algorithm number and what it gives."""
    with tempfile.TemporaryDirectory() as name:
        port = TinyPort(Path(name))
        for day in range(SCENES):
            port.scene(f"golden-{day}")
        session = open_session(
            load_campaign(port.campaign()), SerialEngine(), device="cpu", progress=lambda *_: None
        )
        prints = measure_scenes(session, ingest_scenes(session))
        assert session.failures == {}
        parts = session.parts
        found: dict[str, dict[str, Any]] = {phase: {} for phase in units.ALGORITHMS}
        for scene_id, names in sorted(prints.items()):
            (pixels,), (measured,) = names.ingest, names.measure
            found["ingest"][scene_id] = {
                key: _summary(parts.array("ingest", pixels, key)[...]) for key in ("dn", "mask")
            }
            records = parts.records("measure", measured)
            found["measure"][scene_id] = {
                key: _numbers(records[key]) for key in ("counts", "sightings")
            }
        folder = Path(name) / "run" / "parts" / "reference"
        for k, place in enumerate(sorted(p.name for p in folder.iterdir())):
            found["reference"][str(k)] = {
                key: _summary(parts.array("reference", place, key)[...])
                for key in ("median", "spread", "water", "clear_looks")
            }
    return {
        phase: {"algorithm": number, "gives": found[phase]}
        for phase, number in sorted(units.ALGORITHMS.items())
    }


def _summary(array: Any) -> list[float]:
    """Shape, share of finite values, and moments of an array."""
    values = np.asarray(array, np.float64)
    good = values[np.isfinite(values)]
    weights = np.arange(good.size) % 97 / 97.0
    return [
        *map(float, values.shape),
        good.size / max(1, values.size),
        *(float(v) for v in (good.mean(), good.std(), (good * weights).mean())),
    ]


def _numbers(value: Any) -> Any:
    """The numbers of records, without names that hashes are made of."""
    if isinstance(value, dict):
        return {k: _numbers(v) for k, v in sorted(value.items()) if not k.endswith("_id")}
    if isinstance(value, list):
        # A likelihood's hundred values: their sum and their centre of mass tell a change.
        if len(value) > 12 and all(isinstance(v, int | float) for v in value):
            return _summary(value)
        return [_numbers(v) for v in value]
    return value


def differences(kept: Any, now: Any, where: str = "") -> list[str]:
    """Return where two results differ by more than arithmetic explains."""
    if isinstance(kept, dict) and isinstance(now, dict):
        keys = sorted({*kept, *now})
        return [d for k in keys for d in differences(kept.get(k), now.get(k), f"{where}/{k}")]
    if isinstance(kept, list) and isinstance(now, list) and len(kept) == len(now):
        pairs = enumerate(zip(kept, now, strict=True))
        return [d for k, (a, b) in pairs for d in differences(a, b, f"{where}/{k}")]
    if isinstance(kept, float | int) and isinstance(now, float | int):
        if math.isclose(kept, now, rel_tol=RELATIVE, abs_tol=ABSOLUTE) or kept == now:
            return []
        return [] if math.isnan(kept) and math.isnan(now) else [f"{where}: {kept} is now {now}"]
    return [] if kept == now else [f"{where}: {kept!r:.60} is now {now!r:.60}"]


if __name__ == "__main__":
    text = json.dumps(numbers_now(), indent=1, sort_keys=True)
    GOLDEN.write_text(text + "\n")
    sys.stdout.write(f"{GOLDEN}: {len(text)} characters\n")
