"""Hand-written CUDA is proven without a GPU: it compiles, and its body computes what NumPy does."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_forests import random_forest, sample_values

import eo.kernels
from eo.kernels.cloudiness import Floors, cloudiness, cloudiness_formula
from eo.kernels.compiled import has_numba
from eo.kernels.cuda import OPTIONS, source
from eo.kernels.departure import one_sided
from eo.kernels.forest import _packed, raw_scores
from eo.kernels.order import _sorted_pair
from eo.kernels.trees import Forest

SOURCES = sorted(p.stem for p in Path(eo.kernels.__file__).parent.glob("*.cu"))
ROLES = ("blue", "green", "red", "nir", "swir16")

SHIM = """
#include <cmath>
#define __global__
#define __device__
#define __forceinline__ inline
#define __restrict__
#define __shared__
inline void __syncthreads() {}
struct Index { unsigned x; };
static const Index blockIdx = {0}, threadIdx = {0}, blockDim = {1}, gridDim = {1};
"""
"""Makes one thread of a grid-stride kernel into a C++ function."""

POOLS = {name: f"\ndouble {name}_pool[1 << 15];\n" for name in ("forest", "order")}
"""Dynamic shared memory, which a launch would give."""


def test_there_are_sources() -> None:
    assert {"cloud", "forest", "order"} <= set(SOURCES)


@pytest.mark.parametrize("arch", ["sm_80", "sm_90", "sm_100"])
@pytest.mark.parametrize("name", SOURCES)
def test_compiles_for(name: str, arch: str) -> None:
    nvrtc = pytest.importorskip("cuda.bindings.nvrtc", reason="cuda-bindings is not installed")
    ok = nvrtc.nvrtcResult.NVRTC_SUCCESS
    try:
        made, program = nvrtc.nvrtcCreateProgram(source(name).encode(), b"k.cu", 0, [], [])
    except RuntimeError as error:
        pytest.skip(f"NVRTC cannot be loaded: {error}")
    assert made == ok
    options = [f"-arch={arch}".encode(), *(o.encode() for o in OPTIONS)]
    (compiled,) = nvrtc.nvrtcCompileProgram(program, len(options), options)
    _, size = nvrtc.nvrtcGetProgramLogSize(program)
    # The log is written into these bytes: never one alone, which Python shares with everybody.
    log = b"\0" * (size + 1)
    nvrtc.nvrtcGetProgramLog(program, log)
    assert compiled == ok, log.rstrip(b"\0").decode()
    fetched, cubin_size = nvrtc.nvrtcGetCUBINSize(program)
    assert fetched == ok
    assert cubin_size > 1000


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], ctypes.CDLL]:
    """Build a source's body for the CPU, once a session, as one thread of one block."""
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    folder = tmp_path_factory.mktemp("cu")

    @cache
    def build(name: str) -> ctypes.CDLL:
        text, library = folder / f"{name}.cpp", folder / f"{name}.so"
        text.write_text(SHIM + source(name) + POOLS.get(name, ""), encoding="utf-8")
        flags = ["-O2", "-std=c++17", "-ffp-contract=off", "-shared", "-fPIC", "-Wall", "-Werror"]
        flags.append("-Wno-unknown-pragmas")
        subprocess.run(["g++", *flags, "-o", str(library), str(text)], check=True)
        return ctypes.CDLL(str(library))

    return build


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    """Give an array to a body; it must live on in the caller."""
    assert array.flags.c_contiguous
    return ctypes.c_void_p(array.ctypes.data)


def run_body(library: ctypes.CDLL, planes: dict[str, np.ndarray], floors: Floors) -> np.ndarray:
    """Call the kernel's body for all pixels, as one CUDA thread would."""
    held = {k: np.ascontiguousarray(p, dtype=np.float32) for k, p in planes.items()}
    out = np.empty(held["blue"].shape, dtype=np.float32)
    pointers = [
        ctypes.c_void_p(held[r].ctypes.data) if r in held else ctypes.c_void_p(None) for r in ROLES
    ]
    levels = [ctypes.c_float(getattr(floors, r)) for r in ROLES]
    library.cloudiness(
        *pointers, ctypes.c_void_p(out.ctypes.data), *levels, ctypes.c_longlong(out.size)
    )
    return out


value = st.one_of(
    st.floats(-0.125, 1.5, width=32), st.sampled_from([np.nan, np.inf, -np.inf, 0.0, 0.28, 1.0])
)
level = st.floats(-0.125, 0.125, width=32)


@settings(max_examples=150, deadline=None)
@given(
    pixels=st.lists(st.tuples(*[value] * 5), min_size=1, max_size=40),
    floors=st.tuples(*[level] * 5),
    count=st.sampled_from([3, 4, 5]),
)
def test_body_equals_numpy(
    compiled: Callable[[str], ctypes.CDLL],
    pixels: list[tuple[float, ...]],
    floors: tuple[float, ...],
    count: int,
) -> None:
    stack = np.array(pixels, dtype=np.float32).T
    planes = {r: stack[i][None] for i, r in enumerate(ROLES[:count])}
    dark = Floors(**dict(zip(ROLES, (float(f) for f in floors), strict=True)))
    with np.errstate(all="ignore"):
        generic = cloudiness_formula(np, planes, dark)
    fused = run_body(compiled("cloud"), planes, dark)
    np.testing.assert_array_equal(fused, generic)


