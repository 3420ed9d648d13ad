"""What the blurred three-level profile is made of: a hull's pixels, and the model's pieces.

Equations (1) to (5) stand in :mod:`eo.kernels.profile`. A piece is a function of the place across
the hull, alone or times the place along it: a class's share of the pixel (deck, water, shade)
times a smooth factor, or a density at one of the three edges. They make up the model and all its
derivatives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eo.core.xp import Array

__all__ = [
    "BLUR", "BOX", "COLUMNS", "COLUMN_COUNT", "DECK", "GAS", "GROUND", "LEE", "MARGIN",
    "MARGIN_ALL", "NEAR", "OUTER", "PIECES", "SHADE", "SHARED", "SIDES", "SKEW", "TILT", "TIMED",
    "TIMED_GAS", "TRIM", "WATER", "ZAS", "ProfileBatch", "ProfileState", "near_hull",
    "pipe_places", "profile_functions", "smooth_factors",
]  # fmt: skip

# Functions of the place across, in order; those marked t come again times the place along.
SHADE = 0
ZAS = slice(1, 4)
"""z p(z) at the edges a, b, b + w: what the blur moves."""
GAS = slice(4, 7)
"""p(z) / q at the edges (t): what moves them."""
OUTER = 6
"""That of the outer edge."""
LEE, NEAR, SIDES, TILT, MARGIN, BOX, GROUND, WATER, DECK = 8, 9, 10, 13, 14, 15, 18, 19, 20
COLUMNS = slice(7, 23)
"""Pieces whose levels are free in every band: water across, lee, water near the shaded side and
near both sides, pipe rack, middle, tilt and margin of the deck, three stretches that pipes may
shade, ground beyond the sunlit edge, water, deck, deck (t), water (t)."""
COLUMN_COUNT = 16
TIMED_GAS = slice(23, 26)
PIECES = 26
SHARED = 6
BLUR, MARGIN_ALL, SKEW, TRIM = 2, 3, 4, 5
"""Shared parameters: edges a and b [m], ln sigma [px], margin, skew and trim [m]; then each band's
shift [m] and each band's shade ratio."""

