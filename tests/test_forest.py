"""Forests of trees: every path against LightGBM itself, and against each other, to the last bit."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_forests import random_forest, sample_values

from eo.core.errors import ModelError
from eo.kernels.compiled import has_numba
from eo.kernels.forest import predict, raw_scores, transform
from eo.kernels.lightgbm_text import parse_lightgbm, read_lightgbm
from eo.kernels.trees import Forest

METHODS = ["arrays", *(["numba"] if has_numba() else [])]
DATA = Path(__file__).parents[1].parent / "shared" / "data" / "clouds"


def features_with_gaps(seed: int, count: int, features: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, (count, features)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    x[rng.random(x.shape) < 0.1] = 0.0
    x[rng.random(x.shape) < 0.02] = np.float32(5e-36)
    return x


def trained(objective: str, seed: int = 3, **parameters: Any) -> tuple[Any, np.ndarray]:
    """Train a small model of LightGBM on noise with structure, and give new samples."""
    lightgbm = pytest.importorskip("lightgbm", reason="lightgbm is not installed")
    x = features_with_gaps(seed, 1500, 6)
    y = np.nan_to_num(x[:, 0]) + np.nan_to_num(x[:, 1]) * (np.nan_to_num(x[:, 2]) > 0)
    if objective in {"binary", "cross_entropy"}:
        y = (y > 0).astype(float)
    elif objective.startswith("multiclass"):
        y = np.digitize(y, [-0.5, 0.5]).astype(float)
        parameters["num_class"] = 3
    elif objective in {"poisson", "gamma", "tweedie"}:
        y = np.exp(y)
    settings_ = {"objective": objective, "verbosity": -1, "num_threads": 1, "num_leaves": 23}
    rounds = parameters.pop("rounds", 12)
    booster = lightgbm.train(
        {**settings_, "min_data_in_leaf": 5, **parameters}, lightgbm.Dataset(x, y), rounds
    )
    return booster, features_with_gaps(seed + 1, 700, 6)


MODELS: list[tuple[str, dict[str, Any]]] = [
    ("binary", {"sigmoid": 1.7}),
    ("binary", {"zero_as_missing": True}),
    ("binary", {"use_missing": False}),
    ("binary", {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}),
    ("binary", {"max_bin": 1023, "min_data_in_bin": 1, "num_leaves": 200, "rounds": 40}),
    ("binary", {"min_data_in_leaf": 5000}),
    ("multiclass", {}),
    ("multiclassova", {"sigmoid": 0.8}),
    ("cross_entropy", {}),
    ("regression", {}),
    ("regression", {"reg_sqrt": True}),
    ("regression_l1", {}),
    ("quantile", {"alpha": 0.8}),
    ("poisson", {}),
    ("gamma", {}),
    ("tweedie", {}),
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("objective", "parameters"), MODELS)
def test_equals_lightgbm(objective: str, parameters: dict[str, Any], method: str) -> None:
    booster, x = trained(objective, **parameters)
    forest = parse_lightgbm(booster.model_to_string())
    scores = raw_scores(forest, x.T, method=method)
    told = np.atleast_2d(booster.predict(x, raw_score=True, num_threads=1).T)
    np.testing.assert_array_equal(scores, told)
    wanted = booster.predict(x, num_threads=1).T
    np.testing.assert_allclose(np.squeeze(transform(forest, scores)), wanted, rtol=1e-13)
    assert predict(forest, x.T).shape == wanted.shape


def test_thresholds_are_met_exactly() -> None:
    """Samples on a threshold and one float32 step off it take LightGBM's branch."""
    booster, _ = trained("regression", num_leaves=60)
    forest = parse_lightgbm(booster.model_to_string())
    edges = np.append(np.unique(forest.threshold[forest.kind != 7]), np.float32([0, -1e-35, 1e-35]))
    around = np.concatenate(
        [edges, np.nextafter(edges, np.float32(np.inf)), np.nextafter(edges, np.float32(-np.inf))]
    )
    x = np.random.default_rng(1).choice(around, (2000, 6)).astype(np.float32)
    told = booster.predict(x, raw_score=True, num_threads=1)
    for method in METHODS:
        np.testing.assert_array_equal(raw_scores(forest, x.T, method=method)[0], told)


@pytest.mark.skipif(not has_numba(), reason="numba is not installed")
@settings(max_examples=60, deadline=None)
@given(
    forest=st.integers(0, 2**32 - 1).map(random_forest),
    shape=st.sampled_from([(1,), (63,), (200,), (1, 5), (9, 17), (2, 3, 5), (8, 8)]),
    threads=st.sampled_from([1, 3]),
    seed=st.integers(0, 2**32 - 1),
)
def test_blocks_equal_arrays(
    forest: Forest, shape: tuple[int, ...], threads: int, seed: int
) -> None:
    x = sample_values(seed, (forest.features, *shape))
    blocks = raw_scores(forest, x, method="numba", threads=threads)
    assert blocks.shape == (forest.classes, *shape)
    np.testing.assert_array_equal(blocks, raw_scores(forest, x, method="arrays"))


def test_read_only_and_strided_input_and_none_at_all() -> None:
    forest = random_forest(5)
    x = sample_values(2, (forest.features, 12, 14))
    whole = raw_scores(forest, x)
    x.setflags(write=False)
    np.testing.assert_array_equal(raw_scores(forest, x), whole)
    np.testing.assert_array_equal(raw_scores(forest, x[:, ::2, 1:]), whole[:, ::2, 1:])
    assert raw_scores(forest, x[:, :0]).shape == (forest.classes, 0, 14)
    np.testing.assert_array_equal(raw_scores(forest, x.astype(np.float64)), whole)


