"""Small drawn scenes with known hulls, for the tests of vessel detection."""

import math

import numpy as np
import shapely
from scipy import ndimage as ndi

from eo.core.grid import Grid

BANDS = ("blue", "green", "red", "nir")
WATER = np.array([0.055, 0.05, 0.035, 0.02])
QUAY = np.array([0.17, 0.19, 0.21, 0.24])
RED_DECK = np.array([0.06, 0.07, 0.15, 0.17])
HOUSE = np.array([0.45, 0.45, 0.45, 0.42])
FINE = 5


def grid(height, width, pixel_m=3.0):
    return Grid(
        epsg=32653, x0_m=500_000.0, y0_m=4_730_000.0, pixel_m=pixel_m, height=height, width=width
    )


def hull(x_m, y_m, length_m, beam_m, heading_deg):
    """Hull polygon in metres east and north of the scene's north-west corner (y negative)."""
    a, b = length_m / 2, beam_m / 2
    shape = [(-a, -0.8 * b), (-0.94 * a, -b), (0.7 * a, -b), (0.9 * a, -0.6 * b), (a, 0)]
    shape += [(u, -v) for u, v in reversed(shape[:-1])]
    east, north = math.sin(math.radians(heading_deg)), math.cos(math.radians(heading_deg))
    return shapely.Polygon(
        [(x_m + u * east + v * north, y_m + u * north - v * east) for u, v in shape]
    )


def house(x_m, y_m, length_m, beam_m, heading_deg):
    """The superstructure, aft."""
    east, north = math.sin(math.radians(heading_deg)), math.cos(math.radians(heading_deg))
    u0, u1, b = -0.44 * length_m, -0.30 * length_m, 0.42 * beam_m
    return shapely.Polygon(
        [
            (x_m + u * east + v * north, y_m + u * north - v * east)
            for u, v in ((u0, -b), (u1, -b), (u1, b), (u0, b))
        ]
    )


def ship(*where, deck=RED_DECK):
    """Shapes of one ship, to be drawn in order."""
    return [(hull(*where), deck), (house(*where), HOUSE)]


def draw(scene, shapes, *, noise=0.0015, blur_px=0.6, seed=0, water=WATER):
    """Reflectance (band, y, x): shapes drawn finer than the pixel, blurred, with noise."""
    height, width, step = scene.height, scene.width, scene.pixel_m / FINE
    fine = np.broadcast_to(water[:, None, None], (4, height * FINE, width * FINE)).copy()
    x = (np.arange(width * FINE) + 0.5) * step
    y = -(np.arange(height * FINE) + 0.5) * step
    for shape, colour in shapes:
        west, south, east, north = shape.bounds
        cols = np.flatnonzero((x >= west) & (x <= east))
        rows = np.flatnonzero((y >= south) & (y <= north))
        if cols.size and rows.size:
            xx, yy = np.meshgrid(x[cols], y[rows])
            inside = shapely.contains_xy(shape, xx, yy)
            block = fine[:, rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
            block[:, inside] = np.asarray(colour)[:, None]
    image = fine.reshape(4, height, FINE, width, FINE).mean(axis=(2, 4))
    image = np.stack([ndi.gaussian_filter(band, blur_px) for band in image])
    rng = np.random.default_rng(seed)
    return (image + rng.normal(0, noise, image.shape)).astype(np.float32)


def clear(scene):
    return np.ones((scene.height, scene.width), np.uint8)
