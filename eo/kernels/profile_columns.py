"""What the blurred three-level profile is made of: a hull's pixels, and the model's pieces.

Equations (1) to (5) stand in :mod:`eo.kernels.profile`. Every column is a class's share of the
pixel (deck, water, shade) times a smooth factor; together with the densities at the three edges
they make up the model and all its derivatives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eo.core.xp import Array

__all__ = [
    "COLUMNS",
    "EDGES",
    "LEE",
    "MARGIN",
    "OUTER_EDGE",
    "PIECES",
    "SHADE",
    "SHARED",
    "TILT",
    "WATER",
    "ProfileBatch",
    "ProfileState",
    "column_shapes",
    "model_pieces",
]

_CLASS = (0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2)
"""Class (deck, water, shade) of the columns: deck 1, along, pipe rack, middle, deck shade, tilt,
margin; water 1, across, along, lee; shade 1."""
TILT, MARGIN, WATER, LEE, SHADE = 5, 6, 7, 10, 11
"""Columns that others must know."""
SHARED = 6
"""Shared parameters: edges a and b, ln q, shade ratio, margin, skew; then one shift per band."""
COLUMNS = len(_CLASS)
EDGES = slice(COLUMNS, COLUMNS + 3)
OUTER_EDGE = COLUMNS + 2
"""Index of the shade's outer edge among the pieces: the columns; densities at the edges a, b,
b + w; the same times `along`; and z p(z) at the three edges."""
PIECES = COLUMNS + 9
_PIPE_RACK_M = 2.0
_PIPE_HALF_M = 1.5
"""Half the width of a pipe rack; its shadow on the deck begins there."""
_MIDDLE_SHARE = 0.45
"""Fittings stand on the middle half of a deck: sd of their hump, of the half beam."""
_MARGIN_M = 2.0
_LEE_M = 30.0


@dataclass(frozen=True, kw_only=True, eq=False)
class ProfileBatch:
    """Pixels of several hulls, padded to one count; all arrays on one device, float64."""

    values: Array
    """(vessel, band, pixel) reflectance or radiance; finite everywhere, 0 where not valid."""
    across_m: Array
    """(vessel, pixel) distance of the pixel's centre from the hull's axis, positive towards the
    shaded side [m on the ground]."""
    along: Array
    """(vessel, pixel) place along the parallel mid-body, -1 to 1."""
    half_length_m: Array
    """(vessel,) half the mid-body's length: metres along per unit of `along`."""
    valid: Array
    """(vessel, pixel) 1 where the pixel is used, else 0."""
    widths_m: Array
    """(vessel, width) strip widths asked, ascending, evenly spaced from 0 [m]."""
    beam_m: Array
    """(vessel,) prior mean of the deck's width [m]."""
    beam_sd_m: Array
    """(vessel,) its sd [m]."""
    centre_sd_m: Array
    """(vessel,) sd of the hull's place across [m]."""
    skew_sd_m: Array
    """(vessel,) sd of the axis's place across at along = 1, from the heading's error [m]."""
    pixel_m: Array
    """(vessel,) pixel size as seen across the hull [m]: root of the sum of squares of the
    pixel's two edges along the normal."""
    psf_sigma_px: Array
    """(vessel,) prior mean of the point spread's sigma, detector aperture included [px]."""
    psf_sigma_sd_px: Array
    """(vessel,) its sd [px]."""
    shade_ratio: Array
    """(vessel, band) prior mean of shaded over lit water."""
    shade_ratio_sd: Array
    """(vessel,) sd of that ratio, band by band."""
    shade_ratio_common_sd: Array
    """(vessel,) sd of an offset of the ratio that all bands share."""
    deck_shade_m: Array
    """(vessel,) length across of the shadow that a deck's pipes throw on the deck [m]."""
    band_shift_sd_m: Array
    """(vessel,) sd of a band's own place across the hull [m]: bands are taken one after another."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ProfileState:
    """Where the fit stands."""

    shared: Array
    """(vessel, width, 6 + band) a [m], b [m], ln q, offset of the shade ratio, margin, skew [m],
    and each band's shift [m]."""
    steps: Array
    """(vessel, width, band, 3) steps of the levels at the edges a, b, b + w, from the last
    evaluation: what a band's shift moves."""
    weight: Array
    """(vessel, pixel) weight of a pixel in units of 1 / noise^2."""
    noise: Array
    """(vessel, band) sd of the water's noise."""
    edges_m: Array
    """(vessel, 2) deck edges about which margin and lee are laid."""


