"""The manifests: built as kustomize builds them, valid to the last field, and as strict as said.

Nothing here asks a cluster. What kustomize makes of an overlay is checked where a kubectl of
1.21 or later is at hand; every file is checked by schema anyway.
"""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from eo.engine.k8s_jobs import job_memory_bytes, load_templates, merge

ROOT = Path(__file__).resolve().parents[1]
K8S = ROOT / "k8s"
OVERLAYS = ("cpu", "gpu", "local")
OWN = {"Kustomization", "Component", "DaskCluster"}
"""Kinds that the Kubernetes schema does not know."""
VERSION = "1.34"


@functools.cache
def kubectl_fault() -> str | None:
    """Why overlays cannot be built here; None if they can."""
    program = shutil.which("kubectl")
    if program is None:
        return "kubectl is not installed"
    said = subprocess.run(
        [program, "version", "--client", "-o", "json"], capture_output=True, text=True, check=False
    )
    try:
        version = json.loads(said.stdout)["clientVersion"]
        major, minor = int(version["major"]), int(version["minor"].rstrip("+"))
    except (ValueError, KeyError):
        return "kubectl does not say its version"
    # Components need kustomize 3.7, which came with 1.21; replacements came with 1.22's.
    return None if (major, minor) >= (1, 22) else f"kubectl {major}.{minor} is older than 1.22"


@functools.cache
def built(folder: Path) -> list[dict[str, Any]]:
    if fault := kubectl_fault():
        pytest.skip(fault)
    done = subprocess.run(
        ["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def only(manifests: list[dict[str, Any]], kind: str, name: str | None = None) -> dict[str, Any]:
    (found,) = [m for m in manifests if m["kind"] == kind and name in {None, m["metadata"]["name"]}]
    return found


def jobs_of(manifests: list[dict[str, Any]], folder: Path) -> dict[str, dict[str, Any]]:
    """The Job templates of an overlay, as the planner would merge them."""
    data = only(manifests, "ConfigMap", "eo-jobs")["data"]
    folder.mkdir(exist_ok=True)
    for name, text in data.items():
        (folder / name).write_text(text)
    found = load_templates(folder)
    return {
        "unit": found.unit_job("eo-x-ingest-0123456789", ["worker"], completions=30, parallelism=8),
        "step": found.step_job("eo-x-commit-0123456789", ["worker"]),
    }


def assert_valid(manifest: dict[str, Any]) -> None:
    kubernetes_validate = pytest.importorskip(
        "kubernetes_validate", reason="kubernetes-validate (the API's schemas) is not installed"
    )
    kubernetes_validate.validate(manifest, VERSION, strict=True)


def files() -> list[Path]:
    return sorted(p for p in K8S.rglob("*.yaml") if p.name.count(".") == 1)


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(K8S)))
def test_every_manifest_is_valid_to_the_last_field(path: Path) -> None:
    for manifest in yaml.safe_load_all(path.read_text()):
        if path.name == "campaign.yaml" or manifest["kind"] in OWN:
            continue
        assert_valid(manifest)


def test_a_misspelt_field_would_be_found() -> None:
    job = yaml.safe_load((K8S / "base" / "jobs" / "unit.yaml").read_text())
    job["spec"]["backoffLimitPerIndx"] = 3
    with pytest.raises(Exception, match="backoffLimitPerIndx"):
        assert_valid(job)


