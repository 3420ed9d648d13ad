"""How full ships here usually are: learnt from all looks together.

Ships come in ballast and go laden, or the other way: they lie so far more often than half full, at
some ports more than at others. The density of fills in a campaign is what its looks' own
likelihoods together say of it: a mixture of broad bumps, whose shares expectation-maximisation
finds, held to what is usual anywhere by the weight of a few looks. Without that, how deep ships in
ballast lie and how many are in ballast would be told by the same looks. A stay is told what all
*other* stays say, so that neither a look counts twice nor the stage of a call enters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["flat_density", "usual_fills"]

_BUMP_STEP, _BUMP_SD = 0.1, 0.05
"""Places and widths of the bumps, as fills: ballast and marks differ by that from voyage to voyage.
"""
_USUAL_FLAT = 0.4
_USUAL_BUMPS = np.array([30, 4, 1, 1, 1, 1, 1, 1, 5, 10, 5]) / 100.0
"""Shares of the flat density and of the bumps, by place, that are usual anywhere: ballast is what
fill 0 is defined by, and laden is most often a little less than the marks."""
_HELD_BY = 10.0
"""Looks that these are worth."""
_ROUNDS, _ROUNDS_WITHOUT = 60, 15
"""Of the expectation-maximisation over all stays, and from there without one of them."""


def flat_density(fills: Any) -> Any:
    """Return any fill alike: a density (fill,) that sums to 1."""
    return np.full(len(fills), 1.0 / len(fills))


def usual_fills(fills: Any, stays: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return how often ships lie at each fill, as all other stays tell it to each.

    Parameters
    ----------
    fills
        (fill,), evenly spread.
    stays
        By call, likelihoods (fill,) of its looks, each up to a factor.

    Returns
    -------
    dict
        (fill,) by call, each sums to 1; by `""`, what all stays say. Where nothing is said, what is
        usual anywhere.

    Notes
    -----
    The shares of a mixture of Gaussians and a flat density, by expectation-maximisation with a
    Dirichlet prior (Dempster, Laird, Rubin 1977, doi:10.1111/j.2517-6161.1977.tb01600.x); the
    likelihood is concave in the shares, so that nothing depends on where it begins. Looks of one
    stay are much alike and count as the root of their number.
    """
    flat = flat_density(fills)
    places = np.arange(0.0, 1.0 + 0.5 * _BUMP_STEP, _BUMP_STEP)
    bumps = np.exp(-0.5 * ((fills[None, :] - places[:, None]) / _BUMP_SD) ** 2)
    parts = np.concatenate([flat[None, :], bumps / bumps.sum(axis=1, keepdims=True)])
    anywhere = np.append(_USUAL_FLAT, _USUAL_BUMPS)
    held = anywhere * _HELD_BY
    told = [(key, said) for key in sorted(stays) for said in stays[key]]
    if not told:
        return dict.fromkeys(["", *stays], anywhere @ parts)
    owner = np.array([key for key, _ in told])
    seen = np.array([said / said.sum() for _, said in told]) @ parts.T
    worth = np.array([len(stays[key]) ** -0.5 for key in owner])
    share = _shares(seen, worth, held, anywhere, _ROUNDS)
    usual = {"": share @ parts}
    for key in stays:
        others = owner != key
        without = _shares(seen[others], worth[others], held, share, _ROUNDS_WITHOUT)
        usual[key] = without @ parts
    return usual


def _shares(seen: Any, worth: Any, held: Any, start: Any, rounds: int) -> Any:
    """Return the parts' shares (part,) that looks (look, part) make likeliest."""
    share = start
    for _ in range(rounds):
        belongs = seen * share
        belongs = belongs / belongs.sum(axis=1, keepdims=True)
        share = held + (worth[:, None] * belongs).sum(axis=0)
        share = share / share.sum()
    return share
