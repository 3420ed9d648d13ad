"""Work items: what a unit is given. Records like any other, so that any engine can carry them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eo.core.grid import Grid, Window
from eo.core.records import Berth, Scene

__all__ = ["IngestItem", "MeasureItem", "ReferenceItem", "TilePart"]


@dataclass(frozen=True, kw_only=True)
class TilePart:
    """A part that covers one tile."""

    window: Window
    """The tile."""
    fingerprint: str
    """Fingerprint of the part."""


@dataclass(frozen=True, kw_only=True)
class IngestItem:
    """Read one scene's tile, bring it to the grid, mask it."""

    fingerprint: str
    """Name of the part it leaves."""
    output: str
    """Run folder."""
    device: str
    """auto, cpu or gpu; resolved by the worker."""
    scene: Scene
    """Scene."""
    group: str
    """Cube group."""
    grid: Grid
    """The group's grid."""
    window: Window
    """The tile."""
    aoi: dict[str, Any]
    """GeoJSON, EPSG:4326."""


@dataclass(frozen=True, kw_only=True)
class ReferenceItem:
    """Learn the empty port of one tile from the looks of one epoch."""

    fingerprint: str
    """Name of the part it leaves; the reference's id."""
    output: str
    """Run folder."""
    device: str
    """auto, cpu or gpu."""
    group: str
    """Cube group."""
    grid: Grid
    """The group's grid."""
    window: Window
    """The tile."""
    looks: tuple[str, ...]
    """Fingerprints of the ingest parts of this tile, in order."""


@dataclass(frozen=True, kw_only=True)
class MeasureItem:
    """Find the vessels of one scene's tile and say what their shadows tell."""

    fingerprint: str
    """Name of the part it leaves."""
    output: str
    """Run folder."""
    device: str
    """auto, cpu or gpu."""
    scene: Scene
    """Scene."""
    group: str
    """Cube group."""
    grid: Grid
    """The group's grid."""
    window: Window
    """The tile's core: vessels centred here are this item's."""
    halo: Window
    """The core and its surroundings."""
    pixels: tuple[TilePart, ...]
    """Ingest parts of this scene that touch the halo."""
    references: tuple[TilePart, ...]
    """References that touch the halo; empty for a single look."""
    reference_id: str | None
    """Reference of the core tile."""
    aoi: dict[str, Any]
    """GeoJSON, EPSG:4326."""
    berths: tuple[Berth, ...]
    """Named polygons; empty: the whole area is the anchorage."""