@pytest.mark.parametrize(
    "path", sorted(K8S.rglob("kustomization.yaml")), ids=lambda p: p.parent.name
)
def test_what_a_kustomization_names_is_there(path: Path) -> None:
    kustomization = yaml.safe_load(path.read_text())
    named = list(kustomization.get("resources", ())) + list(kustomization.get("components", ()))
    for generator in kustomization.get("configMapGenerator", ()):
        named += generator.get("files", ())
    assert [name for name in named if not (path.parent / name).exists()] == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_overlays_build_and_are_valid(overlay: str, tmp_path: Path) -> None:
    manifests = built(K8S / "overlays" / overlay)
    for manifest in [*manifests, *jobs_of(manifests, tmp_path / "jobs").values()]:
        assert_valid(manifest)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_overlay_has_the_nightly_planner(overlay: str) -> None:
    manifests = built(K8S / "overlays" / overlay)
    spec = only(manifests, "CronJob")["spec"]
    assert spec["timeZone"] == "Etc/UTC"
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["startingDeadlineSeconds"] > 0
    job = spec["jobTemplate"]["spec"]
    assert 0 < job["activeDeadlineSeconds"] < 24 * 3600
    (container,) = job["template"]["spec"]["containers"]
    env = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert env["EO_IMAGE"] == container["image"]
    assert ":" in container["image"]


def test_job_templates_say_what_becomes_of_a_failure() -> None:
    unit = load_templates(K8S / "base" / "jobs").unit["spec"]
    assert unit["completionMode"] == "Indexed"
    assert unit["backoffLimitPerIndex"] == 3
    assert {"maxFailedIndexes", "activeDeadlineSeconds", "ttlSecondsAfterFinished"} <= set(unit)
    ignored, fatal = unit["podFailurePolicy"]["rules"]
    assert ignored["action"] == "Ignore"
    assert ignored["onPodConditions"][0]["type"] == "DisruptionTarget"
    assert fatal["action"] == "FailJob"
    assert fatal["onExitCodes"] == {"containerName": "eo", "operator": "In", "values": [2]}


def pod_specs() -> dict[str, dict[str, Any]]:
    templates = load_templates(K8S / "base" / "jobs")
    cronjob = yaml.safe_load((K8S / "base" / "cronjob.yaml").read_text())
    dask = yaml.safe_load((K8S / "components" / "dask-cluster" / "cluster.yaml").read_text())
    return {
        "unit": templates.unit["spec"]["template"]["spec"],
        "step": templates.step["spec"]["template"]["spec"],
        "planner": cronjob["spec"]["jobTemplate"]["spec"]["template"]["spec"],
        "dask-scheduler": dask["spec"]["scheduler"]["spec"],
        "dask-worker": dask["spec"]["worker"]["spec"],
    }


