"""A run held against what is known to be true.

Matching is one to one within a scene. A hit: centres within a quarter of the label's length (30 m
at least), or intersection over union of 0.2 and more. Vessels shorter than 60 m count neither
way, nor do hulls partly hidden: finding them is no false alarm, missing them no miss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import shapely
from scipy.optimize import linear_sum_assignment

from eo.core.errors import CampaignError
from eo.sim.judge_calls import CallScore, join_calls, score_calls
from eo.sim.labels import SHIP_M, Label, Truth, in_metres, read_truth, zone_of

__all__ = ["Hit", "Score", "assign_labels", "score", "score_many"]

Array = Any
_NEVER = 1e9


@dataclass(frozen=True, kw_only=True)
class Hit:
    """One vessel that was found; errors are estimate less truth."""

    scene_id: str
    """Scene."""
    vessel: str
    """Label."""
    detection_id: str
    """Detection."""
    offset_m: float
    """Distance of the centres."""
    length_error_m: float | None
    """None for a point label."""
    beam_error_m: float | None
    """None for a point label."""
    heading_error_deg: float | None
    """Modulo 180, within -90..90."""
    bow_right: bool | None
    """Whether the bow is at the right end; None where either does not say."""
    fill_status: str
    """Status of the estimate."""
    freeboard_error_m: float | None
    """None where not measured or not known."""
    freeboard_sd_m: float | None
    """As the run states it."""
    fill_error: float | None
    """None where not measured or not known."""
    fill_covered: bool | None
    """Whether p05..p95 holds the truth."""
    fill_width: float | None
    """p95 less p05."""
    shade_on_quay: bool | None
    """Where the shade falls, if known."""
    fill_known: bool
    """Whether the true fill is known."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """What a run got right."""

    name: str
    """Run or runs."""
    scenes: int
    """Scenes compared."""
    hits: tuple[Hit, ...]
    """Vessels found."""
    missed: tuple[tuple[str, str], ...]
    """(scene_id, vessel) of those not found."""
    false: tuple[tuple[str, str], ...]
    """(scene_id, detection_id) of detections where no vessel is."""
    calls: CallScore | None = None
    """Port calls, where they are known."""
    notes: tuple[str, ...] = field(default=())
    """What could not be compared."""

    @property
    def recall(self) -> float | None:
        """Share of the labels found; None without labels."""
        labels = len(self.hits) + len(self.missed)
        return len(self.hits) / labels if labels else None

    @property
    def precision(self) -> float | None:
        """Share of the detections that are vessels; None without detections."""
        found = len(self.hits) + len(self.false)
        return len(self.hits) / found if found else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of recall and precision; None without labels and detections."""
        total = 2 * len(self.hits) + len(self.missed) + len(self.false)
        return 2 * len(self.hits) / total if total else None

    def errors(self, name: str) -> Array:
        """Return one kind of error of all hits that have it, as an array."""
        values = [getattr(hit, name) for hit in self.hits]
        return np.array([value for value in values if value is not None], dtype=float)

    def rmse(self, name: str) -> float | None:
        """Return the root mean square of one kind of error; None where there is none."""
        values = self.errors(name)
        return float(np.sqrt(np.mean(values**2))) if values.size else None

    def mean(self, name: str) -> float | None:
        """Return the mean of one kind of error; None where there is none."""
        values = self.errors(name)
        return float(values.mean()) if values.size else None


def score(run_dir: Path | str, truth: Path | str | Truth) -> Score:
    """Compare one run with the truth.

    Parameters
    ----------
    run_dir
        Folder of a finished run.
    truth
        truth.json, labels.geojson, or a folder or catalog that holds several; scenes that the
        run does not hold are left out.

    Raises
    ------
    CampaignError
        If the run or the truth cannot be read, or has no scene in common.
    """
    run_dir = Path(run_dir)
    known = truth if isinstance(truth, Truth) else read_truth(truth)
    scenes = _table(run_dir, "scenes")
    detections = _table(run_dir, "detections")
    labels = _by_scene(known, scenes, run_dir)
    hits: list[Hit] = []
    missed: list[tuple[str, str]] = []
    false: list[tuple[str, str]] = []
    for scene_id, there in labels.items():
        rows = detections[(detections["scene_id"] == scene_id) & (detections["length_m"] >= SHIP_M)]
        found, lost, wrong = _scene(scene_id, there, rows)
        hits += found
        missed += lost
        false += wrong
    calls = None
    if known.calls is not None:
        calls = score_calls(known, _table(run_dir, "calls"), _table(run_dir, "totals"))
    return Score(
        name=run_dir.name,
        scenes=len(labels),
        hits=tuple(hits),
        missed=tuple(missed),
        false=tuple(false),
        calls=calls,
    )


def score_many(pairs: Sequence[tuple[Path | str, Path | str]]) -> Score:
    """Compare several runs, each with its truth, and pool the result.

    Raises
    ------
    CampaignError
        As for :func:`score`.
    """
    parts = [score(run, truth) for run, truth in pairs]
    calls = [part.calls for part in parts if part.calls is not None]
    return Score(
        name=", ".join(part.name for part in parts),
        scenes=sum(part.scenes for part in parts),
        hits=tuple(hit for part in parts for hit in part.hits),
        missed=tuple(row for part in parts for row in part.missed),
        false=tuple(row for part in parts for row in part.false),
        calls=join_calls(calls) if calls else None,
    )


