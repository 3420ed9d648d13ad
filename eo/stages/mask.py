"""Which pixels are clear: the own spectral kernel, with the served mask as a witness.

The kernel of :mod:`eo.kernels.cloud` sees every scene alike. What the provider says is taken
where the pixels bear it out: a served cloud as narrow as a ship, or as sharp-edged as a roof, is
given back to clear; a cloud that the kernel sees and the provider does not is cloud; snow is no
cloud. Trained masks from other projects can be asked for by name (:func:`cloud_mask`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eo.core.errors import BandError, SceneError
from eo.core.xp import Array, namespace
from eo.kernels.cloud import CLEAR, CLOUD, NODATA, SHADOW, believable, classify
from eo.kernels.darkness import darker_than_around
from eo.kernels.morphology import wide_parts, within
from eo.kernels.water import likely_water
from eo.stages.mask_joint import SHIPS_SHOW_M, joint_mask
from eo.stages.mask_peers import METHODS, best_method, cnn_mask, s2cloudless_mask
from eo.stages.served_mask import ServedMask, read_served

__all__ = ["MaskResult", "cloud_mask", "mask_scene"]

LEVELS = ("l1c", "l2a", "toar", "visual", "unknown")

BANDS = (
    "coastal", "blue", "green", "red", "rededge", "rededge071", "rededge075", "rededge078",
    "green05", "yellow", "nir", "nir08", "nir09", "cirrus", "swir16", "swir22", "pan",
)  # fmt: skip
"""Band names that are known, by STAC common name."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskResult:
    """A scene's mask and who made it."""

    mask: Array
    """uint8 (y, x): 0 no data, 1 clear, 2 cloud, 3 cloud shadow."""
    methods: tuple[str, ...]
    """Witnesses that were heard: ``spectral``, then ``scl``, ``udm2`` or ``udm``."""


def cloud_mask(
    image: Array,
    bands: tuple[str, ...] = ("blue", "green", "red", "nir"),
    level: str = "l2a",
    gsd_m: float = 10.0,
    method: str = "auto",
) -> Array:
    """Return which pixels of an image are cloud, cloud shadow or clear.

    Parameters
    ----------
    image
        Reflectance (band, y, x) [1], NumPy or CuPy, any real dtype; NaN where there is no data.
        Values above 1 are allowed.
    bands
        Common names of the bands, in order; blue, green and red are needed, nir and swir16 help.
    level
        ``l1c`` or ``toar`` (top of atmosphere), ``l2a`` (surface), ``visual`` or ``unknown``.
    gsd_m
        Pixel size on the ground [m].
    method
        ``auto`` (the best trained mask at hand and the own kernel together, see
        :mod:`eo.stages.mask_joint`; the own kernel alone where none is installed, or the level or
        the bands are none that one was trained on), ``spectral`` (own kernel), ``cnn``
        (ukis-csmask, four or six bands; up to 15 m pixels, what has the size of a ship is given
        back to clear) or ``s2cloudless`` (ten Sentinel-2 L1C bands; cloud only, no shadow).

    Returns
    -------
    Array
        uint8 (y, x) of the same kind: 0 no data, 1 clear, 2 cloud, 3 cloud shadow.

    Raises
    ------
    BandError
        If a band is missing, named twice or unknown.
    SceneError
        If the image, level, pixel size or method cannot be used.
    """
    reflectance, bands = _checked(image, tuple(bands), level, gsd_m)
    if method not in METHODS:
        raise SceneError(f"method {method!r} is unknown; known: {', '.join(METHODS)}")
    if 0 in reflectance.shape[1:]:
        xp, _ = namespace(reflectance)
        return xp.zeros(reflectance.shape[1:], dtype=xp.uint8)
    chosen = best_method(bands, level) if method == "auto" else method
    if chosen == "spectral":
        return classify(reflectance, bands, gsd_m=gsd_m)
    if chosen == "cnn":
        trained = cnn_mask(reflectance, bands, level, gsd_m)
    else:
        trained = s2cloudless_mask(reflectance, bands, level, gsd_m)
    if method == "auto":
        return joint_mask(trained, reflectance, bands, gsd_m=gsd_m, shade_told=chosen == "cnn")
    return trained if chosen == "s2cloudless" else _ships_back(trained, reflectance, bands, gsd_m)


def _ships_back(mask: Array, reflectance: Array, bands: tuple[str, ...], gsd_m: float) -> Array:
    """Give back what a mask made for land calls cloud or shade at a size that ships have."""
    if gsd_m > SHIPS_SHOW_M:
        return mask
    xp, _ = namespace(reflectance)
    told = mask == CLOUD
    cloud = believable(told, reflectance, bands, firm=told, gsd_m=gsd_m)
    shade = wide_parts(mask == SHADOW, 25.0 / gsd_m)
    if not bool(cloud.any()):
        shade = xp.zeros_like(shade)
    clear = (told & ~cloud) | ((mask == SHADOW) & ~shade)
    return xp.where(clear, xp.uint8(CLEAR), mask)


