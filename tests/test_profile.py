"""The profile fit on profiles blurred by brute force, whose widths are known."""

from dataclasses import fields, replace

import numpy as np
import pytest

from eo.core.errors import DeviceError
from eo.core.xp import gpu_count
from eo.kernels.profile import ProfileBatch, profile_likelihood

PIXEL_M = 3.0
WATER = np.array([0.050, 0.045, 0.030, 0.018])
DECK = np.array([0.085, 0.100, 0.130, 0.160])
SHADE = 0.4


def hull_pixels(rng, *, width, beam=17.0, sigma_px=0.6, noise=0.002, half_length=28.0, shift=0.0):
    """Pixels of one hull turned against the lattice; blur by quadrature, not by erf."""
    turn = rng.uniform(0, np.pi)
    lattice = (np.arange(-20, 21) + rng.uniform(0, 1)) * PIXEL_M
    x, y = (a.ravel() for a in np.meshgrid(lattice, lattice))
    across, along = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
    keep = (np.abs(along) < half_length) & (across > -beam / 2 - 13) & (across < beam / 2 + 35)
    across, along = across[keep], along[keep]
    steps = np.linspace(-4, 4, 201)
    weight = np.exp(-0.5 * steps**2)
    u = across[:, None] + steps * sigma_px * PIXEL_M - rng.normal(0, 0.5) - shift
    deck = (np.abs(u) < beam / 2) @ weight / weight.sum()
    shade = ((u >= beam / 2) & (u < beam / 2 + width)) @ weight / weight.sum()
    ratio = SHADE + rng.normal(0, 0.06)
    values = np.outer(DECK, deck) + np.outer(ratio * WATER, shade)
    values += np.outer(WATER, 1 - deck - shade)
    clutter = 0.01 * deck * rng.normal(size=deck.size)
    values += clutter + noise * rng.normal(size=values.shape)
    return values, across, along / half_length


def batch_of(hulls, *, beam=17.0, reach=30.0, shared=False):
    spread = np.diag([0.04, *[0.0036] * 4])
    spread[1:, 1:] += 0.0144
    count, most = len(hulls), max(h[1].size for h in hulls)
    values = np.zeros((count, 4, most))
    across, along, valid = (np.zeros((count, most)) for _ in range(3))
    for i, (v, u, t) in enumerate(hulls):
        values[i, :, : u.size], across[i, : u.size], along[i, : u.size] = v, u, t
        valid[i, : u.size] = 1.0
    one = np.ones(count)
    return ProfileBatch(
        values=values,
        across_m=across,
        along=along,
        half_length_m=28.0 * one,
        valid=valid,
        widths_m=np.tile(np.linspace(0, reach, 121), (count, 1)),
        beam_m=beam * one,
        beam_sd_m=1.5 * one,
        centre_sd_m=1.5 * one,
        skew_sd_m=0.8 * one,
        pixel_m=PIXEL_M * one,
        common_mean=np.tile([np.log(0.6), *[SHADE] * 4], (count, 1)),
        common_precision=np.tile(np.linalg.inv(spread), (count, 1, 1)),
        deck_shade=1.0 * one,
        pipes=one,
        moored=0.0 * one,
        band_shift_sd_m=0.45 * one,
        trim_sd_m=0.3 * one,
        width_mean_m=7.0 * one,
        width_sd_m=8.0 * one,
        scene=np.zeros(count) if shared else np.arange(float(count)),
    )


def moments(fit, widths):
    weight = np.exp(fit.log_likelihood)
    weight /= weight.sum(axis=1, keepdims=True)
    mean = (weight * widths).sum(axis=1)
    return mean, np.sqrt((weight * (widths - mean[:, None]) ** 2).sum(axis=1)), weight


def test_strips_of_two_pixels_and_more_are_measured_to_a_fraction_of_one():
    rng = np.random.default_rng(5)
    truth = np.array([6.0, 7.5, 9.0, 11.0, 13.0, 15.0])
    batch = batch_of([hull_pixels(rng, width=w) for w in truth])
    mean, sd, _ = moments(profile_likelihood(batch), batch.widths_m)
    assert np.sqrt(np.mean((mean - truth) ** 2)) < 0.5
    assert np.all(sd < 1.2)


