"""Simulated seasons by which freeboard and fill are judged: dense ports under a sun of one kind.

A season is named by a group and a seed; both together say everything about it. Its day and
latitude are drawn from the seed until the sun stands within the group at the middle of the season,
so that no date, place or port is anybody's choice.
"""

from __future__ import annotations

import datetime as dt
import zlib
from dataclasses import fields

import numpy as np

from eo.sim import Nuisances, SimOptions
from eo.sim.optics import sun_at

__all__ = ["DEVELOPMENT", "GROUPS", "JUDGING", "season_options"]

GROUPS = {
    "low": ("planetscope", 14.0, 35.0),
    "mid": ("planetscope", 35.0, 55.0),
    "high": ("planetscope", 55.0, 75.0),
    "ten": ("sentinel-2", 14.0, 35.0),
}
"""Sensor, lowest and highest sun elevation [deg] of each group."""
DEVELOPMENT = range(100)
"""Seeds that may be looked at while the estimator is worked on."""
JUDGING = range(1000, 2000)
"""Seeds that figures are reported from: nothing may be tuned on them, looked at or not."""

_SIDE_M = 1140.0
_LONGITUDE = 133.08
_EPSG = 32653
_PASS_HOUR = 10.4


def season_options(
    group: str, seed: int, *, looks: int = 30, clouds: float = 0.0, clean: bool = False
) -> SimOptions:
    """Return what a season consists of.

    Parameters
    ----------
    group
        One of GROUPS.
    seed
        Its number within the group.
    looks
        Scenes, one a day.
    clouds
        Mean cloud cover, 0-1.
    clean
        Whether every nuisance but the sensor's noise is switched off: without any noise there
        would be no bound to hold an error against.
    """
    sensor, low, high = GROUPS[group]
    start, latitude = _when_and_where(group, seed, looks, (low, high))
    switched = {field.name: not clean for field in fields(Nuisances)} | {"noise": True}
    if clouds <= 0:
        switched["clouds"] = False
    return SimOptions(
        name=f"{group}-{seed}",
        seed=10 * seed + list(GROUPS).index(group),
        start=start,
        days=looks,
        looks=looks,
        sensor="sentinel-2" if sensor == "sentinel-2" else "planetscope",
        size=round(_SIDE_M / (10.0 if sensor == "sentinel-2" else 3.0) + 6),
        berths=8,
        calls_per_berth_week=3.0,
        anchor_places=5,
        pier_turn_deg=35.0,
        clouds=clouds,
        ships=10,
        centre=(_LONGITUDE, latitude),
        epsg=_EPSG,
        loading_share=0.7,
        nuisances=Nuisances(**switched),
    )


def _when_and_where(
    group: str, seed: int, days: int, sun_deg: tuple[float, float]
) -> tuple[str, float]:
    """First day and latitude with the sun well within bounds at the season's middle pass."""
    rng = np.random.default_rng([seed, zlib.crc32(group.encode())])
    while True:
        latitude = float(np.round(rng.uniform(22.0, 58.0), 3))
        first = dt.datetime(2024, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=int(rng.integers(366)))
        hours = (_PASS_HOUR - _LONGITUDE / 15.0) % 24.0
        when = first + dt.timedelta(days=days // 2, hours=hours)
        height = sun_at(when, _LONGITUDE, latitude).elevation_deg
        # Passes an hour earlier or later may fall into the next group: rows go by their own sun.
        if sun_deg[0] + 3.0 < height < sun_deg[1] - 3.0:
            return first.date().isoformat(), latitude
