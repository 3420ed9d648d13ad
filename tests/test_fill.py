"""Fill and cargo from given likelihoods: right, honest, independent of order."""

import dataclasses
import datetime as dt
from typing import Any

import numpy as np
import pytest

from eo.core.records import Candidate, Freeboard, Hull, Sighting, Stay, Vessel, WaterCount
from eo.core.rows import Detection, PortCall
from eo.physics.hull import draught_at_fill_m, sample_particulars
from eo.stages.draws import freeboards_at, freeboards_over, quantiles
from eo.stages.fill import weigh
from eo.stages.quay_height import QUAY_HEIGHTS_M

DAY = dt.timedelta(days=1)
START = dt.datetime(2024, 5, 1, 2, tzinfo=dt.UTC)
SHIP = Vessel(
    vessel_id="A",
    length_m=105.0,
    beam_m=16.5,
    depth_m=8.6,
    design_draught_m=6.5,
    ballast_draught_m=3.7,
    dwt_t=5500.0,
)
OTHER = Vessel(
    vessel_id="B",
    length_m=118.0,
    beam_m=17.6,
    depth_m=9.6,
    design_draught_m=7.0,
    ballast_draught_m=4.0,
    dwt_t=7200.0,
)
CERTAIN = (Candidate(vessel_id="A", probability=1.0),)
STRANGER = (Candidate(vessel_id=None, probability=1.0),)


def rows_of(*given: Any, **more: Any) -> tuple[list[Detection], list[PortCall]]:
    """Rows of sightings and stays."""
    found = weigh(*given, **more)
    return found.detections, found.calls


def freeboard_at(fill):
    return SHIP.depth_m - float(
        draught_at_fill_m(
            fill,
            design_draught_m=SHIP.design_draught_m,
            ballast_draught_m=SHIP.ballast_draught_m,
        )
    )


def sighting(key, when, fill, *, sd=0.3, error=0.0, status="measured"):
    grid = 0.1 * np.arange(251)
    likelihood = Freeboard(status=status)
    if status == "measured":
        logl = -0.5 * ((grid - freeboard_at(fill) - error) / sd) ** 2
        likelihood = Freeboard(status=status, log_likelihood=tuple(logl - logl.max()))
    hull = Hull(
        x_m=0.0,
        y_m=0.0,
        length_m=105.0,
        beam_m=16.5,
        heading_deg=30.0,
        bow_known=False,
        length_sd_m=3.0,
        beam_sd_m=1.2,
        outline=(),
    )
    return Sighting(
        detection_id=key,
        scene_id=f"scene-{key}",
        acquisition_id=f"pass-{key}",
        datetime=when,
        group="planetscope-3m",
        hull=hull,
        lon=133.08,
        lat=42.73,
        outline_lonlat=(),
        heading_deg=31.0,
        berth="north",
        confidence=0.9,
        vessel_class="tanker",
        tanker_p=0.9,
        clear_fraction=1.0,
        reference_id=None,
        freeboard=likelihood,
    )


def stay_of(looks, candidates=CERTAIN, *, call_id="call", vessel_id="A"):
    return Stay(
        call_id=call_id,
        vessel_id=vessel_id,
        vessel_p=candidates[0].probability,
        candidates=candidates,
        berth="north",
        detection_ids=tuple(s.detection_id for s in looks),
        first_seen=looks[0].datetime,
        last_seen=looks[-1].datetime,
        arrival_after=looks[0].datetime - DAY,
        departure_before=looks[-1].datetime + DAY,
        counts=True,
    )


def call_of(fills, candidates=CERTAIN, *, fleet=(SHIP, OTHER), product="diesel", **change):
    looks = [sighting(f"d{i}", START + i * DAY, fill, **change) for i, fill in enumerate(fills)]
    detections, calls = rows_of(looks, [stay_of(looks, candidates)], fleet, product=product)
    return detections, calls[0]


@pytest.mark.parametrize("fill", [0.0, 0.3, 0.6, 0.95])
def test_fill_of_a_known_ship(fill):
    (row,), _ = call_of([fill], sd=0.15)
    assert row.fill_status == "measured"
    assert row.fill == row.fill_p50
    assert row.fill == pytest.approx(fill, abs=0.08)
    assert row.fill_p05 <= fill <= row.fill_p95
    assert row.freeboard_m == pytest.approx(freeboard_at(fill), abs=0.2)
    assert row.draught_m == pytest.approx(SHIP.depth_m - row.freeboard_m, abs=1e-9)


