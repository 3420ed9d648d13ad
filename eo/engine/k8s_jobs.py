"""Jobs from their templates: what the planner fills in, and nothing else.

Templates are plain Job manifests; small patches beside them (``unit.gpu.yaml``) say what an
overlay changes. Patches merge as kubectl's do, as far as Jobs need it: maps by key, lists of
named things by name, everything else replaced, null deletes.
"""

from __future__ import annotations

import copy
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from eo.core.errors import CampaignError
from eo.core.fingerprint import fingerprint

__all__ = ["JobTemplates", "Owner", "job_memory_bytes", "job_name", "load_templates", "merge"]

_NAME_LIMIT = 52
"""A Job's pods are called NAME-INDEX-xxxxx and may have 63 characters."""
_UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "k": 1e3, "M": 1e6, "G": 1e9}
_KEYS = ("name", "mountPath")


@dataclass(frozen=True, kw_only=True)
class Owner:
    """The planner's own Job: what it creates goes when that goes."""

    name: str
    """Its name."""
    uid: str
    """Its uid."""


@dataclass(frozen=True, kw_only=True)
class JobTemplates:
    """The Job of a phase's units, and the Job of one step."""

    unit: dict[str, Any]
    """Indexed."""
    step: dict[str, Any]
    """One pod."""
    image: str | None = None
    """Image of the containers; None: what the templates say."""
    owner: Owner | None = None
    """Owner of what is created."""

    def unit_job(
        self, name: str, args: list[str], *, completions: int, parallelism: int
    ) -> dict[str, Any]:
        """Return the Indexed Job of a list of work."""
        job = self._filled(self.unit, name, args)
        job["spec"]["completions"] = completions
        job["spec"]["parallelism"] = min(parallelism, completions)
        job["spec"]["maxFailedIndexes"] = max(1, math.ceil(completions / 10))
        return job

    def step_job(self, name: str, args: list[str]) -> dict[str, Any]:
        """Return the Job of one step."""
        return self._filled(self.step, name, args)

    def _filled(self, template: dict[str, Any], name: str, args: list[str]) -> dict[str, Any]:
        job = copy.deepcopy(template)
        job["metadata"]["name"] = name
        if self.owner is not None:
            job["metadata"]["ownerReferences"] = [
                {
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "name": self.owner.name,
                    "uid": self.owner.uid,
                }
            ]
        container = _container(job)
        container["args"] = args
        if self.image:
            container["image"] = self.image
        return job


def load_templates(
    folder: str | Path, *, image: str | None = None, owner: Owner | None = None
) -> JobTemplates:
    """Read ``unit.yaml`` and ``step.yaml``, each with the patches beside it.

    Raises
    ------
    CampaignError
        If a file is absent or no Job.
    """
    unit, step = (_load(Path(folder), kind) for kind in ("unit", "step"))
    return JobTemplates(unit=unit, step=step, image=image, owner=owner)


def _load(folder: Path, kind: str) -> dict[str, Any]:
    job = _read(folder / f"{kind}.yaml")
    for patch in sorted(folder.glob(f"{kind}.*.yaml")):
        job = merge(job, _read(patch))
    if job.get("kind") != "Job" or "template" not in job.get("spec", {}):
        raise CampaignError(f"{folder / kind}.yaml is no Job: it says kind {job.get('kind')!r}")
    return job


def _read(path: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise CampaignError(f"Job template {path} cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise CampaignError(f"Job template {path} holds no mapping")
    return data


def merge(base: Any, patch: Any) -> Any:
    """Return `base` with a strategic-merge `patch`."""
    if isinstance(base, dict) and isinstance(patch, dict):
        out = dict(base)
        for key, value in patch.items():
            if value is None:
                out.pop(key, None)
            else:
                out[key] = merge(base.get(key), value)
        return out
    if isinstance(base, list) and isinstance(patch, list):
        key = next((k for k in _KEYS if _keyed(base, k) and _keyed(patch, k)), None)
        if key is not None:
            changed = {entry[key]: entry for entry in patch}
            kept = [merge(entry, changed.pop(entry[key], {})) for entry in base]
            return [*kept, *(merge({}, entry) for entry in changed.values())]
    return merge({}, patch) if isinstance(patch, dict) else patch


def _keyed(entries: list[Any], key: str) -> bool:
    return bool(entries) and all(isinstance(e, dict) and key in e for e in entries)


def _container(job: dict[str, Any]) -> dict[str, Any]:
    containers = job["spec"]["template"]["spec"]["containers"]
    found: dict[str, Any] = next(c for c in containers if c["name"] == "eo")
    return found


def job_memory_bytes(job: dict[str, Any]) -> int | None:
    """Return the memory limit of a Job's container [bytes]; None if it has none."""
    text = str(_container(job).get("resources", {}).get("limits", {}).get("memory", ""))
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([A-Za-z]*)", text)
    if found is None:
        return None
    return int(float(found[1]) * _UNITS.get(found[2], 1))


def job_name(campaign: str, phase: str, plan: str) -> str:
    """Return the one name of a campaign's Job: the same work has the same name."""
    tail = f"-{phase}-{plan[:10]}"
    slug = re.sub(r"[^a-z0-9]+", "-", campaign.lower()).strip("-")
    room = _NAME_LIMIT - len("eo-") - len(tail)
    if len(slug) > room:
        slug = f"{slug[: room - 7].rstrip('-')}-{fingerprint(name=campaign)[:6]}"
    return f"eo-{slug}{tail}"
