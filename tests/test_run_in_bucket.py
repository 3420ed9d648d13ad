"""A run's folder in an object store: files, parts, lease; a server on loopback stands in for S3."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import numpy as np
import obstore
import pytest
from s3_server import bucket_server, delete_bucket, slow_down_proxy, use_endpoint
from tiny import TinyPort

import eo
from eo import flow
from eo.access import objects
from eo.access.files import open_files
from eo.access.parts import open_parts
from eo.access.tables import TABLES, read_rows
from eo.core.errors import OutputError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
PLACE = "s3://port/vostochny"
PRINT = "0123456789abcdef"


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with bucket_server() as address:
        use_endpoint(monkeypatch, address)
        yield address


def test_files_are_written_read_listed_and_deleted(endpoint: str) -> None:
    files = open_files(PLACE)
    files.prepare()
    assert files.read("run.json") is None
    files.write("run.json", b"{}")
    files.write("history/a/run.json", b"1")
    files.write("history-2", b"2")
    assert files.read("run.json") == b"{}"
    assert files.names() == ["history", "history-2", "run.json"]
    assert files.names("history") == ["a"]
    files.delete("history")
    assert files.names() == ["history-2", "run.json"]
    assert files.inside("run.json") == f"{PLACE}/run.json"


def test_a_part_is_there_once_its_records_are(endpoint: str) -> None:
    parts = open_parts(PLACE)
    assert not parts.exists("ingest", PRINT)
    dn = np.arange(2 * 40 * 30, dtype=np.uint16).reshape(2, 40, 30)
    parts.write("ingest", PRINT, {"a": 1}, {"dn": dn, "mask": np.ones((40, 30), np.uint8)})
    again = open_parts(PLACE)
    assert again.exists("ingest", PRINT)
    assert again.records("ingest", PRINT) == {"a": 1}
    found = again.array("ingest", PRINT, "dn")
    np.testing.assert_array_equal(found[:, 17:19], dn[:, 17:19])
    with pytest.raises(KeyError):
        again.array("ingest", PRINT, "absent")
    # What a dead unit left, without records, is no part and is written over.
    other = "f" * 16
    store = objects.open_store(PLACE)
    obstore.put(store, f"parts/ingest/{other}/dn/zarr.json", b"half")
    assert not again.exists("ingest", other)
    again.write("ingest", other, {"b": 2}, {"dn": dn})
    np.testing.assert_array_equal(again.array("ingest", other, "dn")[...], dn)


def test_a_store_that_asks_to_slow_down_is_waited_for(
    endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with slow_down_proxy(endpoint, every=4) as (address, counts):
        use_endpoint(monkeypatch, address)
        files, parts = open_files(PLACE), open_parts(PLACE)
        for number in range(6):
            files.write(f"table{number}", bytes([number]))
            parts.write("measure", f"{number:016x}", {"n": number}, {"x": np.ones((4, 4))})
        assert [files.read(f"table{number}") for number in range(6)] == [
            bytes([number]) for number in range(6)
        ]
        assert all(parts.records("measure", f"{n:016x}") == {"n": n} for n in range(6))
        assert counts["refused"] > 5


def test_a_bucket_that_vanished_is_an_error_that_says_so(endpoint: str) -> None:
    files, parts = open_files(PLACE), open_parts(PLACE)
    files.write("run.json", b"{}")
    delete_bucket(endpoint)
    with pytest.raises(OutputError, match=r"writing s3://port/vostochny/run\.json failed"):
        files.write("run.json", b"{}")
    with pytest.raises(OutputError, match="nothing that was there before is harmed"):
        parts.write("measure", PRINT, {}, {"x": np.ones((4, 4))})
    with pytest.raises(OutputError, match="NoSuchBucket"):
        files.read("run.json")


@pytest.mark.parametrize("place", ["s3:///x", "s3://key:secret@port/x"])
def test_an_address_without_a_bucket_or_with_a_secret_is_refused(place: str) -> None:
    with pytest.raises(OutputError, match="by environment or role") as error:
        open_files(place)
    assert "secret" not in str(error.value)


def test_only_one_writer_holds_the_lease(endpoint: str) -> None:
    one, two = open_files(PLACE), open_files(PLACE)
    with (
        one.writing(),
        pytest.raises(OutputError, match="is being written by process"),
        two.writing(),
    ):
        pass
    with two.writing():
        pass
    assert ".writer.lease.json" not in one.names()


def test_a_dead_writers_lease_runs_out(endpoint: str) -> None:
    store = objects.open_store(PLACE)
    dead = {"owner": "process 1 on gone", "until": "2024-01-01T00:00:00+00:00"}
    obstore.put(store, ".writer.lease.json", json.dumps(dead).encode())
    files = open_files(PLACE)
    with files.writing():
        held = json.loads(files.read(".writer.lease.json") or b"")
        assert held["owner"] != dead["owner"]


def test_a_living_writer_renews_its_lease(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "_LEASE_S", 0.4)
    files = open_files(PLACE)
    with files.writing():
        first = files.read(".writer.lease.json")
        threading.Event().wait(0.8)
        second = files.read(".writer.lease.json")
        assert first != second
        with pytest.raises(OutputError, match="is being written"), open_files(PLACE).writing():
            pass


@pytest.mark.parametrize("renewed_after_s", [0.2, 3600.0])
def test_a_writer_that_lost_its_lease_says_so(
    endpoint: str, monkeypatch: pytest.MonkeyPatch, renewed_after_s: float
) -> None:
    monkeypatch.setattr(objects, "_LEASE_S", renewed_after_s)
    files = open_files(PLACE)

    def lose_it() -> None:
        with files.writing():
            files.write(".writer.lease.json", b'{"owner": "x", "until": "2999-01-01T00:00Z"}')

    with pytest.raises(OutputError, match="lease was lost"):
        lose_it()
    # The other's lease is left as it is.
    assert b'"x"' in (files.read(".writer.lease.json") or b"")


def _tables(place: str) -> dict[str, list[object]]:
    return {name: read_rows(place, name) for name in TABLES}


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> TinyPort:
    """Four days, and their run in a folder."""
    made = TinyPort(tmp_path_factory.mktemp("port"))
    for day in range(4):
        made.scene(f"s{day}")
    flow.run(made.campaign(), engine="serial", device="cpu")
    return made


def test_a_run_in_a_bucket_equals_the_run_in_a_folder(
    endpoint: str, monkeypatch: pytest.MonkeyPatch, port: TinyPort
) -> None:
    with slow_down_proxy(endpoint, every=20) as (address, counts):
        use_endpoint(monkeypatch, address)
        run = flow.run(port.campaign(), output=PLACE, engine="threads", device="cpu")
        assert run.folder == PLACE
        assert run.exit_code == 0
        assert counts["refused"] >= counts["seen"] // 20 > 0
    use_endpoint(monkeypatch, endpoint)
    assert _tables(PLACE) == _tables(str(port.folder / "run"))
    opened = eo.open_run(PLACE)
    assert opened.detections.crs.to_epsg() == 4326
    assert opened.cube["dn"].sizes["time"] == 4
    report = open_files(PLACE).read("report.html") or b""
    assert report.startswith(b"<!DOCTYPE html>")


def test_a_second_run_in_a_bucket_reads_nothing_again(endpoint: str, port: TinyPort) -> None:
    flow.run(port.campaign(), output=PLACE, engine="serial", device="cpu")
    before = _tables(PLACE)
    seen: list[tuple[str, int]] = []
    flow.run(
        port.campaign(), output=PLACE, engine="serial", device="cpu",
        progress=lambda stage, _, total: seen.append((stage, total)),
    )  # fmt: skip
    assert {total for stage, total in seen if stage in {"ingest", "measure"}} <= {0}
    assert _tables(PLACE) == before


def test_a_bucket_deleted_in_mid_run_ends_the_run_with_a_clear_error(
    endpoint: str, port: TinyPort
) -> None:
    def progress(stage: str, done: int, _: int) -> None:
        if stage == "measure" and done == 1:
            delete_bucket(endpoint)

    with pytest.raises(OutputError, match="NoSuchBucket") as error:
        flow.run(port.campaign(), output=PLACE, engine="serial", device="cpu", progress=progress)
    assert error.value.exit_code == 2
    # What was there before, the scenes and the run in the folder, is as it was.
    assert len(_tables(str(port.folder / "run"))["scenes"]) == 4
