"""Train the model that tells ships along quays, and say how well it does on ports left out.

    python benchmarks/train_berthed.py ../shared/data/ports-s2 [--write]

Reads every port of the folder, makes the candidates of `eo.stages.berthed`, calls those that
overlap a labelled outline by more than half ships and those below 0.3 none. Each port weighs by
its number of labels, and its other candidates together as much as 1500. The figures printed are
for models that never saw the port. `--write` trains on all and writes `berthed_model.json`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from rasterio.warp import Resampling, reproject

from eo.core.grid import LONLAT, Grid, grid_over, project_geometry
from eo.core.records import Target
from eo.kernels.hullfit import Box
from eo.stages import berthed, classify, detect, pixels

BANDS = ("blue", "green", "red", "nir", "swir16")
PENALTY = 3.0
FULL_SCALE = 65535.0

Port = tuple[Grid, Any, list[Any]]
Candidates = tuple[Any, Any, int]
"""Features, overlaps with labelled outlines, number of labels."""


def read_port(folder: Path) -> Port:
    """Return a port on its 10 m grid, reflectance (band, y, x), and its outlines."""
    item = json.loads((folder / "item.json").read_text())
    grid = grid_over(item["geometry"], 10.0)
    planes = []
    for band in BANDS:
        with rasterio.open(folder / f"{band}.tif") as source:
            dn = source.read(1).astype(np.float32)
            dn[dn == 0] = np.nan
            plane = np.full((grid.height, grid.width), np.nan, np.float32)
            reproject(
                dn,
                plane,
                src_transform=source.transform,
                src_crs=source.crs,
                dst_transform=rasterio.Affine(*grid.transform()),
                dst_crs=grid.crs,
                resampling=Resampling.bilinear,
                src_nodata=np.nan,
                dst_nodata=np.nan,
            )
            planes.append(plane / FULL_SCALE)
    labels = json.loads((folder / "labels.geojson").read_text())
    shapes = [project_geometry(f["geometry"], LONLAT, grid.crs) for f in labels["features"]]
    return grid, np.stack(planes), shapes


def overlaps(boxes: list[Box], grid: Grid, shapes: list[Any]) -> Any:
    """Return, for each box, its largest intersection over union with an outline."""
    corners = np.array([b.corners() for b in boxes])
    x, y = grid.to_map(corners[..., 0] + 0.5, corners[..., 1] + 0.5)
    outlines = shapely.polygons(np.stack([x, y], axis=-1))
    best = np.zeros(len(boxes))
    tree = shapely.STRtree(outlines)
    for shape in shapes:
        near = tree.query(shape)
        shared = shapely.area(shapely.intersection(outlines[near], shape))
        union = shapely.area(outlines[near]) + shape.area - shared
        best[near] = np.maximum(best[near], shared / union)
    return best


def train(sets: list[Candidates]) -> classify.Model:
    """Fit a penalised logistic regression to the candidates of several ports."""
    used = [(f, o, n) for f, o, n in sets if n]
    x = np.concatenate([f[(o > 0.5) | (o < 0.3)] for f, o, _ in used])
    y = np.concatenate([(o > 0.5)[(o > 0.5) | (o < 0.3)] for _, o, _ in used]).astype(float)
    weights = []
    for _, o, n in used:
        positive = (o > 0.5)[(o > 0.5) | (o < 0.3)]
        ships = 300 * n / 25 / max(positive.sum(), 1)
        others = 1500 / max((~positive).sum(), 1)
        weights.append(np.where(positive, ships, others))
    w = np.concatenate(weights)
    centre, scale = x.mean(axis=0), x.std(axis=0) + 1e-6
    terms = classify.expand((x - centre) / scale)
    size = terms[:, 1:].std(axis=0) + 1e-6
    design = terms.copy()
    middle = terms[:, 1:].mean(axis=0)
    design[:, 1:] = (terms[:, 1:] - middle) / size
    beta = np.zeros(design.shape[1])
    penalty = np.full(design.shape[1], 1 / 0.003)
    penalty[0] = 0
    for _ in range(30):
        p = 1 / (1 + np.exp(-np.clip(design @ beta, -30, 30)))
        gradient = design.T @ (w * (y - p)) - penalty * beta
        hessian = (design * (w * p * (1 - p))[:, None]).T @ design + np.diag(penalty + 1e-9)
        step = np.linalg.solve(hessian, gradient)
        beta += step
        if np.abs(step).max() < 1e-5:
            break
    weights = np.concatenate([[beta[0] - (beta[1:] * middle / size).sum()], beta[1:] / size])
    return classify.Model(centre=centre, scale=scale, weights=weights)


def score(targets: tuple[Target, ...], shapes: list[Any]) -> Any:
    """Return hits, false and missed.

    One to one, centre within a quarter of the length (30 m) or IoU 0.2; below 60 m neither way.
    """
    outlines = [shapely.Polygon(t.hull.outline) for t in targets]
    lengths = [long_side(s) for s in shapes]
    pairs = []
    for i, outline in enumerate(outlines):
        for j, shape in enumerate(shapes):
            centre = shapely.Point(targets[i].hull.x_m, targets[i].hull.y_m)
            away = centre.distance(shape.centroid)
            iou = outline.intersection(shape).area / outline.union(shape).area
            if away <= max(30, lengths[j] / 4) or iou >= 0.2:
                pairs.append((away - 1000 * iou, i, j))
    taken, found = {}, {}
    for _, i, j in sorted(pairs):
        if i not in taken and j not in found:
            taken[i], found[j] = j, i
    long = [t.hull.length_m >= 60 for t in targets]
    hits = sum(long[i] and lengths[j] >= 60 for i, j in taken.items())
    false = sum(is_long and i not in taken for i, is_long in enumerate(long))
    missed = sum(n >= 60 and not (j in found and long[found[j]]) for j, n in enumerate(lengths))
    return np.array([hits, false, missed])


def long_side(shape: Any) -> float:
    """Return the longer side of the smallest rectangle about an outline."""
    points = np.array(shapely.minimum_rotated_rectangle(shape).exterior.coords)
    return float(np.hypot(*np.diff(points[:3], axis=0).T).max())


def main() -> None:
    """Train, print what ports left out give, and write the model if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    ports = {f.parent.name: read_port(f.parent) for f in sorted(args.folder.glob("*/item.json"))}
    sets = {}
    for name, (grid, image, shapes) in ports.items():
        mask = np.isfinite(image).all(axis=0).astype(np.uint8)
        scene = pixels.scene_pixels(image, BANDS, mask, grid.pixel_m)
        boxes, features = berthed.berthed_candidates(scene)
        sets[name] = (features, overlaps(boxes, grid, shapes), len(shapes))
    total = np.zeros(3, int)
    for name, (grid, image, shapes) in ports.items():
        model = train([s for other, s in sets.items() if other != name])
        mask = np.isfinite(image).all(axis=0).astype(np.uint8)
        result = detect.find_targets(
            image, BANDS, mask, reference=None, grid=grid, window=grid.window, model=model
        )
        counts = score(result.targets, shapes)
        total += counts
        print(report(name, counts))
    print(report("all, each left out", total))
    if args.write:
        model = train(list(sets.values()))
        data = {
            "features": list(berthed.FEATURES),
            "trained_on": sorted(ports),
            "left_out_f1": round(float(f1(total)), 3),
            "centre": [float(f"{v:.6g}") for v in model.centre],
            "scale": [float(f"{v:.6g}") for v in model.scale],
            "weights": [float(f"{v:.6g}") for v in model.weights],
        }
        out = Path(classify.__file__).with_name("berthed_model.json")
        out.write_text(json.dumps(data, indent=0) + "\n")
        print(f"wrote {out.name}")


def f1(counts: Any) -> float:
    """Return F1 of hits, false, missed."""
    return 2 * counts[0] / max(2 * counts[0] + counts[1] + counts[2], 1)


def report(name: str, counts: Any) -> str:
    """Return one line of figures."""
    hits, false, missed = counts
    return f"{name:20s} hits {hits:3d} false {false:3d} missed {missed:3d} F1 {f1(counts):.3f}"


if __name__ == "__main__":
    main()
