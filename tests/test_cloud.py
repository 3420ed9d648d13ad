"""The own cloud kernel: made-up skies with known truth, real scenes with labels, odd inputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from backends import Backend, pixelwise_xp, xp  # noqa: F401 - fixtures
from hypothesis import given, settings
from hypothesis import strategies as st
from skies import BANDS, make_sky

from eo.core.errors import BandError
from eo.kernels.cloud import (
    CLEAR,
    CLOUD,
    NODATA,
    SHADOW,
    Floors,
    believable,
    classify,
    cloudiness,
    scene_floors,
)
from eo.kernels.cloud_shadow import cloud_shadow
from eo.kernels.cloudiness import LEAST_CUT, MOST_CUT, outstanding
from eo.kernels.darkness import darker_than_around
from eo.kernels.water import likely_water, otsu, water_index

RGB = BANDS[:3]
CLOUDS = ((70.0, 210.0, 26.0), (200.0, 240.0, 22.0), (230.0, 90.0, 20.0), (90.0, 70.0, 18.0))
PORTS = ("algiers", "cartagena", "durban", "genoa", "hedland")


def kappa(found: Any, truth: Any) -> float:
    """Cohen's kappa of two masks."""
    agree = float((found == truth).mean())
    chance = float(found.mean() * truth.mean() + (1 - found.mean()) * (1 - truth.mean()))
    return (agree - chance) / (1 - chance)


# ------------------------------------------------------------------------------ made-up skies
@pytest.mark.parametrize("count", [3, 4, 5])
def test_clouds_and_their_shade_are_found(count: int) -> None:
    sky = make_sky(clouds=CLOUDS)
    mask = classify(sky.image[:count], BANDS[:count], gsd_m=10.0)
    assert (mask[sky.opacity > 0.4] == CLOUD).mean() > 0.98
    clear = (sky.opacity == 0) & (sky.shade == 0)
    assert (mask[clear] == CLOUD).mean() < 0.06  # the margin
    assert (mask[clear] == SHADOW).mean() < 0.02
    if count > 3:
        deep = (sky.shade > 0.9) & (sky.opacity == 0) & sky.land
        assert (mask[deep] == SHADOW).mean() > 0.7


def test_known_sun_finds_shade_of_few_clouds_and_only_there() -> None:
    sky = make_sky(clouds=CLOUDS[:1], land_from=0.0)
    # Shade lies 30 rows up and 25 columns left: to the north-west, so the sun is south-east.
    azimuth = float(np.degrees(np.arctan2(25, -30)) % 360)
    told = classify(sky.image, BANDS, gsd_m=10.0, sun_azimuth_grid_deg=azimuth)
    deep = (sky.shade > 0.9) & (sky.opacity == 0)
    assert (told[deep] == SHADOW).mean() > 0.7
    wrong = classify(sky.image, BANDS, gsd_m=10.0, sun_azimuth_grid_deg=(azimuth + 120) % 360)
    assert (wrong == SHADOW).mean() < 0.005


def test_ships_are_not_clouds_and_their_shade_is_not_cloud_shade() -> None:
    ships = ((50.0, 40.0, 30.0), (150.0, 60.0, 80.0), (220.0, 100.0, 0.0), (150.0, 147.0, 0.0))
    for size_px in ((20.0, 3.2), (33.0, 6.0), (8.0, 2.0)):
        sky = make_sky(ships=ships, ship_px=size_px)
        for count in (3, 4, 5):
            mask = classify(sky.image[:count], BANDS[:count], gsd_m=10.0)
            assert (mask == CLEAR).all(), (size_px, count)


def test_ships_near_clouds_stay_clear() -> None:
    sky = make_sky(clouds=((150.0, 60.0, 20.0),), ships=((150.0, 110.0, 0.0), (100.0, 60.0, 90.0)))
    mask = classify(sky.image, BANDS, gsd_m=10.0)
    assert (mask[sky.ships] == CLEAR).all()
    assert (mask[sky.opacity > 0.4] == CLOUD).mean() > 0.98


