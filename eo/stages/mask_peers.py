"""Trained cloud masks of other projects, behind one signature; none of them is needed.

ukis-csmask (DLR, a U-Net for cloud and shadow) and s2cloudless (Sinergise, gradient-boosted
trees for cloud) come with the extra ``clouds``. Both compute on the host: an image on a GPU goes
there and its mask comes back.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from eo.core.errors import BandError, SceneError
from eo.core.xp import Array, namespace, to_device, to_host

__all__ = ["METHODS", "S2CLOUDLESS_BANDS", "best_method", "cnn_mask", "s2cloudless_mask"]

METHODS = ("auto", "spectral", "cnn", "s2cloudless")
"""Methods that can be asked for."""

S2CLOUDLESS_BANDS = (
    "coastal", "blue", "red", "rededge071", "nir", "nir08", "nir09", "cirrus", "swir16", "swir22",
)  # fmt: skip
"""B01 B02 B04 B05 B08 B8A B09 B10 B11 B12, in the order the model wants."""

_FOUR = ("blue", "green", "red", "nir")
_SIX = (*_FOUR, "swir16", "swir22")
_S2_GRID_M = 60.0


def best_method(bands: tuple[str, ...], level: str) -> str:
    """Return the best method at hand for an image of these bands."""
    if level in {"l1c", "l2a", "toar"} and set(_FOUR) <= set(bands) and _installed("ukis_csmask"):
        return "cnn"
    if level == "l1c" and set(S2CLOUDLESS_BANDS) <= set(bands) and _installed("s2cloudless"):
        return "s2cloudless"
    return "spectral"


def cnn_mask(reflectance: Array, bands: tuple[str, ...], level: str) -> Array:
    """Return the mask of ukis-csmask: 0 no data, 1 clear, 2 cloud, 3 cloud shadow.

    Raises
    ------
    SceneError
        If the package is not installed, or the level is not one it was trained on.
    BandError
        If near infrared is missing.
    """
    _need("ukis_csmask", "cnn", "ukis-csmask")
    product = {"l1c": "l1c", "toar": "l1c", "l2a": "l2a"}.get(level)
    if product is None:
        raise SceneError(f"method 'cnn' knows levels l1c and l2a, found {level!r}; use spectral")
    wanted = _SIX if set(_SIX) <= set(bands) else _FOUR
    image, valid = _host(reflectance, bands, wanted, "cnn")
    from ukis_csmask.mask import CSmask

    clean = np.ascontiguousarray(np.moveaxis(image, 0, -1))
    found = CSmask(
        img=clean, band_order=list(wanted), product_level=product, nodata_value=0
    ).csm.squeeze(-1)
    mask = np.where(found == 1, 2, np.where(found == 2, 3, 1))
    return _back(np.where(valid, mask, 0), reflectance)


def s2cloudless_mask(reflectance: Array, bands: tuple[str, ...], level: str, gsd_m: float) -> Array:
    """Return the mask of s2cloudless: 0 no data, 1 clear, 2 cloud; it knows no shadow.

    Threshold 0.4 on the probability averaged over 4 pixels, dilated by 2, at 60 m pixels, as its
    authors set it; a finer image is thinned to about 60 m and its mask spread again.

    Raises
    ------
    SceneError
        If the package is not installed, or the level is not L1C.
    BandError
        If one of its ten bands is missing.
    """
    _need("s2cloudless", "s2cloudless", "s2cloudless")
    if level != "l1c":
        raise SceneError(
            f"method 's2cloudless' knows level l1c only, found {level!r}; use cnn or spectral"
        )
    image, valid = _host(reflectance, bands, S2CLOUDLESS_BANDS, "s2cloudless")
    factor = max(1, round(_S2_GRID_M / gsd_m))
    height, width = valid.shape
    thinned = image[:, factor // 2 :: factor, factor // 2 :: factor]
    if 0 in thinned.shape:
        thinned, factor = image, 1
    cloudy = _detector().get_cloud_masks(np.moveaxis(thinned, 0, -1)[None])[0] > 0
    rows = np.minimum(np.arange(height) // factor, cloudy.shape[0] - 1)
    cols = np.minimum(np.arange(width) // factor, cloudy.shape[1] - 1)
    mask = np.where(cloudy[rows][:, cols], 2, 1)
    return _back(np.where(valid, mask, 0), reflectance)


@cache
def _detector() -> Any:
    from s2cloudless import S2PixelCloudDetector

    return S2PixelCloudDetector(threshold=0.4, average_over=4, dilation_size=2)


def _installed(module: str) -> bool:
    return find_spec(module) is not None


def _need(module: str, method: str, package: str) -> None:
    if not _installed(module):
        raise SceneError(
            f"method {method!r} needs {package}, which is not installed; "
            f"install the extra: pip install 'eo-freeboard[clouds]', or use method='spectral'"
        )


def _host(
    reflectance: Array, bands: tuple[str, ...], wanted: tuple[str, ...], method: str
) -> tuple[Any, Any]:
    """Return the wanted bands on the host, gaps set to 0, and where all of them hold data."""
    missing = [b for b in wanted if b not in bands]
    if missing:
        raise BandError(f"method {method!r} needs {', '.join(missing)}; found {', '.join(bands)}")
    image = np.stack([to_host(reflectance[bands.index(b)]) for b in wanted])
    valid = np.isfinite(image).all(axis=0)
    return np.where(valid, image, np.float32(0)).astype(np.float32), valid


def _back(mask: Any, like: Array) -> Array:
    xp, _ = namespace(like)
    return to_device(mask.astype(np.uint8), "gpu" if xp.__name__ == "cupy" else "cpu")
