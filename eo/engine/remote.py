"""Dask clusters elsewhere: a running scheduler, Dask Gateway, the Kubernetes operator.

Whoever reaches a scheduler may run code as its workers do, and whoever reads its traffic sees the
campaign. So off this machine TLS is what is expected: `tls://` with the certificates of Dask's
own configuration, Gateway with its own; plain `tcp://` to another host works with a warning.
"""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from eo.core.errors import EngineError
from eo.core.redaction import redacted
from eo.engine.cluster import DaskEngine

__all__ = ["gateway_engine", "kubecluster_engine", "scheduler_engine"]

_log = logging.getLogger("eo.engine")

_LOOPBACK = ("127.", "localhost", "::1")
_START_S = 600.0
"""How long workers of a new cluster may take to come: images are pulled, nodes are added."""
_WORKERS = 4
"""Workers of a new cluster where nothing is said."""
_TLS_KEYS = ("tls_ca_file", "tls_client_cert", "tls_client_key")


def scheduler_engine(address: str) -> DaskEngine:
    """Return an engine on a running Dask scheduler (``tcp://host:port``, ``tls://host:port``).

    Raises
    ------
    EngineError
        If it cannot be reached, has no workers, or certificates are lacking.
    """
    from dask.distributed import Client

    try:
        # Patience is Dask's own: distributed.comm.timeouts.connect.
        client = Client(address, set_as_default=False, security=_security(address))
    except (OSError, TimeoutError, ValueError, TypeError) as error:
        raise EngineError(
            f"no Dask scheduler answers at {redacted(address)}: {error}; "
            "is it running, is the port right, and does it speak TLS or plain TCP as asked?"
        ) from error
    if not client.nthreads():
        client.close()
        raise EngineError(f"the Dask scheduler at {address} has no workers: start some first")
    return DaskEngine(address, client)


def _security(address: str) -> Any:
    """Return Dask's own TLS settings for tls://; a warning for plain tcp:// to another host."""
    from distributed.security import Security

    host = (urlsplit(address).hostname or "").lower()
    if not address.startswith("tls://"):
        if not host.startswith(_LOOPBACK):
            _log.warning(
                "tcp://%s is not encrypted and asks for no certificate: whoever reaches it can "
                "run code there and read what passes; use tls:// on networks that others share",
                host,
            )
        return None
    security = Security(require_encryption=True)
    lacking = [key for key in _TLS_KEYS if getattr(security, key) is None]
    if lacking:
        raise EngineError(
            f"{address} needs certificates, but Dask's configuration gives none for "
            f"{', '.join(lacking)}: set distributed.comm.tls.ca-file, client.cert and client.key "
            "(or DASK_DISTRIBUTED__COMM__TLS__CA_FILE and so on)"
        )
    return security


def _workers_of(cluster: Any, client: Any, count: int, what: str) -> None:
    """Wait until the first of the workers asked for is there.

    Raises
    ------
    EngineError
        If none comes.
    """
    cluster.scale(count)
    try:
        client.wait_for_workers(1, timeout=_START_S)
    except TimeoutError as error:
        raise EngineError(
            f"{what} gave no worker within {_START_S:.0f} s: is there room for one? "
            "Its own logs say more"
        ) from error


