"""environment.yml, requirements.lock and uv.lock name what pyproject.toml names, and no mirror."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

PUBLIC_INDEX = "https://pypi.org/simple"
PUBLIC_FILES = "https://files.pythonhosted.org/"
CONDA_NAMES = {
    "cupy-cuda13x": ("cupy", "cuda-version"),
    "dask": ("dask", "distributed"),
}
CONDA_OWN = {"python", "pip", "cuda-version"}
"""No counterpart in pyproject's lists: `requires-python`, and what the name cupy-cuda13x says."""


def _project(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]


def _conda(root: Path) -> dict[str, str]:
    data = yaml.safe_load((root / "environment.yml").read_text())
    assert data["channels"] == ["conda-forge", "nodefaults"]
    parsed = [re.fullmatch(r"([a-z0-9_-]+)(.*)", line) for line in data["dependencies"]]
    return {m[1]: str(Requirement(f"x{m[2]}").specifier) for m in parsed if m}


def test_environment_names_the_core_and_gpu_packages_with_their_bounds(repo_root: Path) -> None:
    project = _project(repo_root)
    wanted: dict[str, str] = {"python": project["requires-python"]}
    for text in (*project["dependencies"], *project["optional-dependencies"]["gpu"]):
        requirement = Requirement(text)
        for name in CONDA_NAMES.get(requirement.name, (requirement.name,)):
            if name not in CONDA_OWN:
                wanted[name] = str(requirement.specifier)
    found = {k: v for k, v in _conda(repo_root).items() if k not in CONDA_OWN - {"python"}}
    assert found == wanted


def test_environment_gives_cupy_the_cuda_of_the_extra(repo_root: Path) -> None:
    gpu = [Requirement(text).name for text in _project(repo_root)["optional-dependencies"]["gpu"]]
    major = next(m[1] for name in gpu if (m := re.fullmatch(r"cupy-cuda(\d+)x", name)))
    assert _conda(repo_root)["cuda-version"] == f"<{int(major) + 1},>={major}"


def test_every_dependency_is_explained(repo_root: Path) -> None:
    project = _project(repo_root)
    text = (repo_root / "docs" / "dependencies.md").read_text()
    extras = project["optional-dependencies"].values()
    named = {
        Requirement(r).name for r in (*project["dependencies"], *(r for e in extras for r in e))
    }
    assert {name for name in named if f"`{name}`" not in text} == set()


def test_uv_lock_names_only_the_public_index(repo_root: Path) -> None:
    lock = tomllib.loads((repo_root / "uv.lock").read_text())
    for package in lock["package"]:
        if package["name"] == "eo-freeboard":
            assert package["source"] == {"editable": "."}
            continue
        assert package["source"] == {"registry": PUBLIC_INDEX}, package["name"]
        files = [*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else [])]
        assert files, package["name"]
        for file in files:
            assert file["url"].startswith(PUBLIC_FILES), package["name"]
            assert file["hash"].startswith("sha256:"), package["name"]


def test_requirements_lock_is_plain_pins_with_hashes(repo_root: Path) -> None:
    text = (repo_root / "requirements.lock").read_text()
    assert "://" not in text
    assert not re.search(r"^-", text, flags=re.MULTILINE), "an option or an index stands there"
    for entry in re.sub(r"\\\n", " ", text).splitlines():
        assert re.match(r"[a-z0-9._-]+==\S+( ;[^#]*?)?\s+--hash=sha256:[0-9a-f]{64}", entry), entry


def test_requirements_lock_agrees_with_uv_lock(repo_root: Path) -> None:
    """Versions and hashes; holds where there is no uv."""
    lock = tomllib.loads((repo_root / "uv.lock").read_text())
    locked: dict[tuple[str, str], set[str]] = {}
    for package in lock["package"]:
        files = [*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else [])]
        locked[package["name"], package.get("version", "")] = {file["hash"] for file in files}
    text = re.sub(r"\\\n", " ", (repo_root / "requirements.lock").read_text())
    for entry in text.splitlines():
        name, _, rest = entry.partition("==")
        version = rest.split()[0]
        hashes = set(re.findall(r"sha256:[0-9a-f]{64}", entry))
        assert hashes == locked[name, version], f"{name} {version}: run `make lock`"


def test_requirements_lock_is_what_uv_exports(repo_root: Path) -> None:
    uv = shutil.which("uv")
    if uv is None or subprocess.run([uv, "--version"], check=False, capture_output=True).returncode:
        pytest.skip("uv is not installed")
    export = subprocess.run(
        [
            *(uv, "export", "--quiet", "--frozen", "--offline", "--extra", "test"),
            *("--no-emit-project", "--no-header", "--no-annotate"),
            *("--format", "requirements-txt"),
        ],
        cwd=repo_root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (repo_root / "requirements.lock").read_text() == export.stdout, "run `make lock`"
