"""`eo plan`, dead letters and `eo retry`: what would be done and why, and what is left alone."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tiny import TinyPort

from eo import flow, units
from eo.access.folder import RunFolder
from eo.core.config import load_campaign
from eo.core.errors import NetworkError, OutputError
from eo.letters import read_letters
from eo.planning import Plan, PlanRow, make_plan
from eo.upkeep import campaign_file, clear_letters, dead_letters


@pytest.fixture
def port(tmp_path: Path) -> TinyPort:
    made = TinyPort(tmp_path)
    for day in range(4):
        made.scene(f"s{day}")
    return made


def run(port: TinyPort, **options: object):
    return flow.run(port.campaign(), engine="serial", device="cpu", **options)  # type: ignore[arg-type]


def planned(port: TinyPort) -> Plan:
    return make_plan(load_campaign(port.campaign()))


def open_rows(plan: Plan) -> dict[tuple[str, str | None], PlanRow]:
    return {(row.phase, row.scene_id): row for row in plan.rows if row.state != "done"}


def test_a_plan_before_the_first_run_has_all_to_do(port: TinyPort) -> None:
    plan = planned(port)
    assert plan.count("ingest") == {"todo": 4}
    assert plan.count("measure") == {"todo": 4}
    assert plan.count("reference") == {"todo": 1}
    table = pq.read_table(plan.places[0])
    assert table.num_rows == 9
    assert set(table["why"].to_pylist()) == {
        "new", "the empty port of these looks is not learnt yet",
    }  # fmt: skip
    assert min(table["host_bytes"].to_pylist()) > 2**20
    page = json.loads(Path(plan.places[1]).read_text())
    kinds = [feature["properties"]["kind"] for feature in page["features"]]
    assert kinds == ["scene"] * 4 + ["tile"]
    outline = page["features"][-1]["geometry"]["coordinates"][0]
    west, south = map(min, zip(*outline, strict=True))
    assert 133 < west < 134
    assert 42 < south < 43
    assert not (port.folder / "run" / "parts").exists()


def test_a_plan_says_what_changed(port: TinyPort, monkeypatch: pytest.MonkeyPatch) -> None:
    run(port)
    assert open_rows(planned(port)) == {}
    items = list(port.items)
    port.scene("s1", pixels=lambda plane: plane + 200)
    port.items[:] = items
    port.items[2]["properties"]["updated"] = "2024-06-01T00:00:00Z"
    rows = open_rows(planned(port))
    assert set(rows) == {("ingest", "s1"), ("ingest", "s2"), ("measure", "s1"), ("measure", "s2")}
    assert rows["ingest", "s1"].state == "redo"
    assert rows["ingest", "s1"].why == "files changed: blue.tif, green.tif, nir.tif and 1 more"
    assert rows["ingest", "s2"].why == "the item changed: updated"
    assert rows["measure", "s1"].why == "its pixels are read anew"
    monkeypatch.setitem(units.ALGORITHMS, "measure", 999)
    why = open_rows(planned(port))["measure", "s0"].why
    assert why is not None
    assert why.endswith("is now 999")


def test_the_plan_is_what_the_run_then_does(port: TinyPort) -> None:
    before = {(row.phase, row.fingerprint) for row in planned(port).rows}
    run(port)
    made = {(p.parent.name, p.name) for p in (port.folder / "run" / "parts").glob("*/*")}
    assert made == before


def test_a_late_look_makes_the_frozen_empty_port_stale(port: TinyPort) -> None:
    run(port)
    late, second = port.scene("late")["properties"], port.items[1]["properties"]
    late["datetime"] = second["datetime"].replace("02:10", "03:40")
    (text,) = planned(port).stale
    assert text.endswith("1 looks came later")


def test_what_can_only_fail_again_is_left_until_asked(port: TinyPort) -> None:
    broken = port.folder / "s2" / "red.tif"
    broken.write_bytes(broken.read_bytes()[:-1500])
    assert run(port).exit_code == 3
    folder = RunFolder(port.folder / "run")
    (letter,) = dead_letters(folder)
    assert (letter.phase, letter.scene_id, letter.kind) == ("ingest", "s2", "input")
    assert letter.attempts == 1
    assert planned(port).count("ingest") == {"done": 3, "failed": 1}
    seen: list[tuple[str, int]] = []

    def note(stage: str, _: int, total: int) -> None:
        seen.append((stage, total))

    again = run(port, leave_failed=True, progress=note)
    assert again.exit_code == 3
    assert not again.changed
    assert {total for stage, total in seen if stage == "ingest"} == {0}
    seen.clear()
    run(port, progress=note)
    assert ("ingest", 1) in seen
    clear_letters(folder)
    seen.clear()
    run(port, leave_failed=True, progress=note)
    assert ("ingest", 1) in seen
    assert campaign_file(folder) == str(port.folder / "campaign.yaml")


def test_a_mended_file_is_read_and_its_letter_is_gone(port: TinyPort) -> None:
    broken = port.folder / "s2" / "red.tif"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:-1500])
    run(port)
    broken.write_bytes(whole)
    os.utime(broken, ns=(1, 1))
    done = run(port, leave_failed=True)
    assert done.exit_code == 0
    assert read_letters(RunFolder(port.folder / "run").files) == []


def test_a_server_that_comes_back_is_asked_again(
    port: TinyPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, times = units.ingest, []

    def busy(item):  # type: ignore[no-untyped-def]
        if item.scene.scene_id == "s1" and len(times) < 2:
            times.append(item)
            raise NetworkError("no answer")
        return real(item)

    monkeypatch.setattr("eo.engine.retries.Retries.first_wait_s", 0.01)
    monkeypatch.setattr(units, "ingest", busy)
    assert run(port).exit_code == 0
    assert len(times) == 2


def test_a_folder_without_a_run_has_no_letters(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no run of eo"):
        dead_letters(RunFolder(tmp_path))
