"""See vessels through sun glint: by their colour, where the water is as bright as their decks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.ndimage as ndi

from eo.core.xp import Array, namespace, to_host
from eo.kernels.glint import Glint, fit_glint, glint_departure
from eo.kernels.targets import water_level
from eo.stages.pixels import NEIGHBOURHOOD_M, Pixels, coverage_of, departure_threshold

__all__ = ["through_glint", "water_by_colour"]

_ROUNDS = 2
"""Times that water is taken anew without what departed from it."""
_DEPARTED = 4.0
"""Standard deviations from which a pixel is not the water that noise is measured on."""
_OFF_SHORE_PX = 2
"""How far from anything else water is measured: a quay's blur reaches two pixels."""


def through_glint(scene: Pixels, reflectance: Array, water: Array) -> Pixels:
    """Return a scene under sun glint as departure from the water's colour; others as they are.

    Parameters
    ----------
    scene
        The scene by its own pixels.
    reflectance
        float32 (band, y, x), of which `scene` was made.
    water
        bool (y, x) on the host: where water is. Under strong glint a scene cannot tell by itself,
        its empty port can.

    Returns
    -------
    Pixels
        With `rise`, `cover`, `colour`, `threshold` and `glint` under glint; else `scene`.
    """
    pixels = to_host(reflectance)
    calm = ndi.binary_erosion(water, iterations=_OFF_SHORE_PX) & scene.clear
    radius_px = NEIGHBOURHOOD_M / scene.pixel_m
    if _glint_of(scene.colour, pixels, calm) is None:
        return scene
    for _ in range(_ROUNDS):
        level, _ = water_level(pixels, calm, radius_px=radius_px)
        colour = np.nan_to_num(pixels - level)
        glint = _glint_of(colour, pixels, calm)
        if glint is None:
            return scene
        departed = glint_departure(colour, glint)
        calm = ndi.binary_erosion(calm & (departed < _DEPARTED))
    rise = np.where(scene.clear, departed, np.float32(0))
    threshold = departure_threshold(rise, calm)
    return replace(
        scene,
        rise=rise,
        cover=coverage_of(rise, threshold, scene.pixel_m),
        colour=colour,
        threshold=threshold,
        glint=glint,
    )


def water_by_colour(reflectance: Array, water: Array) -> Array:
    """Return water without what only under sun glint passes for it: dark quays, decks.

    Parameters
    ----------
    reflectance
        float32 (band, y, x).
    water
        bool (y, x), water by brightness and index; see :func:`eo.kernels.water.likely_water`.
    """
    xp, ndi = namespace(reflectance, water)
    calm = ndi.binary_erosion(water, iterations=_OFF_SHORE_PX)
    if not bool(calm.any()):
        return water
    inside = reflectance[:, calm]
    middle = xp.median(inside, axis=1)
    glint = fit_glint(inside - middle[:, None], middle)
    if glint is None:
        return water
    departed = glint_departure(xp.nan_to_num(reflectance - middle[:, None, None]), glint)
    # Several pixels side by side: noise and foam are single ones.
    return water & ~ndi.binary_opening(departed > _DEPARTED, structure=xp.ones((2, 2), bool))


def _glint_of(colour: Array, pixels: Array, calm: Array) -> Glint | None:
    if not calm.any():
        return None
    inside = colour[:, calm]
    return fit_glint(inside, np.median(pixels[:, calm] - inside, axis=1))
