"""Freeboard and fill of simulated ships through the whole run, against truth: the judge.

Every season is a dense port of ten ships (eight berths, half of them with the shade on the quay;
tugs, barges, clutter, all that `eo.sim.Nuisances` has), rendered, run from search to tables with
its fleet file, finished once more without it, and matched with the truth, one row per clear look
at a tanker. Rows stay in OUT/rows/SEASON.jsonl; a season whose rows are there is not run again,
so that figures grow over several calls::

    python benchmarks/freeboard_accuracy.py OUT --quick                    # one season, a minute
    python benchmarks/freeboard_accuracy.py OUT --seeds 0:4 --groups low,mid,high,ten
    python benchmarks/freeboard_accuracy.py OUT --seeds 0:2 --groups low --clean
    python benchmarks/freeboard_accuracy.py OUT --summarise [--json FILE]

Groups are of the sun: low (below 35 degrees), mid (35-55), high (above 55), all at 3 m, and ten
(below 35 degrees at 10 m). Rows are sorted by their own sun. `--clean` switches every nuisance
off, for the comparison with the Cramer-Rao bound; `--clouds 0.4` adds cloud.

Seeds 0-99 are for development: look at them, tune on them. Seeds 1000 and above are for judging:
figures are reported from these alone, and nothing may be tuned on them. Where a folder holds rows
of both, the tables are of the judging seeds; seasons of other lengths or clouds are left out.

For work on the estimator, rendered scenes and ingested pixels are kept in OUT/SEASON; all that
follows, from the empty port on, is done again with::

    python benchmarks/freeboard_accuracy.py OUT --seeds 0:2 --groups low --remeasure

(`--quick` always measures again), so that an unraised algorithm number does no harm; delete
OUT/SEASON/run where ingest changes. A scene that fails ends the call. Scenes of an older simulator
are rendered anew. `--tidy` deletes scenes and run once the rows are written. `--tag NAME` keeps
rows of another version of the estimator apart, in OUT/rows-NAME. All work is done in one thread
(but BLAS: set OMP_NUM_THREADS=1); on two cores, run two calls with other seeds.

A row's `bound_m` is the estimator's own statement: `freeboard_bound_m` of the detection where
there is one, else its strip's standard deviation over metres of strip per metre of height.
`best_m` (clean seasons, shade on water) is the judge's: what pixel noise alone would leave, by
derivatives of the renderer's own pictures (`eo.sim.bound`). The first must not be far above it.
Intervals of the freeboard are freeboard_p05_m to freeboard_p95_m where the detections have those
columns, else 1.645 standard deviations either way.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from freeboard_seasons import DEVELOPMENT, GROUPS, JUDGING, season_options
from freeboard_tables import format_tables, summarise
from machine import describe, save

import eo
from eo.core.config import load_campaign
from eo.core.errors import OutputError
from eo.sim import SimOptions, simulate
from eo.sim.bound import freeboard_bound_m
from eo.sim.campaign import look_surface, look_traffic
from eo.sim.match import match_vessels
from eo.sim.world import build_world

QUICK_LOOKS = 8


def season_name(group: str, seed: int, asked: argparse.Namespace) -> str:
    """Return the name of a season's folder and rows."""
    name = f"{group}-{seed}"
    if asked.looks != 30:
        name += f"-{asked.looks}looks"
    if asked.clouds > 0:
        name += f"-cloud{round(100 * asked.clouds)}"
    return name + ("-clean" if asked.clean else "")


def run_season(group: str, seed: int, asked: argparse.Namespace, target: Path) -> dict[str, float]:
    """Render, run, finish without the fleet file, match, and write the rows; return seconds."""
    name = season_name(group, seed, asked)
    folder = asked.out / name
    options = season_options(group, seed, looks=asked.looks, clouds=asked.clouds, clean=asked.clean)
    start = time.perf_counter()
    try:
        simulate(folder, options, workers=1)
    except OutputError:  # rendered by an older simulator
        shutil.rmtree(folder)
        simulate(folder, options, workers=1)
    rendered = time.perf_counter()
    output = folder / "run"
    if asked.remeasure:
        for phase in ("reference", "measure"):
            shutil.rmtree(output / "parts" / phase, ignore_errors=True)
    campaign = load_campaign(folder / "campaign.yaml")
    best = best_bounds(options) if asked.clean else {}
    rows: list[dict[str, Any]] = []
    # The fleet file plays no part before `finish`: the second run finds every part in place.
    for with_fleet in (True, False):
        chosen = campaign if with_fleet else replace(campaign, fleet=None)
        done = eo.run(chosen, engine="serial", device="cpu")
        if done.exit_code != 0:
            failed = done.scenes[done.scenes["status"] == "failed"]
            raise SystemExit(f"{name}: {len(failed)} scenes failed: {failed['reason'].iloc[0]}")
        rows += [
            {
                "season": name,
                "group": group,
                "seed": seed,
                "clean": asked.clean,
                "clouds": asked.clouds,
                "looks": asked.looks,
                "with_fleet": with_fleet,
            }
            | row
            | {"best_m": best.get((row["scene_id"], row["vessel"]))}
            for row in match_vessels(output, folder)
        ]
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_suffix(".part")
    draft.write_text("".join(json.dumps(row, default=str) + "\n" for row in rows))
    draft.replace(target)
    done = time.perf_counter()
    if asked.tidy:
        shutil.rmtree(folder)
    return {
        "render_s": round(rendered - start, 1),
        "run_s": round(done - rendered, 1),
        "vessel_looks": len(rows) // 2,
    }


