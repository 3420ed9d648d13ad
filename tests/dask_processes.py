"""A Dask scheduler and workers as processes of their own, with TLS, to be killed and cut off."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from distributed.security import Security

__all__ = ["DaskProcesses", "dask_processes"]

_KEYS = {
    "tls_ca_file": "CA_FILE",
    "tls_scheduler_cert": "SCHEDULER__CERT",
    "tls_scheduler_key": "SCHEDULER__KEY",
    "tls_worker_cert": "WORKER__CERT",
    "tls_worker_key": "WORKER__KEY",
    "tls_client_cert": "CLIENT__CERT",
    "tls_client_key": "CLIENT__KEY",
}


class DaskProcesses:
    """Scheduler and workers; each is a process that a test may send signals to."""

    def __init__(self, folder: Path, *, tls: bool) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            # A worker that is silent for so long is taken for dead.
            "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "15s",
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
            "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "14s",
        }
        if tls:
            self.environment |= _certificates(folder)
        scheme = "tls" if tls else "tcp"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"{scheme}://127.0.0.1:{probe.getsockname()[1]}"
        self.scheduler = self._start(
            "scheduler", "--host", self.address.rpartition(":")[0],
            "--port", self.address.rpartition(":")[2], "--no-dashboard",
        )  # fmt: skip
        self.workers: list[subprocess.Popen[bytes]] = []

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        with (self.folder / "dask.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", *words],
                env=self.environment, stdout=log, stderr=log, cwd=self.folder,
            )  # fmt: skip

    def add_workers(self, count: int, *more: str) -> None:
        """Start workers of one thread, without nannies: the process is the worker."""
        for _ in range(count):
            worker = self._start(
                "worker", self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard",
                "--memory-limit", "2GiB", "--host", self.address.rpartition(":")[0], *more,
            )  # fmt: skip
            self.workers.append(worker)

    def close(self) -> None:
        """End them all."""
        for process in [*self.workers, self.scheduler]:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait(30)


def _certificates(folder: Path) -> dict[str, str]:
    """Write temporary certificates; return the environment that leads Dask to them."""
    security = Security.temporary()
    environment = {"DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "true"}
    for attribute, name in _KEYS.items():
        path = folder / f"{attribute}.pem"
        path.write_text(getattr(security, attribute))
        path.chmod(0o600)
        environment[f"DASK_DISTRIBUTED__COMM__TLS__{name}"] = str(path)
    return environment


@contextlib.contextmanager
def dask_processes(folder: Path, *, workers: int, tls: bool = True) -> Iterator[DaskProcesses]:
    """Start a scheduler and workers; wait until all are there."""
    import dask
    from dask.distributed import Client

    folder.mkdir(parents=True, exist_ok=True)
    cluster = DaskProcesses(folder, tls=tls)
    try:
        cluster.add_workers(workers)
        prefix = "DASK_DISTRIBUTED__COMM__TLS__"
        config = {
            "distributed.comm.tls.ca-file": cluster.environment.get(f"{prefix}CA_FILE"),
            "distributed.comm.tls.client.cert": cluster.environment.get(f"{prefix}CLIENT__CERT"),
            "distributed.comm.tls.client.key": cluster.environment.get(f"{prefix}CLIENT__KEY"),
            "distributed.comm.timeouts.connect": "10s",
        }
        with dask.config.set(config):
            deadline = time.monotonic() + 120
            while True:
                try:
                    with Client(
                        cluster.address, timeout=5, set_as_default=False, security=Security()
                    ) as client:
                        client.wait_for_workers(workers, timeout=100)
                    break
                except (OSError, TimeoutError):
                    assert cluster.scheduler.poll() is None, (folder / "dask.log").read_text()
                    assert time.monotonic() < deadline, (folder / "dask.log").read_text()
            yield cluster
    finally:
        cluster.close()
