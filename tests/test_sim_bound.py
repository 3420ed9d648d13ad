"""The judge's bound, held against what can be written down for a single edge."""

from dataclasses import fields, replace

import numpy as np
import pytest

from eo.sim import Nuisances, SimOptions
from eo.sim.bound import MID_BODY, freeboard_bound_m
from eo.sim.campaign import look_surface
from eo.sim.hullform import HullForm
from eo.sim.looks import plan_looks
from eo.sim.optics import diffuse_share
from eo.sim.ships import ship_parts
from eo.sim.solids import place
from eo.sim.traffic import Afloat
from eo.sim.world import build_world

NONE = Nuisances(**{field.name: field.name == "noise" for field in fields(Nuisances)})
OPTIONS = SimOptions(size=120, looks=1, days=1, berths=1, ships=1, nuisances=NONE)


def ship(freeboard=6.0, bearing=37.0, length=120.0):
    form = HullForm(length_m=length, beam_m=18.0)
    parts = place(ship_parts(form, freeboard, 3), 5.0, -8.0, bearing)
    return Afloat(name="v", kind="tanker", x_m=5.0, y_m=-8.0, bearing_deg=bearing, length_m=length,
                  beam_m=18.0, parts=parts, freeboard_m=freeboard, form=form)  # fmt: skip


def look(elevation=25.0, noise=0.0015, **changes):
    (plan,) = plan_looks(OPTIONS)
    light = replace(plan.light, sun_elevation_deg=elevation, sun_azimuth_grid_deg=127.0, **changes)
    return replace(plan, light=light, noise=noise)


@pytest.fixture(scope="module")
def surface():
    world = build_world(OPTIONS)
    return look_surface(world, world.looks[0], [])


def alone_m(plan, vessel, surface):
    """Bound with nothing unknown but the freeboard: the outer edge of the shade, blurred.

    Per band and row of pixels the information is (contrast x metres of strip per metre)^2 over
    variance, pixel and 2 sqrt(pi) times the blur.
    """
    light = plan.light
    factor = 1 / np.tan(np.radians(light.sun_elevation_deg))
    blur = light.psf_sigma_px * light.pixel_m
    x = np.zeros((1, 1))
    body, (sky, sun) = surface.leaving(x, x)[:, 0, 0], surface.glint(x, x)
    rows = (MID_BODY[1] - MID_BODY[0]) * vessel.length_m / light.pixel_m
    share = diffuse_share(light.bands, light.sun_elevation_deg, light.aerosol)
    lit = body + sky + sun
    shade = 0.85 * (body * share + sky) + 0.05 * body * (1 - share)
    variance = plan.noise**2 * (1 + 2.5 * lit[0])
    per_band = ((lit[0] - shade[0]) * factor) ** 2 / (
        variance * light.pixel_m * 2 * np.sqrt(np.pi) * blur
    )
    return float(1 / np.sqrt(per_band.sum() * rows))


def test_a_wide_strip_is_known_almost_as_well_as_a_lone_edge(surface):
    plan, vessel = look(), ship(freeboard=9.0)
    least, found = alone_m(plan, vessel, surface), freeboard_bound_m(plan, vessel, surface)
    assert least < found < 2.5 * least


def test_the_bound_grows_with_noise_sun_and_blur(surface):
    base = freeboard_bound_m(look(), ship(), surface)
    assert freeboard_bound_m(look(noise=0.003), ship(), surface) == pytest.approx(
        2 * base, rel=0.15
    )
    assert freeboard_bound_m(look(elevation=60.0), ship(), surface) > 1.5 * base
    assert freeboard_bound_m(look(psf_sigma_px=0.75), ship(), surface) > base
    assert freeboard_bound_m(look(), ship(length=80.0), surface) > base


def test_no_bound_where_the_sun_stands_along_the_hull(surface):
    assert freeboard_bound_m(look(), ship(bearing=127.0), surface) is None
    assert freeboard_bound_m(look(), ship(bearing=300.0), surface) is None


def test_pixels_that_leave_the_freeboard_open_have_no_bound(surface):
    """No shade at all: the sun stands in the zenith."""
    assert freeboard_bound_m(look(elevation=89.99), ship(), surface) is None