def _table(run_dir: Path, name: str) -> pd.DataFrame:
    path = run_dir / f"{name}.parquet"
    if not path.is_file():
        raise CampaignError(f"{run_dir} is no finished run: {path.name} is missing")
    return pd.read_parquet(path)


def _by_scene(known: Truth, scenes: pd.DataFrame, run_dir: Path) -> dict[str, list[Label]]:
    usable = scenes[scenes["status"] != "skipped"]
    if "*" in known.scenes:
        if len(usable) != 1:
            raise CampaignError(
                f"{run_dir} holds {len(usable)} scenes, but the labels do not say which is theirs; "
                "put them beside the scene's item.json"
            )
        return {str(usable["scene_id"].iloc[0]): known.scenes["*"]}
    # An id that clashed in its catalogue carries its collection in front.
    labels = {}
    for scene_id, item_id in zip(usable["scene_id"], usable["item_id"], strict=True):
        if scene_id in known.scenes or item_id in known.scenes:
            labels[str(scene_id)] = known.scenes.get(scene_id, known.scenes.get(item_id, []))
    if not labels:
        raise CampaignError(
            f"{run_dir} and the truth have no scene in common: the run holds "
            f"{', '.join(scenes['scene_id'].head(3)) or 'none'}, the truth "
            f"{', '.join(list(known.scenes)[:3])}"
        )
    return labels


def _scene(
    scene_id: str, labels: list[Label], rows: pd.DataFrame
) -> tuple[list[Hit], list[tuple[str, str]], list[tuple[str, str]]]:
    wanted = [label for label in labels if label.counts]
    others = [label for label in labels if not label.counts]
    detections: list[Any] = list(rows.itertuples(index=False))
    outlines = [shapely.from_wkb(row.geometry) for row in detections]
    places = [label.outline for label in labels] + outlines
    if not places:
        return [], [], []
    epsg = zone_of(places[0])
    shapes = [in_metres(outline, epsg) for outline in outlines]
    pairs = assign_labels(wanted, detections, shapes, epsg)
    hits = [
        _hit(scene_id, wanted[i], detections[j], _offset(wanted[i], shapes[j], epsg))
        for i, j in pairs
    ]
    found = {i for i, _ in pairs}
    taken = {j for _, j in pairs}
    missed = [(scene_id, label.vessel) for i, label in enumerate(wanted) if i not in found]
    left = [j for j in range(len(detections)) if j not in taken]
    excused = assign_labels(others, [detections[j] for j in left], [shapes[j] for j in left], epsg)
    forgiven = {left[j] for _, j in excused}
    false = [(scene_id, str(detections[j].detection_id)) for j in left if j not in forgiven]
    return hits, missed, false


def assign_labels(
    labels: list[Label], detections: list[Any], shapes: list[Any], epsg: int
) -> list[tuple[int, int]]:
    """Return pairs (label, detection) of the one-to-one matching with most hits, then nearest."""
    if not labels or not detections:
        return []
    cost = np.full((len(labels), len(detections)), _NEVER)
    for i, label in enumerate(labels):
        there = in_metres(label.outline, epsg)
        for j, shape in enumerate(shapes):
            offset = float(there.centroid.distance(shape.centroid))
            size = label.length_m if label.length_m is not None else detections[j].length_m
            near = offset <= max(30.0, 0.25 * size)
            if near or (label.length_m is not None and _overlap(there, shape) >= 0.2):
                cost[i, j] = offset
    rows, cols = linear_sum_assignment(cost)
    return [(int(i), int(j)) for i, j in zip(rows, cols, strict=True) if cost[i, j] < _NEVER]


def _overlap(one: Any, other: Any) -> float:
    union = one.union(other).area
    return float(one.intersection(other).area / union) if union > 0 else 0.0


def _offset(label: Label, shape: Any, epsg: int) -> float:
    return float(in_metres(label.outline, epsg).centroid.distance(shape.centroid))


def _hit(scene_id: str, label: Label, row: Any, offset_m: float) -> Hit:
    turn = None
    if label.heading_deg is not None:
        turn = (row.heading_deg - label.heading_deg + 90.0) % 180.0 - 90.0
    bow = None
    if label.bow_known and label.heading_deg is not None and row.heading_is_bow:
        bow = abs((row.heading_deg - label.heading_deg + 180.0) % 360.0 - 180.0) < 90.0
    measured = row.fill_status == "measured" and pd.notna(row.fill)
    known = measured and label.fill is not None
    freeboard = measured and label.freeboard_m is not None and pd.notna(row.freeboard_m)
    return Hit(
        scene_id=scene_id,
        vessel=label.vessel,
        detection_id=str(row.detection_id),
        offset_m=offset_m,
        length_error_m=None if label.length_m is None else float(row.length_m - label.length_m),
        beam_error_m=None if label.beam_m is None else float(row.beam_m - label.beam_m),
        heading_error_deg=None if turn is None else float(turn),
        bow_right=bow,
        fill_status=str(row.fill_status),
        freeboard_error_m=float(row.freeboard_m - label.freeboard_m) if freeboard else None,
        freeboard_sd_m=float(row.freeboard_sd_m) if freeboard else None,
        fill_error=float(row.fill - label.fill) if known else None,
        fill_covered=bool(row.fill_p05 <= label.fill <= row.fill_p95) if known else None,
        fill_width=float(row.fill_p95 - row.fill_p05) if measured else None,
        shade_on_quay=label.shade_on_quay,
        fill_known=label.fill is not None,
    )
