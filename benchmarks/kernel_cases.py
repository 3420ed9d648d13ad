"""The kernels that `kernels.py` measures, each with its peer and what it moves.

A case gives functions of no arguments that do the work once: ours, the peer's, both on the
same pixels or on a crop of them (rates are per pixel). Peers that are not installed are None.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.ndimage as ndi

from eo.core.xp import to_device
from eo.kernels.cloud import classify
from eo.kernels.cloudiness import Floors, cloudiness
from eo.kernels.departure import one_sided
from eo.kernels.forest import predict
from eo.kernels.lightgbm_text import read_lightgbm
from eo.kernels.morphology import swept, within
from eo.kernels.order import clear_quantile
from eo.kernels.trees import Forest

__all__ = ["Case", "cases"]

BANDS = ("blue", "green", "red", "nir")
RADIUS_PX = 9
SWEEP_PX = 40
Work = Callable[[], Any]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One kernel on one array."""

    name: str
    pixels: int
    """Pixels that one call of ours works on."""
    bytes_per_pixel: float
    """Bytes that any implementation must read and write, each once."""
    operations_per_pixel: float
    """Arithmetic and comparisons of the formula, counted by hand."""
    ours: Work
    peer: Callable[[int], Work | None]
    """The peer's work on a number of threads."""
    peer_name: str
    peer_pixels: int
    """Pixels that one call of the peer works on."""


def cases(size: int, looks: int, device: str) -> Iterator[Case]:
    """Yield the cases on images of `size` x `size` pixels, kept on a device."""
    rng = np.random.default_rng(1)
    image = _sky(rng, size)
    yield from _cloud(image, device)
    yield from _forest(rng, size, device)
    yield from _reference(rng, size, looks, device)
    yield _departure(image, device)
    mask = image[0] > 0.5
    yield _dilation(mask, device)
    yield _labelling(mask, device)
    yield _projection(mask, device)


