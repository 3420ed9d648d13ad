"""Commits of results: unchanged ones are not written, earlier ones are made again, none is half."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

import pytest
from tiny import TinyPort

import eo
from eo import flow
from eo.access.files import open_files
from eo.access.folder import RunFolder
from eo.access.publishing import publish, read_results, settle, sha256_of
from eo.access.tables import TABLES, read_rows
from eo.core.errors import OutputError
from eo.history import tags
from eo.upkeep import collect


def stamps(folder: Path) -> dict[str, tuple[int, bytes]]:
    files = [*(f"{name}.parquet" for name in TABLES), "run.json", "report.html"]
    return {n: ((folder / n).stat().st_mtime_ns, (folder / n).read_bytes()) for n in files}


@pytest.fixture
def port(tmp_path: Path) -> TinyPort:
    made = TinyPort(tmp_path)
    for day in range(3):
        made.scene(f"s{day}")
    return made


def run(port: TinyPort, **options: object) -> eo.Run:
    return flow.run(port.campaign(), engine="serial", device="cpu", **options)  # type: ignore[arg-type]


def test_what_is_unchanged_is_not_written(port: TinyPort) -> None:
    assert run(port).changed
    folder = port.folder / "run"
    before = stamps(folder)
    again = run(port, leave_failed=True)
    assert not again.changed
    assert stamps(folder) == before
    assert len(tags(RunFolder(folder))) == 1
    assert again.totals.equals(eo.open_run(folder).totals)


def test_a_damaged_table_is_written_again(port: TinyPort) -> None:
    run(port)
    folder = port.folder / "run"
    whole = (folder / "looks.parquet").read_bytes()
    (folder / "looks.parquet").write_bytes(whole[:-7])
    with pytest.raises(OutputError, match=r"looks.parquet .*sha256"):
        eo.open_run(folder)
    assert run(port).changed
    assert (folder / "looks.parquet").read_bytes() == whole


def test_an_earlier_commit_is_made_again_from_its_parts(port: TinyPort) -> None:
    run(port)
    folder = port.folder / "run"
    old = {name: read_rows(folder, name) for name in TABLES}
    (first,) = tags(RunFolder(folder))
    port.scene("s3")
    port.scene("s1", pixels=lambda plane: plane + 300)
    port.items.pop(1)
    run(port)
    assert len(tags(RunFolder(folder))) == 2
    then, now = eo.open_run(folder, at=first), eo.open_run(folder)
    assert then.provenance["tag"] == first
    assert then.scenes["scene_id"].tolist() == ["s0", "s1", "s2"]
    assert sorted(now.scenes["scene_id"]) == ["s0", "s1", "s2", "s3"]
    from eo.access.tables import table_of

    for name in TABLES:
        assert then.table(name).equals(table_of(name, old[name])), name
    assert then.cube.sizes["time"] == 3
    assert now.cube.sizes["time"] == 4
    assert float(then.cube["dn"].max()) < float(now.cube["dn"].max())
    with pytest.raises(OutputError, match=f"no tag '2020'.*{first}"):
        eo.open_run(folder, at="2020")


def test_garbage_is_listed_first_and_what_a_tag_names_stays(port: TinyPort) -> None:
    run(port)
    folder = port.folder / "run"
    (first,) = tags(RunFolder(folder))
    port.scene("s1", pixels=lambda plane: plane + 300)
    port.items.pop(1)
    run(port)
    stray = folder / "parts" / "ingest" / ("0" * 32)
    stray.mkdir()
    (stray / "records.json").write_text("{}")
    (folder / "parts" / "measure" / ".abc-1.tmp").mkdir()
    assert collect(RunFolder(folder), delete=False).parts == (f"parts/ingest/{'0' * 32}",)
    assert stray.exists()
    found = collect(RunFolder(folder), delete=True)
    assert found.drafts == ("parts/measure/.abc-1.tmp",)
    assert not stray.exists()
    eo.open_run(folder, at=first)
    more = collect(RunFolder(folder), delete=True, keep=1)
    assert more.tags == (first,)
    assert sorted(name.split("/")[1] for name in more.parts) == ["ingest", "measure"]
    with pytest.raises(OutputError, match="no tag"):
        eo.open_run(folder, at=first)
    assert not run(port).changed


def test_orphans_of_the_cube_are_collected(port: TinyPort) -> None:
    run(port)
    folder = RunFolder(port.folder / "run")
    chunks = port.folder / "run" / "cube" / "chunks"
    (chunks / "0ABCDEFGHJKMNPQRSTVG").write_bytes(b"x" * 1000)  # a chunk that no commit names
    assert collect(folder, delete=False).cube_bytes == 1000
    assert collect(folder, delete=True).cube_bytes == 1000
    assert collect(folder, delete=False).cube_bytes == 0
    assert eo.open_run(folder.place).cube["dn"].load().max() > 0


def contents(tag: str, text: bytes) -> dict[str, bytes]:
    said = {"tag": tag, "sha256": {"a.parquet": sha256_of(text), "b.parquet": sha256_of(text)}}
    return {"a.parquet": text, "b.parquet": text, "run.json": json.dumps(said).encode()}


class Dying:
    """Files of a writer that dies after some writes."""

    def __init__(self, place: Path, lives: int) -> None:
        self._files, self._lives = open_files(place), lives

    def __getattr__(self, name: str) -> object:
        if name in {"write", "delete"}:
            self._lives -= 1
            if self._lives < 0:
                raise KeyboardInterrupt
        return getattr(self._files, name)


@pytest.mark.parametrize("lives", range(12))
def test_a_publication_that_is_cut_off_shows_the_old_results_or_the_new(
    tmp_path: Path, lives: int
) -> None:
    files = open_files(tmp_path)
    files.prepare()
    publish(files, contents("one", b"old"))
    with contextlib.suppress(KeyboardInterrupt):
        publish(Dying(tmp_path, lives), contents("two", b"new"))  # type: ignore[arg-type]
    run, found = read_results(files, ["a.parquet", "b.parquet"])
    seen = set(found.values())
    assert seen == ({b"old"} if run["tag"] == "one" else {b"new"})
    settle(files)
    again, _ = read_results(files, ["a.parquet", "b.parquet"])
    assert again["tag"] == run["tag"]
    assert (tmp_path / "a.parquet").read_bytes() == found["a.parquet"]
    assert not (tmp_path / ".next").exists()


def test_pages_of_vessels_that_are_no_more_go_with_them(tmp_path: Path) -> None:
    files = open_files(tmp_path)
    files.prepare()
    publish(files, {**contents("one", b"1"), "evidence/a.html": b"a", "evidence/b.html": b"b"})
    assert files.names("evidence") == ["a.html", "b.html"]
    publish(files, {**contents("two", b"2"), "evidence/b.html": b"B"})
    assert files.names("evidence") == ["b.html"]
    assert files.read("evidence/b.html") == b"B"
    publish(files, contents("three", b"3"))
    assert files.names("evidence") == []


def test_who_reads_while_another_writes_sees_one_commit(tmp_path: Path) -> None:
    files = open_files(tmp_path)
    files.prepare()
    publish(files, contents("t0", b"0"))
    child = os.fork()
    if child == 0:  # the writer
        for k in range(60):
            publish(files, contents(f"t{k}", str(k).encode()))
        os._exit(0)
    seen = set()
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        run, found = read_results(files, ["a.parquet", "b.parquet"])
        assert {f"t{data.decode()}" for data in found.values()} == {run["tag"]}
        seen.add(run["tag"])
    assert len(seen) > 3


def test_a_folder_that_holds_no_run_is_told(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "absent"):
        with pytest.raises(OutputError, match="no finished run"):
            collect(RunFolder(place), delete=True)
    assert list(tmp_path.iterdir()) == []


def test_commands_of_a_run_as_typed(port: TinyPort, capsys: pytest.CaptureFixture[str]) -> None:
    from typer.testing import CliRunner

    from eo.cli import app

    run(port)
    folder, campaign = str(port.folder / "run"), str(port.folder / "campaign.yaml")
    (tag,) = tags(RunFolder(folder))
    typed = CliRunner()
    assert f"* {tag}  eo " in typed.invoke(app, ["history", folder]).output
    assert "would delete: 0 parts" in typed.invoke(app, ["gc", folder]).output
    assert "0 dead letters" in typed.invoke(app, ["retry", folder]).output
    made = typed.invoke(app, ["report", campaign, "--at", tag])
    assert made.output.strip().endswith(f"report-{tag}.html")
    assert Path(made.output.strip()).read_bytes().startswith(b"<!DOCTYPE html>")
    assert "nothing to do" in typed.invoke(app, ["plan", campaign]).output
    assert "nothing to do" in typed.invoke(app, ["reprocess", campaign]).output
    assert typed.invoke(app, ["gc", folder, "--keep", "0"]).exit_code == 2
    assert typed.invoke(app, ["gc", folder, "--dlete"]).exit_code == 2
    wrong = typed.invoke(app, ["report", campaign, "--at", "yesterday"])
    assert isinstance(wrong.exception, OutputError)
    assert tag in str(wrong.exception)
