"""Which hosts the hrefs of a catalog on the web may lead to.

A foreign catalog must not choose what this machine asks of its own network: of a cloud's
metadata service (169.254.169.254), of a router, of a database beside it. So its hrefs, and what
they redirect to, lead to public addresses, to the catalog's own host, or to hosts that the
campaign names in `allow_hosts`. Names are resolved, since a name may hide any address.

GDAL resolves and follows redirects by itself; each file is therefore asked for once before GDAL
opens it. A server that answers the two differently is not caught by that: where that matters,
close the network itself (an egress policy).
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Iterable
from urllib.parse import urljoin, urlsplit

import requests

from eo.core.redaction import redacted

__all__ = ["hosts_of_catalog", "journey_fault", "url_fault"]

_KEEP_S = 60.0
_HOPS = 10
_TIMEOUT_S = 15
_LOOPBACK = ("127.0.0.0/8", "::1", "localhost")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_resolved: dict[str, tuple[float, tuple[str, ...]]] = {}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def hosts_of_catalog(place: str, allow_hosts: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the hosts that hrefs of the catalog at `place` may lead to beside public ones.

    Its own host is among them; if that is this machine, then so are its loopback addresses.
    """
    host = (_host(place) or "").lower()
    own = [host] if host else []
    addresses = _addresses(host) if host else ()
    if addresses and all(ipaddress.ip_address(a).is_loopback for a in addresses):
        own += _LOOPBACK
    return tuple(dict.fromkeys([*own, *(h.strip().lower() for h in allow_hosts)]))


def url_fault(url: str, allowed: Iterable[str]) -> str | None:
    """Return why a URL may not be asked for; None if it may, or is none of the web."""
    if _scheme(url) not in {"http", "https"}:
        return None
    host = _host(url)
    if host is None:
        return f"{redacted(url)[:200]!r} names no host"
    wanted = list(allowed)
    if host.lower() in wanted:
        return None
    networks = [network for text in wanted if (network := _network(text)) is not None]
    for text in _addresses(host):
        address = _unwrapped(ipaddress.ip_address(text))
        if any(address.version == n.version and address in n for n in networks):
            continue
        if not _is_public(address):
            return (
                f"{host} is {_kind(address)} address ({address}), where a catalog on the web may "
                "not lead; if that is meant, name it in the campaign's allow_hosts"
            )
    return None


def journey_fault(url: str, allowed: Iterable[str]) -> str | None:
    """Return why a URL, or any that it redirects to, may not be asked for; None if all may.

    What cannot be reached is no fault here: reading it will say so.
    """
    wanted = tuple(allowed)
    for _ in range(_HOPS):
        fault = url_fault(url, wanted)
        if fault is not None:
            return fault
        try:
            with requests.get(
                url,
                headers={"Range": "bytes=0-0"},
                stream=True,
                allow_redirects=False,
                timeout=_TIMEOUT_S,
            ) as answer:
                target = answer.headers.get("Location")
                if not answer.is_redirect or target is None:
                    return None
        except requests.RequestException:
            return None
        url = urljoin(url, target)
        if _scheme(url) not in {"http", "https"}:
            return f"it redirects to {redacted(url)[:200]!r}, which is not of the web"
    return f"it redirects more than {_HOPS} times"


def _scheme(url: str) -> str:
    """Return a URL's scheme; empty where it has none."""
    try:
        return urlsplit(url).scheme.lower()
    except ValueError:
        return ""


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _addresses(host: str) -> tuple[str, ...]:
    """Return a host's addresses; none where it cannot be resolved here (a proxy may do that)."""
    known = _resolved.get(host)
    if known is not None and time.monotonic() - known[0] < _KEEP_S:
        return known[1]
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    addresses = tuple(sorted({str(entry[4][0]).partition("%")[0] for entry in found}))
    _resolved[host] = time.monotonic(), addresses
    return addresses


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _unwrapped(address: Address) -> Address:
    """Return the IPv4 address inside an IPv6 one, where there is one."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _is_public(address: Address) -> bool:
    return address.is_global and not address.is_multicast


def _kind(address: Address) -> str:
    if address.is_loopback:
        return "a loopback"
    return "a link-local" if address.is_link_local else "a private"
