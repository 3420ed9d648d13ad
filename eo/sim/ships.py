"""What vessels look like: tankers, cargo ships, tugs, barges and boats, as prisms.

Lengthwise coordinates run from -length/2 at the stern to +length/2 at the bow.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from eo.sim.solids import Prism, box, prism

__all__ = ["boat_parts", "hull_outline", "ship_parts", "tug_parts"]

Array = Any

_DECKS = ("deck-red", "deck-brown", "deck-green", "deck-grey", "deck-red", "deck-blue")
_SIDES = ("hull-black", "hull-red", "hull-blue", "hull-black", "hull-grey")


def hull_outline(length_m: float, beam_m: float) -> Array:
    """Return a ship's plan, (k, 2) along and across: transom, parallel body, pointed bow."""
    along, half = _stations(length_m, beam_m)
    return np.vstack([np.column_stack([along, -half]), np.column_stack([along, half])[::-1]])


def _stations(length_m: float, beam_m: float) -> tuple[Array, Array]:
    bow = np.linspace(0.0, 1.0, 7)
    entrance = 0.5 * length_m - min(0.16 * length_m, 1.3 * beam_m) * (1 - bow)
    along = np.concatenate([[-0.5 * length_m, -0.44 * length_m], entrance])
    half = 0.5 * beam_m * np.concatenate([[0.80, 1.0], np.maximum(1 - bow**2.3, 0.04)])
    return along, half


def _slice(length_m: float, beam_m: float, start: float, end: float, inset_m: float = 0.0) -> Array:
    """Plan of the hull between two lengthwise coordinates."""
    along, half = _stations(length_m, beam_m)
    inner = along[(along > start + 0.01) & (along < end - 0.01)]
    cut = np.concatenate([[start], inner, [end]])
    width = np.maximum(np.interp(cut, along, half) - inset_m, 0.1)
    return np.vstack([np.column_stack([cut, -width]), np.column_stack([cut, width])[::-1]])


def ship_parts(
    length_m: float,
    beam_m: float,
    freeboard_m: float,
    style: int,
    *,
    trim_m: float = 0.0,
    clutter: bool = True,
    kind: str = "tanker",
) -> list[Prism]:
    """Return a ship's solids.

    Parameters
    ----------
    length_m, beam_m
        Her plan.
    freeboard_m
        Main deck above the water amidships [m].
    style
        Seed of colours and fittings.
    trim_m
        Draught aft less draught forward [m].
    clutter
        Whether pipes, manifold, crane and hatches stand on deck.
    kind
        tanker or cargo (hatches in place of pipes).
    """
    rng = np.random.default_rng(style)
    deck = str(rng.choice(_DECKS))
    side = str(rng.choice(_SIDES))
    tone = float(rng.uniform(0.85, 1.2))
    end = length_m / 2
    cuts = np.linspace(-end, end, 7)
    parts = [
        prism(
            _slice(length_m, beam_m, start, stop),
            (0.0, freeboard_m + trim_m * (start + stop) / 2 / length_m),
            deck,
            side,
            tone=tone,
        )
        for start, stop in itertools.pairwise(cuts)
    ]
    bow_deck = freeboard_m + trim_m * 0.45
    stern_deck = freeboard_m - trim_m * 0.4
    castle = rng.uniform(0.08, 0.105) * length_m
    parts.append(
        prism(
            _slice(length_m, beam_m, end - castle, end),
            (bow_deck - 0.3, bow_deck + rng.uniform(2.2, 2.7)),
            deck,
            side,
            tone=tone,
        )
    )
    parts += _house(length_m, beam_m, stern_deck, colours=(deck, side), rng=rng)
    if clutter and kind == "tanker":
        parts += _tanker_deck(length_m, beam_m, freeboard_m, castle, rng)
    elif clutter:
        parts += _cargo_deck(length_m, beam_m, freeboard_m, castle)
    return parts


def _house(
    length_m: float,
    beam_m: float,
    deck_m: float,
    *,
    colours: tuple[str, str],
    rng: np.random.Generator,
) -> list[Prism]:
    deck, side = colours
    end = length_m / 2
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
                _slice(length_m, beam_m, -end, stop + 0.02 * length_m),
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
    length_m: float, beam_m: float, deck_m: float, castle_m: float, rng: np.random.Generator
) -> list[Prism]:
    front = length_m / 2 - castle_m - 2.0
    aft = -length_m / 2 + 0.24 * length_m
    middle = 0.5 * (front + aft) + rng.uniform(-0.04, 0.04) * length_m
    wide = rng.uniform(0.9, 1.8)
    low = deck_m - 0.6
    parts = [
        box((aft, front), (-wide, wide), (low, deck_m + 1.4), "pipe", "pipe"),
        box((middle - 2.5, middle + 2.5), (-0.42 * beam_m, 0.42 * beam_m), (low, deck_m + 1.3),
            "pipe", "pipe", tone=0.9),
        box((middle + 4.0, middle + 6.0), (-1.0, 1.0), (low, deck_m + 8.0), "white", "white"),
    ]  # fmt: skip
    parts += [
        box((along, along + 1.8), (across - 0.9, across + 0.9), (low, deck_m + 0.9),
            "deck-grey", "deck-grey", tone=float(rng.uniform(0.7, 1.5)))
        for along in np.arange(aft + 5.0, front - 4.0, 0.09 * length_m)
        for across in (-0.26 * beam_m, 0.26 * beam_m)
    ]  # fmt: skip
    return parts


def _cargo_deck(length_m: float, beam_m: float, deck_m: float, castle_m: float) -> list[Prism]:
    front = length_m / 2 - castle_m - 4.0
    aft = -length_m / 2 + 0.22 * length_m
    edges = np.linspace(aft, front, 5)
    return [
        box((start + 1.5, stop - 1.5), (-0.36 * beam_m, 0.36 * beam_m),
            (deck_m - 0.6, deck_m + 2.0), "deck-green", "deck-green", tone=0.9)
        for start, stop in itertools.pairwise(edges)
    ]  # fmt: skip


def tug_parts(length_m: float, beam_m: float, style: int) -> list[Prism]:
    """Return a tug's solids."""
    rng = np.random.default_rng(style)
    deck = str(rng.choice(("deck-red", "deck-green", "orange")))
    end = length_m / 2
    return [
        prism(hull_outline(length_m, beam_m), (0.0, 1.6), deck, "hull-black"),
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
        prism(hull_outline(length_m, beam_m), (0.0, 1.0), deck, "white"),
        box((-0.2 * length_m, 0.15 * length_m), (-0.3 * beam_m, 0.3 * beam_m), (1.0, 2.6),
            "white", "white"),
    ]  # fmt: skip
