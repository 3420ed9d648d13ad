"""Hulls: published check values, inverses, and priors held against real ships."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eo.physics.hull import (
    BARRELS_PER_TONNE,
    ballast_draught_prior_m,
    barrels_per_tonne,
    block_coefficient,
    displacement_t,
    draught_at_fill_m,
    fill_at_draught,
    freeboard_prior_m,
    sample_particulars,
    usual_beam_m,
    usual_deadweight_t,
)

DIMENSIONS = Path(__file__).parents[1].parent / "shared" / "data" / "tanker-dimensions.csv"


@pytest.mark.parametrize(
    ("design_block", "draught", "design", "expected"),
    [(0.82, 12.48, 13.57, 0.8149052), (0.66, 11.09, 11.49, 0.6559604)],
)
def test_riddlesworth(design_block, draught, design, expected):
    assert block_coefficient(draught, design, design_block) == pytest.approx(expected, abs=1e-7)


def test_displacement_at_design_draught_is_the_box_times_the_block():
    found = displacement_t(10.0, length_m=180.0, beam_m=32.0, design_draught_m=10.0)
    assert found == pytest.approx(1.025 * 180 * 32 * 10 * 0.82)


@given(
    fill=st.floats(-0.05, 1.05),
    design=st.floats(4, 22),
    ballast=st.floats(0.38, 0.75),
    block=st.floats(0.74, 0.9),
)
@settings(max_examples=200, deadline=None)
def test_fill_to_draught_and_back(fill, design, ballast, block):
    ship = {
        "design_draught_m": design,
        "ballast_draught_m": ballast * design,
        "design_block": block,
    }
    draught = draught_at_fill_m(fill, **ship)
    assert fill_at_draught(draught, **ship) == pytest.approx(fill, abs=1e-6)


def test_fill_is_the_share_of_displacement_between_ballast_and_design():
    ship = {"length_m": 105.0, "beam_m": 16.5, "design_draught_m": 6.5}
    d = [float(displacement_t(t, **ship)) for t in (3.7, 5.2, 6.5)]
    found = fill_at_draught(5.2, design_draught_m=6.5, ballast_draught_m=3.7)
    assert found == pytest.approx((d[1] - d[0]) / (d[2] - d[0]), abs=1e-12)


@given(low=st.floats(0, 1), high=st.floats(0, 1))
@settings(deadline=None)
def test_more_fill_is_more_draught(low, high):
    low, high = sorted((low, high))
    ship = {"design_draught_m": 6.5, "ballast_draught_m": 3.7}
    assert draught_at_fill_m(low, **ship) <= draught_at_fill_m(high, **ship) + 1e-9


def test_ballast_priors_follow_imo_below_150_m_and_marpol_above():
    mean, sd = ballast_draught_prior_m(100.0, 6.5)
    assert mean == pytest.approx(0.5 * (0.2 + 3.2 + 1.55 + 2.3))
    assert sd == pytest.approx(0.15 * mean)
    mean, _ = ballast_draught_prior_m(100.0, 12.0)
    assert mean == pytest.approx(0.38 * 12)
    mean, sd = ballast_draught_prior_m(250.0, 15.0)
    assert (mean, sd) == pytest.approx((7.0, 0.84))


def test_known_particulars_are_exact_and_unknown_ones_are_drawn():
    ships = sample_particulars(
        np.random.default_rng(1), 500, length_m=105.0, beam_m=16.5, depth_m=8.6, dwt_t=5500.0
    )
    assert np.all(ships.depth_m == 8.6)
    assert np.all(ships.dwt_t == 5500.0)
    assert ships.design_draught_m.std() > 0.2
    assert np.all(ships.design_draught_m < ships.depth_m)
    assert np.all(ships.ballast_draught_m < ships.design_draught_m)


@pytest.mark.parametrize(
    # Built ships: length, beam, depth, design draught, deadweight (makers' and class data).
    ("length", "beam", "depth", "draught", "dwt"),
    [
        (99.6, 15.2, 7.5, 6.1, 4_000),
        (183.2, 32.2, 18.8, 12.6, 47_000),
        (249.9, 44.0, 21.5, 15.1, 112_000),
        (333.0, 60.0, 29.8, 22.0, 306_000),
    ],
)
def test_priors_hold_built_ships(length, beam, depth, draught, dwt):
    ships = sample_particulars(
        np.random.default_rng(2),
        4000,
        length_m=length,
        beam_m=beam,
        length_sd_m=0.02 * length,
        beam_sd_m=0.05 * beam,
    )
    for values, truth in (
        (ships.depth_m, depth),
        (ships.design_draught_m, draught),
        (ships.dwt_t, dwt),
    ):
        low, high = np.quantile(values, [0.01, 0.99])
        assert low <= truth <= high


def test_freeboard_prior_grows_with_length():
    means = [freeboard_prior_m(length, 0.16 * length, 3.0, 1.5)[0] for length in (90, 130, 250)]
    assert means == sorted(means)


@pytest.mark.data
@pytest.mark.skipif(not DIMENSIONS.exists(), reason="../shared/data is absent")
def test_beam_prior_holds_real_tankers():
    with DIMENSIONS.open() as file:
        rows = [(float(r["length_m"]), float(r["beam_m"])) for r in csv.DictReader(file)]
    inside = [abs(beam - 0.16 * length) <= 1.645 * 0.08 * 0.16 * length for length, beam in rows]
    assert np.mean(inside) >= 0.85


def test_barrels_per_tonne_stay_within_three_percent():
    for product, factor in BARRELS_PER_TONNE.items():
        drawn = barrels_per_tonne(product, np.random.default_rng(3), 1000)
        assert drawn.min() >= 0.97 * factor
        assert drawn.max() <= 1.03 * factor
    unknown = barrels_per_tonne(None, np.random.default_rng(3), 1000)
    assert np.ptp(unknown) > np.ptp(barrels_per_tonne("diesel", np.random.default_rng(3), 1000))


def test_usual_deadweight_grows_faster_than_the_cube_of_the_length():
    small, large = usual_deadweight_t(105.0), usual_deadweight_t(180.0)
    # Ships as built: 105 m and 5,500-6,500 t; 180 m and 33,000-47,000 t.
    assert 4500 < small < 6500
    assert 30_000 < large < 47_000
    assert large / small > (180.0 / 105.0) ** 3


def test_usual_beams_are_those_of_real_tankers_and_lengths_that_are_guessed_widen_them():
    beam, sd = usual_beam_m(110.0, 0.0)
    assert (beam, sd) == (pytest.approx(17.6), pytest.approx(0.08 * 17.6))
    assert usual_beam_m(110.0, 20.0)[1] > sd
