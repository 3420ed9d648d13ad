"""The emulated cluster run: the manifests' own commands, as processes, some of them killed.

Emulated is the API server (kmock) and the kubelet (`cluster.py`); real are the planner, the
workers, their commands and their signals. It must end as a local run does, row for row.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tiny import TinyPort

pytest.importorskip("kmock", reason="kmock (an emulated API server) is not installed")
pytest.importorskip("kr8s", reason="kr8s (a Kubernetes client) is not installed")

from cluster import Cluster, Processes

from eo import flow
from eo.access.tables import TABLES, read_rows

ROOT = Path(__file__).resolve().parents[1]
BASE = ROOT / "k8s" / "base"


def campaign(folder: Path) -> Path:
    """Four days, one of them with a file that is cut off."""
    port = TinyPort(folder)
    for day in range(4):
        port.scene(f"s{day}")
    broken = folder / "s2" / "red.tif"
    broken.write_bytes(broken.read_bytes()[:400])
    return port.campaign()


def until(said: Callable[[], Any], what: str, limit_s: float = 400.0) -> Any:
    deadline = time.monotonic() + limit_s
    while not (found := said()):
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
    return found


class Planner:
    """The CronJob's pod, started by hand."""

    def __init__(self, folder: Path, cluster: Cluster, asked: Path) -> None:
        self.pods = Processes(
            volumes={"/etc/eo": asked.parent, "/etc/eo-jobs": BASE / "jobs"},
            folder=folder / "pods",
            extra={
                "KUBECONFIG": str(cluster.kubeconfig(folder / "kubeconfig")),
                "EO_OUTPUT": str(folder / "cluster"),
                "EO_PER_INDEX": "3",
                # The emulated server loses what happens between a look and a watch.
                "EO_WATCH_S": "1",
                "OMP_NUM_THREADS": "1",
                "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            },
        )
        cronjob = yaml.safe_load((BASE / "cronjob.yaml").read_text())
        self.spec = cronjob["spec"]["jobTemplate"]["spec"]["template"]["spec"]

    def start(self) -> subprocess.Popen[bytes]:
        labels = {
            "batch.kubernetes.io/job-name": "eo-planner-29384750",
            "batch.kubernetes.io/controller-uid": "b9b1",
        }
        started = self.pods(self.spec, labels, "planner")
        assert isinstance(started, subprocess.Popen)
        return started


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_emulated_cluster_run_equals_the_local_run_row_for_row(tmp_path: Path) -> None:
    asked = campaign(tmp_path / "port")
    local = flow.run(asked, output=tmp_path / "local", engine="serial", device="cpu")
    workers = Processes(
        volumes={}, folder=tmp_path / "workers", extra={"OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.environ.get("PYTHONPATH", "")},
    )  # fmt: skip
    with Cluster(workers) as cluster:
        night = Planner(tmp_path, cluster, asked)
        first = night.start()
        # A worker is killed in the middle of the first Job, and so is the planner.
        (victim, *_) = until(lambda: cluster.pods("ingest"), "no worker of ingest was started")
        os.kill(victim.pid, signal.SIGKILL)
        until(lambda: len(workers.started) > 2, "the killed index was not started anew")
        first.kill()
        first.wait()
        second = night.start()
        # A node goes away under a worker of the last Job of units.
        until(lambda: cluster.pods("measure"), "no worker of measure was started")
        time.sleep(1.0)
        cluster.evict("measure")
        code = second.wait(timeout=400)
        log = "\n".join(p.read_text() for p in sorted((tmp_path / "pods").glob("*.log")))
        assert code == local.exit_code == 3, log[-4000:]
        jobs = cluster.jobs()
    mine, theirs = ({n: read_rows(f, n) for n in TABLES} for f in (tmp_path / "cluster",
                                                                   tmp_path / "local"))  # fmt: skip
    assert mine == theirs
    assert [row.status for row in theirs["scenes"]] == ["used", "used", "failed", "used"]
    # One Job a phase and step, the planner's two lives together.
    phases = sorted(name.split("-")[2] for name in jobs)
    assert phases == ["commit", "finish", "ingest", "measure", "reference"], log[-4000:]
    owners = {job["metadata"]["ownerReferences"][0]["name"] for job in jobs.values()}
    assert owners == {"eo-planner-29384750"}
    # The role allows no other verb, and no list.
    assert {method for method, _ in cluster.requests} <= {"GET", "POST", "WATCH", "DELETE"}
    assert not any(m == "GET" and path.endswith("/jobs") for m, path in cluster.requests)
