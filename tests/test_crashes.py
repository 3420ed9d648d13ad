"""Killed, cut off, full, read-only: nothing is lost, nothing damaged, and a rerun goes on.

Real processes and real signals; a small tmpfs where root may mount one.
"""

from __future__ import annotations

import dataclasses
import errno
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dask_processes import dask_processes
from tiny import TinyPort

import eo
from eo import flow
from eo.access.tables import TABLES, read_rows
from eo.core.errors import EngineLostError, OutputError

SCENES = 12


def plain(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """All rows, without the name of the empty port: files made anew have other prints."""
    out = {}
    for name in TABLES:
        out[name] = [dataclasses.asdict(row) for row in read_rows(folder, name)]
        for row in out[name]:
            row.pop("reference_id", None)
    return out


def made(folder: Path, scenes: int = SCENES) -> TinyPort:
    port = TinyPort(folder)
    for day in range(scenes):
        port.scene(f"s{day:02d}")
    return port


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> TinyPort:
    return made(tmp_path_factory.mktemp("port"))


@pytest.fixture(scope="module")
def undisturbed(port: TinyPort) -> tuple[dict[str, list[dict[str, Any]]], float]:
    """Rows of a run that nothing disturbs, and the seconds of processor time it takes."""
    spent_s = finished(run_command(port.campaign(), port.folder / "calm"))
    return plain(port.folder / "calm"), spent_s


def finished(client: subprocess.Popen[bytes]) -> float:
    """Wait for a run to end well; return its processor time, on which other work does not bear."""
    _, status, usage = os.wait4(client.pid, 0)
    client.returncode = os.waitstatus_to_exitcode(status)
    assert client.returncode == 0
    return usage.ru_utime + usage.ru_stime


def run_command(campaign: Path, output: Path, *more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "eo", "run", str(campaign), "--output", str(output),
         "--engine", "serial", *more],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip


def count(output: Path, phase: str) -> int:
    return len(list((output / "parts" / phase).glob("[0-9a-f]*/records.json")))


def until(said: Callable[[], bool], limit_s: float = 120.0) -> None:
    deadline = time.monotonic() + limit_s
    while not said():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def killed_once_there(
    client: subprocess.Popen[bytes], output: Path, phase: str, parts: float
) -> None:
    """Kill a client once it has left so many parts of a phase."""
    until(lambda: count(output, phase) >= parts or client.poll() is not None)
    assert client.poll() is None
    client.kill()


@pytest.mark.slow
def test_a_client_killed_twice_goes_on_and_ends_as_if_undisturbed(
    port: TinyPort, undisturbed: tuple[Any, float]
) -> None:
    rows, calm_s = undisturbed
    output = port.folder / "killed"
    for phase, share in (("ingest", 0.7), ("measure", 0.6)):
        client = run_command(port.campaign(), output)
        killed_once_there(client, output, phase, share * SCENES)
        client.wait()
        client.communicate()
    rerun_s = finished(run_command(port.campaign(), output))
    assert plain(output) == rows
    assert rerun_s <= 0.85 * calm_s, f"{rerun_s:.1f} s after two kills, {calm_s:.1f} s undisturbed"


@pytest.mark.slow
def test_of_two_runs_on_one_folder_one_works_and_one_says_why_not(port: TinyPort) -> None:
    output = port.folder / "twice"
    first = run_command(port.campaign(), output)
    until(lambda: count(output, "ingest") > 0)
    second = run_command(port.campaign(), output)
    _, said = second.communicate(timeout=120)
    assert second.returncode == 2
    assert f"being written by process {first.pid}" in said.decode()
    first.communicate(timeout=300)
    assert first.returncode == 0


@pytest.mark.slow
def test_a_worker_killed_and_one_cut_off_change_nothing(
    port: TinyPort, undisturbed: tuple[Any, float], tmp_path: Path
) -> None:
    """Three workers with TLS: one dies by SIGKILL, one falls silent as behind a dead network."""
    output = port.folder / "workers"
    with dask_processes(tmp_path / "dask", workers=3) as cluster:
        hurt: list[str] = []

        def hurting(stage: str, done: int, _: int) -> None:
            if stage == "ingest" and done == 3 and not hurt:
                cluster.workers[0].kill()
                cluster.workers[1].send_signal(signal.SIGSTOP)
                hurt.append("both")

        flow.run(port.campaign(), output=output, engine=cluster.address, device="cpu",
                 progress=hurting)  # fmt: skip
        assert hurt
    assert plain(output) == undisturbed[0]


@pytest.mark.slow
def test_a_scheduler_that_dies_stops_the_run_which_then_goes_on(
    port: TinyPort, undisturbed: tuple[Any, float], tmp_path: Path
) -> None:
    output = port.folder / "scheduler"
    with dask_processes(tmp_path / "dask", workers=1, tls=False) as cluster:

        def killing(stage: str, done: int, _: int) -> None:
            if stage == "ingest" and done == 4:
                cluster.scheduler.kill()

        with pytest.raises(EngineLostError, match="what is done is kept") as lost:
            flow.run(port.campaign(), output=output, engine=cluster.address, device="cpu",
                     progress=killing)  # fmt: skip
        assert lost.value.exit_code == 1
    before = count(output, "ingest")
    assert 4 <= before < SCENES
    flow.run(port.campaign(), output=output, engine="serial", device="cpu")
    assert plain(output) == undisturbed[0]


# ------------------------------------------------------------------------------ full, read-only
@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1200k", "none", str(place)],
                       check=True, capture_output=True)  # fmt: skip
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no tmpfs can be mounted here: {error}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)


