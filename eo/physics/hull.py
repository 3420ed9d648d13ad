"""Tankers as bodies: draught, displacement, fill and tonnes, and priors where no papers are.

Equations
---------
    D(T)  = 1.025 L B T Cb(T)                                                            (1)
    Cb(T) = 1 - (1 - Cb) (Ts / T)^(1/3)                                                  (2)
    fill  = (D(T) - D(Tb)) / (D(Ts) - D(Tb))                                             (3)

=======  ==========================================  ====================
symbol   meaning                                     parameter
=======  ==========================================  ====================
D        displacement [t]                            displacement_t
L, B     length, moulded breadth [m]                 length_m, beam_m
T        draught [m]                                 draught_m
Ts       design (summer) draught [m]                 design_draught_m
Tb       mean draught in ballast [m]                 ballast_draught_m
Cb       block coefficient at Ts                     design_block
=======  ==========================================  ====================

(2) is Riddlesworth's, as in Barrass, *Ship Design and Performance* (2004), ch. 1. Ballast
priors follow IMO's guidance for ships below 150 m (MEPC.1/Circ. on partial ballast, A and B)
and MARPOL Annex I reg. 18 (2.0 + 0.02 L) from 150 m. The other coefficients were drawn from
the dimensions that some 670 tankers broadcast (MarineCadastre AIS 2020; Canadian terminals
2024-26): they are wide on purpose, and a fleet file replaces them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = [
    "BARRELS_PER_TONNE",
    "CARGO_SHARE",
    "DESIGN_BLOCK",
    "FILL_LIMITS",
    "SEAWATER_T_PER_M3",
    "WATERLINE_SHARE",
    "Particulars",
    "ballast_draught_prior_m",
    "barrels_per_tonne",
    "block_coefficient",
    "displacement_t",
    "draught_at_fill_m",
    "fill_at_draught",
    "freeboard_prior_m",
    "sample_particulars",
    "usual_beam_m",
    "usual_deadweight_t",
]

SEAWATER_T_PER_M3 = 1.025
DESIGN_BLOCK = 0.82
"""Block coefficient of tankers at design draught; ships differ by 0.04 (one sd)."""
DESIGN_BLOCK_SD = 0.04
FILL_LIMITS = (-0.05, 1.05)
"""Fill outside is no ship: lighter than ballast, or deeper than her marks, by 5 % of range."""
_BEAM_SHARE, _BEAM_SPREAD = 0.16, 0.08
"""Beam over length, and its spread as a share of it."""
WATERLINE_SHARE = 0.98
"""Length at the waterline over length over all, which fleet files give: 0.96-0.99 for tankers, by
trim, bulb and stern."""
CARGO_SHARE = (0.90, 0.95, 0.97)
"""Least, usual and largest cargo as a share of deadweight; bunkers, stores, water take the rest.
"""
BARRELS_PER_TONNE = {
    "gasoline": 8.35,
    "kerosene": 7.88,
    "diesel": 7.46,
    "fuel-oil": 6.35,
    "crude": 7.33,
}
"""BP Statistical Review of World Energy 2021, approximate conversion factors."""
BARRELS_SPREAD = 0.03
"""Half width of the factor's range, as a share: grades of one product differ by so much."""


def block_coefficient(draught_m: Any, design_draught_m: Any, design_block: Any) -> Any:
    """Return Cb(T) by eq. (2), Riddlesworth.

    Checks: Cb .82 at 13.57 m gives 0.8149052 at 12.48 m; .66 at 11.49 m, 0.6559604 at 11.09 m.
    """
    return 1.0 - (1.0 - design_block) * np.cbrt(np.asarray(design_draught_m) / draught_m)


def displacement_t(
    draught_m: Any,
    *,
    length_m: Any,
    beam_m: Any,
    design_draught_m: Any,
    design_block: Any = DESIGN_BLOCK,
) -> Any:
    """Return the displacement by eq. (1) [t]; arguments broadcast.

    Notes
    -----
    (2) fails for a hull nearly out of the water: below 2 % of design draught, 0 is returned.
    """
    draught = np.asarray(draught_m, dtype=float)
    safe = np.maximum(draught, 0.02 * np.asarray(design_draught_m))
    block = block_coefficient(safe, design_draught_m, design_block)
    volume = np.asarray(length_m) * beam_m * safe * np.maximum(block, 0.0)
    return np.where(draught < safe, 0.0, SEAWATER_T_PER_M3 * volume)


def _relative_displacement(ratio: Any, design_block: Any) -> Any:
    """D(T) / (1.025 L B Ts) at ratio = T / Ts."""
    return ratio - (1.0 - design_block) * np.cbrt(ratio) ** 2


