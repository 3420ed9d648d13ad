"""Quays' heights and ships' ranges over all looks: what others say, whatever the order."""

import dataclasses
import datetime as dt

import numpy as np
import pytest

from eo.core.records import Freeboard, WaterCount
from eo.stages.quay_height import QUAY_HEIGHTS_M
from eo.stages.quays import ShipOnQuay, quay_log_prior, view_quays
from eo.stages.ships_learnt import ShipSize, same_ship_p

START = dt.datetime(2024, 5, 1, 2, tzinfo=dt.UTC)
GRID = 0.1 * np.arange(251)


def on_quay(key, above, *, place="north", stay=None, sd=0.2, low=2.0, high=5.5):
    """A ship whose freeboard may be anything from `low` to `high`."""
    weight = ((low <= GRID) & (high >= GRID)).astype(float)
    logl = -0.5 * ((GRID - above) / sd) ** 2
    return ShipOnQuay(
        detection_id=key,
        stay=stay or key,
        place=place,
        look=f"s-{key}",
        freeboards=weight / weight.sum(),
        record=Freeboard(status="measured", surface="quay", log_likelihood=tuple(logl)),
    )


def jetty(height, sd=0.3, place="north"):
    logl = -0.5 * ((QUAY_HEIGHTS_M - height) / sd) ** 2
    return [
        WaterCount(
            berth=place, water_px=1.0, clear_px=1.0, covered_px=1.0, area_px=1.0,
            quay_log_likelihood=tuple(logl),
        )
    ]  # fmt: skip


def mean_sd(weight):
    mean = float(weight @ QUAY_HEIGHTS_M)
    return mean, float(np.sqrt(weight @ (QUAY_HEIGHTS_M - mean) ** 2))


def test_a_ship_alone_hears_only_the_prior():
    view = view_quays([on_quay("a", 4.0)], {}, {})["a"]
    prior = np.exp(quay_log_prior())
    assert mean_sd(view.height)[0] == pytest.approx(mean_sd(prior / prior.sum())[0], abs=0.15)


def test_other_ships_bound_the_quay():
    # Decks three metres above it that can be no more than 5.5 m high: no quay above 2.5 m.
    ships = [on_quay(f"d{k}", 3.0) for k in range(6)]
    view = view_quays(ships, {}, {})["d0"]
    assert view.height[QUAY_HEIGHTS_M > 3.4].sum() < 0.05


def test_her_own_stay_is_not_told_to_her():
    hers = [on_quay(f"d{k}", 3.0, stay="call") for k in range(6)]
    alone = view_quays([on_quay("d0", 3.0)], {}, {})["d0"]
    together = view_quays(hers, {}, {})["d0"]
    assert mean_sd(together.height)[0] == pytest.approx(mean_sd(alone.height)[0], abs=0.2)


def test_jetties_of_other_looks_say_how_high_it_is_and_this_look_says_the_tide():
    counts = {f"s{k}": jetty(4.0) for k in range(10)}
    mean, sd = mean_sd(view_quays([on_quay("a", 1.0)], counts, {})["a"].height)
    assert mean == pytest.approx(4.0, abs=0.2)
    assert sd < 0.5
    ebb = counts | {"s-a": jetty(4.6, sd=0.1)}
    assert mean_sd(view_quays([on_quay("a", 1.0)], ebb, {})["a"].height)[0] > mean + 0.3


def test_other_days_tell_the_water_of_this_one():
    """A spring tide in a month of daily looks: the moon's wave is known from the looks before."""
    when = {f"s{k}": START + k * dt.timedelta(days=1) for k in range(30)}
    tide = {key: 0.8 * np.cos(2.0 * np.pi * _hours(time) / 12.4206) for key, time in when.items()}
    here = max(tide, key=lambda key: tide[key])
    counts = {key: jetty(4.0 - water, sd=0.2) for key, water in tide.items() if key != here}
    ship = on_quay("a", 1.0)
    ship = dataclasses.replace(ship, look=here)
    mean, sd = mean_sd(view_quays([ship], counts, when)["a"].height)
    assert mean == pytest.approx(3.2, abs=0.15)
    assert sd < 0.3
    unknown, wide = mean_sd(view_quays([ship], counts, {})["a"].height)
    assert abs(unknown - 3.2) > 0.4
    assert wide > 1.3 * sd


def _hours(time):
    return time.timestamp() / 3600.0


def test_order_never_shows():
    ships = [on_quay(f"d{k}", 0.5 * k, place=f"p{k % 2}") for k in range(6)]
    counts = {f"s{k}": jetty(3.0 + 0.1 * k, place=f"p{k % 2}") for k in range(6)}
    one = view_quays(ships, counts, {})
    other = view_quays(ships[::-1], dict(reversed(counts.items())), {})
    for key, view in one.items():
        assert np.array_equal(view.height, other[key].height)
        assert np.array_equal(view.mean, other[key].mean)


def size(length, beam):
    return ShipSize(length_m=length, length_sd_m=1.5, beam_m=beam, beam_sd_m=0.5)


def test_one_size_is_likely_one_ship():
    assert same_ship_p(size(105.0, 16.5), size(105.5, 16.3)) > 0.6
    assert same_ship_p(size(105.0, 16.5), size(112.0, 17.5)) < 0.2
    assert same_ship_p(size(105.0, 16.5), size(160.0, 26.0)) < 1e-6
