"""Strip width and height above the water: the geometry of a hull's shadow.

The image is orthorectified to sea level. A deck edge at height F above the water throws its
shadow edge at ``-F cot(e) s`` and itself appears, by parallax, at ``-F tan(i) v``. Across the
hull, along the normal n of the side away from the sun, the dark strip between the two is

    w = F (cot(e) |s.n| + tan(i) v.n)                                                (1)
    F = w / (cot(e) |s.n| + tan(i) v.n)                                              (2)

wide, the visible part of the shaded hull side included. The module refuses (by a reason, never
by a number) where the sun stands too low, too nearly along the hull, or the sensor looks too
far aside for (1) to say anything of F.

=======  =============================================  =======================
symbol   meaning                                        parameter
=======  =============================================  =======================
F        height of the deck edge above the water [m]    freeboard_m
w        width of the dark strip across the hull [m]    width_m
e, A     sun's elevation and azimuth [deg]              sun_elevation_deg, sun_azimuth_deg
i, V     sensor's zenith angle at the ground, and the   off_nadir_deg, view_azimuth_deg
         azimuth from the target towards it [deg]
n        unit normal of the side away from the sun      normal_azimuth_deg
s, v     unit horizontal vectors towards sun, sensor
=======  =============================================  =======================

All azimuths are clockwise from one and the same north, true or grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = [
    "DETECTED_HEADING_SD_DEG",
    "MAX_OFF_NADIR_DEG",
    "MIN_SUN_ACROSS",
    "MIN_SUN_ELEVATION_DEG",
    "ShadowGeometry",
    "freeboard_from_strip_m",
    "refuse_geometry",
    "shadow_geometry",
    "strip_width_m",
]

MIN_SUN_ELEVATION_DEG = 3.0
"""Below, shadows are longer than any harbour is wide and the water is hardly lit."""
MIN_SUN_ACROSS = 0.2
"""Smallest |s.n| (sun 11.5 degrees off the hull's axis): below, an error of 3 degrees in the
heading alone changes F by more than a quarter."""
MAX_OFF_NADIR_DEG = 45.0
"""Beyond, the visible hull side is as wide as the freeboard is high and hides what it should show.
"""
_UNKNOWN_OFF_NADIR_MAX_DEG = 6.0
"""Where the angle is not told: nadir-pointing imagers look this far aside at most."""
DETECTED_HEADING_SD_DEG = 1.5
"""Spread of a detected hull's heading."""


@dataclass(frozen=True, kw_only=True)
class ShadowGeometry:
    """How a height above the water shows across one hull."""

    normal_azimuth_deg: float
    """Azimuth of n, 0-360."""
    sun_across: float
    """|s.n|, 0-1."""
    shadow_per_m: float
    """cot(e) |s.n|: metres of shadow on the water per metre of height."""
    shadow_along_per_m: float
    """-cot(e) s.t: shift of the shadow along the hull's heading per metre of height."""
    lean_per_m: float
    """tan(i) v.n: metres by which parallax widens the strip per metre of height; 0 if unknown."""
    lean_known: bool
    """Whether off-nadir and view azimuth were both given."""
    metres_per_metre_nodes: tuple[float, ...]
    """Strip width per metre of height at quadrature nodes over what is uncertain (the heading,
    and the lean where it is not known)."""
    node_weights: tuple[float, ...]
    """Weights of the nodes; they sum to 1."""

    @property
    def metres_per_metre(self) -> float:
        """cot(e) |s.n| + tan(i) v.n."""
        return self.shadow_per_m + self.lean_per_m


def strip_width_m(freeboard_m: Any, metres_per_metre: Any) -> Any:
    """Return the strip's width by eq. (1) [m].

    Parameters
    ----------
    freeboard_m
        Height of the deck edge above the water [m], any shape.
    metres_per_metre
        cot(e) |s.n| + tan(i) v.n.

    Notes
    -----
    Where the deck leans over its own shadow (a negative sum), no strip is seen: 0.
    """
    return np.maximum(np.asarray(freeboard_m) * metres_per_metre, 0.0)


def freeboard_from_strip_m(width_m: Any, metres_per_metre: float) -> Any:
    """Return the height of the deck edge above the water by eq. (2) [m].

    Raises
    ------
    ValueError
        If `metres_per_metre` is not positive: the strip is hidden and says nothing.
    """
    if not metres_per_metre > 0:
        raise ValueError(
            f"strip of {metres_per_metre:g} m per metre of height: the deck hides its shadow, "
            "so that no height follows from the strip; ask refuse_geometry() first"
        )
    return np.asarray(width_m) / metres_per_metre


def refuse_geometry(
    *,
    heading_deg: float,
    sun_elevation_deg: float | None,
    sun_azimuth_deg: float | None,
    off_nadir_deg: float | None,
    view_azimuth_deg: float | None,
) -> str | None:
    """Return why no height can follow from this geometry, or None where one can.

    Returns
    -------
    str or None
        ``no-sun-geometry``, ``sun-too-low``, ``sun-along-hull`` (also where parallax hides the
        strip), ``view-too-oblique``, or None.
    """
    if sun_elevation_deg is None or sun_azimuth_deg is None:
        return "no-sun-geometry"
    if not (np.isfinite(sun_elevation_deg) and np.isfinite(sun_azimuth_deg)):
        return "no-sun-geometry"
    if sun_elevation_deg <= MIN_SUN_ELEVATION_DEG:
        return "sun-too-low"
    if off_nadir_deg is not None and abs(off_nadir_deg) > MAX_OFF_NADIR_DEG:
        return "view-too-oblique"
    geometry = shadow_geometry(
        heading_deg=heading_deg,
        sun_elevation_deg=sun_elevation_deg,
        sun_azimuth_deg=sun_azimuth_deg,
        off_nadir_deg=off_nadir_deg,
        view_azimuth_deg=view_azimuth_deg,
    )
    hidden = geometry.metres_per_metre < 0.3 * geometry.shadow_per_m
    # An elevation of 85 degrees leaves centimetres of shadow per metre.
    if geometry.sun_across < MIN_SUN_ACROSS or hidden or geometry.metres_per_metre < 0.1:
        return "sun-along-hull"
    return None


def shadow_geometry(
    *,
    heading_deg: float,
    sun_elevation_deg: float,
    sun_azimuth_deg: float,
    off_nadir_deg: float | None = None,
    view_azimuth_deg: float | None = None,
    heading_sd_deg: float = DETECTED_HEADING_SD_DEG,
) -> ShadowGeometry:
    """Return which side lies in shade, and the strip's width per metre of height.

    Parameters
    ----------
    heading_deg
        Azimuth of the hull's axis, either end [deg].
    sun_elevation_deg, sun_azimuth_deg
        Sun above the horizon and direction towards it [deg].
    off_nadir_deg, view_azimuth_deg
        Sensor's zenith angle at the ground, and direction from the target towards it [deg].
        Either may be missing: eq. (1) is then spread over what it may be (0-6 degrees, all
        around), with the lean's mean, 0, as `lean_per_m`.
    heading_sd_deg
        How well the heading is known [deg].
    """
    delta = np.deg2rad(sun_azimuth_deg - heading_deg)
    # Normals lie at heading +- 90 degrees; s.n must be negative on the shaded side.
    side = -1.0 if np.sin(delta) > 0 else 1.0
    normal_azimuth = (heading_deg + side * 90.0) % 360.0
    cot = 1.0 / np.tan(np.deg2rad(sun_elevation_deg))
    known = off_nadir_deg is not None and view_azimuth_deg is not None
    lean, lean_weights = _lean_nodes(off_nadir_deg, view_azimuth_deg, normal_azimuth)
    # Three-point Gauss-Hermite over the heading's error.
    turn = np.deg2rad(heading_sd_deg) * np.sqrt(3.0) * np.array([-1.0, 0.0, 1.0])
    shadow = cot * np.abs(np.sin(delta + turn))
    nodes = (shadow[:, None] + lean[None, :]).ravel()
    weights = (np.array([1.0, 4.0, 1.0])[:, None] / 6.0 * lean_weights[None, :]).ravel()
    return ShadowGeometry(
        normal_azimuth_deg=float(normal_azimuth),
        sun_across=float(abs(np.sin(delta))),
        shadow_per_m=float(cot * abs(np.sin(delta))),
        shadow_along_per_m=float(-cot * np.cos(delta)),
        lean_per_m=float(lean[0]) if known else 0.0,
        lean_known=known,
        metres_per_metre_nodes=tuple(float(node) for node in nodes),
        node_weights=tuple(float(weight) for weight in weights),
    )


def _lean_nodes(
    off_nadir_deg: float | None, view_azimuth_deg: float | None, normal_azimuth_deg: float
) -> tuple[Any, Any]:
    """Return tan(i) v.n and weights, at one node where known, else spread over the unknown."""
    if off_nadir_deg is not None:
        zenith = np.array([abs(off_nadir_deg)])
    else:
        zenith = _UNKNOWN_OFF_NADIR_MAX_DEG * (np.arange(4) + 0.5) / 4
    if view_azimuth_deg is not None:
        turn = np.array([view_azimuth_deg - normal_azimuth_deg])
    else:
        turn = (np.arange(8) + 0.5) * 45.0
    lean = np.tan(np.deg2rad(zenith))[:, None] * np.cos(np.deg2rad(turn))[None, :]
    lean = lean.ravel()
    return lean, np.full(lean.size, 1.0 / lean.size)
