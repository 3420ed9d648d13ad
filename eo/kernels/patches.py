"""Patches of a mask, judged whole: how soft their edges are, and whether they are soil.

Two things tell a cloud from a ship or a roof of the same colour: its width
(:mod:`eo.kernels.morphology`), and edges that fade over tens of metres where a hull's or a roof's
fall within the blur of the optics. A third tells it from sand: droplets scatter all colours
alike, and bare ground is redder than it is blue.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

from eo.core.xp import Array, namespace
from eo.kernels.morphology import box_all, box_any
from eo.kernels.rows import each

__all__ = ["Patches", "measured_patches", "sharpness_limit"]

UNSATURATED = 0.35
"""Blue below which redness is judged; Landsat's blue stops at about 0.4, and looks red there."""

REACH_PX = 6
"""How far from its edge a patch's step is looked for."""

_HALO_PX = 8
_TILE_PX = (64, 256)


@dataclass(frozen=True, kw_only=True, eq=False)
class Patches:
    """Patches of a mask and what was measured of each; index 0 stands for none."""

    seed: Array
    """bool (y, x), the mask itself."""
    labels: Array
    """int (y, x), 1.. per patch, grown by a pixel."""
    size_px: Array
    """(patch,) pixels, the grown one included."""
    slopes: Array
    """(patch,) sum over its edge of the gradient per pixel."""
    steps: Array
    """(patch,) sum over its edge of the step within `REACH_PX`."""
    redness: Array
    """(patch,) red less blue, as a share of the visible light, as it came; NaN where saturated."""

    def soft(self, limit: Array) -> Array:
        """Return which patches have soft edges, bool (patch,).

        Parameters
        ----------
        limit
            (patch,) or one number for all: gradient per pixel over the step, mean along the edge,
            above which a patch is dropped.
        """
        # Sums first, so that a stretch without a step (within a wider bright area) hardly counts.
        return self.slopes <= limit * self.steps

    def chosen(self, keep: Array) -> Array:
        """Return the mask of the patches in `keep`, bool (y, x)."""
        xp, _ = namespace(keep)
        keep = keep & (xp.arange(keep.shape[0]) > 0)
        return self.seed & keep[self.labels]


def sharpness_limit(sharpest: float, gsd_m: float) -> float:
    """Return the sharpness allowed at a pixel size, from that at 10 m.

    Finer pixels show a cloud's edge softer, but less than in proportion: clouds are ragged.
    """
    return sharpest * float(min(max(gsd_m / 10, 0.2), 1.0) ** 0.25)


def measured_patches(
    seed: Array,
    score: Array,
    valid: Array,
    *,
    visible: tuple[Array, Array, Array] | None = None,
    edges: bool = True,
) -> Patches:
    """Return the patches of a mask, measured.

    Parameters
    ----------
    seed
        bool (y, x), the patches.
    score
        float32 (y, x), what they stand out in.
    valid
        bool (y, x); the edge of the image is no edge of a patch.
    visible
        Blue, green and red (y, x) as they came [1]; without them nothing is said of redness.
    edges
        Whether edges are measured; else slopes and steps are 0.
    """
    xp, ndi = namespace(seed, score, valid)
    near = box_any(seed, 1)
    labels, count = ndi.label(near)
    count = int(count) + 1
    slopes = steps = xp.zeros(count)
    if edges:
        edge = near & _beside(~near)
        if not bool(valid.all()):
            edge = edge & box_all(valid, REACH_PX)
        slopes, steps = _edges(xp, ndi, labels, edge, score, count)
    if visible is None:
        redness = xp.full(count, xp.nan)
    else:
        redness = _redness(xp, labels, seed, visible, count)
    return Patches(
        seed=seed,
        labels=labels,
        size_px=xp.bincount(labels[near], minlength=count),
        slopes=slopes,
        steps=steps,
        redness=redness,
    )


def _redness(
    xp: Any, labels: Array, seed: Array, visible: tuple[Array, Array, Array], count: int
) -> Array:
    """(red - blue) / mean visible of each patch's unsaturated pixels; NaN if they are few."""
    blue, green, red = visible
    told = seed & (blue < UNSATURATED)
    flat = labels[told]
    b, g, r = (band[told].astype(xp.float64) for band in (blue, green, red))
    excess = xp.bincount(flat, weights=r - b, minlength=count)
    light = xp.bincount(flat, weights=(b + g + r) / 3, minlength=count)
    seen = xp.bincount(flat, minlength=count)
    size = xp.bincount(labels[seed], minlength=count)
    enough = (seen > 0.2 * size) & (light > 0)
    return xp.where(enough, excess / xp.where(enough, light, 1.0), xp.nan)


def _edges(  # noqa: PLR0917 - the planes, and how many patches there are
    xp: Any, ndi: ModuleType, labels: Array, edge: Array, score: Array, count: int
) -> tuple[Array, Array]:
    """Return sums over each patch's edge of slope and step, tile by tile where there is an edge."""
    height, width = score.shape
    tall, broad = _TILE_PX if xp.__name__ == "numpy" else (height, width)
    tiles = [
        (slice(i, min(i + tall, height)), slice(j, min(j + broad, width)))
        for i in range(0, height, tall)
        for j in range(0, width, broad)
    ]
    nothing = (labels[:0, 0], score[:0, 0], score[:0, 0])
    found: list[tuple[Array, Array, Array]] = [nothing] * len(tiles)

    def measure(k: int) -> None:
        rows, cols = tiles[k]
        at = edge[rows, cols]
        if not bool(at.any()):
            return
        wide = (_widened(rows, height), _widened(cols, width))
        inner = (
            slice(rows.start - wide[0].start, rows.stop - wide[0].start),
            slice(cols.start - wide[1].start, cols.stop - wide[1].start),
        )
        part = score[wide]
        slope = _running(xp.maximum, ndi.gaussian_gradient_magnitude(part, 0.7), 2)
        step = _running(xp.maximum, part, 4) - _running(xp.minimum, part, REACH_PX)
        found[k] = (labels[rows, cols][at], slope[inner][at], step[inner][at])

    each(measure, list(range(len(tiles))))
    flat, slope, step = (xp.concatenate([f[k] for f in found]) for k in range(3))
    slopes = xp.bincount(flat, weights=slope.astype(xp.float64), minlength=count)
    return slopes, xp.bincount(flat, weights=step.astype(xp.float64) + 0.02, minlength=count)


def _widened(part: slice, size: int) -> slice:
    return slice(max(0, part.start - _HALO_PX), min(size, part.stop + _HALO_PX))


def _beside(image: Array) -> Array:
    """Return the pixels that share a side with one of a mask."""
    out = image.copy()
    out[1:] |= image[:-1]
    out[:-1] |= image[1:]
    out[:, 1:] |= image[:, :-1]
    out[:, :-1] |= image[:, 1:]
    return out


def _running(larger: Any, image: Array, radius: int) -> Array:
    """Return the running extreme over a square, by doubling; beyond the edge the edge goes on."""
    xp, _ = namespace(image)
    size = 2 * radius + 1
    out = xp.pad(image, radius, mode="edge")
    span = 1
    while 2 * span <= size:
        out = larger(out[:-span], out[span:])
        span *= 2
    if span < size:
        out = larger(out[: -(size - span)], out[size - span :])
    span = 1
    while 2 * span <= size:
        out = larger(out[:, :-span], out[:, span:])
        span *= 2
    if span < size:
        out = larger(out[:, : -(size - span)], out[:, size - span :])
    return out