def gateway_engine(place: str, workers: int | None = None) -> DaskEngine:
    """Return an engine on a Dask Gateway.

    Parameters
    ----------
    place
        ``gateway`` (address from Dask's configuration), ``gateway://HOST[:PORT][/CLUSTER]``
        (https) or ``gateway+http://...``. A named cluster is used and left running; without a
        name one is made for the run and shut down after it.
    workers
        Workers of a new cluster.

    Raises
    ------
    EngineError
        If dask-gateway is not installed, or the gateway gives no cluster.
    """
    try:
        gateway_class = importlib.import_module("dask_gateway").Gateway
    except ImportError:
        raise EngineError(
            "engine 'gateway' needs the package dask-gateway: install the extra 'gateway' "
            "(pip install 'eo-freeboard[gateway]')"
        ) from None
    address, name = _gateway_place(place)
    try:
        gateway = gateway_class(address) if address else gateway_class()
        if name is None:
            cluster, on_close = _new_gateway_cluster(gateway)
        else:
            cluster = gateway.connect(name)
            on_close = cluster.close
    except Exception as error:
        raise EngineError(
            f"{place} gives no cluster: {type(error).__name__}: {redacted(str(error))}; is the "
            "address right, the login valid (Dask's configuration: gateway.auth), and the "
            "cluster's name one that it lists?"
        ) from error
    client = cluster.get_client(set_as_default=False)
    engine = DaskEngine(place, client, on_close=on_close)
    if name is None:
        _or_close(engine, lambda: _workers_of(cluster, client, workers or _WORKERS, place))
    elif not client.nthreads():
        engine.close()
        raise EngineError(f"{place} has no workers: scale it first")
    return engine


def _new_gateway_cluster(gateway: Any) -> tuple[Any, Callable[[], object]]:
    cluster = gateway.new_cluster(shutdown_on_close=True)
    return cluster, cluster.shutdown


def _gateway_place(place: str) -> tuple[str | None, str | None]:
    """Return the gateway's address and the cluster's name out of an engine's name."""
    if place == "gateway":
        return None, None
    parts = urlsplit(place)
    scheme = "http" if parts.scheme == "gateway+http" else "https"
    name = parts.path.strip("/") or None
    if not parts.netloc:
        return None, name
    return f"{scheme}://{parts.netloc}", name


def kubecluster_engine(place: str, workers: int | None = None) -> DaskEngine:
    """Return an engine on a DaskCluster of the Kubernetes operator.

    Parameters
    ----------
    place
        ``kubecluster`` (a new one in the context's namespace, from the image in ``EO_IMAGE``),
        or ``kubecluster://[NAMESPACE]/NAME`` (one that runs, left running).
    workers
        Workers of a new cluster.

    Raises
    ------
    EngineError
        If dask-kubernetes is not installed, or the API server gives no cluster.
    """
    try:
        cluster_class = importlib.import_module("dask_kubernetes.operator").KubeCluster
    except ImportError:
        raise EngineError(
            "engine 'kubecluster' needs the package dask-kubernetes: install the extra "
            "'kubecluster' (pip install 'eo-freeboard[kubecluster]')"
        ) from None
    from dask.distributed import Client

    where, _, name_there = place.partition("://")[2].partition("/")
    namespace, name = where or None, name_there.strip("/") or None
    count = workers or _WORKERS
    image = os.environ.get("EO_IMAGE")
    if name is None and image is None:
        raise EngineError(
            "engine 'kubecluster' makes a cluster from the image in EO_IMAGE, which is not set; "
            "name one that has this eo installed, or use kubecluster://NAMESPACE/NAME"
        )
    try:
        if name is not None:
            cluster = cluster_class.from_name(name, namespace=namespace)
        else:
            cluster = cluster_class(
                name=f"eo-{os.getpid()}", namespace=namespace, image=image, n_workers=count
            )
        client = Client(cluster, set_as_default=False)
    except Exception as error:
        raise EngineError(
            f"{place} gives no cluster: {type(error).__name__}: {redacted(str(error))}; is the "
            "operator installed, and may this account create and read DaskCluster?"
        ) from error
    engine = DaskEngine(place, client, on_close=cluster.close)
    if name is None:
        _or_close(engine, lambda: _workers_of(cluster, client, count, place))
    elif not client.nthreads():
        engine.close()
        raise EngineError(f"{place} has no workers: scale it first")
    return engine


def _or_close(engine: DaskEngine, step: Callable[[], None]) -> None:
    """Do a step of starting; leave nothing running if it fails."""
    try:
        step()
    except BaseException:
        engine.close()
        raise