@pytest.mark.parametrize("level", [0.35, 0.7, 1.3])
def test_all_cloud(level: float) -> None:
    rng = np.random.default_rng(1)
    image = (level + 0.01 * rng.standard_normal((5, 120, 130))).astype(np.float32)
    image[4] *= 0.65
    for count in (3, 4, 5):
        assert (classify(image[:count], BANDS[:count], gsd_m=10.0) == CLOUD).mean() > 0.99


def test_all_water_and_all_land_are_clear() -> None:
    for share in (0.0, 1.1):
        sky = make_sky(land_from=share)
        assert (classify(sky.image, BANDS, gsd_m=10.0) == CLEAR).all()


def test_snow_and_salt_dark_in_swir_are_no_cloud() -> None:
    sky = make_sky()
    image = sky.image.copy()
    image[:, 100:180, 180:260] = np.array([0.7, 0.72, 0.71, 0.6, 0.08])[:, None, None]
    assert (classify(image, BANDS, gsd_m=10.0) == CLEAR).all()


def test_a_white_roof_is_no_cloud_but_a_soft_patch_as_large_is() -> None:
    roof = make_sky().image.copy()
    roof[:, 100:130, 200:240] = np.array([0.45, 0.46, 0.46, 0.45, 0.4])[:, None, None]
    assert (classify(roof, BANDS, gsd_m=10.0) == CLEAR).all()
    soft = make_sky(clouds=((115.0, 220.0, 17.0),))
    assert (classify(soft.image, BANDS, gsd_m=10.0) == CLOUD).sum() > 500


def test_much_cloud_does_not_move_the_yardstick() -> None:
    rng = np.random.default_rng(0)
    clear = np.abs(rng.normal(0.0, 0.01, (100, 100))).astype(np.float32)
    everywhere = np.ones((100, 100), dtype=bool)
    cloudy = clear.copy()
    cloudy[:70] = rng.uniform(0.15, 0.6, (70, 100))
    assert outstanding(cloudy, everywhere) == pytest.approx(
        outstanding(clear, everywhere), abs=0.01
    )
    assert outstanding(np.full((9, 9), 0.5, np.float32), everywhere[:9, :9]) == MOST_CUT
    assert outstanding(clear, ~everywhere) == LEAST_CUT


# --------------------------------------------------------------------------------- odd inputs
def test_no_data_is_no_data_and_changes_nothing_far_away() -> None:
    sky = make_sky(clouds=CLOUDS)
    image = sky.image.copy()
    image[2, :, :40] = np.nan
    mask = classify(image, BANDS, gsd_m=10.0)
    assert (mask[:, :40] == NODATA).all()
    assert (mask[:, 40:] != NODATA).all()
    whole = classify(sky.image, BANDS, gsd_m=10.0)
    assert ((mask == CLOUD)[:, 80:] == (whole == CLOUD)[:, 80:]).mean() > 0.99


def test_all_no_data() -> None:
    image = np.full((4, 20, 30), np.nan, dtype=np.float32)
    assert (classify(image, BANDS[:4], gsd_m=10.0) == NODATA).all()
    assert not likely_water(image, BANDS[:4]).any()


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 24),
    width=st.integers(1, 24),
    seed=st.integers(0, 1000),
    count=st.sampled_from([3, 4, 5]),
    holes=st.floats(0, 1),
)
def test_any_small_image(height: int, width: int, seed: int, count: int, holes: float) -> None:
    rng = np.random.default_rng(seed)
    image = rng.uniform(-0.05, 1.5, (count, height, width)).astype(np.float32)
    image[:, rng.random((height, width)) < holes] = np.nan
    mask = classify(image, BANDS[:count], gsd_m=10.0)
    assert mask.dtype == np.uint8
    assert mask.shape == (height, width)
    assert ((mask == NODATA) == np.isnan(image[0])).all()


