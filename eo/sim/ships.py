"""What vessels look like: tankers, cargo ships, tugs, barges and boats, as prisms.

Lengthwise coordinates run from -length/2 at the stern to +length/2 at the bow.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np

from eo.sim.hullform import HullForm, bulwark, hull_parts
from eo.sim.options import Nuisances
from eo.sim.solids import Prism, box, prism, tilted

__all__ = ["boat_parts", "ship_form", "ship_parts", "tug_parts"]

Array = Any

_DECKS = ("deck-red", "deck-brown", "deck-green", "deck-grey", "deck-red", "deck-blue")
_SIDES = ("hull-black", "hull-red", "hull-blue", "hull-black", "hull-grey")


def ship_form(length_m: float, beam_m: float, style: int, nuisances: Nuisances) -> HullForm:
    """Return the shape of a ship's hull.

    Sheer: half of all small tankers have none amidships; at the ends it is a third to four fifths
    of the standard sheer of the load line convention (bow 50 (L/3 + 10) mm, stern half of it).
    Flare: the stem rakes by 1.5-3.5 % of the length and the waterline's entrance is longer.
    """
    rng = np.random.default_rng([style, 1])
    level = 0.5 if rng.random() < 0.5 else 0.0
    sheer = 0.050 * (length_m / 3 + 10) * rng.uniform(0.3, 0.8)
    rake = rng.uniform(0.015, 0.035) * length_m
    fine = rng.uniform(1.1, 1.25)
    form = HullForm(length_m=length_m, beam_m=beam_m)
    if nuisances.sheer:
        form = replace(
            form,
            sheer_bow_m=float(sheer),
            sheer_stern_m=float(0.5 * sheer),
            level_share=level,
        )
    if nuisances.flare:
        form = replace(form, rake_m=float(rake), fineness=float(fine))
    return form


def ship_parts(
    form: HullForm,
    freeboard_m: float,
    style: int,
    *,
    nuisances: Nuisances | None = None,
    trim_m: float = 0.0,
    heel_deg: float = 0.0,
    kind: str = "tanker",
) -> list[Prism]:
    """Return a ship's solids.

    Parameters
    ----------
    form
        Her hull.
    freeboard_m
        Main deck above the water amidships [m].
    style
        Seed of colours and fittings.
    nuisances
        What stands on deck: `clutter` (pipes, manifold, crane, hatches), `bulwark`, `cranes` (a
        hose crane's jib swung out over the side); None: nothing.
    trim_m
        Draught aft less draught forward [m].
    heel_deg
        Starboard side up [deg].
    kind
        tanker or cargo (hatches in place of pipes).
    """
    rng = np.random.default_rng(style)
    deck = str(rng.choice(_DECKS))
    side = str(rng.choice(_SIDES))
    tone = float(rng.uniform(0.85, 1.2))
    length_m, end = form.length_m, form.length_m / 2
    parts = hull_parts(form, freeboard_m, deck, side, tone)
    castle = rng.uniform(0.08, 0.105) * length_m
    rise, slope = form.line(end - castle, end)
    lift = float(rng.uniform(2.2, 2.7))
    parts.append(
        prism(
            form.between(end - castle, end),
            (freeboard_m - 0.3, freeboard_m + rise + lift),
            deck,
            side,
            tone=tone,
            slope=(slope, 0.0),
            pivot=(end - castle / 2, 0.0),
        )
    )
    parts += _house(form, freeboard_m, colours=(deck, side), rng=rng)
    if nuisances is not None and nuisances.clutter:
        fittings = _tanker_deck if kind == "tanker" else _cargo_deck
        parts += fittings(form, freeboard_m, castle, rng)
    if nuisances is not None and nuisances.bulwark:
        parts += _plates(form, freeboard_m, (castle, lift), side, style)
    if nuisances is not None and nuisances.cranes and kind == "tanker":
        parts += _jib(form, freeboard_m, style)
    return tilted(parts, trim_m / length_m, float(np.tan(np.radians(heel_deg))))


def _plates(
    form: HullForm, deck_m: float, castle: tuple[float, float], side: str, style: int
) -> list[Prism]:
    """Bulwark of a metre about the forecastle, a gutter bar along the cargo deck.

    Every sixth ship has a bulwark along a part of the cargo deck too.
    """
    rng = np.random.default_rng([style, 2])
    end = 0.5 * form.length_m
    front, aft = end - castle[0], -0.28 * form.length_m
    top = deck_m + castle[1]
    bar = float(rng.uniform(0.05, 0.25))
    parts = bulwark(form, (front, end - 0.5), (top - 0.5, top + 1.0), side)
    parts += bulwark(form, (aft, front), (deck_m - 0.3, deck_m + bar), side, thick_m=0.08)
    if rng.random() < 1 / 6:
        start = float(rng.uniform(-0.25, 0.1)) * form.length_m
        stop = start + float(rng.uniform(0.08, 0.2)) * form.length_m
        height = float(rng.uniform(0.7, 1.0))
        parts += bulwark(form, (start, stop), (deck_m - 0.3, deck_m + height), side)
    return parts


def _jib(form: HullForm, deck_m: float, style: int) -> list[Prism]:
    """Jib of the hose crane, swung out over the side on every third ship."""
    rng = np.random.default_rng([style, 3])
    out = rng.random() < 1 / 3
    sign = 1.0 if rng.random() < 0.5 else -1.0
    along = float(rng.uniform(-0.04, 0.06)) * form.length_m
    reach = 0.5 * form.beam_m + float(rng.uniform(2.0, 5.0))
    if not out:
        return []
    post = box((along - 0.8, along + 0.8), (-0.8, 0.8), (deck_m - 0.6, deck_m + 8.0),
               "white", "white")  # fmt: skip
    arm = box((along - 0.5, along + 0.5), (min(0.0, sign * reach), max(0.0, sign * reach)),
              (deck_m + 7.0, deck_m + 8.0), "white", "white")  # fmt: skip
    return [post, arm]


def _house(
    form: HullForm, deck_m: float, *, colours: tuple[str, str], rng: np.random.Generator
) -> list[Prism]:
    deck, side = colours
    length_m, beam_m = form.length_m, form.beam_m
    end = length_m / 2
    deck_m = deck_m + form.line(-end, -end + 0.17 * length_m)[0]
    start = -end + rng.uniform(0.05, 0.07) * length_m
    stop = start + max(0.10 * length_m, 11.0)
    top = deck_m + rng.uniform(9.5, 12.5) + 0.02 * length_m
    wide = rng.uniform(0.38, 0.44) * beam_m
    parts = []
    poop = deck_m
    if rng.random() < 0.6:
        poop = deck_m + rng.uniform(2.2, 2.6)
        parts.append(
            prism(
                form.between(-end, stop + 0.02 * length_m),
                (deck_m - 0.5, poop),
                deck,
                side,
            )
        )
    tier = poop + 0.55 * (top - poop)
    parts += [
        box((start, stop), (-wide, wide), (deck_m - 0.5, tier), "white", "white"),
        box(
            (start + 2.0, stop), (-0.8 * wide, 0.8 * wide), (tier, top), "white", "white", tone=0.95
        ),
        box((stop - 4.0, stop), (-beam_m / 2, beam_m / 2), (top - 2.6, top), "white", "white"),
        box((start - 1.0, start + 3.0), (-1.8, 1.8), (deck_m, top + 2.5), "rust", "hull-blue"),
        box((stop - 3.0, stop - 2.2), (-0.4, 0.4), (top, top + 6.0), "white", "white"),
    ]
    return parts


def _tanker_deck(
    form: HullForm, deck_m: float, castle_m: float, rng: np.random.Generator
) -> list[Prism]:
    length_m, beam_m = form.length_m, form.beam_m
    front = length_m / 2 - castle_m - 2.0
    aft = -length_m / 2 + 0.24 * length_m
    middle = 0.5 * (front + aft) + rng.uniform(-0.04, 0.04) * length_m
    wide = float(rng.uniform(0.9, 1.8))
    low = deck_m - 0.6
    parts = []
    for start, stop in itertools.pairwise(form.cuts(float(aft), float(front))):
        rise, slope = form.line(float(start), float(stop))
        rack = box((start, stop), (-wide, wide), (low, deck_m + 1.4 + rise), "pipe", "pipe")
        half = 0.5 * float(start + stop)
        parts.append(replace(rack, slope=(slope, 0.0), pivot=(half, 0.0)))
    parts += [
        box((middle - 2.5, middle + 2.5), (-0.42 * beam_m, 0.42 * beam_m), (low, deck_m + 1.3),
            "pipe", "pipe", tone=0.9),
        box((middle + 4.0, middle + 6.0), (-1.0, 1.0), (low, deck_m + 8.0), "white", "white"),
    ]  # fmt: skip
    for along in np.arange(aft + 5.0, front - 4.0, 0.09 * length_m):
        top = deck_m + 0.9 + float(form.sheer_at(np.array(along)))
        parts += [
            box((along, along + 1.8), (across - 0.9, across + 0.9), (low, top),
                "deck-grey", "deck-grey", tone=float(rng.uniform(0.7, 1.5)))
            for across in (-0.26 * beam_m, 0.26 * beam_m)
        ]  # fmt: skip
    return parts


def _cargo_deck(
    form: HullForm, deck_m: float, castle_m: float, rng: np.random.Generator
) -> list[Prism]:
    length_m, beam_m = form.length_m, form.beam_m
    front = length_m / 2 - castle_m - 4.0
    aft = -length_m / 2 + 0.22 * length_m
    edges = np.linspace(aft, front, 5)
    tone = float(rng.uniform(0.8, 1.0))
    return [
        box((start + 1.5, stop - 1.5), (-0.36 * beam_m, 0.36 * beam_m),
            (deck_m - 0.6, deck_m + 2.0), "deck-green", "deck-green", tone=tone)
        for start, stop in itertools.pairwise(edges)
    ]  # fmt: skip


def tug_parts(length_m: float, beam_m: float, style: int) -> list[Prism]:
    """Return a tug's solids."""
    rng = np.random.default_rng(style)
    deck = str(rng.choice(("deck-red", "deck-green", "orange")))
    end = length_m / 2
    return [
        prism(HullForm(length_m=length_m, beam_m=beam_m).outline(), (0.0, 1.6), deck, "hull-black"),
        box((-0.05 * length_m, 0.25 * length_m), (-0.32 * beam_m, 0.32 * beam_m), (1.6, 5.5),
            "white", "white"),
        box((0.05 * length_m, 0.18 * length_m), (-0.2 * beam_m, 0.2 * beam_m), (5.5, 8.5),
            "white", "white"),
        box((-0.16 * length_m, -0.08 * length_m), (-1.0, 1.0), (1.6, min(7.5, end)), "orange",
            "orange"),
    ]  # fmt: skip


def boat_parts(length_m: float, beam_m: float, style: int) -> list[Prism]:
    """Return a small boat's solids."""
    rng = np.random.default_rng(style)
    deck = str(rng.choice(("white", "deck-grey", "orange", "white")))
    return [
        prism(HullForm(length_m=length_m, beam_m=beam_m).outline(), (0.0, 1.0), deck, "white"),
        box((-0.2 * length_m, 0.15 * length_m), (-0.3 * beam_m, 0.3 * beam_m), (1.0, 2.6),
            "white", "white"),
    ]  # fmt: skip