def test_intervals_hold_the_truth():
    rng = np.random.default_rng(1)
    inside = 0
    for index in range(60):
        fill, error = rng.uniform(0, 1), rng.normal(0, 0.3)
        look = sighting(f"d{index}", START, fill, error=error)
        (row,), _ = rows_of([look], [stay_of([look])], [SHIP], product="diesel")
        inside += row.fill_p05 <= fill <= row.fill_p95
    # 90 % of 60 is 54; fewer than 48 would happen once in a hundred times.
    assert 48 <= inside <= 60


def test_a_stranger_is_less_certain_than_a_known_ship():
    (known,), _ = call_of([0.5])
    (stranger,), _ = call_of([0.5], STRANGER)
    assert stranger.fill_p95 - stranger.fill_p05 > 1.3 * (known.fill_p95 - known.fill_p05)
    assert stranger.fill_p05 < 0.5 < stranger.fill_p95


def test_an_uncertain_identity_lies_between():
    mixed = (Candidate(vessel_id="A", probability=0.6), Candidate(vessel_id="B", probability=0.4))
    widths = []
    for candidates in (CERTAIN, mixed):
        (row,), _ = call_of([0.9], candidates)
        widths.append(row.fill_p95 - row.fill_p05)
    assert widths[1] > widths[0]


def test_the_stage_of_the_call_does_not_enter_a_detections_fill():
    alone, _ = call_of([0.4])
    several, _ = call_of([0.4, 0.9])
    assert several[0].fill == alone[0].fill
    assert several[0].fill_p95 == alone[0].fill_p95


def test_what_was_not_measured_is_null():
    looks = [sighting("d0", START, 0.5, status="shade-on-quay")]
    (row,), (call,) = rows_of(looks, [stay_of(looks)], [SHIP], product="diesel")
    assert row.fill_status == "shade-on-quay"
    assert (row.freeboard_m, row.draught_m, row.fill, row.fill_p05) == (None, None, None, None)
    assert (call.cargo_t_p50, call.barrels_p50, call.fill_arrival_p50) == (None, None, None)
    assert call.direction == "unclear"
    assert "measured" in call.note


def test_sightings_outside_any_stay_keep_their_rows():
    look = sighting("d0", None, 0.5)
    (row,), calls = rows_of([look], [], [SHIP], product=None)
    assert calls == []
    assert row.vessel_id is None
    assert row.fill_status == "measured"
    assert row.fill is not None


def test_a_loading_call():
    _, call = call_of([0.02, 0.5, 0.93], sd=0.2)
    assert call.direction == "loading"
    true_t = 0.95 * 5500 * 0.91
    assert call.cargo_t_p05 < true_t < call.cargo_t_p95
    assert call.cargo_t_p50 == pytest.approx(true_t, rel=0.12)
    assert call.barrels_p50 == pytest.approx(call.cargo_t_p50 * 7.46, rel=0.02)
    assert call.fill_arrival_p95 < 0.3
    assert call.fill_departure_p05 > 0.6
    assert call.scene_ids == ("scene-d0", "scene-d1", "scene-d2")


def test_a_discharging_call_is_negative():
    _, call = call_of([0.95, 0.05], sd=0.2)
    assert call.direction == "discharging"
    assert call.cargo_t_p95 < 0
    assert call.barrels_p50 < 0


def test_one_look_alone_leaves_the_direction_open():
    _, call = call_of([0.5])
    assert call.direction == "unclear"
    assert call.cargo_t_p05 < 0 < call.cargo_t_p95
    assert call.note.startswith("one measured look")


def test_calls_that_speak_for_themselves_teach_the_others():
    looks, stays = [], []
    for call in range(10):
        when = START + call * 5 * DAY
        some = [sighting(f"c{call}-{i}", when + i * DAY, f) for i, f in enumerate((0.02, 0.95))]
        looks += some
        stays.append(stay_of(some, call_id=f"call-{call}"))
    single = sighting("single", START + 60 * DAY, 0.5)
    looks.append(single)
    stays.append(stay_of([single], call_id="single"))
    _, calls = rows_of(looks, stays, [SHIP], product="diesel")
    assert [call.direction for call in calls] == ["loading"] * 11


def test_order_never_shows():
    looks, stays = [], []
    for call in range(3):
        when = START + call * 5 * DAY
        some = [sighting(f"c{call}-{i}", when + i * DAY, f) for i, f in enumerate((0.1, 0.8))]
        looks += some
        stays.append(stay_of(some, STRANGER, call_id=f"call-{call}", vessel_id=f"u-{call}"))
    detections, calls = rows_of(looks, stays, [SHIP, OTHER], product="diesel")
    again, calls_again = rows_of(looks[::-1], stays[::-1], [OTHER, SHIP], product="diesel")
    assert detections == again[::-1]
    assert calls == calls_again[::-1]


