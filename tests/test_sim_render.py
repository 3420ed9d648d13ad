"""The renderer, measured in its pictures with a ruler and compared with what must come out."""

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely

from eo.sim.hullform import HullForm
from eo.sim.optics import diffuse_share, spread_matrix, sun_at
from eo.sim.options import Nuisances
from eo.sim.render import Light, Surface, render
from eo.sim.ships import ship_parts
from eo.sim.solids import box, place, prism, regular

DATA = Path(__file__).parents[2] / "shared" / "data"
EXTENT_M = 300.0


def flat_water():
    """Water of one tone, ground without unevenness."""

    def tone(value):
        return lambda x, y: np.full(np.broadcast_shapes(x.shape, y.shape), value, np.float32)

    def leaving(x, y):
        return np.full((4, *np.broadcast_shapes(x.shape, y.shape)), 0.05, np.float32)

    def glint(x, y):
        return tone(0.0)(x, y), tone(0.0)(x, y)

    return Surface(leaving=leaving, glint=glint, foam=tone(0.0), ground=tone(1.0))


def light(**changes):
    base = Light(
        sensor="planetscope",
        pixel_m=3.0,
        sun_elevation_deg=30.0,
        sun_azimuth_grid_deg=135.0,
        zenith_deg=0.0,
        view_azimuth_grid_deg=90.0,
        aerosol=0.1,
        psf_sigma_px=0.5,
        band_shift_px=((0.0, 0.0),) * 4,
    )
    return replace(base, **changes)


def picture(parts, look):
    return render(parts, flat_water(), look, EXTENT_M).sum(axis=0)


def shadow_area_m2(image, empty, dark):
    """Area darker than open water, in units of a fully shaded pixel."""
    return float(((empty - image) / (empty - dark)).sum()) * 9.0


def axes():
    x = -EXTENT_M / 2 + (np.arange(100) + 0.5) * 3.0
    return x[None, :], -x[:, None]


def test_shadow_of_a_lone_box_has_the_area_that_geometry_gives():
    look = light()
    height, reach = 12.0, 12.0 / np.tan(np.radians(30.0))
    corners = np.array([(-10, -15), (10, -15), (10, 15), (-10, 15)])
    image = picture([prism(corners, (0.0, height), "dark", "dark")], look)[3]
    open_water = picture([], look)[3, 0, 0]
    # How dark a shade is, read where a high wall throws a wide one.
    wide = picture([box((-140, 140), (-15, -10), (0.0, 90.0), "dark", "dark")], look)[3]
    dark = float(np.percentile(wide, 1))
    away = -reach * np.array([np.sin(np.radians(135)), np.cos(np.radians(135))])
    swept = shapely.MultiPoint(np.vstack([corners, corners + away])).convex_hull
    # Pixels near the footprint hold roof as well: leave them out of both areas.
    x, y = axes()
    far = (np.abs(x) > 18) | (np.abs(y) > 21)
    expected = swept.difference(shapely.box(-18, -21, 18, 21)).area
    measured = shadow_area_m2(np.where(far, image, open_water), open_water, dark)
    assert measured == pytest.approx(expected, rel=0.04)


def profile_width_m(image, column, open_water, dark):
    """Width of the dark strip along a column of pixels, from its missing light."""
    missing = (open_water - image[:, column]) / (open_water - dark)
    return float(missing.sum() * 3.0)


@pytest.mark.parametrize("elevation", [22.0, 35.0, 55.0])
def test_length_of_a_shadow_is_height_over_tangent(elevation):
    """A long thin wall, askew to the pixels; the shade moves due north, along the columns."""
    height = 9.0
    look = light(sun_elevation_deg=elevation, sun_azimuth_grid_deg=180.0)
    wall = [box((-200, 200), (-0.2, 0.2), (0.0, height), "dark", "dark")]
    image = picture(place(wall, 0.0, 0.0, 81.0), look)
    open_water = picture([], look)[:, 0, 0]
    # Deep shade, from a wall high enough to darken many pixels.
    high = [box((-200, 200), (-0.2, 0.2), (0.0, 60.0), "dark", "dark")]
    deep = picture(place(high, 0.0, -75.0, 90.0), look)
    for band in range(4):
        dark = float(np.median(deep[band, 62:70, 50]))
        assert dark < 0.6 * open_water[band]
        width = profile_width_m(image[band], 50, open_water[band], dark)
        assert width == pytest.approx(height / np.tan(np.radians(elevation)), abs=0.12)


@pytest.mark.parametrize("azimuth", [0.0, 60.0, 135.0, 200.0, 300.0])
def test_shade_falls_away_from_the_sun(azimuth):
    look = light(sun_azimuth_grid_deg=azimuth)
    image = picture([regular((0.0, 0.0), 6.0, (0.0, 30.0), "concrete", "concrete")], look)[3]
    open_water = picture([], look)[3, 0, 0]
    dark = np.clip(open_water - image, 0.0, None)
    x, y = axes()
    east, north = float((dark * x).sum() / dark.sum()), float((dark * y).sum() / dark.sum())
    bearing = np.degrees(np.arctan2(east, north)) % 360
    assert abs((bearing - azimuth - 180 + 180) % 360 - 180) < 2.0


