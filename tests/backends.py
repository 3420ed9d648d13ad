"""The array libraries that a kernel must run on: one fixture, imported by the kernels' tests.

``array-api-strict`` on a device that is not its default plays a GPU on any machine: implicit
copies to NumPy and mixing of devices raise there. It has no ``ndimage``, so only pixelwise
kernels can use it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

__all__ = ["Backend", "pixelwise_xp", "xp"]

NEIGHBOURHOOD = ("numpy", "numpy-read-only", "cupy")
PIXELWISE = (*NEIGHBOURHOOD, "array-api-strict")


@dataclass(frozen=True)
class Backend:
    """One array library: to it, and back."""

    name: str
    put: Callable[[Any], Any]
    """NumPy array to this library (and device)."""
    get: Callable[[Any], Any]
    """Array of this library to NumPy."""


def _backend(name: str) -> Backend:
    if name == "numpy":
        return Backend(name, np.array, np.asarray)
    if name == "numpy-read-only":
        return Backend(name, _frozen, np.asarray)
    if name == "cupy":
        cupy = pytest.importorskip("cupy", reason="cupy is not installed")
        try:
            count = cupy.cuda.runtime.getDeviceCount()
        except cupy.cuda.runtime.CUDARuntimeError as error:
            pytest.skip(f"no CUDA device can be used: {error}")
        if not count:
            pytest.skip("no CUDA device")
        return Backend(name, cupy.asarray, cupy.asnumpy)
    strict = pytest.importorskip("array_api_strict", reason="array-api-strict is not installed")
    device, home = strict.Device("device1"), strict.Device("CPU_DEVICE")
    return Backend(
        name,
        lambda array: strict.asarray(np.array(array), device=device),
        lambda array: np.asarray(array.to_device(home)),
    )


def _frozen(array: Any) -> Any:
    array = np.array(array)
    array.flags.writeable = False
    return array


def _parameters(names: tuple[str, ...]) -> list[Any]:
    return [pytest.param(n, marks=[pytest.mark.gpu] if n == "cupy" else []) for n in names]


@pytest.fixture(params=_parameters(NEIGHBOURHOOD))
def xp(request: pytest.FixtureRequest) -> Backend:
    """Each library that has an ``ndimage``."""
    return _backend(request.param)


@pytest.fixture(params=_parameters(PIXELWISE))
def pixelwise_xp(request: pytest.FixtureRequest) -> Backend:
    """Each library, and the one that plays a GPU."""
    return _backend(request.param)
