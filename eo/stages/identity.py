"""Who she may be: length and beam against the fleet, and nobody in two places at once.

The fleet file lists some vessels, not all, so `none of them` is always a candidate. Nothing is
said here of fill: what a vessel carried never tells who she is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eo.core.records import Candidate, Vessel
from eo.physics.hull import WATERLINE_SHARE

__all__ = ["IDENTIFIED_FROM", "Visit", "identify", "own_vessel_id"]

IDENTIFIED_FROM = 0.6
"""Posterior probability from which a stay bears the id of a fleet vessel."""
KEPT_FROM = 1e-3
"""Candidates less likely than this are dropped, and the rest scaled up."""

_NONE_PRIOR, _NONE_WEIGHT = 0.3, 10.0
"""Prior chance that a ship in port is not in the fleet file, and how many calls it is worth."""
_WATERLINE_SD, _BEAM_SD = 0.01, 0.02
"""What all looks at one ship get wrong alike, of her length and beam."""
_STUDENT_DOF = 3.0
"""Of measured lengths and beams: a tug, a quay or a stern in shade is taken for hull now and then,
and one such look must not make a stranger of a ship."""
_SLENDERNESS = 6.3
"""Length over beam of tankers of 60-180 m; its spread is 10 %."""
_OF_ANY_LENGTH, _LENGTHS_M = 0.2, (60.0, 400.0)
"""Share of strangers that may be of any length, as likely in each octave: a fleet file of coasters
says nothing against a ship of 180 m."""
_ROUNDS = 30
_LEARNT_IN = 8
"""Rounds in which the share of unlisted ships settles."""


@dataclass(frozen=True, kw_only=True)
class Visit:
    """What a stay tells of the ship: her size, and when she was surely there."""

    length_m: float
    """Length at the waterline, over all sightings."""
    length_sd_m: float
    """Its standard deviation."""
    beam_m: float
    """Beam, over all sightings."""
    beam_sd_m: float
    """Its standard deviation."""
    first_d: float
    """First sighting [days since any common moment]."""
    last_d: float
    """Last sighting [days since that moment]."""


def own_vessel_id(detection_id: str) -> str:
    """Return the id of a vessel that no fleet file names, from her first sighting."""
    return "u-" + hashlib.sha256(detection_id.encode()).hexdigest()[:12]


def identify(visits: Sequence[Visit], fleet: Sequence[Vessel]) -> list[tuple[Candidate, ...]]:
    """Return, for each visit, everyone she may be, the likeliest first.

    Parameters
    ----------
    visits
        All stays of the campaign.
    fleet
        The fleet file's vessels.

    Returns
    -------
    list of tuple of Candidate
        Probabilities of each visit sum to 1; `vessel_id` None is `none of them`.

    Notes
    -----
    Two visits that overlap in time cannot be one vessel. The marginals under that constraint
    are found by loopy belief propagation on the graph of overlapping visits (the message of a
    neighbour about a vessel is the chance that she does not need her), as in data association
    (Williams, Lau, IEEE Trans. AES 50, 2014, doi:10.1109/TAES.2014.120568). Messages are
    updated all at once, so that the order of visits never shows.
    """
    vessels = sorted(fleet, key=lambda v: v.vessel_id)
    if not vessels or not visits:
        return [(Candidate(vessel_id=None, probability=1.0),) for _ in visits]
    likelihood = np.array([_likelihoods(visit, vessels) for visit in visits])
    likelihood, conflicts = likelihood.reshape(len(visits), -1), _conflicts(visits)
    belief = _exclusive(likelihood, conflicts)
    for _ in range(_LEARNT_IN):
        # How many ships the file does not list, all visits tell together.
        none = (_NONE_WEIGHT * _NONE_PRIOR + belief[:, -1].sum()) / (_NONE_WEIGHT + len(visits))
        odds = none / (1.0 - none) * (1.0 - _NONE_PRIOR) / _NONE_PRIOR
        weighed = likelihood * np.append(np.ones(len(vessels)), odds)
        belief = _exclusive(weighed / weighed.sum(axis=1, keepdims=True), conflicts)
    return [_candidates(row, vessels) for row in belief]


def _likelihoods(visit: Visit, vessels: Sequence[Vessel]) -> NDArray[np.float64]:
    """Prior times likelihood of each vessel, and last of none of them; scaled to sum to 1."""
    lengths = np.array([v.length_m for v in vessels])
    beams = np.array([v.beam_m for v in vessels])
    length_var = visit.length_sd_m**2 + (_WATERLINE_SD * lengths) ** 2
    beam_var = visit.beam_sd_m**2 + (_BEAM_SD * beams) ** 2
    known = _log_student((visit.length_m - WATERLINE_SHARE * lengths) ** 2, length_var)
    known = known + _log_student((visit.beam_m - beams) ** 2, beam_var)
    other = _stranger_log_density(visit, lengths, beams)
    logs = np.append(
        known + np.log((1.0 - _NONE_PRIOR) / len(vessels)), other + np.log(_NONE_PRIOR)
    )
    weights = np.exp(logs - logs.max())
    return np.asarray(weights / weights.sum())


def _log_student(square: NDArray[np.float64], variance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log density of a deviation squared under Student's law, but for a constant."""
    heavy = (_STUDENT_DOF + 1.0) * np.log1p(square / (variance * _STUDENT_DOF))
    return -0.5 * (heavy + np.log(variance))