@pytest.mark.parametrize("name", pod_specs())
def test_no_pod_may_more_than_it_must(name: str) -> None:
    spec = pod_specs()[name]
    security = spec["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] >= 10_000
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in spec["containers"]:
        own = container["securityContext"]
        assert own["allowPrivilegeEscalation"] is False
        assert own["readOnlyRootFilesystem"] is True
        assert own["capabilities"] == {"drop": ["ALL"]}
        requests, limits = (container["resources"][k] for k in ("requests", "limits"))
        assert requests["memory"] == limits["memory"]
        assert "/tmp" in {m["mountPath"] for m in container["volumeMounts"]}  # noqa: S108
    assert spec["automountServiceAccountToken"] is (name == "planner")
    if not name.startswith("dask"):
        assert spec["restartPolicy"] == "Never"
        heartbeat = {e["name"]: e.get("value") for e in spec["containers"][0]["env"]}
        assert heartbeat["EO_HEARTBEAT"].startswith("/tmp/")  # noqa: S108
        assert "$EO_HEARTBEAT" in spec["containers"][0]["livenessProbe"]["exec"]["command"][-1]


def test_a_worker_ends_before_its_grace_is_over() -> None:
    spec = pod_specs()["unit"]
    (grace,) = [e["value"] for e in spec["containers"][0]["env"] if e["name"] == "EO_GRACE_S"]
    assert float(grace) < spec["terminationGracePeriodSeconds"]


def test_the_role_is_of_jobs_alone_and_the_planners_alone() -> None:
    manifests = list(yaml.safe_load_all((K8S / "base" / "rbac.yaml").read_text()))
    (rule,) = only(manifests, "Role")["rules"]
    assert rule["apiGroups"] == ["batch"]
    assert rule["resources"] == ["jobs"]
    assert set(rule["verbs"]) == {"create", "get", "watch", "delete"}
    subjects = only(manifests, "RoleBinding")["subjects"]
    assert [s["name"] for s in subjects] == ["eo-planner"]
    for account in (m for m in manifests if m["kind"] == "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


def test_egress_is_named() -> None:
    everybody, planner = yaml.safe_load_all((K8S / "base" / "network.yaml").read_text())
    assert everybody["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in everybody["spec"]
    ports = [{p["port"] for p in rule["ports"]} for rule in everybody["spec"]["egress"]]
    assert ports == [{53}, {443}]
    blocked = everybody["spec"]["egress"][1]["to"][0]["ipBlock"]["except"]
    assert {"169.254.0.0/16", "10.0.0.0/8", "127.0.0.0/8"} <= set(blocked)
    assert planner["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "planner"
    assert {p["port"] for r in planner["spec"]["egress"] for p in r["ports"]} == {443, 6443}


def test_the_gpu_overlay_asks_for_one_gpu_a_worker_and_none_elsewhere(tmp_path: Path) -> None:
    for name in ("unit.yaml", "step.yaml"):
        shutil.copy(K8S / "base" / "jobs" / name, tmp_path)
    shutil.copy(K8S / "overlays" / "gpu" / "unit.gpu.yaml", tmp_path)
    found = load_templates(tmp_path)
    unit, step = (j["spec"]["template"]["spec"] for j in (found.unit, found.step))
    assert unit["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert unit["tolerations"][0]["key"] == "nvidia.com/gpu"
    env = [e["name"] for e in unit["containers"][0]["env"]]
    assert {"EO_DEVICE", "EO_HEARTBEAT", "EO_ATTEMPT"} <= set(env)
    assert "nvidia.com/gpu" not in step["containers"][0]["resources"]["limits"]
    assert "tolerations" not in step
    assert job_memory_bytes(found.unit) == 16 * 2**30
    assert_valid(found.unit)


def test_components_build_on_an_overlay(tmp_path: Path) -> None:
    """Each component with the cpu overlay, in a copy: as a user would name it."""
    shutil.copytree(K8S, tmp_path / "k8s")
    overlay = tmp_path / "k8s" / "overlays" / "cpu" / "kustomization.yaml"
    text = overlay.read_text()
    overlay.write_text(f"{text}components: [../../components/s3, ../../components/dask-cluster]\n")
    manifests = built(overlay.parent)
    kinds = [m["kind"] for m in manifests]
    assert "PersistentVolumeClaim" not in kinds
    jobs = jobs_of(manifests, tmp_path / "jobs")
    for job in jobs.values():
        volumes = job["spec"]["template"]["spec"]["volumes"]
        assert {"name": "runs", "emptyDir": {}} in volumes
        assert_valid(job)
    settings = only(manifests, "ConfigMap", "eo-settings")["data"]
    assert settings["EO_OUTPUT"].startswith("s3://")
    dask = only(manifests, "DaskCluster")
    images = {
        c["image"]
        for part in ("scheduler", "worker")
        for c in dask["spec"][part]["spec"]["containers"]
    }
    assert images == {"registry.example/eo:0.1.0"}
    for manifest in manifests:
        if manifest["kind"] not in OWN:
            assert_valid(manifest)


def test_patches_merge_as_kubectl_merges_them() -> None:
    base = {"a": 1, "b": [{"name": "x", "v": 1, "gone": 2}, {"name": "y"}], "c": [1, 2], "d": {}}
    patch = {"a": None, "b": [{"name": "x", "gone": None}, {"name": "z"}], "c": [3], "d": {"e": 1}}
    assert merge(base, patch) == {
        "b": [{"name": "x", "v": 1}, {"name": "y"}, {"name": "z"}],
        "c": [3],
        "d": {"e": 1},
    }


def test_the_readme_does_not_claim_a_cluster() -> None:
    assert "never scheduled on a real cluster" in (K8S / "README.md").read_text()
