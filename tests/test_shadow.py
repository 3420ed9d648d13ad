"""Shadow geometry: round trips, hand-worked cases, and what is refused."""

import math

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from eo.physics.shadow import (
    freeboard_from_strip_m,
    refuse_geometry,
    shadow_geometry,
    strip_width_m,
)
from eo.physics.sky import shade_ratio_prior

ANGLES = {
    "heading_deg": st.floats(0, 360),
    "sun_elevation_deg": st.floats(4, 80),
    "sun_azimuth_deg": st.floats(0, 360),
    "off_nadir_deg": st.one_of(st.none(), st.floats(0, 40)),
    "view_azimuth_deg": st.one_of(st.none(), st.floats(0, 360)),
}


@given(freeboard=st.floats(0.1, 25), **ANGLES)
# Many a sun is refused, since it shines along the hull: that is what is filtered out here.
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
def test_height_to_strip_and_back(freeboard, **angles):
    assume(refuse_geometry(**angles) is None)
    geometry = shadow_geometry(**angles)
    width = strip_width_m(freeboard, geometry.metres_per_metre)
    assert width > 0
    assert freeboard_from_strip_m(width, geometry.metres_per_metre) == pytest.approx(freeboard)


@given(**ANGLES)
@settings(max_examples=200, deadline=None)
def test_shaded_side_lies_away_from_the_sun(**angles):
    geometry = shadow_geometry(**angles)
    towards = math.cos(math.radians(geometry.normal_azimuth_deg - angles["sun_azimuth_deg"]))
    assert towards <= 1e-9
    assert geometry.sun_across == pytest.approx(-towards, abs=1e-9)
    assert sum(geometry.node_weights) == pytest.approx(1.0)


def test_sun_abeam_at_45_degrees_throws_a_strip_as_wide_as_the_hull_is_high():
    geometry = shadow_geometry(
        heading_deg=0, sun_elevation_deg=45, sun_azimuth_deg=90, off_nadir_deg=0, view_azimuth_deg=0
    )
    assert geometry.normal_azimuth_deg == pytest.approx(270)
    assert geometry.metres_per_metre == pytest.approx(1.0)
    assert geometry.shadow_along_per_m == pytest.approx(0.0, abs=1e-12)


def test_a_sensor_on_the_shaded_side_widens_the_strip_and_one_on_the_sunlit_narrows_it():
    sun = {"heading_deg": 0, "sun_elevation_deg": 30, "sun_azimuth_deg": 90, "off_nadir_deg": 20}
    shaded = shadow_geometry(**sun, view_azimuth_deg=270)
    sunlit = shadow_geometry(**sun, view_azimuth_deg=90)
    lean = math.tan(math.radians(20))
    assert shaded.metres_per_metre == pytest.approx(math.sqrt(3) + lean)
    assert sunlit.metres_per_metre == pytest.approx(math.sqrt(3) - lean)


def test_sun_towards_the_bow_throws_shade_aft():
    geometry = shadow_geometry(heading_deg=0, sun_elevation_deg=45, sun_azimuth_deg=45)
    assert geometry.shadow_along_per_m == pytest.approx(-math.sqrt(0.5))


def test_unknown_view_spreads_about_no_lean():
    base = {"heading_deg": 10, "sun_elevation_deg": 30, "sun_azimuth_deg": 120}
    known = shadow_geometry(**base, off_nadir_deg=0, view_azimuth_deg=0)
    unknown = shadow_geometry(**base)
    assert not unknown.lean_known
    assert unknown.metres_per_metre == pytest.approx(known.metres_per_metre)

    def spread(g):
        nodes = zip(g.metres_per_metre_nodes, g.node_weights, strict=True)
        return sum(w * (n - g.metres_per_metre) ** 2 for n, w in nodes)

    assert spread(unknown) > spread(known)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, None),
        ({"sun_elevation_deg": None}, "no-sun-geometry"),
        ({"sun_azimuth_deg": float("nan")}, "no-sun-geometry"),
        ({"sun_elevation_deg": 2.9}, "sun-too-low"),
        ({"sun_azimuth_deg": 5.0}, "sun-along-hull"),
        ({"sun_azimuth_deg": 188.0}, "sun-along-hull"),
        ({"off_nadir_deg": 46.0}, "view-too-oblique"),
        # The deck leans over its own shadow.
        (
            {"sun_elevation_deg": 60.0, "off_nadir_deg": 40.0, "view_azimuth_deg": 90.0},
            "sun-along-hull",
        ),
    ],
)
def test_what_is_refused(change, status):
    angles = {
        "heading_deg": 0.0,
        "sun_elevation_deg": 40.0,
        "sun_azimuth_deg": 90.0,
        "off_nadir_deg": 3.0,
        "view_azimuth_deg": 100.0,
    }
    assert refuse_geometry(**{**angles, **change}) == status


def test_a_hidden_strip_gives_no_height():
    with pytest.raises(ValueError, match="hides its shadow"):
        freeboard_from_strip_m(3.0, -0.1)


BANDS = ("blue", "green", "red", "nir")


def test_glint_is_gone_in_the_shade():
    plain, own, common = shade_ratio_prior(BANDS, 60.0, "l2a")
    calm = shade_ratio_prior(BANDS, 60.0, "l2a", lit=(0.05, 0.045, 0.03, 0.02))
    assert calm == (plain, own, common)
    glinting, *_ = shade_ratio_prior(BANDS, 60.0, "l2a", lit=(0.15, 0.145, 0.13, 0.12))
    # Of 0.12 in the near infrared, 0.095 is the sun mirrored: 0.055 of 0.15 is left in blue.
    assert glinting[0] == pytest.approx(plain[0] * 0.055 / 0.15)
    assert all(g < p for g, p in zip(glinting, plain, strict=True))
    # Without near infrared, and in a tone-mapped picture, nothing is known of glint.
    assert shade_ratio_prior(BANDS[:3], 60.0, "l2a", lit=(0.15, 0.145, 0.13))[0] == plain[:3]
    toned = shade_ratio_prior(BANDS, 60.0, "visual")
    assert shade_ratio_prior(BANDS, 60.0, "visual", lit=(0.15, 0.145, 0.13, 0.12)) == toned
