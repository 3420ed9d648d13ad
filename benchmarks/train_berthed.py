"""Train what tells ships from quays, and say how well it does on ports left out.

    python benchmarks/train_berthed.py ../shared/data/ports-s2 [--write] [--bands swir16]

Data: every `<port>/` of the folder: blue, green, red, nir, swir16 as COG, `item.json`, and
`labels.geojson`, outlines drawn by people. The candidates of `eo.stages.berthed` that overlap an
outline by more than half are ships, those below 0.3 none; each port weighs by its number of
labels, and its other candidates together as much as 1500.

The figures are of models that never saw the port. What makes scores chances for a port is learnt
from the labels of the others alone, each told by a model that did not see it.
`--write` trains on all ports and writes `eo/stages/berthed_model.json`, and the figures to
`benchmarks/results/vessels_ports.json`.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from port_scores import SHIP_M, f1, matches, off_quay, reliability, rmse, score, sides
from rasterio.warp import Resampling, reproject

from eo.core.grid import LONLAT, Grid, grid_over, project_geometry
from eo.kernels.hullfit import Box
from eo.stages import afloat, berthed, classify, consensus, detect, pixels

BANDS = ("blue", "green", "red", "nir", "swir16")
PENALTY = 100.0
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
    beta = newton(design, y, w, PENALTY)
    weights = np.concatenate([[beta[0] - (beta[1:] * middle / size).sum()], beta[1:] / size])
    return classify.Model(centre=centre, scale=scale, weights=weights)


def newton(design: Any, y: Any, w: Any, penalty: float) -> Any:
    """Return the coefficients of a ridge-penalised logistic regression; the first is free."""
    beta = np.zeros(design.shape[1])
    ridge = np.full(design.shape[1], penalty)
    ridge[0] = 0
    for _ in range(30):
        p = 1 / (1 + np.exp(-np.clip(design @ beta, -30, 30)))
        gradient = design.T @ (w * (y - p)) - ridge * beta
        hessian = (design * (w * p * (1 - p))[:, None]).T @ design + np.diag(ridge + 1e-9)
        step = np.linalg.solve(hessian, gradient)
        beta += step
        if np.abs(step).max() < 1e-5:
            break
    return beta


@dataclass(frozen=True, kw_only=True, eq=False)
class Told:
    """One port as the models see it."""

    grid: Grid
    shapes: list[Any]
    scene: pixels.Pixels
    boxes: list[Box]
    candidates: Candidates


def told(port: Port, bands: tuple[str, ...]) -> Told:
    """Return a port with its candidates, some bands of it alone."""
    grid, image, shapes = port
    image = image[: len(bands)]
    mask = np.isfinite(image).all(axis=0).astype(np.uint8)
    scene = pixels.scene_pixels(image, bands, mask, grid.pixel_m)
    boxes, features = berthed.berthed_candidates(scene)
    known = (features, overlaps(boxes, grid, shapes), len(shapes))
    return Told(grid=grid, shapes=shapes, scene=scene, boxes=boxes, candidates=known)


def rows_of(port: Told, model: classify.Model) -> list[tuple[bool, float, bool]]:
    """Return (alongside, score, is a ship) of what one port shows, before calibration."""
    chance = model.probability(port.candidates[0])
    hulls = consensus.agreed_hulls(port.boxes, chance)
    quay = [
        afloat.Found(box=h.box, probability=h.support, alongside=True)
        for h in hulls
        if h.support > 0.02
    ]
    free = afloat.afloat(port.scene)
    sure = [f for f in free if f.probability > 0.6]
    rows = []
    for group, alongside in ((free, False), (detect.distinct([*sure, *quay]), True)):
        targets = [detect.target_of(f, port.scene, port.grid, port.grid.window) for f in group]
        taken = matches(targets, port.shapes)
        for i, one in enumerate(group):
            if one.alongside == alongside and (alongside or targets[i].hull.length_m >= 50):
                rows.append((alongside, one.probability, i in taken))
    return rows


def line(rows: list[tuple[bool, float, bool]], alongside: bool) -> tuple[float, float]:
    """Return slope and offset that make scores chances."""
    score_, true = np.array([r[1:] for r in rows if r[0] == alongside], float).T
    inner = np.clip(score_, 1e-4, 1 - 1e-4)
    odds = np.log(inner / (1 - inner))
    beta = newton(np.stack([np.ones_like(odds), odds], axis=1), true, np.ones_like(odds), 0.5)
    return round(float(beta[1]), 3), round(float(beta[0]), 3)


def with_lines(model: classify.Model, rows: list[tuple[bool, float, bool]]) -> classify.Model:
    """Return the model with its scores made chances by rows of ports it did not see."""
    return replace(model, alongside=line(rows, True), afloat=line(rows, False))


def cross_validated(ports: dict[str, Told]) -> tuple[dict[str, classify.Model], classify.Model]:
    """Return a model for each port left out, and one of all ports."""
    every = set(ports)

    def fitted(names: set[str]) -> classify.Model:
        return train([ports[n].candidates for n in sorted(names)])

    single = {n: fitted(every - {n}) for n in ports}
    rows = {n: rows_of(ports[n], single[n]) for n in ports}
    left_out = {
        n: with_lines(single[n], [r for m in sorted(every - {n}) for r in rows[m]]) for n in ports
    }
    return left_out, with_lines(fitted(every), [r for n in sorted(ports) for r in rows[n]])


def judged(ports: dict[str, Port], told_: dict[str, Told], models: dict[str, Any]) -> Any:
    """Return the figures of ports told by models that never saw them."""
    out: dict[str, Any] = {"ports": {}}
    total, said, errors, off = np.zeros(3, int), [], [], []
    for name, (grid, planes, shapes) in ports.items():
        bands = told_[name].scene.bands
        image = planes[: len(bands)]
        mask = np.isfinite(image).all(axis=0).astype(np.uint8)
        found = detect.find_targets(
            image, bands, mask, reference=None, grid=grid, window=grid.window, model=models[name]
        ).targets
        counts = score(found, shapes)
        total += counts
        taken = matches(list(found), shapes)
        away = off_quay(shapes, told_[name].scene, grid)
        for i, target in enumerate(found):
            if target.hull.length_m < 60:
                continue
            said.append((target.confidence, i in taken))
            if i in taken:
                long, wide = sides(shapes[taken[i]])
                errors.append(
                    (target.hull.length_m - long, target.hull.beam_m - wide, taken[i] in away)
                )
        long_hits = {j for i, j in taken.items() if found[i].hull.length_m >= 60}
        off += [(sides(shapes[j])[0], j in long_hits, j in taken.values()) for j in away]
        out["ports"][name] = figures(counts)
        print(report(name, counts))
    print(report("all, each left out", total))
    out["all"] = figures(total)
    wrong = np.array(errors)
    out["length_rmse_m"] = round(rmse(wrong[:, 0]), 1)
    out["length_bias_m"] = round(float(wrong[:, 0].mean()), 1)
    out["length_median_error_m"] = round(float(np.median(abs(wrong[:, 0]))), 1)
    out["beam_rmse_m"] = round(rmse(wrong[:, 1]), 1)
    out["beam_bias_m"] = round(float(wrong[:, 1].mean()), 1)
    away_ = np.array(off)
    out["off_quay"] = {
        "labels": len(away_),
        "found": int(away_[:, 2].sum()),
        "found_and_measured_60_m": int(away_[:, 1].sum()),
        "labels_100_m": int((away_[:, 0] >= 100).sum()),
        "found_100_m": int(away_[away_[:, 0] >= 100, 1].sum()),
    }
    out["reliability"] = reliability(*zip(*said, strict=True))
    print(json.dumps({k: v for k, v in out.items() if k != "ports"}, indent=None))
    return out


def length_errors(targets: Any, shapes: list[Any]) -> list[float]:
    """Return by how much the vessels found are longer than their labels [m]."""
    taken = matches(list(targets), shapes)
    return [
        targets[i].hull.length_m - sides(shapes[j])[0]
        for i, j in taken.items()
        if targets[i].hull.length_m >= SHIP_M
    ]


def figures(counts: Any) -> dict[str, Any]:
    """Return hits, false, missed and F1 by name."""
    hits, false, missed = (int(c) for c in counts)
    return {"hits": hits, "false": false, "missed": missed, "f1": round(f1(counts), 3)}


def report(name: str, counts: Any) -> str:
    """Return one line of figures."""
    hits, false, missed = counts
    return f"{name:20s} hits {hits:3d} false {false:3d} missed {missed:3d} F1 {f1(counts):.3f}"


def main() -> None:
    """Train, print what ports left out give, and write the model if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--bands", nargs="*", default=list(classify.BAND_SETS))
    args = parser.parse_args()
    ports = {f.parent.name: read_port(f.parent) for f in sorted(args.folder.glob("*/item.json"))}
    models, results = {}, {}
    for name in args.bands:
        print(f"bands: {name}")
        seen = {n: told(p, classify.BAND_SETS[name]) for n, p in ports.items()}
        left_out, whole = cross_validated(seen)
        results[name] = judged(ports, seen, left_out)
        models[name] = stored(whole, results[name])
        if name == "visible" and "swir16" in models:
            # Three bands at 10 m take shoals and quays for objects afloat, which a finer picture
            # does not: the line of all five bands holds there too.
            models[name]["afloat"] = models["swir16"]["afloat"]
    if args.write:
        write(models, results, sorted(ports))


