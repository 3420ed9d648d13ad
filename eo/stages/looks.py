"""Looks: what each scene could see of each berth, before anything is said of ships.

`no scene`, `cloudy` and `clear, no vessel` are three different things, and everything later
that speaks of absence (the end of a stay, an unseen call) rests on this table. A scene that
was skipped or failed shows nothing and gives no look; a cloudy one gives looks that say so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from eo.core.config import ANCHORAGE
from eo.core.records import Berth, Sighting, WaterCount
from eo.core.rows import Look, SceneRow
from eo.stages.passes import is_ship

__all__ = ["CLEAR_FROM", "CLOUDY_BELOW", "look_rows"]

CLOUDY_BELOW = 0.02
"""Clear share of the water below which nothing is measured."""
CLEAR_FROM = 0.90
"""Clear share of the water from which an absent ship counts as absent."""


def look_rows(
    scenes: Iterable[SceneRow],
    counts: Mapping[str, Sequence[WaterCount]],
    sightings: Iterable[Sighting],
    berths: Sequence[Berth],
) -> list[Look]:
    """Return one look for every usable or cloudy scene and every berth.

    Parameters
    ----------
    scenes
        All scenes of the campaign; those neither `used` nor `cloudy` give no look.
    counts
        scene_id -> pixels of water seen in each berth, any number of tiles per berth.
    sightings
        Sightings of all scenes.
    berths
        Where to look; empty: the whole area, called `anchorage`.

    Returns
    -------
    list of Look
        Sorted by time (unknown times last), scene and berth. `vessels` counts the ships of 60 m
        and more whose centre lies in the berth, in that scene: where two tiles of one pass show
        the same ship, both rows count her, and their common acquisition_id says so.

    Notes
    -----
    ===========  ==========================================================================
    `outside`    the scene holds no data there
    `cloudy`     less than 2 % of the berth's water is clear, or the whole scene is cloudy
    `partly`     2 % to 90 % is clear
    `clear`      at least 90 % is clear
    ===========  ==========================================================================
    """
    names = [berth.name for berth in berths] or [ANCHORAGE]
    seen: dict[tuple[str, str], int] = defaultdict(int)
    for sighting in sightings:
        if sighting.berth is not None and is_ship(sighting):
            seen[sighting.scene_id, sighting.berth] += 1
    looks = [
        _look(scene, name, _tally(counts.get(scene.scene_id), name), seen[scene.scene_id, name])
        for scene in scenes
        if scene.status in {"used", "cloudy"}
        for name in names
    ]
    return sorted(looks, key=_by_time)


def _by_time(look: Look) -> tuple[bool, str, str, str]:
    moment = look.datetime.isoformat() if look.datetime is not None else ""
    return look.datetime is None, moment, look.scene_id, look.berth


def _tally(counts: Sequence[WaterCount] | None, berth: str) -> WaterCount | None:
    """Sum over tiles; None where nothing was counted for this scene at all."""
    if counts is None:
        return None
    mine = [count for count in counts if count.berth == berth]
    return WaterCount(
        berth=berth,
        water_px=sum(count.water_px for count in mine),
        clear_px=sum(count.clear_px for count in mine),
        covered_px=sum(count.covered_px for count in mine),
        area_px=sum(count.area_px for count in mine),
    )


def _look(scene: SceneRow, berth: str, tally: WaterCount | None, ships: int) -> Look:
    status, clear_fraction = _seen_clear(scene, tally, ships)
    return Look(
        scene_id=scene.scene_id,
        berth=berth,
        datetime=scene.datetime,
        status=status,
        clear_fraction=clear_fraction,
        # A ship seen through a gap in the cloud was seen, whatever the rest of the berth shows.
        vessels=ships if ships or status in {"clear", "partly"} else None,
        acquisition_id=scene.acquisition_id,
    )


def _seen_clear(scene: SceneRow, tally: WaterCount | None, ships: int) -> tuple[str, float | None]:
    if tally is None:
        # A cloudy scene is not measured, hence not counted; a used one without counts has no
        # tile over the area.
        return ("cloudy" if scene.status == "cloudy" else "outside"), None
    if tally.covered_px <= 0.0:
        return "outside", None
    if tally.water_px <= 0.0:
        # No water left to judge by: a hull that fills the berth, or a berth drawn on land.
        return ("partly" if ships else "cloudy"), None
    clear = min(tally.clear_px / tally.water_px, 1.0)
    if scene.status == "cloudy" or clear < CLOUDY_BELOW:
        return "cloudy", clear
    return ("clear" if clear >= CLEAR_FROM else "partly"), clear
