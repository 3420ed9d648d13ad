"""Tides: what looks say of the water, the waves carry to other looks."""

import numpy as np
import pytest

from eo.stages.tides import TIDES_M, told_by_others

RNG = np.random.default_rng(5)
DAYS = 30
HOURS = 24.0 * np.arange(DAYS) + RNG.normal(0.0, 0.6, DAYS)


def said(height_m, sd_m):
    height_m = np.asarray(height_m)
    return -0.5 * ((TIDES_M - height_m[:, None]) / sd_m) ** 2


def mean_sd(logs):
    weight = np.exp(logs - logs.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    mean = weight @ TIDES_M
    return mean, np.sqrt(weight @ TIDES_M**2 - mean**2)


def test_a_fortnights_wave_is_carried_to_looks_that_say_nothing():
    truth = 0.8 * np.cos(2.0 * np.pi * HOURS / 12.4206 + 1.0)
    logs = said(truth + RNG.normal(0.0, 0.2, DAYS), 0.2)
    silent = np.arange(DAYS) % 3 == 1
    logs[silent] = 0.0
    mean, sd = mean_sd(told_by_others(HOURS, logs))
    assert np.sqrt(np.mean((mean - truth) ** 2)) < 0.2
    assert np.all(sd < 0.25)
    assert np.mean(np.abs(mean - truth) < 1.645 * sd) > 0.8


def test_without_a_word_the_water_is_anywhere_about_its_mean():
    mean, sd = mean_sd(told_by_others(HOURS, np.zeros((DAYS, TIDES_M.size))))
    assert np.allclose(mean, 0.0, atol=1e-9)
    assert np.all((sd > 0.3) & (sd < 0.6))


def test_a_look_is_not_told_what_it_said_itself():
    logs = np.zeros((DAYS, TIDES_M.size))
    logs[7] = said([1.2], 0.1)[0]
    mean, _ = mean_sd(told_by_others(HOURS, logs))
    assert mean[7] == pytest.approx(0.0, abs=1e-6)
    assert mean[8] > 0.3


def test_water_that_hardly_moves_is_known_to_be_still():
    logs = said(RNG.normal(0.0, 0.15, DAYS), 0.15)
    _, sd = mean_sd(told_by_others(HOURS, logs))
    assert np.all(sd < 0.2)


def test_a_look_of_unknown_hour_shares_nothing():
    logs = said(0.6 * np.cos(2.0 * np.pi * HOURS / 12.4206), 0.2)
    hours = HOURS.copy()
    hours[3] = np.nan
    one = told_by_others(hours, logs)
    logs[3] = said([-1.0], 0.1)[0]
    other = told_by_others(hours, logs)
    assert np.array_equal(one, other)
    _, sd = mean_sd(one)
    assert sd[3] > 2.0 * np.delete(sd, 3).max()