def test_part_loads_reach_higher_since_ballast_may_leave_early():
    _, part = call_of([0.0, 0.5], sd=0.1)
    _, full = call_of([0.0, 1.0], sd=0.1)
    capacity = 0.95 * 5500
    linear = (part.fill_departure_p50 - part.fill_arrival_p50) * capacity
    assert part.cargo_t_p95 - linear > 0.08 * capacity
    assert full.cargo_t_p95 < 1.03 * 0.97 * 5500


def test_tiles_of_one_pass_count_once():
    first = sighting("d0", START, 0.0)
    twin = sighting("d0b", START, 0.0)
    object.__setattr__(twin, "acquisition_id", first.acquisition_id)
    last = sighting("d1", START + DAY, 0.95)
    looks = [first, twin, last]
    _, (double,) = rows_of(looks, [stay_of(looks)], [SHIP], product="diesel")
    single_looks = [first, last]
    _, (single,) = rows_of(single_looks, [stay_of(single_looks)], [SHIP], product="diesel")
    assert double.cargo_t_p50 == single.cargo_t_p50


def test_interest():
    marked = [
        Vessel(vessel_id="A", length_m=105.0, beam_m=16.5, of_interest=True),
        Vessel(vessel_id="B", length_m=118.0, beam_m=17.6, of_interest=False),
    ]
    looks = [sighting("d0", START, 0.5)]

    def interest(fleet, vessel_id):
        stay = stay_of(looks, STRANGER, vessel_id=vessel_id)
        return rows_of(looks, [stay], fleet, product=None)[1][0].of_interest

    assert interest(marked, "A") is True
    assert interest(marked, "B") is False
    assert interest(marked, "u-1") is None
    assert interest([SHIP], "A") is True
    assert interest([], "u-1") is True


def test_weighted_quantiles():
    values = np.array([3.0, 1.0, 2.0])
    assert quantiles(values, np.ones(3))[1] == pytest.approx(2.0)
    low, middle, high = quantiles(np.arange(1001), np.ones(1001))
    assert (low, middle, high) == pytest.approx((50, 500, 950), abs=1)


def on_quay(key, above_m, *, cut_off):
    """A look with the shade on a quay; cut off, every higher deck is as likely."""
    grid = 0.1 * np.arange(251)
    logl = -0.5 * ((grid - above_m) / 0.2) ** 2
    if cut_off:
        logl = np.where(grid > above_m, 0.0, logl)
    look = sighting(key, START, 0.0)
    said = Freeboard(status="measured", surface="quay", log_likelihood=tuple(logl))
    return dataclasses.replace(look, freeboard=said)


@pytest.mark.parametrize(
    ("cut_off", "status"), [(False, "measured"), (True, "shade-on-quay")], ids=["whole", "cut"]
)
def test_shade_on_a_quay_that_is_cut_off_is_no_measurement(cut_off, status):
    look = on_quay("d", 2.2, cut_off=cut_off)
    jetty = WaterCount(
        berth="north", water_px=1.0, clear_px=1.0, covered_px=1.0, area_px=1.0,
        quay_log_likelihood=tuple(-0.5 * ((QUAY_HEIGHTS_M - 2.5) / 0.2) ** 2),
    )  # fmt: skip
    counts = {f"scene-{key}": [jetty] for key in ("d", "other")}
    stay = stay_of([look], STRANGER)
    detections, _ = rows_of([look], [stay], [], product="diesel", counts=counts)
    assert detections[0].fill_status == status
    assert (detections[0].freeboard_m is None) == cut_off


def test_other_stays_say_how_full_ships_here_usually_are():
    """A blurred look between ballast and half: ballast where all others lie so."""

    def told(others, sd=0.4):
        looks, stays = [], []
        for number, fill in enumerate([*others, 0.25]):
            look = sighting(f"d{number}", START + number * 5 * DAY, fill, sd=sd)
            looks.append(look)
            stays.append(stay_of([look], call_id=f"call-{number}"))
        detections, _ = rows_of(looks, stays, [SHIP], product="diesel")
        return detections[-1]

    alone, among_empty, among_full = told([]), told([0.02] * 60), told([0.5] * 60)
    assert among_empty.fill < alone.fill - 0.05
    assert among_full.fill > alone.fill + 0.05
    assert among_empty.fill_p05 < 0.05 < among_full.fill_p05


def test_freeboards_over_fills_are_those_at_each_fill():
    ships = sample_particulars(
        np.random.default_rng(2), 200, length_m=110.0, beam_m=17.5, length_sd_m=3.0, beam_sd_m=1.0
    )
    fills = np.linspace(-0.05, 1.05, 45)
    found = freeboards_over(ships, fills)
    for fill, column in zip(fills, found.T, strict=True):
        assert column == pytest.approx(freeboards_at(ships, fill), abs=1e-5)
