"""What has to be done: items with their fingerprints, made from scenes by pure functions."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from eo.access.assets import asset_tokens
from eo.core.fingerprint import fingerprint
from eo.core.grid import Grid, Window, grid_over
from eo.core.records import Berth, Scene, to_json
from eo.core.seams import Needs
from eo.core.sensors import SENSORS, group_name, sensor_of
from eo.core.work import IngestItem, MeasureItem, ReferenceItem, TilePart
from eo.engine.ledger import ingest_entry, measure_entry
from eo.engine.memory import Projected, project_ingest, project_measure, project_reference

__all__ = [
    "TILE_PX",
    "Epoch",
    "Planner",
    "by_scene",
    "declare_epochs",
    "group_of",
    "needs_of",
    "projected",
]

Unit = TypeVar("Unit", IngestItem, MeasureItem)

TILE_PX = 2048
"""Side of a tile: a scene's tile of five bands is 40 MiB of DN."""
MIN_LOOKS = 3
"""Fewer looks than this make no reference."""
EPOCH_LOOKS = 12
"""A quarter with fewer looks joins its neighbour."""


def group_of(scene: Scene) -> tuple[str, float]:
    """Return a scene's cube group and its pixel size."""
    pixel_m = sensor_of(scene.sensor).gsd_m
    if scene.sensor not in SENSORS or scene.sensor == "unknown":
        pixel_m = max(0.5, round(scene.gsd_m * 2) / 2)
    return group_name(scene.sensor, pixel_m), pixel_m


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """A declared, ordered set of looks that define one empty port."""

    key: str
    """First and last day."""
    start: dt.datetime
    """First look."""
    end: dt.datetime
    """Last look."""
    scene_ids: tuple[str, ...]
    """The looks, by time and id."""