_PIPE_RACK_M = 2.0
_PIPE_HALF_M = 1.4
"""Half the width of a pipe rack; its shade on the deck begins there."""
_PIPE_HEIGHTS_M = (0.0, 0.8, 1.6, 2.4)
"""Heights of what stands along the axis, between which the deck may be shaded."""
_MIDDLE_SHARE = 0.45
"""Fittings stand on the middle half of a deck: sd of their hump, of the half beam."""
_MARGIN_M = 2.0
_LEE_M = 30.0
_NEAR_M = 5.0
"""How far water close to a hull may differ: sheltered from the wind, under her mirrored side."""


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
    width_mean_m: Array
    """(vessel,) where a strip's width is to be expected [m]: steers the search and what a scene's
    vessels tell each other; ln L is free of it."""
    width_sd_m: Array
    """(vessel,) its sd [m]."""
    beam_m: Array
    """(vessel,) prior mean of the deck's width [m]."""
    beam_sd_m: Array
    """(vessel,) its sd [m]."""
    centre_sd_m: Array
    """(vessel,) sd of the hull's place across [m]."""
    skew_sd_m: Array
    """(vessel,) sd of the axis's place across at along = 1, from the heading's error [m]."""
    trim_sd_m: Array
    """(vessel,) sd of the strip's width at along = 1 less that amidships, from trim [m]."""
    pixel_m: Array
    """(vessel,) pixel size as seen across the hull [m]: root of the sum of squares of the
    pixel's two edges along the normal."""
    common_mean: Array
    """(vessel, 1 + band) prior mean of what a scene's vessels share: ln of the point spread's
    sigma, detector aperture included [ln px], and shaded over lit water in each band."""
    common_precision: Array
    """(vessel, 1 + band, 1 + band) inverse of its covariance."""
    deck_shade: Array
    """(vessel,) metres of shadow, across, per metre of what stands on the deck."""
    pipes: Array
    """(vessel,) 1 where pipes are expected along the axis, 0 where the top may be of any kind."""
    moored: Array
    """(vessel,) 1 where a quay lies against the sunlit side, whose level is anything; else 0."""
    band_shift_sd_m: Array
    """(vessel,) sd of a band's own place across the hull [m]: bands are taken one after another."""
    scene: Array
    """(vessel,) number of her scene; vessels of one number share point spread and sky."""

    @property
    def shade_ratio(self) -> Array:
        """(vessel, band) prior mean of shaded over lit water."""
        return self.common_mean[:, 1:, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class ProfileState:
    """Where the fit stands."""

    shared: Array
    """(vessel, width, 6 + 2 band); the skew counts from that of the bins."""
    steps: Array
    """(vessel, width, band, 3) steps of the levels at the edges a, b, b + w, from the last
    evaluation: what a band's shift moves."""
    weight: Array
    """(vessel, pixel) weight of a pixel in units of 1 / noise^2."""
    noise: Array
    """(vessel, band) sd of the water's noise."""
    edges_m: Array
    """(vessel, 2) deck edges about which margin, pipes and lee are laid."""
    wet: Array
    """(vessel, band) level of lit water at the strip, of which the shade's level is a share."""
    skew_m: Array
    """(vessel,) skew that the places across are already cleared of [m]."""


def smooth_factors(u: Array, edges_m: Array, xp: Any) -> Array:
    """Return the factors (vessel, 8, place) of the free functions but boxes, water and deck.

    Parameters
    ----------
    u
        (vessel, place) places across [m].
    edges_m
        (vessel, 2) deck edges.
    xp
        Array library.
    """
    left, right = edges_m[:, :1, ...], edges_m[:, 1:, ...]
    middle = 0.5 * (left + right)
    half = xp.maximum(0.5 * (right - left), xp.ones_like(left))
    pipe = xp.exp(-0.5 * ((u - middle) / _PIPE_RACK_M) ** 2)
    broad = xp.exp(-0.5 * ((u - middle) / (_MIDDLE_SHARE * half)) ** 2)
    tilt = xp.clip((u - middle) / half, -1.5, 1.5)
    nothing = xp.zeros_like(u)
    margin = xp.exp(-0.5 * (xp.minimum(u - right, nothing) / _MARGIN_M) ** 2)
    beyond, before = xp.maximum(u - right, nothing), xp.maximum(left - u, nothing)
    lee = xp.where(u > right, xp.exp(-0.5 * (beyond / _LEE_M) ** 2), nothing)
    sides = near_hull(beyond + before, xp)
    near = xp.where(u > middle, sides, nothing)
    return xp.stack([u / 50.0, lee, near, sides, pipe, broad, tilt, margin], axis=1)


def near_hull(distance_m: Array, xp: Any) -> Array:
    """Return the share of what sets water beside a hull apart, at a distance from her side."""
    return xp.exp(-0.5 * (distance_m / _NEAR_M) ** 2)


def _normal_cdf_pdf(z: Array, xp: Any) -> tuple[Array, Array]:
    """Return P(z) and its derivative; Abramowitz & Stegun 26.2.17, error below 7.5e-8.

    Written out since NumPy has none and SciPy's and CuPy's stand in different places.
    """
    size = xp.clip(xp.abs(z), 0.0, 12.0)
    pdf = 0.3989422804014327 * xp.exp(-0.5 * size * size)
    k = 1.0 / (1.0 + 0.2316419 * size)
    tail = k * (
        0.319381530 + k * (-0.356563782 + k * (1.781477937 + k * (-1.821255978 + k * 1.330274429)))
    )
    tail = pdf * tail
    return xp.where(z > 0, 1.0 - tail, tail), pdf


def pipe_places(batch: ProfileBatch, edges_m: Array, xp: Any) -> Array:
    """Return where stretches of deck begin and end (vessel, 4) that pipes may shade [m]."""
    start = 0.5 * (edges_m[:, 0, ...] + edges_m[:, 1, ...]) + _PIPE_HALF_M
    return xp.stack([start + h * batch.deck_shade for h in _PIPE_HEIGHTS_M], axis=-1)


def profile_functions(
    batch: ProfileBatch,
    u: Array,
    *,
    factors: Array,
    edges_m: Array,
    shared: Array,
    widths_m: Array,
    xp: Any,
) -> Array:
    """Return the functions (vessel, width, function, place) of the place across.

    Parameters
    ----------
    batch
        Gives the pixel's size and the sun.
    u
        (vessel, place) places across, cleared of skew [m].
    factors
        What :func:`smooth_factors` returned for them.
    edges_m
        (vessel, 2) deck edges that those were made for.
    shared
        (vessel, width, parameter).
    widths_m
        (vessel, width).
    xp
        Array library.
    """
    u = u[:, None, :, ...]
    b = shared[..., 1:2]
    scale = xp.exp(-shared[..., BLUR : BLUR + 1]) / batch.pixel_m[:, None, None, ...]
    z = [(u - place) * scale for place in (shared[..., 0:1], b, b + widths_m[..., None])]
    (p_a, g_a), (p_b, g_b), (p_s, g_s) = (_normal_cdf_pdf(item, xp) for item in z)
    deck, shade = p_a - p_b, p_b - p_s
    water = 1.0 - deck - shade
    # A stretch of shaded deck ends at the deck's edge.
    places = xp.minimum(pipe_places(batch, edges_m, xp)[:, None, :, ...], b)
    cdf = [_normal_cdf_pdf((u - places[..., k : k + 1]) * scale, xp)[0] for k in range(4)]
    densities = [g_a * scale, g_b * scale, g_s * scale]
    blurs = [place * density for place, density in zip(z, (g_a, g_b, g_s), strict=True)]
    wet = [water * factors[:, None, k, ...] for k in (0, 1, 2, 3)]
    aboard = [deck * factors[:, None, k, ...] for k in (4, 5, 6, 7)]
    boxes = [cdf[k] - cdf[k + 1] for k in range(3)]
    beyond = 1.0 - p_a
    return xp.stack(
        [shade, *blurs, *densities, *wet, *aboard, *boxes, beyond, water, deck], axis=-2
    )


TIMED = (DECK, WATER, 4, 5, 6)
"""Functions that come again times the place along: pieces 21 and on."""
