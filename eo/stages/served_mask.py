"""What the provider's own mask says, in three words: cloud, shadow, and surely neither.

Sentinel-2's scene classification (SCL), Planet's eight-band UDM2 and its older bit-flag UDM are
brought to the same planes. They are witnesses: :mod:`eo.stages.mask` decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from eo.core.errors import SceneError
from eo.core.xp import Array, namespace

__all__ = ["ServedMask", "read_served"]

SCL_SHADOW, SCL_MEDIUM, SCL_HIGH, SCL_CIRRUS, SCL_SNOW = 3, 8, 9, 10, 11
"""Classes of Sen2Cor (ESA, Sentinel-2 Level-2A product definition)."""

UDM2_SNOW, UDM2_SHADOW, UDM2_HEAVY_HAZE, UDM2_CLOUD, UDM2_UNUSABLE = 1, 2, 4, 5, 7
"""Planes of UDM2, counted from 0 (Planet, Usable Data in Imagery)."""

UDM_NO_DATA, UDM_CLOUD = 1, 2
"""Bits of the older UDM: 0 black fill, 1 cloud."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ServedMask:
    """A served mask, decoded; bool (y, x) each."""

    cloud: Array
    """Cloud by the provider's word."""
    thin: Array
    """Cirrus or heavy haze: cloud only where the pixels agree."""
    shadow: Array
    """Cloud shadow by the provider's word."""
    snow: Array
    """Snow or ice: bright, but not cloud."""
    no_data: Array
    """Outside the image by the provider's word."""


def read_served(
    kind: Literal["scl", "udm2", "udm"], raw: Array, shape: tuple[int, int]
) -> ServedMask:
    """Return a served mask's raw values, decoded.

    Parameters
    ----------
    kind
        ``scl``, ``udm2`` or ``udm``.
    raw
        Integer (y, x), or (8, y, x) for UDM2.
    shape
        (y, x) that the scene has.

    Raises
    ------
    SceneError
        If the kind is unknown, or the raw array does not fit the scene.
    """
    xp, _ = namespace(raw)
    expected = (8, *shape) if kind == "udm2" else shape
    if kind not in {"scl", "udm2", "udm"}:
        raise SceneError(f"served mask of kind {kind!r} is unknown; known: scl, udm2, udm")
    if tuple(raw.shape) != expected:
        raise SceneError(
            f"the served {kind} mask has shape {tuple(raw.shape)}, but the scene needs {expected}"
        )
    none = xp.zeros(shape, dtype=bool)
    if kind == "scl":
        return ServedMask(
            cloud=(raw == SCL_MEDIUM) | (raw == SCL_HIGH),
            thin=raw == SCL_CIRRUS,
            shadow=raw == SCL_SHADOW,
            snow=raw == SCL_SNOW,
            no_data=raw == 0,
        )
    if kind == "udm2":
        return ServedMask(
            cloud=raw[UDM2_CLOUD] > 0,
            thin=raw[UDM2_HEAVY_HAZE] > 0,
            shadow=raw[UDM2_SHADOW] > 0,
            snow=raw[UDM2_SNOW] > 0,
            no_data=(raw[UDM2_UNUSABLE] & 1) > 0,
        )
    return ServedMask(
        cloud=(raw & UDM_CLOUD) > 0,
        thin=none,
        shadow=none,
        snow=none,
        no_data=(raw & UDM_NO_DATA) > 0,
    )
