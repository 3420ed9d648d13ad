"""Shade on a quay: measured where the quay is known without it, refused where it is not.

Scenes are drawn flat, five times finer than the pixel: water, a jetty with a dark lane, its own
shadow on its far side, the hull west of it and her shadow on it by the definition of heights.
"""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from eo.core.grid import Grid
from eo.core.records import Freeboard, Hull, Target
from eo.core.seams import NativePixels
from eo.core.sensors import sensor_of
from eo.kernels.profile_quay import QuayPixels, quay_likelihood
from eo.stages.freeboard import measure_freeboard
from eo.stages.quay_height import QUAY_HEIGHTS_M
from eo.stages.quays import above_water
from eo.stages.reference import Reference
from eo.stages.shade_strip import HEIGHTS_M

BANDS = ("blue", "green", "red", "nir")
WATER = np.array([0.050, 0.045, 0.030, 0.018])
DECK = np.array([0.085, 0.100, 0.130, 0.160])
CONCRETE = np.array([0.170, 0.190, 0.210, 0.250])
LANE = np.array([0.080, 0.085, 0.090, 0.110])
SHADE = np.array([0.30, 0.25, 0.22, 0.18])
WATER_SHADE = 0.4
SIDE, FINE, PIXEL_M = 120, 5, 3.0
GRID = Grid(epsg=32653, x0_m=340_000.0, y0_m=4_735_000.0, pixel_m=PIXEL_M, height=SIDE, width=SIDE)
LENGTH_M, BEAM_M, GAP_M, JETTY_M = 170.0, 27.0, 1.6, 36.0
SUN_DEG = 38.0


def picture(freeboard_m=None, quay_m=3.0, gain=1.0, *, parked=False, seed=0, rack=False):
    """Return (band, y, x) of the port, with a hull where a freeboard is given.

    `rack`: pipes 5 m above the quay, 9 to 12 m inshore, whose top is bright and out of any shade.
    """
    fine = (np.arange(SIDE * FINE) + 0.5) / FINE * PIXEL_M - 0.5 * SIDE * PIXEL_M
    x, y = np.meshgrid(fine + 30.0, fine)
    cot = 1.0 / np.tan(np.deg2rad(SUN_DEG))
    edge = 0.5 * BEAM_M
    near, far = edge + GAP_M, edge + GAP_M + JETTY_M
    quay = (x > near) & (x < far)
    image = np.where(quay, CONCRETE[:, None, None], WATER[:, None, None])
    image = np.where((x > near + 20.0) & (x < near + 25.0), LANE[:, None, None], image)
    shade = (x >= far) & (x < far + quay_m * cot)
    if freeboard_m is not None:
        beside = (np.abs(y) < 0.5 * LENGTH_M) & (x > edge)
        shade |= beside & (x < edge + np.maximum(freeboard_m - quay_m, 0.0) * cot) & quay
        shade |= beside & (x < edge + freeboard_m * cot) & ~quay & (x < near)
    dark = np.where(quay, SHADE[:, None, None], WATER_SHADE)
    image = np.where(shade, dark * image, image)
    if rack:
        image = np.where(
            (x > near + 12.0) & (x < near + 12.0 + 5.0 * cot), dark * CONCRETE[:, None, None], image
        )
        image = np.where((x > near + 9.0) & (x < near + 12.0), 1.4 * CONCRETE[:, None, None], image)
    if parked:
        # A stack of containers, as bright as a roof, beside the whole of her.
        image = np.where((x > near + 3.0) & (x < near + 12.0), 0.5, image)
    if freeboard_m is not None:
        hull = (np.abs(x) < edge) & (np.abs(y) < 0.5 * LENGTH_M)
        image = np.where(hull, DECK[:, None, None], image)
    blurred = np.stack([gaussian_filter(band, 0.55 * FINE) for band in image])
    pixels = blurred.reshape(4, SIDE, FINE, SIDE, FINE).mean(axis=(2, 4)) * gain
    return pixels + 0.0015 * np.random.default_rng(seed).normal(size=pixels.shape)


def empty_port(median):
    x = (np.arange(SIDE) + 0.5) * PIXEL_M - 0.5 * SIDE * PIXEL_M + 30.0 - 0.5 * BEAM_M - GAP_M
    water = np.broadcast_to(((x < 0) | (x > JETTY_M)).astype(np.float32), (SIDE, SIDE))
    return Reference(
        median=median.astype(np.float32),
        spread=np.full(median.shape, 0.01, np.float32),
        water=water.copy(),
        clear_looks=np.full((SIDE, SIDE), 12, np.uint16),
    )


