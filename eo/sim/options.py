"""What a simulated campaign consists of: one frozen description, nuisances switchable one by one.

Every random draw of the simulator comes from `seed` and a name, so that switching one nuisance
off leaves everything else as it was.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from eo.core.errors import CampaignError

__all__ = ["PIXEL_M", "Nuisances", "SensorKind", "SimOptions", "stream"]

SensorKind = Literal["planetscope", "sentinel-2"]

PIXEL_M: dict[str, float] = {"planetscope": 3.0, "sentinel-2": 10.0}
"""Pixel size of each simulated product [m]."""


@dataclass(frozen=True, kw_only=True)
class Nuisances:
    """What makes the work hard; each can be switched off."""

    tugs: bool = True
    """Tugs and bunker barges alongside."""
    small_craft: bool = True
    """Boats of 6-25 m, some with a wake, and buoys."""
    anchored: bool = True
    """A ship at anchor on some days, swinging with the wind."""
    unlisted: bool = True
    """Some ships are absent from the fleet file."""
    breakwater: bool = True
    """A breakwater, with breakers on windy days."""
    island: bool = True
    """A small rocky island."""
    clutter: bool = True
    """Pipes, manifold and hatches on deck; vehicles and stacks ashore, moved from look to look."""
    cranes: bool = True
    """Loading arms on the quays; hose cranes swung out over a ship's side."""
    sheer: bool = True
    """Decks that rise towards the ends."""
    bulwark: bool = True
    """Bulwark about the forecastle, a gutter bar along the deck, now and then more."""
    flare: bool = True
    """Bows wider and longer on deck than at the waterline."""
    trim: bool = True
    """Trim by the stern, as ships in ballast have."""
    heel: bool = True
    """Heel of some tenths of a degree."""
    quay_heights: bool = True
    """Quays 1.5-6 m above mean water, each its own; off: all of 3.2 m."""
    tide: bool = True
    """Water that stands differently against the quays in every look."""
    texture: bool = True
    """Uneven water, ground and paint."""
    wind_lee: bool = True
    """Smooth, darker water down-wind of a hull."""
    glint: bool = True
    """Sun mirrored by the water, by sun, view and wind; off: a little, the same everywhere."""
    adjacency: bool = True
    """Light from bright land and ships scattered over the water about them."""
    clouds: bool = True
    """Clouds and their shadows."""
    haze: bool = True
    """Aerosol differing from scene to scene, and what the correction left of it."""
    psf: bool = True
    """Point-spread width differing from scene to scene; off: the sensor's mean."""
    noise: bool = True
    """Read and shot noise, and a gain error per scene."""
    misregistration: bool = True
    """Bands shifted against each other, by up to half a pixel in some scenes."""
    mask_faults: bool = True
    """The served mask misses thin cloud and calls some bright ships cloud."""
    nodata_edges: bool = True
    """Some scenes end within the area."""
    off_nadir: bool = True
    """Views off the vertical; off: straight down."""


@dataclass(frozen=True, kw_only=True)
class SimOptions:
    """A simulated campaign."""

    name: str = "simulated"
    """Name of the campaign."""
    seed: int = 1
    """Same options and seed: same bytes."""
    start: str = "2024-03-01"
    """First day of the period."""
    days: int = 40
    """Length of the period [d]."""
    looks: int | None = None
    """Scenes in all; None: nine for every ten days."""
    sensor: Literal["planetscope", "sentinel-2", "both"] = "planetscope"
    """Which sensors look."""
    size: int = 500
    """Side of the area in pixels of the finest sensor in use."""
    berths: int = 3
    """Named berths; odd ones have their shade on the quay, even ones on the water."""
    calls_per_berth_week: float = 1.0
    """Mean port calls per berth and week."""
    anchor_places: int = 0
    """Places where the fleet's ships wait before and after their calls, swinging with the wind."""
    pier_turn_deg: float = 16.0
    """How far a pier's axis may lie from square to the sun's azimuth."""
    clouds: float = 0.4
    """Mean cloud cover, 0-1."""
    ships: int = 14
    """Ships that call, some of them more than once."""
    centre: tuple[float, float] = (133.08, 42.735)
    """Longitude and latitude of the area's centre."""
    epsg: int = 32653
    """CRS of the scenes."""
    product: str = "diesel"
    """What is loaded."""
    loading_share: float = 1.0
    """Share of calls that load; the rest discharge."""
    nuisances: Nuisances = field(default_factory=Nuisances)
    """What is switched on."""

    def __post_init__(self) -> None:
        """Refuse values that make no campaign."""
        if self.sensor not in {"planetscope", "sentinel-2", "both"}:
            raise CampaignError(
                f"sensor {self.sensor!r} cannot be simulated; use planetscope, sentinel-2 or both"
            )
        for name, low in (("days", 1), ("size", 120), ("berths", 1), ("ships", 1)):
            if getattr(self, name) < low:
                raise CampaignError(f"{name} must be at least {low}, found {getattr(self, name)}")
        if self.looks is not None and self.looks < 1:
            raise CampaignError(f"looks must be at least 1, found {self.looks}")
        if not 0.0 <= self.clouds <= 1.0:
            raise CampaignError(f"clouds must lie between 0 and 1, found {self.clouds:g}")

    @property
    def sensors(self) -> tuple[SensorKind, ...]:
        """Sensors in use."""
        if self.sensor == "both":
            return ("planetscope", "sentinel-2")
        return (self.sensor,)

    @property
    def look_count(self) -> int:
        """Scenes in all."""
        return self.looks if self.looks is not None else max(1, round(0.9 * self.days))

    @property
    def extent_m(self) -> float:
        """Side of the area, a whole multiple of every pixel size in use [m]."""
        side = self.size * min(PIXEL_M[kind] for kind in self.sensors)
        if self.sensor == "both":
            return max(1, round(side / 30.0)) * 30.0
        return side

    def without(self, *names: str) -> SimOptions:
        """Return these options with the named nuisances switched off."""
        return replace(self, nuisances=replace(self.nuisances, **dict.fromkeys(names, False)))


def stream(options: SimOptions, *names: object) -> np.random.Generator:
    """Return the random stream of that name, independent of all others."""
    key = zlib.crc32("/".join(str(name) for name in names).encode())
    return np.random.default_rng([options.seed, key])