def test_missing_band_and_wrong_shape() -> None:
    image = np.zeros((3, 4, 4), dtype=np.float32)
    with pytest.raises(BandError, match="red"):
        classify(image, ("blue", "green", "nir"), gsd_m=10.0)
    with pytest.raises(BandError, match="shape"):
        classify(image[0], RGB, gsd_m=10.0)
    with pytest.raises(BandError, match="2 bands are named"):
        water_index(image, ("blue", "green"))
    with pytest.raises(BandError, match="red not in"):
        likely_water(image, ("blue", "green", "nir"))


# ----------------------------------------------------------------------------------- backends
@pytest.mark.parametrize("count", [3, 4, 5])
def test_cloudiness_is_one_formula(pixelwise_xp: Backend, count: int) -> None:  # noqa: F811
    rng = np.random.default_rng(2)
    image = rng.uniform(-0.05, 1.2, (count, 600, 20)).astype(np.float32)
    image[:, 3, 4] = np.nan
    floors = Floors(blue=0.05, green=0.04, red=0.02, nir=0.01)
    expected = cloudiness(image, BANDS[:count], floors)
    found = pixelwise_xp.get(cloudiness(pixelwise_xp.put(image), BANDS[:count], floors))
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.float32
    assert np.isnan(found[3, 4])


def test_classes_are_the_same_everywhere(xp: Backend) -> None:  # noqa: F811
    sky = make_sky(clouds=CLOUDS, size=200)
    expected = classify(sky.image, BANDS, gsd_m=10.0)
    found = xp.get(classify(xp.put(sky.image), BANDS, gsd_m=10.0))
    assert (found == expected).mean() > 0.9995
    water = xp.get(likely_water(xp.put(sky.image[:3]), RGB))
    assert (water == likely_water(sky.image[:3], RGB)).mean() > 0.9995
    told = xp.put(sky.opacity > 0.3)
    kept = xp.get(believable(told, xp.put(sky.image), BANDS, firm=told, gsd_m=10.0))
    assert kept[sky.opacity > 0.5].mean() > 0.98


def test_blocks_change_nothing() -> None:
    sky = make_sky(clouds=CLOUDS)
    floors = scene_floors(sky.image, BANDS, np.ones((300, 300), dtype=bool))
    whole = cloudiness(sky.image, BANDS, floors)
    parts = [cloudiness(sky.image[:, i : i + 37], BANDS, floors) for i in range(0, 300, 37)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("gsd_m", [3.0, 10.0, 30.0])
def test_threads_change_nothing(gsd_m: float, monkeypatch: pytest.MonkeyPatch) -> None:
    sky = make_sky(clouds=CLOUDS)
    found = []
    for workers in ("1", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", workers)
        found.append(classify(sky.image, BANDS, gsd_m=gsd_m))
    np.testing.assert_array_equal(*found)


# ------------------------------------------------------------------------------------- pieces
def test_otsu_between_two_heaps() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(-0.3, 0.05, 3000), rng.normal(0.4, 0.05, 1000)])
    cut, quality = otsu(values, -1.0, 1.0)
    assert -0.2 < cut < 0.3
    assert quality > 0.9
    assert otsu(np.zeros(0), -1.0, 1.0) == (0.0, 0.0)
    assert otsu(np.zeros(10), -1.0, 1.0)[1] == 0.0


def test_dark_water_is_no_shade_without_a_cloud_to_throw_it() -> None:
    sky = make_sky(land_from=1.1)
    image = sky.image.copy()
    image[:, 100:200, 100:200] *= 0.6
    dark = darker_than_around(image, BANDS, np.ones((300, 300), dtype=bool), 10.0)
    assert dark[150, 150]
    assert (classify(image, BANDS, gsd_m=10.0) == CLEAR).all()
    none = np.zeros((300, 300), dtype=bool)
    assert (
        cloud_shadow(
            image[3],
            cloud=none,
            valid=~none,
            water=~none,
            visible=image[0],
            gsd_m=10.0,
            sun_azimuth_grid_deg=None,
            sun_elevation_deg=None,
        )
        is None
    )