def measure(pixels, reference, **change):
    centre = (GRID.x0_m + 0.5 * SIDE * PIXEL_M - 30.0, GRID.y0_m - 0.5 * SIDE * PIXEL_M)
    corners = [(-1, -1), (-1, 1), (1, 1), (1, -1), (-1, -1)]
    hull = Hull(
        x_m=centre[0],
        y_m=centre[1],
        length_m=LENGTH_M,
        beam_m=BEAM_M,
        heading_deg=0.0,
        bow_known=True,
        length_sd_m=3.0,
        beam_sd_m=1.2,
        outline=tuple(
            (centre[0] + a * 0.5 * BEAM_M, centre[1] + b * 0.5 * LENGTH_M) for a, b in corners
        ),
    )
    native = NativePixels(
        bands=BANDS,
        reflectance=pixels.astype(np.float32),
        saturated=np.zeros((SIDE, SIDE), dtype=bool),
        map_to_pixel=(
            1 / PIXEL_M, 0.0, -GRID.x0_m / PIXEL_M, 0.0, -1 / PIXEL_M, GRID.y0_m / PIXEL_M,
        ),
    )  # fmt: skip
    asked = {
        "neighbours": (),
        "grid": GRID,
        "window": GRID.window,
        "water": empty_port(pixels).water > 0.5,
        "mask": np.ones((SIDE, SIDE), dtype=np.uint8),
        "sensor": sensor_of("planetscope"),
        "sun_elevation_deg": SUN_DEG,
        "sun_azimuth_grid_deg": 270.0,
        "off_nadir_deg": 0.0,
        "view_azimuth_grid_deg": 0.0,
        "level": "l2a",
        "reference": reference,
        "reference_bands": BANDS,
    }
    target = Target(
        hull=hull, confidence=0.9, vessel_class="tanker", tanker_p=0.9, clear_fraction=1.0
    )
    return measure_freeboard(native, target, **{**asked, **change})


def estimate(found):
    weight = np.exp(found.log_likelihood)
    weight /= weight.sum()
    mean = float((weight * HEIGHTS_M).sum())
    return mean, float(np.sqrt((weight * (HEIGHTS_M - mean) ** 2).sum()))


@pytest.mark.parametrize(
    ("freeboard", "quay"), [(8.0, 3.0), (10.0, 2.2), (11.0, 4.5), (5.4, 2.6), (5.0, 2.2)]
)
def test_height_above_a_jetty(freeboard, quay):
    reference = empty_port(picture(quay_m=quay, seed=7))
    found = measure(picture(freeboard, quay, gain=1.06), reference)
    assert (found.status, found.surface) == ("measured", "quay")
    mean, sd = estimate(found)
    assert abs(mean - (freeboard - quay)) < 0.5
    assert abs(mean - (freeboard - quay)) < 2.0 * sd
    assert found.strip_width_m == pytest.approx(
        (freeboard - quay) / np.tan(np.deg2rad(SUN_DEG)), abs=0.8
    )
    assert max(found.log_likelihood) == 0.0


def test_the_jettys_own_shadow_says_how_high_it_is():
    # Strips of a pixel and a half, and of two; the likelihood allows for what they leave open.
    for quay in (3.4, 4.8):
        reference = empty_port(picture(quay_m=quay, seed=7))
        said = np.exp(measure(picture(8.0, quay), reference).quay_log_likelihood)
        weight = said / said.sum()
        mean = float(weight @ QUAY_HEIGHTS_M)
        sd = float(np.sqrt(weight @ (QUAY_HEIGHTS_M - mean) ** 2))
        assert abs(mean - quay) < 2.0 * sd
        assert abs(QUAY_HEIGHTS_M[np.argmax(said)] - quay) < 1.3


def test_more_above_the_quay_is_more_freeboard():
    reference = empty_port(picture(seed=7))
    found = [measure(picture(f), reference) for f in (7.0, 9.0, 11.0)]
    assert np.diff([estimate(each)[0] for each in found]) == pytest.approx([2.0, 2.0], abs=0.4)


@pytest.mark.parametrize("freeboard", [2.0, 3.2])
def test_a_deck_level_with_the_quay_is_known_to_be_low(freeboard):
    reference = empty_port(picture(seed=7))
    said = np.exp(measure(picture(freeboard), reference).log_likelihood)
    assert said[0] > 0.8
    assert said[HEIGHTS_M > 3.0].max() < 0.05


def test_refused_without_an_empty_port():
    assert measure(picture(8.0), None).status == "shade-on-quay"


def test_refused_where_the_empty_port_is_shaded_itself():
    reference = empty_port(picture(9.0, seed=7))
    assert measure(picture(9.0), reference).status == "shade-on-quay"


def test_refused_where_the_quay_has_changed():
    reference = empty_port(picture(seed=7))
    assert measure(picture(8.0, parked=True), reference).status == "shade-on-quay"


def test_refused_where_too_few_looks_made_the_empty_port():
    seen = empty_port(picture(seed=7))
    few = Reference(
        median=seen.median,
        spread=seen.spread,
        water=seen.water,
        clear_looks=np.full_like(seen.clear_looks, 2),
    )
    assert measure(picture(8.0), few).status == "shade-on-quay"


