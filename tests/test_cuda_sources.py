"""Hand-written CUDA is proven without a GPU: it compiles, and its body computes what NumPy does."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eo.kernels
from eo.kernels.cloud import Floors, _cloudiness, cloudiness
from eo.kernels.cuda import OPTIONS, source

SOURCES = sorted(p.stem for p in Path(eo.kernels.__file__).parent.glob("*.cu"))
ROLES = ("blue", "green", "red", "nir", "swir16")

SHIM = """
#define __global__
#define __device__
#define __forceinline__ inline
#define __restrict__
struct Index { unsigned x; };
static const Index blockIdx = {0}, threadIdx = {0}, blockDim = {1}, gridDim = {1};
"""
"""Makes one thread of a grid-stride kernel into a C++ function."""


def test_there_are_sources() -> None:
    assert "cloud" in SOURCES


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
    log = b" " * size
    nvrtc.nvrtcGetProgramLog(program, log)
    assert compiled == ok, log.decode()
    fetched, cubin_size = nvrtc.nvrtcGetCUBINSize(program)
    assert fetched == ok
    assert cubin_size > 1000


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    folder = tmp_path_factory.mktemp("cu")
    text, library = folder / "cloud.cpp", folder / "cloud.so"
    text.write_text(SHIM + source("cloud"), encoding="utf-8")
    flags = ["-O2", "-std=c++17", "-ffp-contract=off", "-shared", "-fPIC", "-Wall", "-Werror"]
    subprocess.run(["g++", *flags, "-o", str(library), str(text)], check=True)
    return ctypes.CDLL(str(library))


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
    compiled: ctypes.CDLL, pixels: list[tuple[float, ...]], floors: tuple[float, ...], count: int
) -> None:
    stack = np.array(pixels, dtype=np.float32).T
    planes = {r: stack[i][None] for i, r in enumerate(ROLES[:count])}
    dark = Floors(**dict(zip(ROLES, (float(f) for f in floors), strict=True)))
    with np.errstate(all="ignore"):
        generic = _cloudiness(np, planes, dark)
    fused = run_body(compiled, planes, dark)
    np.testing.assert_array_equal(fused, generic)


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
