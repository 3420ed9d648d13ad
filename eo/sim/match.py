"""Every true ship of every scene beside what a run says of her: one row each, found or not.

A row is what figures of accuracy are made of. Nothing is summed up here, so that rows of many
campaigns can be pooled later.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import shapely

from eo.core.errors import CampaignError
from eo.sim.judge import assign_labels
from eo.sim.labels import SHIP_M, Label, in_metres, read_truth, zone_of

__all__ = ["match_vessels"]

Row = dict[str, Any]

_ESTIMATES = (
    "vessel_id",
    "vessel_p",
    "fill_status",
    "freeboard_m",
    "freeboard_sd_m",
    "freeboard_bound_m",
    "freeboard_p05_m",
    "freeboard_p95_m",
    "draught_m",
    "fill",
    "fill_p05",
    "fill_p50",
    "fill_p95",
    "tanker_p",
    "clear_fraction",
)
_SCENE = (
    "datetime",
    "sensor",
    "sun_elevation_deg",
    "sun_azimuth_deg",
    "zenith_deg",
    "view_azimuth_deg",
    "psf_sigma_px",
    "wind_m_s",
)
_VESSEL = (
    "call_id",
    "berth",
    "length_m",
    "beam_m",
    "heading_deg",
    "draught_m",
    "freeboard_m",
    "fill",
    "quay_m",
    "heel_deg",
    "trim_m",
)


def match_vessels(run_dir: Path | str, truth: Path | str) -> list[Row]:
    """Return one row per true tanker of 60 m and more that lies wholly clear in a scene.

    Parameters
    ----------
    run_dir
        Folder of a finished run.
    truth
        truth.json of the simulated campaign, or its folder.

    Returns
    -------
    list of dict
        Truth under `true_...` (of the scene without a prefix), the detection under the names of
        detections.parquet (`fill_status` is `not-found` where there is none), what the scene's
        own pixels said under `pixel_...`, lengths in metres and angles in degrees.
        `sine` is abs(sin) of the angle between hull and sun, `bound_m` the Cramer-Rao bound of
        the freeboard as the run states it (None where it does not).

    Raises
    ------
    CampaignError
        If the run or the truth cannot be read.
    """
    run_dir, path = Path(run_dir), Path(truth)
    path = path / "truth.json" if path.is_dir() else path
    labels = read_truth(path).scenes
    told = json.loads(path.read_text(encoding="utf-8"))
    listed = {ship["vessel_id"]: bool(ship["listed"]) for ship in told["ships"]}
    tables = []
    for name in ("scenes", "detections"):
        place = run_dir / f"{name}.parquet"
        if not place.is_file():
            raise CampaignError(f"{run_dir} is no finished run: {place.name} is missing")
        tables.append(pd.read_parquet(place))
    scenes, detections = tables
    pixels = _pixels(run_dir)
    gsd = dict(zip(scenes["item_id"], scenes["gsd_m"], strict=True))
    names = dict(zip(scenes["item_id"], scenes["scene_id"], strict=True))
    rows: list[Row] = []
    for scene in told["scenes"]:
        item_id = scene["scene_id"]
        if item_id not in names:
            continue
        found = detections[detections["scene_id"] == names[item_id]]
        found = found[found["length_m"] >= 0.7 * SHIP_M]
        pairs = _pairs(labels[item_id], found)
        busy = [v for v in scene["vessels"] if v["class"] in {"tug", "barge"}]
        for vessel, label in zip(scene["vessels"], labels[item_id], strict=True):
            if vessel["class"] != "tanker" or not label.counts or vessel["freeboard_m"] is None:
                continue
            row = _truth_row(scene, vessel, busy) | {
                "scene_id": item_id,
                "gsd_m": float(gsd[item_id]),
                "listed": listed.get(vessel["vessel"], False),
            }
            rows.append(row | _estimate(pairs.get(vessel["vessel"]), vessel, pixels))
    return rows


def _pixels(run_dir: Path) -> dict[str, Row]:
    """Return what the scene's pixels alone said of each detection."""
    path = run_dir / "sightings.json"
    if not path.is_file():
        return {}
    stored = json.loads(path.read_text(encoding="utf-8"))["sightings"]
    return {entry["detection_id"]: entry["freeboard"] for entry in stored}


def _pairs(labels: list[Label], found: pd.DataFrame) -> dict[str, tuple[Any, float]]:
    """Return detection and distance [m] by vessel."""
    rows: list[Any] = list(found.itertuples(index=False))
    if not labels or not rows:
        return {}
    wanted = [label for label in labels if (label.length_m or 0.0) >= SHIP_M]
    if not wanted:
        return {}
    epsg = zone_of(wanted[0].outline)
    shapes = [in_metres(shapely.from_wkb(row.geometry), epsg) for row in rows]
    return {
        wanted[i].vessel: (
            rows[j],
            float(in_metres(wanted[i].outline, epsg).centroid.distance(shapes[j].centroid)),
        )
        for i, j in assign_labels(wanted, rows, shapes, epsg)
    }


def _truth_row(scene: Row, vessel: Row, busy: list[Row]) -> Row:
    row = {name: scene.get(name) for name in _SCENE}
    row |= {f"true_{name}": vessel.get(name) for name in _VESSEL}
    turn = np.radians(scene["sun_azimuth_deg"] - vessel["heading_deg"])
    metre = 111_200.0
    east = metre * np.cos(np.radians(vessel["lat"]))
    near = [
        np.hypot((v["lon"] - vessel["lon"]) * east, (v["lat"] - vessel["lat"]) * metre)
        < 0.5 * vessel["length_m"] + 20.0
        for v in busy
    ]
    return row | {
        "vessel": vessel["vessel"],
        "on_quay": bool(vessel["is_shade_on_quay"]),
        "craft_near": int(sum(near)),
        "sine": float(abs(np.sin(turn))),
    }


def _estimate(pair: tuple[Any, float] | None, vessel: Row, pixels: dict[str, Row]) -> Row:
    if pair is None:
        return {"detection_id": None, "fill_status": "not-found"}
    found, offset = pair
    row: Row = {"detection_id": str(found.detection_id), "offset_m": offset}
    for name in _ESTIMATES:
        value = getattr(found, name, None)
        if value is None or (not isinstance(value, str) and pd.isna(value)):
            row[name] = None
        else:
            row[name] = value if isinstance(value, str) else float(value)
    row["length_error_m"] = float(found.length_m - vessel["length_m"])
    row["beam_error_m"] = float(found.beam_m - vessel["beam_m"])
    turn = found.heading_deg - vessel["heading_deg"]
    row["heading_error_deg"] = float((turn + 90.0) % 180.0 - 90.0)
    said = pixels.get(str(found.detection_id), {})
    for name, value in said.items():
        if isinstance(value, int | float | str):
            row[f"pixel_{name}"] = value
    row["bound_m"] = row["freeboard_bound_m"]
    if row["bound_m"] is None:
        row["bound_m"] = _bound_m(said)
    return row


def _bound_m(said: Row) -> float | None:
    """Cramer-Rao bound of the freeboard, from that of the strip."""
    width, factor = said.get("strip_width_sd_m"), said.get("metres_per_metre")
    return float(width / factor) if width is not None and factor else None
