"""How likely is a box along the shore a ship: a logistic regression, trained on labelled ports.

The weights are in `berthed_model.json`, made by `benchmarks/train_berthed.py`, which also prints
how well ports that were left out are told. Features and their squares and products enter, each
standardised and cut at four standard deviations, so that a port unlike the training ones is not
extrapolated.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from eo.core.xp import Array
from eo.stages.berthed import FEATURES

__all__ = ["Model", "expand", "shipped_model"]

_CUT = 4.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """Weights of the regression."""

    centre: Array
    """(feature,) mean of each feature."""
    scale: Array
    """(feature,) standard deviation of each feature."""
    weights: Array
    """(term,) for the terms of :func:`expand`; the first is the intercept."""

    def probability(self, features: Array) -> Array:
        """Return the chance, (box,), that each row of (box, feature) is a ship."""
        if len(features) == 0:
            return np.empty(0)
        terms = expand((features - self.centre) / self.scale)
        return np.asarray(1 / (1 + np.exp(-np.clip(terms @ self.weights, -30, 30))))


def expand(standardised: Array) -> Array:
    """Return 1, the features, and their products, (box, term)."""
    x = np.clip(standardised, -_CUT, _CUT)
    i, j = np.triu_indices(x.shape[1])
    return np.concatenate([np.ones((len(x), 1)), x, x[:, i] * x[:, j]], axis=1)


@cache
def shipped_model() -> Model:
    """Return the model that comes with the package.

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
    return Model(**{key: np.array(data[key]) for key in ("centre", "scale", "weights")})
