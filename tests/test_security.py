"""What a foreign catalog, file or host cannot do, and what is never written anywhere."""

from __future__ import annotations

import ast
import http.server
import io
import json
import logging
import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import rasterio
from layers import PACKAGE
from tiny import TinyPort, serving

from eo import flow
from eo.access import hosts
from eo.access.catalog import open_catalog
from eo.access.hosts import hosts_of_catalog, journey_fault, url_fault
from eo.access.rasters import RasterFiles
from eo.core.config import load_campaign
from eo.core.errors import AssetError, CampaignError, CatalogError, NetworkError
from eo.core.logs import configure_logs
from eo.core.redaction import redacted
from eo.session import search

PUBLIC = "https://stac.example.org/v1"


# --------------------------------------------------------------------------------------- hosts
@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few names of an imagined network; the real resolver is not asked."""
    known = {
        "stac.example.org": "93.184.216.34",
        "inside.example.org": "10.2.3.4",
        "turns.example.org": "127.0.0.1",
        "six.example.org": "::ffff:169.254.169.254",
        "localhost": "127.0.0.1",
    }
    real = socket.getaddrinfo

    def resolve(host: str, *rest: object, **options: object) -> object:
        if host in known:
            return real(known[host], *rest, **options)  # type: ignore[arg-type]
        if not any(c.isalpha() for c in host) or ":" in host or host.startswith("0x"):
            return real(host, *rest, **options)  # type: ignore[arg-type]
        raise socket.gaierror(f"{host} is not known")

    monkeypatch.setattr(hosts, "_resolved", {})
    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.1:8080/a.tif",
        "http://localhost/a.tif",
        "http://2130706433/a.tif",
        "http://0x7f.1/a.tif",
        "http://0.0.0.0/a.tif",
        "https://10.0.0.1/a.tif",
        "https://192.168.1.1/a.tif",
        "https://100.64.0.1/a.tif",
        "http://[::1]/a.tif",
        "http://[fd00::1]/a.tif",
        "http://[fe80::1]/a.tif",
        "http://[::ffff:10.0.0.1]/a.tif",
        "http://[64:ff9b::7f00:1]/a.tif",
        "http://inside.example.org/a.tif",
        "http://turns.example.org/a.tif",
        "http://six.example.org/a.tif",
        "http://user:pw@127.0.0.1/a.tif",
        "http://93.184.216.34@127.0.0.1/a.tif",
    ],
)
def test_a_public_catalog_leads_to_public_addresses_alone(url: str) -> None:
    fault = url_fault(url, hosts_of_catalog(PUBLIC))
    assert fault is not None
    assert "allow_hosts" in fault
    assert "pw" not in fault


def test_public_addresses_the_catalogs_own_host_and_allowed_ones_are_fine() -> None:
    mine = hosts_of_catalog(PUBLIC, ["10.2.0.0/16", "turns.example.org"])
    for url in (
        "https://93.184.216.34/a.tif",
        "https://stac.example.org/a.tif",
        "https://inside.example.org/a.tif",
        "http://turns.example.org/a.tif",
        "http://no-such-name.example.org/a.tif",
        "s3://bucket/a.tif",
    ):
        assert url_fault(url, mine) is None, url
    assert url_fault("http://10.3.0.1/a.tif", mine) is not None
    # A catalog on this machine leads to this machine, and to no other private address.
    here = hosts_of_catalog("http://localhost:8000/stac")
    assert url_fault("http://127.0.0.1:9000/a.tif", here) is None
    assert url_fault("http://169.254.169.254/", here) is not None


@contextmanager
def redirecting(target: str) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", target)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET  # noqa: N815 - the library's name

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/start"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("http://169.254.169.254/latest", "link-local"),
        ("http://inside.example.org/", "private"),
        ("file:///etc/passwd", "not of the web"),
    ],
)
def test_redirects_are_followed_by_hand(target: str, words: str) -> None:
    with redirecting(target) as start:
        fault = journey_fault(start, hosts_of_catalog(start))
        assert fault is not None
        assert words in fault
        if target.startswith("http"):
            with pytest.raises(CatalogError, match=words):
                open_catalog(start)


def test_a_catalogs_assets_on_a_private_address_are_not_read(tmp_path: Path) -> None:
    """The catalog is served on loopback; one scene's files redirect into the private network."""
    port = TinyPort(tmp_path)
    with serving(tmp_path) as base, redirecting("http://10.9.8.7/red.tif") as away:
        port.scene("good", base_url=base)
        port.scene("sly", base_url=base)
        port.scene("plain", base_url=base)
        port.items[1]["assets"]["red"]["href"] = away
        port.items[2]["assets"]["red"]["href"] = "http://10.9.8.7/red.tif"
        campaign = port.campaign(catalog=f"{base}/items.json")
        run = flow.run(campaign, engine="serial", device="cpu")
    scenes = run.scenes.set_index("scene_id")
    assert scenes.loc["good", "status"] == "used"
    for scene_id in ("sly", "plain"):
        assert scenes.loc[scene_id, "status"] == "failed"
        assert "10.9.8.7" in scenes.loc[scene_id, "reason"]
        assert "allow_hosts" in scenes.loc[scene_id, "reason"]


