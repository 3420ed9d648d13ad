"""What may come in: each is answered with a mask or with a reason, never with a wrong class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from skies import BANDS, make_sky

from eo.core.errors import BandError, SceneError
from eo.stages.mask import cloud_mask, mask_scene
from eo.stages.reference import Reference, port_reference
from eo.stages.veil import mask_by_port

CLOUDS = ((70.0, 210.0, 26.0), (200.0, 240.0, 22.0), (230.0, 90.0, 20.0))


def spectral(image: Any, bands: tuple[str, ...] = BANDS, **options: Any) -> Any:
    return cloud_mask(image, bands, method="spectral", **options)


def test_bands_in_another_order() -> None:
    sky = make_sky(clouds=CLOUDS)
    expected = spectral(sky.image)
    order = [3, 1, 4, 0, 2]
    found = spectral(sky.image[order], tuple(BANDS[k] for k in order))
    np.testing.assert_array_equal(found, expected)


def test_bands_that_the_formula_does_not_know_change_nothing() -> None:
    sky = make_sky(clouds=CLOUDS)
    more = np.concatenate([np.full_like(sky.image[:1], 0.3), sky.image])
    more[0, :9] = np.nan  # a gap in a band that is not read is no gap
    np.testing.assert_array_equal(spectral(more, ("coastal", *BANDS)), spectral(sky.image))


@pytest.mark.parametrize("lost", ["blue", "green", "red"])
def test_a_visible_band_is_missing(lost: str) -> None:
    names = tuple(b for b in BANDS if b != lost)
    with pytest.raises(BandError, match=f"needs {lost}"):
        cloud_mask(np.zeros((4, 9, 9), np.float32), names)


@pytest.mark.parametrize("count", [3, 4, 5])
def test_infrared_may_be_missing(count: int) -> None:
    sky = make_sky(clouds=CLOUDS)
    found = spectral(sky.image[:count], BANDS[:count])
    assert (found[sky.opacity > 0.4] == 2).mean() > 0.98


def test_bands_of_other_sizes() -> None:
    planes = [np.zeros((8, 8), np.float32)] * 3 + [np.zeros((4, 4), np.float32)]
    with pytest.raises(SceneError, match=r"array.*list"):
        cloud_mask(planes)
    ragged = np.empty(4, dtype=object)
    ragged[:] = planes
    with pytest.raises(SceneError, match="shape"):
        cloud_mask(ragged)


def test_a_served_mask_of_another_size() -> None:
    sky = make_sky()
    with pytest.raises(SceneError, match="shape"):
        mask_scene(
            sky.image,
            BANDS,
            served=("scl", np.zeros((150, 150), np.uint8)),
            level="l2a",
            gsd_m=10.0,
            sun_elevation_deg=None,
            sun_azimuth_grid_deg=None,
        )


def test_nan_and_nodata_mixed_in() -> None:
    sky = make_sky(clouds=CLOUDS)
    rng = np.random.default_rng(4)
    holes = rng.random((300, 300)) < 0.05
    image = sky.image.copy()
    image[rng.integers(0, 5, holes.sum()), *np.nonzero(holes)] = np.nan
    image[:, :40] = np.nan  # beyond the swath
    image[2, 100, 100] = np.inf
    found = spectral(image)
    assert (found[holes | (np.arange(300) < 40)[:, None]] == 0).all()
    assert found[100, 100] == 0
    seen = found > 0
    assert (found[seen & (sky.opacity > 0.4)] == 2).mean() > 0.9
    assert (found[seen & (sky.opacity == 0) & (sky.shade == 0)] == 1).mean() > 0.92


def test_reflectance_above_one_and_below_zero() -> None:
    sky = make_sky(clouds=CLOUDS)
    bright = np.where(sky.opacity > 0.6, np.float32(1.6), np.float32(1)) * sky.image
    found = spectral(bright)
    assert bright.max() > 1.05
    assert (found[sky.opacity > 0.4] == 2).mean() > 0.97
    dark = sky.image - np.float32(0.05)  # an atmosphere taken off twice
    assert (spectral(dark)[sky.opacity > 0.4] == 2).mean() > 0.97


@pytest.mark.parametrize("scale", [0.7, 1.3])
def test_another_brightness(scale: float) -> None:
    sky = make_sky(clouds=CLOUDS, ships=((50.0, 40.0, 30.0),))
    found = spectral(sky.image * np.float32(scale))
    assert (found[sky.opacity > 0.5] == 2).mean() > 0.95
    assert (found[sky.ships] == 1).all()


@pytest.mark.parametrize("land_from", [0.0, 1.1])
@pytest.mark.parametrize("gsd_m", [3.0, 10.0, 30.0])
def test_all_land_and_all_water(land_from: float, gsd_m: float) -> None:
    assert (spectral(make_sky(land_from=land_from).image, gsd_m=gsd_m) == 1).all()


@pytest.mark.parametrize("method", ["spectral", "auto"])
def test_all_cloud(method: str) -> None:
    rng = np.random.default_rng(1)
    image = (0.7 + 0.01 * rng.standard_normal((4, 260, 270))).astype(np.float32)
    found = cloud_mask(image, level="l1c", method=method)
    assert (found == 2).mean() > 0.97


def test_a_sand_flat_is_no_cloud_and_a_cloud_over_it_is() -> None:
    sky = make_sky(clouds=((60.0, 230.0, 24.0),), land_from=0.0)
    image = sky.image.copy()
    rows, cols = np.mgrid[:300, :300]
    soft = np.clip((60 - np.hypot(rows - 190, cols - 150)) / 12, 0, 1).astype(np.float32)
    sand = np.array([0.21, 0.26, 0.29, 0.30, 0.33], np.float32)[:, None, None]
    rough = np.random.default_rng(0).normal(0, 0.01, (300, 300)).astype(np.float32)
    image = image * (1 - soft) + (sand + rough) * soft
    found = spectral(image)
    assert (found[soft > 0.5] == 2).mean() < 0.02
    assert (found[sky.opacity > 0.5] == 2).mean() > 0.95


# ------------------------------------------------------------------------------- zero looks
def test_zero_looks_make_no_reference_and_no_cloud() -> None:
    with pytest.raises(SceneError, match="no looks"):
        port_reference([], 10.0, BANDS)
    sky = make_sky(clouds=CLOUDS)
    nothing = Reference(
        median=np.full_like(sky.image, np.nan),
        spread=np.full_like(sky.image, np.nan),
        water=np.full((300, 300), np.nan, np.float32),
        clear_looks=np.zeros((300, 300), np.uint16),
    )
    mask = np.ones((300, 300), np.uint8)
    found = mask_by_port(mask, sky.image, BANDS, port=nothing, pixel_m=10.0)
    np.testing.assert_array_equal(found, mask)
