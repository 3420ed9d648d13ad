"""What lies against a hull or in her shade, as the fit tells it."""

import numpy as np
import pytest

from eo.core.records import Hull
from eo.stages.alongside import stands_in_strip, too_broad
from eo.stages.shade import HullPixels

SIZE = 10.0
EDGE_M, WIDTH_M = 8.0, 20.0


def hull(length_m=105.0, beam_m=16.8):
    return Hull(
        x_m=0.0, y_m=0.0, length_m=length_m, beam_m=beam_m, heading_deg=0.0, bow_known=True,
        length_sd_m=1.5, beam_sd_m=0.6, outline=(),
    )  # fmt: skip


def strip_pixels():
    """Four rows of pixels from the axis to well beyond the strip."""
    along, across = np.meshgrid(np.arange(-15.0, 16.0, SIZE), np.arange(0.0, 50.0, SIZE))
    count = along.size
    return HullPixels(
        values=np.full((4, count), 0.03), across_m=across.ravel(), along_m=along.ravel(),
        map_x_m=across.ravel(), map_y_m=along.ravel(), code=np.zeros(count, np.uint8),
        crowded=np.zeros(count, bool), own_shade=np.zeros(count, bool), body_m=(-20.0, 20.0),
        pixel_m=SIZE, pixel_area_m2=SIZE**2,
    )  # fmt: skip


def stands(residual):
    return stands_in_strip(
        strip_pixels(), residual, np.full(4, 0.002), edge_m=EDGE_M, width_m=WIDTH_M
    )


def test_a_strip_that_is_noise_alone_is_hers():
    noise = np.random.default_rng(1).normal(0.0, 0.002, (4, 20))
    assert not stands(noise)


@pytest.mark.parametrize("across", [20.0, 30.0])
def test_one_bright_pixel_in_the_strip_is_something_else(across):
    pixels = strip_pixels()
    bright = (pixels.across_m == across) & (pixels.along_m == -5.0)
    residual = np.where(bright, 0.012, 0.0) * np.ones((4, 1))
    inside = across < EDGE_M + WIDTH_M + 0.5 * SIZE
    assert stands(residual) == inside


def test_rows_that_differ_are_no_one_strip():
    pixels = strip_pixels()
    residual = np.where(pixels.along_m > 0.0, 0.004, -0.004) * np.ones((4, 1))
    assert stands(residual)
    assert not stands(0.25 * residual)


def test_nothing_beside_her_is_nothing_alongside():
    assert not stands_in_strip(
        strip_pixels(), np.ones((4, 20)), np.full(4, 0.002), edge_m=200.0, width_m=10.0
    )


def test_a_hull_too_broad_or_too_slim_for_her_length_is_not_one_tanker():
    assert not too_broad(hull(), 16.8, 0.5)
    assert too_broad(hull(), 25.0, 0.5)
    assert too_broad(hull(), 11.0, 0.5)
    assert not too_broad(hull(), 25.0, 6.0)
