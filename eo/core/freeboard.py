"""What one look's pixels say of a freeboard: the record between measuring and weighing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Freeboard"]


@dataclass(frozen=True, kw_only=True)
class Freeboard:
    """What one look's pixels say of the freeboard: a likelihood, or why there is none."""

    status: str
    """`measured`, or the fill_status that says why not (see docs/glossary)."""
    start_m: float = 0.0
    """First freeboard of the likelihood's grid."""
    step_m: float = 0.1
    """Step of the likelihood's grid."""
    log_likelihood: tuple[float, ...] = ()
    """Natural log of the likelihood on that grid, its maximum 0; empty if not measured."""
    strip_width_m: float | None = None
    """Best-fit width of the dark strip across the hull."""
    strip_width_sd_m: float | None = None
    """Its standard deviation."""
    metres_per_metre: float | None = None
    """cot(e)|s.n| + tan(i) v.n: strip width per metre of freeboard."""
    shade_ratio: float | None = None
    """Shaded over lit water, mean over the bands used."""
    rows: int = 0
    """Pixel rows (or pixels) along the hull that entered the fit."""
    surface: Literal["water", "quay"] = "water"
    """What the shade falls on. On a quay the likelihood is that of the deck's height above the
    quay; heights above the water follow once the quay's own height is known."""
    quay_log_likelihood: tuple[float, ...] = ()
    """ln L of the quay's height above the water over 0-10 m in steps of 0.1 m, from its own
    shadow in this look; empty where none is seen."""
    house_top_m: float | None = None
    """Height of the superstructure's top above the water, as a block that throws its shadow; None
    where that is not seen. How far it stands above the deck, the same ship's other looks say."""
    house_top_sd_m: float | None = None
    """Its standard deviation, what a house is not a block's left to those looks."""
    bound_m: float | None = None
    """Cramer-Rao bound of the freeboard's sd, nuisances under their priors."""
    notes: tuple[str, ...] = ()
    """What was missing and widened the likelihood, such as `view-unknown`."""
    profile_key: str | None = None
    """Name of the profile in the part, float32 (1 + 3 bands, bin), None if there is none. Row 0:
    across [m], from the hull's axis towards `across_azimuth_deg`, middle of each bin; then, band
    after band, mean observed, fitted model at the same pixels and sd of that mean, all
    reflectance; NaN where no pixel of the fit lies."""
    profile_bands: tuple[str, ...] = ()
    """Bands of the profile, in order."""
    across_azimuth_deg: float | None = None
    """Direction across the hull towards the shaded side, from grid north."""
    body_m: tuple[float, float] | None = None
    """Ends of the measured part of the hull, along the heading from her centre."""
    deck_edges_m: tuple[float, float] | None = None
    """Sunlit and shaded edge of the deck as they appear, across."""
    shadow_edge_m: float | None = None
    """Far edge of the shade as it appears, across."""
