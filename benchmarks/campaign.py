"""A campaign from search to report: its time, and its peak memory against its length.

A simulated forty-scene season of 500 x 500 pixels at 3 m is run in a process of its own; the
time is that of ``eo run``, interpreter and imports included. For the memory, the same scenes are
listed again and again under other ids and days until there are 200, and the peak resident
memory of the two runs is compared.

    python benchmarks/campaign.py [--scenes 40] [--long 200] [--json FILE]
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml
from machine import describe, save

from eo.sim import SimOptions, simulate

RUN = """
import resource, sys
from eo.flow import run
done = run(sys.argv[1], output=sys.argv[2], engine="threads", workers=2)
assert done.exit_code == 0
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def lengthen(campaign: Path, count: int, days: int) -> Path:
    """Write a campaign over `count` items that share the rendered scenes' files."""
    folder = campaign.parent
    items = [json.loads(p.read_text()) for p in sorted(folder.glob("*/*.json"))]
    items = [i for i in items if i.get("type") == "Feature"]
    features = []
    for number in range(count):
        source = items[number % len(items)]
        lap = number // len(items)
        item = json.loads(json.dumps(source))
        when = dt.datetime.fromisoformat(item["properties"]["datetime"]) + dt.timedelta(
            days=lap * days
        )
        item["id"] = f"{item['id']}-{lap}"
        item["properties"]["datetime"] = when.isoformat()
        home = next(p.parent for p in folder.glob(f"{source['id']}/*.json"))
        for asset in item["assets"].values():
            asset["href"] = str((home / asset["href"]).resolve())
        features.append(item)
    (folder / f"items-{count}.json").write_text(
        json.dumps({"type": "FeatureCollection", "features": features})
    )
    keys = yaml.safe_load(campaign.read_text())
    start = dt.date.fromisoformat(str(keys["period"]).split("/")[0])
    laps = -(-count // len(items))
    keys["period"] = f"{start}/{start + dt.timedelta(days=laps * days)}"
    keys["catalog"] = f"items-{count}.json"
    keys["name"] = f"{keys['name']}-{count}"
    path = folder / f"campaign-{count}.yaml"
    path.write_text(yaml.safe_dump(keys))
    return path


def timed(campaign: Path, output: Path) -> tuple[float, float]:
    """Run in a process of its own; return seconds and peak memory in MiB."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(campaign), str(output)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return seconds, int(done.stdout.split()[-1]) / 1024


def run(*, scenes: int, long: int) -> dict[str, Any]:
    """Return the figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = time.perf_counter()
        simulate(folder / "sim", SimOptions(days=scenes, looks=scenes))
        rendered = time.perf_counter() - start
        campaign = folder / "sim" / "campaign.yaml"
        seconds, memory = timed(lengthen(campaign, scenes, scenes), folder / "short")
        long_seconds, long_memory = timed(lengthen(campaign, long, scenes), folder / "long")
    return {
        "benchmark": "campaign",
        "machine": describe(),
        "scene_px": [500, 500],
        "threads": 2,
        "render_s": round(rendered, 1),
        "scenes": scenes,
        "seconds": round(seconds, 1),
        "peak_mib": round(memory),
        "long_scenes": long,
        "long_seconds": round(long_seconds, 1),
        "long_peak_mib": round(long_memory),
        "memory_ratio": round(long_memory / memory, 3),
        "of_this_process_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=40)
    parser.add_argument("--long", type=int, default=200)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    print(save(asked.json, run(scenes=asked.scenes, long=asked.long)))


if __name__ == "__main__":
    main()
