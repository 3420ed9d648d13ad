"""Who she may be, as weighted draws of ships, and what a look's likelihood says of each.

A draw is one set of particulars: of a fleet vessel (her numbers exact), or of a ship of the
measured length and beam without papers. Seeds come from ids, so that results depend neither on
the order of the input nor on the run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.polynomial.chebyshev import chebvander

from eo.core.records import Candidate, Freeboard, Sighting, Vessel
from eo.physics.hull import (
    FILL_LIMITS,
    WATERLINE_SHARE,
    Particulars,
    draught_at_fill_m,
    sample_particulars,
)

__all__ = [
    "ShipDraws",
    "draw_ships",
    "freeboards_at",
    "freeboards_over",
    "has_particulars",
    "log_likelihood_at",
    "quantiles",
    "seeded",
]

_DRAWS_OF_A_VESSEL = 200
"""Of a fleet vessel whose particulars are not all given."""
_NODES = 9
"""Of the interpolation over fills."""
_IMPOSSIBLE = -30.0
"""ln L of a deck below the water."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ShipDraws:
    """Draws of who she is."""

    ships: Particulars
    """Arrays (draw,)."""
    weight: Any
    """(draw,) prior weights; they sum to 1."""
    vessel_ids: tuple[str | None, ...] = ()
    """Who each draw is; None: nobody of the fleet file."""

    def picked(self, index: Any) -> Particulars:
        """Return the ships of some draws, by index."""
        picked = {f.name: getattr(self.ships, f.name)[index] for f in fields(Particulars)}
        return Particulars(**picked)


def seeded(*ids: str) -> np.random.Generator:
    """Return a generator whose seed is derived from ids."""
    digest = hashlib.sha256("\0".join(ids).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def draw_ships(
    candidates: Sequence[Candidate],
    fleet: Mapping[str, Vessel],
    sightings: Sequence[Sighting],
    *,
    seed: str,
    draws: int = 400,
) -> ShipDraws:
    """Draw ships in proportion to the candidates' probabilities.

    Parameters
    ----------
    candidates
        Everyone she may be; none given means that nobody knows.
    fleet
        Vessels by id.
    sightings
        Looks whose hulls give the length and beam of a ship without papers.
    seed
        Id that the draws are derived from.
    draws
        Draws for a candidate that is certain.
    """
    length, length_sd = _mean_of(
        [(s.hull.length_m / WATERLINE_SHARE, s.hull.length_sd_m) for s in sightings], 0.02
    )
    beam, beam_sd = _mean_of([(s.hull.beam_m, s.hull.beam_sd_m) for s in sightings], 0.05)
    parts: list[Particulars] = []
    weights: list[Any] = []
    who: list[str | None] = []
    known = candidates or (Candidate(vessel_id=None, probability=1.0),)
    for candidate in known:
        if candidate.probability <= 0.002:
            continue
        vessel = fleet.get(candidate.vessel_id) if candidate.vessel_id else None
        count = max(20, round(draws * candidate.probability))
        generator = seeded(seed, candidate.vessel_id or "")
        if vessel is not None and not has_particulars(vessel):
            # The same draws in all her calls, so that each teaches the others.
            count, generator = _DRAWS_OF_A_VESSEL, seeded(vessel.vessel_id, "particulars")
        if vessel is None:
            ships = sample_particulars(
                generator,
                count,
                length_m=length,
                beam_m=beam,
                length_sd_m=length_sd,
                beam_sd_m=beam_sd,
            )
        else:
            ships = sample_particulars(
                generator,
                count,
                length_m=vessel.length_m,
                beam_m=vessel.beam_m,
                depth_m=vessel.depth_m,
                design_draught_m=vessel.design_draught_m,
                ballast_draught_m=vessel.ballast_draught_m,
                dwt_t=vessel.dwt_t,
            )
        parts.append(ships)
        weights.append(np.full(count, candidate.probability / count))
        who += [vessel.vessel_id if vessel is not None else None] * count
    pooled = {
        f.name: np.concatenate([getattr(part, f.name) for part in parts])
        for f in fields(Particulars)
    }
    weight = np.concatenate(weights)
    return ShipDraws(
        ships=Particulars(**pooled), weight=weight / weight.sum(), vessel_ids=tuple(who)
    )


def has_particulars(vessel: Vessel) -> bool:
    """Whether nothing about a vessel's draughts is left to guess."""
    known = vessel.depth_m, vessel.design_draught_m, vessel.ballast_draught_m
    return all(value is not None for value in known)


def _mean_of(values: Sequence[tuple[float, float]], shared: float) -> tuple[float, float]:
    """Mean by precision, and its sd; a share of it is what all looks get wrong alike."""
    numbers = np.array([value for value, _ in values])
    weight = np.array([max(sd, 0.01 * value) for value, sd in values]) ** -2.0
    mean = float((numbers * weight).sum() / weight.sum())
    return mean, float(np.hypot(weight.sum() ** -0.5, shared * mean))


def freeboards_at(ships: Particulars, fill: Any) -> Any:
    """Return the freeboard [m] of ships (arrays that broadcast with `fill`) filled so."""
    return ships.depth_m - draught_at_fill_m(
        fill,
        design_draught_m=ships.design_draught_m,
        ballast_draught_m=ships.ballast_draught_m,
        design_block=ships.design_block,
    )


def freeboards_over(ships: Particulars, fills: Any) -> Any:
    """Return the freeboards (draw, fill) [m] of all ships (draw,) at all fills (fill,) alike.

    Solved at nine Chebyshev nodes and interpolated: within 1e-5 m of :func:`freeboards_at`.
    """
    ships = Particulars(**{f.name: getattr(ships, f.name)[:, None] for f in fields(Particulars)})
    middle, half = 0.5 * sum(FILL_LIMITS), 0.5 * (FILL_LIMITS[1] - FILL_LIMITS[0])
    nodes = np.cos(np.pi * (np.arange(_NODES) + 0.5) / _NODES)
    at_nodes = freeboards_at(ships, middle + half * nodes[None, :])
    wanted = chebvander((fills - middle) / half, _NODES - 1)
    return at_nodes @ np.linalg.solve(chebvander(nodes, _NODES - 1).T, wanted.T)


def log_likelihood_at(look: Freeboard, height_m: Any, *, above_m: Any = 0.0) -> Any:
    """Return ln L of a look if the deck stood so high above the water.

    Parameters
    ----------
    look
        With a likelihood over heights.
    height_m
        Freeboard [m], any shape.
    above_m
        Height above the water of what the likelihood's heights are counted from: a quay, where
        a deck below it is as likely as one level with it; 0: the water, below which no deck is.
    """
    logl = np.asarray(look.log_likelihood)
    place = np.clip((height_m - above_m - look.start_m) / look.step_m, 0.0, logl.size - 1.0)
    below = np.minimum(place.astype(int), logl.size - 2)
    part = place - below
    found = logl[below] * (1.0 - part) + logl[below + 1] * part
    return np.where(height_m < look.start_m - look.step_m, _IMPOSSIBLE, found)


def quantiles(values: Any, weights: Any, at: Sequence[float] = (0.05, 0.5, 0.95)) -> list[float]:
    """Return weighted quantiles, by linear interpolation between the middles of the weights."""
    values, weights = np.ravel(values), np.ravel(weights)
    order = np.argsort(values, kind="stable")
    ordered = weights[order]
    rank = (np.cumsum(ordered) - 0.5 * ordered) / ordered.sum()
    return [float(q) for q in np.interp(at, rank, values[order])]