def stored(model: classify.Model, figures_: Any) -> dict[str, Any]:
    """Return a model as it is written."""
    return {
        "left_out_f1": figures_["all"]["f1"],
        "alongside": model.alongside,
        "afloat": model.afloat,
        **{k: rounded(getattr(model, k)) for k in ("centre", "scale", "weights")},
    }


def rounded(values: Any) -> list[float]:
    """Return numbers with as many digits as matter."""
    return [float(f"{v:.5g}") for v in values]


def write(models: Any, results: Any, ports: list[str]) -> None:
    """Write the models beside the code that uses them, and the figures; others stay."""
    out = Path(classify.__file__).with_name("berthed_model.json")
    place = Path(__file__).parent / "results" / "vessels_ports.json"
    old = json.loads(out.read_text()) if out.is_file() else {}
    if tuple(old.get("features", ())) == berthed.FEATURES and old.get("trained_on") == ports:
        models = old.get("models", {}) | models
        results = (json.loads(place.read_text()) if place.is_file() else {}) | results
    data = {"features": list(berthed.FEATURES), "trained_on": ports, "models": models}
    out.write_text(json.dumps(data, separators=(",", ":")) + "\n")
    place.write_text(json.dumps(results, indent=1) + "\n")
    print(f"wrote {out.name} and {place.name}")


if __name__ == "__main__":
    main()