def test_a_full_disk_ends_the_run_and_harms_nothing(
    port: TinyPort, undisturbed: tuple[Any, float], small_disk: Path, tmp_path: Path
) -> None:
    output = small_disk / "run"
    few = TinyPort(tmp_path / "few")
    for day in range(2):
        few.scene(f"s{day:02d}")
    flow.run(few.campaign(), output=output, engine="serial", device="cpu")
    before = plain(output)
    tables = {n: (output / f"{n}.parquet").read_bytes() for n in TABLES}
    (small_disk / "ballast").write_bytes(b"x" * _free(small_disk, leave=20_000))
    for day in range(2, 6):
        few.scene(f"s{day:02d}")
    with pytest.raises(OutputError, match=r"No space left|full") as error:
        flow.run(few.campaign(), output=output, engine="serial", device="cpu")
    assert error.value.exit_code == 2
    assert {n: (output / f"{n}.parquet").read_bytes() for n in TABLES} == tables
    assert plain(output) == before
    assert eo.open_run(output).cube["dn"].load().max() > 0
    (small_disk / "ballast").unlink()
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    flow.run(few.campaign(), output=output, engine="serial", device="cpu")
    assert len(plain(output)["scenes"]) == 6


def _free(place: Path, *, leave: int) -> int:
    stat = os.statvfs(place)
    return max(0, stat.f_bavail * stat.f_frsize - leave)


@pytest.mark.parametrize("fails_at", [0, 3, 8, 13])
def test_a_disk_that_fills_at_any_write_leaves_the_last_results(
    port: TinyPort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int
) -> None:
    few = made(tmp_path, 2)
    flow.run(few.campaign(), engine="serial", device="cpu")
    folder = tmp_path / "run"
    before = plain(folder)
    few.scene("s09")
    real, calls, lock = os.fsync, [0], threading.Lock()

    def full(handle: int) -> None:
        with lock:
            calls[0] += 1
            if calls[0] > fails_at:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match="No space left"):
            flow.run(few.campaign(), engine="serial", device="cpu")
    assert plain_of(eo.open_run(folder)) in (before, plain(folder))
    flow.run(few.campaign(), engine="serial", device="cpu")
    assert len(plain(folder)["scenes"]) == 3


def plain_of(run: eo.Run) -> dict[str, list[dict[str, Any]]]:
    """Rows as a reader sees them who goes through `eo`."""
    from eo.access.publishing import MemoryFiles

    files = run._results[1]
    assert isinstance(files, MemoryFiles)
    out = {}
    for name in TABLES:
        out[name] = [dataclasses.asdict(row) for row in read_rows(files, name)]
        for row in out[name]:
            row.pop("reference_id", None)
    return out


def test_a_folder_that_may_not_be_written_is_refused_and_can_be_read(port: TinyPort) -> None:
    """As nobody, on a folder of root's: in a child, since there is no way back to root."""
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        base.chmod(0o755)
        few = made(base / "in", 2)
        asked = few.campaign()
        flow.run(asked, output=base / "run", engine="serial", device="cpu")
        before = plain(base / "run")
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.setgid(65534)
            os.setuid(65534)
            text = b"no error"
            try:
                seen = len(eo.open_run(base / "run").scenes)
                flow.run(asked, output=base / "run", engine="serial", device="cpu")
            except OutputError as error:
                text = f"{seen} {error.exit_code} {error}".encode()
            finally:
                os.write(write, text)
                os._exit(0)
        os.waitpid(child, 0)
        os.close(write)
        said = os.read(read, 10_000).decode()
        os.close(read)
        assert said.startswith("2 2 ")
        assert "cannot be written" in said
        assert plain(base / "run") == before
