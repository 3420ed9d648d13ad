"""Shapes of hulls: plan at the waterline and on deck, sheer, and the solids between them.

Lengthwise coordinates run from -length/2 at the stern to +length/2 at the tip of the deck.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from eo.sim.solids import Prism, prism

__all__ = ["HullForm", "bulwark", "hull_parts"]

Array = Any


@dataclass(frozen=True, kw_only=True)
class HullForm:
    """Plan and profile of one hull."""

    length_m: float
    """Length on deck."""
    beam_m: float
    """Beam of the parallel body, the same at every height."""
    rake_m: float = 0.0
    """How far the deck's tip reaches over the stem at the waterline."""
    fineness: float = 1.0
    """Length of the waterline's entrance over that of the deck: flare above 1."""
    sheer_bow_m: float = 0.0
    """Rise of the deck at the bow over that amidships."""
    sheer_stern_m: float = 0.0
    """Rise of the deck at the stern."""
    level_share: float = 0.0
    """Share of the half length about amidships without sheer."""

    @property
    def waterline_m(self) -> float:
        """Length at the waterline."""
        return self.length_m - self.rake_m

    def stations(self, height: float = 0.0) -> tuple[Array, Array]:
        """Return places along and half breadths at a share of the height, 0 water to 1 deck."""
        bow = np.linspace(0.0, 1.0, 7)
        entrance = min(0.16 * self.length_m, 1.3 * self.beam_m)
        entrance *= self.fineness + (1.0 - self.fineness) * height
        tip = 0.5 * self.length_m - self.rake_m * (1.0 - height)
        power = 2.3 if self.fineness == 1.0 else 1.9 + 0.4 * height
        along = np.concatenate(
            [[-0.5 * self.length_m, -0.44 * self.length_m], tip - entrance * (1 - bow)]
        )
        half = 0.5 * self.beam_m * np.concatenate([[0.80, 1.0], np.maximum(1 - bow**power, 0.04)])
        return along, half

    def outline(self, height: float = 0.0) -> Array:
        """Return the plan, (k, 2) along and across, at a share of the height."""
        along, half = self.stations(height)
        return np.vstack([np.column_stack([along, -half]), np.column_stack([along, half])[::-1]])

    def half_breadth(self, along: Array, height: float = 1.0) -> Array:
        """Return half breadths at places along."""
        return np.interp(along, *self.stations(height))

    def between(self, start: float, end: float, *, height: float = 1.0) -> Array:
        """Return the plan between two places along."""
        along, half = self.stations(height)
        inner = along[(along > start + 0.01) & (along < end - 0.01)]
        cut = np.concatenate([[start], inner, [end]])
        width = np.maximum(np.interp(cut, along, half), 0.1)
        return np.vstack([np.column_stack([cut, -width]), np.column_stack([cut, width])[::-1]])

    def sheer_at(self, along: Array) -> Array:
        """Return the deck's rise over amidships at places along: a parabola beyond a level part."""
        share = np.clip(np.abs(along) / (0.5 * self.length_m), 0.0, 1.0)
        beyond = np.maximum(share - self.level_share, 0.0) / max(1.0 - self.level_share, 1e-6)
        top = np.where(np.asarray(along) > 0, self.sheer_bow_m, self.sheer_stern_m)
        return top * beyond**2

    def line(self, start: float, end: float) -> tuple[float, float]:
        """Return height over amidships halfway and slope of the deck between two places along."""
        low, high = (float(self.sheer_at(np.array(place))) for place in (start, end))
        return 0.5 * (low + high), (high - low) / (end - start)

    def cuts(self, start: float, end: float, step_m: float = 12.0) -> Array:
        """Return places along that divide a stretch of deck into nearly straight pieces."""
        if self.sheer_bow_m == 0 and self.sheer_stern_m == 0:
            return np.array([start, end])
        return np.linspace(start, end, max(2, round((end - start) / step_m)) + 1)


def hull_parts(
    form: HullForm, freeboard_m: float, deck: str, side: str, tone: float
) -> list[Prism]:
    """Return the hull up to the main deck, which stands `freeboard_m` above water amidships."""
    end = 0.5 * form.length_m
    flared = form.rake_m > 0
    shoulder = end - min(0.24 * form.length_m, 1.9 * form.beam_m) if flared else end
    parts = [
        _piece(form, (start, stop), (0.0, freeboard_m), (deck, side), tone)
        for start, stop in itertools.pairwise(form.cuts(-end, shoulder))
    ]
    if not flared:
        return parts
    # Each layer stands out over the one below it.
    level = freeboard_m + float(form.sheer_at(np.array(shoulder)))
    steps = level * np.array([0.0, 0.25, 0.5, 0.75])
    for number, (low, high) in enumerate(itertools.pairwise(steps)):
        share = number / 3.0
        tip = float(form.stations(share)[0][-1])
        plan = form.between(shoulder, tip, height=share)
        parts.append(prism(plan, (float(low), float(high)), deck, side, tone=tone))
    parts += [
        _piece(form, (start, stop), (float(steps[-1]), freeboard_m), (deck, side), tone)
        for start, stop in itertools.pairwise(form.cuts(shoulder, end, 8.0))
    ]
    return parts


def _piece(
    form: HullForm,
    span: tuple[float, float],
    heights: tuple[float, float],
    colours: tuple[str, str],
    tone: float,
) -> Prism:
    rise, slope = form.line(*span)
    return prism(
        form.between(*span),
        (heights[0], heights[1] + rise),
        *colours,
        tone=tone,
        slope=(slope, 0.0),
        pivot=(0.5 * (span[0] + span[1]), 0.0),
    )


def bulwark(
    form: HullForm,
    span: tuple[float, float],
    heights: tuple[float, float],
    colour: str,
    *,
    thick_m: float = 0.15,
) -> list[Prism]:
    """Return plates along both edges of the deck.

    Parameters
    ----------
    form
        The hull.
    span
        Where along they begin and end [m].
    heights
        Base and top over the main deck's height amidships; both follow the sheer [m].
    colour
        Material.
    thick_m
        Their thickness [m].
    """
    along, _ = form.stations(1.0)
    inner = along[(along > span[0] + 0.5) & (along < span[1] - 0.5)]
    places = np.unique(np.concatenate([[span[0]], inner, form.cuts(*span), [span[1]]]))
    parts = []
    for start, stop in itertools.pairwise(places):
        if stop - start < 0.3:
            continue
        rise, slope = form.line(float(start), float(stop))
        wide = form.half_breadth(np.array([start, stop]))
        thin = np.maximum(wide - thick_m, 0.0)
        for sign in (-1.0, 1.0):
            plan = [(start, sign * wide[0]), (stop, sign * wide[1]),
                    (stop, sign * thin[1]), (start, sign * thin[0])]  # fmt: skip
            parts.append(
                prism(
                    plan,
                    (heights[0] + min(rise, 0.0), heights[1] + rise),
                    colour,
                    colour,
                    slope=(slope, 0.0),
                    pivot=(0.5 * float(start + stop), 0.0),
                )
            )
    return parts
