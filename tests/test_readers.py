"""Pixels onto the grid: copied where lattices agree, warped where not, radiometry kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod
from rasterio.transform import Affine, from_origin
from rasterio.warp import Resampling, reproject

from eo.access.items import scene_from_item
from eo.access.readers import CogReader
from eo.core.errors import AssetError, BandError, GridError
from eo.core.grid import Grid, Window, grid_over, map_transformer

EPSG, WEST, NORTH, PIXEL = 32653, 342_600.0, 4_732_600.0, 3.0
GRID = Grid(epsg=EPSG, x0_m=WEST, y0_m=NORTH, pixel_m=PIXEL, height=60, width=80)


def write(path: Path, pixels: Any, transform: Affine, epsg: int = EPSG, **profile: Any) -> str:
    count, height, width = pixels.shape
    with rasterio.open(
        path, "w", driver="GTiff", count=count, height=height, width=width,
        dtype=pixels.dtype, crs=f"EPSG:{epsg}", transform=transform, **profile,
    ) as out:  # fmt: skip
        out.write(pixels)
    return str(path)


def planet(href: str, count: int = 4) -> Any:
    names = ("blue", "green", "red", "nir")[:count]
    return scene_from_item(
        {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": "p",
            "geometry": {
                "type": "Polygon",
                "coordinates": [[[133, 42.7], [133.2, 42.7], [133.2, 42.8], [133, 42.7]]],
            },
            "properties": {
                "datetime": "2024-05-01T02:00:00Z",
                "constellation": "planetscope",
                "gsd": 3,
                "proj:epsg": EPSG,
            },
            "assets": {
                "analytic_sr": {
                    "href": href,
                    "roles": ["data"],
                    "eo:bands": [{"name": n, "common_name": n} for n in names],
                    "raster:bands": [{"scale": 1e-4, "offset": 0, "nodata": 0}] * count,
                }
            },
        }
    )


def pixels(seed: int = 0, shape: tuple[int, ...] = (4, 90, 100)) -> Any:
    return np.random.default_rng(seed).integers(1, 4000, shape).astype(np.uint16)


BANDS = ("blue", "green", "red", "nir")


@settings(max_examples=25, deadline=None)
@given(
    row=st.integers(-70, 100),
    col=st.integers(-90, 110),
    height=st.integers(1, 60),
    width=st.integers(1, 80),
)
def test_an_aligned_scene_is_copied_to_the_bit(
    tmp_path_factory: pytest.TempPathFactory, row: int, col: int, height: int, width: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "aligned.tif"
    stored = pixels()
    if not path.exists():
        write(path, stored, from_origin(WEST - 30, NORTH + 30, PIXEL, PIXEL))
    window = Window(row=row, col=col, height=height, width=width)
    with CogReader() as reader:
        got = reader.grid_pixels(planet(str(path)), BANDS, GRID, window)
    whole = np.zeros((4, 400, 400), np.uint16)
    whole[:, 150:240, 150:250] = stored
    want = whole[:, 160 + row :, 160 + col :][:, :height, :width]
    assert not got.resampled
    np.testing.assert_array_equal(got.dn, want)


def test_bands_come_in_the_order_asked_for(tmp_path: Path) -> None:
    stored = pixels()
    href = write(tmp_path / "x.tif", stored, from_origin(WEST, NORTH, PIXEL, PIXEL))
    with CogReader() as reader:
        got = reader.grid_pixels(
            planet(href), ("nir", "blue"), GRID, Window(row=0, col=0, height=5, width=6)
        )
    np.testing.assert_array_equal(got.dn, stored[[3, 0], :5, :6])
    assert got.scale == (1e-4, 1e-4)


def test_a_band_the_scene_lacks_is_empty_and_named(tmp_path: Path) -> None:
    href = write(tmp_path / "x.tif", pixels()[:3], from_origin(WEST, NORTH, PIXEL, PIXEL))
    with CogReader() as reader:
        got = reader.grid_pixels(planet(href, 3), BANDS, GRID, GRID.window)
    assert got.absent == ("nir",)
    assert not got.dn[3].any()
    with CogReader() as reader, pytest.raises(BandError, match="coastal"):
        reader.grid_pixels(planet(href, 3), ("coastal",), GRID, GRID.window)


def test_a_shifted_lattice_is_warped_as_gdal_does(tmp_path: Path) -> None:
    stored = pixels()
    transform = from_origin(WEST - 31.3, NORTH + 28.9, PIXEL, PIXEL)
    href = write(tmp_path / "x.tif", stored, transform, nodata=0)
    with CogReader() as reader:
        got = reader.grid_pixels(planet(href), BANDS, GRID, GRID.window)
    want = np.zeros((4, GRID.height, GRID.width), np.uint16)
    reproject(
        stored, want, src_transform=transform, src_crs=EPSG, dst_crs=EPSG, src_nodata=0,
        dst_transform=Affine(*GRID.transform()), resampling=Resampling.bilinear,
    )  # fmt: skip
    assert got.resampled
    np.testing.assert_array_equal(got.dn, want)


def test_eight_bits_without_nodata_keep_their_black_pixels(tmp_path: Path) -> None:
    stored = (pixels() % 250).astype(np.uint8)[:3]
    stored[:, 10, 10] = (0, 7, 9)  # a dark pixel of the picture
    stored[:, :3] = 0  # its collar
    href = write(tmp_path / "x.tif", stored, from_origin(WEST, NORTH, PIXEL, PIXEL))
    scene = planet(href, 3)
    with CogReader() as reader:
        got = reader.grid_pixels(scene, BANDS[:3], GRID, Window(row=0, col=0, height=40, width=40))
        native = reader.native_pixels(scene, GRID, (WEST + 30, NORTH - 60, WEST + 60, NORTH - 15))
    np.testing.assert_array_equal(got.dn[:, 10, 10], (1, 8, 10))
    assert not got.dn[:, :3].any()
    reflectance = got.dn[1, 10, 10] * got.scale[1] + got.offset[1]
    assert reflectance == pytest.approx(7e-4)
    assert native.reflectance[1, 5, 0] == pytest.approx(7e-4)


def test_floating_reflectance_survives_with_its_gaps(tmp_path: Path) -> None:
    stored = (pixels() / 1e4).astype(np.float32)
    stored[:, 4, 5] = np.nan
    stored[0, 6, 6] = -0.02
    href = write(tmp_path / "x.tif", stored, from_origin(WEST, NORTH, PIXEL, PIXEL))
    scene = planet(href)
    bands = tuple(
        type(b)(**{**b.__dict__, "scale": 1.0, "offset": 0.0, "nodata": None}) for b in scene.bands
    )
    scene = type(scene)(**{**scene.__dict__, "bands": bands})
    with CogReader() as reader:
        got = reader.grid_pixels(scene, BANDS, GRID, Window(row=0, col=0, height=9, width=9))
    back = np.where(got.dn == 0, np.nan, got.dn * got.scale[0] + got.offset[0])
    np.testing.assert_allclose(back, stored[:, :9, :9], atol=5.1e-5)
    assert np.isnan(back[:, 4, 5]).all()


def test_a_web_mercator_scene_comes_out_with_true_ground_lengths(tmp_path: Path) -> None:
    """Two marks 400 m apart on the ground must be 400 m apart in the cube and in native pixels."""
    lon, lat = 133.08, 42.735
    east = Geod(ellps="WGS84").fwd(lon, lat, 90.0, 400.0)[:2]
    to_mercator = map_transformer("EPSG:4326", "EPSG:3857")
    x, y = to_mercator.transform(lon, lat)
    x2, y2 = to_mercator.transform(*east)
    transform = from_origin(x - 500, y + 500, 4.0, 4.0)
    stored = np.full((4, 300, 420), 100, np.uint16)
    for px, py in ((x, y), (x2, y2)):
        col, row = ~transform * (px, py)
        stored[:, int(row) - 1 : int(row) + 2, int(col) - 1 : int(col) + 2] = 5000
    href = write(tmp_path / "x.tif", stored, transform, epsg=3857)
    box = {"type": "Polygon", "coordinates": [[[133.078, 42.733], [133.086, 42.733],
           [133.086, 42.737], [133.078, 42.737], [133.078, 42.733]]]}  # fmt: skip
    grid = grid_over(box, 3.0)
    with CogReader() as reader:
        got = reader.grid_pixels(planet(href), BANDS, grid, grid.window)
        native = reader.native_pixels(planet(href), grid, grid.bounds_m())
    cols = np.flatnonzero(got.dn[0].max(axis=0) > 2500)
    split = cols[np.flatnonzero(np.diff(cols) > 20)[0] + 1]
    apart = cols[cols >= split].mean() - cols[cols < split].mean()
    assert got.resampled
    assert apart * grid.pixel_m == pytest.approx(400.0, abs=4.0)
    a, b, *_ = native.map_to_pixel
    ground_per_pixel = 1 / np.hypot(a, b)
    assert ground_per_pixel == pytest.approx(4.0 * np.cos(np.radians(lat)), rel=5e-3)


def test_native_pixels_are_the_files_own(tmp_path: Path) -> None:
    stored = pixels()
    stored[2, 12, 13] = 65535
    href = write(tmp_path / "x.tif", stored, from_origin(WEST, NORTH, PIXEL, PIXEL))
    bounds = (WEST + 30, NORTH - 60, WEST + 90, NORTH - 24)
    with CogReader() as reader:
        native = reader.native_pixels(planet(href), GRID, bounds)
        with pytest.raises(GridError, match="does not meet"):
            reader.native_pixels(planet(href), GRID, (0.0, 0.0, 50.0, 50.0))
    np.testing.assert_allclose(native.reflectance, stored[:, 8:20, 10:30] * 1e-4, rtol=1e-5)
    assert native.saturated.sum() == 1
    assert native.saturated[4, 3]
    a, b, c, d, e, f = native.map_to_pixel
    x, y = WEST + 13.5 * PIXEL, NORTH - 12.5 * PIXEL
    assert (a * x + b * y + c, d * x + e * y + f) == pytest.approx((3.5, 4.5), abs=1e-6)


@pytest.mark.parametrize("content", [b"", b"<html>no</html>", b"II*\x00truncated"])
def test_what_is_no_raster_says_so_without_its_folders(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "secret" / "x.tif"
    path.parent.mkdir()
    path.write_bytes(content)
    with CogReader() as reader, pytest.raises(AssetError, match=r"secret/x\.tif") as caught:
        reader.grid_pixels(planet(str(path)), BANDS, GRID, GRID.window)
    assert str(tmp_path) not in str(caught.value)
