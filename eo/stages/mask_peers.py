"""Trained cloud masks of other projects, behind one signature; none of them is needed.

ukis-csmask (DLR, a U-Net for cloud and shadow) and s2cloudless (Sinergise, gradient-boosted
trees for cloud) come with the extra ``clouds``. The U-Net computes on the host: an image on a GPU
goes there and its mask comes back. Of s2cloudless only the model file is read (its licence,
CC BY-SA 4.0, is not ours, so it is not part of this package); the trees are walked by
:mod:`eo.kernels.forest` where the image is.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from eo.core.errors import BandError, SceneError
from eo.core.xp import Array, namespace, to_device, to_host
from eo.kernels.darkness import block_means
from eo.kernels.forest import predict
from eo.kernels.lightgbm_text import read_lightgbm
from eo.kernels.rows import threads
from eo.kernels.trees import Forest

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
_CNN_GRID_M = 30.0
_CNN_TILE_PX = 256
_S2_MODEL = "models/pixel_s2_cloud_detector_lightGBM_*.txt"
_S2_THRESHOLD = 0.4
_S2_AVERAGE_PX = 4
_S2_DILATION_PX = 2


def best_method(bands: tuple[str, ...], level: str) -> str:
    """Return the best method at hand for an image of these bands."""
    if level in {"l1c", "l2a", "toar"} and set(_FOUR) <= set(bands) and _installed("ukis_csmask"):
        return "cnn"
    if level == "l1c" and set(S2CLOUDLESS_BANDS) <= set(bands) and _installed("s2cloudless"):
        return "s2cloudless"
    return "spectral"


def cnn_mask(reflectance: Array, bands: tuple[str, ...], level: str, gsd_m: float) -> Array:
    """Return the mask of ukis-csmask: 0 no data, 1 clear, 2 cloud, 3 cloud shadow.

    The network knows pixels of 30 m: a finer image is averaged to about that and its mask spread
    again, which is also what its authors advise. An image smaller than the network's tile goes on
    beyond its edges as its own mirror image, and holes are filled with the scene's medians.

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
    height, width = valid.shape
    factor = min(max(1, round(_CNN_GRID_M / gsd_m)), height, width)
    filled = _averaged(image, valid, factor)
    rows, cols = filled.shape[1:]
    beyond = [(0, max(0, _CNN_TILE_PX - n)) for n in (rows, cols)]
    filled = np.pad(filled, ((0, 0), *beyond), mode="symmetric")
    from ukis_csmask.mask import CSmask

    found = CSmask(
        img=np.ascontiguousarray(np.moveaxis(filled, 0, -1)),
        band_order=list(wanted),
        product_level=product,
        intra_op_num_threads=threads(),
    ).csm[:rows, :cols, 0]
    found = found.repeat(factor, axis=0).repeat(factor, axis=1)[:height, :width]
    mask = np.where(found == 1, 2, np.where(found == 2, 3, 1))
    return _back(np.where(valid, mask, 0), reflectance)


def _averaged(image: Any, valid: Any, factor: int) -> Any:
    """Mean of the valid pixels of each block, and the band's median where there are none."""
    (share,) = block_means(np, lambda v: (v.astype(np.float32),), (valid,), factor)
    out = []
    for band in image:
        (mean,) = block_means(np, lambda a: (a,), (band,), factor)
        middle = np.median(band[valid]) if valid.any() else 0.0
        out.append(np.where(share > 0, mean / np.maximum(share, np.float32(1e-6)), middle))
    return np.stack(out).astype(np.float32)


def s2cloudless_mask(reflectance: Array, bands: tuple[str, ...], level: str, gsd_m: float) -> Array:
    """Return the mask of s2cloudless: 0 no data, 1 clear, 2 cloud; it knows no shadow.

    Threshold 0.4 on the probability averaged over a disc of 4 pixels, dilated by one of 2, at
    60 m pixels, as its authors set it; a finer image is thinned to about 60 m and its mask spread
    again. Averages are rounded once, where the package's are summed in single precision.

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
    xp, ndi = namespace(reflectance)
    _complete(bands, S2CLOUDLESS_BANDS, "s2cloudless")
    image = xp.stack([reflectance[bands.index(b)] for b in S2CLOUDLESS_BANDS])
    valid = xp.isfinite(image).all(axis=0)
    image = xp.where(valid, image, xp.float32(0))
    factor = max(1, round(_S2_GRID_M / gsd_m))
    height, width = valid.shape
    thinned = image[:, factor // 2 :: factor, factor // 2 :: factor]
    if 0 in thinned.shape:
        thinned, factor = image, 1
    probability = predict(_s2cloudless_forest(), thinned).astype(xp.float32)
    around = _disc(xp, _S2_AVERAGE_PX).astype(xp.float64)
    mean = ndi.correlate(
        probability, around / around.sum(), output=xp.float64, mode="reflect"
    ).astype(xp.float32)
    cloudy = ndi.binary_dilation(mean > xp.float32(_S2_THRESHOLD), _disc(xp, _S2_DILATION_PX))
    rows = xp.minimum(xp.arange(height) // factor, cloudy.shape[0] - 1)
    cols = xp.minimum(xp.arange(width) // factor, cloudy.shape[1] - 1)
    mask = xp.where(cloudy[rows][:, cols], xp.uint8(2), xp.uint8(1))
    return xp.where(valid, mask, xp.uint8(0))


@cache
def _s2cloudless_forest() -> Forest:
    """Read the model file of the installed package, which need not be importable for that."""
    spec = find_spec("s2cloudless")
    places = (spec.submodule_search_locations if spec is not None else None) or []
    files = [path for place in places for path in sorted(Path(place).glob(_S2_MODEL))]
    if not files:
        raise SceneError(
            f"the installed s2cloudless has no model file {_S2_MODEL}; install s2cloudless 1.7"
        )
    return read_lightgbm(files[0])


def _disc(xp: Any, radius: int) -> Array:
    """Return the footprint that the package averages and dilates with."""
    axis = xp.arange(-radius, radius + 1)
    return axis[:, None] ** 2 + axis[None, :] ** 2 <= radius * radius


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
    _complete(bands, wanted, method)
    image = np.stack([to_host(reflectance[bands.index(b)]) for b in wanted])
    valid = np.isfinite(image).all(axis=0)
    return np.where(valid, image, np.float32(0)).astype(np.float32), valid


def _complete(bands: tuple[str, ...], wanted: tuple[str, ...], method: str) -> None:
    missing = [b for b in wanted if b not in bands]
    if missing:
        raise BandError(f"method {method!r} needs {', '.join(missing)}; found {', '.join(bands)}")


def _back(mask: Any, like: Array) -> Array:
    xp, _ = namespace(like)
    return to_device(mask.astype(np.uint8), "gpu" if xp.__name__ == "cupy" else "cpu")
