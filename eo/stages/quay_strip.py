"""From a strip on a quay to what it says of the deck's height above the quay.

Heights above the water follow when all looks are known: what is told here is one look's alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter1d

from eo.core.records import Freeboard, Hull
from eo.core.seams import NativePixels
from eo.kernels.profile_quay import QuayFit
from eo.physics.shadow import ShadowGeometry
from eo.stages.empty_port import EmptyPort, Light
from eo.stages.quay import fit_on_quay
from eo.stages.quay_height import jetty_log_likelihood
from eo.stages.shade import HullPixels
from eo.stages.shade_strip import FREEBOARD_STEP_M, edge_sd_m, over_heights, with_fittings

__all__ = ["measure_on_quay"]

_RIM_SD_M = 0.35
"""What rims, fenders and the empty port's own blur leave open of where the shade ends, across."""
_RIM_P, _RIM_REACH_M = 0.2, 0.45
"""Chance that a shade which ends at the very rim of the quay is the rim's own darkness, and how
far inshore of the rim that may be."""
_ALWAYS_P = 0.002
_UNSEEN_M = 30.0
"""Sd of a width from which nothing is known of it."""


def measure_on_quay(
    pixels: HullPixels,
    native: NativePixels,
    hull: Hull,
    geometry: ShadowGeometry,
    port: EmptyPort,
    *,
    ships: tuple[Hull, ...],
    light: Light,
    water: Any,
) -> Freeboard | None:
    """Return what the strip on a quay says, or None where it says nothing.

    Parameters
    ----------
    pixels
        All pixels about the mid-body, struck-out ones too.
    ships
        All hulls about, hers too.
    water
        (y, x) bool on the port's window.

    Notes
    -----
    A deck below the quay's level throws no shade on it: at 0, the likelihood is that of any such
    deck.
    """
    found = fit_on_quay(pixels, native, hull, geometry, port, ships=ships, light=light)
    if found is None:
        return None
    fit, widths, rows = found
    edge_m = edge_sd_m(pixels.pixel_m, rows)
    likelihood = with_fittings(_above(fit, widths, geometry), geometry, edge_m)
    logl = np.log(likelihood / likelihood.max())
    # A shade whose end is not seen has no width, and no bound.
    bound = fit.width_bound_m if fit.width_bound_m < _UNSEEN_M else None
    return Freeboard(
        status="measured",
        surface="quay",
        rows=rows,
        step_m=FREEBOARD_STEP_M,
        log_likelihood=tuple(round(float(value), 4) for value in logl),
        metres_per_metre=geometry.metres_per_metre,
        strip_width_m=fit.width_m,
        strip_width_sd_m=bound,
        bound_m=None if bound is None else bound / geometry.metres_per_metre,
        shade_ratio=fit.shade_ratio,
        across_azimuth_deg=geometry.normal_azimuth_deg,
        body_m=pixels.body_m,
        quay_log_likelihood=jetty_log_likelihood(
            native, hull, geometry, port, ships=ships, light=light, water=water
        ),
    )


def _above(fit: QuayFit, widths_m: Any, geometry: ShadowGeometry) -> Any:
    """Return the likelihood over heights above the quay."""
    above = over_heights(fit.log_likelihood, widths_m, geometry, monotone=True)
    rim = _RIM_SD_M / (geometry.metres_per_metre * FREEBOARD_STEP_M)
    above = gaussian_filter1d(above, rim, mode="nearest")
    above = above / above.max()
    inshore = max(fit.width_m - fit.gap_m, 0.0)
    chance = _ALWAYS_P + _RIM_P * np.exp(-0.5 * (inshore / _RIM_REACH_M) ** 2)
    # If it is the rim that is dark, the shade ends anywhere nearer to the hull.
    nearer = np.maximum.accumulate(above[::-1])[::-1]
    return (1.0 - chance) * above + chance * nearer
