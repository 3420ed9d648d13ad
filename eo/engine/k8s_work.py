"""Lists of work in the run's folder: what an index of a Job is to do, and what failed in it.

The planner writes a list once, an index a file, before it creates the Job; workers only read it.
What a unit could not do is written beside it, an index a file, so that no two processes ever
write one name. Parts stay the only ledger of what is done.
"""

from __future__ import annotations

import builtins
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from eo.access.files import Files
from eo.core import errors
from eo.core.errors import CampaignError, EoError
from eo.core.fingerprint import fingerprint
from eo.core.redaction import redacted
from eo.core.seams import Needs, Outcome
from eo.engine.retries import LostUnitError

__all__ = [
    "MOST_INDEXES",
    "Failure",
    "RecordedEngine",
    "WorkList",
    "forget_work",
    "lost_unit",
    "read_failures",
    "read_index",
    "read_list",
    "write_failures",
    "write_list",
]

MOST_INDEXES = 10_000
"""Indexes of one Job. Kubernetes takes 100,000 with a limit per index; fewer pods start faster."""

_FAILED = "failed.json"
_KNOWN = {name: getattr(errors, name) for name in errors.__all__} | {"LostUnitError": LostUnitError}


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a unit left no part, in words that cross processes."""

    fingerprint: str
    """The part that is missing."""
    error: str
    """Name of the exception's class."""
    message: str
    """What it said."""
    attempts: int = 1
    """How often the unit was tried."""

    @classmethod
    def of(cls, part: str, error: BaseException, attempts: int = 1) -> Failure:
        """Return the record of an exception."""
        return cls(
            fingerprint=part,
            error=type(error).__name__,
            message=redacted(str(error)),
            attempts=attempts,
        )

    def exception(self) -> Exception:
        """Return an exception that reads the same; of our own tree where it was of it."""
        kind = _KNOWN.get(self.error) or getattr(builtins, self.error, None)
        if not (isinstance(kind, type) and issubclass(kind, Exception)):
            kind = type(self.error, (Exception,), {})
        try:
            made: Exception = kind(self.message)
        except TypeError:  # it asks for more than words, as UnicodeDecodeError does
            made = type(self.error, (Exception,), {})(self.message)
        return made


@dataclass(frozen=True, kw_only=True)
class WorkList:
    """One Job's work: which parts, in which index."""

    phase: str
    """ingest, reference or measure."""
    plan: str
    """Name of the list: a hash of what it holds, and for which run of the planner."""
    run: str
    """The planner's run that laid it out."""
    indexes: int
    """Completions of the Job."""
    fingerprints: tuple[str, ...]
    """Parts, in order."""

    @property
    def folder(self) -> str:
        """Where the list lies, below the run's folder."""
        return f"work/{self.phase}-{self.plan}"


def write_list(
    files: Files,
    phase: str,
    run: str,
    items: Sequence[tuple[str, Any]],
    *,
    per_index: int,
    most: int = MOST_INDEXES,
) -> WorkList:
    """Lay out the items of a phase, several an index, and make them the phase's current list.

    Parameters
    ----------
    items
        Fingerprint and plain JSON of each item.
    per_index
        Items an index, more where there would be too many indexes.
    """
    prints = tuple(part for part, _ in items)
    size = max(1, per_index, -(-len(items) // most))
    chunks = [items[start : start + size] for start in range(0, len(items), size)]
    plan = fingerprint(phase=phase, run=run, size=size, parts=list(prints))[:12]
    made = WorkList(phase=phase, plan=plan, run=run, indexes=len(chunks), fingerprints=prints)
    for index, chunk in enumerate(chunks):
        files.write(_index_name(made.folder, index), _dump([item for _, item in chunk]))
    # Last: a list that is named is whole.
    files.write(f"work/{phase}.json", _dump(asdict(made)))
    return made


def read_list(files: Files, phase: str) -> WorkList | None:
    """Return the phase's current list, or None if there is none."""
    data = files.read(f"work/{phase}.json")
    if data is None:
        return None
    known = json.loads(data)
    return WorkList(**{**known, "fingerprints": tuple(known["fingerprints"])})


def read_index(files: Files, phase: str, index: int, plan: str | None = None) -> tuple[str, Any]:
    """Return the folder of a list and the items of one index, as plain JSON.

    Raises
    ------
    CampaignError
        If there is no such list or index.
    """
    known = read_list(files, phase)
    if plan is None and known is None:
        raise CampaignError(
            f"{files.place} holds no list of work for phase {phase}: the planner writes it"
        )
    folder = f"work/{phase}-{plan}" if plan or known is None else known.folder
    data = files.read(_index_name(folder, index))
    if data is None:
        raise CampaignError(f"{files.place} holds no index {index} in {folder}")
    return folder, json.loads(data)


def write_failures(files: Files, folder: str, index: int, failures: Sequence[Failure]) -> None:
    """Say what an index could not do; an empty list says that all went well."""
    files.write(f"{folder}/{index:06d}.{_FAILED}", _dump([asdict(f) for f in failures]))


def read_failures(files: Files, folder: str) -> dict[str, Failure]:
    """Return what failed in a list, by fingerprint."""
    found: dict[str, Failure] = {}
    for name in files.names(folder):
        if name.endswith(_FAILED):
            data = files.read(f"{folder}/{name}")
            for record in json.loads(data or b"[]"):
                failure = Failure(**record)
                found[failure.fingerprint] = failure
    return found


def forget_work(files: Files) -> None:
    """Delete the lists of a run that is finished."""
    files.delete("work")


def _index_name(folder: str, index: int) -> str:
    return f"{folder}/{index:06d}.items.json"


def _dump(data: Any) -> bytes:
    return json.dumps(data).encode("utf-8")


class RecordedEngine:
    """Runs nothing: says of each item what its Job said of it.

    The steps between and after the Jobs go through the same flow as any run; what they find
    missing has failed elsewhere, and is recorded there.
    """

    name = "kubernetes"

    def __init__(self, failures: Mapping[str, Failure]) -> None:
        self._failures = failures

    def check(self, needs: Needs) -> None:
        """Nothing is run, so nothing is needed."""

    def map(
        self,
        unit: Any,  # noqa: ARG002 - it ran elsewhere
        items: Any,
        *,
        in_flight: int | None = None,  # noqa: ARG002 - as above
    ) -> Iterator[Any]:
        """Yield each item's recorded failure."""
        for item in items:
            known = self._failures.get(item.fingerprint)
            yield Outcome(
                item=item,
                error=known.exception() if known else lost_unit(item.fingerprint),
                attempts=known.attempts if known else 1,
            )

    def close(self) -> None:
        """Nothing to release."""


def lost_unit(part: str) -> EoError:
    """Return the failure of a unit of which no worker said anything."""
    return LostUnitError(
        f"no part {part[:12]} and no reason: its worker died each time it was tried; run again"
    )
