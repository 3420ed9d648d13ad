"""The worker: what it does with an index, what its exit code says, how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny import TinyPort

from eo import flow, worker
from eo.access.files import LocalFiles, open_files
from eo.access.parts import LocalParts, open_parts
from eo.core.config import load_campaign
from eo.core.errors import CampaignError, DeviceError, OutputError
from eo.core.records import to_json
from eo.core.work import IngestItem
from eo.engine import local
from eo.engine.k8s_work import Failure, read_failures, write_list
from eo.engine.lifeline import Ending, Heartbeat
from eo.engine.local import SerialEngine
from eo.engine.retries import LostUnitError
from eo.session import open_session

SCENES = 3


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> list[IngestItem]:
    """Ingest items of a small port; the second one's red band is cut off."""
    folder = tmp_path_factory.mktemp("port")
    port = TinyPort(folder)
    for day in range(SCENES):
        port.scene(f"s{day}")
    red = folder / "s1" / "red.tif"
    red.write_bytes(red.read_bytes()[:400])
    campaign = load_campaign(port.campaign())
    session = open_session(campaign, SerialEngine(), device="cpu", progress=lambda *_: None)
    return list(session.planner.ingest_items(session.usable, session.grids))


def laid_out(place: Path, items: list[IngestItem], per_index: int = SCENES) -> Any:
    listed = [(item.fingerprint, to_json(IngestItem, item)) for item in items]
    return write_list(LocalFiles(place), "ingest", "r", listed, per_index=per_index)


def test_an_index_leaves_parts_and_says_what_failed(tmp_path: Path, items) -> None:
    work = laid_out(tmp_path, items)
    assert worker.run_index(str(tmp_path), "ingest", 0, device="cpu") == 0
    parts = LocalParts(tmp_path)
    assert [parts.exists("ingest", i.fingerprint) for i in items] == [True, False, True]
    (failure,) = read_failures(LocalFiles(tmp_path), work.folder).values()
    assert failure.fingerprint == items[1].fingerprint
    # In the words that a local run finds.
    (outcome,) = SerialEngine().map(
        worker.PHASES["ingest"][1], [replace(items[1], output=str(tmp_path / "x"))]
    )
    assert str(failure.exception()) == str(outcome.error)
    assert type(failure.exception()) is type(outcome.error)


def test_another_attempt_does_only_what_is_missing(tmp_path: Path, items, monkeypatch) -> None:
    laid_out(tmp_path, items)
    worker.run_index(str(tmp_path), "ingest", 0, device="cpu")
    done: list[str] = []
    kind, unit = worker.PHASES["ingest"]
    counting = {"ingest": (kind, lambda item: done.append(item.fingerprint) or unit(item))}
    monkeypatch.setattr(worker, "PHASES", counting)
    assert worker.run_index(str(tmp_path), "ingest", 0, device="cpu") == 0
    assert done == [items[1].fingerprint]


def test_a_unit_that_two_attempts_died_on_is_left_out(tmp_path: Path, items, monkeypatch) -> None:
    """Attempt 0 runs all at once; attempt 1 names each first; attempt 2 knows the culprit."""
    work = laid_out(tmp_path, items)
    poison = items[0].fingerprint
    kind, unit = worker.PHASES["ingest"]

    class DiedError(BaseException):
        """Stands for kill -9: nothing of this process runs after it."""

    def deadly(item: Any) -> str:
        if item.fingerprint == poison:
            raise DiedError
        return unit(item)

    monkeypatch.setattr(worker, "PHASES", {"ingest": (kind, deadly)})
    with pytest.raises(DiedError):
        worker.run_index(str(tmp_path), "ingest", 0, device="cpu", attempt=1)
    assert worker.run_index(str(tmp_path), "ingest", 0, device="cpu", attempt=2) == 0
    told = read_failures(LocalFiles(tmp_path), work.folder)
    assert type(told[poison].exception()) is LostUnitError
    assert LocalParts(tmp_path).exists("ingest", items[2].fingerprint)


