"""Gives every scene an id of its own: the item's, unless two items share it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from eo.core.records import Scene
from eo.stages.acquisitions import age, same_acquisition

__all__ = ["with_scene_ids"]


def with_scene_ids(scenes: Iterable[Scene]) -> list[Scene]:
    """Return the scenes with ids that are unique.

    Two collections that both hold an id: ``collection/id`` for each. One id twice in one
    collection: the newest keeps it, the others are called ``id~2``, ``id~3`` by age; they are
    skipped as duplicates of it, unless they evidently show something else (another time or
    another place), in which case the id is at fault, not the scene.
    """
    by_item: dict[str, list[Scene]] = defaultdict(list)
    for scene in scenes:
        by_item[scene.item_id].append(scene)
    named = []
    for clashing in by_item.values():
        collections = {scene.collection for scene in clashing}
        by_name: dict[str, list[Scene]] = defaultdict(list)
        for scene in clashing:
            qualified = len(collections) > 1 and scene.collection is not None
            name = f"{scene.collection}/{scene.item_id}" if qualified else scene.item_id
            by_name[name].append(replace(scene, scene_id=name))
        for same in by_name.values():
            named += _apart(same)
    return named


def _apart(same: list[Scene]) -> list[Scene]:
    """Tell scenes of one name apart; a found one before one that is not, the newest first."""
    if len(same) == 1:
        return same
    ranked = sorted(same, key=age, reverse=True)
    ranked.sort(key=lambda scene: scene.status != "found")
    first = ranked[0]
    named = [first]
    for number, scene in enumerate(ranked[1:], start=2):
        other = replace(scene, scene_id=f"{scene.scene_id}~{number}")
        if scene.status == "found" and same_acquisition(first, scene):
            other = replace(other, status="skipped", reason=f"duplicate of {first.scene_id}")
        else:
            note = f"another item has the id {scene.item_id!r} too, and shows something else"
            other = replace(other, notes=(*other.notes, note))
        named.append(other)
    return named
