"""What is no vessel, where a vessel ends, and how sure one may be: drawn scenes."""

import math
from dataclasses import replace

import numpy as np
import pytest
import shapely
from port_drawing import BANDS, HOUSE, QUAY, WATER, clear, draw, grid, hull, ship
from shapely.geometry import box

from eo.kernels.hullfit import Box
from eo.stages.afloat import afloat
from eo.stages.classify import BAND_SETS, band_set, calibrated, shipped_model
from eo.stages.consensus import agreed_hulls
from eo.stages.decks import TANKER_PRIOR, tanker_chance
from eo.stages.detect import find_targets
from eo.stages.hulls import RIMS_M, box_to_hull, with_beam
from eo.stages.mooring import in_proportion
from eo.stages.pixels import against, scene_pixels

SCENE = grid(200, 220)
COARSE = grid(110, 120, 10.0)
FOAM = np.array([0.12, 0.11, 0.08, 0.05])


def found(image, scene=SCENE, mask=None):
    result = find_targets(
        image,
        BANDS,
        clear(scene) if mask is None else mask,
        reference=None,
        grid=scene,
        window=scene.window,
    )
    return [t for t in result.targets if t.hull.length_m >= 60]


def wake(x_m, y_m, length_m, width_m=8.0, step_m=4.0):
    """Foam that runs out to the east of a point."""
    strips = []
    for k in range(int(length_m / step_m)):
        colour = WATER + FOAM * math.exp(-2.5 * k * step_m / length_m)
        west = x_m + k * step_m
        strips.append((box(west, y_m - width_m / 2, west + step_m, y_m + width_m / 2), colour))
    return strips


def test_foam_is_no_part_of_the_ship_that_trails_it():
    under_way = wake(355.0, -300.0, 240.0, 12.0) + ship(300.0, -300.0, 110.0, 17.0, 270.0)
    (target,) = found(draw(SCENE, under_way))
    assert target.hull.length_m == pytest.approx(110, abs=12)


def test_a_launch_and_her_wake_are_no_ship():
    launch = [*wake(305.0, -300.0, 220.0, 6.0), (hull(300.0, -300.0, 18.0, 6.0, 270.0), HOUSE)]
    assert found(draw(SCENE, launch)) == []


def test_a_wake_tells_the_bow():
    under_way = wake(905.0, -550.0, 400.0, 20.0, 10.0)
    under_way.append((hull(850.0, -550.0, 110.0, 20.0, 270.0), 4 * WATER))
    (target,) = found(draw(COARSE, under_way), COARSE)
    assert target.hull.bow_known
    assert abs(target.hull.heading_deg - 270) < 3
    assert target.hull.length_m == pytest.approx(110, abs=30)


def test_breakers_along_a_beach_are_no_ships():
    beach = [(box(0, -180, 800, 0), QUAY)]
    rng = np.random.default_rng(4)
    surf = []
    for k in range(7):
        west = 20 + 85 * k
        strips = [
            (box(west + u, -196 + rng.uniform(-3, 3), west + u + 5, -188), WATER + FOAM * a)
            for u, a in zip(range(0, 70, 5), np.hanning(14) * rng.uniform(0.3, 1), strict=True)
        ]
        surf += strips
    assert found(draw(SCENE, beach + surf)) == []


def test_buoys_islets_and_moles_are_no_ships():
    buoys = [(shapely.Point(60 + 70 * k, -80).buffer(3), HOUSE) for k in range(7)]
    leafy = np.array([0.05, 0.08, 0.05, 0.3])
    islet = [(shapely.Point(200, -300).buffer(45), leafy)]
    reef = [(shapely.Polygon([(350, -420), (430, -390), (470, -450), (400, -490)]), QUAY)]
    mole = [(box(40, -560, 640, -552), QUAY)]
    assert found(draw(SCENE, buoys + islet + reef + mole)) == []


def test_stacks_of_containers_ashore_are_no_ships():
    quay = [(box(0, -250, 800, 0), QUAY)]
    rng = np.random.default_rng(5)
    stacks = [
        (box(30 + 45 * i, -60 - 50 * j, 66 + 45 * i, -30 - 50 * j), rng.uniform(0.05, 0.35, 4))
        for i in range(12)
        for j in range(4)
    ]
    assert found(draw(SCENE, quay + stacks)) == []


@pytest.mark.parametrize("gap_m", [2.0, 5.0])
def test_ships_side_by_side_are_two(gap_m):
    pair = ship(330.0, -290.0, 120.0, 18.0, 90.0)
    pair += ship(325.0, -308.0 - gap_m, 110.0, 18.0, 90.0, deck=[0.12, 0.12, 0.12, 0.12])
    targets = found(draw(SCENE, pair))
    assert len(targets) == 2
    for target in targets:
        assert target.hull.beam_m == pytest.approx(18, abs=5)


