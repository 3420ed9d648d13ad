"""What each module offers: `__all__` is there and true, and nobody uses what is not in it."""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util

import pytest
from layers import all_imports, module_files, resolve

import eo

PUBLIC_FUNCTIONS = {"run", "open_run", "cloud_mask"}
MODULES = {name: path for name, path in module_files().items() if name != "eo.__main__"}


@functools.cache
def _tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


@functools.cache
def _declared(module: str) -> list[str] | None:
    for node in _tree(module).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(t, ast.Name) and t.id == "__all__" for t in targets):
            return [str(name) for name in ast.literal_eval(node.value)]
    return None


@pytest.mark.parametrize("module", MODULES)
def test_all_is_declared(module: str) -> None:
    declared = _declared(module)
    if MODULES[module].name == "__init__.py" and declared is None:
        kinds = ast.FunctionDef | ast.ClassDef | ast.Assign
        assert not any(isinstance(node, kinds) for node in _tree(module).body)
        return
    assert declared is not None, f"{module} has no __all__"
    assert len(declared) == len(set(declared))
    assert not any(name.startswith("_") and not name.startswith("__") for name in declared)


def test_modules_use_of_each_other_only_what_is_offered() -> None:
    wrong = []
    for found in all_imports():
        home = resolve(found.target, MODULES) if found.target.startswith("eo.") else ""
        if home in {"", "eo", found.target}:
            continue
        name = found.target.removeprefix(f"{home}.")
        if name not in (_declared(home) or ()):
            wrong.append(f"{found.module}:{found.line} imports {name} of {home}")
    assert wrong == []


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
