"""What departs from water that mirrors the sun.

Sun glint is light that the water has not coloured: it is much alike in all bands, and uneven by a
fifth of itself from pixel to pixel. Beside it a red or grey deck is neither brighter nor darker
than the water, but of another colour. So the water's unevenness is taken apart: along the direction
in which its bands vary together, glint, brightness says little; across it, in colour, the noise is
the sensor's and decks stand out by ten and twenty standard deviations. A hull's shade has a colour
of its own too, that of water with less light, and does not count.

That glint varies alike in all bands is what methods of glint removal rest on (Hedley et al. 2005,
doi:10.1080/01431160500034086); here the direction is taken from the scene itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from eo.core.xp import Array, namespace, to_host

__all__ = ["Glint", "fit_glint", "glint_departure"]

_LEAST_SD = 0.004
"""Reflectance: unevenness alike in all bands below which water is not under glint. Sky light and
turbid patches make 0.003, decks a contrast of 0.03 and more."""
_LEAST_RATIO = 2.0
"""Unevenness alike in all bands over that of colour, from which it is glint's."""
_LEAST_WHITE = 0.5
"""Share of a white light's part that each band must have in what varies together."""
_LEAST_COLOUR_SD = 0.0015
"""Reflectance; sensor noise below which no scene's water is quiet."""
_DARKEST = 0.75
"""Share of the water's light that the deepest shade takes: sky light is left."""
_ROUNDS = 3
_OUTLYING = 4.0
"""Standard deviations of colour from which a pixel is left out when the noise is measured."""
_LEAST_PIXELS = 500


@dataclass(frozen=True, kw_only=True, eq=False)
class Glint:
    """How the water of one scene is uneven; arrays (band,), on the host."""

    direction: Array
    """Unit vector along which bands vary together."""
    brightness_sd: float
    """Standard deviation along it, as a reflectance of one band."""
    colour_sd: Array
    """Standard deviation of each band across it, in reflectance."""
    water: Array
    """The water's own level, in reflectance."""


def fit_glint(residual: Array, water: Array) -> Glint | None:
    """Return how calm water is uneven, or None where it mirrors too little of the sun to matter.

    Parameters
    ----------
    residual
        float (band, pixel), reflectance of water less its level there; a few ships do no harm.
    water
        float (band,), the water's level, in reflectance.
    """
    xp, _ = namespace(residual)
    if residual.shape[0] < 3 or residual.shape[1] < _LEAST_PIXELS:
        return None
    bands = residual.shape[0]
    direction = np.full(bands, bands**-0.5)
    # Quays and decks among the water would turn the direction: only what it leaves dark counts.
    for _ in range(_ROUNDS):
        across = _across(xp, residual, direction)
        scale = 1.4826 * xp.median(xp.abs(across - xp.median(across, axis=1)[:, None]), axis=1)
        scale = xp.maximum(scale, xp.asarray(_LEAST_COLOUR_SD, dtype=scale.dtype))
        near = (xp.abs(across) < _OUTLYING * scale[:, None]).all(axis=0)
        if int(near.sum()) < _LEAST_PIXELS:
            return None
        covariance = to_host(xp.cov(residual[:, near]))
        values, vectors = np.linalg.eigh(np.asarray(covariance, float))
        direction = vectors[:, -1] * np.sign(vectors[:, -1].sum())
    together = float(np.sqrt(values[-1] / bands))
    apart = float(np.sqrt(max(values[:-1].mean(), 0.0)))
    # Light of one colour, a veil of haze or mud, is no glint: it lifts some bands only.
    white = direction.min() > _LEAST_WHITE * bands**-0.5
    if together < max(_LEAST_SD, _LEAST_RATIO * apart) or not white:
        return None
    own = (vectors[:, :-1] ** 2 * values[:-1]).sum(axis=1)
    colour_sd = np.sqrt(np.maximum(own, _LEAST_COLOUR_SD**2))
    return Glint(
        direction=direction.astype(np.float32),
        brightness_sd=together,
        colour_sd=colour_sd.astype(np.float32),
        water=to_host(water).astype(np.float32),
    )


def _across(xp: Any, residual: Array, direction: Any) -> Array:
    """Return what is left of residuals (band, pixel) across a direction."""
    along = xp.asarray(direction.astype(np.float32))[:, None]
    return residual - along * (along * residual).sum(axis=0)


def glint_departure(difference: Array, glint: Glint) -> Array:
    """Return how far pixels depart from water under glint, in its standard deviations.

    Parameters
    ----------
    difference
        float32 (band, y, x), reflectance above the water's level there.
    glint
        The scene's water.

    Returns
    -------
    Array
        float32 (y, x): the root mean square over bands of what is left of the colour once any
        shade is allowed for, and the brightness above the water's. Pixelwise: no halo.
    """
    xp, _ = namespace(difference)
    bands = len(glint.direction)
    direction, scale = (xp.asarray(a)[:, None, None] for a in (glint.direction, glint.colour_sd))
    together = (direction * difference).sum(axis=0)
    colour = (difference - together[None] * direction) / scale
    # Shade takes up to three quarters of the water's own colour away, along this line.
    own = glint.water - glint.direction * np.dot(glint.direction, glint.water)
    line = xp.asarray((-_DARKEST * own / glint.colour_sd).astype(np.float32))[:, None, None]
    length = max(float((line**2).sum()), 1e-9)
    share = xp.clip((colour * line).sum(axis=0) / length, 0, 1)
    left = ((colour - share[None] * line) ** 2).sum(axis=0)
    # Noise alone leaves this much: one direction is glint's, half of another the shade's.
    left = xp.maximum(left - np.float32(bands - 1.5), 0)
    bright = xp.maximum(together / np.float32(np.sqrt(bands) * glint.brightness_sd), 0)
    return xp.sqrt((left + bright**2) / bands).astype(xp.float32)
