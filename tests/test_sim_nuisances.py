"""Every nuisance, seen in the pixels: what it changes, by how much, and nothing else."""

from dataclasses import fields, replace
from functools import cache

import numpy as np
import pytest
import shapely

from eo.sim import Nuisances, SimOptions
from eo.sim.campaign import render_look
from eo.sim.hullform import HullForm, bulwark, hull_parts
from eo.sim.looks import plan_looks
from eo.sim.options import PIXEL_M
from eo.sim.render import Light, Surface, render
from eo.sim.scatter import scattered, scattered_share
from eo.sim.ships import ship_form, ship_parts
from eo.sim.solids import box, lowered, place, prism, tilted
from eo.sim.traffic import Afloat, afloat_in_look
from eo.sim.water import sun_glint
from eo.sim.world import build_world

EXTENT_M = 240.0
NONE = Nuisances(**{field.name: False for field in fields(Nuisances)})
SMALL = SimOptions(size=160, looks=3, days=12, berths=2, ships=5, seed=3)
FORM = HullForm(length_m=110.0, beam_m=17.0)


def tone(value):
    return lambda x, y: np.full(np.broadcast_shapes(x.shape, y.shape), value, np.float32)


def water(mirrored=0.0):
    def leaving(x, y):
        return np.full((4, *np.broadcast_shapes(x.shape, y.shape)), 0.05, np.float32)

    def glint(x, y):
        return tone(0.0)(x, y), tone(mirrored)(x, y)

    return Surface(leaving=leaving, glint=glint, foam=tone(0.0), ground=tone(1.0))


def light(**changes):
    base = Light(
        sensor="planetscope",
        pixel_m=3.0,
        sun_elevation_deg=25.0,
        sun_azimuth_grid_deg=180.0,
        zenith_deg=0.0,
        view_azimuth_grid_deg=90.0,
        aerosol=0.1,
        psf_sigma_px=0.5,
        band_shift_px=((0.0, 0.0),) * 4,
    )
    return replace(base, **changes)


COT = 1 / np.tan(np.radians(25.0))


BEARING = 83.0  # askew to the pixels, as samples lie 0.6 m apart
ASIDE_M = 8.5 * np.cos(np.radians(BEARING))  # of the north side against the middle, eastwards


def picture(parts, look=None, bearing=BEARING, surface=None):
    """Infrared picture of parts whose bow points east; the sun stands in the south."""
    there = place(parts, 0.0, 0.0, bearing)
    return render(there, surface or water(), look or light(), EXTENT_M).sum(axis=0)[3]


@cache
def deep_shade():
    wall = [box((-110, 110), (-5, 5), (0.0, 40.0), "dark", "dark")]
    return float(picture(wall, bearing=90.0)[20:30, 40].mean())


