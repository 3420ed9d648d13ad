"""How the work grows: with workers, with scenes, and what an engine adds to a unit.

- `speedup`: the units of a simulated campaign (ingest, then measure) by one worker and by two, in
  alternating pairs; the figure is the median of the pairs' ratios.
- `growth`: whole runs over more and more items that share a few COGs, each in a process of its
  own; cost per scene is the slope between two sizes (what every run costs once is the intercept),
  beside the peak of resident memory.
- `overhead`: a unit that does nothing, many times, by each engine.

    python benchmarks/scale.py [--only speedup,growth,overhead] [--items 10,100,1000,5000]
        [--pairs 5] [--units 2000] [--scenes 12] [--size 400] [--growth-size 120]
        [--json FILE]
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from campaign import lengthen
from machine import describe, save

from eo import units
from eo.core.config import load_campaign
from eo.core.seams import Engine
from eo.engine.choose import open_engine
from eo.engine.local import SerialEngine
from eo.flow import ingest_scenes, measure_scenes
from eo.session import Session, open_session
from eo.sim import SimOptions, simulate

RUN = """
import json, resource, sys, time
from eo.flow import run
from eo.core.config import load_campaign
marks = {}
def progress(stage, done, total):
    if done == 0 or stage not in marks:
        marks.setdefault(stage, [time.perf_counter(), 0.0])
    marks[stage][1] = time.perf_counter()
