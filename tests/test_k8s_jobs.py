"""The life cycle of Jobs against an emulated API server: created, watched, failed, found again.

Pods are calls in this process, so that only the planner's side is under test here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("kmock", reason="kmock (an emulated API server) is not installed")
pytest.importorskip("kr8s", reason="kr8s (a Kubernetes client) is not installed")

from cluster import Call, Cluster

from eo.access.files import LocalFiles, open_files
from eo.access.parts import open_parts
from eo.core.errors import CampaignError, EngineError, EngineLostError, SceneError
from eo.core.seams import Needs, Outcome
from eo.engine.k8s_api import JobApi
from eo.engine.k8s_jobs import job_name, load_templates
from eo.engine.k8s_work import (
    Failure,
    RecordedEngine,
    read_failures,
    read_index,
    read_list,
    write_failures,
    write_list,
)
from eo.engine.kubernetes import KubernetesEngine

TEMPLATES = Path(__file__).resolve().parents[1] / "k8s" / "base" / "jobs"


@dataclass(frozen=True)
class Item:
    fingerprint: str
    output: str


def ingest(item: Item) -> str:
    raise AssertionError("units run in pods")


def items(folder: Path, count: int) -> list[Item]:
    return [Item(fingerprint=f"{n:032x}", output=str(folder)) for n in range(count)]


class Pods:
    """Worker pods as calls: they write parts, as told."""

    def __init__(self, folder: Path) -> None:
        self.files = open_files(folder)
        self.parts = open_parts(folder)
        self.attempts: list[tuple[int, int]] = []
        self.does: Callable[[int, int, list[str]], int] = self.work
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, spec: dict[str, Any], annotations: dict[str, str], _name: str) -> Call:
        args = spec["containers"][0]["args"]
        phase = args[args.index("--phase") + 1]
        index, failures = (
            int(annotations[key])
            for key in ("index", "batch.kubernetes.io/job-index-failure-count")
        )
        if "--plan" not in args:
            return Call(lambda: 0)
        plan = args[args.index("--plan") + 1]
        _, entries = read_index(self.files, phase, index, plan)
        prints = [entry["fingerprint"] for entry in entries]
        self.attempts.append((index, failures))

        def run() -> int:
            self.gate.wait(30)
            return self.does(index, failures, prints)

        return Call(run)

    def work(self, _index: int, _failures: int, prints: list[str]) -> int:
        for part in prints:
            self.parts.write("ingest", part, {}, {})
        return 0


@dataclass
class Night:
    cluster: Cluster
    pods: Pods
    folder: Path
    made: list[KubernetesEngine]

    def engine(self, run: str = "night-1", per_index: int = 2) -> KubernetesEngine:
        """A planner's engine; each call is one life of the planner."""
        engine = KubernetesEngine(
            JobApi(watch_s=0.5, pause_s=0.05),
            load_templates(TEMPLATES, image="registry.example/eo:1"),
            open_files(self.folder),
            campaign="Port of Tests",
            run=run,
            per_index=per_index,
            parallelism=3,
        )
        self.made.append(engine)
        return engine

    def mapped(self, count: int, **options: Any) -> dict[str, Outcome[Item, str]]:
        engine = self.engine(**options)
        found = engine.map(ingest, items(self.folder, count))
        return {outcome.item.fingerprint[-2:]: outcome for outcome in found}


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Night]:
    folder = tmp_path / "run"
    folder.mkdir()
    pods = Pods(folder)
    with Cluster(pods) as cluster:
        monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig(tmp_path / "kubeconfig")))
        made: list[KubernetesEngine] = []
        yield Night(cluster, pods, folder, made)
        for engine in made:
            engine.close()