def fill_at_draught(
    draught_m: Any,
    *,
    design_draught_m: Any,
    ballast_draught_m: Any,
    design_block: Any = DESIGN_BLOCK,
) -> Any:
    """Return the fill by eq. (3), unlimited: 0 in ballast, 1 at design draught.

    Length and beam cancel; what is left depends on Cb by less than 0.005 for any tanker.
    """
    ratio = np.maximum(np.asarray(draught_m) / design_draught_m, 0.02)
    empty = _relative_displacement(np.asarray(ballast_draught_m) / design_draught_m, design_block)
    full = _relative_displacement(np.ones_like(ratio), design_block)
    return (_relative_displacement(ratio, design_block) - empty) / (full - empty)


def draught_at_fill_m(
    fill: Any,
    *,
    design_draught_m: Any,
    ballast_draught_m: Any,
    design_block: Any = DESIGN_BLOCK,
) -> Any:
    """Return the draught at a fill [m], inverse of :func:`fill_at_draught`; arguments broadcast.

    Solved by Newton's method; D is convex and rising for any draught above a few decimetres, so
    that starting from a line through ballast and design, four steps reach rounding error.
    """
    design = np.asarray(design_draught_m, dtype=float)
    low = np.asarray(ballast_draught_m, dtype=float) / design
    empty = _relative_displacement(low, design_block)
    goal = empty + np.asarray(fill) * (design_block - empty)
    ratio = np.maximum(low + np.asarray(fill) * (1.0 - low), 0.05)
    for _ in range(4):
        slope = 1.0 - (1.0 - design_block) * (2.0 / 3.0) / np.cbrt(ratio)
        ratio = np.maximum(
            ratio - (_relative_displacement(ratio, design_block) - goal) / slope, 0.05
        )
    return ratio * design


def ballast_draught_prior_m(length_m: Any, design_draught_m: Any) -> tuple[Any, Any]:
    """Return mean and sd of the mean draught in ballast [m] of a ship without papers.

    Below 150 m: the middle of 0.200 + 0.032 L and 1.550 + 0.023 L, sd 15 %, never below 0.38 of
    design draught. From 150 m: 2.0 + 0.02 L, sd 12 %.
    """
    length = np.asarray(length_m, dtype=float)
    short = 0.5 * ((0.200 + 0.032 * length) + (1.550 + 0.023 * length))
    short = np.maximum(short, 0.38 * np.asarray(design_draught_m))
    mean = np.where(length < 150.0, short, 2.0 + 0.02 * length)
    return mean, mean * np.where(length < 150.0, 0.15, 0.12)


@dataclass(frozen=True, kw_only=True)
class Particulars:
    """What a ship may be: equally likely sets of dimensions, one per draw; arrays (draw,)."""

    length_m: Any
    """Length [m]."""
    beam_m: Any
    """Moulded breadth [m]."""
    depth_m: Any
    """Moulded depth, keel to main deck [m]."""
    design_draught_m: Any
    """Summer draught [m]."""
    ballast_draught_m: Any
    """Mean draught in ballast [m]."""
    dwt_t: Any
    """Deadweight [t]."""
    design_block: Any
    """Block coefficient at design draught."""


