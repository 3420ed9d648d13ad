"""The stage: witnesses weighed against pixels, methods by name, odd inputs refused."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skies import BANDS, make_sky

import eo.stages.mask_peers as peers
from eo.core.errors import BandError, SceneError
from eo.stages.mask import cloud_mask, mask_scene
from eo.stages.mask_peers import S2CLOUDLESS_BANDS, best_method
from eo.stages.served_mask import read_served

CLOUDS = ((70.0, 210.0, 26.0), (200.0, 240.0, 22.0), (230.0, 90.0, 20.0))
SHIPS = ((50.0, 40.0, 30.0), (130.0, 60.0, 80.0), (150.0, 147.0, 0.0))


def mask(sky: Any, served: tuple[str, Any] | None, gsd_m: float = 10.0) -> Any:
    return mask_scene(
        sky.image,
        BANDS,
        served=served,
        level="l2a",
        gsd_m=gsd_m,
        sun_elevation_deg=None,
        sun_azimuth_grid_deg=None,
    )


def classes(sky: Any, *, cloud: Any, shadow: Any | None = None) -> Any:
    scl = np.where(sky.land, 5, 6).astype(np.uint8)
    if shadow is not None:
        scl[shadow] = 3
    scl[cloud] = 9
    return scl


# ------------------------------------------------------------------------------- the witness
@pytest.mark.parametrize("kind", ["scl", "udm2", "udm"])
def test_ships_that_the_served_mask_calls_cloud_are_given_back(kind: str) -> None:
    from scipy import ndimage

    sky = make_sky(clouds=CLOUDS, ships=SHIPS)
    wrong = ndimage.binary_dilation(sky.ships, iterations=1) | (sky.opacity > 0.3)
    raw = classes(sky, cloud=wrong)
    if kind == "udm2":
        raw = np.zeros((8, *wrong.shape), dtype=np.uint8)
        raw[5], raw[0] = wrong, ~wrong
    elif kind == "udm":
        raw = np.where(wrong, 2, 0).astype(np.uint8)
    result = mask(sky, (kind, raw))
    assert result.methods == ("spectral", kind)
    assert (result.mask[sky.ships] == 1).all()
    assert (result.mask[sky.opacity > 0.4] == 2).mean() > 0.98


def test_clouds_that_the_served_mask_misses_are_cloud() -> None:
    sky = make_sky(clouds=CLOUDS)
    result = mask(sky, ("scl", classes(sky, cloud=np.zeros((300, 300), dtype=bool))))
    assert (result.mask[sky.opacity > 0.4] == 2).mean() > 0.98


def test_served_shadow_needs_dark_pixels_and_a_cloud() -> None:
    sky = make_sky(clouds=CLOUDS)
    told = (sky.shade > 0.5) & (sky.opacity < 0.1)
    lie = np.zeros_like(told)
    lie[10:60, 10:60] = True  # lit water
    result = mask(sky, ("scl", classes(sky, cloud=sky.opacity > 0.3, shadow=told | lie)))
    deep = (sky.shade > 0.9) & (sky.opacity < 0.05)
    assert (result.mask[deep] == 3).mean() > 0.8
    assert (result.mask[lie] == 1).all()
    bare = make_sky()
    alone = mask(bare, ("scl", classes(bare, cloud=lie & False, shadow=lie)))
    assert (alone.mask == 1).all()


def test_served_snow_is_no_cloud() -> None:
    sky = make_sky(clouds=CLOUDS[:1])
    scl = np.full((300, 300), 11, dtype=np.uint8)
    assert (mask(sky, ("scl", scl)).mask != 2).all()


def test_served_no_data_is_no_data() -> None:
    sky = make_sky()
    scl = classes(sky, cloud=np.zeros((300, 300), dtype=bool))
    scl[:20] = 0
    found = mask(sky, ("scl", scl)).mask
    assert (found[:20] == 0).all()
    assert (found[20:] == 1).all()


def test_without_a_witness() -> None:
    result = mask(make_sky(clouds=CLOUDS), None)
    assert result.methods == ("spectral",)
    assert result.mask.dtype == np.uint8


def test_served_mask_that_does_not_fit() -> None:
    with pytest.raises(SceneError, match="shape"):
        read_served("scl", np.zeros((4, 4), dtype=np.uint8), (5, 4))
    with pytest.raises(SceneError, match="8"):
        read_served("udm2", np.zeros((5, 4), dtype=np.uint8), (5, 4))
    with pytest.raises(SceneError, match="unknown"):
        read_served("fmask", np.zeros((5, 4), dtype=np.uint8), (5, 4))  # type: ignore[arg-type]


def test_fine_pixels() -> None:
    sky = make_sky(ships=((60.0, 50.0, 30.0), (200.0, 90.0, 100.0)), ship_px=(45.0, 7.0))
    wrong = classes(sky, cloud=sky.ships)
    for served in (None, ("scl", wrong)):
        assert (mask(sky, served, gsd_m=3.0).mask == 1).all()


# ------------------------------------------------------------------------------- by any method
def test_auto_falls_back_on_the_own_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "_installed", lambda _: False)
    sky = make_sky(clouds=CLOUDS)
    found = cloud_mask(sky.image[:4], BANDS[:4])
    np.testing.assert_array_equal(found, cloud_mask(sky.image[:4], BANDS[:4], method="spectral"))
    assert set(np.unique(found)) <= {1, 2, 3}


def test_auto_takes_the_best_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    four = ("blue", "green", "red", "nir")
    monkeypatch.setattr(peers, "_installed", lambda _: True)
    assert best_method(four, "l2a") == "cnn"
    assert best_method(four, "visual") == "spectral"
    assert best_method(four[:3], "l2a") == "spectral"
    monkeypatch.setattr(peers, "_installed", lambda name: name == "s2cloudless")
    assert best_method(S2CLOUDLESS_BANDS, "l1c") == "s2cloudless"
    assert best_method(S2CLOUDLESS_BANDS, "l2a") == "spectral"


@pytest.mark.parametrize("method", ["cnn", "s2cloudless"])
def test_a_method_that_is_not_installed_names_the_extra(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "_installed", lambda _: False)
    with pytest.raises(SceneError, match=r"eo-freeboard\[clouds\]"):
        cloud_mask(np.zeros((4, 8, 8), dtype=np.float32), method=method)


@pytest.mark.data
@pytest.mark.skipif(
    importlib.util.find_spec("s2cloudless") is None, reason="s2cloudless is not installed"
)
def test_s2cloudless_agrees_with_itself(data_dir: Path) -> None:
    names = {
        "B01": "coastal", "B02": "blue", "B03": "green", "B04": "red", "B05": "rededge071",
        "B06": "rededge075", "B07": "rededge078", "B08": "nir", "B8A": "nir08", "B09": "nir09",
        "B10": "cirrus", "B11": "swir16", "B12": "swir22",
    }  # fmt: skip
    with np.load(data_dir / "clouds" / "slovenia-l1c-s2cloudless.npz") as file:
        bands = tuple(names[str(b)] for b in file["bands"])
        for scene, cloud in zip(file["reflectance"], file["cloud_mask"], strict=True):
            image = np.moveaxis(scene, -1, 0)
            found = cloud_mask(image, bands, level="l1c", gsd_m=60.0, method="s2cloudless")
            np.testing.assert_array_equal(found == 2, cloud)


@pytest.mark.data
@pytest.mark.skipif(
    importlib.util.find_spec("ukis_csmask") is None, reason="ukis-csmask is not installed"
)
def test_cnn_on_labels(data_dir: Path) -> None:
    with np.load(data_dir / "clouds" / "landsat5-cloud-shadow.npz") as file:
        image, label = file["img"].transpose(2, 0, 1), file["msk"][..., 0]
    found = cloud_mask(image[:4], BANDS[:4], level="l1c", gsd_m=30.0, method="cnn")
    assert ((found == 2) == (label == 4)).mean() > 0.9


# --------------------------------------------------------------------------------- odd inputs
def test_refusals() -> None:
    image = np.zeros((4, 8, 8), dtype=np.float32)
    with pytest.raises(BandError, match="twice"):
        cloud_mask(image, ("blue", "green", "red", "red"))
    with pytest.raises(BandError, match="purple"):
        cloud_mask(image, ("blue", "green", "red", "purple"))
    with pytest.raises(BandError, match="needs red"):
        cloud_mask(image[:3], ("blue", "green", "nir"))
    with pytest.raises(SceneError, match="shape"):
        cloud_mask(image[0])
    with pytest.raises(SceneError, match="3 bands"):
        cloud_mask(image, ("blue", "green", "red"))
    with pytest.raises(SceneError, match="level"):
        cloud_mask(image, level="l3")
    with pytest.raises(SceneError, match="method"):
        cloud_mask(image, method="magic")
    with pytest.raises(SceneError, match="gsd_m"):
        cloud_mask(image, gsd_m=0.0)
    with pytest.raises(SceneError, match="dtype"):
        cloud_mask(image.astype(complex))


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0), (1, 1), (1, 7), (3, 2)])
def test_tiny_and_empty(shape: tuple[int, int]) -> None:
    found = cloud_mask(np.zeros((4, *shape), dtype=np.float32), method="spectral")
    assert found.shape == shape
    assert found.dtype == np.uint8


def test_every_number_that_may_come() -> None:
    sky = make_sky(clouds=CLOUDS)
    expected = cloud_mask(sky.image, BANDS, method="spectral")
    doubled = cloud_mask(sky.image.astype(np.float64), BANDS, method="spectral")
    np.testing.assert_array_equal(doubled, expected)
    image = sky.image.copy()
    image[0, :5, :5], image[3, 5:9, :5] = np.inf, np.nan
    found = cloud_mask(image, BANDS, method="spectral")
    assert (found[:9, :5] == 0).all()
    image.flags.writeable = False
    again = cloud_mask(image, BANDS, method="spectral")
    np.testing.assert_array_equal(found, again)
    ones = np.ones((3, 20, 20), dtype=np.uint8)
    assert (cloud_mask(ones, BANDS[:3], method="spectral") == 2).all()


def test_a_ship_that_touches_a_cloud_is_no_rim_of_it() -> None:
    from scipy import ndimage

    sky = make_sky(
        clouds=((150.0, 60.0, 60.0),), ships=((150.0, 142.0, 90.0),), ship_px=(45.0, 7.0)
    )
    told = ndimage.binary_dilation(sky.ships, iterations=2) | (sky.opacity > 0.1)
    _, parts = ndimage.label(told)
    assert parts == 1
    found = mask(sky, ("scl", classes(sky, cloud=told)), gsd_m=3.0).mask
    far = sky.ships & (np.mgrid[:300, :300][1] > 146)
    assert (found[far] == 1).all()
    assert (found[sky.opacity > 0.5] == 2).mean() > 0.98