def test_a_phase_is_one_indexed_job(night: Night) -> None:
    found = night.mapped(5)
    assert [o.value for o in found.values()] == [i.fingerprint for i in items(night.folder, 5)]
    (job,) = night.cluster.jobs().values()
    spec = job["spec"]
    assert (spec["completions"], spec["parallelism"], spec["maxFailedIndexes"]) == (3, 3, 1)
    (container,) = spec["template"]["spec"]["containers"]
    assert container["image"] == "registry.example/eo:1"
    assert container["args"][:3] == ["worker", "--phase", "ingest"]
    assert job["metadata"]["name"].startswith("eo-port-of-tests-ingest-")
    assert sorted(night.pods.attempts) == [(0, 0), (1, 0), (2, 0)]


def test_nothing_to_do_creates_nothing(night: Night) -> None:
    assert night.mapped(0) == {}
    assert night.cluster.jobs() == {}


def test_an_index_that_failed_is_tried_again_and_one_that_always_fails_costs_its_units_alone(
    night: Night,
) -> None:
    def does(index: int, failures: int, prints: list[str]) -> int:
        if index == 1 or (index == 0 and failures < 2):
            return 137
        return night.pods.work(index, failures, prints)

    night.pods.does = does
    found = night.mapped(6)
    assert [bool(o.error) for o in found.values()] == [False, False, True, True, False, False]
    error = found["02"].error
    assert isinstance(error, EngineError)
    assert "run again" in str(error)
    assert night.pods.attempts.count((0, 2)) == 1
    assert max(failures for index, failures in night.pods.attempts if index == 1) == 3
    (job,) = night.cluster.jobs().values()
    assert job["status"]["failedIndexes"] == "1"


def test_a_unit_that_failed_says_what_the_worker_said(night: Night) -> None:
    def does(index: int, failures: int, prints: list[str]) -> int:
        folder = read_list(night.pods.files, "ingest").folder
        told = [
            Failure.of(prints[0], SceneError("red.tif is cut off")),
            Failure.of(prints[1], ZeroDivisionError("division by zero")),
        ]
        write_failures(night.pods.files, folder, index, told)
        return 0

    night.pods.does = does
    first, second = night.mapped(2).values()
    assert isinstance(first.error, SceneError)
    assert str(first.error) == "red.tif is cut off"
    assert type(second.error).__name__ == "ZeroDivisionError"
    recorded = RecordedEngine(night.made[0].failures)
    again = list(recorded.map(ingest, items(night.folder, 2)))
    assert [str(o.error) for o in again] == ["red.tif is cut off", "division by zero"]


def test_exit_code_2_ends_the_whole_job_at_once(night: Night) -> None:
    night.pods.does = lambda *_: 2
    with pytest.raises(EngineError, match="PodFailurePolicy"):
        night.mapped(6)


def test_a_watch_that_breaks_off_is_taken_up_again(night: Night) -> None:
    night.cluster.longest_watch_s = 0.3
    night.pods.gate.clear()
    threading.Timer(2.0, night.pods.gate.set).start()
    found = night.mapped(2)
    assert all(o.error is None for o in found.values())
    assert night.cluster.watches >= 2


def test_a_busy_api_server_is_asked_again_and_a_refusal_is_final(night: Night) -> None:
    night.cluster.refused = [503, 429]
    assert all(o.error is None for o in night.mapped(2).values())
    night.cluster.refused = [403] * 20
    with pytest.raises(EngineError, match="service account"):
        night.mapped(4, run="night-2")
    night.cluster.refused = []


def test_a_planner_that_was_killed_goes_on_with_its_job(night: Night) -> None:
    night.pods.gate.clear()
    first = night.engine()
    todo = items(night.folder, 4)
    thread = threading.Thread(target=lambda: list(first.map(ingest, todo)), daemon=True)
    thread.start()
    while not night.pods.attempts:
        time.sleep(0.01)
    # Its second life: some parts are there by now, so less is left than was laid out.
    night.pods.parts.write("ingest", todo[0].fingerprint, {}, {})
    threading.Timer(0.5, night.pods.gate.set).start()
    found = list(night.engine().map(ingest, todo[1:]))
    assert [o.value for o in found] == [i.fingerprint for i in todo[1:]]
    assert len(night.cluster.jobs()) == 1
    assert sorted(night.pods.attempts) == [(0, 0), (1, 0)]
    thread.join(20)
    # Another night's planner has work of its own, under a name of its own.
    assert all(o.error is None for o in night.mapped(6, run="night-2").values())
    assert len(night.cluster.jobs()) == 2


