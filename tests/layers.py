"""Reads the package's imports, those inside functions too, without importing anything."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "eo"


@dataclass(frozen=True, kw_only=True)
class Import:
    """One imported module, as written."""

    module: str
    """Module that imports, such as eo.core.grid."""
    target: str
    """What it imports: a module, or a name of one."""
    line: int
    at_top: bool
    """Whether it runs when the module is imported."""


def module_files() -> dict[str, Path]:
    """Every module of the package and its file; a package stands for its __init__."""
    files = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return files


def imports_of(module: str, path: Path) -> Iterator[Import]:
    """Every import of a file: statements anywhere in it, and import_module of a plain string."""
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        for target in _targets(node, package):
            line = getattr(node, "lineno", 0)
            at_top = id(node) not in inside
            yield Import(module=module, target=target, line=line, at_top=at_top)


def _targets(node: ast.AST, package: str) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            up = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*up, base] if base else up)
        return [f"{base}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Call) and node.args:
        function = node.func
        name = getattr(function, "attr", None) or getattr(function, "id", None)
        first = node.args[0]
        if name in {"import_module", "__import__"} and isinstance(first, ast.Constant):
            return [str(first.value)]
    return []


def resolve(target: str, modules: dict[str, Path]) -> str:
    """The package's own module that `target` names or lies in."""
    while target and target not in modules:
        target = target.rpartition(".")[0]
    return target


def all_imports() -> list[Import]:
    """Every import of the package."""
    return [found for module, path in module_files().items() for found in imports_of(module, path)]
