"""Numba, where it is installed: the only place that asks for it.

A kernel gives a plain function over flat arrays and gets it back compiled, without the
interpreter's lock, kept on disk between processes. Every kernel also has a path of array
operations, so that NumPy alone still works.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any

__all__ = ["compiled", "has_numba"]


@cache
def has_numba() -> bool:
    """Return whether functions can be compiled here."""
    return find_spec("numba") is not None


@cache
def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a module's function compiled, once per process; its first call takes the time.

    The function may be called from several threads at once.
    """
    import numba

    made: Callable[..., Any]
    try:
        made = numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # no folder can be written to that would keep it
        made = numba.njit(nogil=True)(function)
    return made
