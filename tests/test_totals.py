"""Totals: counting, the unseen calls, barrels, and whether the intervals hold what they say."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from made_up import END, START, day, look, port_call

from eo.core.records import Candidate, Stay
from eo.core.rows import Look, PortCall, PortTotal
from eo.stages.distinct import distinct_vessels
from eo.stages.dwell import integrated_tail_d
from eo.stages.exposure import Bracket, Glimpse, dwell_grid, dwell_log_likelihood, seen_share
from eo.stages.totals import arrival_time, port_totals


def totals(
    calls: list[PortCall], looks: list[Look], *, end: dt.datetime = END, **more: Any
) -> dict[str, PortTotal]:
    rows = port_totals(calls, more.get("stays", []), looks, start=START, end=end)
    return {row.period: row for row in rows}


def daily(clear: float = 1.0, days: int = 275) -> list[Look]:
    return [look(d + 0.1, clear) for d in range(days)]


def test_every_month_has_a_row_and_all_comes_last() -> None:
    rows = port_totals([], [], [], start=START, end=END)
    assert [r.period for r in rows] == [*(f"2024-{m:02d}" for m in range(3, 12)), "all"]


def test_a_call_belongs_to_the_month_of_its_arrival() -> None:
    call = port_call(1, 32.0, after=26.0, before=33.0)
    assert arrival_time(call) == day(29.0)
    got = totals([call], daily())
    assert (got["2024-03"].calls_seen, got["2024-04"].calls_seen) == (1, 0)


def test_daily_clear_looks_leave_little_unseen() -> None:
    calls = [port_call(i, 9.0 * i + 2.1, 9.0 * i + 3.1, after=9.0 * i + 1.1, before=9.0 * i + 4.1)
             for i in range(30)]  # fmt: skip
    row = totals(calls, daily())["all"]
    assert row.exposure is not None
    assert row.exposure > 0.85
    assert row.calls_seen == 30
    assert row.calls_est_p05 is not None
    assert row.calls_est_p95 is not None
    assert 30 <= row.calls_est_p05 <= row.calls_est_p95 <= 40


def test_a_cloudy_month_is_estimated_from_the_others_and_says_so() -> None:
    looks = [look(d + 0.1, 0.0 if 153 <= d < 184 else 1.0) for d in range(275)]
    calls = [port_call(i, d + 0.1, d + 1.1, after=d - 0.9, before=d + 2.1)
             for i, d in enumerate(range(1, 272, 4)) if not 152 <= d < 185]  # fmt: skip
    got = totals(calls, looks)
    august = got["2024-08"]
    assert (august.calls_seen, august.clear_looks, august.looks) == (0, 0, 31)
    assert august.exposure is not None
    assert august.exposure < 0.1
    assert "prior-dominated" in (august.note or "")
    assert august.barrels_seen_p50 is None, "nothing seen where nothing could be seen"
    assert august.calls_est_p50 == pytest.approx(7.75, abs=3)
    assert "prior-dominated" not in (got["2024-07"].note or "")


def test_no_looks_at_all_leave_nothing_to_estimate() -> None:
    row = totals([], [])["all"]
    assert row.calls_est_p50 is None
    assert row.exposure is None
    assert row.barrels_est_p50 is None
    assert row.note is not None
    undated = totals([], [look(None, scene="u")])["all"]
    assert (undated.looks, undated.calls_est_p50) == (1, None)
    assert totals([], [])["2024-03"].looks == 0


def test_outside_is_no_look_and_tiles_of_a_pass_are_one() -> None:
    tiles = [look(1.0, scene=f"t{i}", acquisition="p", berth=b) for i in (1, 2) for b in "ab"]
    beyond = Look(scene_id="o", berth="a", datetime=day(2), status="outside",
                  clear_fraction=None, vessels=None, acquisition_id="o")  # fmt: skip
    row = totals([], [*tiles, beyond])["2024-03"]
    assert (row.looks, row.clear_looks) == (1, 1)


def test_estimates_never_lie_below_what_was_seen() -> None:
    rng = random.Random(5)
    for trial in range(10):
        looks = [look(d + 0.1, rng.choice([0.0, 0.0, 0.5, 1.0])) for d in range(0, 275, 3)]
        calls = [
            port_call(i, rng.uniform(0, 270), barrels=rng.choice([None, (9e3, 2e4, 3e4)]))
            for i in range(trial * 3)
        ]
        for row in totals(calls, looks).values():
            assert row.calls_est_p05 is not None
            assert row.calls_est_p05 >= row.calls_seen
            if row.barrels_est_p50 is not None and row.barrels_seen_p50 is not None:
                assert row.barrels_est_p05 >= row.barrels_seen_p05
                assert row.barrels_est_p50 >= row.barrels_seen_p50
                assert row.barrels_est_p95 >= row.barrels_seen_p95


def test_only_loadings_are_summed_and_one_call_keeps_its_interval() -> None:
    calls = [
        port_call(1, 3.0, after=2.0),
        port_call(2, 5.0, after=4.0, direction="discharging", barrels=(-27e3, -23e3, -18e3)),
    ]
    row = totals(calls, daily())["all"]
    assert row.barrels_seen_p05 == pytest.approx(18e3, rel=0.03)
    assert row.barrels_seen_p50 == pytest.approx(23e3, rel=0.02)
    assert row.barrels_seen_p95 == pytest.approx(27e3, rel=0.03)


def test_unmeasured_loads_enter_the_estimate_and_not_what_was_seen() -> None:
    known = [port_call(i, 10.0 * i + 3.1, after=10.0 * i + 2.1) for i in range(10)]
    blind = [port_call(i, 10.0 * i + 6.1, after=10.0 * i + 5.1, barrels=None)
             for i in range(10, 20)]  # fmt: skip
    alone, both = (totals(c, daily())["all"] for c in (known, known + blind))
    assert both.barrels_seen_p50 == pytest.approx(alone.barrels_seen_p50, rel=0.03)
    assert both.barrels_est_p50 is not None
    assert both.barrels_est_p50 > 1.7 * (both.barrels_seen_p50 or 0)
    assert "10 of 20 calls without a measured load" in (both.note or "")
    none = totals(blind, daily())["all"]
    assert none.barrels_seen_p50 is None
    assert none.barrels_est_p50 is None


def test_an_unmeasured_load_grows_with_the_cube_of_the_length() -> None:
    known = [port_call(i, 10.0 * i + 3.1, 10.0 * i + 4.1, after=10.0 * i + 2.1, length_m=150.0)
             for i in range(20)]  # fmt: skip
    blind = port_call(30, 250.1, 251.1, after=249.1, length_m=75.0, barrels=None)
    without, both = (totals(c, daily())["all"] for c in (known, [*known, blind]))
    assert both.barrels_est_p50 is not None
    assert both.barrels_est_p50 - (without.barrels_est_p50 or 0) < 0.5 * 23e3


def test_a_call_of_unclear_direction_counts_with_what_it_may_have_loaded() -> None:
    either = port_call(1, 3.0, after=2.0, direction="unclear", barrels=(-30e3, 2e3, 30e3))
    row = totals([either], daily())["all"]
    assert row.barrels_seen_p05 == 0.0
    assert row.barrels_seen_p95 == pytest.approx(30e3, rel=0.05)
    assert "1 of 1 calls of unclear direction" in (row.note or "")


def test_ships_there_before_the_first_look_are_named_in_the_note() -> None:
    call = port_call(1, 0.2)
    row = totals([call], daily(), stays=[stay(call, counts=False)])["all"]
    assert row.calls_seen == 0
    assert row.vessels_seen == 1
    assert "1 more lay there when the looks began" in (row.note or "")


def test_a_port_full_of_ships_at_the_only_look_is_no_quiet_port() -> None:
    calls = [port_call(i, 0.35, length_m=80.0 + 6 * i) for i in range(30)]
    stays = [stay(c, counts=False) for c in calls]
    one = totals(calls, [look(0.35)], end=day(1), stays=stays)["all"]
    assert one.calls_seen == 0
    assert one.vessels_seen == 30
    assert one.calls_est_p05 is not None
    assert one.calls_est_p95 is not None
    assert one.calls_est_p05 >= 2
    assert 8 <= one.calls_est_p95 <= 40


def test_order_and_repetition_never_show() -> None:
    calls = [port_call(i, 6.0 * i + 1, after=6.0 * i) for i in range(30)]
    looks = daily(0.7)
    once = totals(calls, looks)
    random.Random(1).shuffle(calls)
    random.Random(2).shuffle(looks)
    assert totals(calls, looks) == once


def test_more_clear_looks_mean_more_exposure() -> None:
    exposures = [
        totals([], [look(float(d), 1.0) for d in range(0, 275, step)])["all"].exposure
        for step in (10, 5, 2, 1)
    ]
    assert exposures == sorted(exposures)  # type: ignore[type-var]


def stay(call: PortCall, *candidates: tuple[str | None, float], counts: bool = True) -> Stay:
    return Stay(
        call_id=call.call_id, vessel_id=call.vessel_id, vessel_p=0.5,
        candidates=tuple(Candidate(vessel_id=v, probability=p) for v, p in candidates),
        berth=call.berth, detection_ids=call.detection_ids, first_seen=call.first_seen,
        last_seen=call.last_seen, arrival_after=None, departure_before=None, counts=counts,
    )  # fmt: skip


def test_stays_that_do_not_count_are_left_out() -> None:
    calls = [port_call(1, 3.0), port_call(2, 5.0)]
    stays = [stay(calls[0], counts=False), stay(calls[1])]
    assert totals(calls, daily(), stays=stays)["all"].calls_seen == 1


def test_different_vessels_are_counted_whoever_they_are() -> None:
    a1, a2 = port_call(1, 1.0, vessel_id="A"), port_call(2, 9.0, vessel_id="A")
    alike = [port_call(i, 3.0 * i, length_m=100.0 + i) for i in range(3, 6)]
    other = port_call(9, 30.0, length_m=130.0)
    assert distinct_vessels([], {}) == 0
    assert distinct_vessels([a1, a2], {}) == 1
    assert distinct_vessels([*alike, other], {}) == 2
    together = [port_call(20, 3.0, 6.0), port_call(21, 4.0, 7.0)]
    assert distinct_vessels(together, {}) == 2
    maybe = port_call(30, 20.0)
    assert distinct_vessels([a1, maybe], {maybe.call_id: stay(maybe, (None, 0.1), ("A", 0.9))}) == 1
    assert distinct_vessels([a1, maybe], {maybe.call_id: stay(maybe, (None, 0.9), ("A", 0.1))}) == 2


def test_many_calls_by_few_indistinct_ships_are_not_many_ships() -> None:
    calls = [port_call(i, 4.0 * i, length_m=100.0) for i in range(40)]
    whom = [(f"V{k}", 0.1) for k in range(10)]
    stays = {c.call_id: stay(c, *whom) for c in calls}
    assert 9 <= distinct_vessels(calls, stays) <= 10


# ------------------------------------------------------------------------ exposure, by drawing
def test_exposure_agrees_with_drawn_calls() -> None:
    rng = np.random.default_rng(3)
    laws = dwell_grid()
    k = int(np.argmin(np.abs(laws.median_d - 1.75) + np.abs(laws.sigma - 0.55)))
    times = np.sort(rng.uniform(0, 60, 25))
    clear = rng.choice([0.0, 0.4, 1.0], 25)
    glimpses = [Glimpse(time_d=float(t), clear=float(c)) for t, c in zip(times, clear, strict=True)]
    got = seen_share(glimpses, [0.0, 30.0, 60.0], laws)[k]
    arrive = rng.uniform(0, 60, 40_000)
    leave = arrive + laws.median_d[k] * np.exp(laws.sigma[k] * rng.standard_normal(40_000))
    inside = (arrive[:, None] <= times) & (times < leave[:, None])
    seen = (inside & (rng.random((40_000, 25)) < clear)).any(axis=1)
    want = [seen[arrive < 30].mean(), seen[arrive >= 30].mean()]
    assert got == pytest.approx(want, abs=0.01)


def test_brackets_teach_the_length_of_calls_without_length_bias() -> None:
    rng = np.random.default_rng(4)
    laws = dwell_grid()
    looks = np.arange(0.0, 3000.0, 2.0)
    brackets = []
    for arrive in rng.uniform(5, 2900, 700):
        leave = arrive + 1.0 * np.exp(0.4 * rng.standard_normal())
        seen = looks[(looks >= arrive) & (looks < leave)]
        if seen.size:
            brackets.append(
                Bracket(
                    arrival_after_d=float(looks[looks < arrive].max()),
                    first_d=float(seen[0]),
                    last_d=float(seen[-1]),
                    departure_before_d=float(looks[looks >= leave].min()),
                )
            )
    glimpses = [Glimpse(time_d=float(t), clear=1.0) for t in looks]
    share = seen_share(glimpses, [0.0, 2990.0], laws)[:, 0]
    weight = np.exp(
        (fit := dwell_log_likelihood(brackets, share, laws) + laws.log_prior) - fit.max()
    )
    weight /= weight.sum()
    mean = laws.median_d * np.exp(laws.sigma**2 / 2)
    assert float(weight @ mean) == pytest.approx(1.0 * np.exp(0.08), rel=0.12)


def test_a_partly_clear_look_that_missed_her_draws_her_bracket_in() -> None:
    partly = (Glimpse(time_d=2.0, clear=0.8), Glimpse(time_d=6.0, clear=0.5))
    call = Bracket(arrival_after_d=0.0, first_d=4.0, last_d=5.0, departure_before_d=8.0,
                   glimpses=partly)  # fmt: skip
    assert call.arrivals() == [(2.0, 4.0, 1.0), (0.0, 2.0, pytest.approx(0.2))]
    assert call.departures() == [(5.0, 6.0, 1.0), (6.0, 8.0, 0.5)]
    laws = dwell_grid()
    share = np.full(laws.median_d.size, 0.5)
    plain = dwell_log_likelihood([replace(call, glimpses=())], share, laws)
    drawn_in = dwell_log_likelihood([call], share, laws)
    assert np.all(drawn_in <= plain + 1e-12)
    long = laws.median_d > 4
    assert (plain - drawn_in)[long].mean() > (plain - drawn_in)[laws.median_d < 2].mean()


def test_the_tail_below_zero_is_a_straight_line() -> None:
    at_zero = float(integrated_tail_d(0.0, 1.75, 0.5))
    assert float(integrated_tail_d(-2.0, 1.75, 0.5)) == pytest.approx(at_zero + 2.0)


# --------------------------------------------------------------------- do the intervals hold?
def campaign(seed: int) -> tuple[list[PortCall], list[Look], int]:
    """Draw a campaign: rates, clouds, looks and stays; return calls seen, looks, true calls."""
    rng = np.random.default_rng(seed)
    days = 184
    rate = float(np.exp(rng.normal(np.log(0.1), 1.0)))
    cloudy, every = rng.uniform(0.2, 0.85), rng.choice([1.0, 2.5, 5.0])
    median = 1.75 * float(np.exp(0.35 * rng.standard_normal()))
    sigma = float(rng.choice([0.25, 0.4, 0.55, 0.75, 1.0]))
    looks = [
        look(float(t), 0.0 if rng.random() < cloudy else 1.0) for t in np.arange(0.1, days, every)
    ]
    clear = np.array([(k.datetime - START) / dt.timedelta(days=1) for k in looks  # type: ignore[operator]
                      if k.status == "clear"])  # fmt: skip
    calls: list[PortCall] = []
    true = 0
    for month in range(6):
        begin, finish = days * month / 6, days * (month + 1) / 6
        number = rng.poisson(rate * rng.gamma(6.0, 1 / 6.0) * (finish - begin))
        true += int(number)
        for arrive in rng.uniform(begin, finish, number):
            leave = arrive + median * np.exp(sigma * rng.standard_normal())
            seen = clear[(clear >= arrive) & (clear < leave)]
            if seen.size:
                after = max((float(t) for t in clear if t < arrive), default=None)
                before = min((float(t) for t in clear if t >= leave), default=None)
                calls.append(
                    port_call(len(calls), float(seen[0]), float(seen[-1]), after=after,
                              before=before)
                )  # fmt: skip
    return calls, looks, true


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    inside = 0
    trials = 150
    end = START + dt.timedelta(days=184)
    for seed in range(trials):
        calls, looks, true = campaign(seed)
        row = totals(calls, looks, end=end)["all"]
        assert row.calls_est_p05 is not None
        assert row.calls_est_p95 is not None
        inside += row.calls_est_p05 <= true <= row.calls_est_p95
    # 90 % within sampling error (sd 2.1 %); whole numbers make intervals a little wide.
    assert 0.85 <= inside / trials <= 0.955, inside / trials