def test_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(6)
    truth = rng.uniform(2.0, 14.0, 40)
    hulls = [
        hull_pixels(rng, width=w, sigma_px=float(np.clip(rng.normal(0.6, 0.08), 0.4, 0.8)))
        for w in truth
    ]
    batch = batch_of(hulls)
    _, _, weight = moments(profile_likelihood(batch), batch.widths_m)
    below = np.cumsum(weight, axis=1) - 0.5 * weight
    rank = np.array(
        [np.interp(w, batch.widths_m[0], row) for w, row in zip(truth, below, strict=True)]
    )
    # 90 % intervals over 40 draws: 31 or fewer inside would be a one-in-a-hundred accident.
    assert ((rank > 0.05) & (rank < 0.95)).sum() >= 32


def test_the_strip_that_is_wider_is_found_wider():
    rng = np.random.default_rng(7)
    state = rng.bit_generator.state
    found = []
    for width in (2.0, 5.0, 8.0, 12.0):
        rng.bit_generator.state = state
        batch = batch_of([hull_pixels(rng, width=width)])
        found.append(moments(profile_likelihood(batch), batch.widths_m)[0][0])
    assert found == sorted(found)


def test_a_batch_says_the_same_as_its_vessels_one_by_one():
    rng = np.random.default_rng(8)
    hulls = [hull_pixels(rng, width=w, half_length=h) for w, h in ((4.0, 28.0), (9.0, 20.0))]
    whole = profile_likelihood(batch_of(hulls))
    for i, hull in enumerate(hulls):
        single = profile_likelihood(batch_of([hull]))
        np.testing.assert_allclose(single.log_likelihood[0], whole.log_likelihood[i], atol=1e-6)


def test_brightness_and_unit_do_not_matter():
    batch = batch_of([hull_pixels(np.random.default_rng(9), width=7.0)])
    first = profile_likelihood(batch)
    scaled = profile_likelihood(replace(batch, values=batch.values * 3.0))
    assert scaled.width_m[0] == pytest.approx(first.width_m[0], abs=0.1)


def test_bands_shifted_against_each_other_do_not_move_the_width():
    rng = np.random.default_rng(10)
    state = rng.bit_generator.state
    hulls = []
    for shift in (-0.4, 0.0, 0.4):
        rng.bit_generator.state = state
        straight = hull_pixels(rng, width=8.0, noise=0.0)
        rng.bit_generator.state = state
        moved = hull_pixels(rng, width=8.0, noise=0.0, shift=shift)
        values = straight[0].copy()
        values[3] = moved[0][3]
        values += 0.001 * np.random.default_rng(1).normal(size=values.shape)
        hulls.append((values, *straight[1:]))
    found = profile_likelihood(batch_of(hulls)).width_m
    assert np.ptp(found) < 0.5


def test_inputs_are_left_alone():
    batch = batch_of([hull_pixels(np.random.default_rng(11), width=7.0)])
    for item in fields(batch):
        getattr(batch, item.name).setflags(write=False)
    assert np.isfinite(profile_likelihood(batch).log_likelihood).all()


def test_mixed_devices_raise():
    strict = pytest.importorskip("array_api_strict")
    batch = batch_of([hull_pixels(np.random.default_rng(12), width=7.0)])
    with pytest.raises(DeviceError, match="to_device"):
        profile_likelihood(replace(batch, values=strict.asarray(batch.values)))


@pytest.mark.gpu
@pytest.mark.skipif(not gpu_count(), reason="needs a CUDA device and cupy")
def test_gpu_says_the_same():
    import cupy

    rng = np.random.default_rng(13)
    batch = batch_of([hull_pixels(rng, width=w) for w in (3.0, 8.0)])
    on_gpu = ProfileBatch(
        **{item.name: cupy.asarray(getattr(batch, item.name)) for item in fields(batch)}
    )
    np.testing.assert_allclose(
        profile_likelihood(on_gpu).log_likelihood.get(),
        profile_likelihood(batch).log_likelihood,
        atol=1e-5,
    )


def test_no_array_leaves_its_device():
    """A device that is not NumPy's own raises at every implicit copy, as a GPU would."""
    strict = pytest.importorskip("array_api_strict")
    rng = np.random.default_rng(14)
    batch = batch_of([hull_pixels(rng, width=w) for w in (3.0, 8.0)], shared=True)
    device, home = strict.Device("device1"), strict.Device("CPU_DEVICE")
    there = ProfileBatch(
        **{
            item.name: strict.asarray(getattr(batch, item.name), device=device)
            for item in fields(batch)
        }
    )
    found = profile_likelihood(there)
    assert found.log_likelihood.device == device
    np.testing.assert_allclose(
        np.asarray(found.log_likelihood.to_device(home)),
        profile_likelihood(batch).log_likelihood,
        atol=1e-6,
    )
