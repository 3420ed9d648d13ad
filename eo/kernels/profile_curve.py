"""Curves through a vessel's widths: linear for what only starts a step, monotone for ln L."""

from __future__ import annotations

from typing import Any

from eo.core.xp import Array

__all__ = ["between", "curve_at"]


def _brackets(nodes: Array, at: Array, xp: Any) -> tuple[Array, Array, Array]:
    """Return index of the node below, the gap to the next [m], and the part of it passed."""
    below = xp.sum(xp.astype(nodes[:, None, :, ...] <= at[..., None], xp.int64), axis=-1) - 1
    below = xp.clip(below, 0, nodes.shape[1] - 2)
    start = xp.take_along_axis(nodes, below, axis=1)
    gap = xp.clip(xp.take_along_axis(nodes, below + 1, axis=1) - start, 1e-9, None)
    return below, gap, xp.clip((at - start) / gap, 0.0, 1.0)


def between(nodes: Array, values: Array, at: Array, xp: Any) -> Array:
    """Interpolate (vessel, node, ...) linearly to (vessel, width, ...); nodes ascend."""
    below, _, part = _brackets(nodes, at, xp)
    index = xp.broadcast_to(below[..., None], (*below.shape, values.shape[-1]))
    low = xp.take_along_axis(values, index, axis=1)
    high = xp.take_along_axis(values, index + 1, axis=1)
    return low + part[..., None] * (high - low)


def curve_at(nodes: Array, values: Array, at: Array, xp: Any) -> Array:
    """Interpolate (vessel, node) to (vessel, width) without overshoot; nodes ascend.

    Piecewise cubic with slopes by Fritsch & Butland (1984, doi:10.1137/0905021): between two
    nodes the curve stays between their values, so that a likelihood does not ring.
    """
    gap = xp.clip(nodes[:, 1:, ...] - nodes[:, :-1, ...], 1e-6, None)
    secant = (values[:, 1:, ...] - values[:, :-1, ...]) / gap
    # Two nodes at one place make a secant of nothing but rounding.
    secant = xp.where(gap > 1e-5, secant, xp.zeros_like(secant))
    first, second = secant[:, :-1, ...], secant[:, 1:, ...]
    heavy, light = (
        2.0 * gap[:, 1:, ...] + gap[:, :-1, ...],
        gap[:, 1:, ...] + 2.0 * gap[:, :-1, ...],
    )
    same = first * second > 0
    one = xp.ones_like(first)
    inner = (heavy + light) / (
        heavy / xp.where(same, first, one) + light / xp.where(same, second, one)
    )
    inner = xp.where(same, inner, xp.zeros_like(inner))
    slope = xp.concat([secant[:, :1, ...], inner, secant[:, -1:, ...]], axis=1)
    below, step, part = _brackets(nodes, at, xp)
    low = xp.take_along_axis(values, below, axis=1)
    high = xp.take_along_axis(values, below + 1, axis=1)
    rise = xp.take_along_axis(slope, below, axis=1) * step
    fall = xp.take_along_axis(slope, below + 1, axis=1) * step
    square, cube = part**2, part**3
    return (
        low * (2.0 * cube - 3.0 * square + 1.0)
        + rise * (cube - 2.0 * square + part)
        + high * (3.0 * square - 2.0 * cube)
        + fall * (cube - square)
    )
