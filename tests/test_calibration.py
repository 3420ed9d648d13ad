"""Simulation-based calibration of fill, quays and cargo: truths drawn from the model's own priors.

No pixels: each look is a likelihood about the true height. Whatever is drawn, 90 % intervals must
hold it in 87-93 % of hundreds of cases (Talts et al. 2018, arXiv:1804.06788).
"""

import datetime as dt
from typing import Any

import numpy as np
import pytest

from eo.core.records import Candidate, Freeboard, Hull, Sighting, Stay, Vessel, WaterCount
from eo.core.rows import Detection, PortCall
from eo.physics.hull import draught_at_fill_m, sample_particulars
from eo.stages.fill import weigh
from eo.stages.quay_height import QUAY_HEIGHTS_M

START = dt.datetime(2024, 5, 1, 2, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
GRID = 0.1 * np.arange(251)
LENGTH_SD_M, BEAM_SD_M = 2.0, 0.8


def rows_of(*given: Any, **more: Any) -> tuple[list[Detection], list[PortCall]]:
    """Rows of sightings and stays."""
    found = weigh(*given, **more)
    return found.detections, found.calls


def ship(rng):
    """Return a measured length and beam, and a true ship of what they leave open."""
    length = float(rng.uniform(85.0, 180.0))
    beam = length / 6.3
    true = sample_particulars(
        rng,
        1,
        length_m=length,
        beam_m=beam,
        length_sd_m=float(np.hypot(LENGTH_SD_M, 0.02 * length)),
        beam_sd_m=float(np.hypot(BEAM_SD_M, 0.05 * beam)),
    )
    return length, beam, {n: float(getattr(true, n)[0]) for n in true.__dataclass_fields__}


def freeboard_of(true, fill):
    return true["depth_m"] - float(
        draught_at_fill_m(
            fill,
            design_draught_m=true["design_draught_m"],
            ballast_draught_m=true["ballast_draught_m"],
            design_block=true["design_block"],
        )
    )


def look_at(rng, height, sd, *, lowest=-np.inf, **more):
    """Return a look whose likelihood lies about a height as its noise says."""
    seen = height + sd * rng.normal()
    # Below `lowest` all heights look alike.
    logl = -0.5 * ((np.maximum(GRID, lowest) - max(seen, lowest)) / sd) ** 2
    if seen < lowest:
        logl = -0.5 * (np.maximum(GRID - lowest, 0.0) / sd) ** 2
        logl = np.where(lowest < GRID, logl - 0.5, logl)
    return Freeboard(status="measured", log_likelihood=tuple(logl - logl.max()), **more)


def sighting(key, when, size, freeboard, *, berth="north", scene=None):
    length, beam = size
    hull = Hull(
        x_m=0.0,
        y_m=0.0,
        length_m=0.98 * length,
        beam_m=beam,
        heading_deg=30.0,
        bow_known=False,
        length_sd_m=LENGTH_SD_M,
        beam_sd_m=BEAM_SD_M,
        outline=(),
    )
    return Sighting(
        detection_id=key,
        scene_id=scene or f"scene-{key}",
        acquisition_id=scene or f"pass-{key}",
        datetime=when,
        group="planetscope-3m",
        hull=hull,
        lon=133.08,
        lat=42.73,
        outline_lonlat=(),
        heading_deg=31.0,
        berth=berth,
        confidence=0.9,
        vessel_class="tanker",
        tanker_p=0.9,
        clear_fraction=1.0,
        reference_id=None,
        freeboard=freeboard,
    )


def stay_of(looks, candidates, call_id):
    return Stay(
        call_id=call_id,
        vessel_id=candidates[0].vessel_id or "u-1",
        vessel_p=candidates[0].probability,
        candidates=candidates,
        berth="north",
        detection_ids=tuple(s.detection_id for s in looks),
        first_seen=looks[0].datetime,
        last_seen=looks[-1].datetime,
        arrival_after=looks[0].datetime - 12 * HOUR,
        departure_before=looks[-1].datetime + 12 * HOUR,
        counts=True,
    )


def held(rows, truths):
    """Share of the measured rows whose 90 % interval of fill holds the truth, and their number."""
    pairs = [(r, t) for r, t in zip(rows, truths, strict=True) if r.fill_status == "measured"]
    return np.mean([r.fill_p05 <= t <= r.fill_p95 for r, t in pairs]), len(pairs)


def test_strangers_on_water():
    rng = np.random.default_rng(11)
    looks, truths = [], []
    for number in range(450):
        length, beam, true = ship(rng)
        fill = float(rng.uniform(-0.05, 1.05))
        seen = look_at(rng, freeboard_of(true, fill), float(rng.uniform(0.1, 0.8)))
        looks.append(sighting(f"d{number}", START, (length, beam), seen))
        truths.append(fill)
    rows, _ = rows_of(looks, [], [], product=None)
    share, number = held(rows, truths)
    assert number == 450
    assert 0.87 <= share <= 0.93


def test_fleets_that_list_only_some():
    rng = np.random.default_rng(12)
    looks, stays, fleet, truths = [], [], [], []
    for number in range(150):
        length, beam, true = ship(rng)
        chance = float(rng.uniform(0.2, 0.95))
        listed = rng.random() < chance
        if listed:
            true |= {"design_block": 0.82}
            papers = true
        else:
            papers = sample_particulars(
                rng, 1, length_m=length, beam_m=beam, length_sd_m=2.0, beam_sd_m=0.8
            )
            papers = {n: float(getattr(papers, n)[0]) for n in papers.__dataclass_fields__}
        names = ("length_m", "beam_m", "depth_m", "design_draught_m", "ballast_draught_m", "dwt_t")
        fleet.append(Vessel(vessel_id=f"v{number}", **{name: papers[name] for name in names}))
        some = []
        for k in range(3):
            fill = float(rng.uniform(-0.05, 1.05))
            seen = look_at(rng, freeboard_of(true, fill), float(rng.uniform(0.1, 0.6)))
            when = START + k * 24 * HOUR
            some.append(sighting(f"d{number}-{k}", when, (length, beam), seen))
            truths.append(fill)
        looks += some
        who = (
            Candidate(vessel_id=f"v{number}", probability=chance),
            Candidate(vessel_id=None, probability=1.0 - chance),
        )
        stays.append(stay_of(some, who, f"c{number}"))
    rows, _ = rows_of(looks, stays, fleet, product=None)
    share, number = held(rows, truths)
    assert number == 450
    assert 0.87 <= share <= 0.93


def jetty(rng, height, sd):
    logl = -0.5 * ((QUAY_HEIGHTS_M - height - sd * rng.normal()) / sd) ** 2
    return tuple(logl - logl.max())


@pytest.mark.parametrize("with_jetties", [True, False])
def test_shade_on_quays(with_jetties):
    rng = np.random.default_rng(13)
    looks, truths, counts = [], [], {}
    for port in range(10):
        quay = float(np.exp(rng.normal(np.log(3.0), 0.4)))
        berth = f"b{port}"
        for day in range(24):
            scene = f"s{port}-{day}"
            water = float(rng.normal(0.0, rng.choice([0.1, 0.25, 0.5], p=[0.3, 0.45, 0.25])))
            now = min(max(quay - water, 0.3), 9.0)
            length, beam, true = ship(rng)
            fill = float(rng.uniform(-0.05, 1.05))
            sd = float(rng.uniform(0.1, 0.4))
            above = freeboard_of(true, fill) - now
            seen = look_at(rng, above, sd, lowest=float(rng.uniform(0.0, 1.0)), surface="quay")
            looks.append(sighting(scene, START, (length, beam), seen, berth=berth, scene=scene))
            truths.append(fill)
            if with_jetties and rng.random() < 0.5:
                count = WaterCount(
                    berth=berth, water_px=1.0, clear_px=1.0, covered_px=1.0, area_px=1.0,
                    quay_log_likelihood=jetty(rng, now, 0.4),
                )  # fmt: skip
                counts[scene] = [count]
    rows, _ = rows_of(looks, [], [], product=None, counts=counts)
    share, number = held(rows, truths)
    assert number > 80
    assert 0.85 <= share <= 0.95


def true_fills(rng):
    """Fills on arrival and departure as the cargo's prior has them."""
    low = rng.normal(0.01, 0.05) if rng.random() < 5 / 6 else rng.uniform(-0.05, 1.05)
    high = rng.normal(0.92, 0.06) if rng.random() < 5 / 6 else rng.uniform(-0.05, 1.05)
    low, high = np.clip(sorted((low, high)), -0.05, 1.05)
    return (low, high) if rng.random() < 0.5 else (high, low)


def test_cargo_and_direction():
    rng = np.random.default_rng(14)
    looks, stays, truths = [], [], []
    for number in range(160):
        length, beam, true = ship(rng)
        arrival, departure = true_fills(rng)
        came, went = -rng.uniform(0.0, 12.0), 48.0 + rng.uniform(0.0, 12.0)
        begin = came + (went - came) * rng.uniform(0.0, 0.4)
        end = went - (went - came) * rng.uniform(0.0, 0.4)
        some = []
        for hours in (0.0, 24.0, 48.0):
            fill = arrival + (departure - arrival) * np.clip((hours - begin) / (end - begin), 0, 1)
            seen = look_at(rng, freeboard_of(true, float(fill)), float(rng.uniform(0.15, 0.6)))
            some.append(
                sighting(f"d{number}-{hours:.0f}", START + hours * HOUR, (length, beam), seen)
            )
        looks += some
        stays.append(stay_of(some, (Candidate(vessel_id=None, probability=1.0),), f"c{number}"))
        truths.append((arrival, departure))
    _, calls = rows_of(looks, stays, [], product="diesel")
    inside = [
        [
            c.fill_arrival_p05 <= a <= c.fill_arrival_p95
            for c, (a, _) in zip(calls, truths, strict=True)
        ],
        [
            c.fill_departure_p05 <= d <= c.fill_departure_p95
            for c, (_, d) in zip(calls, truths, strict=True)
        ],
    ]
    assert 0.86 <= np.mean(inside) <= 0.94
    told = [
        (c.direction == "loading") == (d > a)
        for c, (a, d) in zip(calls, truths, strict=True)
        if c.direction != "unclear"
    ]
    assert len(told) > 100
    assert np.mean(told) > 0.93
