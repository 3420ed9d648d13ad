"""From a catalog to scenes: one record for every item found, none lost, none counted twice.

What an item leaves open is completed here: the sun from time and place, the sensor's zenith
angle at the ground, which items belong to one pass, which are the same pixels processed twice,
and an id of its own for every scene.
"""

from __future__ import annotations

import datetime as dt
import logging
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import shapely.geometry

from eo.access.hosts import hosts_of_catalog
from eo.access.hrefs import PLACE, is_remote
from eo.access.items import scene_from_item
from eo.access.radiometry import toar_scale
from eo.core.config import Campaign
from eo.core.records import Band, Scene
from eo.core.seams import Catalog
from eo.core.sensors import sensor_of
from eo.physics.sun import solar_position, sun_distance_au, zenith_at_ground
from eo.stages.acquisitions import with_acquisitions, without_duplicates
from eo.stages.scene_ids import with_scene_ids

__all__ = ["find_scenes"]

log = logging.getLogger(__name__)

_SUN_DISAGREES_DEG = 5.0
"""Angles of the item and of time and place that differ by more are worth a note: within one
scene the sun's elevation differs by about a degree."""
_ASSUMED_SUN_DEG = 45.0
"""For turning radiance into something like reflectance where the time is unknown."""
_LAST = dt.datetime.max.replace(tzinfo=dt.UTC)


def find_scenes(
    catalog: Catalog,
    campaign: Campaign,
    *,
    progress: Callable[[int], None] | None = None,
) -> list[Scene]:
    """Return every scene that a campaign's catalog holds for it, by time and id.

    Parameters
    ----------
    catalog
        Opened catalog.
    campaign
        What is asked.
    progress
        Told how many items came in.

    Returns
    -------
    list of Scene
        Scenes with status `found`, and those skipped or failed, with the reason. Empty if the
        catalog holds none.

    Raises
    ------
    CatalogError
        If the search fails for good.
    """
    area = shapely.geometry.shape(campaign.aoi)
    scenes = []
    items = catalog.search(
        geometry=campaign.aoi,
        start=campaign.start,
        end=campaign.end,
        collections=campaign.collections,
    )
    for item in items:
        scene = _outside(scene_from_item(item, place=campaign.catalog), campaign, area)
        scene = replace(scene, hosts=_hosts(item, campaign))
        scenes.append(_with_reflectance(_with_view(_with_sun(scene, area))))
        if progress is not None:
            progress(len(scenes))
    scenes = without_duplicates(with_acquisitions(with_scene_ids(scenes)))
    for scene in scenes:
        if scene.status == "failed":
            log.warning("%s: %s", scene.scene_id, scene.reason)
    return sorted(scenes, key=lambda s: (s.datetime or s.start or _LAST, s.scene_id))


def _hosts(item: Any, campaign: Campaign) -> tuple[str, ...] | None:
    """Return the hosts that an item from the web may lead to; None for one of a local file."""
    place = item.get(PLACE) if isinstance(item, dict) else None
    if place is None:
        return None
    # Not the host of the file that the item was found in: the catalog chose that.
    catalog = campaign.catalog if is_remote(campaign.catalog) else str(place)
    return hosts_of_catalog(catalog, campaign.allow_hosts)


def _outside(scene: Scene, campaign: Campaign, area: Any) -> Scene:
    """Skip a scene that was not asked for: some servers search by box, or by the day."""
    if scene.status != "found" or scene.footprint is None:
        return scene
    first, last = scene.start, scene.end
    late = first is not None and first >= campaign.end
    if late or (last is not None and last < campaign.start):
        return replace(scene, status="skipped", reason="it was taken outside the period")
    if shapely.geometry.shape(scene.footprint).intersection(area).area > 0:
        return scene
    return replace(scene, status="skipped", reason="its footprint does not meet the AOI")


def _with_sun(scene: Scene, area: Any) -> Scene:
    """Compute the sun where the item leaves it out, and hold it against what the item says."""
    if scene.datetime is None:
        return _without_sun(scene)
    place = _place(scene, area)
    elevation, azimuth = solar_position(scene.datetime, place.x, place.y)
    said = scene.sun_elevation_deg
    if said is None or scene.sun_azimuth_deg is None:
        return replace(
            scene, sun_elevation_deg=elevation, sun_azimuth_deg=azimuth, sun_source="computed"
        )
    turn = abs((scene.sun_azimuth_deg - azimuth + 180) % 360 - 180)
    apart = turn * math.cos(math.radians(elevation))
    if abs(said - elevation) <= _SUN_DISAGREES_DEG and apart <= 2 * _SUN_DISAGREES_DEG:
        return scene
    return _noted(
        scene,
        f"the item says the sun stands at {said:.1f} degrees, azimuth "
        f"{scene.sun_azimuth_deg:.1f}; time and place say {elevation:.1f}, {azimuth:.1f}: "
        "the item's is used",
    )


def _without_sun(scene: Scene) -> Scene:
    """Leave out the sun of an item without a time: nobody can hold it against anything."""
    if scene.sun_source is None:
        return scene
    return _noted(
        replace(scene, sun_elevation_deg=None, sun_azimuth_deg=None, sun_source=None),
        "the item gives sun angles but no time that they could belong to: left out",
    )


def _place(scene: Scene, area: Any) -> Any:
    """Return where the sun matters: the part of the area that the scene shows, or the scene."""
    if scene.footprint is None:
        return area.representative_point()
    shown = shapely.geometry.shape(scene.footprint)
    common = shown.intersection(area)
    return (common if common.area > 0 else shown).representative_point()


def _with_view(scene: Scene) -> Scene:
    """Turn an off-nadir angle at the satellite into the zenith angle at the ground."""
    angle = scene.satellite_off_nadir_deg
    if scene.off_nadir_deg is not None or angle is None:
        return scene
    altitude = sensor_of(scene.sensor).altitude_m
    if altitude is None:
        return _noted(
            scene, f"off-nadir angle {angle:g} is not used: the satellite's height is not known"
        )
    if angle == 0 and scene.view_azimuth_deg is None and scene.sensor == "sentinel-2":
        # Earth Search v0 gives 0 for every tile: the satellite's pointing, not the tile's place.
        scene = _noted(scene, "view:off_nadir is 0 without an azimuth; it may be up to 10 degrees")
    try:
        return replace(scene, off_nadir_deg=zenith_at_ground(angle, altitude))
    except ValueError as error:
        return _noted(scene, f"view:off_nadir is left out: {error}")


def _with_reflectance(scene: Scene) -> Scene:
    """Turn the scale of Planet's radiance into that of reflectance, which needs the sun."""
    if scene.level != "radiance":
        return scene
    elevation = scene.sun_elevation_deg
    note = "radiance: made reflectance with nominal solar irradiance, good to some percent"
    if elevation is None:
        elevation = _ASSUMED_SUN_DEG
        note += f"; the sun is not known, {elevation:g} degrees assumed"
    elif elevation <= 0:
        return replace(scene, status="skipped", reason="radiance of a scene taken by night")
    distance = 1.0 if scene.datetime is None else sun_distance_au(scene.datetime)
    bands: list[Band] = []
    for band in scene.bands:
        scale = toar_scale(band.name, elevation, distance, band.scale)
        if scale is not None:
            bands.append(replace(band, scale=scale, offset=0.0))
    return _noted(replace(scene, level="toar", bands=tuple(bands)), note)


def _noted(scene: Scene, note: str) -> Scene:
    return replace(scene, notes=(*scene.notes, note))
