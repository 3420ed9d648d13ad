"""The engine of the nightly run: an Indexed Job for each phase's units, a Job for each step.

It runs in the planner, which alone may speak to the API server; workers know of a run's folder
and of nothing else. Killed at any moment, the planner goes on: the list of work it laid out names
the Job, and a part that exists is done.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from eo.access.files import Files
from eo.access.parts import open_parts
from eo.core.errors import EngineError, EngineLostError
from eo.core.fingerprint import fingerprint
from eo.core.records import to_json
from eo.core.seams import Needs, Outcome
from eo.engine.k8s_api import Job, JobApi, has_ended, has_failed, why_failed
from eo.engine.k8s_jobs import JobTemplates, job_memory_bytes, job_name
from eo.engine.k8s_work import (
    Failure,
    WorkList,
    lost_unit,
    read_failures,
    read_list,
    write_list,
)
from eo.engine.memory import gib

__all__ = ["KubernetesEngine"]

Item = TypeVar("Item")
Value = TypeVar("Value")

_log = logging.getLogger("eo.engine")


class KubernetesEngine:
    """Runs units as Indexed Jobs.

    Parameters
    ----------
    api
        Jobs of the namespace.
    templates
        What Jobs look like.
    files
        The run's folder, as this process and all workers see it.
    campaign
        Name of the campaign.
    run
        Name of this run of the planner, the same after it was killed and started again.
    per_index
        Units an index: they share one start of a pod.
    parallelism
        Pods at a time.
    beat
        Called as states of a Job come by: a sign of life.
    """

    name = "kubernetes"

    def __init__(
        self,
        api: JobApi,
        templates: JobTemplates,
        files: Files,
        *,
        campaign: str,
        run: str,
        per_index: int = 16,
        parallelism: int = 8,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self._api, self._templates, self._files = api, templates, files
        self._campaign, self._run = campaign, run
        self._per_index, self._parallelism = per_index, parallelism
        self._beat = beat
        self.failures: dict[str, Failure] = {}
        """Of all phases so far, by fingerprint."""

    def check(self, needs: Needs) -> None:
        """Refuse what the Job's container has no room for.

        Raises
        ------
        EngineError
            If one unit needs more memory than the container's limit.
        """
        limit = job_memory_bytes(self._templates.unit)
        if limit is not None and needs.host_bytes > limit:
            raise EngineError(
                f"one unit needs about {gib(needs.host_bytes)} of memory, the Job's container may "
                f"use {gib(limit)}: raise requests and limits in unit.yaml"
            )

    def map(
        self,
        unit: Callable[[Item], Value],
        items: Iterable[Item],
        *,
        in_flight: int | None = None,  # noqa: ARG002 - workers see to their own memory
    ) -> Iterator[Outcome[Item, Value]]:
        """Yield an outcome for every item, once its phase's Job is over."""
        phase = unit.__name__
        todo = {_print(item): item for item in items}
        known = self._resumed(phase, set(todo))
        while todo:
            work = known or self._laid_out(phase, todo)
            ended = self._ended(phase, work, fresh=known is None)
            failures = read_failures(self._files, work.folder)
            self.failures |= failures
            yield from self._settled(phase, todo, work, failures, final=known is None)
            if ended is not None and has_failed(ended):
                _log.warning("%s: %s", phase, why_failed(ended))
            known = None

    def _resumed(self, phase: str, todo: set[str]) -> WorkList | None:
        """Return the list that this run laid out before it was killed, if it covers what is left.

        Only if its Job is there: a list without one is laid out anew.
        """
        known = read_list(self._files, phase)
        if not todo or known is None or known.run != self._run:
            return None
        if not todo <= set(known.fingerprints):
            return None
        if self._api.get(job_name(self._campaign, phase, known.plan)) is None:
            return None
        _log.info("%s: going on with a Job that is there", phase)
        return known

    def _laid_out(self, phase: str, todo: dict[str, Any]) -> WorkList:
        listed = [(part, to_json(type(item), item)) for part, item in todo.items()]
        return write_list(self._files, phase, self._run, listed, per_index=self._per_index)

    def _ended(self, phase: str, work: WorkList, *, fresh: bool) -> Job | None:
        """Create a list's Job where it is not there, and wait for its end."""
        name = job_name(self._campaign, phase, work.plan)
        if fresh:
            args = ["worker", "--phase", phase, "--plan", work.plan, self._files.place]
            self._start(
                self._templates.unit_job(
                    name, args, completions=work.indexes, parallelism=self._parallelism
                )
            )
            _log.info("%s: Job %s of %d indexes", phase, name, work.indexes)
        ended = self._api.wait(name, lambda job: self._seen(phase, job, work.indexes))
        if ended is None:
            _log.warning("%s: Job %s was deleted", phase, name)
        elif "PodFailurePolicy" in why_failed(ended):
            raise EngineError(
                f"{phase}: Job {name} ended at once: {why_failed(ended)}; see its log"
            )
        return ended

    def _seen(self, phase: str, job: Job, indexes: int) -> None:
        self._beat()
        status = job.get("status", {})
        failed = status.get("failedIndexes") or "none"
        _log.info(
            "%s: %d of %d indexes done, failed: %s",
            phase, status.get("succeeded") or 0, indexes, failed,
        )  # fmt: skip

    def _settled(
        self,
        phase: str,
        todo: dict[str, Item],
        work: WorkList,
        failures: dict[str, Failure],
        *,
        final: bool,
    ) -> Iterator[Outcome[Item, Any]]:
        """Yield what became of a list's items, and take those off; the last list settles all."""
        for part in work.fingerprints:
            item = todo.get(part)
            if item is None:
                continue
            known = failures.get(part)
            output = getattr(item, "output", self._files.place)
            if known is not None:
                outcome = Outcome[Item, Any](
                    item=item, error=known.exception(), attempts=known.attempts
                )
            elif open_parts(output).exists(phase, part):
                outcome = Outcome[Item, Any](item=item, value=part)
            elif final:
                lost = lost_unit(part)
                self.failures[part] = Failure.of(part, lost)
                outcome = Outcome[Item, Any](item=item, error=lost)
            else:
                continue
            del todo[part]
            yield outcome

    def step(self, name: str) -> None:
        """Run one step (commit, finish) as a Job of its own, and wait for its end.

        Raises
        ------
        EngineError
            If it fails.
        """
        plan = fingerprint(run=self._run, step=name)[:12]
        job = job_name(self._campaign, name, plan)
        before = self._api.get(job)
        if before is not None and has_failed(before):
            self._api.delete(job)  # of an earlier attempt of this planner
            before = None
        if before is None:
            self._start(
                self._templates.step_job(job, ["worker", "--phase", name, self._files.place])
            )
        ended = before if before and has_ended(before) else self._api.wait(job, self._step_seen)
        if ended is None:
            raise EngineLostError(f"{name}: Job {job} was deleted before it ended; run again")
        if has_failed(ended):
            # By its policy: the command is wrong. Otherwise it may go better next time.
            kind = EngineError if "PodFailurePolicy" in why_failed(ended) else EngineLostError
            raise kind(f"{name}: Job {job} failed: {why_failed(ended)}; see its log")

    def _step_seen(self, _: Job) -> None:
        self._beat()

    def _start(self, job: Job) -> None:
        made = self._api.create(job)
        if has_ended(made):
            # Left by a run of the same name and work: its results are on record, its units are not.
            self._api.delete(job["metadata"]["name"])
            self._api.create(job)

    def close(self) -> None:
        """End the connection; Jobs go on by themselves."""
        self._api.close()


def _print(item: Any) -> str:
    return str(item.fingerprint)