@settings(max_examples=80, deadline=None)
@given(
    forest=st.integers(0, 2**32 - 1).map(random_forest),
    count=st.integers(1, 70),
    seed=st.integers(0, 2**32 - 1),
    hold=st.booleans(),
    room=st.sampled_from([0, 9, 2000]),
)
def test_forest_body_equals_arrays(  # noqa: PLR0917 - drawn by Hypothesis
    compiled: Callable[[str], ctypes.CDLL],
    forest: Forest,
    count: int,
    seed: int,
    hold: bool,
    room: int,
) -> None:
    """Whatever of the trees and features is staged in shared memory."""
    x = np.ascontiguousarray(sample_values(seed, (forest.features, count)))
    nodes, out = _packed(forest), np.full((forest.classes, count), np.nan)
    compiled("forest").forest_scores(
        pointer(x), pointer(nodes), pointer(forest.value), pointer(forest.root), pointer(out),
        forest.features, forest.classes, forest.trees, int(hold), room, ctypes.c_longlong(count),
    )  # fmt: skip
    np.testing.assert_array_equal(out, raw_scores(forest, x, method="arrays"))


@settings(max_examples=80, deadline=None)
@given(
    looks=st.integers(1, 12),
    size=st.integers(1, 9),
    seed=st.integers(0, 2**32 - 1),
    share=st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]),
    held=st.booleans(),
    centred=st.booleans(),
)
def test_order_body_equals_sort(  # noqa: PLR0917 - drawn by Hypothesis
    compiled: Callable[[str], ctypes.CDLL],
    looks: int,
    size: int,
    seed: int,
    share: float,
    held: bool,
    centred: bool,
) -> None:
    values, used = sample_values(seed, (looks, size)), sample_values(seed + 1, (looks, size)) > 0
    around = np.linspace(-1, 1, size, dtype=np.float32) if centred else None
    found = [np.empty(size, t) for t in (np.float32, np.float32, np.int32)]
    compiled("order").clear_pair(
        pointer(values), pointer(used),
        ctypes.c_void_p(None) if around is None else pointer(around),
        *(pointer(f) for f in found), ctypes.c_double(share), looks, int(held),
        ctypes.c_longlong(size),
    )  # fmt: skip
    wanted = _sorted_pair(np, values, used, share, around)
    seen = wanted[2] > 0
    np.testing.assert_array_equal(found[2], wanted[2])
    for ours, theirs in zip(found[:2], wanted[:2], strict=True):
        np.testing.assert_array_equal(ours[seen], theirs[seen])


@settings(max_examples=80, deadline=None)
@given(
    bands=st.integers(1, 5),
    shape=st.tuples(st.integers(1, 5), st.integers(1, 40)),
    seed=st.integers(0, 2**32 - 1),
    above=st.booleans(),
)
def test_departure_is_the_same_in_every_way(
    compiled: Callable[[str], ctypes.CDLL],
    bands: int,
    shape: tuple[int, int],
    seed: int,
    above: bool,
) -> None:
    rng = np.random.default_rng(seed)
    image, level = (rng.normal(0.1, 0.05, (bands, *shape)).astype(np.float32) for _ in range(2))
    sigma = rng.uniform(0.001, 0.05, image.shape).astype(np.float32)
    image[rng.random(image.shape) < 0.05] = np.nan
    side = image - level if above else level - image
    wanted = np.sqrt((np.maximum(side / sigma, np.float32(0)) ** 2).mean(axis=0))
    out = np.empty(shape, np.float32)
    compiled("departure").departures(
        *(pointer(a) for a in (image, level, sigma, out)),
        ctypes.c_float(1 if above else -1), bands, ctypes.c_longlong(out.size),
    )  # fmt: skip
    np.testing.assert_array_equal(out, wanted)
    for method in ("arrays", *(["numba"] if has_numba() else [])):
        found = one_sided(image, level, sigma, above=above, method=method)
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.gpu
@pytest.mark.parametrize("count", [3, 4, 5])
def test_gpu_equals_numpy(count: int) -> None:
    cupy = pytest.importorskip("cupy", reason="cupy is not installed")
    rng = np.random.default_rng(3)
    image = rng.uniform(-0.05, 1.2, (count, 300, 217)).astype(np.float32)
    image[:, 10:20, 30:60] = np.nan
    floors = Floors(blue=0.05, green=0.04, red=0.02, nir=0.01)
    host = cloudiness(image, ROLES[:count], floors)
    device = cloudiness(cupy.asarray(image), ROLES[:count], floors)
    assert type(device).__module__.startswith("cupy")
    np.testing.assert_array_equal(cupy.asnumpy(device), host)
