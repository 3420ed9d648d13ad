"""The mask that is served with a scene, with the faults that such masks have."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import ndimage

__all__ = ["scene_classes", "usable_data"]

Array = Any


def scene_classes(truth: dict[str, Array], rng: np.random.Generator, *, faults: bool) -> Array:
    """Return a Sentinel-2 scene classification at 20 m, repeated to the pixels given.

    Parameters
    ----------
    truth
        Arrays (y, x): `alpha` cloud opacity, `shade` sunlight taken by cloud, `land`, `bright`
        (pixels called cloud by mistake), `valid`.
    rng
        Random stream.
    faults
        Whether thin cloud is missed and outlines are ragged.
    """
    cloud, shadow, thin = _opinion(truth, rng, faults=faults)
    classes = np.where(truth["land"], 5, 6).astype(np.uint8)
    classes[shadow] = 3
    classes[thin] = 10
    classes[cloud] = 9
    classes[truth["bright"]] = 8
    classes[~truth["valid"]] = 0
    coarse = classes[::2, ::2]
    return np.repeat(np.repeat(coarse, 2, axis=0), 2, axis=1)[
        : classes.shape[0], : classes.shape[1]
    ]


def usable_data(truth: dict[str, Array], rng: np.random.Generator, *, faults: bool) -> Array:
    """Return a Planet UDM2, (8, y, x) uint8; arguments as for :func:`scene_classes`.

    Bands: clear, snow, shadow, light haze, heavy haze, cloud, confidence, unusable.
    """
    cloud, shadow, thin = _opinion(truth, rng, faults=faults)
    valid = truth["valid"]
    cloud = (cloud | truth["bright"]) & valid
    shadow = shadow & ~cloud & valid
    thin = thin & ~cloud & ~shadow & valid
    out = np.zeros((8, *cloud.shape), dtype=np.uint8)
    out[0] = valid & ~cloud & ~shadow & ~thin
    out[2], out[3], out[5] = shadow, thin, cloud
    sure = 90 - 25 * (np.abs(truth["alpha"] - 0.35) < 0.2)
    out[6] = np.where(valid, sure, 0)
    out[7] = ~valid
    return out


def _opinion(
    truth: dict[str, Array], rng: np.random.Generator, *, faults: bool
) -> tuple[Array, Array, Array]:
    alpha, shade = truth["alpha"], truth["shade"]
    if not faults:
        return alpha > 0.25, (shade > 0.2) & (alpha <= 0.25), (alpha > 0.05) & (alpha <= 0.25)
    wobble = ndimage.gaussian_filter(rng.standard_normal(alpha.shape), 6, mode="wrap")
    wobble = np.clip(0.08 * wobble / max(float(wobble.std()), 1e-9), -0.16, 0.16)
    cloud = alpha > 0.40 + wobble
    # Zero iterations would mean: until nothing changes.
    wide = int(rng.integers(0, 4))
    cloud = ndimage.binary_dilation(cloud, iterations=wide) if wide else cloud
    # Thin cloud is mostly missed, and shadows are found where they are dark.
    thin = (alpha > 0.22 + wobble) & ~cloud & bool(rng.random() < 0.6)
    shadow = (shade > 0.45 + wobble) & ~cloud
    return cloud, shadow, thin