def test_a_catalog_on_the_web_reaches_no_file_here(tmp_path: Path) -> None:
    port = TinyPort(tmp_path)
    with serving(tmp_path) as base:
        port.scene("a", base_url=base)
        port.items[0]["assets"]["red"]["href"] = (tmp_path / "a" / "red.tif").as_uri()
        campaign = load_campaign(port.campaign(catalog=f"{base}/items.json"))
        (scene,) = search(campaign)
    assert scene.status == "failed" or "red" not in {band.name for band in scene.bands}


@pytest.mark.parametrize("value", ["*", ["*.lan"], ["http://a.lan"], 5, [5]])
def test_allow_hosts_wrongly_typed(tmp_path: Path, value: object) -> None:
    port = TinyPort(tmp_path)
    port.scene("a")
    with pytest.raises(CampaignError, match="allow_hosts must be a list"):
        load_campaign(port.campaign(allow_hosts=value))
    good = load_campaign(port.campaign(allow_hosts=["10.0.0.0/8", "minio.lan"]))
    assert good.allow_hosts == ("10.0.0.0/8", "minio.lan")


# ----------------------------------------------------------------------------- ids are no paths
def test_ids_never_become_paths(tmp_path: Path) -> None:
    port = TinyPort(tmp_path / "in")
    names = ["../../evil", "/etc/evil", "a/../../b", "..", "x\\..\\y", "nul\u0000byte", "-rf", " "]
    for k, name in enumerate(names):
        port.scene(f"s{k}")
        port.items[k]["id"] = name
    flow.run(port.campaign(output=str(tmp_path / "run")), engine="serial", device="cpu")
    assert {p.name for p in tmp_path.iterdir()} == {"in", "run"}
    for path in (tmp_path / "run").rglob("*"):
        assert "evil" not in path.name
        assert ".." not in path.name


# ------------------------------------------------------------------------------------- headers
def _tiff_that_declares(path: Path, *, width: int, height: int, tile: int) -> None:
    """A GeoTIFF of some hundred bytes whose header declares far more than it holds."""
    with rasterio.open(
        path, "w", driver="GTiff", width=64, height=64, count=1, dtype="uint16", crs="EPSG:32653",
        transform=rasterio.Affine(10, 0, 0, 0, -10, 0), tiled=True, blockxsize=64, blockysize=64,
    ) as dataset:  # fmt: skip
        dataset.write(np.ones((1, 64, 64), np.uint16))
    data = bytearray(path.read_bytes())
    (first,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, first)
    for k in range(entries):
        place = first + 2 + 12 * k
        tag, kind = struct.unpack_from("<HH", data, place)
        value = {256: width, 257: height, 322: tile, 323: tile}.get(tag)
        if value is not None:
            struct.pack_into("<HHII", data, place, tag, 4 if value > 65535 else kind, 1, value)
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("width", "tile", "words"),
    [(3_000_000, 64, "declares 64 x 3000000 pixels"), (64, 65520, "blocks of 65520 x 65520")],
)
def test_a_header_that_declares_too_much_is_refused(
    tmp_path: Path, width: int, tile: int, words: str
) -> None:
    path = tmp_path / "bomb.tif"
    _tiff_that_declares(path, width=width, height=64, tile=tile)
    with RasterFiles() as files, pytest.raises(AssetError, match=words):
        files.open(str(path))