@pytest.mark.parametrize(("zenith", "azimuth"), [(0.0, 90.0), (15.0, 90.0), (20.0, 230.0)])
def test_a_roof_leans_away_from_the_sensor(zenith, azimuth):
    """In an image orthorectified to sea level a roof lies height x tan(zenith) from its foot."""
    height = 40.0
    look = light(zenith_deg=zenith, view_azimuth_grid_deg=azimuth, sun_elevation_deg=85.0)
    image = picture([regular((0.0, 0.0), 12.0, (0.0, height), "white", "dark")], look)[3]
    bright = np.clip(image - 0.3, 0.0, None)
    x, y = axes()
    found = np.array([(bright * x).sum(), (bright * y).sum()]) / bright.sum()
    shift = height * np.tan(np.radians(zenith))
    expected = -shift * np.array([np.sin(np.radians(azimuth)), np.cos(np.radians(azimuth))])
    np.testing.assert_allclose(found, expected, atol=0.35)


def test_strip_beside_a_hull_adds_shade_and_the_wall_seen():
    """Shade and visible shaded side of a 6 m hull, sensor on the far side from the sun."""
    freeboard, elevation, zenith = 6.0, 30.0, 12.0
    look = light(
        sun_elevation_deg=elevation,
        sun_azimuth_grid_deg=180.0,
        zenith_deg=zenith,
        view_azimuth_grid_deg=0.0,
    )
    # Askew to the pixels, read along the columns due north, in the direction of sun and sensor.
    askew = 83.0
    hull = [box((-200, 200), (-15, 15), (0.0, freeboard), "white", "hull-black")]
    image = picture(place(hull, 0.0, 0.0, askew), look)[3]
    open_water = picture([], look)[3, 0, 0]
    tall = [box((-200, 200), (-15, 15), (0.0, 30.0), "white", "hull-black")]
    dark = float(picture(place(tall, 0.0, 0.0, askew), look)[3, 30:44, 50].min())
    north = 150.0 - (np.arange(100) + 0.5) * 3.0
    x_m = 1.5  # centre of column 50
    side = 15.0 / np.sin(np.radians(askew)) + x_m / np.tan(np.radians(askew))
    deck = float(image[47:50, 50].mean())
    split = side + 4.0
    inner, outer = (north > 0) & (north < split), (north > split) & (north < 80)
    edge_deck = float(((image[inner, 50] - dark) / (deck - dark)).sum() * 3.0)
    start = north[inner].min() - 1.5
    missing = float(((open_water - image[outer, 50]) / (open_water - dark)).sum() * 3.0)
    assert start + edge_deck == pytest.approx(
        side - freeboard * np.tan(np.radians(zenith)), abs=0.4
    )
    reach = north[outer].min() - 1.5 + missing
    assert reach == pytest.approx(side + freeboard / np.tan(np.radians(elevation)), abs=0.4)


def test_shade_is_bluer_than_light():
    look = light()
    sky = diffuse_share(look.bands, look.sun_elevation_deg, look.aerosol)
    assert np.all(np.diff(sky) < 0)
    assert 0.15 < sky[0] < 0.5
    assert sky[3] < 0.2


def test_a_deck_shades_itself_and_lower_decks_only():
    """A tower on a slab shades the slab by its height above the slab."""
    look = light(sun_elevation_deg=40.0, sun_azimuth_grid_deg=180.0)
    slab = box((-140, 140), (-100, 100), (0.0, 4.0), "concrete", "concrete")
    wall = box((-140, 140), (-0.2, 0.2), (4.0, 12.0), "concrete", "concrete")
    image = picture(place([slab, wall], 0.0, 0.0, 84.0), look)[3]
    lit = float(image[80, 50])
    dark = float(image[45:50, 50].min())
    missing = float(((lit - image[35:60, 50]) / (lit - dark)).sum() * 3.0)
    assert missing == pytest.approx(8.0 / np.tan(np.radians(40.0)), rel=0.08)


def test_order_of_solids_does_not_matter():
    parts = place(
        ship_parts(HullForm(length_m=110.0, beam_m=17.0), 4.0, 7, nuisances=Nuisances()),
        3.0,
        -8.0,
        37.0,
    )
    look = light(zenith_deg=9.0)
    # Tops of one height that overlap may swap their paint; nothing else may change.
    change = np.abs(picture(parts, look) - picture(parts[::-1], look))
    assert change.max() < 0.04
    assert (change > 1e-3).mean() < 0.002


def test_prisms_are_turned_anticlockwise():
    clockwise = prism([(0, 0), (0, 1), (1, 1), (1, 0)], (0.0, 1.0), "dark", "dark")
    assert np.all(clockwise.normals.sum(axis=0) == pytest.approx(0.0))
    centre = clockwise.outline.mean(axis=0)
    outward = np.einsum("kc,kc->k", clockwise.normals, clockwise.outline - centre)
    assert np.all(outward > 0)


def test_point_spread_keeps_the_light_and_has_its_width():
    matrix = spread_matrix(21, 5, 3, 0.6)
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, rtol=1e-5)
    place_px = (np.arange(matrix.shape[1]) + 0.5) / 5 - 3
    variance = float((matrix[10] * (place_px - 10.5) ** 2).sum())
    assert np.sqrt(variance) == pytest.approx(0.6, abs=0.01)


@pytest.mark.data
def test_sun_is_where_a_real_item_has_it():
    path = DATA / "stac-items" / "earth-search-sentinel-2-c1-l2a.json"
    if not path.is_file():
        pytest.skip("the real inputs are not in ../shared/data")
    data = json.loads(path.read_text())
    item = data["features"][0] if "features" in data else data
    told = item["properties"]
    centre = told["proj:centroid"]
    when = dt.datetime.fromisoformat(told["datetime"])
    sun = sun_at(when, centre["lon"], centre["lat"])
    # The item's angles are means over a tile of 110 km, its centroid that of the data.
    assert sun.elevation_deg == pytest.approx(told["view:sun_elevation"], abs=0.6)
    assert sun.azimuth_deg == pytest.approx(told["view:sun_azimuth"], abs=1.2)
