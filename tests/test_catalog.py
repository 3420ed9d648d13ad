"""Servers that are busy, catalogs that are files, and things that are no catalog."""

from __future__ import annotations

import datetime as dt
import email.utils
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stac_examples import AOI, changed, sentinel, square
from stac_server import Fault, StacServer, serving

from eo.access import catalog as catalog_module
from eo.access import signing, web
from eo.access.catalog import open_catalog
from eo.access.hrefs import absolute
from eo.access.items import BROKEN, scene_from_item
from eo.access.web import Patience
from eo.core.errors import AssetError, CatalogError

QUICK = Patience(tries=4, first_wait_s=0.01, longest_wait_s=0.3, connect_s=1, read_s=0.3)
START = dt.datetime(2024, 4, 1, tzinfo=dt.UTC)
END = dt.datetime(2024, 5, 1, tzinfo=dt.UTC)


def search(place: str, *, patience: Patience = QUICK, **asked: Any) -> list[dict[str, Any]]:
    asked = {"geometry": AOI, "start": START, "end": END, "collections": None, **asked}
    return list(open_catalog(place, patience=patience).search(**asked))


def month(count: int) -> list[dict[str, Any]]:
    return [
        sentinel(f"S2B_52TGN_202404{day:02d}_0_L2A",
                 datetime=f"2024-04-{day:02d}T02:20:00Z")
        for day in range(1, count + 1)
    ]  # fmt: skip


def ids(items: list[dict[str, Any]]) -> list[str]:
    return [item["id"] for item in items]


@pytest.fixture
def server() -> Iterator[StacServer]:
    with serving(items=month(25)) as running:
        yield running


# ------------------------------------------------------------------------------- STAC APIs
@pytest.mark.parametrize("methods", [("POST", "GET"), ("GET",), ("POST",)])
def test_every_page_is_read(server: StacServer, methods: tuple[str, ...]) -> None:
    server.methods = methods
    found = search(server.url, collections=("sentinel-2-l2a",))
    assert ids(found) == ids(server.items)
    asked = [(method, path) for method, path, _ in server.requests if path == "/search"]
    assert asked == [(methods[0], "/search")] * 3


def test_period_is_half_open_and_sent(server: StacServer) -> None:
    found = search(server.url, end=dt.datetime(2024, 4, 3, tzinfo=dt.UTC))
    assert ids(found) == ids(server.items[:2])


def test_progress_knows_the_total(server: StacServer) -> None:
    seen: list[tuple[int, int | None]] = []
    opened = open_catalog(server.url, progress=lambda *now: seen.append(now), patience=QUICK)
    list(opened.search(geometry=AOI, start=START, end=END, collections=None))
    assert seen == [(10, 25), (20, 25), (25, 25)]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=429, headers={"Retry-After": "0"}),
        Fault(status=429, headers={"Retry-After": email.utils.formatdate(0, usegmt=True)}),
        Fault(status=429, headers={"Retry-After": "soon"}),
        Fault(status=500),
        Fault(status=503),
        Fault(status=504),
        Fault(stall_s=0.6, status=200),
        Fault(status=200, body=b'{"type": "Feat', cut_short=True),
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_what_may_pass_is_tried_again(server: StacServer, fault: Fault, method: str) -> None:
    server.methods = (method,)
    server.faults = [Fault(**{**vars(fault), "path": "/search"}) for _ in range(2)]
    assert ids(search(server.url)) == ids(server.items)


