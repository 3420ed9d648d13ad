"""A trained mask and the own kernel together, the trained one played by hand or for real."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from skies import BANDS, make_sky

import eo.stages.mask as stage
from eo.stages import mask_peers
from eo.stages.mask import cloud_mask
from eo.stages.mask_joint import joint_mask

CLOUDS = ((70.0, 210.0, 26.0), (200.0, 240.0, 22.0), (230.0, 90.0, 20.0))
SHIPS = ((50.0, 40.0, 30.0), (130.0, 60.0, 80.0), (150.0, 147.0, 0.0))
FOUR = BANDS[:4]


def kappa(found: Any, truth: Any) -> float:
    """Cohen's kappa of two masks."""
    agree = float((found == truth).mean())
    chance = float(found.mean() * truth.mean() + (1 - found.mean()) * (1 - truth.mean()))
    return (agree - chance) / (1 - chance)


def joined(sky: Any, *, cloud: Any, shadow: Any = None, gsd_m: float = 10.0) -> Any:
    trained = np.ones(cloud.shape, np.uint8)
    if shadow is not None:
        trained[shadow] = 3
    trained[cloud] = 2
    return joint_mask(trained, sky.image[:4], FOUR, gsd_m=gsd_m, shade_told=shadow is not None)


# ----------------------------------------------------------------------------- told by hand
def test_ships_that_the_network_calls_cloud_are_given_back() -> None:
    sky = make_sky(clouds=CLOUDS, ships=SHIPS)
    told = ndimage.binary_dilation(sky.ships, iterations=2) | (sky.opacity > 0.3)
    found = joined(sky, cloud=told)
    assert (found[sky.ships] == 1).all()
    assert (found[sky.opacity > 0.4] == 2).mean() > 0.98


def test_clouds_that_the_network_misses_are_cloud_if_shadows_bear_them_out() -> None:
    sky = make_sky(clouds=CLOUDS)
    found = joined(sky, cloud=sky.opacity > 2)
    assert (found[sky.opacity > 0.4] == 2).mean() > 0.98


def test_told_shade_needs_darkness_on_land_and_the_sun_on_water() -> None:
    sky = make_sky(clouds=CLOUDS)
    deep = (sky.shade > 0.9) & (sky.opacity < 0.05) & sky.land
    lie = np.zeros_like(deep)
    lie[10:60, 10:60] = True  # water far from any shade
    lie[120:160, 250:290] = True  # lit land
    lie &= (sky.shade == 0) & (sky.opacity == 0)
    found = joined(sky, cloud=sky.opacity > 0.3, shadow=(sky.shade > 0.5) | lie)
    assert (found[deep] == 3).mean() > 0.7
    assert (found[lie] == 3).mean() < 0.02


def test_shade_without_a_cloud_is_none() -> None:
    sky = make_sky()
    lie = np.zeros((300, 300), dtype=bool)
    lie[100:200, 200:290] = True
    assert (joined(sky, cloud=lie & False, shadow=lie) == 1).all()


def test_where_the_trained_mask_knows_no_shade_it_is_projected() -> None:
    sky = make_sky(clouds=CLOUDS)
    found = joined(sky, cloud=sky.opacity > 0.3)
    deep = (sky.shade > 0.9) & (sky.opacity == 0) & sky.land
    assert (found[deep] == 3).mean() > 0.7


def test_no_data_stays_no_data() -> None:
    sky = make_sky(clouds=CLOUDS)
    image = sky.image[:4].copy()
    image[:, :, :30] = np.nan
    told = np.full((300, 300), 2, np.uint8)
    found = joint_mask(told, image, FOUR, gsd_m=30.0, shade_told=True)
    assert (found[:, :30] == 0).all()
    assert (found[:, 30:] == 2).all()


def test_auto_joins_and_names_no_method_that_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    sky = make_sky(clouds=CLOUDS)
    monkeypatch.setattr(mask_peers, "_installed", lambda name: name == "ukis_csmask")
    trained = np.where(sky.opacity > 0.3, np.uint8(2), np.uint8(1))
    monkeypatch.setattr(stage, "cnn_mask", lambda *_: trained)
    expected = joint_mask(trained, sky.image[:4], FOUR, gsd_m=10.0, shade_told=True)
    np.testing.assert_array_equal(cloud_mask(sky.image[:4], FOUR, level="l1c"), expected)


# ------------------------------------------------------------------------------- for real
real = pytest.mark.skipif(
    importlib.util.find_spec("ukis_csmask") is None, reason="ukis-csmask is not installed"
)


@real
@pytest.mark.data
def test_auto_on_labels(data_dir: Path) -> None:
    cloud, shade = [], []
    for name in ("landsat5", "landsat7"):
        with np.load(data_dir / "clouds" / f"{name}-cloud-shadow.npz") as file:
            image, label = file["img"].transpose(2, 0, 1)[:4], file["msk"][..., 0]
        mask = cloud_mask(image, FOUR, level="l1c", gsd_m=30.0)
        cloud.append(kappa(mask == 2, label == 4))
        shade.append(kappa(mask == 3, label == 0))
    assert np.mean(cloud) >= 0.85, cloud
    assert min(cloud) >= 0.80, cloud
    assert np.mean(shade) >= 0.70, shade
    assert min(shade) >= 0.62, shade


@real
@pytest.mark.parametrize("shape", [(1, 1), (7, 300), (40, 33)])
@pytest.mark.parametrize("gsd_m", [3.0, 10.0, 30.0])
def test_smaller_than_the_networks_tile(shape: tuple[int, int], gsd_m: float) -> None:
    image = np.full((4, *shape), 0.7, np.float32)
    image[:, 0, 0] = np.nan
    found = cloud_mask(image, FOUR, gsd_m=gsd_m, method="cnn")
    assert found.shape == shape
    assert found[0, 0] == 0
    assert set(np.unique(found)) <= {0, 1, 2}
