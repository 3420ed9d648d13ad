"""A STAC API on loopback, in this process, that misbehaves on request.

It pages by token (POST with a merged body, or GET with a link), filters by area, time and
collection, and serves plain files. Failures are queued and served before anything else.
"""

from __future__ import annotations

import datetime as dt
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import shapely.geometry


@dataclass
class Fault:
    """One answer that goes wrong."""

    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"out of order"
    stall_s: float = 0.0
    cut_short: bool = False
    path: str = ""
    """Only for paths that start so."""


@dataclass
class StacServer:
    """What is served, and what was asked."""

    items: list[Any] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    """Path -> body, served as it is."""
    faults: list[Fault] = field(default_factory=list)
    methods: tuple[str, ...] = ("POST", "GET")
    page: int = 10
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    """(method, path, body or query) in order."""
    url: str = ""

    def paths(self) -> list[str]:
        return [path for _, path, _ in self.requests]

    def landing(self) -> dict[str, Any]:
        return {
            "type": "Catalog",
            "stac_version": "1.0.0",
            "id": "loopback",
            "description": "test",
            "conformsTo": [
                "https://api.stacspec.org/v1.0.0/core",
                "https://api.stacspec.org/v1.0.0/item-search",
            ],
            "links": [
                {"rel": "self", "href": self.url + "/", "type": "application/json"},
                {"rel": "root", "href": self.url + "/", "type": "application/json"},
                *(
                    {
                        "rel": "search",
                        "href": f"{self.url}/search",
                        "method": method,
                        "type": "application/geo+json",
                    }
                    for method in self.methods
                ),
            ],
        }

    def answer(self, method: str, asked: dict[str, Any]) -> dict[str, Any]:
        found = [item for item in self.items if _wanted(item, asked)]
        first = int(asked.get("token", 0))
        size = min(self.page, int(asked.get("limit", 10)))
        links: list[dict[str, Any]] = []
        if first + size < len(found):
            token = str(first + size)
            if method == "POST":
                links.append(
                    {
                        "rel": "next",
                        "href": f"{self.url}/search",
                        "method": "POST",
                        "body": {"token": token},
                        "merge": True,
                    }
                )
            else:
                query = urlencode({**asked, "token": token})
                links.append({"rel": "next", "href": f"{self.url}/search?{query}", "method": "GET"})
        return {
            "type": "FeatureCollection",
            "features": found[first : first + size],
            "numberMatched": len(found),
            "links": links,
        }


def _wanted(item: Any, asked: dict[str, Any]) -> bool:
    if not isinstance(item, dict) or not isinstance(item.get("geometry"), dict):
        return True
    collections = asked.get("collections")
    if isinstance(collections, str):
        collections = collections.split(",")
    if collections and item.get("collection") not in collections:
        return False
    area = asked.get("intersects")
    if area is not None:
        shape = json.loads(area) if isinstance(area, str) else area
        if not shapely.geometry.shape(shape).intersects(shapely.geometry.shape(item["geometry"])):
            return False
    when = item["properties"].get("datetime")
    if "datetime" in asked and when is not None:
        start, end = (dt.datetime.fromisoformat(t) for t in asked["datetime"].split("/"))
        return bool(start <= dt.datetime.fromisoformat(when) <= end)
    return True


def _handler(server: StacServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asked = {key: values[0] for key, values in parse_qs(parts.query).items()}
            self._serve("GET", parts.path, asked)

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            self._serve("POST", urlsplit(self.path).path, json.loads(self.rfile.read(length)))

        def _serve(self, method: str, path: str, asked: dict[str, Any]) -> None:
            server.requests.append((method, path, asked))
            fault = next((f for f in server.faults if path.startswith(f.path)), None)
            if fault is not None:
                server.faults.remove(fault)
                time.sleep(fault.stall_s)
                self._send(fault.status, fault.body, fault.headers, cut=fault.cut_short)
            elif path in server.files:
                self._send(200, server.files[path], {})
            elif path in {"/", ""}:
                self._send(200, json.dumps(server.landing()).encode(), {})
            elif path == "/search" and method in server.methods:
                self._send(200, json.dumps(server.answer(method, asked)).encode(), {})
            else:
                self._send(405 if path == "/search" else 404, b"{}", {})

        def _send(
            self, status: int, body: bytes, headers: dict[str, str], *, cut: bool = False
        ) -> None:
            headers = {**headers, "Content-Length": str(len(body) + 100 * cut)}
            self.close_connection = cut
            with suppress(OSError):  # the client may have given up waiting
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

    return Handler


@contextmanager
def serving(**options: Any) -> Iterator[StacServer]:
    """Serve on a free port of loopback until the block ends."""
    server = StacServer(**options)
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
    http.daemon_threads = True
    server.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(
        target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    )
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