def column_shapes(batch: ProfileBatch, state: ProfileState, xp: Any) -> Array:
    """Return the smooth factors (vessel, column, pixel) that the shares are multiplied with."""
    u, t = batch.across_m, batch.along
    left, right = state.edges_m[:, :1], state.edges_m[:, 1:]
    one = xp.ones_like(u)
    middle = 0.5 * (left + right)
    half = xp.maximum(0.5 * (right - left), 1.0)
    pipe = xp.exp(-0.5 * ((u - middle) / _PIPE_RACK_M) ** 2)
    broad = xp.exp(-0.5 * ((u - middle) / (_MIDDLE_SHARE * half)) ** 2)
    long = batch.deck_shade_m[:, None]
    shaded = u - middle - _PIPE_HALF_M - 0.5 * long
    shaded = xp.exp(-0.5 * (shaded / (0.4 * long + 1.0)) ** 2)
    tilt = xp.clip((u - middle) / half, -1.5, 1.5)
    margin = xp.exp(-0.5 * (xp.minimum(u - right, 0.0) / _MARGIN_M) ** 2)
    lee = xp.where(u > right, xp.exp(-0.5 * ((u - right) / _LEE_M) ** 2), 0.0)
    return xp.stack([one, t, pipe, broad, shaded, tilt, margin, one, u / 50.0, t, lee, one], axis=1)


def _normal_cdf_pdf(z: Array, xp: Any) -> tuple[Array, Array]:
    """Return P(z) and its derivative; Abramowitz & Stegun 26.2.17, error below 7.5e-8.

    Written out since NumPy has none and SciPy's and CuPy's stand in different places.
    """
    size = xp.minimum(xp.abs(z), 12.0)
    pdf = 0.3989422804014327 * xp.exp(-0.5 * size * size)
    k = 1.0 / (1.0 + 0.2316419 * size)
    tail = k * (
        0.319381530 + k * (-0.356563782 + k * (1.781477937 + k * (-1.821255978 + k * 1.330274429)))
    )
    tail = pdf * tail
    return xp.where(z > 0, 1.0 - tail, tail), pdf


def model_pieces(
    batch: ProfileBatch, shapes: Array, shared: Array, widths_m: Array, xp: Any
) -> Array:
    """Return the pieces (vessel, width, piece, pixel) that model and derivatives are made of."""
    t = batch.along[:, None, :]
    u = batch.across_m[:, None, :] - shared[..., 5:6] * t
    a, b = shared[..., 0:1], shared[..., 1:2]
    scale = xp.exp(-shared[..., 2:3])
    z = [(u - a) * scale, (u - b) * scale, (u - b - widths_m[..., None]) * scale]
    (p_a, g_a), (p_b, g_b), (p_s, g_s) = (_normal_cdf_pdf(item, xp) for item in z)
    deck, shade = p_a - p_b, p_b - p_s
    shares = (deck, 1.0 - deck - shade, shade)
    densities = [g_a * scale, g_b * scale, g_s * scale]
    pieces = xp.empty((*u.shape[:2], PIECES, u.shape[2]))
    for k, kind in enumerate(_CLASS):
        xp.multiply(shares[kind], shapes[:, None, k], out=pieces[:, :, k])
    for k, density in enumerate(densities):
        pieces[:, :, COLUMNS + k] = density
        xp.multiply(t, density, out=pieces[:, :, COLUMNS + 3 + k])
    for k, (place, density) in enumerate(zip(z, (g_a, g_b, g_s), strict=True)):
        xp.multiply(place, density, out=pieces[:, :, COLUMNS + 6 + k])
    return pieces
