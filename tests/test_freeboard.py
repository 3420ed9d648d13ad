"""Freeboard of drawn hulls: right where it can be known, refused with the reason where not.

The pictures are drawn flat: hull and shadow polygons in map metres by the shadow's definition,
sampled five times finer than the pixel, blurred and averaged. Ray-traced scenes judge the rest.
"""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from eo.core.grid import Grid
from eo.core.records import Hull, Target
from eo.core.seams import NativePixels
from eo.core.sensors import sensor_of
from eo.stages.freeboard import freeboard_bounds_m, measure_freeboard

BANDS = ("blue", "green", "red", "nir")
WATER = np.array([0.050, 0.045, 0.030, 0.018])
DECK = np.array([0.085, 0.100, 0.130, 0.160])
QUAY = np.array([0.200, 0.210, 0.220, 0.260])
GRID = Grid(epsg=32653, x0_m=340_000.0, y0_m=4_735_000.0, pixel_m=3.0, height=200, width=200)
CENTRE = (340_300.0, 4_734_700.0)


def hull_at(heading=40.0, length=110.0, beam=17.5, centre=CENTRE, bow=True):
    t = np.array([np.sin(np.deg2rad(heading)), np.cos(np.deg2rad(heading))])
    n = np.array([t[1], -t[0]])
    corners = [
        np.array(centre) + a * 0.5 * length * t + c * 0.5 * beam * n
        for a, c in ((1, 1), (1, -1), (-1, -1), (-1, 1), (1, 1))
    ]
    return Hull(
        x_m=centre[0],
        y_m=centre[1],
        length_m=length,
        beam_m=beam,
        heading_deg=heading,
        bow_known=bow,
        length_sd_m=3.0,
        beam_sd_m=1.2,
        outline=tuple((float(x), float(y)) for x, y in corners),
    )


def draw(
    hull,
    freeboard,
    *,
    sun=(30.0, 130.0),
    gsd=3.0,
    map_to_pixel=None,
    size=100,
    extra=(),
    seed=0,
    noise=0.0015,
):
    """Draw deck, shadow and whatever else; `extra` holds (polygon test, levels) in map metres."""
    fine = 5
    if map_to_pixel is None:
        map_to_pixel = (
            1 / gsd, 0.0, size / 2 - hull.x_m / gsd, 0.0, -1 / gsd, size / 2 + hull.y_m / gsd,
        )  # fmt: skip
    a, b, c, d, e, f = map_to_pixel
    cols, rows = np.meshgrid(*[(np.arange(size * fine) + 0.5) / fine] * 2)
    back = np.linalg.inv(np.array([[a, b], [d, e]]))
    x, y = np.tensordot(back, np.stack([cols - c, rows - f]), axes=1)
    heading = np.deg2rad(hull.heading_deg)
    t, n = (np.sin(heading), np.cos(heading)), (np.cos(heading), -np.sin(heading))

    def inside(px, py):
        along = (px - hull.x_m) * t[0] + (py - hull.y_m) * t[1]
        across = (px - hull.x_m) * n[0] + (py - hull.y_m) * n[1]
        return (np.abs(along) < 0.5 * hull.length_m) & (np.abs(across) < 0.5 * hull.beam_m)

    cot = 1 / np.tan(np.deg2rad(sun[0]))
    towards = np.sin(np.deg2rad(sun[1])), np.cos(np.deg2rad(sun[1]))
    shade = np.zeros(x.shape, dtype=bool)
    for height in np.linspace(0, freeboard, 12):
        shade |= inside(x + height * cot * towards[0], y + height * cot * towards[1])
    image = np.where(shade, 0.38, 1.0) * WATER[:, None, None]
    for where, levels in extra:
        image = np.where(where(x, y), levels[:, None, None], image)
    image = np.where(inside(x, y), DECK[:, None, None], image)
    rng = np.random.default_rng(seed)
    blurred = np.stack([gaussian_filter(band, 0.55 * fine) for band in image])
    pixels = blurred.reshape(4, size, fine, size, fine).mean(axis=(2, 4))
    pixels += noise * rng.normal(size=pixels.shape)
    return NativePixels(
        bands=BANDS,
        reflectance=pixels.astype(np.float32),
        saturated=np.zeros((size, size), dtype=bool),
        map_to_pixel=map_to_pixel,
    )


def beside_sunlit(hull):
    """Tell whether points lie on a quay 1.5 m off the side towards the sun (azimuth 130)."""
    heading = np.deg2rad(hull.heading_deg)

    def there(x, y):
        across = (x - hull.x_m) * np.cos(heading) - (y - hull.y_m) * np.sin(heading)
        return (across > 0.5 * hull.beam_m + 1.5) & (across < 0.5 * hull.beam_m + 60.0)

    return there


