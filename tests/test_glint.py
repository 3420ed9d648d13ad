"""Vessels under sun glint: by colour, where the water is as bright as their decks."""

import numpy as np
import pytest
import scipy.ndimage as ndi
from port_drawing import draw, grid, hull
from shapely.geometry import box as rectangle

from eo.kernels.glint import Glint, fit_glint, glint_departure
from eo.stages.pixels import scene_pixels
from eo.stages.sunglint import through_glint, water_by_colour

BANDS = ("blue", "green", "red", "nir")
SCENE = grid(120, 140)
WATER = np.array([0.040, 0.040, 0.022, 0.010], np.float32)
RED_DECK = np.array([0.060, 0.075, 0.180, 0.230], np.float32)
ASPHALT = np.array([0.070, 0.075, 0.080, 0.100], np.float32)


def mirrored(shapes, *, glint=0.10, uneven=0.2, seed=3):
    """A sea with glint about some shapes, which mirror nothing; and where the sea is."""
    rng = np.random.default_rng(seed)
    image = draw(SCENE, [(shape, colour) for shape, colour in shapes], noise=0.0, water=WATER)
    solid = draw(SCENE, [(shape, np.ones(4)) for shape, _ in shapes], noise=0.0, water=np.zeros(4))
    sea = 1 - np.clip(solid[0], 0, 1)
    ripple = ndi.gaussian_filter(rng.standard_normal(sea.shape), 1.5)
    image += (glint * np.maximum(1 + uneven * ripple / ripple.std(), 0) * sea).astype(np.float32)
    image += 0.002 * rng.standard_normal(image.shape).astype(np.float32)
    return image, sea > 0.999


def scene_of(image):
    return scene_pixels(image, BANDS, np.ones(image.shape[1:], np.uint8), 3.0)


def test_unevenness_alike_in_all_bands_is_glint_and_noise_is_not():
    rng = np.random.default_rng(0)
    noise = 0.002 * rng.standard_normal((4, 4000))
    assert fit_glint(noise, WATER) is None
    muddy = noise + 0.01 * np.array([[0.3], [0.9], [1.0], [0.0]]) * rng.standard_normal(4000)
    assert fit_glint(muddy, WATER) is None
    found = fit_glint(noise + 0.02 * rng.standard_normal(4000), WATER + 0.1)
    assert isinstance(found, Glint)
    assert found.direction == pytest.approx([0.5] * 4, abs=0.02)
    assert found.brightness_sd == pytest.approx(0.02, rel=0.15)
    assert np.all((found.colour_sd > 0.001) & (found.colour_sd < 0.003))


def test_too_few_pixels_or_bands_say_nothing():
    rng = np.random.default_rng(0)
    bright = 0.02 * rng.standard_normal((1, 400)) * np.ones((4, 1))
    assert fit_glint(bright, WATER) is None
    assert fit_glint(np.tile(bright[:2], (1, 10)), WATER[:2]) is None


def test_decks_depart_by_colour_and_shade_does_not():
    rng = np.random.default_rng(1)
    noise = 0.002 * rng.standard_normal((4, 4000)) + 0.02 * rng.standard_normal(4000)
    glint = fit_glint(noise, WATER + 0.1)
    lit = WATER + 0.1
    shade = 0.4 * WATER - lit
    bright_ripple, deck, white = np.full(4, 0.03), RED_DECK - lit, np.full(4, 0.55) - lit
    pixels = np.stack([bright_ripple, shade, deck, white], axis=1)[:, None, :].astype(np.float32)
    ripple, dark, aboard, house = glint_departure(pixels, glint)[0]
    assert ripple < 2
    assert dark < 3
    assert aboard > 10
    assert house > 8


def test_a_ship_no_brighter_than_the_water_is_seen():
    ship = hull(200, -190, 110, 18, 30)
    image, sea = mirrored([(ship, RED_DECK)])
    plain = scene_of(image)
    seen = through_glint(plain, image, sea | ~sea)
    assert seen.glint is not None
    aboard = ndi.binary_erosion(~sea, iterations=1)
    assert np.median(seen.cover[aboard]) > 0.9
    off = ndi.binary_erosion(sea, iterations=2)
    solid, before = (ndi.binary_opening(s.cover > 0.5, np.ones((2, 2))) for s in (seen, plain))
    assert solid[off].mean() < 0.002
    assert before[off].mean() > 0.02


def test_calm_water_is_left_as_it_was():
    image, sea = mirrored([(hull(200, -190, 110, 18, 30), RED_DECK)], glint=0.005)
    plain = scene_of(image)
    assert through_glint(plain, image, sea) is plain
    assert through_glint(plain, image, np.zeros_like(sea)) is plain


def test_a_dark_quay_passes_for_water_by_brightness_only():
    image, sea = mirrored([(rectangle(0, -400, 60, 0), ASPHALT)])
    everywhere = np.ones_like(sea)
    wet = water_by_colour(image, everywhere)
    quay = ndi.binary_erosion(~sea, iterations=2)
    assert wet[quay].mean() < 0.02
    assert wet[ndi.binary_erosion(sea, iterations=3)].mean() > 0.98
    calm, _ = mirrored([], glint=0.005)
    assert water_by_colour(calm, everywhere) is everywhere


@pytest.mark.gpu
def test_cupy_tells_the_same():
    cupy = pytest.importorskip("cupy", reason="cupy is not installed")
    image, _ = mirrored([(hull(200, -190, 110, 18, 30), RED_DECK)])
    difference = (image - np.median(image.reshape(4, -1), axis=1)[:, None, None]).astype(np.float32)
    here = fit_glint(difference.reshape(4, -1), WATER + 0.1)
    there = fit_glint(cupy.asarray(difference.reshape(4, -1)), cupy.asarray(WATER + 0.1))
    assert here is not None
    assert there is not None
    assert there.direction == pytest.approx(here.direction, abs=1e-4)
    told = glint_departure(cupy.asarray(difference), here).get()
    assert told == pytest.approx(glint_departure(difference, here), rel=1e-4, abs=1e-4)
