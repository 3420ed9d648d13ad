"""Commits of results: what they are made of, what they were, and how one is made again.

What tables and report are made of is kept by fingerprint, ``history/findings/``: the scenes,
what failed and why, fleet and berths as they were, and the names of the parts measured. So the
same results are never written twice, and the results of any tag can be made again.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import importlib.metadata
import logging
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eo import units
from eo.access.folder import RunFolder
from eo.access.parts import open_parts
from eo.access.publishing import HISTORY, RUN, MemoryFiles, publish, sha256_of
from eo.access.tables import SCHEMA_VERSION, TABLES
from eo.access.web import bare
from eo.core.config import Campaign
from eo.core.errors import OutputError
from eo.core.fingerprint import fingerprint
from eo.core.grid import Grid
from eo.core.records import Berth, Scene, Sighting, Vessel, WaterCount, from_json, to_json
from eo.core.redaction import redacted
from eo.core.seams import PartStore
from eo.core.xp import gpu_count

if TYPE_CHECKING:
    from eo.finish import Findings, Measured

# What compiles results (report, pictures) is imported where they are compiled: a run that finds
# nothing to do has no use for it.

__all__ = [
    "FINDINGS",
    "Making",
    "Prints",
    "ScenePrints",
    "code_digest",
    "commit_results",
    "finish_records",
    "provenance_at",
    "results_at",
    "tags",
]

_log = logging.getLogger("eo.history")

_PACKAGES = ("eo-freeboard", "numpy", "scipy", "xarray", "zarr", "icechunk", "stackstac",
             "rasterio", "dask")  # fmt: skip
FINDINGS = f"{HISTORY}/findings"
"""Folder of what commits are made of, by fingerprint."""
_REPORT = "report.html"
_SILENT = ("output", "cube", "fleet", "berths")
"""Keys of a campaign that say where things lie: their contents are told apart, not their place."""


@dataclass(frozen=True, kw_only=True)
class ScenePrints:
    """Parts of one scene."""

    ingest: tuple[str, ...]
    """Fingerprints, one per tile."""
    measure: tuple[str, ...] = ()
    """Fingerprints, one per tile; none where nothing could be measured."""


Prints = dict[str, ScenePrints]
"""Parts by scene_id."""


@dataclass(frozen=True, kw_only=True)
class Making:
    """How results were made: what goes into run.json and nowhere else."""

    campaign: Campaign
    """What was asked."""
    scenes: Sequence[Scene]
    """Every item found."""
    grids: Mapping[str, Grid]
    """By group."""
    assets: Mapping[str, Any]
    """scene_id -> files and what tells their versions."""
    engine: str
    """Where units ran."""
    device: str
    """auto, cpu or gpu, as asked."""
    cube: str
    """Snapshot of the cube."""


def finish_records(
    campaign: Campaign,
    *,
    scenes: Sequence[Scene],
    prints: Prints,
    failures: Mapping[str, str],
    fleet: tuple[Vessel, ...],
    berths: tuple[Berth, ...],
) -> dict[str, Any]:
    """Return all that tables and report are made of, as JSON; without any file's address."""
    asked = campaign.as_dict()
    asked.update(dict.fromkeys(_SILENT))
    asked["catalog"] = bare(campaign.catalog)
    return {
        "campaign": asked,
        "scenes": [to_json(Scene, replace(s, bands=(), mask=None)) for s in scenes],
        "failures": {key: redacted(text) for key, text in sorted(failures.items())},
        "fleet": to_json(tuple[Vessel, ...], fleet),
        "berths": to_json(tuple[Berth, ...], berths),
        "parts": {
            key: {"ingest": list(found.ingest), "measure": list(found.measure)}
            for key, found in sorted(prints.items())
        },
    }


def _findings(records: Mapping[str, Any], parts: PartStore) -> Findings:
    """Return what finish works on, read from the parts that the records name."""
    from eo.finish import Findings

    scenes = from_json(list[Scene], records["scenes"])
    asked = records["campaign"]
    first, _, after = asked["period"].partition("/")
    collections = asked["collections"]
    return Findings(
        campaign=Campaign(
            **{
                **{k: v for k, v in asked.items() if k != "period"},
                "start": dt.datetime.fromisoformat(first),
                "end": dt.datetime.fromisoformat(after),
                "collections": tuple(collections) if collections else None,
                "output": "",
            }
        ),
        scenes=scenes,
        measured={
            scene.scene_id: _gather(parts, scene, records["parts"][scene.scene_id])
            for scene in scenes
            if scene.scene_id in records["parts"]
        },
        failures=records["failures"],
        fleet=from_json(tuple[Vessel, ...], records["fleet"]),
        berths=from_json(tuple[Berth, ...], records["berths"]),
    )


def _gather(parts: PartStore, scene: Scene, prints: Mapping[str, list[str]]) -> Measured:
    """Return what the parts of a scene say."""
    from eo.finish import Measured

    out = Measured(cube_parts=[units.cube_part(parts, name) for name in prints["ingest"]])
    for name in prints["measure"]:
        records = parts.records("measure", name)
        out.counts += from_json(list[WaterCount], records["counts"])
        for sighting in from_json(list[Sighting], records["sightings"]):
            # Which pass a scene belongs to depends on the scenes beside it.
            out.sightings.append(replace(sighting, acquisition_id=scene.acquisition_id))
            out.pictures[sighting.detection_id] = name
    return out