# ---------------------------------------------------------------------------------- real data
@pytest.mark.data
def test_landsat_labels(data_dir: Path) -> None:
    """Mean kappa against people's labels; 0 cloud shadow and 4 cloud in the file."""
    cloud, shade = [], []
    for name in ("landsat5", "landsat7"):
        with np.load(data_dir / "clouds" / f"{name}-cloud-shadow.npz") as file:
            image, label = file["img"].transpose(2, 0, 1)[:4], file["msk"][..., 0]
        mask = classify(image, BANDS[:4], gsd_m=30.0)
        cloud.append(kappa(mask == CLOUD, label == 4))
        shade.append(kappa(mask == SHADOW, label == 0))
    assert np.mean(cloud) >= 0.75, cloud
    assert np.mean(shade) >= 0.45, shade


def read_port(folder: Path) -> tuple[Any, Any]:
    """Reflectance (5, y, x) of a port, and its labelled vessels as a mask."""
    import rasterio
    from rasterio.features import rasterize
    from rasterio.warp import transform_geom

    planes = []
    for band in BANDS:
        with rasterio.open(folder / f"{band}.tif") as file:
            raw = file.read(1)
            frame, crs = file.transform, file.crs
        planes.append(np.where(raw == 0, np.nan, raw / 65535).astype(np.float32))
    outlines = json.loads((folder / "labels.geojson").read_text(encoding="utf-8"))
    shapes = [transform_geom("EPSG:4326", crs, f["geometry"]) for f in outlines["features"]]
    return np.stack(planes), rasterize(shapes, planes[0].shape, transform=frame) > 0


@pytest.mark.data
@pytest.mark.parametrize("port", PORTS)
def test_ports_are_clear(data_dir: Path, port: str) -> None:
    image, ships = read_port(data_dir / "ports-s2" / port)
    count = 3 if port in {"cartagena", "durban"} else 4  # not both for all: time
    mask = classify(image[:count], BANDS[:count], gsd_m=8.5)
    assert (mask == CLOUD).mean() < 0.005
    assert (mask == SHADOW).mean() < 0.005
    assert (mask[ships] >= CLOUD).mean() < 0.01
    water = likely_water(image[:4], BANDS[:4])
    assert (water == likely_water(image[:3], RGB)).mean() > 0.85


@pytest.mark.data
def test_anchorage_is_clear_water(data_dir: Path) -> None:
    import rasterio

    with rasterio.open(data_dir / "anchorage-planet" / "lb_1" / "visual.tif") as file:
        red, green, blue = (file.read(i).astype(np.float32) / 255 for i in (1, 2, 3))
    image = np.stack([blue, green, red])
    assert (classify(image, RGB, gsd_m=3.0) == CLEAR).mean() > 0.99
    assert 0.88 < likely_water(image, RGB).mean() < 0.97


@pytest.mark.parametrize("count", [3, 4])
def test_a_tile_with_a_halo_sees_what_the_whole_scene_sees(count: int) -> None:
    rng = np.random.default_rng(5)
    clouds = tuple(
        (float(r), float(c), float(s))
        for r, c, s in zip(
            rng.uniform(0, 600, 22), rng.uniform(0, 600, 22), rng.uniform(12, 34, 22), strict=True
        )
    )
    sky = make_sky(size=600, clouds=clouds)
    image, bands = sky.image[:count], BANDS[:count]
    whole = classify(image, bands, gsd_m=10.0)
    tiled = np.zeros_like(whole)
    for row in (0, 300):
        for col in (0, 300):
            top, left = max(0, row - 100), max(0, col - 100)
            part = classify(image[:, top : row + 400, left : col + 400], bands, gsd_m=10.0)
            tiled[row : row + 300, col : col + 300] = part[
                row - top : row - top + 300, col - left : col - left + 300
            ]
    assert ((tiled == CLOUD) == (whole == CLOUD)).mean() > 0.999
    assert (tiled == whole).mean() > 0.985
