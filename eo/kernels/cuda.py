"""Hand-written CUDA kernels: where their sources lie, and how they are built and launched.

A ``.cu`` file is a private fast path of one function, with the same numbers as its generic form
(no fused multiply-add), used only for arrays that already live on a GPU. Where cupy cannot build
it, that is an error and not a silent detour: a GPU that cannot compile is a broken installation.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

__all__ = ["OPTIONS", "kernel", "launch", "source"]

OPTIONS = ("--std=c++17", "--fmad=false")
"""Compiler options; without fused multiply-add the sums round as NumPy's do."""

_THREADS = 256
_MAX_BLOCKS = 65_535


def source(name: str) -> str:
    """Return the text of ``eo/kernels/NAME.cu``."""
    return files("eo.kernels").joinpath(f"{name}.cu").read_text(encoding="utf-8")


@cache
def _module(name: str, device: int) -> Any:
    import cupy

    with cupy.cuda.Device(device):
        return cupy.RawModule(code=source(name), options=OPTIONS)


def kernel(name: str, function: str) -> Any:
    """Return one kernel of a source file, built once per process and device."""
    import cupy

    return _module(name, int(cupy.cuda.runtime.getDevice())).get_function(function)


def launch(
    name: str,
    function: str,
    size: int,
    *arguments: Any,
    threads: int = _THREADS,
    shared_bytes: int = 0,
) -> None:
    """Run a grid-stride kernel over `size` items.

    Parameters
    ----------
    name, function
        Source file and kernel.
    size
        Number of items; one thread each, or fewer threads that stride.
    *arguments
        The kernel's, CuPy arrays and scalars of its exact types.
    threads
        Threads of a block.
    shared_bytes
        Dynamic shared memory of a block [byte].
    """
    blocks = max(1, min(_MAX_BLOCKS, -(-size // threads)))
    kernel(name, function)((blocks,), (threads,), arguments, shared_mem=shared_bytes)
