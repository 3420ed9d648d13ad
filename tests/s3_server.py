"""An S3 server on loopback (moto), and a proxy before it that turns some requests away."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

__all__ = ["bucket_server", "delete_bucket", "slow_down_proxy", "use_endpoint"]

BUCKET = "port"


@contextlib.contextmanager
def bucket_server() -> Iterator[str]:
    """Serve one empty bucket; yields the endpoint."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    try:
        _client(endpoint).create_bucket(Bucket=BUCKET)
        yield endpoint
    finally:
        # The server's state is the process's: it would be found by the next one.
        connection = http.client.HTTPConnection(f"{host}:{port}", timeout=30)
        connection.request("POST", "/moto-api/reset")
        connection.getresponse().read()  # stopped before it answers, it would keep everything
        connection.close()
        server.stop()


def _client(endpoint: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - no secret, but moto wants one
    )


def use_endpoint(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    """Lead the environment, and so workers too, to an endpoint."""
    for key, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
    }.items():
        monkeypatch.setenv(key, value)


def delete_bucket(endpoint: str) -> None:
    """Delete the bucket with all that is in it."""
    client = _client(endpoint)
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for entry in page.get("Contents", []):
            client.delete_object(Bucket=BUCKET, Key=entry["Key"])
    client.delete_bucket(Bucket=BUCKET)


@contextlib.contextmanager
def slow_down_proxy(endpoint: str, *, every: int) -> Iterator[tuple[str, dict[str, int]]]:
    """Pass requests on, and answer 503 SlowDown to one in `every`; yields address and counts."""
    target = endpoint.removeprefix("http://")
    counts = {"seen": 0, "refused": 0}
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            with lock:
                counts["seen"] += 1
                refuse = counts["seen"] % every == 0
                counts["refused"] += refuse
            if refuse:
                text = b"<Error><Code>SlowDown</Code><Message>Reduce your rate</Message></Error>"
                self._answer(503, [("Content-Type", "application/xml")], text)
                return
            upstream = http.client.HTTPConnection(target, timeout=30)
            # The Host header stays the proxy's, which requests are signed for.
            upstream.request(self.command, self.path, body=body, headers=dict(self.headers))
            answer = upstream.getresponse()
            self._answer(answer.status, answer.getheaders(), answer.read())
            upstream.close()

        def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            self.send_response_only(status)
            length = str(len(body))
            for key, value in headers:
                if key.lower() == "content-length" and self.command == "HEAD":
                    length = value
                if key.lower() not in {"content-length", "transfer-encoding", "connection"}:
                    self.send_header(key, value)
            self.send_header("Content-Length", length)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _handle  # noqa: N815 - their names are given

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", counts
    finally:
        server.shutdown()
        server.server_close()