def _stranger_log_density(
    visit: Visit, lengths: NDArray[np.float64], beams: NDArray[np.float64]
) -> float:
    """Log density of the size of a ship that is not in the fleet file, but of its kind.

    Lengths spread about the fleet's (a kernel density, no narrower than 8 m) or anywhere;
    slenderness and its scatter are the fleet's, held to what is usual by the weight of three
    ships. Tails are as heavy as those of the fleet's ships, or a ship like none of them would be
    one of them.
    """
    number = lengths.size
    width = max(8.0, 1.06 * float(np.std(lengths)) * number**-0.2)
    length_var = width**2 + visit.length_sd_m**2
    apart = (visit.length_m - WATERLINE_SHARE * lengths) ** 2 / length_var
    by_length = float(np.mean(np.exp(-0.5 * apart))) / length_var**0.5
    shortest, longest = _LENGTHS_M
    anywhere = float(np.sqrt(2.0 * np.pi) / visit.length_m / np.log(longest / shortest))
    by_length = (1.0 - _OF_ANY_LENGTH) * by_length + _OF_ANY_LENGTH * anywhere
    slender = lengths / beams
    mean = (3.0 * _SLENDERNESS + float(slender.sum())) / (3.0 + number)
    scatter = 3.0 * (0.1 * _SLENDERNESS) ** 2 + float(((slender - mean) ** 2).sum())
    usual_beam = visit.length_m / mean
    beam_var = usual_beam**2 * scatter / (3.0 + number) / mean**2 + visit.beam_sd_m**2
    by_beam = _log_student(np.array((visit.beam_m - usual_beam) ** 2), np.array(beam_var))
    return float(np.log(by_length) + by_beam)


def _conflicts(visits: Sequence[Visit]) -> list[tuple[int, int]]:
    """Pairs (both ways) of visits that overlap in time."""
    return [
        (i, j)
        for i, a in enumerate(visits)
        for j, b in enumerate(visits)
        if i != j and a.first_d <= b.last_d and b.first_d <= a.last_d
    ]


def _exclusive(
    likelihood: NDArray[np.float64], conflicts: Sequence[tuple[int, int]]
) -> NDArray[np.float64]:
    """Marginals (visit, vessel + none) where no vessel serves two conflicting visits."""
    if not conflicts:
        return likelihood
    pairs = np.array(conflicts)
    reverse = {pair: k for k, pair in enumerate(conflicts)}
    back = np.array([reverse[j, i] for i, j in conflicts])
    # message[k]: what visit i of pair (i, j) tells j, as log chance that i leaves each vessel.
    message = np.zeros((len(pairs), likelihood.shape[1]))
    log_likelihood = np.log(np.maximum(likelihood, 1e-300))

    def beliefs() -> NDArray[np.float64]:
        total = log_likelihood.copy()
        np.add.at(total, pairs[:, 1], message)
        return total

    for _ in range(_ROUNDS):
        cavity = _normalised(beliefs()[pairs[:, 0]] - message[back])
        free = np.log(np.maximum(1.0 - cavity, 1e-6))
        free[:, -1] = 0.0  # any number of visits may be strangers
        message = 0.5 * (message + free)
    return _normalised(beliefs())


def _normalised(logs: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _candidates(row: NDArray[np.float64], vessels: Sequence[Vessel]) -> tuple[Candidate, ...]:
    ids: list[str | None] = [*(v.vessel_id for v in vessels), None]
    kept = [(float(p), i) for p, i in zip(row, ids, strict=True) if p >= KEPT_FROM or i is None]
    total = sum(p for p, _ in kept)
    kept.sort(key=lambda entry: (-entry[0], entry[1] is None, entry[1] or ""))
    return tuple(Candidate(vessel_id=i, probability=p / total) for p, i in kept)
