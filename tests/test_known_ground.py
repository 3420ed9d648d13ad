"""How one look departs from known ground: by the formulas it is made from."""

from __future__ import annotations

import numpy as np
import pytest
from backends import Backend, xp  # noqa: F401 - fixture
from scipy import ndimage

from eo.kernels.known_ground import missing_light, seen_share

SIZE = 120


def ground(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rough = ndimage.gaussian_filter(rng.standard_normal((SIZE, SIZE)), 1.5)
    return (0.2 + 0.05 * rough / rough.std()).astype(np.float32)


@pytest.mark.parametrize("opacity", [0.0, 0.3, 0.8, 1.0])
def test_a_cloud_leaves_the_share_it_lets_through(xp: Backend, opacity: float) -> None:  # noqa: F811
    known = ground()
    look = ((1 - opacity) * known + opacity * 0.7).astype(np.float32)
    everywhere = xp.put(np.ones(known.shape, dtype=bool))
    seen = xp.get(seen_share(xp.put(look), xp.put(known), everywhere, window_px=9))
    np.testing.assert_allclose(seen, 1 - opacity, atol=1e-3)


def test_a_shade_leaves_its_transmission_and_other_ground_leaves_nothing() -> None:
    known, everywhere = ground(), np.ones((SIZE, SIZE), dtype=bool)
    shaded = seen_share(known * np.float32(0.6), known, everywhere, window_px=9)
    np.testing.assert_allclose(shaded, 0.6, atol=1e-3)
    other = seen_share(ground(9), known, everywhere, window_px=31)
    assert np.abs(other).mean() < 0.3


def test_nothing_is_said_where_there_is_no_pattern_or_little_ground() -> None:
    known = ground()
    known[:, :60] = 0.05  # water
    where = np.ones(known.shape, dtype=bool)
    where[:, 100:] = False
    look = known.copy()
    look[:, 100:] = np.nan
    seen = seen_share(look, known, where, window_px=9)
    assert np.isnan(seen[:, :50]).all()
    assert np.isnan(seen[:, 108:]).all()
    assert np.isfinite(seen[5:-5, 66:98]).all()


def test_missing_light_is_one_at_the_depth_of_shade() -> None:
    known = {
        "visible": np.full((2, 3), 0.2, np.float32),
        "infrared": np.full((2, 3), 0.3, np.float32),
    }
    spread = {key: np.full((2, 3), 0.004, np.float32) for key in known}
    water = np.zeros((2, 3), dtype=bool)
    water[1] = True
    shade = {"visible": known["visible"] * 0.85, "infrared": known["infrared"] * 0.78}
    depth, told, shows = missing_light(shade, known, spread, water=water, spreads=4.0)
    np.testing.assert_allclose(depth, 1.0, rtol=1e-4)
    assert told.all()
    assert shows.all()
    wet_field = {"visible": known["visible"], "infrared": shade["infrared"]}
    _, told, _ = missing_light(wet_field, known, spread, water=water, spreads=4.0)
    assert not told.any()
    noisy = {key: np.full((2, 3), 0.05, np.float32) for key in known}
    _, told, shows = missing_light(shade, known, noisy, water=water, spreads=4.0)
    assert not told.any()
    assert not shows.any()
    gone = {key: plane * np.float32("nan") for key, plane in known.items()}
    _, told, _ = missing_light(gone, known, spread, water=water, spreads=4.0)
    assert not told.any()
