"""Stays and identities, on made-up sightings whose truth is plain."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import END, START, day, look, sighting, vessel
from scipy.integrate import quad
from scipy.stats import lognorm

from eo.core.records import Sighting, Stay, Vessel
from eo.core.rows import Look
from eo.stages.calls import link_stays
from eo.stages.dwell import integrated_tail_d, remain_probability
from eo.stages.identity import Visit, identify
from eo.stages.passes import best_of_pass

FLEET = [vessel("A", 90, 14), vessel("B", 110, 17), vessel("C", 130, 20)]


def link(
    sightings: list[Sighting], looks: list[Look], fleet: list[Vessel] | None = None, **more: bool
) -> list[Stay]:
    return link_stays(sightings, looks, fleet or [], start=START, end=END,
                      **{"berths_given": False, **more})  # fmt: skip


def test_daily_clear_looks_make_one_stay_with_its_bracket() -> None:
    looks = [look(d) for d in (1, 2, 3, 4, 5)]
    (stay,) = link([sighting(d, x=3.0 * d) for d in (2, 3)], looks)
    assert (stay.first_seen, stay.last_seen) == (day(2), day(3))
    assert (stay.arrival_after, stay.departure_before) == (day(1), day(4))
    assert stay.counts
    assert stay.vessel_id.startswith("u-")
    assert stay.vessel_p == 1.0
    assert len(stay.detection_ids) == 2


def test_a_clear_look_without_her_ends_the_stay() -> None:
    stays = link([sighting(2), sighting(4)], [look(d) for d in (1, 2, 3, 4)])
    assert [s.first_seen for s in stays] == [day(2), day(4)]
    assert stays[1].arrival_after == day(3)
    assert stays[0].vessel_id != stays[1].vessel_id


def test_cloudy_looks_do_not_end_the_stay_but_a_long_gap_does() -> None:
    cloudy = [look(d, 0.0) for d in range(3, 30)]
    assert len(link([sighting(2), sighting(4)], [look(2), look(3, 0.0), look(4)])) == 1
    assert len(link([sighting(2), sighting(25)], [look(2), *cloudy])) == 2


def test_a_partly_clear_look_without_her_bounds_nothing() -> None:
    looks = [look(1), look(1.5, 0.6), look(2), look(2.5, 0.6), look(3)]
    (stay,) = link([sighting(2)], looks)
    assert stay.arrival_after == day(1)
    assert stay.departure_before == day(3)


def test_no_look_before_leaves_the_bracket_open() -> None:
    (early, late) = link([sighting(0.4), sighting(9.0, x=400)], [look(0.4, 0.5), look(9.0, 0.5)])
    assert early.arrival_after is None
    assert early.departure_before is None
    assert not early.counts, "seen at once: she had arrived before the period, as far as is known"
    assert late.counts


def test_another_ship_at_the_same_berth_is_another_call() -> None:
    looks = [look(2), look(3), look(4)]
    stays = link([sighting(2, length=90, beam=14), sighting(3, length=125, beam=20)], looks)
    assert len(stays) == 2


def test_two_neighbours_keep_their_own_stays() -> None:
    sightings = [sighting(d, y=y + d, length=100) for d in (2, 3, 4) for y in (0, 130)]
    stays = link(sightings, [look(d) for d in (2, 3, 4)])
    assert [len(s.detection_ids) for s in stays] == [3, 3]


def test_at_anchor_she_may_swing() -> None:
    sightings = [sighting(2, x=0, heading=20), sighting(3, x=90, y=60, heading=110)]
    assert len(link(sightings, [look(2), look(3)])) == 1
    moored = [sighting(2, berth="1", x=0, heading=20),
              sighting(3, berth="1", x=90, y=60, heading=110)]  # fmt: skip
    looks = [look(d, berth="1") for d in (2, 3)]
    assert len(link(moored, looks, berths_given=True)) == 2


def test_two_tiles_of_one_pass_are_one_ship_and_one_stay() -> None:
    one = sighting(2, "t1", acquisition="p", clear_fraction=0.7)
    two = sighting(2, "t2", acquisition="p", x=12.0, clear_fraction=1.0)
    beside = sighting(2, "t2", acquisition="p", x=40.0)
    speaker = best_of_pass([one, two, beside])
    assert speaker[one.detection_id] == two.detection_id
    assert speaker[beside.detection_id] == beside.detection_id
    looks = [look(2, scene=s, acquisition="p") for s in ("t1", "t2")]
    stays = link([one, two, beside], looks)
    assert sorted(len(s.detection_ids) for s in stays) == [1, 2]


def test_two_hulls_side_by_side_in_one_scene_stay_two() -> None:
    a, b = sighting(2, x=0.0), sighting(2, x=18.0)
    assert len(set(best_of_pass([a, b]).values())) == 2


def test_the_other_tile_of_her_own_pass_is_no_look_without_her() -> None:
    looks = [look(1.9999, scene="t1", acquisition="p"), look(2.0, scene="t2", acquisition="p")]
    (stay,) = link([sighting(2.0, "t2", acquisition="p")], looks)
    assert stay.arrival_after is None


@pytest.mark.parametrize(
    "poor",
    [{"length": 55.0}, {"confidence": 0.2}, {"vessel_class": "tug"}, {"vessel_class": "small"}],
)
def test_small_craft_and_doubtful_ones_make_no_call(poor: dict[str, float]) -> None:
    assert link([sighting(2, **poor)], [look(2)]) == []


def test_a_doubtful_look_in_between_holds_the_stay_together() -> None:
    doubtful = sighting(3, confidence=0.2)
    short = sighting(4, length=57.0)
    (stay,) = link([sighting(2), doubtful, sighting(4)], [look(d) for d in (1, 2, 3, 4, 5)])
    assert doubtful.detection_id in stay.detection_ids
    assert link([doubtful], [look(3)]) == []
    (stay,) = link([sighting(3, length=63), short], [look(3), look(4)])
    assert len(stay.detection_ids) == 2


def test_a_sighting_of_unknown_time_makes_no_stay() -> None:
    assert link([sighting(None, "undated")], [look(None, scene="undated")]) == []


def test_where_berths_are_given_calls_count_only_there() -> None:
    looks = [look(d, berth="1") for d in (1, 2, 3)]
    sightings = [sighting(2, berth="1"), sighting(2, berth=None, x=600, name="out")]
    stays = link(sightings, looks, berths_given=True)
    assert {s.berth: s.counts for s in stays} == {"1": True, None: False}


def test_arrival_outside_the_period_does_not_count() -> None:
    looks = [look(-3), look(1), look(2)]
    stays = link([sighting(1), sighting(2, x=800)], looks)
    assert [s.counts for s in stays] == [False, True]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_the_order_of_input_never_shows(seed: int) -> None:
    rng = random.Random(seed)
    looks = [look(d, rng.choice([0.0, 0.5, 1.0])) for d in range(12)]
    sightings = [
        sighting(d, x=rng.gauss(250 * k, 8), length=rng.gauss(95 + 9 * k, 4), name=str(k))
        for d in range(12)
        for k in range(3)
        if rng.random() < 0.6 and looks[d].status != "cloudy"
    ]
    once = link(sightings, looks, FLEET)
    rng.shuffle(sightings)
    rng.shuffle(looks)
    assert link(sightings, looks, FLEET[::-1]) == once
    ids = [i for s in once for i in s.detection_ids]
    assert sorted(ids) == sorted(s.detection_id for s in sightings), "each sighting in one stay"
    assert len({s.call_id for s in once}) == len(once)
    for stay in once:
        assert sum(c.probability for c in stay.candidates) == pytest.approx(1.0)


# -------------------------------------------------------------------------------- identity
def visit(length: float, beam: float, first: float = 0.0, last: float = 1.0) -> Visit:
    return Visit(
        length_m=length, length_sd_m=2.0, beam_m=beam, beam_sd_m=1.0, first_d=first, last_d=last
    )


def test_a_fleet_vessel_is_recognised_by_her_size() -> None:
    sizes = [(88.6, 14), (108.4, 17), (128.0, 20)]
    for (length, beam), known in zip(sizes, FLEET, strict=True):
        (whom,) = identify([visit(length, beam)], FLEET)
        assert whom[0].vessel_id == known.vessel_id
        assert whom[0].probability > 0.6


def test_a_ship_like_none_of_the_fleet_is_none_of_them() -> None:
    (stay,) = link([sighting(2, length=180, beam=30)], [look(2)], FLEET)
    assert stay.vessel_id.startswith("u-")
    assert stay.vessel_p > 0.9


@pytest.mark.parametrize("sd_m", [0.8, 3.0])
@pytest.mark.parametrize(("length_m", "beam_m"), [(166.0, 29.4), (62.0, 10.0), (240.0, 42.0)])
def test_a_ship_far_from_all_of_the_fleet_is_a_stranger(
    length_m: float, beam_m: float, sd_m: float
) -> None:
    """However well her size is known: her tails are as heavy as theirs."""
    seen = replace(visit(length_m, beam_m), length_sd_m=sd_m, beam_sd_m=0.4 * sd_m)
    (whom,) = identify([seen], FLEET[:2])
    assert whom[0].vessel_id is None
    assert whom[0].probability > 0.95


def test_one_bad_look_makes_no_stranger_of_a_ship() -> None:
    # A tug alongside doubles her beam in one look of four.
    good = [sighting(d, length=107, beam=17.0) for d in (1, 2, 3)]
    bad = sighting(4, length=107, beam=26.0)
    looks = [look(d) for d in (1, 2, 3, 4)]
    whom = [link([*good, *more], looks, FLEET)[0] for more in ([], [bad])]
    assert [stay.vessel_id for stay in whom] == ["B", "B"]
    assert whom[1].vessel_p > 0.6


def test_without_a_fleet_nobody_is_known() -> None:
    assert identify([visit(100, 16)], [])[0][0].vessel_id is None


def test_nobody_is_in_two_places_at_once() -> None:
    apart = identify([visit(88.6, 14), visit(88.6, 14, 5, 6)], FLEET)
    both = identify([visit(88.6, 14), visit(88.6, 14)], FLEET)
    p_apart = [next(c.probability for c in whom if c.vessel_id == "A") for whom in apart]
    p_both = [next(c.probability for c in whom if c.vessel_id == "A") for whom in both]
    assert min(p_apart) > 0.6
    assert sum(p_both) <= 1.0 + 1e-6


def test_exclusion_agrees_with_enumeration() -> None:
    fleet = [vessel("A", 90, 14), vessel("B", 92, 14)]
    visits = [visit(88.0, 14), visit(91.0, 14, 0.5, 2)]
    alone = [{c.vessel_id: c.probability for c in identify([v], fleet)[0]} for v in visits]
    joint = {
        (a, b): pa * pb
        for a, pa in alone[0].items()
        for b, pb in alone[1].items()
        if a is None or a != b
    }
    total = sum(joint.values())
    got = {c.vessel_id: c.probability for c in identify(visits, fleet)[0]}
    for who in ("A", "B", None):
        want = sum(p for (a, _), p in joint.items() if a == who) / total
        assert got[who] == pytest.approx(want, abs=0.01)


# ----------------------------------------------------------------------------------- dwell
@pytest.mark.parametrize("at", [0.0, 0.3, 1.75, 6.0])
def test_integrated_tail_agrees_with_quadrature(at: float) -> None:
    law = lognorm(s=0.7, scale=1.75)
    want = quad(law.sf, at, np.inf)[0]
    assert float(integrated_tail_d(at, 1.75, 0.7)) == pytest.approx(want, rel=1e-6)


def test_the_longer_the_gap_the_less_likely_she_stayed() -> None:
    chances = [remain_probability(1.0, gap) for gap in (0.0, 1.0, 2.0, 5.0, 10.0)]
    assert chances[0] == 1.0
    assert chances == sorted(chances, reverse=True)
    assert remain_probability(30.0, 2.0) > remain_probability(1.0, 2.0)