def declare_epochs(scenes: Sequence[Scene], frozen: Sequence[Epoch] = ()) -> list[Epoch]:
    """Return the epochs of one group's scenes: calendar quarters, thin ones joined.

    Scenes that fall into a frozen epoch leave it as it is. Scenes without a time have none.
    """
    quarters: dict[tuple[int, int], list[Scene]] = defaultdict(list)
    for scene in sorted(scenes, key=lambda s: (str(s.datetime), s.scene_id)):
        when = scene.datetime
        if when is None or any(e.start <= when <= e.end for e in frozen):
            continue
        quarters[when.year, (when.month - 1) // 3].append(scene)
    buckets = [quarters[key] for key in sorted(quarters)]
    while len(buckets) > 1 and min(len(b) for b in buckets) < EPOCH_LOOKS:
        thin = min(range(len(buckets)), key=lambda k: (len(buckets[k]), k))
        other = thin - 1 if thin == len(buckets) - 1 else thin + 1
        if 0 < thin < len(buckets) - 1 and len(buckets[thin - 1]) < len(buckets[thin + 1]):
            other = thin - 1
        first = min(thin, other)
        buckets[first : first + 2] = [buckets[first] + buckets[first + 1]]
    return [*frozen, *(_epoch(bucket) for bucket in buckets)]


def _epoch(scenes: Sequence[Scene]) -> Epoch:
    times = [scene.datetime for scene in scenes if scene.datetime is not None]
    start, end = min(times), max(times)
    return Epoch(
        key=f"{start:%Y%m%d}-{end:%Y%m%d}",
        start=start,
        end=end,
        scene_ids=tuple(scene.scene_id for scene in scenes),
    )


def by_scene(items: Sequence[Unit]) -> dict[str, list[Unit]]:
    """Return the items of each scene, by scene_id."""
    out: dict[str, list[Unit]] = {}
    for item in items:
        out.setdefault(item.scene.scene_id, []).append(item)
    return out


def projected(item: IngestItem | ReferenceItem | MeasureItem) -> Projected:
    """Return the memory that one item's unit takes."""
    if isinstance(item, ReferenceItem):
        sensor = item.group.rpartition("-")[0]
        bands = len(sensor_of(sensor).cube_bands)
        return project_reference(_pixels(item.window), bands, len(item.looks))
    bands = len(sensor_of(item.scene.sensor).cube_bands)
    if isinstance(item, MeasureItem):
        return project_measure(_pixels(item.halo), bands)
    return project_ingest(_pixels(item.window), bands)


def _pixels(window: Window) -> int:
    return window.height * window.width


def needs_of(items: Sequence[Any]) -> Needs:
    """Return what the largest of some items asks of a worker."""
    sizes = [projected(item) for item in items]
    return Needs(
        device=items[0].device if items else "auto",
        output=items[0].output if items else None,
        host_bytes=max((size.host_bytes for size in sizes), default=0),
        gpu_bytes=max((size.gpu_bytes for size in sizes), default=0),
    )


class Planner:
    """Turns scenes into work items for one campaign.

    Parameters
    ----------
    output
        Run folder.
    aoi, berths
        Area, and named places in it.
    algorithms
        Algorithm number of each phase.
    device
        auto, cpu or gpu.
    """

    def __init__(
        self,
        *,
        output: str,
        aoi: dict[str, Any],
        berths: tuple[Berth, ...],
        algorithms: Mapping[str, int],
        device: str,
        tile_px: int = TILE_PX,
    ) -> None:
        self.output, self.aoi, self.berths = output, aoi, berths
        self.algorithms, self.device, self.tile_px = algorithms, device, tile_px
        self.tokens: dict[str, Any] = {}
        """scene_id -> what tells the version of each of its files."""

    def grids(self, scenes: Sequence[Scene]) -> dict[str, Grid]:
        """Return the grid of every group the scenes need."""
        return {
            name: grid_over(self.aoi, pixel_m)
            for name, pixel_m in sorted({group_of(scene) for scene in scenes})
        }

    def tiles(self, grid: Grid) -> list[Window]:
        """Return the grid's tiles, in order."""
        return list(grid.tiles(self.tile_px))

    def look_up_assets(self, scenes: Sequence[Scene]) -> None:
        """Ask once what version each scene's files are; remote ones in parallel."""
        scenes = [scene for scene in scenes if scene.scene_id not in self.tokens]
        with ThreadPoolExecutor(8) as pool:
            tokens = pool.map(asset_tokens, scenes)
            self.tokens.update(
                {scene.scene_id: token for scene, token in zip(scenes, tokens, strict=True)}
            )

    def _input(self, scene: Scene) -> dict[str, Any]:
        """Return what a phase reads of a scene: without queries and what finish alone uses."""
        data: dict[str, Any] = to_json(Scene, scene)
        for key in ("notes", "reason", "status", "footprint", "acquisition_id", "hosts"):
            data.pop(key)
        sources = [*data["bands"], *([data["mask"]] if data["mask"] else [])]
        for source in sources:
            source["href"] = source["href"].partition("?")[0]
        if scene.scene_id not in self.tokens:
            self.look_up_assets([scene])
        return {"scene": data, "assets": self.tokens[scene.scene_id]}

    def ingest_items(self, scenes: Sequence[Scene], grids: Mapping[str, Grid]) -> list[IngestItem]:
        """Return one item per scene and tile."""
        items = []
        for scene in scenes:
            group, _ = group_of(scene)
            grid = grids[group]
            base = fingerprint(
                phase="ingest",
                algorithm=self.algorithms["ingest"],
                grid=to_json(Grid, grid),
                aoi=self.aoi,
                **self._input(scene),
            )
            items += [
                IngestItem(
                    fingerprint=fingerprint(base=base, tile=tile.key),
                    output=self.output,
                    device=self.device,
                    scene=scene,
                    group=group,
                    grid=grid,
                    window=tile,
                    aoi=self.aoi,
                )
                for tile in self.tiles(grid)
            ]
        return items

    def ingest_entries(self, items: Sequence[IngestItem]) -> dict[str, dict[str, Any]]:
        """Return what decides each scene's ingest parts, by scene_id."""
        return {
            scene_id: ingest_entry(
                tiles, files=self.tokens[scene_id], algorithm=self.algorithms["ingest"]
            )
            for scene_id, tiles in by_scene(items).items()
        }

    def measure_entries(self, items: Sequence[MeasureItem]) -> dict[str, dict[str, Any]]:
        """Return what decides each scene's measure parts, by scene_id."""
        return {
            scene_id: measure_entry(tiles, algorithm=self.algorithms["measure"])
            for scene_id, tiles in by_scene(items).items()
        }

    def reference_items(
        self, group: str, grid: Grid, epoch: Epoch, parts: Mapping[tuple[str, str], str]
    ) -> list[ReferenceItem]:
        """Return one item per tile with enough looks; `parts` maps (scene_id, tile) to prints."""
        items = []
        for tile in self.tiles(grid):
            looks = tuple(
                parts[scene_id, tile.key]
                for scene_id in epoch.scene_ids
                if (scene_id, tile.key) in parts
            )
            if len(looks) < MIN_LOOKS:
                continue
            items.append(
                ReferenceItem(
                    fingerprint=fingerprint(
                        phase="reference",
                        algorithm=self.algorithms["reference"],
                        looks=list(looks),
                        tile=tile.key,
                    ),
                    output=self.output,
                    device=self.device,
                    group=group,
                    grid=grid,
                    window=tile,
                    looks=looks,
                )
            )
        return items

    def measure_items(
        self,
        scene: Scene,
        grid: Grid,
        halo_m: float,
        pixels: Mapping[str, str],
        references: Mapping[str, str],
    ) -> list[MeasureItem]:
        """Return one item per tile; `pixels` and `references` map tile keys to fingerprints."""
        items = []
        tiles = self.tiles(grid)
        for tile in tiles:
            halo = grid.halo(tile, round(halo_m / grid.pixel_m))
            near = [t for t in tiles if t.intersection(halo) and t.key in pixels]
            if tile.key not in pixels:
                continue
            around = tuple(TilePart(window=t, fingerprint=pixels[t.key]) for t in near)
            known = tuple(
                TilePart(window=t, fingerprint=references[t.key])
                for t in near
                if t.key in references
            )
            if tile.key not in references:
                known = ()
            items.append(
                MeasureItem(
                    fingerprint=fingerprint(
                        phase="measure",
                        algorithm=self.algorithms["measure"],
                        pixels=[t.fingerprint for t in around],
                        references=[t.fingerprint for t in known],
                        tile=tile.key,
                        halo=halo.key,
                        berths=to_json(tuple[Berth, ...], self.berths),
                    ),
                    output=self.output,
                    device=self.device,
                    scene=scene,
                    group=group_of(scene)[0],
                    grid=grid,
                    window=tile,
                    halo=halo,
                    pixels=around,
                    references=known,
                    reference_id=references.get(tile.key),
                    aoi=self.aoi,
                    berths=self.berths,
                )
            )
        return items
