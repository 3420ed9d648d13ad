"""What each module offers: `__all__` is there, true and whole, and no name means two things."""

from __future__ import annotations

import ast
import importlib
import importlib.util

import pytest
from layers import module_files

import eo

PUBLIC_FUNCTIONS = {"run", "open_run", "cloud_mask"}
MODULES = module_files()


def _tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def _declared(module: str) -> list[str] | None:
    for node in _tree(module).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(t, ast.Name) and t.id == "__all__" for t in targets):
            return [str(name) for name in ast.literal_eval(node.value)]
    return None


def _defined(module: str) -> set[str]:
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    names = {node.name for node in _tree(module).body if isinstance(node, kinds)}
    return {name for name in names if not name.startswith("_")}


@pytest.mark.parametrize("module", MODULES)
def test_all_is_declared_and_whole(module: str) -> None:
    declared, defined = _declared(module), _defined(module)
    if MODULES[module].name == "__init__.py" and declared is None:
        assert defined == set(), f"{module} defines {defined} but has no __all__"
        return
    assert declared is not None, f"{module} has no __all__"
    assert len(declared) == len(set(declared))
    assert defined <= set(declared), f"{module}: {defined - set(declared)} are not in __all__"


@pytest.mark.parametrize("module", MODULES)
def test_all_names_exist(module: str) -> None:
    loaded = importlib.import_module(module)
    missing = [name for name in _declared(module) or () if not hasattr(loaded, name)]
    assert missing == []


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_why_it_exists(module: str) -> None:
    assert ast.get_docstring(_tree(module)), f"{module} has no docstring"


def test_no_module_bears_the_name_of_a_public_function() -> None:
    assert set(eo.__all__) >= PUBLIC_FUNCTIONS
    names = {part for module in MODULES for part in module.split(".")[1:]}
    assert names & (set(eo.__all__) | PUBLIC_FUNCTIONS) == set()


def test_no_package_exports_a_name_that_one_of_its_modules_bears() -> None:
    for package in (m for m in MODULES if MODULES[m].name == "__init__.py"):
        inside = {m.split(".")[-1] for m in MODULES if m.rpartition(".")[0] == package}
        assert inside & set(_declared(package) or ()) == set(), package


def test_eo_offers_its_public_names_lazily() -> None:
    for name in PUBLIC_FUNCTIONS:
        assert callable(getattr(eo, name))
        assert name in dir(eo)
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = eo.no_such_name  # type: ignore[attr-defined]


def test_the_package_is_typed() -> None:
    spec = importlib.util.find_spec("eo")
    assert spec
    assert spec.submodule_search_locations
    assert (MODULES["eo"].parent / "py.typed").is_file()