def test_height_of_the_quay_adds_to_the_height_above_it():
    def over(weights):
        record = Freeboard(status="measured", log_likelihood=tuple(np.log(weights + 1e-12)))
        return np.exp(above_water(record, quay).log_likelihood)

    above, quay = np.zeros(HEIGHTS_M.size), np.zeros(QUAY_HEIGHTS_M.size)
    above[50], quay[30] = 1.0, 1.0
    assert np.argmax(over(above)) == 80
    # Where the deck is below the quay, what is said is what no strip says.
    flat = over(np.where(HEIGHTS_M < 0.05, 1.0, 0.2))
    assert flat[10] == pytest.approx(1.0)
    assert flat[60] == pytest.approx(0.2)


def quay_pixels(width_m, ratio=0.3, gain=1.0, seed=3):
    rng = np.random.default_rng(seed)
    across = rng.uniform(4.0, 45.0, 500)
    along = rng.uniform(-1.0, 1.0, 500)
    fine = np.arange(-20.0, 80.0, 0.1)
    kernel = np.exp(-0.5 * (np.arange(-60, 61) * 0.1 / 1.8) ** 2)
    kernel /= kernel.sum()

    def seen(profile):
        return np.interp(across, fine, np.convolve(profile, kernel, mode="same"))

    ground = np.where(fine > 13.5 + 1.6, 0.2, 0.03)
    shaded = np.where((fine > 13.5) & (fine < 13.5 + width_m), ratio, 1.0)
    # Between hull and quay all is dark, whatever the shade.
    shaded = np.where((fine > 13.5) & (fine < 15.1), 0.5, shaded)
    scene = gain * np.where(fine < 13.5, 0.1, ground * shaded)
    values = seen(scene) + 0.002 * rng.normal(size=500)
    return QuayPixels(
        values=np.stack([values, values + 0.002 * rng.normal(size=500)]),
        ground=np.full((2, 500), 0.2),
        ground_slope=np.zeros((2, 500)),
        water=np.array([0.03, 0.03]),
        across_m=across,
        along=along,
        half_beam_m=13.5,
        edge_sd_m=1.0,
        skew_sd_m=1.0,
        quay_edge_m=np.full(500, 15.1),
        quay_edge_sd_m=0.3,
        gap_m=1.8,
        gap_sd_m=0.8,
        blur_m=1.8,
        blur_sd=0.1,
        shade_ratio=np.array([0.3, 0.3]),
        shade_ratio_sd=0.06,
        shade_ratio_common_sd=0.12,
        gain_sd=0.06,
        shift_sd_m=0.7,
        widths_m=np.arange(0.0, 20.1, 0.25),
    )


@pytest.mark.parametrize("width", [3.0, 5.0, 9.0, 14.0])
def test_width_of_the_strip(width):
    fit = quay_likelihood(quay_pixels(width, gain=1.04))
    assert fit.width_m == pytest.approx(width, abs=0.5)
    assert fit.width_bound_m < 0.4
    assert abs(fit.ratio_excess) < 1.0
    assert fit.log_likelihood.max() == 0.0


def test_a_shade_that_ends_before_the_quay_says_only_that():
    fit = quay_likelihood(quay_pixels(1.0))
    said = np.exp(fit.log_likelihood)
    widths = np.arange(0.0, 20.1, 0.25)
    assert said[widths < 1.2].min() > 0.5
    assert said[widths > 3.0].max() < 0.1
    assert fit.gap_m == pytest.approx(1.6, abs=0.5)


def test_no_shade_is_no_dark_strip():
    fit = quay_likelihood(quay_pixels(9.0, ratio=1.0))
    # Either no width beyond the gap, or a strip that is not dark.
    assert fit.width_m < 2.5 or fit.ratio_excess > 2.0


def test_too_few_pixels_are_told():
    pixels = quay_pixels(9.0)
    few = {
        name: getattr(pixels, name)[..., :10]
        for name in (
            "values",
            "ground",
            "ground_slope",
            "across_m",
            "along",
            "quay_edge_m",
        )
    }
    rest = {
        name: getattr(pixels, name) for name in QuayPixels.__dataclass_fields__ if name not in few
    }
    with pytest.raises(ValueError, match="10 pixels"):
        quay_likelihood(QuayPixels(**few, **rest))


def test_a_rack_that_cuts_the_shade_short_ends_what_is_known_and_no_height_follows():
    bare = empty_port(picture(rack=True))
    # The shade of a deck 13 m above the quay would reach 16.6 m; the rack's lit top ends it at 9 m.
    found = measure(picture(16.0, rack=True), bare)
    at = np.asarray(found.log_likelihood)
    assert found.surface == "quay"
    assert at[round(13.0 / found.step_m)] > at.max() - 1.5
    # Before the rack all is as it is without one.
    low = measure(picture(7.0, rack=True), bare)
    plain = measure(picture(7.0), empty_port(picture()))
    assert estimate(low)[0] == pytest.approx(estimate(plain)[0], abs=0.4)
