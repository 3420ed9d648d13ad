"""How likely is a box a ship: what was learnt from labelled ports.

Along the shore a logistic regression tells boxes: features and their squares and products, each
standardised and cut at four standard deviations, so that a port unlike the training ones is not
extrapolated. What it says of single boxes (`eo.stages.consensus` gathers them) and what
`eo.stages.afloat` says of objects in open water are scores; two numbers each, learnt from ports
that the regression had not seen, make them chances: of detections said to be 0.8 sure, 8 in 10
are ships.

The weights are in `berthed_model.json`, made by `benchmarks/train_berthed.py`, one set for each
set of bands.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from eo.core.xp import Array
from eo.stages.berthed import FEATURES

__all__ = ["BAND_SETS", "Model", "band_set", "calibrated", "expand", "shipped_model"]

_CUT = 4.0
BAND_SETS = {
    "swir16": ("blue", "green", "red", "nir", "swir16"),
    "nir": ("blue", "green", "red", "nir"),
    "visible": ("blue", "green", "red"),
}
"""Sets of bands that models are trained for, by name, the richest first."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """Weights of the regression, and what makes scores chances."""

    centre: Array
    """(feature,) mean of each feature."""
    scale: Array
    """(feature,) standard deviation of each feature."""
    weights: Array
    """(term,) for the terms of :func:`expand`; the first is the intercept."""
    alongside: tuple[float, float] = (1.0, 0.0)
    """Slope and offset on the log odds of the boxes' support."""
    afloat: tuple[float, float] = (1.0, 0.0)
    """The same for objects with water all around."""

    def probability(self, features: Array) -> Array:
        """Return the chance, (box,), that each row of (box, feature) is a ship."""
        if len(features) == 0:
            return np.empty(0)
        terms = expand((features - self.centre) / self.scale)
        return np.asarray(1 / (1 + np.exp(-np.clip(terms @ self.weights, -30, 30))))


def calibrated(score: float, line: tuple[float, float]) -> float:
    """Return a score 0..1 as a chance: `line` is slope and offset on its log odds (Platt 1999)."""
    inner = min(max(score, 1e-4), 1 - 1e-4)
    odds = line[0] * math.log(inner / (1 - inner)) + line[1]
    return 1 / (1 + math.exp(-min(max(odds, -20.0), 20.0)))


def expand(standardised: Array) -> Array:
    """Return 1, the features, and their products, (box, term)."""
    x = np.clip(standardised, -_CUT, _CUT)
    i, j = np.triu_indices(x.shape[1])
    return np.concatenate([np.ones((len(x), 1)), x, x[:, i] * x[:, j]], axis=1)


def band_set(bands: tuple[str, ...]) -> str:
    """Return the name of the richest set of :data:`BAND_SETS` that `bands` hold."""
    held = {"nir" if b == "nir08" else b for b in bands}
    return next((name for name, needed in BAND_SETS.items() if held >= set(needed)), "visible")


@cache
def shipped_model(bands: str) -> Model:
    """Return the model that comes with the package for one set of bands.

    Parameters
    ----------
    bands
        Name of the set, as :func:`band_set` gives it.

    Raises
    ------
    ValueError
        If it was trained on other features than this version computes.
    """
    text = files("eo.stages").joinpath("berthed_model.json").read_text(encoding="utf-8")
    data = json.loads(text)
    if tuple(data["features"]) != FEATURES:
        raise ValueError(
            "berthed_model.json was trained on other features than this version computes; "
            "run benchmarks/train_berthed.py"
        )
    part = data["models"][bands]
    return Model(
        centre=np.array(part["centre"]),
        scale=np.array(part["scale"]),
        weights=np.array(part["weights"]),
        alongside=(part["alongside"][0], part["alongside"][1]),
        afloat=(part["afloat"][0], part["afloat"][1]),
    )
