# ruff: noqa: ARG002 - stand-ins take what the real classes take
"""Gateway and the Kubernetes operator: their calls, against stand-ins held to the real signatures.

Neither was ever a real cluster here. Where dask-gateway or dask-kubernetes is installed, the
stand-ins are checked against the real classes by `inspect`.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest
from dask.distributed import Client, LocalCluster
from distributed.core import Status

from eo.core.errors import EngineError
from eo.engine.choose import open_engine
from eo.engine.remote import _gateway_place

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def workers() -> Iterator[LocalCluster]:
    """What stands behind the stand-ins: a scheduler and one worker in this process."""
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None,
        host="127.0.0.1", protocol="tcp",
    ) as cluster:  # fmt: skip
        yield cluster


class Cluster:
    """A cluster as both libraries give one."""

    calls: list[tuple[str, Any]]
    behind: LocalCluster

    def __init__(self) -> None:
        self.scheduler_address = self.behind.scheduler_address
        self.security, self.status = None, Status.running

    def scale(self, n: int, **kwargs: Any) -> None:
        self.calls.append(("scale", n))

    def get_client(self, set_as_default: bool = True) -> Client:
        assert not set_as_default
        return Client(self.scheduler_address, set_as_default=False)

    def close(self, shutdown: bool | None = None) -> None:
        self.calls.append(("close", shutdown))

    def shutdown(self) -> None:
        self.calls.append(("shutdown", None))


class Gateway:
    """dask_gateway.Gateway, as far as it is used."""

    calls: list[tuple[str, Any]]

    def __init__(self, address: str | None = None) -> None:
        self.calls.append(("gateway", address))

    def connect(self, cluster_name: str, shutdown_on_close: bool = False) -> Cluster:
        if cluster_name == "absent":
            raise ValueError("Cluster 'absent' is not running, see https://u:secret@host/?t=1")
        self.calls.append(("connect", cluster_name))
        return Cluster()

    def new_cluster(
        self, cluster_options: Any = None, shutdown_on_close: bool = True, **kwargs: Any
    ) -> Cluster:
        self.calls.append(("new_cluster", shutdown_on_close))
        return Cluster()


class KubeCluster(Cluster):
    """dask_kubernetes.operator.KubeCluster, as far as it is used."""

    def __init__(
        self,
        *,
        name: str | None = None,
        namespace: str | None = None,
        image: str | None = None,
        n_workers: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        self.calls.append(("new", (namespace, image, n_workers)))

    @classmethod
    def from_name(cls, name: str, **kwargs: Any) -> Cluster:
        cls.calls.append(("from_name", (name, kwargs.get("namespace"))))
        made = Cluster.__new__(cls)
        Cluster.__init__(made)
        return made


@pytest.fixture
def calls(workers: LocalCluster, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    seen: list[tuple[str, Any]] = []
    for kind in (Cluster, Gateway):
        monkeypatch.setattr(kind, "calls", seen, raising=False)
    monkeypatch.setattr(Cluster, "behind", workers, raising=False)
    gateway = types.ModuleType("dask_gateway")
    gateway.Gateway = Gateway  # type: ignore[attr-defined]
    operator = types.ModuleType("dask_kubernetes.operator")
    operator.KubeCluster = KubeCluster  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "dask_gateway", gateway)
    monkeypatch.setitem(sys.modules, "dask_kubernetes", types.ModuleType("dask_kubernetes"))
    monkeypatch.setitem(sys.modules, "dask_kubernetes.operator", operator)
    return seen


def test_a_new_gateway_cluster_is_scaled_used_and_shut_down(calls: list[tuple[str, Any]]) -> None:
    engine = open_engine("gateway://hub.example.org", workers=3)
    assert {o.value for o in engine.map(abs, [-1, -2])} == {1, 2}
    engine.close()
    assert calls == [
        ("gateway", "https://hub.example.org"),
        ("new_cluster", True),
        ("scale", 3),
        ("shutdown", None),
    ]


def test_a_named_gateway_cluster_is_left_running(calls: list[tuple[str, Any]]) -> None:
    engine = open_engine("gateway+http://127.0.0.1:8000/eo.123")
    assert [o.value for o in engine.map(abs, [-1])] == [1]
    engine.close()
    assert calls == [
        ("gateway", "http://127.0.0.1:8000"), ("connect", "eo.123"), ("close", None),
    ]  # fmt: skip


def test_a_gateway_that_gives_no_cluster_says_why(calls: list[tuple[str, Any]]) -> None:
    with pytest.raises(EngineError, match=r"gives no cluster: ValueError: .*absent") as error:
        open_engine("gateway://hub.example.org/absent")
    assert "secret" not in str(error.value)
    assert error.value.exit_code == 2


def test_a_new_kubecluster_needs_an_image(
    calls: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EO_IMAGE", raising=False)
    with pytest.raises(EngineError, match="EO_IMAGE, which is not set"):
        open_engine("kubecluster")
    monkeypatch.setenv("EO_IMAGE", "registry.example.org/eo:1")
    engine = open_engine("kubecluster", workers=2)
    assert [o.value for o in engine.map(abs, [-3])] == [3]
    engine.close()
    assert calls == [
        ("new", (None, "registry.example.org/eo:1", 2)), ("scale", 2), ("close", None),
    ]  # fmt: skip


def test_a_running_kubecluster_is_used(calls: list[tuple[str, Any]]) -> None:
    engine = open_engine("kubecluster://ports/eo")
    assert [o.value for o in engine.map(abs, [-3])] == [3]
    engine.close()
    assert calls == [("from_name", ("eo", "ports")), ("close", None)]


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [
        ("gateway", "dask_gateway", "gateway"),
        ("kubecluster", "dask_kubernetes.operator", "kubecluster"),
    ],
)
def test_without_the_package_the_way_out_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, module: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(EngineError, match=rf"pip install .*\[{extra}\]"):
        open_engine(name)


@pytest.mark.parametrize(
    ("place", "address", "cluster"),
    [
        ("gateway", None, None),
        ("gateway://hub.org", "https://hub.org", None),
        ("gateway://hub.org:81/eo.1", "https://hub.org:81", "eo.1"),
        ("gateway:///eo.1", None, "eo.1"),
        ("gateway+http://127.0.0.1:8000", "http://127.0.0.1:8000", None),
    ],
)
def test_names_of_gateways(place: str, address: str | None, cluster: str | None) -> None:
    assert _gateway_place(place) == (address, cluster)


def _accepts(real: Any, fake: Any) -> None:
    """Every parameter that the stand-in has, the real thing takes by the same name."""
    there = inspect.signature(real).parameters
    for name, parameter in inspect.signature(fake).parameters.items():
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD and name != "self":
            assert name in there, f"{real} takes no {name}"


def test_the_stand_in_of_gateway_is_like_the_real_one() -> None:
    real = pytest.importorskip("dask_gateway", reason="dask-gateway is not installed")
    for name in ("__init__", "connect", "new_cluster"):
        _accepts(getattr(real.Gateway, name), getattr(Gateway, name))
    for name in ("scale", "get_client", "close", "shutdown"):
        _accepts(getattr(real.GatewayCluster, name), getattr(Cluster, name))


def test_the_stand_in_of_the_operator_is_like_the_real_one() -> None:
    pytest.importorskip("dask_kubernetes", reason="dask-kubernetes is not installed")
    real = importlib.import_module("dask_kubernetes.operator").KubeCluster
    _accepts(real.__init__, KubeCluster.__init__)
    assert "namespace" in inspect.getsource(real.from_name) or "kwargs" in str(
        inspect.signature(real.from_name)
    )
    _accepts(real.scale, Cluster.scale)