def best_bounds(options: SimOptions) -> dict[tuple[str, str], float]:
    """Return the judge's own bound of every ship with her shade on water, by scene and vessel."""
    world = build_world(options)
    found = {}
    for plan in world.looks:
        afloat = look_traffic(world, plan)
        surface = look_surface(world, plan, afloat)
        for ship in afloat:
            if ship.kind != "tanker" or (ship.berth and ship.berth.shade_on_quay):
                continue
            bound = freeboard_bound_m(plan, ship, surface)
            if bound is not None:
                found[plan.scene_id, ship.name] = bound
    return found


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of all seasons in a folder."""
    return [
        json.loads(line)
        for path in sorted(folder.glob("*.jsonl"))
        for line in path.read_text().splitlines()
    ]


def pooled(
    rows: list[dict[str, Any]], asked: argparse.Namespace, chosen: list[str]
) -> tuple[str, list[dict[str, Any]]]:
    """Return which rows make one table: a season of another length shares ships with this one."""
    if asked.quick:
        return "quick look", [row for row in rows if row["season"] in chosen]
    alike = [r for r in rows if (r.get("looks"), r["clouds"]) == (asked.looks, asked.clouds)]
    judging = [row for row in alike if row["seed"] in JUDGING]
    return ("judging seeds", judging) if judging else ("development seeds", alike)


def seeds_of(text: str) -> list[int]:
    """Return the seeds of `A:B` (B left out) or of a single number."""
    first, _, last = text.partition(":")
    seeds = list(range(int(first), int(last) if last else int(first) + 1))
    apart = [seed in DEVELOPMENT for seed in seeds]
    if any(apart) and not all(apart):
        raise argparse.ArgumentTypeError("development and judging seeds do not mix in one call")
    if any(seed not in DEVELOPMENT and seed not in JUDGING for seed in seeds):
        raise argparse.ArgumentTypeError("seeds are 0-99 for development, 1000-1999 for judging")
    return seeds


def parse() -> argparse.Namespace:
    """Return what is asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=seeds_of, default=[0], metavar="A:B")
    parser.add_argument("--groups", default="low,mid,high,ten")
    parser.add_argument("--looks", type=int, default=30)
    parser.add_argument("--clouds", type=float, default=0.0)
    for flag in ("clean", "quick", "remeasure", "tidy", "summarise"):
        parser.add_argument(f"--{flag}", action="store_true")
    parser.add_argument("--tag", default="")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    if asked.quick:
        asked.looks, asked.remeasure = QUICK_LOOKS, True
        asked.groups = "low" if asked.groups.count(",") == 3 else asked.groups
    return asked


def main() -> None:
    """Run what is not there yet, then print the figures of all that is."""
    asked = parse()
    folder = asked.out / (f"rows-{asked.tag}" if asked.tag else "rows")
    chosen = []
    if not asked.summarise:
        for seed in asked.seeds:
            for group in asked.groups.split(","):
                if group not in GROUPS:
                    raise SystemExit(f"group {group!r} is unknown; known are {', '.join(GROUPS)}")
                target = folder / f"{season_name(group, seed, asked)}.jsonl"
                chosen.append(target.stem)
                if asked.remeasure or not target.is_file():
                    spent = run_season(group, seed, asked, target)
                    print(target.stem, spent, flush=True)
    kind, rows = pooled(read_rows(folder), asked, chosen)
    figures = summarise(rows)
    seasons = sorted({row["season"] for row in rows})
    print(f"{kind}: {len(seasons)} seasons of {asked.looks} looks")
    print(format_tables(figures))
    if asked.json:
        head = {"benchmark": "freeboard_accuracy", "machine": describe(), "seeds": kind}
        save(asked.json, head | {"looks": asked.looks, "seasons": seasons, "rows": figures})


if __name__ == "__main__":
    main()
