"""A cluster that is not one: an emulated API server (kmock) and a kubelet of a few lines.

The kubelet starts what Jobs say, follows their failure policy, and patches their status as the
Job controller does. Pods are processes on this machine (or calls in this process, where a test
wants only the life cycle); volumes are folders. Nothing here was ever a real cluster.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

import yaml

NAMESPACE = "eo"
JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"


class Pod(Protocol):
    """What runs in a container."""

    def poll(self) -> int | None: ...

    def send_signal(self, number: int) -> None: ...


class Call:
    """A pod that is a function in a thread of this process."""

    def __init__(self, function: Callable[[], int]) -> None:
        self._code: int | None = None
        self._thread = threading.Thread(target=self._run, args=(function,), daemon=True)
        self._thread.start()

    def _run(self, function: Callable[[], int]) -> None:
        self._code = function()

    def poll(self) -> int | None:
        return self._code

    def send_signal(self, number: int) -> None:
        """A call cannot be stopped; it ends by itself."""


@dataclass
class Processes:
    """Starts pods as processes, with folders for volumes.

    Parameters
    ----------
    volumes
        Mount path in the manifests -> folder here.
    """

    volumes: dict[str, Path]
    folder: Path
    extra: dict[str, str] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)

    def __call__(self, spec: dict[str, Any], annotations: dict[str, str], name: str) -> Pod:
        (container,) = spec["containers"]
        own = self.folder / f"pod-{len(self.started)}"
        own.mkdir(parents=True)
        mounts = {**self.volumes, "/tmp": own}  # noqa: S108 - the container's own

        def here(text: str) -> str:
            if Path(text).is_relative_to(self.folder.parent):
                return text  # a volume already
            for mount, place in mounts.items():
                if text == mount or text.startswith(f"{mount}/"):
                    return str(place) + text[len(mount) :]
            return text

        env = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **self.extra}
        if "index" in annotations:
            env["JOB_COMPLETION_INDEX"] = annotations["index"]
        for entry in container.get("env", ()):
            value = entry.get("value")
            if value is None:
                key = entry["valueFrom"]["fieldRef"]["fieldPath"].split("'")[1]
                value = annotations.get(key, "")
            env[entry["name"]] = here(value)
        command = [here(word) for word in (*container["command"], *container["args"])]
        self.started.append(shlex.join(command))
        log = (self.folder / f"{name}-{len(self.started)}.log").open("wb")
        return subprocess.Popen(command, env=env, stdout=log, stderr=log, cwd=own)


@dataclass
class _Index:
    """One index of a Job (a Job without indexes has one)."""

    failures: int = 0
    state: str = "pending"
    pod: Pod | None = None
    evicted: bool = False


class Cluster:
    """API server and kubelet, each in a thread; use as a context.

    Parameters
    ----------
    start
        Makes a pod of a pod's spec, its annotations and a name.
    """

    def __init__(self, start: Callable[[dict[str, Any], dict[str, str], str], Pod]) -> None:
        self._start_pod = start
        self._jobs: dict[str, list[_Index]] = {}
        self._over = threading.Event()
        self._closing = threading.Event()
        self._ready = threading.Event()
        self.url = ""
        self.requests: list[tuple[str, str]] = []
        self.refused: list[int] = []
        """HTTP statuses to answer the next requests for Jobs with."""
        self.paused = False
        """Whether the kubelet stands still."""
        self.watches = 0
        self.longest_watch_s = 60.0

    def __enter__(self) -> Self:
        self._server = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._server.start()
        assert self._ready.wait(20)
        self._kubelet = threading.Thread(target=self._reconcile, daemon=True)
        self._kubelet.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._kubelet.join(30)
        self._closing.set()
        for indexes in self._jobs.values():
            for index in indexes:
                if isinstance(index.pod, subprocess.Popen) and index.pod.poll() is None:
                    index.pod.kill()
                    index.pod.wait()
        self._server.join(30)

    async def _serve(self) -> None:
        import kmock

        class Emulator(kmock.KubernetesEmulator):  # type: ignore[misc]
            async def _handle(this, request: Any) -> Any:  # noqa: N805
                import aiohttp.web

                path = str(request.url.path)
                planner = "kubelet" not in str(request.headers.get("User-Agent", ""))
                if planner and path.startswith("/apis/batch"):
                    watch = "watch" in request.params
                    self.requests.append(("WATCH" if watch else str(request.method.value), path))
                    if self.refused:
                        status = self.refused.pop(0)
                        return aiohttp.web.json_response({"message": "busy"}, status=status)
                    if watch:
                        self.watches += 1
                        try:
                            async with asyncio.timeout(self.longest_watch_s):
                                return await super()._handle(request)
                        except TimeoutError:
                            raise ConnectionResetError from None
                return await super()._handle(request)

        async with Emulator() as emulator, kmock.Server(emulator) as server:
            # kr8s asks with the slash.
            emulator["get /version/"] << {"gitVersion": "v1.34.0", "major": "1", "minor": "34"}
            emulator.resources["batch/v1/jobs"] = {"kind": "Job", "namespaced": True}
            self.url = str(server.url).rstrip("/")
            self._ready.set()
            while not self._closing.is_set():  # noqa: ASYNC110 - set from another thread
                await asyncio.sleep(0.05)

    def kubeconfig(self, path: Path) -> Path:
        """Write a kubeconfig that names the emulated server."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "emulated",
            "clusters": [{"name": "emulated", "cluster": {"server": self.url}}],
            "users": [{"name": "nobody", "user": {}}],
            "contexts": [
                {
                    "name": "emulated",
                    "context": {"cluster": "emulated", "user": "nobody", "namespace": NAMESPACE},
                }
            ],
        }
        path.write_text(yaml.safe_dump(config))
        return path

    def _ask(self, method: str, path: str, data: Any = None) -> Any:
        body = None if data is None else json.dumps(data).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "kubelet"}
        request = urllib.request.Request(  # noqa: S310 - loopback
            self.url + path, data=body, method=method, headers=headers
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def jobs(self) -> dict[str, dict[str, Any]]:
        """Every Job there is, by name."""
        found = self._ask("GET", JOBS)
        return {job["metadata"]["name"]: job for job in found["items"]}

    def pods(self, part: str) -> list[Pod]:
        """What runs for Jobs with `part` in their name."""
        return [
            index.pod
            for name, indexes in list(self._jobs.items())
            for index in indexes
            if part in name and index.pod is not None
        ]

    def evict(self, part: str) -> None:
        """Take the node away from under the pods of a Job: SIGTERM, and a mark that says so."""
        for name, indexes in self._jobs.items():
            for index in indexes:
                if part in name and index.pod is not None:
                    index.evicted = True
                    index.pod.send_signal(signal.SIGTERM)

    def _reconcile(self) -> None:
        while not self._over.is_set():
            if not self.paused:
                jobs = self.jobs()
                for name in set(self._jobs) - set(jobs):
                    del self._jobs[name]
                for name, job in jobs.items():
                    if not job.get("status", {}).get("conditions"):
                        self._work(name, job)
            time.sleep(0.1)

    def _work(self, name: str, job: dict[str, Any]) -> None:
        spec = job["spec"]
        known = self._jobs.get(name, [])
        anew = not job.get("status") and any(i.failures or i.state != "pending" for i in known)
        if name not in self._jobs or anew:  # anew: deleted and created between two looks
            self._jobs[name] = [_Index() for _ in range(spec.get("completions", 1))]
        indexes = self._jobs[name]
        before = [(index.state, index.failures) for index in indexes]
        fatal = None
        for number, index in enumerate(indexes):
            code = index.pod.poll() if index.pod is not None else None
            if code is not None:
                index.pod = None
                fatal = fatal or self._settle(spec, index, code)
            active = sum(i.pod is not None for i in indexes)
            if index.state == "pending" and index.pod is None and active < spec["parallelism"]:
                index.evicted = False
                index.pod = self._start_pod(
                    spec["template"]["spec"],
                    {
                        "batch.kubernetes.io/job-index-failure-count": str(index.failures),
                        "index": str(number),
                    },
                    f"{name}-{number}",
                )
        if [(index.state, index.failures) for index in indexes] != before or fatal:
            self._report(name, spec, indexes, fatal)

    def _settle(self, spec: dict[str, Any], index: _Index, code: int) -> str | None:
        """What the policy makes of an exit code; a text if the whole Job fails by it."""
        if code == 0:
            index.state = "done"
            return None
        for rule in spec.get("podFailurePolicy", {}).get("rules", ()):
            if "onPodConditions" in rule and index.evicted:
                return None  # Ignore: the index starts anew and nothing is counted
            if "onExitCodes" in rule and code in rule["onExitCodes"]["values"]:
                return f"container exited with {code}"
        index.failures += 1
        limit = spec.get("backoffLimitPerIndex", spec.get("backoffLimit", 6))
        if index.failures > limit:
            index.state = "failed"
        return None

    def _report(
        self, name: str, spec: dict[str, Any], indexes: list[_Index], fatal: str | None
    ) -> None:
        done = [n for n, index in enumerate(indexes) if index.state == "done"]
        failed = [n for n, index in enumerate(indexes) if index.state == "failed"]
        status: dict[str, Any] = {
            "succeeded": len(done),
            "completedIndexes": ",".join(map(str, done)),
            "failedIndexes": ",".join(map(str, failed)),
        }
        ended: dict[str, str] | None = None
        if fatal:
            ended = {"type": "Failed", "reason": "PodFailurePolicy", "message": fatal}
        elif failed and len(failed) > spec.get("maxFailedIndexes", 0):
            reason = "MaxFailedIndexesExceeded" if "maxFailedIndexes" in spec else "BackoffLimit"
            ended = {"type": "Failed", "reason": reason, "message": "too many failed"}
        elif len(done) + len(failed) == len(indexes):
            ended = {"type": "Complete"}
            if failed:
                ended = {"type": "Failed", "reason": "FailedIndexes", "message": "Job has failed"}
        if ended:
            status["conditions"] = [{**ended, "status": "True"}]
            for index in indexes:
                if index.pod is not None:
                    index.pod.send_signal(signal.SIGTERM)
        self._ask("PATCH", f"{JOBS}/{name}", {"status": status})
