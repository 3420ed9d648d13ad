"""Calls: sightings of one ship on consecutive looks become one stay.

A clear look of the berth without her ends a stay; a cloudy one does not, but the longer the
gap, the likelier that another ship of her size lies there. Both are weighed in one log-odds of
`same ship` against `another one`: time, size and place. Everything is decided in the order of
the looks and by content, so that the order of input never shows.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from eo.core.config import ANCHORAGE
from eo.core.records import Candidate, Hull, Sighting, Stay, Vessel
from eo.core.rows import Look
from eo.stages.draws import quantiles
from eo.stages.dwell import DWELL_MEDIAN_D, remain_probability
from eo.stages.identity import IDENTIFIED_FROM, Visit, identify, own_vessel_id
from eo.stages.looks import CLEAR_FROM
from eo.stages.passes import SHIP_LENGTH_M, best_of_pass, is_ship, may_be_ship, outline_overlap

__all__ = ["link_stays"]

MAX_GAP_D = 10.0
"""Days without any sighting after which a stay is over, whatever the clouds hid."""

_DAY = dt.timedelta(days=1)
_SIZE_SIGMAS = 4.0
_ANOTHER_THERE = 0.5
"""Chance that, had she left, another ship would lie at her place in the next look."""
_FAR = 1e6
_STUDENT_DOF, _ROUNDS = 3.0, 8
"""Of what looks say of one ship's size, and how often their trust is weighed anew."""


@dataclass(frozen=True)
class _View:
    """One pass over the port: the best any of its scenes saw of each berth."""

    time: dt.datetime
    acquisition_id: str
    clear: dict[str, float]
    """Clear share of each berth's water; berths outside the scenes are absent."""

    def of(self, berth: str | None) -> float | None:
        """Clear share of a berth, or of the least clear one for ships outside all berths."""
        if berth is not None:
            return self.clear.get(berth)
        return min(self.clear.values(), default=None)


@dataclass
class _Track:
    """A stay in the making."""

    seen: list[Sighting]
    """One sighting per look, by time."""
    doubt: float = 0.0
    """Log chance that she was overlooked in the partly clear looks since she was last seen."""
    members: list[str] = field(default_factory=list)
    """All her sightings, duplicates of a pass included."""

    @property
    def berth(self) -> str | None:
        named = Counter(s.berth for s in self.seen if s.berth is not None)
        return min(named, key=lambda name: (-named[name], name)) if named else None

    @property
    def first(self) -> dt.datetime:
        return _time(self.seen[0])

    @property
    def last(self) -> dt.datetime:
        return _time(self.seen[-1])

    def size(self) -> tuple[float, float, float, float]:
        """Length, its sd, beam, its sd [m] over all sightings."""
        hulls = [s.hull for s in self.seen]
        length, length_sd = _combined([(h.length_m, h.length_sd_m) for h in hulls], 0.5)
        beam, beam_sd = _combined([(h.beam_m, h.beam_sd_m) for h in hulls], 0.2)
        return length, length_sd, beam, beam_sd

    def is_ship(self) -> bool:
        """Whether one look shows a ship well, and all of them together say 60 m or more."""
        return any(is_ship(s) for s in self.seen) and self.size()[0] >= SHIP_LENGTH_M


def link_stays(
    sightings: Iterable[Sighting],
    looks: Iterable[Look],
    fleet: Sequence[Vessel],
    *,
    start: dt.datetime,
    end: dt.datetime,
    berths_given: bool,
) -> list[Stay]:
    """Link sightings into stays and say who each ship may be.

    Parameters
    ----------
    sightings
        Sightings of all scenes. One below 60 m, of low confidence or of small craft makes no
        stay, but may be one more look at a ship that others show well; tugs and sightings of
        unknown time belong to none.
    looks
        All looks (see `eo.stages.looks`).
    fleet
        Known vessels; may be empty.
    start, end
        The campaign's period, its end excluded.
    berths_given
        Whether calls count only at named berths.

    Returns
    -------
    list of Stay
        By first sighting. `arrival_after` and `departure_before` are the last clear look of her
        berth before, and the first after, without her; looks that are only partly clear may
        have hidden her and bound nothing. `counts` is true for a stay that arrived within the
        period (middle of its bracket; where there is no clear look before, half a typical stay
        before she was first seen), at a berth where berths are given.
    """
    all_ships = sorted((s for s in sightings if may_be_ship(s) and s.datetime), key=_order)
    speaker = best_of_pass(all_ships)
    ships = [s for s in all_ships if speaker[s.detection_id] == s.detection_id]
    views = _views(looks, ships)
    tracks = [track for track in _tracks(ships, views) if track.is_ship()]
    members: dict[str, list[str]] = {s.detection_id: [] for s in ships}
    for ship in all_ships:
        members[speaker[ship.detection_id]].append(ship.detection_id)
    for track in tracks:
        track.members = [i for s in track.seen for i in members[s.detection_id]]
    tracks.sort(key=lambda t: (t.first, t.seen[0].detection_id))
    candidates = identify([_visit(track, start) for track in tracks], fleet)
    return [
        _stay(track, views, whom, start=start, end=end, berths_given=berths_given)
        for track, whom in zip(tracks, candidates, strict=True)
    ]


