"""What every test shares: no network but loopback, no GPU where there is none, the real inputs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
# Sockets of this process are guarded by pytest-socket; GDAL, and the programs that tests start,
# are not. A proxy that nobody serves stops those.
for _name in ("http_proxy", "https_proxy", "all_proxy"):
    os.environ[_name] = os.environ[_name.upper()] = "http://127.0.0.1:9"
os.environ["no_proxy"] = os.environ["NO_PROXY"] = "127.0.0.1,localhost,::1"

from pytest_socket import socket_allow_hosts  # noqa: E402 - the environment comes first

LOOPBACK = ["127.0.0.1", "::1", "localhost"]
ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"


def pytest_runtest_setup() -> None:
    """Refuse every host but this one, for each test."""
    socket_allow_hosts(LOOPBACK, allow_unix_socket=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a CUDA device or the real inputs, saying why, where they are absent."""
    gpu = _gpu_fault()
    data = None if DATA.is_dir() else f"the real inputs are not at {DATA}"
    for item in items:
        if gpu and item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason=gpu))
        if data and item.get_closest_marker("data"):
            item.add_marker(pytest.mark.skip(reason=data))


def _gpu_fault() -> str | None:
    try:
        import cupy
    except ImportError:
        return "cupy is not installed"
    try:
        return None if cupy.cuda.runtime.getDeviceCount() else "no CUDA device"
    except cupy.cuda.runtime.CUDARuntimeError as error:
        return f"no CUDA device can be used: {error}"


@pytest.fixture(scope="session")
def repo_root() -> Path:
    """Root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the real inputs; skips where it is absent."""
    if not DATA.is_dir():
        pytest.skip(f"the real inputs are not at {DATA}")
    return DATA
