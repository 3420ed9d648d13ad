"""How good and how fast the cloud mask is: kappa against people's labels, ports, Mpx/s.

Labels are two Landsat scenes with clouds and shadows drawn by people; they are given whole, in
quarters, brighter, darker and noisier, since one threshold fits two scenes easily. Ports are five
Sentinel-2 scenes without cloud but for a scrap at Cartagena: what is masked there is mostly false.
Speed is that of a made-up sky of 1500 x 1500 pixels, processor seconds of one thread.

Run ``python benchmarks/cloud_mask.py DATA [--methods spectral cnn auto] [--out FILE]``, DATA the
folder of real inputs; methods whose package is absent are left out, and named.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import rasterio
from machine import describe, save
from rasterio.features import rasterize
from rasterio.warp import transform_geom

from eo.core.errors import SceneError
from eo.kernels.cloud import classify
from eo.kernels.cloudiness import cloudiness, scene_floors
from eo.stages.mask import cloud_mask

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from skies import make_sky

FOUR = ("blue", "green", "red", "nir")
PORTS = ("algiers", "cartagena", "durban", "genoa", "hedland")


def kappa(found: Any, truth: Any) -> float:
    """Return Cohen's kappa of two masks."""
    agree = float((found == truth).mean())
    chance = float(found.mean() * truth.mean() + (1 - found.mean()) * (1 - truth.mean()))
    return round((agree - chance) / (1 - chance), 3) if chance < 1 else 1.0


def variants(image: Any, label: Any) -> dict[str, tuple[Any, Any]]:
    """Return a scene as it is, and changed in ways that should change little."""
    rng = np.random.default_rng(0)
    out = {"whole": (image, label)}
    half = image.shape[1] // 2
    for i in (0, half):
        for j in (0, half):
            part = (slice(i, i + half), slice(j, j + half))
            out[f"quarter {i},{j}"] = (image[:, *part], label[part])
    for factor in (0.9, 1.1):
        out[f"times {factor}"] = (image * factor, label)
    out["noise 0.01"] = (image + rng.normal(0, 0.01, image.shape), label)
    return {k: (np.ascontiguousarray(i, np.float32), lb) for k, (i, lb) in out.items()}


def labelled(data: Path, method: str) -> dict[str, Any]:
    """Return kappa of cloud and of shadow per scene and variant."""
    out: dict[str, Any] = {}
    for name in ("landsat5", "landsat7"):
        with np.load(data / "clouds" / f"{name}-cloud-shadow.npz") as file:
            image, label = file["img"].transpose(2, 0, 1)[:4], file["msk"][..., 0]
        for kind, (changed, truth) in variants(image, label).items():
            if method != "spectral" and kind != "whole":
                continue  # the network takes seconds each
            mask = cloud_mask(changed, FOUR, level="l1c", gsd_m=30.0, method=method)
            out[f"{name} {kind}"] = [kappa(mask == 2, truth == 4), kappa(mask == 3, truth == 0)]
    return out


def port(folder: Path, method: str) -> dict[str, float]:
    """Return the shares of a port called cloud and shade, and of its labelled ships."""
    planes = []
    for band in FOUR:
        with rasterio.open(folder / f"{band}.tif") as file:
            raw, frame, crs = file.read(1), file.transform, file.crs
        planes.append(np.where(raw == 0, np.nan, raw / 65535).astype(np.float32))
    outlines = json.loads((folder / "labels.geojson").read_text(encoding="utf-8"))
    shapes = [transform_geom("EPSG:4326", crs, f["geometry"]) for f in outlines["features"]]
    ships = rasterize(shapes, planes[0].shape, transform=frame) > 0
    mask = cloud_mask(np.stack(planes), FOUR, gsd_m=8.5, method=method)
    return {
        "cloud": round(float((mask == 2).mean()), 4),
        "shade": round(float((mask == 3).mean()), 4),
        "ships masked": round(float((mask[ships] >= 2).mean()), 4),
    }


def speed() -> dict[str, float]:
    """Return Mpx/s of one thread: the score of pixels, and the whole mask."""
    rng = np.random.default_rng(0)
    clouds = tuple(
        (float(r), float(c), float(s))
        for r, c, s in zip(
            rng.uniform(0, 1500, 40), rng.uniform(0, 1500, 40), rng.uniform(12, 40, 40), strict=True
        )
    )
    cloudy, clear = (make_sky(size=1500, clouds=c).image[:4] for c in (clouds, ()))
    floors = scene_floors(cloudy, FOUR, np.ones(cloudy.shape[1:], dtype=bool))
    cases = {
        "score of pixels": lambda: cloudiness(cloudy, FOUR, floors),
        "whole mask, forty clouds": lambda: classify(cloudy, FOUR, gsd_m=10.0),
        "whole mask, no cloud": lambda: classify(clear, FOUR, gsd_m=10.0),
    }
    out = {}
    for name, run in cases.items():
        run()
        best = float("inf")
        for _ in range(4):
            start = time.process_time()
            run()
            best = min(best, time.process_time() - start)
        out[name] = round(cloudy[0].size / 1e6 / best, 1)
    return out


def main() -> None:
    """Measure, print, and write where told."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--methods", nargs="+", default=["spectral", "cnn", "auto"])
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    figures: dict[str, Any] = {"machine": describe(), "threads": os.environ["OMP_NUM_THREADS"]}
    figures["mpx_per_s"] = speed()
    for method in args.methods:
        try:
            figures[method] = {
                "kappa of cloud, of shade": labelled(args.data, method),
                "ports": {p: port(args.data / "ports-s2" / p, method) for p in PORTS},
            }
        except SceneError as error:
            figures[method] = f"not measured: {error}"
    print(save(args.out, figures))


if __name__ == "__main__":
    main()