# -------------------------------------------------------------------------------- the looks
def _order(sighting: Sighting) -> tuple[str, str]:
    return _time(sighting).isoformat(), sighting.detection_id


def _time(sighting: Sighting) -> dt.datetime:
    if sighting.datetime is None:  # filtered out before; keeps the type honest
        raise ValueError(f"sighting {sighting.detection_id} has no time")
    return sighting.datetime


def _views(looks: Iterable[Look], ships: Iterable[Sighting]) -> list[_View]:
    """Return passes by time; a pass of which only sightings are known is a view of nothing."""
    times: dict[str, dt.datetime] = {}
    clear: dict[str, dict[str, float]] = {}
    for ship in ships:
        moment = _time(ship)
        times[ship.acquisition_id] = min(times.get(ship.acquisition_id, moment), moment)
    for look in looks:
        if look.datetime is None:
            continue
        known = times.get(look.acquisition_id, look.datetime)
        times[look.acquisition_id] = min(known, look.datetime)
        if look.status == "outside":
            continue
        fraction = 0.0 if look.status == "cloudy" else (look.clear_fraction or 0.0)
        berths = clear.setdefault(look.acquisition_id, {})
        berths[look.berth] = max(berths.get(look.berth, 0.0), fraction)
    views = [_View(time=t, acquisition_id=a, clear=clear.get(a, {})) for a, t in times.items()]
    return sorted(views, key=lambda v: (v.time, v.acquisition_id))


# ------------------------------------------------------------------------------- the linking
def _tracks(ships: Sequence[Sighting], views: Sequence[_View]) -> list[_Track]:
    by_pass: dict[str, list[Sighting]] = {}
    for ship in ships:
        by_pass.setdefault(ship.acquisition_id, []).append(ship)
    closed: list[_Track] = []
    live: list[_Track] = []
    for view in views:
        new = by_pass.get(view.acquisition_id, [])
        pairs = _assign(live, new, view)
        for i, j in pairs.items():
            live[i].seen.append(new[j])
            live[i].doubt = 0.0
        still: list[_Track] = []
        for i, track in enumerate(live):
            gone = i not in pairs and _ended(track, new, view)
            (closed if gone else still).append(track)
        taken = set(pairs.values())
        live = still + [_Track(seen=[s]) for j, s in enumerate(new) if j not in taken]
    return closed + live


def _assign(live: Sequence[_Track], new: Sequence[Sighting], view: _View) -> dict[int, int]:
    """Match live stays with a look's ships, one to one, where `same` is likelier than `not`."""
    if not live or not new:
        return {}
    cost = np.array([[-_log_odds_same(track, ship, view.time) for ship in new] for track in live])
    # A pair that is likelier not the same ship costs nothing to leave apart.
    rows, cols = linear_sum_assignment(np.minimum(cost, 0.0))
    return {int(i): int(j) for i, j in zip(rows, cols, strict=True) if cost[i, j] < 0.0}


def _ended(track: _Track, new: Sequence[Sighting], view: _View) -> bool:
    """Whether a stay that was not seen in this look is over; if not, note the doubt."""
    clear = view.of(track.berth)
    if clear is not None and clear >= CLEAR_FROM:
        return True
    if (view.time - track.last) / _DAY > MAX_GAP_D:
        return True
    if any(outline_overlap(track.seen[-1].hull, s.hull) > 0.3 for s in new if is_ship(s)):
        return True  # another ship lies where she lay
    track.doubt += math.log(1.0 - (clear or 0.0))
    return False


def _log_odds_same(track: _Track, ship: Sighting, time: dt.datetime) -> float:
    """Log-odds that a ship in this look is the one of the stay; -1e6 where that cannot be."""
    gap_d = (time - track.last) / _DAY
    place = _log_odds_place(track, ship)
    size = _log_odds_size(track, ship)
    if gap_d > MAX_GAP_D or place is None or size is None:
        return -_FAR
    stays = remain_probability((track.last - track.first) / _DAY, gap_d)
    stays = min(max(stays, 1e-9), 1.0 - 1e-9)
    odds = math.log(stays / (1.0 - stays)) - math.log(_ANOTHER_THERE)
    return odds + track.doubt + place + size


