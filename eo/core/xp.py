"""The only place where NumPy and CuPy are told apart.

A kernel asks :func:`namespace` for the array library of its inputs and for the matching
``ndimage``; it never imports cupy itself and never moves an array between devices.
"""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

from eo.core.errors import DeviceError

__all__ = [
    "Array", "constant_like", "gpu_count", "namespace", "resolve_device", "to_device", "to_host",
]  # fmt: skip

Array = Any
"""A NumPy or CuPy array (or another array-API array, in tests)."""


def namespace(*arrays: Array) -> tuple[Any, ModuleType]:
    """Return the array namespace of `arrays` and its ``ndimage`` twin.

    Raises
    ------
    DeviceError
        If the arrays do not all live in one library.
    """
    tops = {type(a).__module__.partition(".")[0] for a in arrays}
    if tops == {"cupy"}:
        import cupy
        import cupyx.scipy.ndimage as gpu_ndimage

        return cupy, gpu_ndimage
    if len(tops) != 1:
        raise DeviceError(
            f"arrays live in {sorted(tops)}; call eo.core.xp.to_device() on all of them first"
        )
    import scipy.ndimage as cpu_ndimage

    return arrays[0].__array_namespace__(), cpu_ndimage


@functools.cache
def gpu_count() -> int:
    """Return how many CUDA devices this process can use; 0 where cupy or the driver is absent."""
    try:
        import cupy

        return int(cupy.cuda.runtime.getDeviceCount())
    except Exception:  # noqa: BLE001 - cupy raises its own runtime errors where no driver is
        return 0


def resolve_device(device: str) -> str:
    """Return ``"cpu"`` or ``"gpu"`` for ``auto``, ``cpu`` or ``gpu``, as this process can.

    Raises
    ------
    DeviceError
        If ``gpu`` is asked for where none can be used, or the name is unknown.
    """
    if device == "auto":
        return "gpu" if gpu_count() else "cpu"
    if device == "gpu" and not gpu_count():
        raise DeviceError(
            "device 'gpu' was asked for, but no CUDA device can be used here "
            "(is cupy installed and a driver present?); use --device auto or cpu"
        )
    if device not in {"cpu", "gpu"}:
        raise DeviceError(f"device {device!r} is unknown; use auto, cpu or gpu")
    return device


def to_device(array: Array, device: str) -> Array:
    """Return `array` on `device` (``"cpu"`` or ``"gpu"``), copying only if it is elsewhere."""
    if device == "gpu":
        import cupy

        return cupy.asarray(array)
    return to_host(array)


def to_host(array: Array) -> Array:
    """Return `array` as a NumPy array."""
    if type(array).__module__.partition(".")[0] == "cupy":
        return array.get()
    return array


def constant_like(values: Any, like: Array) -> Array:
    """Return plain numbers as a float64 array where `like` lives."""
    xp, _ = namespace(like)
    if xp.__name__ == "cupy":
        return xp.asarray(values, dtype=xp.float64)
    return xp.asarray(values, dtype=xp.float64, device=like.device)