start, spent = time.perf_counter(), time.process_time()
done = run(sys.argv[1], output=sys.argv[2], engine=sys.argv[3], workers=1, progress=progress)
assert done.exit_code == 0
print(json.dumps({
    "wall_s": time.perf_counter() - start,
    "cpu_s": time.process_time() - spent,
    "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    "stages_s": {k: b - a for k, (a, b) in marks.items()},
}))
"""
LOOKS = 4
"""Scenes that are rendered; longer campaigns list them again under other ids and days."""


@dataclass(frozen=True)
class Nothing:
    """An item of a unit that does nothing."""

    number: int


def do_nothing(item: Nothing) -> int:
    """Return at once."""
    return item.number


def rendered(folder: Path, looks: int, size: int) -> Path:
    """Render a small season; return its campaign."""
    options = SimOptions(days=2 * looks, looks=looks, size=size, clouds=0.0, berths=2)
    return simulate(folder, options) / "campaign.yaml"


def timed(engine: Engine, unit: Callable[[Any], Any], items: Iterable[Any]) -> float:
    """Return the seconds that an engine takes for the items; a failure ends the benchmark."""
    start = time.perf_counter()
    for outcome in engine.map(unit, items):
        if outcome.error is not None:
            raise SystemExit(f"a unit failed: {outcome.error!r}")
    return time.perf_counter() - start


class Phases:
    """The items of both phases of a campaign, to be worked off in any folder.

    Parameters
    ----------
    campaign
        The campaign file.
    folder
        Where it is worked off once, so that every phase's inputs are there.
    """

    def __init__(self, campaign: Path, folder: Path) -> None:
        self.recorded: dict[str, list[Any]] = {}
        session = self._session(campaign, folder)
        measure_scenes(session, ingest_scenes(session))
        self.folder = folder

    def _session(self, campaign: Path, folder: Path) -> Session:
        recorded = self.recorded

        class Recorder(SerialEngine):
            def map(self, unit: Any, items: Any, *, in_flight: int | None = None) -> Any:
                listed = list(items)
                recorded.setdefault(unit.__name__, []).extend(listed)
                return super().map(unit, listed, in_flight=in_flight)

        asked = load_campaign(campaign, output=folder)
        return open_session(asked, Recorder(), device="cpu", progress=lambda *_: None)

    def seconds(self, engine: Engine, folder: Path) -> dict[str, float]:
        """Work off both phases in a fresh folder; references are taken over as they are."""
        (folder / "parts").mkdir(parents=True)
        (folder / "parts" / "reference").symlink_to(self.folder / "parts" / "reference")
        return {
            phase: timed(
                engine,
                getattr(units, phase),
                [replace(item, output=str(folder)) for item in self.recorded[phase]],
            )
            for phase in ("ingest", "measure")
        }


def speedup(scenes: int, size: int, pairs: int, kinds: tuple[str, ...]) -> dict[str, Any]:
    """Return the ratio of one worker's time to two workers', by kind of engine."""
    figures: dict[str, Any] = {"scenes": scenes, "scene_px": [size, size], "pairs": pairs}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        phases = Phases(rendered(folder / "sim", scenes, size), folder / "first")
        for kind in kinds:
            engines = {count: open_engine(kind, workers=count) for count in (1, 2)}
            for count, engine in engines.items():  # workers import on their first unit
                phases.seconds(engine, folder / f"warm-{kind}-{count}")
            ratios: dict[str, list[float]] = {"ingest": [], "measure": [], "both": []}
            for number in range(pairs):
                took = {
                    count: phases.seconds(engines[count], folder / f"{kind}-{number}-{count}")
                    for count in ((1, 2) if number % 2 == 0 else (2, 1))
                }
                for phase in ("ingest", "measure"):
                    ratios[phase].append(took[1][phase] / took[2][phase])
                ratios["both"].append(sum(took[1].values()) / sum(took[2].values()))
            for engine in engines.values():
                engine.close()
            figures[kind] = {
                phase: {
                    "median": round(statistics.median(values), 3),
                    "spread": [round(min(values), 3), round(max(values), 3)],
                }
                for phase, values in ratios.items()
            }
    return figures


def growth(counts: list[int], size: int, engine: str) -> dict[str, Any]:
    """Return cost per scene and peak memory by number of items."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        campaign = rendered(folder / "sim", LOOKS, size)
        for count in counts:
            asked = lengthen(campaign, count, 2 * LOOKS)
            done = subprocess.run(
                [sys.executable, "-c", RUN, str(asked), str(folder / f"run-{count}"), engine],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode:
                raise SystemExit(done.stderr[-2000:])
            rows.append({"items": count, **json.loads(done.stdout.splitlines()[-1])})
    steps = [
        {
            "from": before["items"],
            "to": after["items"],
            "cpu_s_per_scene": _slope(before, after, "cpu_s"),
            "wall_s_per_scene": _slope(before, after, "wall_s"),
        }
        for before, after in itertools.pairwise(rows)
    ]
    slopes = [step["cpu_s_per_scene"] for step in steps]
    return {
        "scene_px": [size, size],
        "engine": engine,
        "runs": [_rounded(row) for row in rows],
        "steps": steps,
        "cost_ratio": round(max(slopes) / min(slopes), 3) if slopes else None,
        "memory_ratio": round(rows[-1]["peak_mib"] / rows[0]["peak_mib"], 3),
    }


def _slope(before: dict[str, Any], after: dict[str, Any], key: str) -> float:
    seconds = float(after[key] - before[key])
    return round(seconds / (after["items"] - before["items"]), 4)


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    stages = {stage: round(seconds, 2) for stage, seconds in row["stages_s"].items()}
    return {k: round(v, 1) for k, v in row.items() if k != "stages_s"} | {"stages_s": stages}


def overhead(count: int, kinds: tuple[str, ...]) -> dict[str, Any]:
    """Return the milliseconds that each engine adds to a unit."""
    figures = {}
    for kind in kinds:
        engine = open_engine(kind, workers=2)
        timed(engine, do_nothing, [Nothing(n) for n in range(20)])
        seconds = timed(engine, do_nothing, [Nothing(n) for n in range(count)])
        engine.close()
        figures[kind] = round(1000 * seconds / count, 3)
    return {"units": count, "ms_per_unit": figures}


def run(
    *,
    only: tuple[str, ...] = ("speedup", "growth", "overhead"),
    items: list[int],
    pairs: int,
    unit_count: int,
    scenes: int,
    size: int,
    growth_size: int,
    kinds: tuple[str, ...] = ("threads", "processes"),
) -> dict[str, Any]:
    """Return the figures."""
    figures: dict[str, Any] = {"benchmark": "scale", "machine": describe()}
    if "speedup" in only:
        figures["speedup"] = speedup(scenes, size, pairs, kinds)
    if "growth" in only:
        figures["growth"] = growth(items, growth_size, "serial")
    if "overhead" in only:
        figures["overhead"] = overhead(unit_count, ("serial", *kinds))
    return figures


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="speedup,growth,overhead")
    parser.add_argument("--items", default="10,100,1000,5000")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--units", type=int, default=2000)
    parser.add_argument("--scenes", type=int, default=12)
    parser.add_argument("--size", type=int, default=400)
    parser.add_argument("--growth-size", type=int, default=120)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    figures = run(
        only=tuple(asked.only.split(",")),
        items=[int(n) for n in asked.items.split(",")],
        pairs=asked.pairs,
        unit_count=asked.units,
        scenes=asked.scenes,
        size=asked.size,
        growth_size=asked.growth_size,
    )
    print(save(asked.json, figures))


if __name__ == "__main__":
    main()
