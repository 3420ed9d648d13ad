"""The fleet file: vessels known beforehand, checked row by row.

The file's numbers are taken as exact further on, so that a slip of the keyboard here would turn
into confident nonsense there: what cannot be a ship is refused, with its line and the way out.
"""

from __future__ import annotations

import csv
import difflib
import math
from pathlib import Path

from eo.core.errors import CampaignError
from eo.core.records import Vessel

__all__ = ["FLEET_COLUMNS", "read_fleet"]

FLEET_COLUMNS = (
    "vessel_id",
    "name",
    "imo",
    "length_m",
    "beam_m",
    "depth_m",
    "design_draught_m",
    "ballast_draught_m",
    "dwt_t",
    "of_interest",
)
_REQUIRED = ("vessel_id", "length_m", "beam_m")
_RANGES: dict[str, tuple[float, float]] = {
    "length_m": (10.0, 500.0),
    "beam_m": (2.0, 80.0),
    "depth_m": (1.0, 45.0),
    "design_draught_m": (0.5, 30.0),
    "ballast_draught_m": (0.2, 25.0),
    "dwt_t": (1.0, 600_000.0),
}
"""Largest and smallest of any seagoing ship, with room to spare."""
_TRUE = frozenset({"true", "t", "yes", "y", "1", "1.0"})
_FALSE = frozenset({"false", "f", "no", "n", "0", "0.0"})
_FULLEST = 0.92
"""Share of the box of length, beam and draught that no ship's hull exceeds (tankers: 0.76-0.88)."""
_WAY_OUT = "correct the row, or leave a cell empty that is not known"
_EMPTY = frozenset({"", "nan", "null", "none", "na"})


def read_fleet(path: str | Path) -> tuple[Vessel, ...]:
    """Read and check a fleet file (CSV with a header), in the file's order.

    Empty cells of optional columns are None. Columns beyond the known ones are ignored unless
    their name nearly is a known one.

    Parameters
    ----------
    path
        The CSV file: vessel_id, name, imo, length_m, beam_m, depth_m, design_draught_m,
        ballast_draught_m, dwt_t and, if wanted, of_interest.

    Raises
    ------
    CampaignError
        If the file cannot be read, a column is missing or misspelt, a value is no number or out
        of range, a ship contradicts herself, or an id stands twice.
    """
    path = Path(path)
    try:
        # utf-8-sig: spreadsheets put a byte-order mark in front of the first column's name.
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            columns = tuple((name or "").strip() for name in reader.fieldnames or ())
            _check_columns(columns, path)
            reader.fieldnames = list(columns)
            rows = [(reader.line_num, row) for row in reader]
    except FileNotFoundError:
        raise CampaignError(f"fleet file {path} does not exist") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CampaignError(f"fleet file {path} cannot be read: {error}") from error
    vessels: dict[str, Vessel] = {}
    for line, row in rows:
        if all(_clean(value) is None for key, value in row.items() if key is not None):
            continue
        vessel = _vessel(row, f"{path}, line {line}", "of_interest" in columns)
        if vessel.vessel_id in vessels:
            raise CampaignError(
                f"{path}, line {line}: vessel_id {vessel.vessel_id!r} stands twice; "
                "each vessel needs an id of her own"
            )
        vessels[vessel.vessel_id] = vessel
    return tuple(vessels.values())


def _check_columns(columns: tuple[str, ...], path: Path) -> None:
    known = ", ".join(FLEET_COLUMNS)
    missing = [name for name in _REQUIRED if name not in columns]
    if missing:
        raise CampaignError(
            f"{path}: required columns are missing: {', '.join(missing)}; found "
            f"{', '.join(columns) or 'none'}; known columns: {known}"
        )
    twice = {name for name in columns if name and columns.count(name) > 1}
    if twice:
        raise CampaignError(f"{path}: columns stand twice: {', '.join(sorted(twice))}")
    for name in columns:
        near = difflib.get_close_matches(name, FLEET_COLUMNS, n=1, cutoff=0.8)
        if near and name not in FLEET_COLUMNS and near[0] not in columns:
            raise CampaignError(
                f"{path}: unknown column {name!r}; did you mean {near[0]!r}? Known: {known}"
            )


def _clean(value: object) -> str | None:
    """Return a cell's text, None where it says nothing."""
    text = value.strip() if isinstance(value, str) else ""
    return None if text.lower() in _EMPTY else text


def _number(row: dict[str, str], key: str, where: str) -> float | None:
    text = _clean(row.get(key))
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        raise CampaignError(
            f"{where}: {key} must be a number with a decimal point, found {text!r}"
        ) from None
    low, high = _RANGES[key]
    if not (math.isfinite(value) and low <= value <= high):
        raise CampaignError(
            f"{where}: {key} {value:g} lies outside {low:g} to {high:g}; {_WAY_OUT}"
        )
    return value


def _flag(row: dict[str, str], where: str) -> bool:
    text = (_clean(row.get("of_interest")) or "false").lower()
    if text not in _TRUE | _FALSE:
        raise CampaignError(f"{where}: of_interest must be true or false, found {text!r}")
    return text in _TRUE


def _vessel(row: dict[str, str], where: str, has_interest: bool) -> Vessel:
    if None in row:
        raise CampaignError(
            f"{where}: more cells than columns; put names that hold a comma in quotes"
        )
    vessel_id = _clean(row.get("vessel_id"))
    if vessel_id is None:
        raise CampaignError(f"{where}: vessel_id is empty")
    length, beam = _number(row, "length_m", where), _number(row, "beam_m", where)
    if length is None or beam is None:
        raise CampaignError(f"{where}: vessel {vessel_id!r} needs length_m and beam_m")
    vessel = Vessel(
        vessel_id=vessel_id,
        name=_clean(row.get("name")),
        imo=_clean(row.get("imo")),
        length_m=length,
        beam_m=beam,
        depth_m=_number(row, "depth_m", where),
        design_draught_m=_number(row, "design_draught_m", where),
        ballast_draught_m=_number(row, "ballast_draught_m", where),
        dwt_t=_number(row, "dwt_t", where),
        of_interest=_flag(row, where) if has_interest else None,
    )
    _check_ship(vessel, where)
    return vessel


def _check_ship(vessel: Vessel, where: str) -> None:
    """Refuse a ship that contradicts herself."""
    lower_than_above = (
        ("beam_m", "length_m"),
        ("depth_m", "length_m"),
        ("design_draught_m", "depth_m"),
        ("ballast_draught_m", "depth_m"),
        ("ballast_draught_m", "design_draught_m"),
    )
    for low, high in lower_than_above:
        below, above = getattr(vessel, low), getattr(vessel, high)
        if below is not None and above is not None and below >= above:
            raise CampaignError(
                f"{where}: vessel {vessel.vessel_id!r}: {low} {below:g} must lie below "
                f"{high} {above:g}; {_WAY_OUT}"
            )
    draught, name = vessel.design_draught_m, "design_draught_m"
    if draught is None:
        # No ship floats deeper than her deck.
        draught, name = vessel.depth_m, "depth_m"
    if vessel.dwt_t is not None and draught is not None:
        most_t = 1.025 * vessel.length_m * vessel.beam_m * draught * _FULLEST
        if vessel.dwt_t >= most_t:
            raise CampaignError(
                f"{where}: vessel {vessel.vessel_id!r}: dwt_t {vessel.dwt_t:g} is no less than "
                f"{most_t:.0f} t, the most that she displaces by length_m {vessel.length_m:g}, "
                f"beam_m {vessel.beam_m:g} and {name} {draught:g}; {_WAY_OUT}"
            )