def test_a_server_that_fails_is_a_fault_that_may_pass(tmp_path: Path) -> None:
    with serving(tmp_path) as base, RasterFiles() as files:
        with pytest.raises(NetworkError):
            files.open(f"{base}/503.tif")
        with pytest.raises(AssetError) as gone:
            files.open(f"{base}/404.tif")
    assert not isinstance(gone.value, NetworkError)


# ------------------------------------------------------------------------ nothing is executed
FORBIDDEN = {
    "pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib", "telnetlib",
}  # fmt: skip
SAFE_YAML = {"safe_load", "safe_dump", "YAMLError"}


def test_no_pickle_yaml_or_code_from_outside_is_executed() -> None:
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            where = f"{path.relative_to(PACKAGE)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [a.name for a in node.names]
                tops = {n.split(".")[0] for n in [*names, getattr(node, "module", None) or ""]}
                if tops & FORBIDDEN:
                    wrong.append(f"{where} imports {tops & FORBIDDEN}")
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                if node.value.id == "yaml" and node.attr not in SAFE_YAML:
                    wrong.append(f"{where} yaml.{node.attr}")
                if node.value.id in {"os", "subprocess"} and node.attr in {"system", "popen"}:
                    wrong.append(f"{where} {node.value.id}.{node.attr}")
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", None)
                if name in {"eval", "exec", "compile"}:
                    wrong.append(f"{where} {name}()")
                for word in node.keywords:
                    value = getattr(word.value, "value", None)
                    if word.arg in {"allow_pickle", "shell"} and value is not False:
                        wrong.append(f"{where} {word.arg}={value}")
    assert wrong == []


def test_an_array_file_that_needs_pickle_is_no_array() -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle"):
        np.load(io.BytesIO(buffer.getvalue()))  # NumPy's default, on which nothing here builds


# ----------------------------------------------------------------------------------- credentials
@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("get https://me:pw@h.org/a.tif?sig=abc#x", "get https://h.org/a.tif"),
        ("('s3://k:s@bucket/a?x=1', 3)", "('s3://bucket/a', 3)"),
        ("Authorization: Bearer abcdefgh12345", "Authorization: Bearer ***"),
        ("what? no address here", "what? no address here"),
    ],
)
def test_addresses_lose_their_credentials(text: str, clean: str) -> None:
    assert redacted(text) == clean


def test_credentials_are_nowhere_in_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    secret, key = "s3cr3t-s1gnature", "k3y-of-the-environment"
    monkeypatch.setenv("PC_SDK_SUBSCRIPTION_KEY", key)
    monkeypatch.setattr("sys.argv", ["eo", "run", f"https://u:{secret}@h.org/c.yaml"])
    configure_logs(verbose=True)
    port = TinyPort(tmp_path)
    with serving(tmp_path) as base:
        port.scene("good", base_url=base)
        port.scene("bad", base_url=base)
        for item in port.items:
            for asset in item["assets"].values():
                asset["href"] += f"?sig={secret}"
        for asset in port.items[1]["assets"].values():
            asset["href"] = asset["href"].replace("/bad/", "/404/")
        port.items[0]["assets"]["red"]["href"] = port.items[0]["assets"]["red"]["href"].replace(
            "http://", f"http://user:{secret}@"
        )
        run = flow.run(port.campaign(catalog=f"{base}/items.json?token={secret}"),
                       engine="serial", device="cpu")  # fmt: skip
        logging.getLogger("eo").warning("key %s of %s", key, f"https://x.org/?t={secret}")
    assert run.scenes.set_index("scene_id").loc["bad", "status"] == "failed"
    said = "".join(capfd.readouterr())
    assert "key ***" in said
    for word in (secret, key):
        assert word not in said
        for path in (tmp_path / "run").rglob("*"):
            if path.is_file() and "cube" not in path.parts:
                assert word.encode() not in path.read_bytes(), path
    logging.getLogger("eo").handlers.clear()


def test_a_document_larger_than_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eo.access.web.DOCUMENT_LIMIT", 1000)
    (tmp_path / "items.json").write_text(json.dumps({"type": "FeatureCollection", "x": "y" * 2000}))
    with serving(tmp_path) as base, pytest.raises(CatalogError, match="larger than"):
        open_catalog(f"{base}/items.json")


def test_the_environment_of_these_tests_has_no_proxy_for_loopback() -> None:
    assert "127.0.0.1" in os.environ["no_proxy"]
