"""Cloud that no mask saw, held against the empty port."""

import numpy as np
import pytest

from eo.stages.reference import Reference
from eo.stages.veil import with_missed_cloud

BANDS = ("blue", "green", "red", "nir")
WATER = np.array([0.05, 0.05, 0.03, 0.01], np.float32)
QUAY = np.array([0.2, 0.21, 0.22, 0.25], np.float32)
SHIP = np.array([0.5, 0.5, 0.5, 0.5], np.float32)
SIZE = 160


def port(looks=10):
    median = np.broadcast_to(WATER[:, None, None], (4, SIZE, SIZE)).copy()
    median[:, :50] = QUAY[:, None, None]
    return Reference(
        median=median,
        spread=np.full_like(median, 0.004),
        water=(median[3] < 0.1).astype(np.float32),
        clear_looks=np.full((SIZE, SIZE), looks, np.uint16),
    )


def scene(rows, cols, level):
    image = port().median.copy()
    image[:, rows, cols] = level if np.ndim(level) == 0 else level[:, None, None]
    noise = np.random.default_rng(1).normal(size=image.shape)
    return (image + 0.002 * noise).astype(np.float32)


def missed(image, looks=10, mask=None):
    mask = np.ones((SIZE, SIZE), np.uint8) if mask is None else mask
    return with_missed_cloud(mask, image, BANDS, port=port(looks), pixel_m=3.0)


def test_a_sharp_cloud_over_quay_and_water_is_cloud():
    cloud = (slice(30, 90), slice(40, 100))
    found = missed(scene(*cloud, 0.6))
    assert (found[cloud] == 2).mean() > 0.95
    assert (found == 2).sum() < 1.6 * 60 * 60


@pytest.mark.parametrize("width_px", [8, 20])
def test_a_white_ship_is_no_cloud_however_wide(width_px):
    ship = (slice(60, 60 + width_px), slice(30, 130))
    assert (missed(scene(*ship, SHIP)) == 1).all()


def test_the_quay_itself_is_no_cloud_even_under_thin_haze():
    image = scene(slice(0, 0), slice(0, 0), 0.0) + np.float32(0.03)
    assert (missed(image) == 1).all()


def test_a_red_deck_as_wide_as_a_cloud_is_none():
    deck = (slice(60, 100), slice(30, 130))
    red = np.array([0.05, 0.06, 0.3, 0.3], np.float32)
    assert (missed(scene(*deck, red)) == 1).all()


def test_too_few_looks_say_nothing_and_no_data_stays():
    cloud = (slice(60, 120), slice(40, 100))
    assert (missed(scene(*cloud, 0.6), looks=2) == 1).all()
    mask = np.ones((SIZE, SIZE), np.uint8)
    mask[60:70] = 0
    mask[70:80] = 3
    found = missed(scene(*cloud, 0.6), mask=mask)
    assert (found[60:70] == 0).all()
    assert (found[70:80] == 3).all()
