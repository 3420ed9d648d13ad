"""The empty port from looks in which berths are mostly taken."""

import numpy as np
import pytest
from port_drawing import BANDS, QUAY, WATER, clear, draw, grid, ship
from shapely.geometry import box

from eo.core.errors import SceneError
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
