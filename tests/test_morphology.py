"""Masks by sliding: held against exact distances; the CUDA bodies held against both."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from backends import Backend, xp  # noqa: F401 - fixture
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from eo.kernels import morphology
from eo.kernels.cuda import source
from eo.kernels.darkness import block_means
from eo.kernels.morphology import (
    box_all,
    box_any,
    box_mean,
    swept,
    touching,
    wide_parts,
    within,
)
from eo.kernels.rows import by_rows, row_blocks, threads

shapes = st.tuples(st.integers(1, 40), st.integers(1, 40))


def spots(shape: tuple[int, int], seed: int, share: float) -> Any:
    return np.random.default_rng(seed).random(shape) < share


# -------------------------------------------------------------------------------- by distance
@settings(max_examples=80, deadline=None)
@given(
    shape=shapes,
    seed=st.integers(0, 999),
    share=st.floats(0, 0.3),
    radius=st.floats(0, 60),
)
def test_within_is_the_distance(
    shape: tuple[int, int], seed: int, share: float, radius: float
) -> None:
    image = spots(shape, seed, share)
    expected = ndimage.distance_transform_edt(~image) <= radius if image.any() else image
    np.testing.assert_array_equal(within(image, radius), expected)


def test_within_on_every_library(xp: Backend) -> None:  # noqa: F811
    image = spots((300, 217), 3, 0.002)
    for radius in (1.0, 4.25, 30.0, 70.0):
        expected = ndimage.distance_transform_edt(~image) <= radius
        np.testing.assert_array_equal(xp.get(within(xp.put(image), radius)), expected)


def test_wide_parts_keeps_what_is_wide() -> None:
    image = np.zeros((60, 60), dtype=bool)
    image[10:40, 10:40] = True  # 30 wide
    image[45:50, :] = True  # 5 wide
    kept = wide_parts(image, 4.0)
    assert kept[12:38, 12:38].all()
    assert not kept[45:50].any()


def test_beyond_the_edge_it_is_more_of_the_same() -> None:
    image = np.zeros((40, 40), dtype=bool)
    image[:4] = True
    assert wide_parts(image, 4.0)[:4].all()
    whole = np.ones((5, 5), dtype=bool)
    assert wide_parts(whole, 20.0).all()


# ------------------------------------------------------------------------------------- boxes
@settings(max_examples=40, deadline=None)
@given(shape=shapes, seed=st.integers(0, 999), radius=st.integers(0, 6))
def test_boxes_are_filters(shape: tuple[int, int], seed: int, radius: int) -> None:
    image = spots(shape, seed, 0.3)
    size = 2 * radius + 1
    np.testing.assert_array_equal(box_any(image, radius), ndimage.maximum_filter(image, size))
    np.testing.assert_array_equal(box_all(image, radius), ndimage.minimum_filter(image, size))
    values = np.random.default_rng(seed).random(shape).astype(np.float32)
    np.testing.assert_allclose(box_mean(values), ndimage.uniform_filter(values, 3), rtol=1e-5)


def test_swept_covers_the_line_and_little_else() -> None:
    image = np.zeros((120, 160), dtype=bool)
    image[100, 20] = True
    out = swept(image, (-10.0, 20.0), (-80.0, 120.0))
    rows, cols = np.nonzero(out)
    along = (cols - 40) / 100
    assert along.min() <= 0.01
    assert along.max() >= 0.99
    assert np.abs(rows - (90 - 70 * along)).max() <= 1.5
    assert len(set(cols)) == 101  # no gap
    assert not swept(image, (500.0, 0.0), (900.0, 0.0)).any()
    np.testing.assert_array_equal(swept(image, (0.0, 0.0), (0.0, 0.0)), image)


def test_touching() -> None:
    image = np.zeros((9, 9), dtype=bool)
    image[1:3, 1:3] = image[5:8, 5:8] = True
    labels, count = ndimage.label(image)
    mask = np.zeros_like(image)
    mask[6, 6] = mask[0, 0] = True
    found = touching(labels, count, mask)
    assert found[5:8, 5:8].all()
    assert found.sum() == 9


# ------------------------------------------------------------------------------------- blocks
@pytest.mark.parametrize("workers", ["1", "2"])
def test_blocks_change_nothing(workers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", workers)
    assert threads() == int(workers)
    image = spots((501, 77), 5, 0.01)
    whole = morphology._slid(np, image, morphology._half_widths(6.0))
    for block_px in (100, 3000, 10**9):
        (out,) = by_rows(
            np,
            lambda a: (morphology._slid(np, a, morphology._half_widths(6.0)),),
            (image,),
            (bool,),
            halo=6,
            block_px=block_px,
        )
        np.testing.assert_array_equal(out, whole)


def test_row_blocks_cover_each_row_once() -> None:
    rows = [r for _, keep, _ in row_blocks(1000, 50, 7, 2000) for r in range(keep.start, keep.stop)]
    assert rows == list(range(1000))
    assert list(row_blocks(0, 50, 7)) == []


@pytest.mark.parametrize("block", [1, 4, 7])
def test_block_means_with_a_remainder(block: int) -> None:
    image = np.random.default_rng(0).random((65, 43)).astype(np.float32)
    (found,) = block_means(np, lambda a: (a,), (image,), block)
    rows, cols = -(-65 // block), -(-43 // block)
    assert found.shape == (rows, cols)
    for i, j in ((0, 0), (rows - 1, cols - 1), (rows // 2, cols // 2)):
        part = image[i * block : (i + 1) * block, j * block : (j + 1) * block]
        assert found[i, j] == pytest.approx(part.sum() / block**2, rel=1e-5)


# --------------------------------------------------------------------------------------- CUDA
SHIM = """
#define __global__
#define __device__
#define __restrict__
struct Index { unsigned x; };
static const Index blockIdx = {0}, threadIdx = {0}, blockDim = {1}, gridDim = {1};
"""


@pytest.fixture(scope="module")
def body(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    folder: Path = tmp_path_factory.mktemp("cu")
    text, library = folder / "morphology.cpp", folder / "morphology.so"
    text.write_text(SHIM + source("morphology"), encoding="utf-8")
    flags = ["-O2", "-std=c++17", "-shared", "-fPIC", "-Wall", "-Werror"]
    subprocess.run(["g++", *flags, "-o", str(library), str(text)], check=True)
    return ctypes.CDLL(str(library))


@pytest.mark.parametrize("radius", [1.0, 1.4167, 4.25, 30.0])
def test_cuda_body_is_the_distance(body: ctypes.CDLL, radius: float) -> None:
    for shape, seed in (((40, 61), 1), ((1, 9), 2), ((70, 3), 3)):
        image = np.ascontiguousarray(spots(shape, seed, 0.01))
        half = np.array(morphology._half_widths(radius), dtype=np.int32)
        near = np.empty(shape, dtype=np.uint16)
        out = np.empty(shape, dtype=bool)
        pointer = [ctypes.c_void_p(a.ctypes.data) for a in (image, near, half, out)]
        size = (
            ctypes.c_longlong(shape[0]),
            ctypes.c_longlong(shape[1]),
            ctypes.c_int(len(half) - 1),
        )
        body.column_reach(pointer[0], pointer[1], *size)
        body.disc_any(pointer[1], pointer[2], pointer[3], *size)
        np.testing.assert_array_equal(out, within(image, radius))