def test_retry_after_is_honoured_within_bounds(
    server: StacServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(web.time, "sleep", waits.append)
    server.faults = [
        Fault(status=429, headers={"Retry-After": "7"}, path="/search"),
        Fault(status=503, path="/search"),
        Fault(status=429, headers={"Retry-After": "86400"}, path="/search"),
    ]
    # The server's own thread sleeps for nobody here: its faults do not stall.
    search(server.url, patience=Patience(tries=4, first_wait_s=0.5, longest_wait_s=60))
    assert [wait for wait in waits if wait > 0] == [7, 1, 60]


def test_half_a_catalog_is_not_taken_for_a_whole_one(server: StacServer) -> None:
    opened = open_catalog(server.url, patience=QUICK)
    items = opened.search(geometry=AOI, start=START, end=END, collections=None)
    first = [next(items) for _ in range(10)]
    server.faults = [Fault(status=500)] * 10
    with pytest.raises(CatalogError, match=r"failed after 10 items.*status 500"):
        list(items)
    assert len(first) == 10


def test_an_error_that_will_not_pass_is_not_repeated(server: StacServer) -> None:
    server.faults = [Fault(status=400, body=b'{"description": "no such collection"}',
                           path="/search")]  # fmt: skip
    with pytest.raises(CatalogError, match="no such collection"):
        search(server.url, collections=("sentinel-3",))
    assert server.paths().count("/search") == 1


@pytest.mark.parametrize("body", [b"{}", b"[1]", b"<html>busy</html>", b'{"features": 3}'])
def test_a_page_that_is_no_page_is_an_error(server: StacServer, body: bytes) -> None:
    server.faults = [Fault(status=200, body=body, path="/search")]
    with pytest.raises(CatalogError):
        search(server.url)


def test_pages_in_a_circle_end(server: StacServer) -> None:
    page = server.answer("GET", {"limit": 10})
    page["links"] = [{"rel": "next", "href": f"{server.url}/again"}]
    server.files["/again"] = json.dumps(page).encode()
    server.faults = [Fault(status=200, body=json.dumps(page).encode(), path="/search")]
    with pytest.raises(CatalogError, match="circle"):
        search(server.url)


def test_an_item_on_two_pages_comes_once(server: StacServer) -> None:
    server.items.insert(10, server.items[9])
    assert ids(search(server.url)) == ids(month(25))


def test_recorded_pages_of_a_real_server(server: StacServer, data_dir: Path) -> None:
    """The recorded answers, with the recorded address replaced by this one's."""
    import yaml

    session = yaml.safe_load((data_dir / "stac-items/recorded-paging.yaml").read_text())
    root = "https://planetarycomputer.microsoft.com/api/stac/v1"
    bodies = [i["response"]["body"]["string"] for i in session["interactions"]]
    server.methods = ("POST",)
    server.faults = [
        Fault(status=200, body=body.replace(root, server.url).encode(), path="/search")
        for body in bodies
    ]
    opened = open_catalog(server.url, patience=QUICK)
    items = opened.search(geometry=square(-117, 44, 5), start=START, end=END,
                          collections=("naip",))  # fmt: skip
    found = [next(items) for _ in range(30)]
    assert len({item["id"] for item in found}) == 30
    sent = [body for _, path, body in server.requests if path == "/search"]
    # The token travels in the body, beside what was asked at first.
    assert [body.get("token") for body in sent] == [
        None,
        "next:naip:mt_m_4811501_se_11_060_20231117_20240103",
        "next:naip:mt_m_4511355_sw_12_060_20231117_20240103",
    ]
    assert all(body["collections"] == ["naip"] for body in sent)


def test_relative_hrefs_of_a_server_are_its_own(server: StacServer) -> None:
    server.items = server.items[:1]
    server.items[0]["links"] = [{"rel": "self", "href": f"{server.url}/collections/a/items/b"}]
    server.items[0]["assets"]["blue"]["href"] = "./x/blue.tif"
    server.items[0]["assets"]["red"]["href"] = "file:///etc/passwd"
    server.items[0]["assets"]["green"]["href"] = "/etc/passwd"
    (item,) = search(server.url)
    assert item["assets"]["blue"]["href"] == f"{server.url}/collections/a/items/x/blue.tif"
    assert item["assets"]["green"]["href"] == f"{server.url}/etc/passwd"
    assert item["assets"]["red"]["href"] is None


# ------------------------------------------------------------------- places that are no catalog
def test_nothing_there(tmp_path: Path, server: StacServer) -> None:
    with pytest.raises(CatalogError, match="does not exist"):
        open_catalog(str(tmp_path / "catalog.json"))
    with pytest.raises(CatalogError, match="404"):
        open_catalog(server.url + "/nowhere?key=secret", patience=QUICK)
    with pytest.raises(CatalogError, match="no connection") as caught:
        open_catalog("http://user:secret@127.0.0.1:9/stac?key=secret", patience=QUICK)
    assert "secret" not in str(caught.value)
    with pytest.raises(CatalogError, match="only http"):
        open_catalog("s3://bucket/catalog.json")


@pytest.mark.parametrize(
    ("body", "match"),
    [
        (b"<!DOCTYPE html><html>Welcome</html>", "web page"),
        (b'{"type": "FeatureCollection", "features": [{"id": "a', "cut short"),
        (b'{"type": ', "cut short"),
        (b"", "empty"),
        (b"hello", "not valid JSON"),
        (b"\xff\xfe\x00{", "not text"),
        (b'{"hello": 1}', "not STAC"),
        (b"[]", "not STAC"),
        (b"17", "not STAC"),
        (b'{"type": "FeatureCollection", "features": [{"type": "Feature"}]}', "no STAC items"),
        (b'{"type": "Catalog"}', "not STAC"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_catalog_says_so(
    tmp_path: Path, server: StacServer, body: bytes, match: str
) -> None:
    path = tmp_path / "catalog.json"
    path.write_bytes(body)
    server.files["/stac"] = body
    for place in (str(path), server.url + "/stac"):
        with pytest.raises(CatalogError, match=match):
            open_catalog(place, patience=QUICK)


def test_documents_above_the_limit_are_refused(
    tmp_path: Path, server: StacServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "DOCUMENT_LIMIT", 2**20)
    monkeypatch.setattr(catalog_module, "_LOCAL_LIMIT", 2**20)
    body = b'{"x": "' + b"x" * 2**20 + b'"}'
    server.files["/stac"] = body
    with pytest.raises(CatalogError, match="larger than 1 MiB"):
        open_catalog(server.url + "/stac", patience=QUICK)
    assert server.paths().count("/stac") == 1
    (tmp_path / "catalog.json").write_bytes(body)
    with pytest.raises(CatalogError, match="more than 1 MiB"):
        open_catalog(str(tmp_path))


def test_one_page_is_not_taken_for_the_whole(server: StacServer) -> None:
    page = server.answer("GET", {"limit": 10})
    collection = {
        "type": "Collection",
        "stac_version": "1.0.0",
        "id": "sentinel-2-l2a",
        "links": [{"rel": "items", "href": "./sentinel-2-l2a/items"}],
    }
    server.files = {"/collections/sentinel-2-l2a/items": json.dumps(page).encode(),
                    "/collections/sentinel-2-l2a": json.dumps(collection).encode()}  # fmt: skip
    for path in server.files:
        with pytest.raises(CatalogError, match="one page of"):
            search(server.url + path)
    del page["links"]
    server.files["/collections/sentinel-2-l2a/items"] = json.dumps(page).encode()
    assert len(search(server.url + "/collections/sentinel-2-l2a")) == 10


def test_an_empty_collection_is_a_catalog(tmp_path: Path) -> None:
    (tmp_path / "none.json").write_text('{"type": "FeatureCollection", "features": []}')
    assert search(str(tmp_path / "none.json")) == []


def test_an_api_without_search_says_so(server: StacServer) -> None:
    landing = server.landing()
    landing["links"] = []
    server.files["/core"] = json.dumps(landing).encode()
    with pytest.raises(CatalogError, match="without item search"):
        open_catalog(server.url + "/core", patience=QUICK)


# --------------------------------------------------------------------------- catalogs of files
def write_static(folder: Path, items: list[Any], *, collection: str | None = None) -> Path:
    """Write catalog.json, a child (a collection, perhaps) and an item file for each item."""
    links = []
    child = folder / "port one"
    child.mkdir(parents=True)
    for number, item in enumerate(items):
        place = child / f"i{number}" / "item.json"
        place.parent.mkdir()
        place.write_text(item if isinstance(item, str) else json.dumps(item))
        links.append({"rel": "item", "href": f"./i{number}/item.json"})
    kind: dict[str, Any] = {"type": "Catalog", "stac_version": "1.0.0", "id": "child"}
    if collection is not None:
        kind = {"type": "Collection", "stac_version": "1.0.0", "id": collection}
    back = [
        {"rel": "root", "href": "../catalog.json"},
        {"rel": "parent", "href": "../catalog.json"},
    ]
    (child / "catalog.json").write_text(json.dumps({**kind, "links": [*back, *links]}))
    root = {
        "type": "Catalog",
        "stac_version": "1.0.0",
        "id": "root",
        "links": [{"rel": "child", "href": "./port%20one/catalog.json"}],
    }
    (folder / "catalog.json").write_text(json.dumps(root))
    return folder / "catalog.json"


def local(item: dict[str, Any]) -> dict[str, Any]:
    for key in ("blue", "green", "red"):
        item["assets"][key]["href"] = f"./{key}.tif"
    return item


def test_static_catalog_is_walked_and_filtered(tmp_path: Path) -> None:
    items = [local(item) for item in month(3)]
    items[1]["geometry"] = square(10, 40)
    items[2]["properties"]["datetime"] = "2024-05-01T00:00:00Z"
    place = write_static(tmp_path, items)
    for spelt in (str(place), str(place.parent), place.as_uri()):
        (found,) = search(spelt)
        assert found["id"] == items[0]["id"]
        blue = found["assets"]["blue"]["href"]
        assert blue == str(tmp_path / "port one" / "i0" / "blue.tif")


def test_a_broken_file_does_not_stop_the_search(tmp_path: Path) -> None:
    place = write_static(tmp_path, [month(1)[0], '{"type": "Feature", "id": "cut', "<html>",
                                    '{"hello": "world"}', "[]"])  # fmt: skip
    (place.parent / "port one" / "i4" / "item.json").unlink()
    found = search(str(place))
    scenes = [scene_from_item(item) for item in found]
    assert [s.status for s in scenes] == ["found"] + ["failed"] * 4
    assert [s.scene_id for s in scenes[1:]] == ["i1/item", "i2/item", "i3/item", "i4/item"]
    assert [s.reason for s in scenes if not s.reason] == [None]
    assert "cut short" in (scenes[1].reason or "")
    assert "does not exist" in (scenes[4].reason or "")


def test_items_of_a_collection_carry_its_name(tmp_path: Path) -> None:
    item = local(month(1)[0])
    del item["collection"]
    place = write_static(tmp_path, [item], collection="ports")
    assert search(str(place), collections=("ports",))[0]["collection"] == "ports"
    assert search(str(place), collections=("others",)) == []


def test_items_without_a_collection_are_kept_with_a_note(tmp_path: Path) -> None:
    item = local(month(1)[0])
    del item["collection"]
    place = write_static(tmp_path, [item])
    (found,) = search(str(place), collections=("ports",))
    assert any("no collection" in note for note in scene_from_item(found).notes)


@pytest.mark.parametrize(
    ("period", "matches"),
    [
        (("2024-01-01T00:00:00Z", "2024-04-01T00:00:00Z"), True),
        (("2024-04-30T23:00:00Z", "2024-12-01T00:00:00Z"), True),
        (("2023-01-01T00:00:00Z", "2024-03-31T23:59:59Z"), False),
        (("2024-05-01T00:00:00Z", "2024-05-02T00:00:00Z"), False),
        (("2017-01-01T00:00:00Z", None), True),
        ((None, None), True),
    ],
)
def test_without_a_datetime_start_and_end_decide(
    tmp_path: Path, period: tuple[str | None, str | None], matches: bool
) -> None:
    item = changed(month(1)[0], datetime=None)
    item["properties"] |= {"datetime": None, "start_datetime": period[0],
                           "end_datetime": period[1]}  # fmt: skip
    place = write_static(tmp_path, [item])
    assert bool(search(str(place))) is matches


@pytest.mark.parametrize("wrap", ["collection", "list", "single"])
def test_items_in_one_file(tmp_path: Path, wrap: str) -> None:
    items: list[Any] = [local(item) for item in month(3)]
    document: Any = {"type": "FeatureCollection", "features": [*items, "junk"]}
    if wrap == "list":
        document = [*items, "junk"]
    if wrap == "single":
        document = items[0]
    path = tmp_path / "items.json"
    path.write_text(json.dumps(document))
    found = search(str(path))
    good = [item for item in found if BROKEN not in item]
    assert ids(good) == ids(items[:1] if wrap == "single" else items)
    assert good[0]["assets"]["red"]["href"] == str(tmp_path / "red.tif")
    assert len(found) - len(good) == (0 if wrap == "single" else 1)


@pytest.mark.data
def test_recorded_answers_are_catalogs(data_dir: Path) -> None:
    world = {"type": "Polygon", "coordinates": [[[-180, -90], [180, -90], [180, 90], [-180, 90],
                                                 [-180, -90]]]}  # fmt: skip
    counts = {}
    for path in sorted((data_dir / "stac-items").glob("*.json")):
        found = search(str(path), geometry=world, start=dt.datetime(2014, 1, 1, tzinfo=dt.UTC),
                       end=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))  # fmt: skip
        counts[path.stem] = len(found)
    assert counts["earth-search-sentinel-2-c1-l2a"] == 10
    assert counts["planetary-computer-sentinel-2-l2a"] == 4
    assert counts["copernicus-dataspace-search"] == 2
    assert min(counts.values()) == 1


def test_stac_geoparquet(tmp_path: Path) -> None:
    from stac_geoparquet.arrow import parse_stac_items_to_arrow, to_parquet

    items = [local(item) for item in month(5)]
    for item in items:
        item["bbox"] = [132.9, 42.5, 133.4, 43.0]
    path = tmp_path / "items.parquet"
    to_parquet(parse_stac_items_to_arrow(items), path)
    found = search(str(path), end=dt.datetime(2024, 4, 4, tzinfo=dt.UTC))
    assert ids(found) == ids(items[:3])
    for item, source in zip(found, items, strict=False):
        scene, straight = scene_from_item(item), scene_from_item(source)
        assert scene.status == "found"
        assert scene.datetime == straight.datetime
        assert [(b.name, b.scale, b.offset) for b in scene.bands] == [
            (b.name, b.scale, b.offset) for b in straight.bands
        ]
        assert scene.bands[0].href == str(tmp_path / "blue.tif")


def test_parquet_that_is_none(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "items.parquet"
    path.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(CatalogError, match="not a Parquet file"):
        open_catalog(str(path))
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(CatalogError, match="not stac-geoparquet"):
        open_catalog(str(path))


# ------------------------------------------------------------------ static catalogs on the web
def test_static_catalog_on_the_web(server: StacServer, tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text(json.dumps(month(1)[0]))
    item = local(month(1)[0])
    item["assets"]["swir16"]["href"] = "file:///etc/passwd"
    links = [
        {"rel": "item", "href": "./a/item.json"},
        {"rel": "item", "href": secret.as_uri()},
        {"rel": "child", "href": "./gone.json"},
        {"rel": "child", "href": "./catalog.json"},
    ]
    root = {"type": "Catalog", "stac_version": "1.0.0", "id": "r", "links": links}
    server.files = {"/s/catalog.json": json.dumps(root).encode(),
                    "/s/a/item.json": json.dumps(item).encode()}  # fmt: skip
    found = search(server.url + "/s/catalog.json")
    assert found[0]["assets"]["blue"]["href"] == f"{server.url}/s/a/blue.tif"
    assert found[0]["assets"]["swir16"]["href"] is None
    scenes = [scene_from_item(item) for item in found]
    assert [s.status for s in scenes] == ["found", "failed", "failed"]
    assert "may not" in (scenes[1].reason or "")
    assert "404" in (scenes[2].reason or "")


def test_many_files_on_the_web_come_in_order(server: StacServer) -> None:
    items = month(28)
    links = [{"rel": "item", "href": f"./{item['id']}.json"} for item in items]
    root = {"type": "Catalog", "stac_version": "1.0.0", "id": "r", "links": links}
    server.files = {"/catalog.json": json.dumps(root).encode()}
    for item in items:
        server.files[f"/{item['id']}.json"] = json.dumps(item).encode()
    server.faults = [Fault(status=503, path="/S2B")] * 3
    assert ids(search(server.url + "/catalog.json")) == ids(items)


@pytest.mark.parametrize(
    ("href", "base", "result"),
    [
        ("./a.tif", "/data/x/item.json", "/data/x/a.tif"),
        ("../a%20b.tif", "/data/x/item.json", "/data/a b.tif"),
        ("/abs/a.tif", "/data/x/item.json", "/abs/a.tif"),
        ("file:///abs/a%20b.tif", "/data/x/item.json", "/abs/a b.tif"),
        ("https://h/a.tif?x=1", "/data/x/item.json", "https://h/a.tif?x=1"),
        ("s3://b/a.tif", "/data/x/item.json", "s3://b/a.tif"),
        ("a.tif", "https://h/x/item.json", "https://h/x/a.tif"),
        ("../a.tif?x=1", "https://h/x/item.json", "https://h/a.tif?x=1"),
        ("s3://b/a.tif", "https://h/x/item.json", "s3://b/a.tif"),
        ("/etc/passwd", "https://h/x/item.json", "https://h/etc/passwd"),
        ("file:///etc/passwd", "https://h/x/item.json", None),
        ("ftp://h/a.tif", "https://h/x/item.json", None),
        ("", "https://h/x/item.json", None),
    ],
)
def test_absolute_hrefs(href: str, base: str, result: str | None) -> None:
    assert absolute(href, base) == result


# ------------------------------------------------------------------------------------ signing
HREF = "https://sentinel2l2a01.blob.core.windows.net/sentinel2-l2/52/B04.tif"


@pytest.fixture
def token_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StacServer]:
    monkeypatch.setattr(signing, "_tokens", {})
    with serving() as running:
        monkeypatch.setenv("PC_SDK_SAS_URL", running.url + "/token")
        yield running


def grant(server: StacServer, token: str, minutes: float) -> None:
    expiry = (dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes)).isoformat()
    server.files["/token/sentinel2l2a01/sentinel2-l2"] = json.dumps(
        {"msft:expiry": expiry, "token": token}
    ).encode()


def test_a_token_is_asked_for_once(
    token_server: StacServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    grant(token_server, "st=now&sig=topsecret", minutes=45)
    for _ in range(3):
        assert signing.sign(HREF, "planetary-computer") == HREF + "?st=now&sig=topsecret"
    assert len(token_server.requests) == 1
    assert "topsecret" not in caplog.text
    signed = HREF + "?sig=x"
    for other in (signed, "/local/B04.tif", "https://example.com/a.tif", "s3://b/a.tif"):
        assert signing.sign(other, "planetary-computer") == other
    assert signing.sign(HREF, None) == HREF
    assert len(token_server.requests) == 1


def test_a_token_about_to_expire_is_replaced(token_server: StacServer) -> None:
    grant(token_server, "sig=one", minutes=1)
    assert signing.sign(HREF, "planetary-computer").endswith("?sig=one")
    grant(token_server, "sig=two", minutes=45)
    assert signing.sign(HREF, "planetary-computer").endswith("?sig=two")
    assert len(token_server.requests) == 2


def test_no_token_is_an_asset_error(token_server: StacServer) -> None:
    with pytest.raises(AssetError, match="status 404"):
        signing.sign(HREF, "planetary-computer")
    with pytest.raises(AssetError, match="unknown"):
        signing.sign(HREF, "somebody")