def test_a_planner_killed_before_it_created_the_job_creates_it(night: Night) -> None:
    todo = items(night.folder, 4)
    listed = [(i.fingerprint, {"fingerprint": i.fingerprint}) for i in todo]
    write_list(night.pods.files, "ingest", "night-1", listed, per_index=2)
    assert all(o.error is None for o in night.mapped(4).values())


def test_a_job_that_was_deleted_leaves_its_units_undone(night: Night) -> None:
    night.pods.gate.clear()

    def delete() -> None:
        while not (jobs := night.cluster.jobs()):
            time.sleep(0.01)
        api = JobApi(pause_s=0.05)
        api.delete(next(iter(jobs)))
        api.close()

    threading.Thread(target=delete, daemon=True).start()
    found = night.mapped(2)
    night.pods.gate.set()
    assert all("run again" in str(o.error) for o in found.values())


def test_a_step_is_one_pod_and_done_once(night: Night) -> None:
    night.engine().step("commit")
    night.engine().step("commit")
    (job,) = night.cluster.jobs().values()
    assert "completionMode" not in job["spec"]
    assert job["spec"]["template"]["spec"]["containers"][0]["args"] == [
        "worker", "--phase", "commit", str(night.folder),
    ]  # fmt: skip


def test_a_step_that_failed_is_tried_anew_by_the_planners_next_life(night: Night) -> None:
    codes = [1] * 4
    start = night.pods.__call__

    def pod(spec: dict[str, Any], annotations: dict[str, str], name: str) -> Call:
        return Call(codes.pop) if codes else start(spec, annotations, name)

    night.cluster._start_pod = pod
    with pytest.raises(EngineLostError, match="BackoffLimit"):
        night.engine().step("finish")
    night.engine().step("finish")
    codes += [2]
    with pytest.raises(EngineError, match="PodFailurePolicy"):
        night.engine(run="night-2").step("finish")


def test_a_unit_larger_than_the_containers_limit_is_refused(night: Night) -> None:
    with pytest.raises(EngineError, match=r"4\.0 GiB"):
        night.engine().check(Needs(host_bytes=8 * 2**30))
    night.engine().check(Needs(host_bytes=2**30))


def test_lists_of_work_hold_together(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    listed = [(f"{n:032x}", {"n": n}) for n in range(25)]
    made = write_list(files, "measure", "r", listed, per_index=2, most=5)
    assert made.indexes == 5
    seen = [e["n"] for k in range(5) for e in read_index(files, "measure", k)[1]]
    assert seen == list(range(25))
    assert read_list(files, "measure") == made
    assert read_failures(files, made.folder) == {}
    with pytest.raises(CampaignError, match="no index 9"):
        read_index(files, "measure", 9)
    with pytest.raises(CampaignError, match="no list of work"):
        read_index(files, "ingest", 0)


def test_names_of_jobs_leave_room_for_their_pods() -> None:
    name = job_name("A very long campaign's name, with signs. " * 3, "reference", "0" * 12)
    assert len(name) <= 52
    assert name == name.lower()
    assert job_name("a" * 90 + "1", "ingest", "0") != job_name("a" * 90 + "2", "ingest", "0")


def test_without_an_api_server_the_refusal_says_so(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "kubeconfig"
    with Cluster(lambda *_: Call(lambda: 0)) as cluster:
        cluster.kubeconfig(path)
    monkeypatch.setenv("KUBECONFIG", str(path))
    with pytest.raises(EngineError, match="no Kubernetes API server answers"):
        JobApi()