def sample_particulars(
    generator: np.random.Generator,
    draws: int,
    *,
    length_m: float,
    beam_m: float,
    length_sd_m: float = 0.0,
    beam_sd_m: float = 0.0,
    depth_m: float | None = None,
    design_draught_m: float | None = None,
    ballast_draught_m: float | None = None,
    dwt_t: float | None = None,
) -> Particulars:
    """Draw ships that agree with what is known of one; given numbers are taken as exact.

    Parameters
    ----------
    generator, draws
        Source of randomness, and how many ships.
    length_m, beam_m, length_sd_m, beam_sd_m
        Length and beam [m] and their sds; the beam is drawn with 0.16 L (sd 8 %) beside it.
    depth_m, design_draught_m, ballast_draught_m, dwt_t
        Known particulars, None where unknown.

    Notes
    -----
    Design draught: 0.415 B up to 130 m, falling to 0.36 B at 250 m, sd 9 %. Depth: Ts (1.30 +
    0.0018 (L - 100), 1.28 to 1.42), sd 6 %, never below 1.1 Ts. Deadweight: L B Ts (0.46 + 0.25
    (1 - exp(-(L - 90) / 75))), sd 13 %.
    """
    noise = generator.standard_normal((7, draws))
    length = np.maximum(length_m + length_sd_m * noise[0], 0.6 * length_m)
    beam = _known_beam(length, beam_m, beam_sd_m, noise[1])
    shape = beam * np.interp(length, [130.0, 250.0], [0.415, 0.36])
    ratio = np.clip(1.30 + 0.0018 * (length - 100.0), 1.28, 1.42) * np.exp(0.06 * noise[3])
    ratio = np.maximum(ratio, 1.1)
    if design_draught_m is not None:
        design = np.full(draws, design_draught_m)
    elif depth_m is not None:
        design = depth_m / ratio
    else:
        design = shape * np.exp(0.09 * noise[2])
    depth = design * ratio if depth_m is None else np.full(draws, depth_m)
    if ballast_draught_m is None:
        mean, sd = ballast_draught_prior_m(length, design)
        ballast = np.clip(mean + sd * noise[4], 0.38 * design, 0.80 * design)
    else:
        ballast = np.full(draws, ballast_draught_m)
        # A drawn design draught must lie below the waterline that is known.
        design = np.maximum(design, 1.15 * ballast)
    deadweight = length * beam * design * _deadweight_share(length) * np.exp(0.13 * noise[5])
    block = np.clip(DESIGN_BLOCK + DESIGN_BLOCK_SD * noise[6], 0.70, 0.90)
    return Particulars(
        length_m=length,
        beam_m=beam,
        depth_m=depth,
        design_draught_m=design,
        ballast_draught_m=ballast,
        dwt_t=np.full(draws, dwt_t) if dwt_t is not None else deadweight,
        design_block=block,
    )


def usual_beam_m(length_m: float, length_sd_m: float) -> tuple[float, float]:
    """Return the beam of tankers of this length, and its sd: 0.16 L, 8 % [m]."""
    beam = _BEAM_SHARE * length_m
    return beam, float(np.hypot(_BEAM_SPREAD * beam, _BEAM_SHARE * length_sd_m))


def usual_deadweight_t(length_m: Any) -> Any:
    """Return the deadweight of a ship of this length by the priors' means [t].

    Steeper than the cube of the length: larger tankers are fuller, and their steel weighs less.
    """
    length = np.asarray(length_m, dtype=float)
    beam = _BEAM_SHARE * length
    design = beam * np.interp(length, [130.0, 250.0], [0.415, 0.36])
    return length * beam * design * _deadweight_share(length)


def _deadweight_share(length_m: Any) -> Any:
    """Deadweight over length, beam and design draught [t/m3]."""
    return 0.46 + 0.25 * (1.0 - np.exp(-np.maximum(length_m - 90.0, 0.0) / 75.0))


def _known_beam(length: Any, beam_m: float, beam_sd_m: float, noise: Any) -> Any:
    """Draw the beam from its measure and from 0.16 L +- 8 %, weighed by their spreads."""
    if beam_sd_m <= 0:
        return np.full(length.shape, beam_m)
    usual, usual_sd = _BEAM_SHARE * length, _BEAM_SPREAD * _BEAM_SHARE * length
    weight = usual_sd**2 / (usual_sd**2 + beam_sd_m**2)
    mean = weight * beam_m + (1.0 - weight) * usual
    return np.maximum(mean + np.sqrt(weight) * beam_sd_m * noise, 0.08 * length)


def freeboard_prior_m(
    length_m: float, beam_m: float, length_sd_m: float, beam_sd_m: float
) -> tuple[float, float]:
    """Return mean and sd of the freeboard [m] of a ship without papers, any fill alike."""
    generator = np.random.default_rng(0)
    ships = sample_particulars(
        generator,
        400,
        length_m=length_m,
        beam_m=beam_m,
        length_sd_m=length_sd_m,
        beam_sd_m=beam_sd_m,
    )
    fill = generator.random(400)
    draught = draught_at_fill_m(
        fill,
        design_draught_m=ships.design_draught_m,
        ballast_draught_m=ships.ballast_draught_m,
        design_block=ships.design_block,
    )
    freeboard = ships.depth_m - draught
    return float(freeboard.mean()), float(freeboard.std())


def barrels_per_tonne(product: str | None, generator: np.random.Generator, draws: int) -> Any:
    """Draw barrels per tonne (draws,): the product's factor, 3 % to either side.

    Without a product the factor lies anywhere between diesel's and crude's, 3 % beyond either.
    """
    if product is None:
        ends = sorted((BARRELS_PER_TONNE["crude"], BARRELS_PER_TONNE["diesel"]))
    else:
        ends = [BARRELS_PER_TONNE[product]] * 2
    return generator.uniform(
        ends[0] * (1.0 - BARRELS_SPREAD), ends[1] * (1.0 + BARRELS_SPREAD), draws
    )