def _log_odds_size(track: _Track, ship: Sighting) -> float | None:
    """Log ratio of the densities of the size: the same hull against any hull of the trade."""
    length, length_sd, beam, beam_sd = track.size()
    total = 0.0
    for value, sd, mean, mean_sd, trade_sd in (
        (ship.hull.length_m, ship.hull.length_sd_m, length, length_sd, 0.18 * length),
        (ship.hull.beam_m, ship.hull.beam_sd_m, beam, beam_sd, 0.15 * beam),
    ):
        # The mean's own error includes what all sightings share, which cannot part two looks.
        same_sd = math.hypot(max(sd, 0.01 * mean, 0.5), mean_sd)
        apart = (value - mean) / same_sd
        if abs(apart) > _SIZE_SIGMAS:
            return None
        other_sd = math.hypot(trade_sd, same_sd)
        total += math.log(other_sd / same_sd) - 0.5 * apart**2
        total += 0.5 * ((value - mean) / other_sd) ** 2
    return total


def _log_odds_place(track: _Track, ship: Sighting) -> float | None:
    """Log ratio of the densities of the place: moored where she lay, or swinging at anchor."""
    here, there = track.seen[-1].hull, ship.hull
    distance = math.hypot(there.x_m - here.x_m, there.y_m - here.y_m)
    length = 0.5 * (here.length_m + there.length_m)
    if _turned_deg(here, there) <= 15.0 and distance <= 0.5 * length:
        # Fast ashore: another ship lies within some 35 m of the same place; the same ship within
        # what two scenes are misplaced by (4-5 m each) and her moorings give.
        same_sd = math.hypot(7.0, 0.5 * here.length_sd_m, 0.5 * there.length_sd_m)
        other_sd = math.hypot(35.0, same_sd)
        return math.log(other_sd / same_sd) - 0.5 * distance**2 * (same_sd**-2 - other_sd**-2)
    if track.berth not in {None, ANCHORAGE} or distance > length + 150.0:
        return None
    # At anchor: she swings on her chain, within about a length; others lie anywhere in the roads.
    same_sd, other_sd = 0.5 * length + 50.0, 500.0
    return 2.0 * math.log(other_sd / same_sd) - 0.5 * distance**2 * (same_sd**-2 - other_sd**-2)


def _turned_deg(a: Hull, b: Hull) -> float:
    """Angle between two axes [deg], bow or stern regardless."""
    return abs((a.heading_deg - b.heading_deg + 90.0) % 180.0 - 90.0)


# --------------------------------------------------------------------------------- the stays
def _combined(values: Sequence[tuple[float, float]], least_sd: float) -> tuple[float, float]:
    """Mean by precision, looks far from the others taken down; half a percent is common to all."""
    numbers = np.array([value for value, _ in values])
    precision = np.array([1.0 / max(sd, least_sd) ** 2 for _, sd in values])
    (mean,) = quantiles(numbers, precision, (0.5,))
    for _ in range(_ROUNDS):
        far = (numbers - mean) ** 2 * precision
        trust = precision * np.minimum((_STUDENT_DOF + 1.0) / (_STUDENT_DOF + far), 1.0)
        mean = math.fsum(trust * numbers) / math.fsum(trust)
    return mean, math.hypot(math.fsum(trust) ** -0.5, 0.005 * mean)


def _visit(track: _Track, origin: dt.datetime) -> Visit:
    length, length_sd, beam, beam_sd = track.size()
    return Visit(
        length_m=length,
        length_sd_m=length_sd,
        beam_m=beam,
        beam_sd_m=beam_sd,
        first_d=(track.first - origin) / _DAY,
        last_d=(track.last - origin) / _DAY,
    )


def _stay(
    track: _Track,
    views: Sequence[_View],
    candidates: tuple[Candidate, ...],
    *,
    start: dt.datetime,
    end: dt.datetime,
    berths_given: bool,
) -> Stay:
    berth = track.berth
    hers = {sighting.acquisition_id for sighting in track.seen}
    clear = [
        view.time
        for view in views
        if (view.of(berth) or 0.0) >= CLEAR_FROM and view.acquisition_id not in hers
    ]
    before = [t for t in clear if t < track.first]
    after = [t for t in clear if t > track.last]
    arrival_after = max(before, default=None)
    half_stay = dt.timedelta(days=0.5 * DWELL_MEDIAN_D)
    arrived = (
        track.first - half_stay
        if arrival_after is None
        else arrival_after + 0.5 * (track.first - arrival_after)
    )
    first_id = track.seen[0].detection_id
    best = candidates[0]
    known = best.vessel_id is not None and best.probability >= IDENTIFIED_FROM
    stranger_p = sum(c.probability for c in candidates if c.vessel_id is None)
    return Stay(
        call_id="c-" + hashlib.sha256(first_id.encode()).hexdigest()[:12],
        vessel_id=best.vessel_id if known and best.vessel_id else own_vessel_id(first_id),
        vessel_p=best.probability if known else stranger_p,
        candidates=candidates,
        berth=berth,
        detection_ids=tuple(track.members),
        first_seen=track.first,
        last_seen=track.last,
        arrival_after=arrival_after,
        departure_before=min(after, default=None),
        counts=(berth is not None or not berths_given) and start <= arrived < end,
    )
