"""Keeping a run's folder: what it holds that nothing names any more, and its collection.

Kept is what any tag of the history is made of, the references of the declared epochs, and what
the last plan asks for, so that a run that was stopped loses nothing. All else below ``parts/``
came of scenes since replaced or of older algorithms. Orphans in the cube, left by writers that
died, are Icechunk's to collect; its snapshots stay, since tags name them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from eo.access.cubes import CubeStore
from eo.access.folder import RunFolder
from eo.access.publishing import HISTORY, RUN, settle
from eo.core.errors import OutputError
from eo.flow import EPOCHS
from eo.history import FINDINGS, provenance_at, tags
from eo.letters import Letter, read_letters, write_letters
from eo.session import PLANNED

__all__ = ["Garbage", "campaign_file", "clear_letters", "collect", "dead_letters"]

_PHASES = ("ingest", "reference", "measure")


@dataclass(frozen=True, kw_only=True)
class Garbage:
    """What nothing names."""

    tags: tuple[str, ...]
    """Commits that are forgotten."""
    parts: tuple[str, ...]
    """``parts/<phase>/<fingerprint>``."""
    findings: tuple[str, ...]
    """Records of commits whose tags were forgotten."""
    drafts: tuple[str, ...]
    """Parts that were never finished."""
    cube_bytes: int
    """Orphans in the cube."""


def dead_letters(folder: RunFolder) -> list[Letter]:
    """Return what a run could not do.

    Raises
    ------
    OutputError
        If the folder holds no run.
    """
    if folder.read_json("campaign.json") is None:
        raise OutputError(f"{folder.place} holds no run of eo: is it the right folder?")
    return read_letters(folder.files)


def clear_letters(folder: RunFolder) -> None:
    """Forget what a run could not do, so that the next one tries it again.

    Raises
    ------
    OutputError
        If another process writes to the folder, or it cannot be written.
    """
    with folder.writing():
        write_letters(folder.files, [])


def campaign_file(folder: RunFolder) -> str:
    """Return the campaign file that the folder's last run was given.

    Raises
    ------
    OutputError
        If it is not known, or is no longer there.
    """
    source = (folder.read_json(PLANNED) or {}).get("campaign", {}).get("source")
    if source is None or not Path(str(source)).is_file():
        raise OutputError(
            f"the campaign file of {folder.place} is not known, or no longer at {source}; "
            "give it with --campaign"
        )
    return str(source)


def collect(folder: RunFolder, *, delete: bool, keep: int | None = None) -> Garbage:
    """Find what nothing names any more; delete it only if asked.

    Parameters
    ----------
    folder
        The run's folder.
    delete
        Whether to delete; else it is only listed.
    keep
        Forget all tags but the newest so many (never the current one); by default none.

    Raises
    ------
    OutputError
        If another process writes to the folder, it holds no finished run, or it cannot be
        written.
    """
    nothing = f"{folder.place} holds no finished run: nothing is collected"
    if folder.read_json(RUN) is None:
        raise OutputError(nothing)
    with folder.writing():
        settle(folder.files)
        run = folder.read_json(RUN)
        if run is None:
            raise OutputError(nothing)
        known = tags(folder)
        forgotten = [] if keep is None else known[: max(0, len(known) - keep)]
        forgotten = [tag for tag in forgotten if tag != run.get("tag")]
        commits = [run, *(provenance_at(folder, tag) for tag in known if tag not in forgotten)]
        found = _unnamed(folder, commits, forgotten)
        cube = CubeStore(run["cube"]["url"] or folder.inside("cube"))
        orphans = cube.collect_orphans(delete=delete)
        if delete:
            # Names first, so that nothing is ever named that is gone.
            for tag in forgotten:
                folder.files.delete(f"{HISTORY}/{tag}.json")
            for name in (*found.findings, *found.drafts):
                folder.files.delete(name)
            for name in found.parts:
                folder.files.delete(f"{name}/records.json")
                folder.files.delete(name)
        return replace(found, cube_bytes=orphans)


def _unnamed(
    folder: RunFolder, commits: Sequence[dict[str, Any]], forgotten: Sequence[str]
) -> Garbage:
    named = _asked_for(folder)
    kept = {f"{run.get('finish')}.json" for run in commits}
    for name in sorted(kept):
        records = folder.read_json(f"{FINDINGS}/{name}") or {"parts": {}}
        for prints in records["parts"].values():
            named |= {(phase, one) for phase, many in prints.items() for one in many}
    parts, drafts = [], []
    for phase in _PHASES:
        for name in folder.files.names(f"parts/{phase}"):
            place = f"parts/{phase}/{name}"
            if name.startswith("."):
                drafts.append(place)
            elif (phase, name) not in named:
                parts.append(place)
    findings = [n for n in folder.files.names(FINDINGS) if n not in kept]
    return Garbage(
        tags=tuple(forgotten),
        parts=tuple(parts),
        findings=tuple(f"{FINDINGS}/{name}" for name in findings),
        drafts=tuple(drafts),
        cube_bytes=0,
    )


def _asked_for(folder: RunFolder) -> set[tuple[str, str]]:
    """Return (phase, fingerprint) of the declared epochs' references and of the last plan."""
    named = {
        ("reference", name)
        for epochs in (folder.read_json(EPOCHS) or {}).values()
        for entry in epochs
        for name in entry["tiles"].values()
    }
    planned = folder.read_json(PLANNED) or {}
    for phase in _PHASES:
        entries = planned.get(phase, {})
        named |= {(phase, name) for entry in entries.values() for name in entry["parts"]}
    return named
