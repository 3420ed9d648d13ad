"""Freeboard and fill of simulated ships, through the whole run, against truth, by sun elevation.

Cloudless seasons under winter, spring and summer sun are rendered (an already rendered folder is
kept), run from search to tables, and each detection is held against the true vessel within 30 m.

    python benchmarks/freeboard_accuracy.py OUT [--seed 31] [--looks 12] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe, save

import eo
from eo.sim import SimOptions, simulate
from eo.sim.options import Nuisances

SEASONS = {"winter": "2024-01-15", "spring": "2024-03-20", "summer": "2024-06-25"}
BANDS = ((0.0, 35.0), (35.0, 50.0), (50.0, 90.0))
NEAR_M = 30.0


def pairs(folder: Path, output: Path) -> list[dict[str, Any]]:
    """Run a campaign and return one record per true tanker that was found."""
    done = eo.run(str(folder / "campaign.yaml"), output=str(output))
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    found = done.detections
    records = []
    for scene in truth["scenes"]:
        rows = found[found.scene_id == scene["scene_id"]]
        for vessel in scene["vessels"]:
            if vessel["class"] != "tanker" or rows.empty or vessel["freeboard_m"] is None:
                continue
            north = (rows.lat - vessel["lat"]) * 111_200.0
            east = (rows.lon - vessel["lon"]) * 111_200.0 * np.cos(np.deg2rad(vessel["lat"]))
            apart = np.hypot(north, east)
            if apart.min() > NEAR_M:
                continue
            row = rows.loc[apart.idxmin()]
            records.append(
                {
                    "sun_deg": scene["sun_elevation_deg"],
                    "on_quay": vessel["is_shade_on_quay"],
                    "status": row.fill_status,
                    "freeboard_error_m": _less(row.freeboard_m, vessel["freeboard_m"]),
                    "freeboard_sd_m": _less(row.freeboard_sd_m, 0.0),
                    "fill_error": _less(row.fill, vessel["fill"]),
                    "fill_held": vessel["fill"] is not None
                    and bool(row.fill_p05 <= vessel["fill"] <= row.fill_p95),
                }
            )
    return records


def _less(estimate: Any, truth: float | None) -> float | None:
    if truth is None or estimate is None or np.isnan(estimate):
        return None
    return float(estimate - truth)


def summary(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return errors and coverage by sun elevation, over measured vessels."""
    rows = []
    for low, high in BANDS:
        some = [r for r in records if low <= r["sun_deg"] < high]
        seen = [r for r in some if r["freeboard_error_m"] is not None]
        if not some:
            continue
        error = np.array([r["freeboard_error_m"] for r in seen])
        spread = np.array([r["freeboard_sd_m"] for r in seen])
        known = [r for r in seen if r["fill_error"] is not None]
        rows.append(
            {
                "sun_deg": f"{low:.0f}-{high:.0f}",
                "found": len(some),
                "shade_on_quay": sum(r["on_quay"] for r in some),
                "measured": len(seen),
                "measured_on_quay": sum(r["on_quay"] for r in seen),
                "freeboard_rmse_m": round(float(np.sqrt(np.mean(error**2))), 2) if seen else None,
                "freeboard_bias_m": round(float(error.mean()), 2) if seen else None,
                "freeboard_sd_m": round(float(spread.mean()), 2) if seen else None,
                "fill_rmse": round(
                    float(np.sqrt(np.mean([r["fill_error"] ** 2 for r in known]))), 2
                )
                if known
                else None,
                "fill_90_holds": round(float(np.mean([r["fill_held"] for r in known])), 2)
                if known
                else None,
            }
        )
    return rows


def main() -> None:
    """Render, run, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=31)
    parser.add_argument("--looks", type=int, default=12)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    records: list[dict[str, Any]] = []
    for index, (season, start) in enumerate(SEASONS.items()):
        options = SimOptions(
            start=start,
            seed=args.seed + index,
            days=30,
            looks=args.looks,
            calls_per_berth_week=3.0,
            clouds=0.0,
            nuisances=Nuisances(clouds=False),
        )
        folder = simulate(args.out / season, options)
        records += pairs(folder, args.out / f"{season}-run")
    rows = summary(records)
    for row in rows:
        print(row)
    if args.json:
        save(args.json, {"machine": describe(), "rows": rows})


if __name__ == "__main__":
    main()