def measure(native, hull, **change):
    asked = {
        "neighbours": (),
        "grid": GRID,
        "window": GRID.window,
        "water": np.ones((200, 200), dtype=bool),
        "mask": np.ones((200, 200), dtype=np.uint8),
        "sensor": sensor_of("planetscope"),
        "sun_elevation_deg": 30.0,
        "sun_azimuth_grid_deg": 130.0,
        "off_nadir_deg": 0.0,
        "view_azimuth_grid_deg": 0.0,
        "level": "l2a",
    }
    target = Target(
        hull=hull, confidence=0.9, vessel_class="tanker", tanker_p=0.9, clear_fraction=1.0
    )
    return measure_freeboard(native, target, **{**asked, **change})


def estimate(found):
    grid = found.start_m + found.step_m * np.arange(len(found.log_likelihood))
    weight = np.exp(found.log_likelihood) * (grid < 12)
    weight /= weight.sum()
    mean = float((weight * grid).sum())
    return mean, float(np.sqrt((weight * (grid - mean) ** 2).sum()))


@pytest.mark.parametrize("freeboard", [2.0, 3.5, 5.5])
def test_freeboard_at_3_m(freeboard):
    hull = hull_at()
    found = measure(draw(hull, freeboard), hull)
    assert found.status == "measured"
    mean, sd = estimate(found)
    # What is drawn throws the shade; a main deck lies a gutter bar and some sheer below that.
    assert mean == pytest.approx(freeboard - 0.32, abs=0.45)
    assert sd < 0.8
    # The heading is the fitted edges': a thousandth of a radian beside the drawn one.
    assert found.metres_per_metre == pytest.approx(np.sqrt(3.0), rel=1e-3)
    assert max(found.log_likelihood) == 0.0


def test_more_freeboard_is_never_less():
    hull = hull_at()
    found = [estimate(measure(draw(hull, f), hull))[0] for f in (1.5, 3.0, 4.5, 6.0)]
    assert found == sorted(found)


def test_a_hull_put_a_pixel_aside_changes_little():
    hull = hull_at()
    native = draw(hull, 4.0)
    aside = replace(hull, x_m=hull.x_m + 2.0, y_m=hull.y_m + 1.0, beam_m=hull.beam_m + 1.5)
    assert estimate(measure(native, aside))[0] == pytest.approx(4.0, abs=0.6)


def test_pixels_of_another_crs_are_brought_to_metres():
    """Web mercator at 43 degrees: a pixel of 3 map units is 2.2 m on the ground, and turned."""
    hull = hull_at()
    scale, turn = 1.0 / (3.0 * np.cos(np.deg2rad(42.7))), np.deg2rad(1.3)
    a, b = scale * np.cos(turn), -scale * np.sin(turn)
    d, e = -scale * np.sin(turn), -scale * np.cos(turn)
    size = 140
    affine = (
        a, b, size / 2 - a * hull.x_m - b * hull.y_m, d, e, size / 2 - d * hull.x_m - e * hull.y_m,
    )  # fmt: skip
    found = measure(draw(hull, 4.0, map_to_pixel=affine, size=size), hull)
    assert found.status == "measured"
    assert estimate(found)[0] == pytest.approx(4.0, abs=0.4)


def test_unknown_view_widens():
    hull = hull_at()
    native = draw(hull, 4.0)
    known = estimate(measure(native, hull))[1]
    assert estimate(measure(native, hull, off_nadir_deg=None))[1] >= known


def test_shade_on_the_open_side_is_measured_though_a_quay_lies_on_the_other():
    hull = hull_at()
    n = (np.cos(np.deg2rad(40.0)), -np.sin(np.deg2rad(40.0)))
    towards = 1 if n[0] * np.sin(np.deg2rad(130)) + n[1] * np.cos(np.deg2rad(130)) > 0 else -1

    def quay(x, y):
        return towards * ((x - hull.x_m) * n[0] + (y - hull.y_m) * n[1]) > 0.5 * hull.beam_m + 1.0

    x, y = GRID.centres()
    land = quay(x[None, :], y[:, None])
    found = measure(draw(hull, 4.0, extra=[(quay, QUAY)]), hull, water=~land)
    assert found.status == "measured"
    assert estimate(found)[0] == pytest.approx(4.0, abs=0.6)


def test_shade_on_a_quay_is_refused():
    hull = hull_at()
    n = (np.cos(np.deg2rad(40.0)), -np.sin(np.deg2rad(40.0)))

    def quay(x, y):
        return (x - hull.x_m) * n[0] + (y - hull.y_m) * n[1] > 0.5 * hull.beam_m + 1.0

    x, y = GRID.centres()
    native = draw(hull, 4.0, sun=(30.0, 310.0), extra=[(quay, QUAY)])
    land = quay(x[None, :], y[:, None])
    found = measure(native, hull, sun_azimuth_grid_deg=310.0, water=~land)
    assert found.status == "shade-on-quay"
    assert found.log_likelihood == ()


