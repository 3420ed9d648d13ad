"""Departure from water, coverage, and boxes fitted to it."""

import math

import numpy as np
import pytest
from port_drawing import WATER, draw, grid, hull
from shapely.geometry import box as rectangle

from eo.kernels.hullfit import Box, first_guess, fit_box, frame
from eo.kernels.targets import coverage, darkening, departure, water_level

SCENE = grid(90, 100)
DARKER, BRIGHTER = 0.5 * WATER, 4 * WATER


def seen(shapes, **how):
    image = draw(SCENE, shapes, **how)
    water = np.ones(image.shape[1:], bool)
    level, sigma = water_level(image, water, radius_px=40)
    return image, level, sigma


def test_water_level_follows_a_slope_and_ignores_a_ship():
    image = draw(SCENE, [(hull(150, -130, 100, 16, 40), BRIGHTER)])
    image += np.linspace(0, 0.02, 100, dtype=np.float32)
    level, sigma = water_level(image, np.ones(image.shape[1:], bool), radius_px=15)
    assert abs(float(level[0, 10, 80] - level[0, 10, 20]) - 0.012) < 0.003
    assert abs(float(level[0, 43, 50]) - WATER[0] - 0.01) < 0.012
    assert 0.0014 < float(np.median(sigma)) < 0.008


def test_water_level_is_finite_without_water_or_pixels():
    image = np.full((4, 20, 20), np.nan, np.float32)
    level, sigma = water_level(image, np.zeros((20, 20), bool), radius_px=5)
    assert np.isfinite(level).all()
    assert (sigma > 0).all()


def test_shadow_is_no_departure_but_darkens():
    image, level, sigma = seen([(rectangle(120, -160, 200, -100), DARKER)])
    at = (slice(40, 48), slice(45, 60))
    assert float(departure(image, level, sigma)[at].max()) < 3
    assert float(darkening(image, level, sigma)[at].min()) > 3


def test_coverage_is_half_at_an_edge_and_keeps_nan_out():
    image = draw(SCENE, [(rectangle(121.5, -400, 400, 10), BRIGHTER)], noise=0.0005)
    water = np.broadcast_to(np.arange(100) < 35, image.shape[1:])
    level, sigma = water_level(image, water, radius_px=40)
    rise = departure(image, level, sigma)
    rise[0, 0] = np.nan
    cover = coverage(rise, 4.0, width_px=9)
    assert np.isfinite(cover).all()
    assert float(np.median(cover[:, 40])) == pytest.approx(0.5, abs=0.12)
    assert float(np.median(cover[:, 45])) > 0.9
    assert float(np.median(cover[:, 36])) < 0.05


@pytest.mark.parametrize("heading", [0, 17, 45, 90, 123, 160])
@pytest.mark.parametrize(("length", "beam"), [(90.0, 14.0), (140.0, 22.0)])
def test_a_box_is_fitted_to_a_fraction_of_a_pixel(heading, length, beam):
    image, level, sigma = seen([(hull(152.3, -133.1, length, beam, heading), BRIGHTER)])
    cover = coverage(departure(image, level, sigma), 5.0, width_px=9)
    member = cover > 0.5
    box = fit_box(cover, first_guess(member * cover, 0, 0))
    assert box.length_px * 3 == pytest.approx(length, abs=5)
    assert box.width_px * 3 == pytest.approx(beam, abs=1.5)
    axis = math.degrees(math.atan2(box.along[1], -box.along[0]))
    assert abs((axis - heading + 90) % 180 - 90) < 1.0
    assert (box.col + 0.5) * 3 == pytest.approx(152.3, abs=2.0)
    assert (box.row + 0.5) * 3 == pytest.approx(133.1, abs=2.0)


def test_a_barge_over_half_the_length_does_not_move_the_side():
    ship = hull(150, -130, 120, 18, 90)
    barge = rectangle(115, -154, 180, -141)
    image, level, sigma = seen([(ship, BRIGHTER), (barge, 3 * WATER)])
    cover = coverage(departure(image, level, sigma), 5.0, width_px=9)
    box = fit_box(cover, first_guess((cover > 0.5) * cover, 0, 0))
    assert box.width_px * 3 == pytest.approx(18, abs=3)


def test_frame_looks_along_and_across():
    image = np.add.outer(np.arange(30.0), np.zeros(40))
    box = Box(row=10, col=20, axis_rad=math.pi / 2, length_px=10, width_px=4)
    along = frame(image, box, np.array([0.0, 5.0]), np.array([0.0]))[:, 0]
    assert along.tolist() == [10.0, 15.0]


@pytest.mark.gpu
def test_kernels_are_the_same_on_the_device():
    cupy = pytest.importorskip("cupy", reason="needs cupy")
    image = draw(SCENE, [(hull(150, -130, 100, 16, 40), BRIGHTER)])
    water = np.ones(image.shape[1:], bool)

    def run(xp):
        pixels = xp.asarray(image)
        level, sigma = water_level(pixels, xp.asarray(water), radius_px=40)
        rise = departure(pixels, level, sigma)
        return rise, coverage(rise, 5.0, width_px=9)

    for host, device in zip(run(np), run(cupy), strict=True):
        assert np.allclose(host, device.get(), atol=1e-3)


def test_a_dark_deck_keeps_its_edge_beside_a_white_pipe():
    rise = np.zeros((40, 80), np.float32)
    rise[15:23, 10:70] = 8.0
    rise[18:20, 12:68] = 80.0
    plain = coverage(rise, 4.0, width_px=9)
    fine = coverage(rise, 4.0, width_px=9, resolved=True)
    inner = (slice(16, 22), slice(15, 65))
    assert (fine[inner] > 0.5).all()
    assert (plain[inner] > 0.5).mean() < 0.7
