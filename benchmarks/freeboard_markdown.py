"""The tables of docs/fill.md from a judge's rows: `python benchmarks/freeboard_markdown.py OUT`.

OUT is the folder of `freeboard_accuracy.py`; judging seeds alone are shown where there are any.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from freeboard_seasons import JUDGING
from freeboard_tables import group_of

__all__ = ["finer_table", "group_table", "read_rows"]

_Z90 = 1.6449
_GROUPS = {
    "low": "3 m, below 35 deg",
    "mid": "3 m, 35-55 deg",
    "high": "3 m, above 55 deg",
    "ten": "10 m, below 35 deg",
}
_FINER: tuple[tuple[str, str, tuple[float, ...], str], ...] = (
    ("sun", "sun_elevation_deg", (0, 20, 27, 35, 45, 55, 65, 90), "deg"),
    ("abs(s.n)", "sine", (0.2, 0.5, 0.8, 1.01), ""),
    ("length", "true_length_m", (0, 100, 125, 400), "m"),
)


def read_rows(folder: Path) -> pd.DataFrame:
    """Return a judge's rows, those of judging seeds where there are any."""
    lines = [line for path in sorted(folder.glob("rows/*.jsonl")) for line in path.open()]
    table = pd.DataFrame([json.loads(line) for line in lines])
    judged = table[table["seed"] >= JUDGING.start]
    table = judged if len(judged) else table
    return table.assign(sun_group=table.apply(group_of, axis=1))


def group_table(table: pd.DataFrame) -> str:
    """Return figures by group, place of the shade and fleet file, as Markdown."""
    head = (
        "| group | shade on | fleet file | looks | measured | share | freeboard RMSE | bias | "
        "mean sd | 90 % holds | fill RMSE | bias | 90 % holds |"
    )
    out = [head, "|" + "---|" * 13]
    for clean in (False, True):
        for group, name in _GROUPS.items():
            for place, chosen in (("all", None), ("water", False), ("quay", True)):
                for fleet in (True, False):
                    some = table[
                        (table["sun_group"] == group)
                        & (table["with_fleet"] == fleet)
                        & (table["clean"] == clean)
                    ]
                    some = some if chosen is None else some[some["on_quay"] == chosen]
                    if len(some):
                        label = f"{name}, no nuisances" if clean else name
                        out.append(f"| {label} | {place} | {'yes' if fleet else 'no'} | "
                                   f"{_wide(some)} |")  # fmt: skip
    return "\n".join(out)


def _wide(some: pd.DataFrame) -> str:
    seen = some[some["freeboard_m"].notna()]
    cells = [f"{len(some)}", f"{len(seen)}", f"{len(seen) / len(some):.0%}"]
    if not len(seen):
        return " | ".join([*cells, *[""] * 7])
    error = seen["freeboard_m"] - seen["true_freeboard_m"]
    fill = seen["fill"] - seen["true_fill"]
    held = (seen["true_fill"] >= seen["fill_p05"]) & (seen["true_fill"] <= seen["fill_p95"])
    return " | ".join(
        [
            *cells,
            f"{_rmse(error):.2f} m",
            f"{error.mean():+.2f} m",
            f"{seen['freeboard_sd_m'].mean():.2f} m",
            f"{(error.abs() <= _Z90 * seen['freeboard_sd_m']).mean():.0%}",
            f"{_rmse(fill):.2f}",
            f"{fill.mean():+.2f}",
            f"{held.mean():.0%}",
        ]
    )


def _rmse(values: Any) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def finer_table(table: pd.DataFrame) -> str:
    """Return errors by sun, direction and size, 3 m, shade on water, as Markdown."""
    some = table[(table["gsd_m"] < 5.0) & table["with_fleet"] & ~table["clean"] & ~table["on_quay"]]
    head = "| | looks | measured | RMSE | median of abs | bias | mean sd | bound | 90 % holds |"
    out = [head, "|" + "---|" * 9]
    for name, column, edges, unit in _FINER:
        for low, high in itertools.pairwise(edges):
            chosen = some[some[column].abs().between(low, high, inclusive="left")]
            if len(chosen):
                out.append(f"| {name} {low:g}-{high:g} {unit}".rstrip() + f" | {_narrow(chosen)} |")
    return "\n".join(out)


def _narrow(some: pd.DataFrame) -> str:
    seen = some[some["freeboard_m"].notna()]
    if not len(seen):
        return " | ".join([f"{len(some)}", "0", *[""] * 6])
    error = seen["freeboard_m"] - seen["true_freeboard_m"]
    return " | ".join(
        [
            f"{len(some)}",
            f"{len(seen)}",
            f"{_rmse(error):.2f}",
            f"{error.abs().median():.2f}",
            f"{error.mean():+.2f}",
            f"{seen['freeboard_sd_m'].mean():.2f}",
            f"{seen['bound_m'].median():.2f}",
            f"{(error.abs() <= _Z90 * seen['freeboard_sd_m']).mean():.0%}",
        ]
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    table = read_rows(parser.parse_args().out)
    print(group_table(table), finer_table(table), sep="\n\n")


if __name__ == "__main__":
    main()