def test_wrong_features_and_methods_are_refused() -> None:
    forest = random_forest(5)
    x = sample_values(2, (forest.features + 1, 4))
    with pytest.raises(ModelError, match=f"{forest.features} features"):
        predict(forest, x)
    for method in ("cuda", "gpu"):
        with pytest.raises(ModelError, match=method):
            raw_scores(forest, x[:-1], method=method)
    with pytest.raises(ModelError, match="unknown"):
        transform(replace(forest, link="probit"), raw_scores(forest, x[:-1]))


def test_links() -> None:
    forest = random_forest(5)
    scores = np.array([[-800.0, 0.0, 3.0]])
    assert transform(replace(forest, link="sigmoid"), scores)[0, :2].tolist() == [0.0, 0.5]
    assert transform(replace(forest, link="square"), scores)[0, 2] == 9
    assert transform(replace(forest, link="log1p_exp"), scores)[0, 1] == pytest.approx(np.log(2))
    shares = transform(replace(forest, link="softmax"), np.array([[1e4, 0.0], [1e4, 0.0]]))
    np.testing.assert_array_equal(shares, 0.5)


STUMP = """tree
version=v4
num_class=1
num_tree_per_iteration=1
max_feature_idx=1
objective=binary sigmoid:1

Tree=0
num_leaves=2
num_cat=0
split_feature=1
threshold=0.5
decision_type=2
left_child=-1
right_child=-2
leaf_value=-1 2
is_linear=0


end of trees
"""


def test_a_model_of_one_split() -> None:
    forest = parse_lightgbm(STUMP)
    x = np.array([[0, 0, 0], [0.5, np.nextafter(np.float32(0.5), np.float32(1)), np.nan]])
    # missing none: NaN reads as 0, which goes left
    assert raw_scores(forest, x.astype(np.float32)).tolist() == [[-1.0, 2.0, -1.0]]
    assert (forest.trees, forest.depth) == (1, 1)


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("tree\n", "forest\n", "no LightGBM text model"),
        ("end of trees", "", "cut off"),
        ("decision_type=2", "decision_type=1", "categorical"),
        ("num_cat=0", "num_cat=1", "categorical"),
        ("is_linear=0", "is_linear=1", "linear"),
        ("binary sigmoid:1", "probit", "objective 'probit'"),
        ("split_feature=1", "split_feature=7", "beyond"),
        ("leaf_value=-1 2", "leaf_value=-1", "leaf_value of tree 0"),
        ("threshold=0.5", "threshold=half", "threshold of tree 0"),
        ("right_child=-2", "right_child=0", "without a place"),
        ("right_child=-2", "right_child=-5", "without a place"),
        ("num_leaves=2", "num_leaves=99999", "99999 leaves"),
        ("max_feature_idx=1", "max_feature_idx=9999", "features"),
        ("num_tree_per_iteration=1", "num_tree_per_iteration=2", "classes"),
    ],
)
def test_models_that_are_refused(old: str, new: str, match: str) -> None:
    with pytest.raises(ModelError, match=match):
        parse_lightgbm(STUMP.replace(old, new, 1))


def test_a_file_is_named_in_the_refusal(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"absent\.txt"):
        read_lightgbm(tmp_path / "absent.txt")
    (tmp_path / "cut.txt").write_text(STUMP[:150])
    with pytest.raises(ModelError, match=r"cut\.txt: the model is cut off"):
        read_lightgbm(tmp_path / "cut.txt")


def test_categorical_models_of_lightgbm_are_refused() -> None:
    lightgbm = pytest.importorskip("lightgbm", reason="lightgbm is not installed")
    rng = np.random.default_rng(0)
    x = rng.integers(0, 9, (800, 2)).astype(float)
    data = lightgbm.Dataset(x, (x[:, 0] % 3).astype(float), categorical_feature=[0])
    options = {"objective": "regression", "verbosity": -1, "num_threads": 1}
    booster = lightgbm.train(options, data, 3)
    with pytest.raises(ModelError, match="categorical"):
        parse_lightgbm(booster.model_to_string())


def s2cloudless_model() -> Path:
    """Find the model file of s2cloudless; only its place is asked for."""
    spec = importlib.util.find_spec("s2cloudless")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("s2cloudless is not installed")
    return next(Path(spec.submodule_search_locations[0]).glob("models/*lightGBM*.txt"))


@pytest.mark.data
@pytest.mark.parametrize("method", METHODS)
def test_s2cloudless_probabilities(method: str) -> None:
    if not DATA.is_dir():
        pytest.skip("the real inputs are absent")
    forest = read_lightgbm(s2cloudless_model())
    bands = [0, 1, 3, 4, 7, 8, 9, 10, 11, 12]
    with np.load(DATA / "slovenia-l1c-s2cloudless.npz") as file:
        scenes = file["reflectance"][..., bands]
        told = file["cloud_probability"]
    rows = slice(None) if method == "numba" else slice(0, 20)
    x = np.moveaxis(np.concatenate(scenes), -1, 0)[:, rows]
    found = transform(forest, raw_scores(forest, x, method=method))[0]
    assert np.abs(found - np.concatenate(told)[rows]).max() < 1e-6


@pytest.mark.gpu
def test_gpu_equals_cpu() -> None:
    cupy = pytest.importorskip("cupy", reason="cupy is not installed")
    for seed in range(6):
        forest = random_forest(seed)
        x = sample_values(seed, (forest.features, 61, 77))
        device = raw_scores(forest, cupy.asarray(x))
        np.testing.assert_array_equal(cupy.asnumpy(device), raw_scores(forest, x))
