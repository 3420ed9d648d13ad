"""How many different ships stand behind some calls.

Length and beam seldom settle who a ship is, so that counting names counts too few and counting
unknown ships once each counts too many. Here every call's identity is drawn from everyone she
may be, and the ships of each draw are counted; strangers of one length count as few as can be.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from eo.core.records import Stay
from eo.core.rows import PortCall

__all__ = ["distinct_vessels"]

DRAWS = 200
_SAME_LENGTH = 0.04
"""Strangers whose lengths differ by less than this share may be one ship."""

Floats = NDArray[np.float64]


def distinct_vessels(calls: Sequence[PortCall], stays: Mapping[str, Stay]) -> int:
    """Return the likely number of different ships: the median over drawn identities.

    Parameters
    ----------
    calls
        The calls.
    stays
        Their stays by call_id, for everyone a ship may be; a call without one is taken for the
        vessel whose id it bears.

    Notes
    -----
    Strangers (ships that are not in the fleet file) are sorted by length; those within 4 % may
    be one ship, and as many of them count as were in port at one time: the least that is
    possible. Without a fleet file the number is therefore a lower bound.
    """
    if not calls:
        return 0
    ordered = sorted(calls, key=lambda c: (c.length_m, c.call_id))
    seed = hashlib.sha256("".join(c.call_id for c in ordered).encode()).digest()
    rng = np.random.default_rng(int.from_bytes(seed[:8], "big"))
    names: dict[str, int] = {}
    drawn = np.full((DRAWS, len(ordered)), -1)
    for j, call in enumerate(ordered):
        whom, chance = _whom(call, stays.get(call.call_id))
        index = np.array([-1 if w is None else names.setdefault(w, len(names)) for w in whom])
        drawn[:, j] = index[rng.choice(index.size, size=DRAWS, p=chance)]
    lengths = np.array([c.length_m for c in ordered])
    first = np.array([c.first_seen.timestamp() for c in ordered])
    last = np.array([c.last_seen.timestamp() for c in ordered])
    # Without a fleet file all draws are one: each different draw is counted once.
    rows, times = np.unique(drawn, axis=0, return_counts=True)
    counts = []
    for row, repeated in zip(rows, times, strict=True):
        stranger = row < 0
        known = np.unique(row[~stranger]).size
        fewest = _fewest(lengths[stranger], first[stranger], last[stranger])
        counts += [known + fewest] * int(repeated)
    return int(np.percentile(counts, 50, method="inverted_cdf"))


def _whom(call: PortCall, stay: Stay | None) -> tuple[list[str | None], Floats]:
    """Everyone she may be (None: a stranger), and how likely each is."""
    if stay is None or not stay.candidates:
        return [None if call.vessel_id.startswith("u-") else call.vessel_id], np.ones(1)
    chance = np.array([c.probability for c in stay.candidates])
    return [c.vessel_id for c in stay.candidates], chance / chance.sum()


def _fewest(lengths: Floats, first: Floats, last: Floats) -> int:
    """Return the fewest ships that explain strangers, sorted by length."""
    ships, begin = 0, 0
    while begin < lengths.size:
        end = int(np.searchsorted(lengths, lengths[begin] * (1.0 + _SAME_LENGTH), side="right"))
        came, went = np.sort(first[begin:end]), np.sort(last[begin:end])
        gone = np.searchsorted(went, came, side="left")
        ships += int(np.max(np.arange(1, came.size + 1) - gone))
        begin = end
    return ships
