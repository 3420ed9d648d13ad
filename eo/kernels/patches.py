"""Shapes of patches in a mask: how wide they are, and how soft their edges.

Two things tell a cloud from a ship or a roof of the same colour: its width, and edges that fade
over tens of metres where a hull's or a roof's fall within the blur of the optics.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from eo.core.xp import Array

__all__ = ["disc", "sharpness_limit", "soft_edged", "wide_parts", "within"]


def within(xp: Any, ndi: ModuleType, image: Array, distance_px: float) -> Array:
    """Return the pixels no farther than `distance_px` from `image`, itself included."""
    if not bool(image.any()):
        return xp.zeros_like(image)
    return ndi.distance_transform_edt(~image) <= distance_px


def wide_parts(xp: Any, ndi: ModuleType, image: Array, radius_px: float) -> Array:
    """Return the parts of a mask wider than a disc.

    Parameters
    ----------
    xp, ndi
        Array library and its ``ndimage``.
    image
        bool (y, x); beyond the scene's edge it counts as more of the same.
    radius_px
        Radius of the disc [px]; parts up to twice as wide are dropped.

    Returns
    -------
    Array
        bool (y, x), the opening of `image`, by way of distances: its cost does not grow with
        the radius.
    """
    k = int(radius_px) + 2
    padded = xp.pad(image, k, mode="edge")
    if bool(padded.all()):
        return image  # a distance to nothing is undefined
    inside = ndi.distance_transform_edt(padded) > radius_px
    return (within(xp, ndi, inside, radius_px) & padded)[k:-k, k:-k]


def sharpness_limit(sharpest: float, gsd_m: float) -> float:
    """Return the sharpness allowed at a pixel size, from that at 10 m.

    Finer pixels show a cloud's edge softer, but less than in proportion: clouds are ragged.
    """
    return sharpest * float(min(max(gsd_m / 10, 0.2), 1.0) ** 0.25)


def soft_edged(
    xp: Any,
    ndi: ModuleType,
    seed: Array,
    score: Array,
    valid: Array,
    *,
    limit: float,
    small_limit: float,
    small_px: float,
) -> Array:
    """Return the patches of `seed` whose edges are softer than `limit`.

    Parameters
    ----------
    xp, ndi
        Array library and its ``ndimage``.
    seed
        bool (y, x), the patches.
    score
        float (y, x), what they stand out in.
    valid
        bool (y, x); the edge of the image is no edge of a patch.
    limit
        Gradient per pixel over the step within six pixels, mean along a patch's edge, above
        which a patch is dropped.
    small_limit
        The same for patches of fewer than `small_px` pixels.
    small_px
        Size up to which a patch may well be one building [px].

    Returns
    -------
    Array
        bool (y, x).
    """
    near = ndi.binary_dilation(seed, structure=xp.ones((3, 3), dtype=bool))
    labels, count = ndi.label(near)
    count = int(count)
    if not count:
        return seed
    slope = ndi.maximum_filter(ndi.gaussian_gradient_magnitude(score, 0.7), 5)
    step = ndi.maximum_filter(score, 9) - ndi.minimum_filter(score, 13) + 0.02
    edge = near & ~ndi.binary_erosion(near, structure=disc(xp, 1), border_value=1)
    edge = edge & (ndi.minimum_filter(xp.astype(valid, xp.uint8), 13) > 0)
    flat = (labels * edge).ravel()
    # Sums first, so that a stretch without a step (within a wider bright area) hardly counts.
    slopes = xp.bincount(flat, weights=xp.astype(slope, xp.float64).ravel(), minlength=count + 1)
    steps = xp.bincount(flat, weights=xp.astype(step, xp.float64).ravel(), minlength=count + 1)
    size = xp.bincount(labels.ravel(), minlength=count + 1)
    keep = slopes <= xp.where(size < small_px, small_limit, limit) * steps
    keep[0] = False
    return seed & keep[labels]


def disc(xp: Any, radius: int) -> Array:
    """Return a disc as a boolean footprint."""
    axis = xp.arange(-radius, radius + 1)
    return axis[:, None] ** 2 + axis[None, :] ** 2 <= radius * radius + 0.5
