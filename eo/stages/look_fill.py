"""One look's fill: the posterior over all ships she may be and all fills."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from eo.core.records import Freeboard
from eo.physics.hull import FILL_LIMITS
from eo.stages.draws import (
    ShipDraws,
    freeboards_over,
    log_likelihood_at,
    quantiles,
)
from eo.stages.ships_learnt import FILLS

__all__ = ["LookFill", "fill_likelihood", "look_fill"]


@dataclass(frozen=True, kw_only=True)
class LookFill:
    """Posterior of one look."""

    freeboard_m: float
    """Posterior mean."""
    freeboard_sd_m: float
    """Posterior standard deviation."""
    draught_m: float
    """Posterior mean."""
    fill_p05: float
    """Quantile, within FILL_LIMITS."""
    fill_p50: float
    """Quantile, within FILL_LIMITS."""
    fill_p95: float
    """Quantile, within FILL_LIMITS."""
    fill_density: tuple[float, ...]
    """Probability at each of `FILLS`."""


def _over_all(look: Freeboard, who: ShipDraws) -> tuple[Any, Any, Any] | None:
    """Return a look's weights of ships and fills (draw, fill), any fill alike, freeboards, depths.

    None if no ship at all fits.
    """
    kept = who.weight > 1e-5 * who.weight.max()
    ships = who.picked(kept)
    height = freeboards_over(ships, FILLS)
    weight = who.weight[kept][:, None] * np.exp(log_likelihood_at(look, height))
    return (weight, height, ships.depth_m[:, None]) if weight.sum() > 0 else None


def fill_likelihood(look: Freeboard, who: ShipDraws) -> Any:
    """Return a look's likelihood (fill,) over FILLS, over all ships she may be; None if none fits.

    Up to a factor.
    """
    found = _over_all(look, who)
    return None if found is None else found[0].sum(axis=0)


def look_fill(look: Freeboard, who: ShipDraws, usual: Any) -> LookFill | None:
    """Return the posterior of one look over all ships and fills; None if none fits at all.

    Parameters
    ----------
    look
        With a likelihood over heights above the water.
    who
        Draws of who she is.
    usual
        (fill,) how often ships lie at each of FILLS, up to a factor.
    """
    found = _over_all(look, who)
    if found is None:
        return None
    weight, height, depth = found
    weight = weight * usual
    weight = weight / weight.sum()
    freeboard = float((weight * height).sum())
    spread = float(np.sqrt((weight * (height - freeboard) ** 2).sum()))
    draught = float((weight * (depth - height)).sum())
    density = weight.sum(axis=0)
    low, middle, high = _quantiles(density)
    return LookFill(
        freeboard_m=freeboard,
        freeboard_sd_m=spread,
        draught_m=draught,
        fill_p05=low,
        fill_p50=middle,
        fill_p95=high,
        fill_density=tuple(density.tolist()),
    )


def _quantiles(weight: np.ndarray) -> list[float]:
    """Quantiles of a density on the fill grid, kept within its limits."""
    found = quantiles(FILLS, weight)
    return [float(np.clip(value, *FILL_LIMITS)) for value in found]
