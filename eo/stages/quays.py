"""How high quays stand above the water, from all looks of a campaign together.

A look at a ship's shade on a quay tells how far her deck stands above the quay. How far the quay
stands above the water is one number per berth and the tide of the look; it is told by the
jetty's own shadow in looks in which that is seen, and by the ships themselves, each of whose
freeboards lies within what she can have. With H the berth's height above mean water, t the
water's height in a look and h = H - t:

    p(H, t | all) ~ p(H) p(t) prod over looks J(h) prod over ships S(h)                     (1)
    S(h) = integral of L(F - h) p(F) dF                                                   (2)

J is the jetty's likelihood in one look, L that of a deck's height above the quay, p(F) what is
known of the ship's freeboard, any fill alike. The sum over all t and H is by belief propagation
on the graph of berths and looks. What is told to one ship is never what she said herself.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter1d

from eo.core.config import ANCHORAGE
from eo.core.records import Freeboard, Sighting, WaterCount
from eo.stages.quay_height import QUAY_HEIGHTS_M
from eo.stages.tides import TIDES_M, told_by_others

__all__ = ["QuayView", "ShipOnQuay", "above_water", "place_of", "quay_log_prior", "view_quays"]

_MEDIAN_M, _LOG_SD = 3.0, 0.40
"""Height of quays and jetties above mean water, lognormal: nine in ten within 1.6-5.8 m."""
_SHARED_SD_M = 0.12
"""What all of a berth's looks get wrong alike: the shade ratio's model, the empty port's edge."""
_CELL_M = 200.0
_ROUNDS = 6
_SILENT = 1e-9
"""Range of ln L below which a look says nothing."""
_FLOOR = -30.0
_STEPS = range(-(TIDES_M.size // 2), TIDES_M.size // 2 + 1)
"""The water's heights as steps of the quays' heights."""


@dataclass(frozen=True, kw_only=True)
class ShipOnQuay:
    """One ship in one look, her shade on a quay."""

    detection_id: str
    """Sighting."""
    stay: str
    """Her call, or her own id: what she says in one look is not told to her in another."""
    place: str
    """Berth."""
    look: str
    """Scene."""
    freeboards: Any
    """(height,) probability of her freeboard over 0.1 m steps from 0, any fill alike."""
    record: Freeboard
    """What the look says of the deck's height above the quay."""


@dataclass(frozen=True, kw_only=True, eq=False)
class QuayView:
    """What others say of the quay beside one ship in one look."""

    height: Any
    """Probability over QUAY_HEIGHTS_M of the quay above the water in this look."""
    mean: Any
    """Probability over QUAY_HEIGHTS_M of the quay above mean water; the same in all her looks."""
    tide_m: float
    """The water's height in this look."""
    tide_sd_m: float
    """Its spread."""


def place_of(sighting: Sighting) -> str:
    """Return which quay a ship lies at: her berth, or where she lies if it has no name."""
    if sighting.berth is not None and sighting.berth != ANCHORAGE:
        return sighting.berth
    hull = sighting.hull
    return f"@{round(hull.x_m / _CELL_M)},{round(hull.y_m / _CELL_M)}"


def quay_log_prior() -> Any:
    """Return ln p over QUAY_HEIGHTS_M."""
    high = np.maximum(QUAY_HEIGHTS_M, 0.05)
    return -0.5 * (np.log(high / _MEDIAN_M) / _LOG_SD) ** 2 - np.log(high)


def above_water(record: Freeboard, quay: Any) -> Freeboard:
    """Return a look at a deck above a quay as one at a freeboard.

    Parameters
    ----------
    record
        With a likelihood of the height above the quay.
    quay
        Probability of the quay's height above the water over QUAY_HEIGHTS_M.

    Notes
    -----
    A deck below the quay throws no shade on it: there the likelihood is that of no strip.
    """
    said = np.exp(np.asarray(record.log_likelihood))
    padded = np.concatenate([np.full(quay.size - 1, said[0]), said])
    total = np.convolve(padded, quay, mode="valid")[: said.size]
    logl = np.log(np.maximum(total, 1e-300))
    return replace(record, log_likelihood=tuple(logl - logl.max()))


def view_quays(
    ships: Sequence[ShipOnQuay],
    counts: Mapping[str, Iterable[WaterCount]],
    times: Mapping[str, dt.datetime],
) -> dict[str, QuayView]:
    """Return what is known of the quay beside each ship, by detection.

    Parameters
    ----------
    ships
        All ships whose shade falls on quays.
    counts
        Per scene and berth, with the jetties' likelihoods.
    times
        When each scene was taken; of one that is missing, other looks do not tell the tide.

    Notes
    -----
    Ships and looks enter in the order of their ids, so that the order of input never shows.
    """
    graph = _Graph(sorted(ships, key=lambda s: s.detection_id), counts, times)
    graph.settle()
    return {ship.detection_id: graph.view(ship) for ship in graph.ships}


class _Graph:
    """Berths, looks, and what they say of each other; all in natural logs."""

    def __init__(
        self,
        ships: Sequence[ShipOnQuay],
        counts: Mapping[str, Iterable[WaterCount]],
        times: Mapping[str, dt.datetime],
    ) -> None:
        self.ships = list(ships)
        self.by_stay: dict[str, list[ShipOnQuay]] = {}
        for ship in self.ships:
            self.by_stay.setdefault(ship.stay, []).append(ship)
        jetties: dict[tuple[str, str], Any] = {}
        for look, some in counts.items():
            for count in some:
                if count.quay_log_likelihood:
                    jetties[count.berth, look] = np.asarray(count.quay_log_likelihood)
        for ship in self.ships:
            if ship.record.quay_log_likelihood and (ship.place, ship.look) not in jetties:
                jetties[ship.place, ship.look] = np.asarray(ship.record.quay_log_likelihood)
        self.places = sorted({s.place for s in self.ships} | {place for place, _ in jetties})
        self.looks = sorted({s.look for s in self.ships} | {look for _, look in jetties})
        self.place_at = {place: k for k, place in enumerate(self.places)}
        self.look_at = {look: k for k, look in enumerate(self.looks)}
        shape = (len(self.places), len(self.looks), QUAY_HEIGHTS_M.size)
        self.jetty = np.zeros(shape)
        for (place, look), said in jetties.items():
            self.jetty[self.place_at[place], self.look_at[look]] = said
        self.by_ship = {s.detection_id: self._said(s) for s in self.ships}
        self.said = self.jetty.copy()
        for ship in self.ships:
            self.said[self._at(ship)] += self.by_ship[ship.detection_id]
        self.hours = np.array([_hours(times.get(look)) for look in self.looks])
        # (place, look, tide): what a look's water is, by all but this place.
        self.tide = np.zeros((*shape[:2], TIDES_M.size))
        # (place, look, tide): what each place says of a look's water.
        self.told = np.zeros_like(self.tide)
        self.messages: list[dict[int, Any]] = []
        self.total: list[Any] = []

    def _at(self, ship: ShipOnQuay) -> tuple[int, int]:
        return self.place_at[ship.place], self.look_at[ship.look]

    def _said(self, ship: ShipOnQuay) -> Any:
        """Return ln S(h) by eq. (2), tempered by how often she is seen in one stay."""
        said = np.exp(np.asarray(ship.record.log_likelihood))
        freeboards = np.asarray(ship.freeboards)[: said.size]
        padded = np.concatenate([np.full(QUAY_HEIGHTS_M.size - 1, said[0]), said])
        shifted = np.stack(
            [
                padded[QUAY_HEIGHTS_M.size - 1 - k :][: freeboards.size]
                for k in range(QUAY_HEIGHTS_M.size)
            ]
        )
        twins = len(self.by_stay[ship.stay])
        logs = np.log(np.maximum(shifted @ freeboards, 1e-12))
        return np.maximum(logs - logs.max(), _FLOOR) / np.sqrt(twins)

    def settle(self) -> None:
        """Pass messages between berths and looks, and from look to look."""
        self.tide[:] = told_by_others(self.hours, np.zeros(self.tide.shape[1:]))
        for _ in range(_ROUNDS):
            self._pass_on()
        self.total = self._weigh_berths()

    def _pass_on(self) -> None:
        """One round: looks learn the water's height from berths, and tell the other berths."""
        told = np.zeros_like(self.tide)
        for p, total in enumerate(self._weigh_berths()):
            message = self.messages[p]
            for t in message:
                cavity = _normal(_shared(total - message[t]))
                told[p, t] = self._for_tide(self.said[p, t], cavity)
        self.told, everyone = told, told.sum(axis=0)
        before = told_by_others(self.hours, everyone)
        # Half of the way, so that rounds do not swing.
        self.tide = 0.5 * self.tide + 0.5 * (before + everyone - told)

    def _weigh_berths(self) -> list[Any]:
        """Let all looks tell each berth; return ln p of the berths' heights."""
        self.messages = [
            {
                t: self._for_berth(self.said[p, t], self.tide[p, t])
                for t in np.flatnonzero(np.ptp(self.said[p], axis=1) > _SILENT).tolist()
            }
            for p in range(len(self.places))
        ]
        return [
            quay_log_prior() + sum(some.values(), np.zeros(QUAY_HEIGHTS_M.size))
            for some in self.messages
        ]

    def _for_berth(self, said: Any, tide: Any) -> Any:
        """Return ln of sum over t of E(H - t) p(t), over H."""
        weight = _normal(tide)
        shifted = _shifts(said)
        return _floored(np.log(np.maximum(weight @ np.exp(shifted), 1e-13)))

    def _for_tide(self, said: Any, berth: Any) -> Any:
        """Return ln of sum over H of E(H - t) p(H), over t."""
        return _floored(np.log(np.maximum(np.exp(_shifts(said)) @ berth, 1e-13)))

    def view(self, ship: ShipOnQuay) -> QuayView:
        """Return what all but this ship's stay say of her quay."""
        p, now = self._at(ship)
        hers = [o for o in self.by_stay[ship.stay] if o.place == ship.place]
        said = {now: self.said[p, now].copy()}
        for other in hers:
            t = self._at(other)[1]
            said[t] = said.get(t, self.said[p, t]) - self.by_ship[other.detection_id]
        water = self._water(p, said)
        total = self.total[p]
        for t, left in said.items():
            total = total - self.messages[p].get(t, 0.0)
            if t != now and np.ptp(left) > _SILENT:
                total = total + self._for_berth(left, water[t])
        total = _shared(total)
        berth = _normal(total)
        # The quay above the water now: the berth's height less the tide, and its own jetty.
        weight = _normal(water[now])
        here = weight @ np.stack([_moved(berth, -k) for k in _STEPS])
        here = here * np.exp(said[now] - said[now].max())
        mean = _normal(total + self._for_berth(said[now], water[now]))
        tide = _normal(water[now] + self._for_tide(said[now], berth))
        middle = float(tide @ TIDES_M)
        return QuayView(
            height=here / here.sum(),
            mean=mean,
            tide_m=middle,
            tide_sd_m=float(np.sqrt(tide @ (TIDES_M - middle) ** 2)),
        )

    def _water(self, place: int, hers: Iterable[int]) -> Any:
        """Return ln p (look, tide) of the water by all but what a place says in some looks."""
        others = self.told.sum(axis=0)
        for t in hers:
            others[t] -= self.told[place, t]
        return told_by_others(self.hours, others) + others


def _hours(when: dt.datetime | None) -> float:
    """Return hours since any common moment; NaN for none."""
    return float("nan") if when is None else when.timestamp() / 3600.0


def _normal(logs: Any) -> Any:
    weight = np.exp(logs - logs.max())
    return weight / weight.sum()


def _floored(logs: Any) -> Any:
    return np.maximum(logs - logs.max(), _FLOOR)


def _shared(logs: Any) -> Any:
    """Return ln p blurred by what all looks get wrong alike."""
    blurred = gaussian_filter1d(_normal(logs), _SHARED_SD_M / 0.1, mode="nearest")
    return np.log(np.maximum(blurred, 1e-13))


def _shifts(said: Any) -> Any:
    """Return (tide, height): ln E(H - t) for each t."""
    return np.stack([_held(said, k) for k in _STEPS])


def _held(values: Any, steps: int) -> Any:
    """Values moved towards larger heights, its ends carried on."""
    place = np.clip(np.arange(values.size) - steps, 0, values.size - 1)
    return values[place]


def _moved(weight: Any, steps: int) -> Any:
    """Weights moved towards larger heights by whole steps; nothing comes in at the ends."""
    place = np.arange(weight.size) - steps
    inside = (place >= 0) & (place < weight.size)
    return np.where(inside, weight[np.clip(place, 0, weight.size - 1)], 0.0)
