"""The empty port from looks in which berths are mostly taken."""

import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from port_drawing import BANDS, QUAY, WATER, clear, draw, grid, ship
from random_forests import sample_values
from shapely.geometry import box

from eo.core.errors import SceneError
from eo.kernels.compiled import has_numba
from eo.kernels.order import clear_quantile
from eo.kernels.reference import empty_port
from eo.stages import reference as stage
from eo.stages.reference import LookArrays, port_reference, port_water

SCENE = grid(110, 120)
LAND = [(box(0, -100, 400, 0), QUAY)]
BERTHED = ship(170.0, -109.0, 120.0, 18.0, 90.0)


def look(shapes, seed, mask=None):
    dn = np.round(draw(SCENE, shapes, seed=seed) * 10_000).astype(np.uint16)
    return LookArrays(
        dn=np.maximum(dn, 1),
        mask=clear(SCENE) if mask is None else mask,
        scale=(1e-4,) * 4,
        offset=(0.0,) * 4,
    )


@pytest.fixture(scope="module")
def looks():
    """Twelve looks: a ship at the quay in nine of them."""
    return [look(LAND + (BERTHED if k >= 3 else []), k) for k in range(12)]


def test_a_berth_taken_in_three_looks_of_four_is_still_seen_empty(looks):
    port = port_reference(looks, 3.0, BANDS)
    at = (slice(None), slice(35, 38), slice(45, 65))
    assert np.allclose(port.median[at].mean(axis=(1, 2)), WATER, atol=0.004)
    assert port.water[36, 55] == pytest.approx(0.25, abs=0.01)
    assert np.allclose(port.median[:, 10, 50], QUAY, atol=0.004)
    assert port.water[10, 50] == 0
    assert port.clear_looks.dtype == np.uint16
    assert int(port.clear_looks.min()) == 12
    assert port_water(port, 3.0)[36:].all()
    assert not port_water(port, 3.0)[:30].any()


def test_clouds_are_left_out_and_unseen_pixels_stay_unknown(looks):
    mask = clear(SCENE)
    mask[60:, :] = 2
    port = port_reference([look(LAND, 0, mask), look(LAND, 1, mask)], 3.0, BANDS)
    assert np.isnan(port.median[:, 80, 50]).all()
    assert np.isnan(port.spread[:, 80, 50]).all()
    assert np.isnan(port.water[80, 50])
    assert port.clear_looks[80, 50] == 0
    assert np.isfinite(port.median[:, 20, 50]).all()


def test_blocks_of_rows_change_nothing(looks, monkeypatch):
    whole = port_reference(looks, 3.0, BANDS)
    monkeypatch.setattr(stage, "_BUDGET_BYTES", 12 * 120 * 34 * 7)
    cut = port_reference(looks, 3.0, BANDS)
    for name in ("median", "spread", "water", "clear_looks"):
        assert np.array_equal(getattr(whole, name), getattr(cut, name), equal_nan=True)


def test_the_order_of_looks_does_not_matter(looks):
    one, other = (port_reference(x, 3.0, BANDS) for x in (looks, looks[::-1]))
    assert np.array_equal(one.median, other.median, equal_nan=True)


def test_looks_of_different_shape_or_none_are_refused(looks):
    with pytest.raises(SceneError, match="one shape"):
        port_reference([], 3.0, BANDS)
    short = LookArrays(
        dn=looks[0].dn[:, :50], mask=looks[0].mask[:50], scale=(1e-4,) * 4, offset=(0.0,) * 4
    )
    with pytest.raises(SceneError, match="one shape"):
        port_reference([looks[0], short], 3.0, BANDS)


def test_spread_is_robust_and_never_nothing():
    rng = np.random.default_rng(1)
    stack = rng.normal(0.1, 0.01, (40, 1, 20, 20)).astype(np.float32)
    stack[:4] = 0.9
    seen = np.ones((40, 20, 20), bool)
    median, spread, _, _ = empty_port(stack, seen, np.zeros_like(seen))
    assert np.median(median) == pytest.approx(0.1, abs=0.003)
    assert np.median(spread) == pytest.approx(0.0115, abs=0.003)
    _, flat, _, _ = empty_port(np.full_like(stack, 0.1), seen, np.zeros_like(seen))
    assert float(flat.min()) > 0


METHODS = ["sort", *(["numba"] if has_numba() else [])]
"""Ways of finding a quantile over looks on this machine."""


