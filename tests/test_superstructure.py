"""How dark shade is, where it is wide: a block's shadow, drawn by its definition."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from test_freeboard import BANDS, DECK, GRID, WATER, hull_at

from eo.core.seams import NativePixels
from eo.kernels.block_shadow import WideShade, wide_shade
from eo.physics.shadow import shadow_geometry
from eo.stages.superstructure import house_shade, scene_shade

RATIO = np.array([0.42, 0.36, 0.33, 0.28])
SUN = (38.0, 130.0)
FINE, SIZE, PIXEL_M = 5, 110, 3.0


def picture(hull, *, height_m=20.0, ratio=RATIO, noise=0.0012, seed=0):
    """Draw a hull, her house a block `height_m` above the water, and the shade of both."""
    map_to_pixel = (
        1 / PIXEL_M, 0.0, SIZE / 2 - hull.x_m / PIXEL_M,
        0.0, -1 / PIXEL_M, SIZE / 2 + hull.y_m / PIXEL_M,
    )  # fmt: skip
    place = ((np.arange(SIZE * FINE) + 0.5) / FINE - SIZE / 2) * PIXEL_M
    x, y = np.meshgrid(place, -place)
    heading = np.deg2rad(hull.heading_deg)
    tangent, normal = (np.sin(heading), np.cos(heading)), (np.cos(heading), -np.sin(heading))

    def inside(px, py, start, stop, half):
        along = px * tangent[0] + py * tangent[1]
        across = px * normal[0] + py * normal[1]
        return (along > start) & (along < stop) & (np.abs(across) < half)

    length, half = hull.length_m, 0.5 * hull.beam_m
    ship = (-0.5 * length, 0.5 * length, half)
    house = (-0.44 * length, -0.44 * length + 14.0, 0.8 * half)
    east, north = np.sin(np.deg2rad(SUN[1])), np.cos(np.deg2rad(SUN[1]))
    cot = 1.0 / np.tan(np.deg2rad(SUN[0]))
    shade = np.zeros(x.shape, bool)
    for solid, top in ((ship, 4.0), (house, height_m)):
        for z in np.linspace(0.0, top, 60):
            shade |= inside(x + z * cot * east, y + z * cot * north, *solid)
    image = np.where(shade, ratio[:, None, None], 1.0) * WATER[:, None, None]
    image = np.where(inside(x, y, *ship), DECK[:, None, None], image)
    blurred = np.stack([gaussian_filter(band, 0.55 * FINE) for band in image])
    pixels = blurred.reshape(4, SIZE, FINE, SIZE, FINE).mean(axis=(2, 4))
    pixels += noise * np.random.default_rng(seed).normal(size=pixels.shape)
    return NativePixels(
        bands=BANDS,
        reflectance=pixels.astype(np.float32),
        saturated=np.zeros((SIZE, SIZE), bool),
        map_to_pixel=map_to_pixel,
    )


def seen(hull, native, **change):
    geometry = shadow_geometry(
        heading_deg=hull.heading_deg,
        sun_elevation_deg=SUN[0],
        sun_azimuth_deg=SUN[1],
        off_nadir_deg=0.0,
        view_azimuth_deg=0.0,
    )
    asked = {
        "neighbours": (),
        "grid": GRID,
        "window": GRID.window,
        "water": np.ones((GRID.height, GRID.width), bool),
        "mask": np.ones((GRID.height, GRID.width), np.uint8),
        "psf_sigma_px": 0.6,
    }
    return house_shade(native, hull, geometry, **{**asked, **change})


@pytest.mark.parametrize("heading", [20.0, 60.0, 200.0])
@pytest.mark.parametrize("ratio", [RATIO, 0.5 * RATIO])
def test_a_houses_shadow_tells_how_dark_shade_is(heading, ratio):
    hull = hull_at(heading=heading)
    found = seen(hull, picture(hull, ratio=ratio))
    assert found.contrast > 10.0
    # What a scene takes from it allows for houses that are no blocks; this one is one.
    np.testing.assert_allclose(found.ratio, ratio, atol=0.07)
    assert np.all(np.abs(found.ratio - ratio) < 4.0 * found.sd + 0.02)


def test_nothing_is_said_where_no_shadow_or_no_water_is_seen():
    hull = hull_at(heading=20.0)
    native = picture(hull)
    assert seen(hull_at(heading=20.0, bow=False), native) is None
    assert seen(hull, native, water=np.zeros((GRID.height, GRID.width), bool)) is None
    lit = picture(hull, ratio=np.ones(4))
    found = seen(hull, lit)
    assert scene_shade([found] if found else []) is None


def test_too_few_pixels_say_nothing():
    some = np.linspace(0.0, 10.0, 5)
    asked = {"blocks_m": [(2.0, 8.0)], "ends_m": [5.0], "own_ends_m": [2.0], "blur_m": 1.8}
    asked |= {"half_breadth_m": 7.0, "slant": 0.4}
    values = np.full((4, 5), 0.03)
    assert wide_shade(values, sunline_m=some, across_m=some, **asked) is None


def one(ratio, sd=0.03, contrast=20.0):
    return WideShade(ratio=np.full(4, ratio), sd=np.full(4, sd), contrast=contrast, end_m=30.0)


def test_a_scene_takes_the_middle_of_its_houses_and_knows_more_from_more():
    few, many = scene_shade([one(0.4)]), scene_shade([one(0.4)] * 6)
    assert many.common_sd < few.common_sd
    # One that is far off (a barge in the shade) moves nothing.
    assert scene_shade([one(0.4)] * 4 + [one(0.8)]).ratio == many.ratio
    # Doubtful ones are not asked.
    assert scene_shade([one(0.4, sd=0.5), one(0.4, contrast=2.0), one(0.97)]) is None