def test_a_ship_cut_by_the_edge_has_no_sure_length():
    image = draw(SCENE, ship(625.0, -300.0, 130.0, 20.0, 90.0))
    targets = found(image)
    assert len(targets) == 1
    assert targets[0].hull.length_m < 120
    assert targets[0].hull.length_sd_m > 30
    assert targets[0].clear_fraction < 0.99


def test_a_ship_half_under_cloud_has_no_sure_length():
    image = draw(SCENE, ship(330.0, -300.0, 130.0, 20.0, 90.0))
    mask = clear(SCENE)
    mask[:, 112:] = 2
    for target in found(image, mask=mask):
        assert target.hull.length_sd_m > 20
        assert target.clear_fraction < 0.95


@pytest.mark.parametrize("heading", [12.0, 57.0, 90.0])
def test_length_at_ten_metres_is_the_hulls(heading):
    image = draw(COARSE, ship(600.0, -550.0, 180.0, 30.0, heading))
    (target,) = found(image, COARSE)
    assert target.hull.length_m == pytest.approx(180, abs=12)
    assert target.hull.beam_m == pytest.approx(30, abs=6)


def test_boxes_that_agree_make_one_hull_and_a_lone_one_is_doubted():
    ship_ = Box(row=50, col=60, axis_rad=0.3, length_px=20, width_px=4)
    rng = np.random.default_rng(6)
    many = [
        Box(
            row=50 + rng.normal(0, 0.4),
            col=60 + rng.normal(0, 0.4),
            axis_rad=0.3 + rng.normal(0, 0.02) + math.pi * (k % 2),
            length_px=20 + rng.normal(0, 1),
            width_px=4 + rng.normal(0, 0.3),
        )
        for k in range(14)
    ]
    lone = Box(row=10, col=10, axis_rad=0, length_px=20, width_px=4)
    first, second = agreed_hulls([*many, lone], np.array([0.7] * 14 + [0.75]))[::-1]
    assert first.support == pytest.approx(0.7)
    assert second.support < 0.1
    assert first.box.length_px == pytest.approx(ship_.length_px, abs=1)
    assert math.sin(first.box.axis_rad - ship_.axis_rad) == pytest.approx(0, abs=0.03)
    assert agreed_hulls([], np.empty(0)) == []


def test_chances_grow_with_scores_and_stay_chances():
    line = (0.9, -1.0)
    values = [calibrated(s, line) for s in (0.0, 0.2, 0.5, 0.9, 1.0)]
    assert values == sorted(values)
    assert 0 < values[0] < values[-1] < 1
    assert calibrated(0.37, (1.0, 0.0)) == pytest.approx(0.37)


@pytest.mark.parametrize("name", sorted(BAND_SETS))
def test_a_model_is_shipped_for_every_set_of_bands(name):
    model = shipped_model(name)
    assert band_set(BAND_SETS[name]) == name
    assert model.alongside[0] > 0
    assert model.afloat[0] > 0
    chance = model.probability(model.centre[None, :])
    assert 0 < float(chance[0]) < 1


def test_the_beam_alongside_is_one_that_such_a_ship_can_have():
    wide = Box(row=0, col=0, axis_rad=0, length_px=20, width_px=6, width_sd_px=0.6)
    held = in_proportion(wide, 10.0)
    assert 30 < held.width_px * 10 < 42
    outer = [b.at(0, -b.width_px / 2)[0] for b in (wide, held)]
    assert outer[0] == pytest.approx(outer[1])


def test_decks_move_the_chance_of_a_tanker_both_ways_and_small_craft_are_none():
    def chance(shapes, box_, pixel_scene=SCENE):
        image = draw(pixel_scene, shapes)
        scene = scene_pixels(image, BANDS, clear(pixel_scene), pixel_scene.pixel_m)
        shown = box_to_hull(box_, grid=pixel_scene, window=pixel_scene.window)
        return tanker_chance(shown, box_, scene)

    lies = {"row": 99.5, "col": 109.5, "axis_rad": 0.0}
    at = (330.0, -300.0, 150.0, 25.0, 90.0)
    measured = Box(**lies, length_px=50, width_px=8.3, length_sd_px=0.6, width_sd_px=0.3)
    plain = chance(ship(*at), measured)
    boxes = [
        (box(275 + 14 * k, -310, 285 + 14 * k, -290), np.array([0.3, 0.1, 0.05, 0.1]) * (1 + k % 3))
        for k in range(7)
    ]
    stacked = chance(ship(*at) + boxes, measured)
    assert plain > TANKER_PRIOR > stacked > 0
    boat = Box(**lies, length_px=12, width_px=3)
    assert chance(ship(330.0, -300.0, 36.0, 9.0, 90.0), boat) < 0.05
    coarse = Box(row=54.5, col=59.5, axis_rad=0.0, length_px=15, width_px=2.5, width_sd_px=0.6)
    assert chance(ship(600.0, -550.0, 150.0, 25.0, 90.0), coarse, COARSE) == pytest.approx(
        TANKER_PRIOR, abs=0.1
    )