def commit_results(
    *, folder: RunFolder, parts: PartStore, records: dict[str, Any], made: Making
) -> bool:
    """Write tables, report and run.json, all or none; False where they stand already.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    name = fingerprint(phase="finish", **records)
    if _stands(folder, name):
        _log.info("nothing has changed: tables and report stand as they are")
        return False
    from eo.finish import compile_results

    folder.write_json(f"{FINDINGS}/{name}.json", records)
    draft = MemoryFiles(folder.place)
    summary = compile_results(_findings(records, parts), parts, draft)
    run = _provenance(made, draft, finish=name, summary=summary, tag=_new_tag(folder))
    draft.write(RUN, folder.json_bytes(run))
    publish(folder.files, draft.contents)
    _log.info(
        "%d scenes, %d vessels seen, %d calls: %s",
        len(made.scenes),
        summary["vessels_seen"],
        summary["calls"],
        folder.inside(_REPORT),
    )
    return True


def _stands(folder: RunFolder, name: str) -> bool:
    """Whether the results in the folder are those of these records and of this code."""
    run = folder.read_json(RUN) or {}
    if run.get("finish") != name or run.get("versions", {}).get("code") != code_digest():
        return False
    if folder.files.read(_REPORT) is None:
        return False
    try:
        return all(folder.digest(table) == said for table, said in run["sha256"].items())
    except OutputError:
        return False


@functools.cache
def code_digest() -> str:
    """Return a digest of the package's source: other code may give other results."""
    whole = hashlib.sha256()
    home = Path(__file__).parent
    for path in sorted(home.rglob("*")):
        told = path.suffix in {".py", ".cu", ".j2", ".css", ".json"}
        if told and path.relative_to(home).parts[0] not in {"cli", "sim"}:
            whole.update(path.read_bytes())
    return whole.hexdigest()[:16]


def _new_tag(folder: RunFolder) -> str:
    now = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    known = set(tags(folder))
    return next(
        tag
        for k in range(1, len(known) + 2)
        if (tag := now if k == 1 else f"{now}-{k}") not in known
    )


def _provenance(
    made: Making, draft: MemoryFiles, *, finish: str, summary: dict[str, Any], tag: str
) -> dict[str, Any]:
    campaign = made.campaign.as_dict()
    campaign["catalog"] = bare(made.campaign.catalog)
    return {
        "schema_version": SCHEMA_VERSION,
        "tag": tag,
        "finish": finish,
        "summary": summary,
        "campaign": campaign,
        "written": dt.datetime.now(dt.UTC).isoformat(),
        "versions": {
            "python": platform.python_version(),
            "code": code_digest(),
            **{name: importlib.metadata.version(name) for name in _PACKAGES},
        },
        "command": [redacted(word) for word in sys.argv],
        "engine": made.engine,
        "device": {"asked": made.device, "gpus": gpu_count(), "machine": platform.machine()},
        "inputs": [
            {
                "id": scene.item_id,
                "scene_id": scene.scene_id,
                "status": scene.status,
                "assets": [[redacted(str(h)), t] for h, t in made.assets.get(scene.scene_id, [])],
            }
            for scene in made.scenes
        ],
        "grids": {name: to_json(Grid, grid) for name, grid in sorted(made.grids.items())},
        "cube": {"url": made.campaign.cube, "snapshot": made.cube},
        "sha256": {f"{n}.parquet": sha256_of(draft.contents[f"{n}.parquet"]) for n in TABLES},
    }


def tags(folder: RunFolder) -> list[str]:
    """Return the tags of a run's commits, the oldest first."""
    names = folder.files.names(HISTORY)
    return sorted(n.removesuffix(".json") for n in names if n.endswith(".json"))


def provenance_at(folder: RunFolder, tag: str) -> dict[str, Any]:
    """Return the run.json of a tag.

    Raises
    ------
    OutputError
        If there is no such tag; it names those there are.
    """
    known = tags(folder)
    if tag not in known:
        there = ", ".join(known[-5:]) or "none"
        raise OutputError(f"{folder.place} has no tag {tag!r}; `eo history` lists them: {there}")
    return dict(folder.read_json(f"{HISTORY}/{tag}.json") or {})


def results_at(folder: RunFolder, tag: str) -> tuple[dict[str, Any], MemoryFiles]:
    """Return the run.json of a tag, and its tables and report, made again from its parts.

    Raises
    ------
    OutputError
        If there is no such tag, or its parts were collected.
    """
    run = provenance_at(folder, tag)
    records = folder.read_json(f"{FINDINGS}/{run.get('finish')}.json")
    if records is None:
        raise OutputError(
            f"what {tag} was made of is gone from {folder.place}: only a record is left"
        )
    from eo.finish import compile_results

    parts = open_parts(folder.place)
    draft = MemoryFiles(folder.place)
    compile_results(_findings(records, parts), parts, draft)
    other = [n for n, said in run["sha256"].items() if sha256_of(draft.contents[n]) != said]
    if other:
        _log.warning(
            "%s of %s come out otherwise than eo %s wrote them: its code was another",
            ", ".join(other),
            tag,
            run["versions"].get("eo-freeboard", "?"),
        )
    return run, draft
