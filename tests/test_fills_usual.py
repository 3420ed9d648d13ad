"""How full ships usually are: what looks together say, to each stay what the others say."""

import numpy as np
import pytest

from eo.stages.fills_usual import usual_fills

FILLS = np.linspace(-0.05, 1.05, 221)


def looks_at(fills, sd=0.1):
    return [np.exp(-0.5 * ((FILLS - fill) / sd) ** 2) for fill in fills]


def share(density, low, high):
    return float(density[(low <= FILLS) & (high >= FILLS)].sum())


def drawn(rng, count, sd=0.1):
    """Half of all in ballast, half near her marks, each seen with an error of `sd`."""
    true = np.where(rng.random(count) < 0.5, 0.0, 0.92)
    return true, looks_at(true + sd * rng.standard_normal(count), sd)


def test_nothing_seen_leaves_what_is_usual_anywhere():
    usual = usual_fills(FILLS, {"a": (), "b": ()})
    assert set(usual) == {"", "a", "b"}
    for density in usual.values():
        assert density.sum() == pytest.approx(1.0)
        in_ballast, half, laden = (
            share(density, *at) for at in ((-0.05, 0.1), (0.4, 0.6), (0.8, 1))
        )
        assert in_ballast > 0.25
        assert laden > 0.2
        assert half > 0.08  # nothing is ruled out


def test_a_port_where_ships_lie_half_full_is_believed():
    looks = looks_at([0.5] * 40)
    density = usual_fills(FILLS, {f"s{k}": [look] for k, look in enumerate(looks)})[""]
    assert share(density, 0.35, 0.65) > 0.6


def test_two_ways_to_lie_are_learnt_from_blurred_looks():
    _, looks = drawn(np.random.default_rng(1), 150)
    density = usual_fills(FILLS, {f"s{k}": [look] for k, look in enumerate(looks)})[""]
    assert density.sum() == pytest.approx(1.0)
    assert share(density, 0.3, 0.6) < 0.12
    assert share(density, -0.05, 0.2) > 0.35
    assert share(density, 0.75, 1.05) > 0.35


def test_the_prior_makes_fills_better_and_its_intervals_hold():
    rng = np.random.default_rng(2)
    true, looks = drawn(rng, 300)
    usual = usual_fills(FILLS, {f"s{k}": [look] for k, look in enumerate(looks)})
    errors, held = {True: [], False: []}, 0
    for k, look in enumerate(looks):
        for learnt in (True, False):
            weight = look * (usual[f"s{k}"] if learnt else 1.0)
            rank = np.cumsum(weight) / weight.sum()
            low, middle, high = np.interp([0.05, 0.5, 0.95], rank, FILLS)
            errors[learnt].append(middle - true[k])
            held += learnt and low - 0.005 <= true[k] <= high + 0.005
    better, plain = (float(np.sqrt(np.mean(np.square(errors[key])))) for key in (True, False))
    assert better < 0.85 * plain
    assert held / len(looks) > 0.85


def test_a_stay_is_not_told_what_it_said_itself():
    others = looks_at([0.9] * 20)
    one, none = (
        usual_fills(FILLS, {f"s{k}": [look] for k, look in enumerate(others)} | {"mine": mine})
        for mine in (looks_at([0.0] * 9), ())
    )
    assert one["mine"] == pytest.approx(none["mine"], abs=2e-5)
    assert share(one["s0"], -0.05, 0.1) > share(none["s0"], -0.05, 0.1)


def test_few_looks_say_little_and_order_never_shows():
    few = usual_fills(FILLS, {"a": looks_at([0.0])})[""]
    assert share(few, 0.3, 0.6) > 0.8 * share(usual_fills(FILLS, {"a": ()})[""], 0.3, 0.6)
    stays = {f"s{k}": looks_at([0.1 * k]) for k in range(9)}
    turned = dict(reversed(stays.items()))
    again = usual_fills(FILLS, turned)
    assert all(
        np.array_equal(density, again[key]) for key, density in usual_fills(FILLS, stays).items()
    )
