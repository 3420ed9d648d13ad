"""What a release carries: licence, notices, versions that agree, Make targets that CI uses."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tomllib
from pathlib import Path

import yaml

APACHE_2_SHA256 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
"""Of https://www.apache.org/licenses/LICENSE-2.0.txt."""


def test_licence_is_apache_in_full(repo_root: Path) -> None:
    text = (repo_root / "LICENSE").read_bytes()
    assert hashlib.sha256(text).hexdigest() == APACHE_2_SHA256


def test_notice_names_every_source_of_data_and_models(repo_root: Path) -> None:
    text = (repo_root / "NOTICE").read_text()
    sources = ("Copernicus Sentinel", "Planet", "sen2ships", "ukis-csmask", "s2cloudless", "AIS")
    assert [name for name in sources if name not in text] == []


def test_versions_agree(repo_root: Path) -> None:
    project = tomllib.loads((repo_root / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((repo_root / "CITATION.cff").read_text())
    assert citation["version"] == project["version"]
    assert citation["license"] == project["license"]
    assert "## Unreleased" in (repo_root / "CHANGELOG.md").read_text()


def test_ci_scripts_are_executable_and_parse(repo_root: Path) -> None:
    for name in ("run", "smoke"):
        path = repo_root / ".ci" / name
        assert os.access(path, os.X_OK), name
        assert path.read_text().startswith("#!/usr/bin/env bash\n")
        assert "set -euo pipefail" in path.read_text()
        subprocess.run(["bash", "-n", str(path)], check=True)


def test_ci_and_contributing_use_targets_that_exist(repo_root: Path) -> None:
    make = (repo_root / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", make, re.MULTILINE))
    assert {
        "run",
        "test",
        "install",
        "lint",
        "types",
        "wheel",
        "smoke",
        "lowest",
        "clean",
    } <= targets
    for script in re.findall(r"\bbenchmarks/\w+\.py", make):
        assert (repo_root / script).is_file(), script
    for name in (".ci/run", "CONTRIBUTING.md"):
        used = set(re.findall(r"^\s*make ([a-z]+)", (repo_root / name).read_text(), re.MULTILINE))
        assert used
        assert used <= targets, name


def test_no_machine_leaks_into_the_files(repo_root: Path) -> None:
    """No path of a developer's machine, no mirror, in what is committed for users."""
    names = ["pyproject.toml", "Makefile", "environment.yml", "uv.lock", "requirements.lock"]
    for name in [*names, ".ci/run", ".ci/smoke"]:
        text = (repo_root / name).read_text()
        assert "file://" not in text, name
        assert not re.search(r"(^|[\s\"'=])/(home|root|opt|work|Users)/", text), name