def test_the_same_attempt_started_anew_blames_nobody(tmp_path: Path, items) -> None:
    """A node was taken away: the count of failures has not grown, so the unit was not at fault."""
    work = laid_out(tmp_path, items)
    marker = {"fingerprint": items[0].fingerprint, "attempt": 1}
    (tmp_path / work.folder / "000000.trying.json").write_text(json.dumps(marker))
    assert worker.run_index(str(tmp_path), "ingest", 0, device="cpu", attempt=1) == 0
    assert items[0].fingerprint not in read_failures(LocalFiles(tmp_path), work.folder)


def test_a_worker_that_is_told_to_end_starts_nothing_more(tmp_path: Path, items) -> None:
    work = laid_out(tmp_path, items)
    code = worker.run_index(str(tmp_path), "ingest", 0, device="cpu", stopping=lambda: True)
    assert code == 1
    assert not (tmp_path / "parts").exists()
    assert read_failures(LocalFiles(tmp_path), work.folder) == {}


def test_a_store_that_fails_is_no_fault_of_the_scene(tmp_path: Path, items, monkeypatch) -> None:
    work = laid_out(tmp_path, items)

    def full(_: Any) -> str:
        raise OutputError("no space left")

    monkeypatch.setattr(worker, "PHASES", {"ingest": (IngestItem, full)})
    assert worker.run_index(str(tmp_path), "ingest", 0, device="cpu") == 1
    assert read_failures(LocalFiles(tmp_path), work.folder) == {}


def test_what_is_wrong_with_the_command_is_said(tmp_path: Path, items) -> None:
    with pytest.raises(CampaignError, match="phase 'ingset' is unknown"):
        worker.run_index(str(tmp_path), "ingset", 0)
    with pytest.raises(CampaignError, match="no list of work"):
        worker.run_index(str(tmp_path), "ingest", 0)
    laid_out(tmp_path, items)
    with pytest.raises(CampaignError, match="no index 7"):
        worker.run_index(str(tmp_path), "ingest", 7)
    with pytest.raises(CampaignError, match="no session"):
        worker.run_step(str(tmp_path), "commit")


def test_failures_cross_processes_without_credentials(monkeypatch) -> None:
    monkeypatch.setenv("STORE_SECRET", "hunter2hunter2")
    failure = Failure.of("0" * 32, ValueError("https://x/y?sig=abc said hunter2hunter2"))
    assert "sig=abc" not in failure.message
    assert "hunter2" not in failure.message
    again = failure.exception()
    assert isinstance(again, ValueError)
    assert type(Failure(fingerprint="0", error="CudaError", message="m").exception()).__name__ == (
        "CudaError"
    )


def test_the_heart_stops_when_nothing_is_done(tmp_path: Path) -> None:
    path = tmp_path / "beat"
    with Heartbeat(path, limit_s=0.6, every_s=0.05) as heart:
        for _ in range(20):
            heart.beat()
            time.sleep(0.05)
        alive = path.stat().st_mtime_ns
        time.sleep(1.2)
        stopped = path.stat().st_mtime_ns
        time.sleep(0.3)
        assert path.stat().st_mtime_ns == stopped
    assert alive <= stopped
    with Heartbeat(None) as none:
        none.beat()


def test_the_end_comes_within_the_grace_period(tmp_path: Path) -> None:
    code = (
        "import time, sys\n"
        "from eo.engine.lifeline import Ending\n"
        "with Ending(0.5) as ending:\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(60)\n"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(worker.__file__).parents[1])},
    )
    with run:
        assert run.stdout is not None
        assert run.stdout.readline()
        start = time.monotonic()
        run.send_signal(signal.SIGTERM)
        assert run.wait(30) == 1
        assert time.monotonic() - start < 20


def test_the_end_can_be_asked_for() -> None:
    with Ending(60.0) as ending:
        assert not ending.asked()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.05)
        assert ending.asked()
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.cancel()


