"""Cloud that no mask saw, held against the empty port."""

import numpy as np
import pytest
from scipy import ndimage

from eo.stages.reference import Reference
from eo.stages.veil import mask_by_port

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
    return mask_by_port(mask, image, BANDS, port=port(looks), pixel_m=3.0)


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


# ------------------------------------------------------------------------ a town by the water
def town(size=200, seed=3):
    """Water, and land with a pattern of streets; what a look has, and the port's reference."""
    rng = np.random.default_rng(seed)
    land = np.broadcast_to(np.arange(size)[:, None] < size // 2, (size, size))
    streets = ndimage.gaussian_filter(rng.standard_normal((size, size)), 1.2)
    streets = 1 + 0.35 * streets / streets.std()
    median = np.where(land, QUAY[:, None, None] * np.clip(streets, 0.3, 2), WATER[:, None, None])
    median = median.astype(np.float32)
    return land, Reference(
        median=median,
        spread=np.full_like(median, 0.004),
        water=(~land).astype(np.float32),
        clear_looks=np.full((size, size), 10, np.uint16),
    )


def look_at(median, *, opacity=0.0, shade=0.0, shift=(0.0, 0.0), seed=1):
    image = ndimage.shift(median, (0, *shift), order=1, mode="nearest") * (1 - shade)
    image = image * (1 - opacity) + 0.7 * opacity
    noise = np.random.default_rng(seed).normal(size=median.shape)
    return (image + 0.002 * noise).astype(np.float32)


def blob(size, row, col, radius):
    rows, cols = np.mgrid[:size, :size]
    return np.clip((radius - np.hypot(rows - row, cols - col)) / 8 + 0.5, 0, 1)


def test_thin_cloud_that_hides_known_land_is_cloud_and_a_clear_look_is_clear():
    land, reference = town()
    ones = np.ones(land.shape, np.uint8)
    thin = 0.35 * blob(200, 60, 100, 40)
    found = mask_by_port(
        ones, look_at(reference.median, opacity=thin), BANDS, port=reference, pixel_m=10.0
    )
    assert (found[thin > 0.3] == 2).mean() > 0.9
    assert (found[(thin == 0) & land] == 2).mean() < 0.1
    for shift in ((0.0, 0.0), (0.3, 0.3)):
        clear = look_at(reference.median, shift=shift)
        assert (mask_by_port(ones, clear, BANDS, port=reference, pixel_m=10.0) == 1).all()


def test_bright_ground_called_cloud_is_given_back_and_a_real_cloud_is_not():
    land, reference = town()
    reference.median[:, 20:80, 20:80] = np.array([0.6, 0.6, 0.6, 0.55], np.float32)[:, None, None]
    mask = np.ones(land.shape, np.uint8)
    mask[20:80, 20:80] = 2
    mask[20:80, 120:180] = 2
    cloud = np.zeros(land.shape)
    cloud[20:80, 120:180] = 0.9
    found = mask_by_port(
        mask, look_at(reference.median, opacity=cloud), BANDS, port=reference, pixel_m=10.0
    )
    assert (found[20:80, 20:80] == 1).all()
    assert (found[20:80, 120:180] == 2).all()


def test_a_ship_called_cloud_stays_as_it_was_and_none_is_made_cloud():
    land, reference = town()
    image = look_at(reference.median)
    ships = np.zeros(land.shape, dtype=bool)
    ships[105:110, 20:45] = ships[150:157, 100:130] = True
    image[:, ships] = SHIP[:, None]
    found = mask_by_port(np.ones(land.shape, np.uint8), image, BANDS, port=reference, pixel_m=10.0)
    assert (found == 1).all()


@pytest.mark.parametrize("sun", [None, 225.0])
def test_shade_is_found_by_departure_where_the_sun_puts_it(sun):
    land, reference = town()
    cloud = blob(200, 70, 60, 16)
    # The sun stands south-west: shade falls to the north-east, up and to the right.
    shade = 0.45 * blob(200, 45, 85, 16)
    image = look_at(reference.median, opacity=0.95 * cloud, shade=shade)
    image[:, 160:190, 20:60] *= np.float32(0.7)  # dark water far from it is no shade
    found = mask_by_port(
        np.ones(land.shape, np.uint8),
        image,
        BANDS,
        port=reference,
        pixel_m=10.0,
        sun_azimuth_grid_deg=sun,
        sun_elevation_deg=None if sun is None else 45.0,
    )
    assert (found[cloud > 0.9] == 2).mean() > 0.95
    deep = (shade > 0.4) & (cloud == 0)
    assert (found[deep] == 3).mean() > 0.8
    assert (found[160:190, 20:60] == 1).all()


def test_shade_that_is_not_dark_is_given_back():
    land, reference = town()
    mask = np.ones(land.shape, np.uint8)
    mask[110:150, 40:90] = mask[20:60, 40:90] = 3
    reference.spread[:] = 0.002
    found = mask_by_port(mask, look_at(reference.median), BANDS, port=reference, pixel_m=10.0)
    assert (found == 1).all()


def test_no_data_and_gaps_of_the_port_are_left_alone():
    land, reference = town()
    reference.median[:, :, :50] = np.nan
    reference.clear_looks[:, :50] = 0
    image = look_at(np.nan_to_num(reference.median, nan=0.6))
    image[:, 90:] = np.nan
    mask = np.ones(land.shape, np.uint8)
    mask[90:] = 0
    mask[:40, :40] = 2
    found = mask_by_port(mask, image, BANDS, port=reference, pixel_m=10.0)
    np.testing.assert_array_equal(found, mask)