def mask_scene(
    reflectance: Array,
    bands: tuple[str, ...],
    *,
    served: tuple[Any, Array] | None,
    level: str,
    gsd_m: float,
    sun_elevation_deg: float | None,
    sun_azimuth_grid_deg: float | None,
) -> MaskResult:
    """Return the mask of one scene on one grid, every witness heard.

    Parameters
    ----------
    reflectance
        (band, y, x) [1], NumPy or CuPy; NaN where there is no data.
    bands
        Common names of the bands, in order; at least blue, green, red.
    served
        (``scl`` | ``udm2`` | ``udm``, raw values on the same grid and device), or None.
    level
        Processing level, as of :class:`eo.core.records.Scene`.
    gsd_m
        Pixel size of the grid [m].
    sun_elevation_deg, sun_azimuth_grid_deg
        The sun, its azimuth from the grid's north; None where unknown: then the shadows'
        direction is searched for.

    Returns
    -------
    MaskResult
        Mask and witnesses.

    Raises
    ------
    BandError
        If a band is missing, named twice or unknown.
    SceneError
        If the served mask does not fit the scene.
    """
    reflectance, bands = _checked(reflectance, tuple(bands), level, gsd_m)
    own = classify(
        reflectance,
        bands,
        gsd_m=gsd_m,
        sun_azimuth_grid_deg=sun_azimuth_grid_deg,
        sun_elevation_deg=sun_elevation_deg,
    )
    if served is None:
        return MaskResult(mask=own, methods=("spectral",))
    kind, raw = served
    witness = read_served(kind, raw, tuple(reflectance.shape[1:]))
    mask = _weighed(own, witness, reflectance, bands, gsd_m)
    return MaskResult(mask=mask, methods=("spectral", str(kind)))


def _weighed(
    own: Array, witness: ServedMask, reflectance: Array, bands: tuple[str, ...], gsd_m: float
) -> Array:
    """Own mask and served mask, weighed against the pixels."""
    xp, _ = namespace(reflectance)
    valid = (own != NODATA) & ~witness.no_data
    mine = own == CLOUD
    told = believable(
        witness.cloud | witness.thin, reflectance, bands, firm=witness.cloud, gsd_m=gsd_m
    )
    cloud = ((mine & ~witness.snow) | told) & valid
    shadow = own == SHADOW
    if bool(cloud.any()):
        dark = darker_than_around(reflectance, bands, likely_water(reflectance, bands), gsd_m)
        core = ~within(~witness.shadow, max(1.0, 25.0 / gsd_m))
        near = within(core, max(2.0, 50.0 / gsd_m))
        shadow = shadow | (witness.shadow & near & dark)
    else:
        shadow = xp.zeros_like(shadow)
    mask = xp.where(valid, xp.uint8(CLEAR), xp.uint8(NODATA))
    mask = xp.where(shadow & valid, xp.uint8(SHADOW), mask)
    return xp.where(cloud, xp.uint8(CLOUD), mask)


def _checked(
    image: Array, bands: tuple[str, ...], level: str, gsd_m: float
) -> tuple[Array, tuple[str, ...]]:
    """Return the image as float32, after the checks that every method shares."""
    if not hasattr(image, "__array_namespace__"):
        raise SceneError(
            f"an image is one NumPy or CuPy array of (band, y, x), found {type(image).__name__}; "
            "bring the bands to one size and stack them"
        )
    xp, _ = namespace(image)
    if image.ndim != 3 or image.shape[0] != len(bands):
        raise SceneError(
            f"an image of (band, y, x) with {len(bands)} bands ({', '.join(bands)}) was expected, "
            f"found shape {tuple(image.shape)}"
        )
    unknown = [b for b in bands if b not in BANDS]
    if unknown:
        raise BandError(f"band {unknown[0]!r} is unknown; known: {', '.join(BANDS)}")
    twice = [b for i, b in enumerate(bands) if b in bands[:i]]
    if twice:
        raise BandError(f"band {twice[0]!r} is named twice in {', '.join(bands)}")
    missing = [b for b in ("blue", "green", "red") if b not in bands]
    if missing:
        raise BandError(f"a cloud mask needs {', '.join(missing)}; found {', '.join(bands)}")
    if level not in LEVELS:
        raise SceneError(f"level {level!r} is unknown; known: {', '.join(LEVELS)}")
    if not 0 < gsd_m < float("inf"):
        raise SceneError(f"gsd_m must be a positive number of metres, found {gsd_m!r}")
    if image.dtype.kind not in "fiu":
        raise SceneError(f"reflectance must be real numbers, found dtype {image.dtype}")
    reflectance = image.astype(xp.float32, copy=False)
    # Infinite is as little a measurement as NaN.
    finite = xp.isfinite(reflectance)
    if not bool(finite.all()):
        reflectance = xp.where(finite, reflectance, xp.float32("nan"))
    return reflectance, bands