def _sky(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw water, land and soft clouds, with noise."""
    coarse = rng.normal(0, 1, (2, size // 16 + 2, size // 16 + 2))
    land, cloud = (ndi.zoom(ndi.gaussian_filter(c, 3), 16, order=1)[:size, :size] for c in coarse)
    ground = np.where(land > 0, 0.15, 0.04)
    white = np.clip(cloud * 4 - 0.2, 0, 0.7)
    tints = np.array([1.1, 1.0, 0.9, 1.3])[:, None, None]
    noise = rng.normal(0, 0.004, (4, size, size))
    return (ground * tints + white + noise).astype(np.float32)


def _cloud(image: np.ndarray, device: str) -> Iterator[Case]:
    pixels = image[0].size
    held = to_device(image, device)
    floors = Floors(blue=0.02, green=0.02, red=0.02, nir=0.02)
    crop = image[:, :512, :512]
    yield Case(
        name="spectral cloud mask", pixels=pixels, bytes_per_pixel=17, operations_per_pixel=150,
        ours=lambda: classify(held, BANDS, gsd_m=10.0),
        peer=lambda _: _csmask(crop), peer_name="ukis-csmask", peer_pixels=crop[0].size,
    )  # fmt: skip
    yield Case(
        name="cloudiness alone", pixels=pixels, bytes_per_pixel=20, operations_per_pixel=30,
        ours=lambda: cloudiness(held, BANDS, floors),
        peer=lambda _: None, peer_name="none", peer_pixels=1,
    )  # fmt: skip


def _csmask(crop: np.ndarray) -> Work | None:
    if importlib.util.find_spec("ukis_csmask") is None:
        return None
    from ukis_csmask.mask import CSmask

    pixels = np.ascontiguousarray(np.moveaxis(crop, 0, -1))
    return lambda: CSmask(img=pixels, band_order=list(BANDS), product_level="l1c").csm


def _forest(rng: np.random.Generator, size: int, device: str) -> Iterator[Case]:
    """Use real spectra where they are at hand, else smooth random ones."""
    path = _s2cloudless_model()
    if path is None:
        return
    forest = read_lightgbm(path)
    spectra = _spectra(rng, min(size, 512))
    held = to_device(spectra, device)
    crop = np.ascontiguousarray(np.moveaxis(spectra[:, :64], 0, -1))
    yield Case(
        name="forest (s2cloudless)", pixels=spectra[0].size, bytes_per_pixel=48,
        operations_per_pixel=_splits_met(forest, spectra[:, ::8, ::8]),
        ours=lambda: predict(forest, held),
        peer=lambda threads: _s2cloudless(crop, threads),
        peer_name="s2cloudless", peer_pixels=crop[..., 0].size,
    )  # fmt: skip


def _s2cloudless_model() -> Path | None:
    spec = importlib.util.find_spec("s2cloudless")
    places = (spec.submodule_search_locations or []) if spec else []
    return next((p for f in places for p in Path(f).glob("models/*lightGBM*.txt")), None)


def _spectra(rng: np.random.Generator, size: int) -> np.ndarray:
    real = Path(__file__).parents[2] / "shared/data/clouds/slovenia-l1c-s2cloudless.npz"
    if not real.exists():
        smooth = ndi.gaussian_filter(rng.normal(0.2, 1, (10, size, size)), (0, 3, 3))
        return np.abs(smooth).astype(np.float32)
    with np.load(real) as file:
        scenes = file["reflectance"][:, :96, :96][..., [0, 1, 3, 4, 7, 8, 9, 10, 11, 12]]
    row = np.moveaxis(np.concatenate(scenes, axis=1), -1, 0)
    times = (1, -(-size // row.shape[1]), -(-size // row.shape[2]))
    return np.ascontiguousarray(np.tile(row, times)[:, :size, :size])


def _splits_met(forest: Forest, spectra: np.ndarray) -> float:
    """Return the splits that a pixel passes on its way through all trees, on average."""
    flat = spectra.reshape(len(spectra), -1)
    passed = 0
    for first in forest.root[:-1].tolist():
        waiting = [(first, np.arange(flat.shape[1]))]
        while waiting:
            node, which = waiting.pop()
            if which.size == 0 or forest.kind[node] == 7:
                continue
            passed += which.size
            left = flat[forest.feature[node], which] <= forest.threshold[node]
            waiting += [(node + 1, which[left]), (first + int(forest.right[node]), which[~left])]
    return passed / flat.shape[1]


def _s2cloudless(crop: np.ndarray, threads: int) -> Work | None:
    try:
        from s2cloudless import S2PixelCloudDetector
    except ImportError:
        return None
    detector = S2PixelCloudDetector(threshold=0.4, average_over=4, dilation_size=2)
    detector.get_cloud_probability_maps(crop[None, :2], num_threads=threads)
    return lambda: detector.get_cloud_probability_maps(crop[None], num_threads=threads)


def _reference(rng: np.random.Generator, size: int, looks: int, device: str) -> Iterator[Case]:
    rows = max(1, size // 32)
    shape = (looks, rows, size)
    values = (rng.integers(900, 1400, shape) * np.float32(1e-4)).astype(np.float32)
    clear = rng.random(shape) < 0.7
    clear[0] = True  # every pixel is seen at least once
    held, used = to_device(values, device), to_device(clear, device)
    gaps = np.where(clear, values, np.float32(np.nan))[:, : max(1, rows // 8)]
    for name, peer in (("xarray median", _xarray_median), ("bottleneck.nanmedian", _bottleneck)):
        yield Case(
            name=f"reference ({looks} looks) beside {name}", pixels=rows * size,
            bytes_per_pixel=5 * looks + 4, operations_per_pixel=25 * looks,
            ours=lambda: clear_quantile(held, used, 0.5),
            peer=lambda _, made=peer: made(gaps), peer_name=name, peer_pixels=gaps[0].size,
        )  # fmt: skip


def _xarray_median(gaps: np.ndarray) -> Work:
    import xarray as xr

    cube = xr.DataArray(gaps, dims=("time", "y", "x"))
    return lambda: cube.median("time", skipna=True)


def _bottleneck(gaps: np.ndarray) -> Work | None:
    try:
        import bottleneck
    except ImportError:
        return None
    return lambda: bottleneck.nanmedian(gaps, axis=0)


def _departure(image: np.ndarray, device: str) -> Case:
    level, sigma = np.full_like(image, 0.05), np.full_like(image, 0.01)
    held = [to_device(a, device) for a in (image, level, sigma)]

    def plain() -> Any:
        rise = np.maximum((image - level) / sigma, np.float32(0))
        return np.sqrt((rise**2).mean(axis=0))

    return Case(
        name="departure (CFAR)", pixels=image[0].size, bytes_per_pixel=52,
        operations_per_pixel=22, ours=lambda: one_sided(*held, above=True),
        peer=lambda _: plain, peer_name="plain NumPy", peer_pixels=image[0].size,
    )  # fmt: skip


def _dilation(mask: np.ndarray, device: str) -> Case:
    held = to_device(mask, device)
    axis = np.arange(-RADIUS_PX, RADIUS_PX + 1)
    disc = axis[:, None] ** 2 + axis[None, :] ** 2 <= RADIUS_PX**2
    crop = mask[:1024, :1024]
    return Case(
        name=f"dilation, disc of {RADIUS_PX} px", pixels=mask.size, bytes_per_pixel=2,
        operations_per_pixel=4 * RADIUS_PX, ours=lambda: within(held, float(RADIUS_PX)),
        peer=lambda _: lambda: ndi.binary_dilation(crop, structure=disc),
        peer_name="scipy.ndimage", peer_pixels=crop.size,
    )  # fmt: skip


def _labelling(mask: np.ndarray, device: str) -> Case:
    held = to_device(mask, device)

    def ours() -> Any:
        if device == "gpu":
            from cupyx.scipy.ndimage import label

            return label(held)
        return ndi.label(held)

    return Case(
        name="labelling", pixels=mask.size, bytes_per_pixel=5, operations_per_pixel=4, ours=ours,
        peer=lambda _: lambda: ndi.label(mask), peer_name="scipy.ndimage (ours too)",
        peer_pixels=mask.size,
    )  # fmt: skip


def _projection(mask: np.ndarray, device: str) -> Case:
    held = to_device(mask, device)
    steps = np.arange(SWEEP_PX + 1)
    line = np.zeros((2 * SWEEP_PX + 1, 2 * SWEEP_PX + 1), bool)
    line[SWEEP_PX + steps, SWEEP_PX + np.round(steps * 0.6).astype(int)] = True
    crop = mask[:1024, :1024]
    return Case(
        name=f"shadow projection, {SWEEP_PX} px", pixels=mask.size, bytes_per_pixel=2,
        operations_per_pixel=2 * SWEEP_PX**0.5,
        ours=lambda: swept(held, (0.0, 0.0), (float(SWEEP_PX), 0.6 * SWEEP_PX)),
        peer=lambda _: lambda: ndi.binary_dilation(crop, structure=line),
        peer_name="scipy.ndimage", peer_pixels=crop.size,
    )  # fmt: skip
