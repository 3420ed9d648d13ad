"""Public functions of the physics and of the kernels say what goes in and what comes out."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import pytest
from numpydoc.validate import validate

import eo.kernels
import eo.physics

CHECKED = {"GL08", "PR01", "PR02", "SS01"}
"""No docstring, parameters left out or unknown, no summary. Types stand in the annotations."""


def _functions() -> list[str]:
    names = []
    for package in (eo.kernels, eo.physics):
        for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            module = importlib.import_module(info.name)
            names += [
                f"{info.name}.{name}"
                for name in getattr(module, "__all__", [])
                if inspect.isfunction(getattr(module, name))
            ]
    return names


@pytest.mark.parametrize("name", _functions())
def test_a_docstring_is_complete(name: str) -> None:
    faults = [f"{code}: {text}" for code, text in validate(name)["errors"] if code in CHECKED]
    if "Parameters\n" not in (inspect.getdoc(_resolve(name)) or ""):
        # What is said in sentences, with the units in the names, needs no list beside it.
        faults = [f for f in faults if not f.startswith("PR01")]
    assert not faults, faults


def _resolve(name: str) -> object:
    module, _, function = name.rpartition(".")
    return getattr(importlib.import_module(module), function)
