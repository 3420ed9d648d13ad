"""How dark shaded water is: sky light against sun light, band by band.

    r = k E_dif / (E_dir + E_dif)  for light that left the water, raised by what water and air
    send to the sensor without the sun's direct help (sky mirrored in the surface, haze)     (1)

    E_dir = exp(-(tau_R + tau_a) m),   m = 1 / sin(e)                                        (2)
    E_dif = 0.5 (1 - exp(-tau_R m)) + 0.75 (1 - exp(-tau_a m)) exp(-tau_R m)                 (3)

Where the sun mirrors itself in rough water (glint), that light is gone in the shade, all of it:
of a lit level W, of which g is glint, (W - g) r is left. Glint is white, and little light leaves
water in the near infrared, so that what water shows there beyond what sky light and turbidity
explain is glint, alike in all bands (Hedley et al. 2005, doi:10.1080/01431160500034086):

    g = max(W_nir - 0.025, 0)                                                             (4)

(2), (3) are the two-stream shares of Bird & Riordan (1986, doi:10.1175/1520-0450(1986)025
<0087:SSSMFC>2.0.CO;2) in their plainest form; tau_R = 0.00864 lambda^-4.08 (lambda in
micrometres), tau_a = 0.12 (0.55 / lambda)^1.3, a clear maritime sky. The prior is wide on
purpose: the fit refines it wherever a strip is wider than the blur.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["diffuse_share", "shade_ratio_prior"]

_WAVELENGTH_UM = {
    "coastal": 0.443,
    "blue": 0.490,
    "green": 0.560,
    "yellow": 0.605,
    "red": 0.665,
    "rededge": 0.705,
    "nir": 0.842,
}
_UNKNOWN_UM = 0.60
_MIRRORED = 0.25
"""Share of a water pixel's signal that needs no direct sun: mirrored sky, haze, neighbours."""
_SKY_SEEN = 0.8
"""k of eq. (1): the hull hides part of the sky from the strip, the bright part about the sun."""
_OWN_SD = 0.06
_COMMON_SD = 0.12
_NIR_FLOOR = 0.025
"""Near infrared of water without glint: mirrored sky, and a little turbidity."""
_LEAST_LEFT = 0.1
"""Share of a water's level that is no glint, at the least: some light leaves any water."""


def diffuse_share(wavelength_um: float, sun_elevation_deg: float) -> float:
    """Return E_dif / (E_dir + E_dif) under a clear maritime sky, eqs. (2) and (3)."""
    air_mass = 1.0 / np.sin(np.deg2rad(max(sun_elevation_deg, 3.0)))
    rayleigh = 0.00864 * wavelength_um**-4.08
    aerosol = 0.12 * (0.55 / wavelength_um) ** 1.3
    direct = np.exp(-(rayleigh + aerosol) * air_mass)
    diffuse = 0.5 * (1.0 - np.exp(-rayleigh * air_mass))
    diffuse += 0.75 * (1.0 - np.exp(-aerosol * air_mass)) * np.exp(-rayleigh * air_mass)
    return float(diffuse / (direct + diffuse))


def shade_ratio_prior(
    bands: tuple[str, ...],
    sun_elevation_deg: float,
    level: str,
    *,
    unshadowed: float = _MIRRORED,
    lit: Sequence[float] | None = None,
) -> tuple[tuple[float, ...], float, float]:
    """Return shaded over lit water per band, and the ratio's sds: per band, and shared.

    Parameters
    ----------
    bands
        Common names; an unknown one is taken for orange light.
    sun_elevation_deg
        Sun above the horizon [deg].
    level
        `l2a` has most of the haze removed; `l1c` and `toar` keep it, which lifts the ratio;
        `visual` is tone-mapped, so that a ratio means little.
    unshadowed
        Share of the lit signal that needs no direct sun; the default is water's, which mirrors
        the sky.
    lit
        Level of the lit water in each band [reflectance], which tells how much of it is glint by
        eq. (4); None, without near infrared, or `visual`: no glint is allowed for.
    """
    haze = {"l2a": 0.0, "visual": 0.0}.get(level, 0.25)
    ratios = []
    for band in bands:
        share = diffuse_share(_WAVELENGTH_UM.get(band, _UNKNOWN_UM), sun_elevation_deg)
        mirrored = unshadowed + haze * (1.0 - unshadowed)
        ratios.append(mirrored + (1.0 - mirrored) * _SKY_SEEN * share)
    if lit is not None and "nir" in bands and level != "visual":
        glint = max(float(lit[bands.index("nir")]) - _NIR_FLOOR, 0.0)
        left = [max(1.0 - glint / max(float(w), 1e-4), _LEAST_LEFT) for w in lit]
        ratios = [ratio * share for ratio, share in zip(ratios, left, strict=True)]
    wide = 2.0 if level == "visual" else 1.0
    return tuple(ratios), _OWN_SD * wide, _COMMON_SD * wide
