"""Reading a local COG stack into the cube's grid, beside plain rasterio windows.

Eighteen bands of 2048 x 2048 pixels, as six scenes of three single-band COGs each, read by the
same number of threads in the same run: once through the package's reader (stackstac, aligned
windows copied), once with bare ``rasterio`` reads of the same windows into one array. The two
alternate; the figure is the ratio of their median rates.

    python benchmarks/read_stack.py [--size 2048] [--rounds 7] [--threads 2] [--json FILE]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from machine import describe, save

from eo.access.items import scene_from_item
from eo.access.readers import CogReader
from eo.core.grid import Grid
from eo.core.records import Scene
from eo.engine.local import ThreadEngine

WEST, NORTH, PIXEL, EPSG = 342_600.0, 4_732_600.0, 10.0, 32653
BANDS = ("blue", "green", "red")
SCENES = 6


def write_stack(folder: Path, size: int) -> list[Scene]:
    """Write the COGs and return their scenes."""
    rng = np.random.default_rng(1)
    scenes = []
    for number in range(SCENES):
        assets: dict[str, Any] = {}
        for name in BANDS:
            path = folder / f"{number}-{name}.tif"
            smooth = np.add.outer(np.arange(size), np.arange(size)) % 3000 + 1000
            pixels = (smooth + rng.integers(0, 60, (size, size))).astype(np.uint16)
            with rasterio.open(
                path, "w", driver="COG", width=size, height=size, count=1, dtype="uint16",
                crs=f"EPSG:{EPSG}", nodata=0, compress="deflate", blocksize=512,
                transform=rasterio.transform.from_origin(WEST, NORTH, PIXEL, PIXEL),
            ) as out:  # fmt: skip
                out.write(pixels, 1)
            assets[name] = {
                "href": str(path),
                "eo:bands": [{"name": name, "common_name": name}],
                "raster:bands": [{"scale": 1e-4, "offset": -0.1, "nodata": 0}],
                "roles": ["data"],
            }
        scenes.append(_scene(number, assets))
    return scenes


def _scene(number: int, assets: dict[str, Any]) -> Scene:
    ring = [[133, 42.5], [133.4, 42.5], [133.4, 42.8], [133, 42.8], [133, 42.5]]
    return scene_from_item(
        {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": f"s{number}",
            "collection": "sentinel-2-l2a",
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "properties": {
                "datetime": f"2024-05-0{number + 1}T02:00:00Z",
                "constellation": "sentinel-2",
                "platform": "sentinel-2a",
                "gsd": 10,
                "proj:epsg": EPSG,
            },
            "assets": assets,
        }
    )


def read_ours(scenes: list[Scene], grid: Grid, threads: int) -> Any:
    """Read the stack through the package's reader."""

    def unit(scene: Scene) -> Any:
        with CogReader() as reader:
            return reader.grid_pixels(scene, BANDS, grid, grid.window).dn

    engine = ThreadEngine(threads)
    outcomes = list(engine.map(unit, scenes))
    engine.close()
    found = {outcome.item.scene_id: outcome.value for outcome in outcomes}
    return [found[scene.scene_id] for scene in scenes]


def read_floor(scenes: list[Scene], grid: Grid, threads: int) -> Any:
    """Read the same windows with rasterio and nothing else."""
    out = np.empty((len(scenes) * len(BANDS), grid.height, grid.width), np.uint16)

    def one(job: tuple[int, str]) -> None:
        index, href = job
        with rasterio.open(href) as dataset:
            dataset.read(
                1,
                window=rasterio.windows.Window(0, 0, grid.width, grid.height),
                out=out[index],
            )

    jobs = [(k * len(BANDS) + j, _href(s, n)) for k, s in enumerate(scenes)
            for j, n in enumerate(BANDS)]  # fmt: skip
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(one, jobs))
    return out


def _href(scene: Scene, name: str) -> str:
    return next(band.href for band in scene.bands if band.name == name)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    print(save(asked.json, run(size=asked.size, rounds=asked.rounds, threads=asked.threads)))


def run(*, size: int, rounds: int, threads: int) -> dict[str, Any]:
    """Return the figures."""
    with tempfile.TemporaryDirectory() as name:
        scenes = write_stack(Path(name), size)
        grid = Grid(epsg=EPSG, x0_m=WEST, y0_m=NORTH, pixel_m=PIXEL, height=size, width=size)
        floor = read_floor(scenes, grid, threads)
        ours = np.concatenate(read_ours(scenes, grid, threads))
        if not np.array_equal(floor, ours):
            raise SystemExit("the two readers disagree: nothing was measured")
        del floor, ours
        seconds: dict[str, list[float]] = {"ours": [], "rasterio": []}
        both: dict[str, Callable[..., Any]] = {"ours": read_ours, "rasterio": read_floor}
        for _ in range(rounds):
            for key, function in both.items():
                start = time.perf_counter()
                function(scenes, grid, threads)
                seconds[key].append(time.perf_counter() - start)
    pixels = SCENES * len(BANDS) * size * size / 1e6
    rates = {key: pixels / statistics.median(values) for key, values in seconds.items()}
    pairs = [f / o for o, f in zip(seconds["ours"], seconds["rasterio"], strict=True)]
    return {
        "benchmark": "read_stack",
        "machine": describe(),
        "shape": [SCENES * len(BANDS), size, size],
        "dtype": "uint16",
        "threads": threads,
        "rounds": rounds,
        "ours_mpx_s": round(rates["ours"], 1),
        "rasterio_mpx_s": round(rates["rasterio"], 1),
        "ratio": round(rates["ours"] / rates["rasterio"], 3),
        "median_of_pairs": round(statistics.median(pairs), 3),
        "ratio_of_pairs": [round(min(pairs), 3), round(max(pairs), 3)],
    }


if __name__ == "__main__":
    main()