def widening_m(parts, plain, east_m, half_m=8.5):
    """By how much the shade north of `parts` is wider than that of `plain`, at a place along.

    Nine columns are averaged: samples lie every 0.6 m. Taken is the water from 4 m off the hull:
    a deck that tilts changes its own light too.
    """
    middle = int((east_m - ASIDE_M + EXTENT_M / 2) // 3.0)
    columns = slice(middle - 4, middle + 5)
    x, y = (np.arange(80) + 0.5) * 3.0 - EXTENT_M / 2, EXTENT_M / 2 - (np.arange(80) + 0.5) * 3.0
    turn = np.radians(BEARING)
    off = y[:, None] * np.sin(turn) - x * np.cos(turn) > half_m + 4.0
    change = np.where(off, picture(plain) - picture(parts), 0.0)[:, columns].sum(axis=0).mean()
    return float(change.sum() * 3.0 / (picture([])[0, 0] - deep_shade()))


def hull(form, freeboard=4.0):
    return hull_parts(form, freeboard, "dark", "dark", 1.0)


@pytest.mark.parametrize("east", [-28.0, 0.0, 22.0])
def test_sheer_lengthens_the_shade_by_its_height(east):
    curved = replace(FORM, sheer_bow_m=2.0, sheer_stern_m=1.0)
    expected = float(curved.sheer_at(east + np.arange(-12.0, 13.0)).mean()) * COT
    assert widening_m(hull(curved), hull(FORM), east) == pytest.approx(expected, abs=0.1)


def test_sheer_leaves_the_level_part_level():
    form = replace(FORM, sheer_bow_m=2.0, sheer_stern_m=1.0, level_share=0.5)
    np.testing.assert_array_equal(form.sheer_at(np.array([-27.0, 0.0, 27.0])), 0.0)
    assert float(form.sheer_at(np.array(55.0))) == pytest.approx(2.0)


def test_a_gutter_bar_throws_its_own_height():
    plates = bulwark(FORM, (-40.0, 30.0), (3.5, 4.3), "dark")
    assert widening_m(hull(FORM) + plates, hull(FORM), 0.0) == pytest.approx(0.3 * COT, abs=0.06)
    assert widening_m(hull(FORM) + plates, hull(FORM), 46.0) == pytest.approx(0.0, abs=0.02)


def test_a_flared_bow_is_longer_on_deck_than_at_the_waterline():
    form = ship_form(110.0, 17.0, 5, replace(NONE, flare=True))
    low, deck = (shapely.Polygon(form.outline(share)) for share in (0.0, 1.0))
    assert deck.buffer(1e-6).contains(low)
    assert 0.014 * 110 < deck.bounds[2] - low.bounds[2] < 0.036 * 110
    assert form.waterline_m == pytest.approx(low.bounds[2] - low.bounds[0])
    # The deck is what a sensor overhead sees; a solid of the waterline's plan is smaller.
    high = light(sun_elevation_deg=88.0)
    paint = [replace(part, top="white") for part in hull(form)]
    seen = picture(paint, high)
    empty = float(picture([], high)[0, 0])
    full = float(picture([box((-110, 110), (-60, 60), (0.0, 4.0), "white", "dark")], high)[40, 40])
    assert ((seen - empty) / (full - empty)).sum() * 9.0 == pytest.approx(deck.area, rel=0.01)
    layers = [part for part in hull(form) if part.base_m == 0.0]
    foot = shapely.union_all([shapely.Polygon(part.outline).buffer(1e-6) for part in layers])
    assert foot.area == pytest.approx(low.area, rel=0.01)


def test_the_truth_of_a_flared_ship_is_her_waterline():
    form = ship_form(110.0, 17.0, 5, replace(NONE, flare=True))
    ship = Afloat(name="a", kind="tanker", x_m=10.0, y_m=20.0, bearing_deg=30.0, length_m=110.0,
                  beam_m=17.0, parts=[], form=form)  # fmt: skip
    outline = shapely.Polygon(ship.outline)
    assert shapely.Point(ship.centre).distance(outline.minimum_rotated_rectangle.centroid) < 0.6
    sides = shapely.get_coordinates(outline.minimum_rotated_rectangle)
    assert np.hypot(*np.diff(sides, axis=0).T).max() == pytest.approx(ship.waterline_m, rel=0.01)


@pytest.mark.parametrize("east", [-28.0, 0.0, 22.0])
def test_trim_tilts_the_shade_along_the_hull(east):
    down_by_stern = tilted(hull(FORM), 2.0 / 110.0, 0.0)
    expected = 2.0 * east / 110.0 * COT
    assert widening_m(down_by_stern, hull(FORM), east) == pytest.approx(expected, abs=0.12)


@pytest.mark.parametrize("bearing", [BEARING, BEARING + 180.0])
def test_heel_lifts_one_edge(bearing):
    """Starboard up: the shade north of her grows when starboard lies north (bow west)."""
    up = tilted(hull(FORM), 0.0, np.tan(np.radians(1.5)))
    change = picture(hull(FORM), bearing=bearing) - picture(up, bearing=bearing)
    open_water = picture([])[0, 0]
    # The deck itself turns to or from the sun: take the water north of it alone.
    north = change[:36, 30:50].sum(axis=0).mean()
    found = float(north * 3.0 / (open_water - deep_shade()))
    sign = 1.0 if bearing > 180.0 else -1.0
    assert found == pytest.approx(sign * 8.5 * np.tan(np.radians(1.5)) * COT, abs=0.06)


def test_a_sloping_roof_is_as_bright_as_its_slope_to_the_sun():
    high = light(sun_elevation_deg=40.0)
    flat = [box((-60, 60), (-60, 60), (0.0, 10.0), "white", "white")]
    turned = tilted(flat, 0.0, np.tan(np.radians(5.0)))  # starboard, south, up: away from the sun
    sky, sun = render(place(flat, 0, 0, 90.0), water(), high, EXTENT_M)[:, 3, 40, 40]
    sky_turned, sun_turned = render(place(turned, 0, 0, 90.0), water(), high, EXTENT_M)[
        :, 3, 40, 40
    ]
    expected = np.sin(np.radians(40.0 - 5.0)) / np.sin(np.radians(40.0))
    assert sun_turned / sun == pytest.approx(expected, rel=0.01)
    assert sky_turned == pytest.approx(sky, rel=1e-5)


def test_what_stands_on_deck_is_seen_and_can_be_taken_away():
    bare = picture(ship_parts(FORM, 4.0, 7))
    busy = picture(ship_parts(FORM, 4.0, 7, nuisances=replace(NONE, clutter=True)))
    changed = np.abs(busy - bare) > 0.01
    assert changed[38:42, 22:52].mean() > 0.25  # pipes along the middle of the deck
    np.testing.assert_array_equal(bare, picture(ship_parts(FORM, 4.0, 7, nuisances=NONE)))


def test_a_jib_over_the_side_darkens_the_water_beyond_the_strip():
    found = 0
    for style in range(12):
        bare = picture(ship_parts(FORM, 4.0, style))
        armed = picture(ship_parts(FORM, 4.0, style, nuisances=replace(NONE, cranes=True)))
        beyond = slice(26, 34)  # 10-34 m north of her side; the strip ends at 8.6 m
        dark = (bare - armed)[beyond, 30:52].max() > 0.01
        found += bool(dark)
    assert 2 <= found <= 8


def test_water_is_darker_in_the_lee():
    options = replace(SMALL, nuisances=replace(NONE, wind_lee=True), size=160, seed=5)
    world = build_world(options)
    seen = 0
    for plan in world.looks:
        calm = render_look(world, plan)[0].astype(float)
        still = build_world(replace(options, nuisances=NONE))
        plain = render_look(still, still.looks[world.looks.index(plan)])[0].astype(float)
        change = (calm - plain)[0]
        if plan.weather.wind_m_s > 4 and change.min() < 0:
            assert change.max() <= 1
            assert (change < -10).sum() * 9.0 > 2000.0  # broad: more than a hull's plan
            seen += 1
    assert seen


def test_glint_follows_sun_view_and_wind():
    """A mirrored sun spreads with the wind, about the place where a flat sea would show it."""
    specular = light(sun_elevation_deg=60.0, zenith_deg=30.0, view_azimuth_grid_deg=0.0)
    overhead = light(sun_elevation_deg=60.0)
    low = light(sun_elevation_deg=20.0)
    assert sun_glint(specular, 3.0) > sun_glint(specular, 9.0) > sun_glint(overhead, 9.0)
    assert sun_glint(overhead, 9.0) > sun_glint(overhead, 3.0)
    assert sun_glint(low, 3.0) < 1e-4
    # Cox and Munk's slopes sum to one: so does what all facets mirror, as their Fresnel share.
    total = 0.0
    for zenith in np.arange(0.75, 80, 1.5):  # with the sun overhead all azimuths are alike
        one = light(sun_elevation_deg=90.0, zenith_deg=zenith)
        ring = 2 * np.pi * np.sin(np.radians(zenith)) * np.radians(1.5)
        total += sun_glint(one, 4.0) / np.pi * np.cos(np.radians(zenith)) * ring
    assert total == pytest.approx(0.0204, rel=0.1)


def test_glint_brightens_lit_water_and_not_the_shade():
    wall = [box((-110, 110), (-5, 5), (0.0, 40.0), "dark", "dark")]
    plain, mirrored = picture(wall), picture(wall, surface=water(0.05))
    assert mirrored[75, 40] - plain[75, 40] == pytest.approx(0.05, abs=1e-4)
    assert mirrored[25, 40] == pytest.approx(plain[25, 40], abs=1e-4)


def test_adjacency_mixes_in_what_lies_around():
    look = light(aerosol=0.3)
    even = np.full((2, 4, 100, 100), 0.2, np.float32)
    np.testing.assert_allclose(scattered(even, look), even, rtol=1e-5)
    coast = even.copy()
    coast[..., :50] = 0.02
    mixed = scattered(coast, look)[0]
    gain = mixed[:, 50, :50] - 0.02
    share = scattered_share(look)
    assert np.all(np.diff(gain, axis=1) > -1e-6)  # more towards the shore
    assert np.all(gain[:, -1] < share * 0.18)
    assert np.all(gain[:, 0] > 0.1 * share * 0.18)  # a long tail: still there at 150 m
    assert np.all(np.diff(gain[:, -1]) < 0)  # less at longer wavelengths
    assert np.all(mixed[:, 50, 50:] < 0.2)


def test_adjacency_acts_in_a_look_and_is_switched_off():
    world = build_world(replace(SMALL, nuisances=replace(NONE, adjacency=True)))
    plain = build_world(replace(SMALL, nuisances=NONE))
    change = render_look(world, world.looks[0])[0].astype(int)
    change -= render_look(plain, plain.looks[0])[0].astype(int)
    assert change[0].max() > 5
    assert change[0].min() < -5


def test_bands_lie_up_to_half_a_pixel_apart():
    looks = plan_looks(SimOptions(looks=100, days=100))
    shifts = np.array([plan.light.band_shift_px for plan in looks])
    apart = np.linalg.norm(shifts[:, :, None] - shifts[:, None], axis=-1).max(axis=(1, 2))
    assert apart.max() <= 0.5
    assert apart.max() > 0.35
    assert apart.min() < 0.1
    still = plan_looks(SimOptions(looks=3).without("misregistration"))
    assert all(plan.light.band_shift_px == ((0.0, 0.0),) * 4 for plan in still)


def test_a_shifted_band_is_shifted_in_the_picture():
    moves = ((0.0, 0.0), (0.2, -0.1), (-0.15, 0.2), (0.0, 0.25))
    parts = [box((-20, 20), (-9, 9), (0.0, 0.5), "white", "white")]
    image = render(parts, water(), light(band_shift_px=moves), EXTENT_M).sum(axis=0)
    rows, cols = np.mgrid[:80, :80]
    for band, (down, right) in enumerate(moves):
        bright = image[band] - image[band, 0, 0]
        place_px = [(bright * axis).sum() / bright.sum() for axis in (rows, cols)]
        np.testing.assert_allclose(place_px, [39.5 - down, 39.5 - right], atol=0.03)


def test_point_spread_varies_by_scene():
    looks = plan_looks(SimOptions(looks=80, days=80))
    widths = [plan.light.psf_sigma_px for plan in looks]
    assert 0.45 <= min(widths) < 0.48
    assert 0.72 < max(widths) <= 0.75
    fixed = plan_looks(SimOptions(looks=3).without("psf"))
    assert {plan.light.psf_sigma_px for plan in fixed} == {0.6}


def test_a_higher_tide_shortens_the_quays_shade():
    quay = [box((-100, 100), (-20, 20), (0.0, 4.0), "concrete", "dark"),
            box((-5, 5), (-20, -18), (4.0, 8.0), "white", "white")]  # fmt: skip
    high = lowered(quay, 1.2)
    assert [part.top_m for part in high] == pytest.approx([2.8, 6.8])
    assert [part.base_m for part in high] == pytest.approx([0.0, 2.8])
    assert widening_m(high, quay, 55.0, half_m=20.0) == pytest.approx(-1.2 * COT, abs=0.1)
    assert lowered([box((0, 1), (0, 1), (0.0, 1.0), "rock", "rock")], 1.1) == []


def test_tide_changes_by_look_and_stays_below_the_quay():
    levels = []
    for seed in range(8):
        looks = plan_looks(SimOptions(seed=seed, looks=8, days=30))
        tides = np.array([plan.tide_m for plan in looks])
        assert np.abs(tides).max() <= 0.9
        levels.append(np.ptp(tides))
    assert max(levels) > 0.6
    assert all(plan.tide_m == 0 for plan in plan_looks(SimOptions(looks=5).without("tide")))


def test_quays_are_of_many_heights():
    heights = np.array(
        [
            berth.quay_m
            for seed in range(12)
            for berth in build_world(SimOptions(seed=seed, looks=1, berths=8, size=350)).port.berths
        ]
    )
    assert heights.min() >= 1.5
    assert heights.max() <= 6.0
    assert heights.min() < 2.2
    assert heights.max() > 4.5
    one = build_world(SimOptions(looks=1, size=300).without("quay_heights")).port
    assert {berth.quay_m for berth in one.berths} == {3.2}


def test_truth_tells_the_quay_over_the_water_of_the_moment():
    world = build_world(replace(SMALL, looks=4, days=12, size=120))
    for plan in world.looks:
        told = render_look(world, plan)[2]
        assert told["tide_m"] == plan.tide_m
        for ship in told["vessels"]:
            if ship["berth"]:
                berth = next(b for b in world.port.berths if b.name == ship["berth"])
                assert ship["quay_m"] == pytest.approx(berth.quay_m - plan.tide_m)


def test_waiting_ships_swing_in_open_water_and_are_at_one_place_at_a_time():
    options = SimOptions(size=380, berths=4, anchor_places=4, ships=8, days=20, looks=20, seed=2)
    world = build_world(options)
    plan = world.schedule
    assert len(plan.places) == 4
    assert len(plan.waits) > 4
    solid = shapely.union_all([shapely.Polygon(part.outline) for part in world.port.prisms])
    assert all(shapely.Point(spot).distance(solid) > 100 for spot in plan.places)
    for one in plan.waits:
        others = [w for w in plan.waits if w is not one]
        clash = [w for w in others if w.vessel_id == one.vessel_id or w.place == one.place]
        assert all(w.end < one.begin or w.begin > one.end for w in clash)
        mine = [c for c in plan.calls if c.vessel_id == one.vessel_id]
        assert all(c.departure < one.begin or c.arrival > one.end for c in mine)
    look = next(p for p in world.looks if any(w.begin <= p.when < w.end for w in plan.waits))
    told = render_look(world, look)[2]
    waiting = [v for v in told["vessels"] if v["class"] == "tanker" and v["berth"] is None]
    assert waiting
    for ship in waiting:
        turn = ship["heading_deg"] - told["wind_from_deg"]
        assert abs((turn + 180) % 360 - 180) < 50
        assert ship["fill"] is not None


def test_all_off_is_a_clean_scene():
    world = build_world(replace(SMALL, nuisances=NONE))
    first, second = world.looks[0], replace(world.looks[0], scene_id="again")
    one, two = (render_look(world, plan)[0] for plan in (first, second))
    np.testing.assert_array_equal(one, two)
    corner = one[:, -20:, :20].astype(int)  # open water, away from the port
    side = [one[:, :20, :20], one[:, :20, -20:], corner]
    even = min(np.ptp(patch.reshape(4, -1).astype(int), axis=1).max() for patch in side)
    assert even == 0


def test_every_nuisance_changes_something(monkeypatch):
    """One seed, every switch: a switch that nothing reads would go unnoticed."""
    base = replace(SMALL, size=310, looks=25, days=40, berths=3, clouds=0.5, ships=6)
    monkeypatch.setattr("eo.sim.world.make_textures", lambda _: None)
    painted = {"texture", "wind_lee", "adjacency", "mask_faults"}  # read later: seen in pixels
    whole = _traits(build_world(base))
    for field in fields(Nuisances):
        if field.name not in painted:
            assert _traits(build_world(base.without(field.name))) != whole, field.name


def _traits(world):
    """What a campaign consists of before it is rendered, cheap to compare."""
    solids = list(world.port.prisms)
    for plan in world.looks[::2]:
        wind = plan.weather.wind_from_deg
        there = afloat_in_look(world.options, world.port, world.schedule, plan.when, wind)
        solids += [part for ship in there for part in ship.parts]
    shapes = sum(float(part.outline.sum() + part.top_m + sum(part.slope)) for part in solids)
    listed = tuple(ship.listed for ship in world.schedule.ships)
    return repr(world.looks), len(solids), round(shapes, 3), listed


def test_pixels_of_both_sensors_are_whole():
    assert PIXEL_M == {"planetscope": 3.0, "sentinel-2": 10.0}
    assert prism([(0, 0), (1, 0), (0, 1)], (0, 1), "dark", "dark").highest_m == 1.0
