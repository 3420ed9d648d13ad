"""From a strip on a quay to what it says of the freeboard."""

from __future__ import annotations

from typing import Any

from scipy.ndimage import gaussian_filter1d

from eo.core.records import Freeboard, Hull
from eo.core.seams import NativePixels
from eo.physics.shadow import ShadowGeometry
from eo.stages.quay import EmptyPort, Light, fit_on_quay
from eo.stages.quay_height import above_water, quay_heights
from eo.stages.shade import HullPixels
from eo.stages.shade_strip import FREEBOARD_STEP_M, over_heights, published, with_fittings

__all__ = ["measure_on_quay"]

_GAP_SD_M = 0.4
"""What the dark gap between hull and quay leaves open of a strip's width, across: the darker it is
than the shaded quay, the narrower the strip seems."""


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
    """
    found = fit_on_quay(pixels, native, hull, geometry, port, ships=ships, light=light)
    if found is None:
        return None
    fit, widths, rows = found
    quay = quay_heights(native, hull, geometry, port, ships=ships, light=light, water=water)
    said = Freeboard(
        status="shade-on-quay",
        rows=rows,
        metres_per_metre=geometry.metres_per_metre,
        strip_width_m=fit.width_m,
        strip_width_sd_m=fit.width_bound_m,
        shade_ratio=fit.shade_ratio,
    )
    above = over_heights(fit.log_likelihood, widths, geometry, monotone=True)
    gap = _GAP_SD_M / (geometry.metres_per_metre * FREEBOARD_STEP_M)
    above = gaussian_filter1d(above, gap, mode="nearest")
    return published(said, with_fittings(above_water(above, quay), geometry), hull)
