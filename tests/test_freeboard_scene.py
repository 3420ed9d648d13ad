"""A scene's vessels measured together, what is kept of them, and what a scene may lack."""

from dataclasses import replace

import numpy as np
import pytest
from test_freeboard import BANDS, GRID, draw, estimate, hull_at, measure

from eo.core.records import Target
from eo.core.sensors import sensor_of
from eo.kernels.profile import profile_likelihood
from eo.stages.freeboard import View, measure_freeboards


def target_of(hull):
    return Target(
        hull=hull, confidence=0.9, vessel_class="tanker", tanker_p=0.9, clear_fraction=1.0
    )


def view(**change):
    known = {
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
    return View(**{**known, **change})


def together(vessels, **change):
    hulls = tuple(hull for hull, _ in vessels)
    seen = [(native, target_of(hull)) for hull, native in vessels]
    return measure_freeboards(seen, view(**change), hulls=hulls)


def apart(count):
    """Hulls far from each other, each drawn by herself."""
    return [
        hull_at(heading=40.0 + 3.0 * k, centre=(340_300.0, 4_734_700.0 - 0.01 * k))
        for k in range(count)
    ]


def test_vessels_of_a_scene_tell_each_other_its_blur_and_its_shade(monkeypatch):
    freeboards = [2.5, 4.0, 5.5, 3.0, 4.5]
    hulls = apart(5)
    scenes = []
    monkeypatch.setattr(
        "eo.stages.freeboard.profile_likelihood",
        lambda batch: scenes.append(profile_likelihood(batch)) or scenes[-1],
    )
    pictures = [
        draw(h, f, seed=k, noise=0.006)
        for k, (h, f) in enumerate(zip(hulls, freeboards, strict=True))
    ]
    seen = [(p, target_of(h)) for h, p in zip(hulls, pictures, strict=True)]
    joint = measure_freeboards(seen, view(), hulls=())
    alone = [measure_freeboards([one], view(), hulls=())[0] for one in seen]
    assert all(item.freeboard.status == "measured" for item in joint)
    shared, own = scenes[0].blur_px, np.concatenate([fit.blur_px for fit in scenes[1:]])
    # Drawn with a sigma of 0.55 pixels and a square pixel's own spread.
    drawn = np.hypot(0.55, 12**-0.5)
    assert np.sqrt(np.mean((shared - drawn) ** 2)) < np.sqrt(np.mean((own - drawn) ** 2))
    assert np.median(shared) == pytest.approx(drawn, abs=0.04)
    spread = [estimate(item.freeboard)[1] for item in joint]
    assert np.mean(spread) <= 1.05 * np.mean([estimate(item.freeboard)[1] for item in alone])
    for item, freeboard in zip(joint, freeboards, strict=True):
        assert estimate(item.freeboard)[0] == pytest.approx(freeboard, abs=0.8)


def test_order_does_not_matter():
    hulls = apart(3)
    vessels = [(h, draw(h, f)) for h, f in zip(hulls, (2.5, 4.0, 5.5), strict=True)]
    forth, back = together(vessels), together(vessels[::-1])
    for one, other in zip(forth, back[::-1], strict=True):
        np.testing.assert_allclose(
            one.freeboard.log_likelihood, other.freeboard.log_likelihood, atol=1e-3
        )


def test_the_profile_shows_deck_shade_and_water_where_they_are():
    hull = hull_at()
    (found,) = together([(hull, draw(hull, 4.0))])
    said, profile = found.freeboard, found.profile
    assert profile.dtype == np.float32
    assert profile.shape[0] == 1 + 3 * len(BANDS)
    assert said.profile_bands == BANDS
    assert said.surface == "water"
    across, nir = profile[0], profile[1 + 3 * 3]
    left, right = said.deck_edges_m
    strip = (across > right + 1.5) & (across < said.shadow_edge_m - 1.5)
    deck = (across > left + 3.0) & (across < right - 3.0)
    water = across > said.shadow_edge_m + 5.0
    assert np.nanmin(nir[strip]) < 0.7 * np.nanmean(nir[water])
    assert np.nanmean(nir[water]) < 0.3 * np.nanmean(nir[deck])
    # The fit follows what was seen to a few standard deviations of the mean.
    model, sd = profile[2 + 3 * 3], profile[3 + 3 * 3]
    assert np.nanmedian(np.abs(nir - model) / np.maximum(sd, 5e-4)) < 3.0
    assert said.shadow_edge_m - right == pytest.approx(said.strip_width_m)
    assert 0.0 < said.bound_m < 2.0 * estimate(said)[1]


def test_a_missing_view_is_noted_and_widens():
    hull = hull_at()
    native = draw(hull, 4.0)
    known, unknown = measure(native, hull), measure(native, hull, off_nadir_deg=None)
    assert known.notes == ()
    assert unknown.notes == ("view-unknown",)
    assert estimate(unknown)[1] >= estimate(known)[1]
    assert unknown.bound_m > known.bound_m


def test_no_data_inside_the_profile_costs_rows_not_truth():
    hull = hull_at(length=150.0, beam=23.5)
    native = draw(hull, 4.0)
    pixels = native.reflectance.copy()
    pixels[:, 46:49, :] = np.nan
    holed = measure(replace(native, reflectance=pixels), hull)
    assert holed.status == "measured"
    assert estimate(holed)[0] == pytest.approx(4.0, abs=0.5)
    assert holed.rows < measure(native, hull).rows


def test_an_outline_half_outside_the_scene_is_measured_on_what_is_there_or_refused():
    hull = hull_at(length=180.0, beam=28.0)
    native = draw(hull, 5.0)
    pixels = native.reflectance.copy()
    pixels[:, :50, :] = np.nan
    half = measure(replace(native, reflectance=pixels), hull)
    assert half.status in {"measured", "outside"}
    if half.status == "measured":
        assert estimate(half)[0] == pytest.approx(5.0, abs=0.8)
    pixels[:, :80, :] = np.nan
    assert measure(replace(native, reflectance=pixels), hull).status == "outside"


def test_a_saturated_deck_is_refused_a_few_bright_pixels_are_not():
    hull = hull_at()
    native = draw(hull, 4.0)
    deck = native.reflectance[3] > 0.1
    assert measure(replace(native, saturated=deck), hull).status == "saturated"
    few = np.zeros_like(deck)
    few[49:51, 49:51] = True
    assert measure(replace(native, saturated=few), hull).status == "measured"


def test_no_vessel_is_no_measurement():
    assert measure_freeboards([], view(), hulls=()) == []