def one_box(sun_deg=None, bow=1):
    """A hull of 100 m by 18 m that points east, seen in a box."""
    box_ = Box(row=100.0, col=100.0, axis_rad=0.0, length_px=33.3, width_px=6.0)
    return box_to_hull(box_, grid=SCENE, window=SCENE.window, bow=bow, sun_azimuth_grid_deg=sun_deg)


def test_a_stern_in_her_own_houses_shade_is_given_back():
    ahead, abeam, astern = (one_box(deg) for deg in (90.0, 0.0, 270.0))
    assert abeam.length_m == astern.length_m < ahead.length_m
    assert ahead.length_sd_m > abeam.length_sd_m
    # What was hidden lies astern, west of what was seen.
    assert ahead.x_m < abeam.x_m
    assert ahead.x_m + 0.5 * ahead.length_m == pytest.approx(abeam.x_m + 0.5 * abeam.length_m)


def test_a_house_is_hers_across_the_shade_that_a_low_sun_lets_it_throw():
    """The sun stands astern and aslant: the house's shade cuts the deck off, longer the lower."""
    deck = ship(330.0, -300.0, 160.0, 20.0, 270.0)
    # From the house's front westwards, aslant.
    shade = shapely.Polygon([(378, -289), (378, -311), (343, -311), (333, -289)])
    image = draw(SCENE, [*deck, (shade, 0.9 * WATER)])

    def longest(elevation_deg):
        result = find_targets(
            image, BANDS, clear(SCENE), reference=None, grid=SCENE, window=SCENE.window,
            sun_elevation_deg=elevation_deg, sun_azimuth_grid_deg=95.0,
        )  # fmt: skip
        return max(target.hull.length_m for target in result.targets)

    assert longest(15.0) == pytest.approx(157.0, abs=8.0)
    assert longest(50.0) < 100.0


def test_where_the_bow_is_unknown_the_sun_ahead_only_widens():
    unknown = one_box(90.0, bow=0)
    assert unknown.length_m == one_box(0.0, bow=0).length_m
    assert unknown.length_sd_m > one_box(0.0, bow=0).length_sd_m


def test_hulls_are_told_at_the_waterline_rims_included():
    seen = one_box()
    assert 0.96 < seen.length_m / 99.9 < 1.0
    assert seen.beam_m == pytest.approx(18.0 + RIMS_M)


def test_a_better_known_beam_moves_the_outline_and_a_worse_one_nothing():
    seen = one_box()
    better = with_beam(seen, 16.0, 0.3)
    assert (better.beam_m, better.beam_sd_m) == (16.0, 0.3)
    assert shapely.Polygon(better.outline).area < shapely.Polygon(seen.outline).area
    assert with_beam(seen, 16.0, seen.beam_sd_m) is seen


def test_a_deck_in_the_shade_of_its_own_fittings_is_ragged_and_yet_a_ship():
    """Under a low sun shadows of what stands on deck bite into its shaded side."""
    bites = [
        (shapely.Polygon([(x, -308.5), (x + 30, -308.5), (x + 30, -301)]), 0.9 * WATER)
        for x in (258, 288, 318)
    ]
    image = draw(SCENE, [*ship(300, -300, 105, 16, 90), *bites])
    scene = scene_pixels(image, BANDS, clear(SCENE), 3.0)
    (one,) = afloat(replace(scene, fixtures_known=True))
    assert one.box.roughness_px > 0.5
    assert one.probability > 0.97
    # At one look alone a rock may be as ragged.
    assert afloat(scene)[0].probability < 0.95


def test_what_a_quay_hides_of_a_ship_makes_her_no_boom():
    """Her inner metres mix with the quay, so that what is seen is ten times as long as broad."""
    quay = (box(150, -308, 450, -290), QUAY)
    empty = scene_pixels(draw(SCENE, [quay]), BANDS, clear(SCENE), 3.0)
    scene = scene_pixels(
        draw(SCENE, [*ship(300, -313.5, 115, 16, 90), quay]), BANDS, clear(SCENE), 3.0
    )
    seen = against(scene, empty.colour, empty.cover)
    chances = {
        known: [one.probability for one in afloat(one_scene) if one.box.length_px > 25]
        for known, one_scene in ((True, seen), (False, replace(seen, ashore=None)))
    }
    assert len(chances[True]) == 1
    assert chances[True][0] > 0.6
    assert max(chances[False], default=0.0) < chances[True][0] - 0.1
