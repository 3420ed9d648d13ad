"""Draws the roofline of the kernels, and writes the tables of docs/performance.md.

Reads what `kernels.py` and `reference_cube.py` left in results/; needs matplotlib alone.

    python benchmarks/roofline.py [--kernels FILE] [--cube FILE] [--docs FOLDER]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"


def main() -> None:
    """Draw and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kernels", type=Path, default=HERE / "results" / "kernels.json")
    parser.add_argument("--cube", type=Path, default=HERE / "results" / "reference_cube.json")
    parser.add_argument("--docs", type=Path, default=HERE.parent / "docs")
    asked = parser.parse_args()
    figures = json.loads(asked.kernels.read_text())
    cube = json.loads(asked.cube.read_text()) if asked.cube.exists() else None
    draw(figures, asked.docs / "roofline.svg")
    page = asked.docs / "performance.md"
    page.write_text(filled(page.read_text(), tables(figures, cube)))


def draw(figures: dict[str, Any], path: Path) -> None:
    """Draw rate over intensity on one CPU thread, and on a GPU where one was measured."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "eo"  # the same figures give the same file
    plot, axes = plt.subplots(figsize=(8, 5.2))
    intensity = np.logspace(-1, 2.5, 200)
    for key, colour in (("cpu_1", "tab:blue"), ("cpu_2", "tab:orange"), ("gpu", "tab:green")):
        roof = figures["roof"].get(key)
        if not isinstance(roof, dict):
            continue
        top = roof["operations_g_s"] if isinstance(roof["operations_g_s"], float) else np.inf
        height = np.minimum(intensity * roof["copy_gb_s"], top)
        axes.plot(intensity, height, color=colour, lw=1, label=f"{key.replace('_', ' ')}: roof")
        points = {
            name: (kernel["operations_per_pixel"], kernel["bytes_per_pixel"], kernel[key]["mpx_s"])
            for name, kernel in figures["kernels"].items()
            if isinstance(kernel.get(key), dict)
        }
        x = [operations / size for operations, size, _ in points.values()]
        y = [operations * rate / 1e3 for operations, _, rate in points.values()]
        axes.plot(x, y, "o", color=colour, ms=4)
        if key == "cpu_1":
            for name, at, rate in zip(points, x, y, strict=True):
                axes.annotate(name.split(" beside")[0], (at, rate), fontsize=7, xytext=(4, 3),
                              textcoords="offset points")  # fmt: skip
    machine = figures["machine"]
    gpu = machine.get("gpu", "GPU not measured")
    axes.set_title(f"{machine['cpu']}, {machine['cores']} cores; {gpu}; {machine['date']}")
    axes.set(xscale="log", yscale="log")
    axes.set_xlabel("intensity: operations per byte that must be moved")
    axes.set_ylabel("10⁹ operations per second")
    axes.grid(visible=True, which="major", lw=0.3)
    axes.legend(loc="lower right", fontsize=8)
    plot.tight_layout()
    plot.savefig(path, metadata={"Date": None})
    plt.close(plot)


def tables(figures: dict[str, Any], cube: dict[str, Any] | None) -> str:
    """Return the figures as Markdown."""
    machine = figures["machine"]
    counts = [key for key in ("cpu_1", "cpu_2") if key in figures["roof"]]
    ran_on = (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"{machine['date']}, load before the run {machine['load_before']}; "
        f"GPU: {machine.get('gpu', 'none at hand')}."
    )
    lines = [
        ran_on,
        "",
        "| kernel | threads | Mpx/s | peer | peer's Mpx/s | times the peer | of copy bandwidth |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, kernel in figures["kernels"].items():
        short = name.split(" beside")[0]
        for key in counts:
            told = kernel[key]
            lines.append(
                f"| {short} | {key[-1]} | {told['mpx_s']} | {kernel['peer']} | "
                f"{told['peer_mpx_s']} | {told['times_peer']} | {told['of_copy']} |"
            )
        if any(f"| {short} | GPU |" in line for line in lines):
            continue
        gpu = kernel["gpu"]
        rate, share = (gpu["mpx_s"], gpu["of_copy"]) if isinstance(gpu, dict) else (gpu, gpu)
        lines.append(f"| {short} | GPU | {rate} | device-to-device copy | | | {share} |")
    if cube is not None:
        looks, size, _ = cube["shape"]
        ran_on = (
            f"Out of core, {looks} looks of {size} x {size} pixels (one band is "
            f"{cube['one_band_gib_as_float32']} GiB as float32), threads {cube['threads']}, load "
            f"before the run {cube['machine']['load_before']}:"
        )
        lines += [
            "",
            ran_on,
            "",
            "| work | seconds | peak memory [GiB] | Mpx x bands / s | times xarray's median |",
            "|---|---|---|---|---|",
        ]
        for key, title in (
            ("median", "median of one band over the clear looks, file to file"),
            ("port_reference", "all that a run learns, four bands from compressed parts"),
        ):
            told = cube.get(key)
            if told is None:
                lines.append(f"| {title} | not measured | | | |")
                continue
            lines.append(
                f"| {title} | {told['seconds']} | {told['peak_memory_gib']} | "
                f"{told['mpx_band_s']} | {told['times_xarray']} |"
            )
    return "\n".join(lines)


def filled(page: str, text: str) -> str:
    """Return the page with `text` between its marks."""
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"the page has no marks {BEGIN} and {END}")
    return f"{head}{BEGIN}\n{text}\n{END}{tail}"


if __name__ == "__main__":
    main()