def beside(hull, gap=4.0, length=60.0):
    """A barge on the shaded side (sun from 130 degrees: the shade falls to 310)."""
    away = np.deg2rad(310.0)
    reach = 0.5 * hull.beam_m + gap + 4.0
    centre = (hull.x_m + reach * np.sin(away), hull.y_m + reach * np.cos(away))
    return hull_at(length=length, beam=8.0, centre=centre)


def test_a_barge_alongside_is_occupied_whether_known_or_only_seen():
    hull = hull_at()
    barge = beside(hull, length=90.0)

    def on_barge(x, y):
        t = (np.sin(np.deg2rad(40.0)), np.cos(np.deg2rad(40.0)))
        along = (x - barge.x_m) * t[0] + (y - barge.y_m) * t[1]
        across = (x - barge.x_m) * t[1] - (y - barge.y_m) * t[0]
        return (np.abs(along) < 45.0) & (np.abs(across) < 4.0)

    native = draw(hull, 4.0, extra=[(on_barge, QUAY)])
    assert measure(native, hull, neighbours=(barge,)).status == "occupied"
    assert measure(native, hull).status == "occupied"


def test_cloud_nodata_and_saturation():
    hull = hull_at()
    native = draw(hull, 4.0)
    assert measure(native, hull, mask=np.full((200, 200), 2, np.uint8)).status == "cloud"
    empty = replace(native, reflectance=np.full_like(native.reflectance, np.nan))
    assert measure(empty, hull).status == "outside"
    full = replace(native, saturated=np.ones_like(native.saturated))
    assert measure(full, hull).status == "saturated"
    cut = replace(
        native,
        reflectance=native.reflectance[:, :40],
        saturated=native.saturated[:40],
    )
    assert measure(cut, hull).status == "outside"


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"sun_elevation_deg": None, "sun_azimuth_grid_deg": None}, "no-sun-geometry"),
        ({"sun_elevation_deg": 2.0}, "sun-too-low"),
        ({"sun_azimuth_grid_deg": 45.0}, "sun-along-hull"),
        ({"off_nadir_deg": 50.0}, "view-too-oblique"),
    ],
)
def test_geometry_is_refused_before_any_pixel_is_read(change, status):
    hull = hull_at()
    found = measure(draw(hull, 4.0), hull, **change)
    assert found.status == status
    assert found.log_likelihood == ()


def test_a_small_hull_at_10_m_is_too_small():
    hull = hull_at(length=45.0, beam=9.0)
    native = draw(hull, 3.0, gsd=10.0, size=40)
    assert measure(native, hull, sensor=sensor_of("sentinel-2")).status == "too-small"


@pytest.mark.parametrize("beam", [26.0, 10.5])
def test_a_hull_too_broad_or_too_slim_for_her_length_is_not_hers_alone(beam):
    hull = hull_at(length=100.0, beam=beam)
    assert measure(draw(hull, 4.0), hull).status == "occupied"


def test_a_quay_on_the_sunlit_side_costs_a_small_hull_nothing_at_10_m():
    hull = hull_at(heading=40.0, length=140.0, beam=22.0)
    quay = [(beside_sunlit(hull), QUAY)]
    native = draw(hull, 6.0, gsd=10.0, size=60, sun=(18.0, 130.0), extra=quay)
    ashore = np.ones((200, 200), bool)
    rows, cols = np.mgrid[:200, :200]
    x = GRID.x0_m + (cols + 0.5) * GRID.pixel_m
    y = GRID.y0_m - (rows + 0.5) * GRID.pixel_m
    ashore &= ~beside_sunlit(hull)(x, y)
    found = measure(
        native, hull, sensor=sensor_of("sentinel-2"), water=ashore, sun_elevation_deg=18.0
    )
    assert found.status == "measured"
    mean, sd = estimate(found)
    assert sd < 2.0
    assert abs(mean - 6.0) < 1.645 * sd


def test_nothing_is_identified_where_there_is_no_picture():
    hull = hull_at()
    native = draw(hull, 4.0)
    rng = np.random.default_rng(3)
    noise = 0.05 + 0.02 * rng.normal(size=native.reflectance.shape)
    found = measure(replace(native, reflectance=noise.astype(np.float32)), hull)
    assert found.status in {"not-identifiable", "occupied"}
    flat = replace(native, reflectance=np.full_like(native.reflectance, 0.05))
    negative = replace(native, reflectance=-native.reflectance)
    for strange, status in (
        (flat, {"not-identifiable"}),
        (negative, {"not-identifiable", "occupied"}),
    ):
        found = measure(strange, hull)
        assert found.status in status
        assert np.isfinite(found.metres_per_metre)


def test_bounds_hold_hull_and_longest_shadow():
    hull = hull_at()
    west, south, east, north = freeboard_bounds_m(hull)
    assert east - west > hull.length_m + 200
    assert south < hull.y_m < north
