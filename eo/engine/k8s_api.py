"""Four verbs on Jobs: create, get, watch, delete. The planner's role allows no more.

Every request names one Job, so that no right to list is needed. A watch that ends, is cut off
or is too old is taken up again from a fresh look; requests that may pass are made again.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

from eo.core.errors import EngineError, EngineLostError

__all__ = ["Job", "JobApi", "has_ended", "has_failed", "why_failed"]

Job = dict[str, Any]
"""A Job as the API server gives it."""

T = TypeVar("T")
_log = logging.getLogger("eo.engine")

_TRIES = 6
_BUSY = {408, 429, 500, 502, 503, 504}
_VERSION = "batch/v1"


def _condition(job: Job, *kinds: str) -> dict[str, Any] | None:
    for condition in job.get("status", {}).get("conditions") or ():
        if condition.get("type") in kinds and str(condition.get("status")) == "True":
            return dict(condition)
    return None


def has_ended(job: Job) -> bool:
    """Whether a Job is over: no pod of it runs, and none will."""
    return _condition(job, "Complete", "Failed") is not None


def has_failed(job: Job) -> bool:
    """Whether a Job is over and says that it failed."""
    return _condition(job, "Failed") is not None


def why_failed(job: Job) -> str:
    """Return what a failed Job says of it."""
    found = _condition(job, "Failed") or {}
    return ": ".join(str(found[key]) for key in ("reason", "message") if found.get(key))


class JobApi:
    """Jobs of one namespace.

    Parameters
    ----------
    namespace
        Namespace; by default the pod's own, or the kubeconfig's.
    watch_s
        Longest life of one watch [s]; a connection that went silent is found out by then.
    pause_s
        First wait before a request is made again [s].

    Raises
    ------
    EngineError
        If there is no client, or no API server that knows us.
    """

    def __init__(
        self, namespace: str | None = None, *, watch_s: float = 240.0, pause_s: float = 1.0
    ) -> None:
        try:
            import kr8s
            import kr8s.asyncio
        except ImportError as error:
            raise EngineError(
                "Jobs need the Kubernetes client: install the extra 'k8s' (eo-freeboard[k8s])"
            ) from error
        self._kr8s: Any = kr8s
        self._watch_s, self._pause_s = watch_s, pause_s
        self._runner = asyncio.Runner()
        try:
            self._api: Any = self._runner.run(kr8s.asyncio.api(namespace=namespace))
        except Exception as error:
            self._runner.close()
            raise EngineError(
                f"no Kubernetes API server answers: {error}; is this a pod with a service "
                "account, or is there a kubeconfig?"
            ) from error
        self.namespace: str = namespace or self._api.namespace

    def close(self) -> None:
        """End the connection."""
        self._runner.close()

    def create(self, job: Job) -> Job:
        """Create a Job; one of that name that is there is taken for it.

        Raises
        ------
        EngineError
            If the API server refuses it.
        EngineLostError
            If it does not answer.
        """
        name = job["metadata"]["name"]
        made = self._run(self._call("POST", "jobs", content=json.dumps(job)))
        if made is None:  # 409: it was created before, perhaps by a request whose answer was lost
            found = self.get(name)
            if found is None:
                raise EngineLostError(f"Job {name} was there and is gone; run again")
            return found
        return made

    def get(self, name: str) -> Job | None:
        """Return a Job, or None if there is none of that name."""
        return self._run(self._call("GET", f"jobs/{name}"))

    def delete(self, name: str) -> None:
        """Delete a Job and its pods, and wait until it is gone."""
        self._run(self._delete(name))

    def wait(self, name: str, seen: Callable[[Job], None] = lambda _: None) -> Job | None:
        """Return a Job once it has ended; None if it was deleted meanwhile.

        Parameters
        ----------
        seen
            Called with every state of it that comes by.
        """
        return self._run(self._wait(name, seen))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    async def _call(self, method: str, url: str, **request: Any) -> Job | None:
        """Make a request; None for 404, and for 409."""
        pause = self._pause_s
        for attempt in range(1, _TRIES + 1):
            try:
                async with self._api.call_api(
                    method, version=_VERSION, namespace=self.namespace, url=url, **request
                ) as answer:
                    return dict(answer.json())
            except self._kr8s.ServerError as error:
                status = error.response.status_code if error.response is not None else 500
                if status in {404, 409}:
                    return None
                if status not in _BUSY:
                    raise EngineError(
                        f"the API server refuses {method} {url} in namespace {self.namespace}: "
                        f"{error} (HTTP {status}); may the planner's service account do that?"
                    ) from None
                fault = f"HTTP {status}"
            except Exception as error:  # noqa: BLE001 - the client's transport has many kinds
                fault = f"{type(error).__name__}: {error}"
            if attempt < _TRIES:
                _log.warning("%s %s: %s; again in %.0f s", method, url, fault, pause)
                await asyncio.sleep(pause)
                pause = min(30.0, 2 * pause)
        raise EngineLostError(f"the API server does not answer {method} {url}: {fault}; run again")

    async def _delete(self, name: str) -> None:
        options = json.dumps({"propagationPolicy": "Foreground"})
        await self._call("DELETE", f"jobs/{name}", content=options)
        for _ in range(120):
            if await self._call("GET", f"jobs/{name}") is None:
                return
            await asyncio.sleep(self._pause_s)
        raise EngineLostError(f"Job {name} was deleted and does not go: look at its finalizers")

    async def _wait(self, name: str, seen: Callable[[Job], None]) -> Job | None:
        pause = self._pause_s
        while True:
            job = await self._call("GET", f"jobs/{name}")
            if job is None or has_ended(job):
                return job
            seen(job)
            try:
                # The server ends a watch in time; one that it does not end has gone silent.
                async with asyncio.timeout(self._watch_s + min(15.0, self._watch_s)):
                    async for kind, state in self._events(name, job):
                        if kind == "DELETED":
                            return None
                        seen(state)
                        pause = self._pause_s
                        if has_ended(state):
                            return state
            except TimeoutError:
                _log.info("the watch of Job %s is silent: looking anew", name)
            except Exception as error:  # noqa: BLE001 - whatever cut it off, it is taken up again
                _log.warning("the watch of Job %s broke: %s: %s", name, type(error).__name__, error)
            await asyncio.sleep(pause)
            pause = min(30.0, 2 * pause)

    async def _events(self, name: str, job: Job) -> AsyncIterator[tuple[str, Job]]:
        params = {
            "watch": "true",
            "fieldSelector": f"metadata.name={name}",
            "timeoutSeconds": str(max(1, round(self._watch_s))),
        }
        version = job.get("metadata", {}).get("resourceVersion")
        if version:
            params["resourceVersion"] = str(version)
        async with self._api.call_api(
            "GET",
            version=_VERSION,
            namespace=self.namespace,
            url="jobs",
            params=params,
            stream=True,
        ) as answer:
            async for line in answer.aiter_lines():
                if not line.strip():
                    continue
                event = json.loads(line)
                state = dict(event.get("object") or {})
                if event.get("type") == "ERROR":  # 410: what was asked for is too old by now
                    _log.info("the watch of Job %s ends: %s", name, state.get("message"))
                    return
                if state.get("metadata", {}).get("name") == name:
                    yield str(event.get("type")), state