def numpys(values, used, share):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a pixel that no look shows
        held = np.where(used, values, np.nan).astype(np.float32)
        if share == 0.5:
            return np.nanmedian(held, axis=0)
        # In double precision: NumPy below 2.3 interpolates a few float32 bits away.
        return np.nanquantile(held.astype(np.float64), share, axis=0).astype(np.float32)


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 3), st.sampled_from([1, 5, 64, 130])),
    share=st.sampled_from([0.0, 0.25, 0.5, 0.75, 0.9, 1.0]),
    levels=st.sampled_from([3, 400, 10**6]),
    seed=st.integers(0, 2**32 - 1),
)
def test_quantiles_of_clear_looks_are_numpys(method, shape, share, levels, seed):
    rng = np.random.default_rng(seed)
    values = (rng.integers(-levels, 2 * levels, shape) / levels).astype(np.float32)
    values[rng.random(shape) < 0.1] = np.nan
    used = rng.random(shape) < rng.random()
    found = clear_quantile(values, used, share, method=method)
    wanted = numpys(values, used, share)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, rtol=3e-7, atol=1e-7)
    if share in {0.0, 0.5, 1.0}:
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.skipif(not has_numba(), reason="numba is not installed")
@settings(max_examples=40, deadline=None)
@given(
    looks=st.integers(1, 20),
    share=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    seed=st.integers(0, 2**31),
    centred=st.booleans(),
)
def test_counting_equals_sorting(looks, share, seed, centred):
    """Of signed zeros, infinities and numbers of every size, about a level or not."""
    values, used = sample_values(seed, (looks, 3, 50)), sample_values(seed + 1, (looks, 3, 50)) > -1
    around = np.linspace(-1, 1, 150, dtype=np.float32).reshape(3, 50) if centred else None
    both = [clear_quantile(values, used, share, around=around, method=m) for m in METHODS]
    np.testing.assert_array_equal(*both)


def test_no_looks_and_no_pixels():
    for shape in ((0, 3, 4), (5, 0, 4)):
        found = clear_quantile(np.zeros(shape, np.float32), np.zeros(shape, bool), 0.5)
        assert found.shape == shape[1:]
        assert np.isnan(found).all()


def test_looks_of_other_radiometry_and_gaps_are_one_stack():
    """Blocks of DN, a band at a time, give what the whole stack of reflectance gives."""
    rng = np.random.default_rng(8)
    dn = rng.integers(0, 3000, (9, 4, 40, 50)).astype(np.uint16)
    dn[:, :, 30:, 40:] = 0
    mask = rng.integers(0, 4, (9, 40, 50)).astype(np.uint8)
    looks = [
        LookArrays(dn=d, mask=m, scale=(1e-4,) * 4, offset=(0.0 if k % 2 else -0.1,) * 4)
        for k, (d, m) in enumerate(zip(dn, mask, strict=True))
    ]
    port = port_reference(looks, 10.0, BANDS)
    clear_px = (mask == 1) & (dn > 0).all(axis=1)
    offset = np.array([k.offset[0] for k in looks], np.float32)[:, None, None, None]
    stack = dn * np.float32(1e-4) + offset
    land = np.nan_to_num(port.water) == 0  # where no look shows water all clear looks count
    for band in range(4):
        wanted = numpys(stack[:, band], clear_px, 0.5)
        np.testing.assert_array_equal(port.median[band][land], wanted[land])
    assert np.array_equal(port.clear_looks, clear_px.sum(axis=0))
    assert np.isnan(port.median[:, 30:, 40:]).all()


class OnDisk:
    """An array in a file, read where it is sliced and not kept."""

    def __init__(self, path, array):
        np.save(path, array)
        self.path, self.shape = path, array.shape

    def __getitem__(self, key):
        return np.array(np.load(self.path, mmap_mode="r")[key])


def test_memory_does_not_grow_with_the_looks(tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "_BUDGET_BYTES", 2**20)
    rng = np.random.default_rng(3)
    held = [
        OnDisk(tmp_path / f"{k}.npy", rng.integers(1, 3000, (3, 64, 256)).astype(np.uint16))
        for k in range(60)
    ]
    visible = np.ones((64, 256), np.uint8)
    looks = [LookArrays(dn=dn, mask=visible, scale=(1e-4,) * 3, offset=(0.0,) * 3) for dn in held]
    port_reference(looks[:1], 10.0, BANDS[:3])  # what is compiled and imported once
    peaks = []
    for count in (12, 60):
        tracemalloc.start()
        port_reference(looks[:count], 10.0, BANDS[:3])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    bits = 48 * 64 * 256 / 8  # the water of each look, one bit a pixel
    assert peaks[1] - peaks[0] < 1.5 * bits + 2**20
