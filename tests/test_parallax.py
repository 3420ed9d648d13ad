"""Shifts between bands: made-up ones told back, and what real scenes show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from backends import Backend, xp  # noqa: F401 - fixture
from scipy import ndimage
from skies import BANDS, make_sky

from eo.kernels.cloud import CLEAR, CLOUD, classify
from eo.kernels.cloud_objects import Sky
from eo.kernels.cloudiness import scored
from eo.kernels.parallax import PX_PER_M, patch_shifts

SPOTS = ((50, 50, 20), (50, 150, 12), (150, 50, 8), (150, 150, 15))
rows, cols = np.mgrid[:200, :200]


def spots() -> tuple[Any, Any]:
    image = np.full((200, 200), 0.05)
    labels = np.zeros((200, 200), dtype=np.int32)
    for k, (row, col, radius) in enumerate(SPOTS, 1):
        reach = np.hypot(rows - row, cols - col)
        image += 0.5 * np.clip((radius - reach) / 4 + 0.5, 0, 1)
        labels[reach < radius + 6] = k
    return ndimage.gaussian_filter(image, 0.7), labels


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.3, -0.5), (1.2, 0.4), (-1.8, 0.0)])
def test_a_made_up_shift_is_told(xp: Backend, shift: tuple[float, float]) -> None:  # noqa: F811
    image, labels = spots()
    rng = np.random.default_rng(0)
    first = (image + rng.normal(0, 0.003, image.shape)).astype(np.float32)
    moved = 0.8 * ndimage.shift(image, shift, order=3, mode="nearest") + 0.02  # another gain
    second = (moved + rng.normal(0, 0.003, image.shape)).astype(np.float32)
    found = patch_shifts(xp.put(first), xp.put(second), xp.put(labels), len(SPOTS))
    down, right, sd = (xp.get(a)[1:] for a in (found.rows_px, found.cols_px, found.sd_px))
    np.testing.assert_allclose(down, shift[0], atol=0.03)
    np.testing.assert_allclose(right, shift[1], atol=0.03)
    assert (sd < 0.05).all()
    length = float(np.hypot(*shift))
    assert (xp.get(found.moves())[1:] == (length > 0.55)).all()
    assert (xp.get(found.holds_still())[1:] == (length < 0.45)).all()
    assert not xp.get(found.moves())[0]


def test_each_patch_has_its_own_shift() -> None:
    image, labels = spots()
    second = np.where(labels == 2, ndimage.shift(image, (1.0, 0.0), order=3), image)
    found = patch_shifts(image.astype(np.float32), second.astype(np.float32), labels, len(SPOTS))
    assert found.rows_px[2] == pytest.approx(1.0, abs=0.05)
    np.testing.assert_allclose(found.rows_px[[1, 3, 4]], 0.0, atol=0.03)


def test_nothing_is_told_without_pattern_or_data() -> None:
    image, labels = spots()
    first = image.astype(np.float32)
    first[:100, :100] = np.nan  # the first patch is beyond the swath
    labels[180:190, 5:15] = 5
    first[170:, :30] = 0.05
    found = patch_shifts(first, first.copy(), labels, 6)
    told = np.isfinite(found.sd_px)
    assert list(told[1:]) == [False, True, True, True, False, False]
    assert not found.moves()[[0, 1, 5, 6]].any()
    assert not found.holds_still()[[0, 1, 5, 6]].any()


def test_among_clouds_that_move_a_soft_patch_that_holds_still_is_no_cloud() -> None:
    clouds = ((70.0, 210.0, 26.0), (200.0, 240.0, 22.0))
    bare, sky = make_sky(noise=0.0), make_sky(clouds=clouds, noise=0.0)
    lift = sky.image - bare.image
    height_m = 1200.0
    shift = ndimage.shift(lift[2], (height_m * PX_PER_M, 0.0), order=1, mode="nearest")
    image = sky.image.copy()
    image[2] = bare.image[2] + shift
    down, right = np.mgrid[:300, :300]
    reach = np.hypot(down - 150, right - 60)
    soft = np.clip((13 - reach) / 7, 0, 1).astype(np.float32)
    white = np.array([0.5, 0.5, 0.5, 0.48, 0.4], np.float32)[:, None, None]
    image = image * (1 - soft) + white * soft
    image += np.random.default_rng(1).normal(0, 0.002, image.shape).astype(np.float32)
    found = classify(image, BANDS, gsd_m=10.0)
    assert (found[soft > 0.5] == CLEAR).all()
    assert (found[sky.opacity > 0.6] == CLOUD).mean() > 0.97


@pytest.mark.data
def test_real_clouds_move_between_bands_and_a_real_roof_does_not(data_dir: Path) -> None:
    import rasterio

    with rasterio.open(data_dir / "clouds" / "accra.tif") as file:
        raw = file.read([1, 2, 3, 5]).astype(np.float32)
    image = np.where(raw == 0, np.nan, (raw - 1000) / 10000).astype(np.float32)
    score, valid = scored(image, BANDS[:4])
    sky = Sky.of(score, valid, visible=(image[0], image[1], image[2]), gsd_m=10.0)
    assert sky is not None
    assert sky.shifts is not None
    sharp = sky.patches.slopes > 0.3 * sky.patches.steps
    assert sky.shifts.moves()[1:][~sharp[1:]].all()
    assert sky.shifts.holds_still()[1:][sharp[1:]].all()
    length = sky.shifts.length_px()[1:][~sharp[1:]]
    height_m = np.median(length) / PX_PER_M
    assert 500 < height_m < 3000  # of fair-weather cumulus