@pytest.mark.parametrize(("said", "cores"), [("50000 100000", 1), ("max 100000", 0), ("", 0)])
def test_a_containers_share_of_the_processors_is_read(
    tmp_path: Path, monkeypatch, said: str, cores: int
) -> None:
    quota = tmp_path / "cpu.max"
    monkeypatch.setattr(local, "_QUOTA", quota)
    free = local.worker_count()
    quota.write_text(said)
    assert local.worker_count() == (cores or free)


def test_a_device_that_is_not_there_is_for_another_node(tmp_path: Path, items, monkeypatch) -> None:
    laid_out(tmp_path, items)
    monkeypatch.setattr("eo.core.xp.gpu_count", lambda: 0)
    with pytest.raises(DeviceError):
        worker.run_index(str(tmp_path), "ingest", 0, device="gpu")
    app = pytest.importorskip("typer.testing").CliRunner().invoke
    from eo.cli import app as commands

    asked = ["worker", "--phase", "ingest", "--index", "0", "--device", "gpu", str(tmp_path)]
    assert app(commands, asked).exit_code == 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_index_of_a_run_in_a_bucket(items, monkeypatch) -> None:
    pytest.importorskip("moto", reason="moto (an S3 server) is not installed")
    from s3_server import bucket_server, use_endpoint

    with bucket_server() as endpoint:
        use_endpoint(monkeypatch, endpoint)
        place = "s3://port/vostochny"
        listed = [(item.fingerprint, to_json(IngestItem, item)) for item in items]
        files = open_files(place)
        work = write_list(files, "ingest", "r", listed, per_index=2)
        assert [worker.run_index(place, "ingest", k, device="cpu") for k in (0, 1)] == [0, 0]
        assert set(read_failures(files, work.folder)) == {items[1].fingerprint}
        parts = open_parts(place)
        assert [parts.exists("ingest", i.fingerprint) for i in items] == [True, False, True]


@pytest.mark.slow
def test_the_command_as_a_container_runs_it(tmp_path: Path, items) -> None:
    """Index by environment, heartbeat, exit codes."""
    laid_out(tmp_path, items)
    env = {**os.environ, "JOB_COMPLETION_INDEX": "0", "EO_ATTEMPT": "", "EO_DEVICE": "cpu",
           "EO_HEARTBEAT": str(tmp_path / "beat"), "EO_GRACE_S": "30"}  # fmt: skip
    command = [sys.executable, "-m", "eo", "worker", "--phase", "ingest", str(tmp_path)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "beat").exists()
    env["JOB_COMPLETION_INDEX"] = "5"
    wrong = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert "holds no index 5" in wrong.stderr


def test_steps_go_through_the_same_flow(tmp_path: Path) -> None:
    """commit and finish, by what a planner wrote down: rows as a local run's."""
    port = TinyPort(tmp_path)
    for day in range(SCENES):
        port.scene(f"s{day}")
    asked = port.campaign()
    nearby = flow.run(asked, output=tmp_path / "local", engine="serial", device="cpu")
    campaign = load_campaign(asked, output=tmp_path / "steps")
    session = open_session(campaign, SerialEngine(), device="cpu", progress=lambda *_: None)
    session.planner.look_up_assets(session.usable)
    worker.save_session(session, "r", {})
    whole = flow.ingest_scenes(session)
    assert worker.run_step(campaign.output, "commit") == 0
    flow.measure_scenes(session, whole)
    assert worker.run_step(campaign.output, "finish") == 0
    from eo.results import open_run

    mine = open_run(campaign.output)
    for name in ("scenes", "looks", "calls", "totals"):
        assert getattr(mine, name).equals(getattr(nearby, name)), name
    assert mine.provenance["engine"] == "kubernetes"
    assert list(mine.cubes) == list(nearby.cubes)
    with LocalFiles(campaign.output).writing():
        assert worker.run_step(campaign.output, "finish") == 1
