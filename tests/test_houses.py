"""What a ship's house says of her freeboard once her other looks have told how high it is."""

import dataclasses

import numpy as np
import pytest
from test_fill import DAY, SHIP, START, STRANGER, freeboard_at, rows_of, sighting, stay_of
from test_freeboard import hull_at
from test_superstructure import SUN, picture, seen

from eo.physics.shadow import shadow_geometry
from eo.stages.draws import draw_ships
from eo.stages.houses import with_houses
from eo.stages.ships_learnt import ShipSize
from eo.stages.superstructure import house_side_m, house_top_m

SIZE = ShipSize(length_m=105.0, length_sd_m=1.0, beam_m=16.5, beam_sd_m=0.4)
HOUSE_M = 13.0


@pytest.mark.parametrize("height_m", [14.0, 17.3, 20.6])
def test_a_houses_top_stands_as_high_as_it_was_drawn(height_m):
    hull = hull_at(heading=60.0)
    geometry = shadow_geometry(
        heading_deg=hull.heading_deg, sun_elevation_deg=SUN[0], sun_azimuth_deg=SUN[1],
        off_nadir_deg=0.0, view_azimuth_deg=0.0,
    )  # fmt: skip
    found = seen(hull, picture(hull, height_m=height_m))
    told, sd = house_top_m(found, geometry, house_side_m(0.95 * hull.beam_m), 3.0)
    assert told == pytest.approx(height_m, abs=0.8)
    assert 0.4 < sd < 1.0


def test_along_the_hull_a_houses_shadow_tells_no_height():
    hull = hull_at(heading=60.0)
    found = seen(hull, picture(hull))
    along = shadow_geometry(
        heading_deg=SUN[1] - 30.0, sun_elevation_deg=SUN[0], sun_azimuth_deg=SUN[1],
        off_nadir_deg=0.0, view_azimuth_deg=0.0,
    )  # fmt: skip
    assert house_top_m(found, along, house_side_m(hull.beam_m), 3.0) is None
    assert house_top_m(None, along, house_side_m(hull.beam_m), 3.0) is None


def look(key, day, fill, *, error=0.0, house_m=HOUSE_M, **more):
    """A look whose strip is off by `error`, and whose house stands where it does."""
    one = sighting(key, START + day * DAY, fill, error=error, **more)
    top = None if house_m is None else freeboard_at(fill) + house_m
    said = dataclasses.replace(one.freeboard, house_top_m=top, house_top_sd_m=0.5)
    return dataclasses.replace(one, freeboard=said)


def sharpened(looks, stays):
    by_id = {one.detection_id: one for one in looks}
    ships = {
        stay.call_id: draw_ships(
            stay.candidates, {"A": SHIP}, [by_id[k] for k in stay.detection_ids], seed=stay.call_id
        )
        for stay in stays
    }
    return with_houses(looks, stays, ships, {stay.call_id: SIZE for stay in stays})


def mean_m(one):
    weight = np.exp(np.asarray(one.freeboard.log_likelihood))
    return float(weight @ (0.1 * np.arange(weight.size)) / weight.sum())


def test_other_looks_at_her_house_correct_a_strip_that_is_off():
    looks = [look(f"d{k}", k, 0.2 * k) for k in range(4)]
    looks.append(look("off", 4, 0.5, error=-1.2, sd=0.45))
    after = sharpened(looks, [stay_of(looks)])
    truth = freeboard_at(0.5)
    assert mean_m(looks[-1]) == pytest.approx(truth - 1.2, abs=0.05)
    assert truth - 0.95 < mean_m(after[-1]) < truth - 0.2
    for before, now in zip(looks[:-1], after[:-1], strict=True):
        assert mean_m(now) == pytest.approx(mean_m(before), abs=0.25)


def test_a_house_alone_says_nothing_and_one_unseen_changes_nothing():
    lone = [look("d0", 0, 0.5)]
    assert mean_m(sharpened(lone, [stay_of(lone)])[0]) == pytest.approx(mean_m(lone[0]), abs=0.05)
    unseen = [look("d0", 0, 0.2), look("d1", 1, 0.5, house_m=None)]
    assert sharpened(unseen, [stay_of(unseen)])[1] is not None
    assert sharpened(unseen, [stay_of(unseen)])[1].freeboard == unseen[1].freeboard


def test_another_ships_house_is_not_asked():
    hers, other = [look("d0", 0, 0.5, error=-1.0)], [look("e0", 9, 0.5, house_m=15.0)]
    stays = [
        stay_of(hers, call_id="one"),
        stay_of(other, STRANGER, call_id="two", vessel_id="u-1"),
    ]
    after = sharpened([*hers, *other], stays)
    assert mean_m(after[0]) == pytest.approx(mean_m(hers[0]), abs=0.05)
    # The same ship's other call is.
    again = [stay_of(hers, call_id="one"), stay_of(other, call_id="two")]
    assert mean_m(sharpened([*hers, *other], again)[0]) < mean_m(hers[0]) - 0.1


def test_order_never_shows():
    looks = [look(f"d{k}", k, 0.2 * k, error=0.3 * (-1) ** k) for k in range(5)]
    stays = [stay_of(looks[:2], call_id="a"), stay_of(looks[2:], call_id="b")]
    rows, _ = rows_of(looks, stays, [SHIP], product="diesel")
    again, _ = rows_of(looks[::-1], stays[::-1], [SHIP], product="diesel")
    assert rows == again[::-1]
