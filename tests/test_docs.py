"""The documents name what the code has: columns, statuses, commands, files, campaigns."""

from __future__ import annotations

import ast
import dataclasses
import re
from pathlib import Path

import pytest
import yaml

from eo.core import rows
from eo.core.config import PRODUCTS, load_campaign
from eo.core.rows import Detection, Look, PortCall, PortTotal, SceneRow

ROOT = Path(__file__).resolve().parents[1]
TABLES = {
    "scenes": SceneRow,
    "looks": Look,
    "detections": Detection,
    "calls": PortCall,
    "totals": PortTotal,
}
CAMPAIGNS = sorted((ROOT / "workflows").rglob("*.yaml"))
PORTS = {"algiers", "cartagena", "durban", "genoa", "hedland"}


def _section(text: str, title: str) -> str:
    """The text below a heading, up to the next of that rank."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    assert found, f"no section {title!r}"
    return found[1]


def test_all_tables_are_known() -> None:
    assert set(rows.__all__) == {kind.__name__ for kind in TABLES.values()}


@pytest.mark.parametrize("table", TABLES)
def test_glossary_has_every_column_and_no_other(table: str) -> None:
    text = (ROOT / "docs" / "glossary.md").read_text()
    listed = re.findall(r"^\| `(\w+)` \|", _section(text, f"{table}.parquet"), re.MULTILINE)
    fields = {field.name for field in dataclasses.fields(TABLES[table])}
    if table == "detections":
        fields = fields - {"outline_lonlat"} | {"geometry"}
    assert len(listed) == len(set(listed))
    assert set(listed) == fields


def _returned_texts(path: Path, function: str) -> set[str]:
    """Every plain string that a function returns."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = next(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == function)
    returned = [n.value for n in ast.walk(found) if isinstance(n, ast.Return)]
    return {str(v.value) for v in returned if isinstance(v, ast.Constant) and v.value is not None}


def test_glossary_has_every_fill_status_in_the_code() -> None:
    from eo.stages.shade import REASONS

    text = _section((ROOT / "docs" / "glossary.md").read_text(), "Statuses")
    named = set(REASONS) - {"", "structure", "manifold"}  # these never end a measurement
    named |= _returned_texts(ROOT / "eo" / "physics" / "shadow.py", "refuse_geometry")
    for name in ("freeboard", "shade_strip", "quay_strip", "fill", "measure"):
        source = (ROOT / "eo" / "stages" / f"{name}.py").read_text(encoding="utf-8")
        named |= set(re.findall(r"""status\s*=\s*["']([a-z-]+)["']""", source))
        named |= set(re.findall(r"""return .*, ["']([a-z]+-[a-z-]+)["']$""", source, re.MULTILINE))
    assert {"measured", "no-sun-geometry", "not-identifiable"} <= named
    assert {status for status in named if f"`{status}`" not in text} == set()


@pytest.mark.parametrize("path", CAMPAIGNS, ids=lambda p: p.stem)
def test_campaigns_load(path: Path) -> None:
    campaign = load_campaign(path)
    assert campaign.source == str(path)
    assert Path(campaign.output).is_relative_to(ROOT / "runs")
    assert campaign.name == path.stem or path.stem in campaign.name


def test_there_is_a_campaign_for_each_port() -> None:
    found = {path.stem for path in CAMPAIGNS if path.parent.name == "ports-s2"}
    assert found == PORTS
    names = [load_campaign(path).name for path in CAMPAIGNS]
    assert len(names) == len(set(names))


@pytest.mark.data
@pytest.mark.parametrize("port", sorted(PORTS))
def test_port_campaign_covers_its_one_scene(port: str, data_dir: Path) -> None:
    import shapely.geometry

    campaign = load_campaign(ROOT / "workflows" / "ports-s2" / f"{port}.yaml")
    assert Path(campaign.catalog) == (data_dir / "ports-s2" / "catalog.json").resolve()
    item = yaml.safe_load((data_dir / "ports-s2" / port / "item.json").read_text())
    west, south, east, north = item["bbox"]
    box = shapely.geometry.box(west, south, east, north)
    assert shapely.geometry.shape(campaign.aoi).symmetric_difference(box).area < 1e-4 * box.area
    when = item["properties"]["datetime"]
    assert campaign.start.isoformat()[:10] == when[:10]
    assert (campaign.end - campaign.start).days == 1


def test_vostochny_is_ready_for_earth_search() -> None:
    campaign = load_campaign(ROOT / "workflows" / "vostochny.yaml")
    assert campaign.catalog == "https://earth-search.aws.element84.com/v1"
    assert campaign.collections == ("sentinel-2-l2a",)
    assert campaign.product in PRODUCTS
    assert campaign.annual_cap_barrels == 500_000


def test_commands_are_documented_and_no_other() -> None:
    import typer.main

    from eo.cli import app

    text = (ROOT / "docs" / "commands.md").read_text()
    documented = set(re.findall(r"^## eo (\w+)$", text, re.MULTILINE))
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert documented == set(commands)
    for name, command in commands.items():
        assert command.help, f"eo {name} has no help"
        options = {o for p in command.params for o in p.opts if o.startswith("--")}
        section = _section(text, f"eo {name}")
        assert f"eo {name} " in section, f"eo {name}: its section shows no use of it"
        missing = {o for o in options - {"--help"} if o not in section}
        assert missing == set(), f"eo {name}: {missing} are not in docs/commands.md"


def test_every_command_shows_its_help() -> None:
    """Brackets in a help text are markup, and one that does not close ends the command."""
    import typer.main
    from typer.testing import CliRunner

    from eo.cli import app

    def letters(text: str | None) -> str:
        return "".join(re.findall(r"[a-z0-9]", (text or "").lower()))

    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name, command in commands.items():
        shown = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "200"})
        assert shown.exit_code == 0, f"eo {name} --help: {shown.exception}"
        for parameter in command.params:
            told = letters(getattr(parameter, "help", None))
            assert told in letters(shown.output), f"eo {name} --help: {parameter.name} is cut"


def test_links_between_documents_hold() -> None:
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "k8s" / "README.md"]:
        for target in re.findall(r"\]\((?!\w+://|#)([^)#]+)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_commands_in_the_readme_exist() -> None:
    """Each file or make target that the README's shell lines name."""
    text = (ROOT / "README.md").read_text()
    blocks = re.findall(r"```(?:sh|bash|console)\n(.*?)```", text, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    assert lines, "the README shows no commands"
    make = (ROOT / "Makefile").read_text()
    for line in lines:
        for target in re.findall(r"\bmake ([a-z]+)", line):
            assert re.search(rf"^{target}:", make, re.MULTILINE), line
        for name in re.findall(r"\b(?:workflows|docs|benchmarks)/[\w./*-]+", line):
            assert list(ROOT.glob(name)), line
