"""Lamps of what moves: beams on the road and the glare of head-, tail and brake lights."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from cvops_sim.arrays import Colour, Image, Plane, Points, rgb, smooth_step
from cvops_sim.backdrop import Backdrop
from cvops_sim.objects.figure import Figure
from cvops_sim.raster import Box, flat
from cvops_sim.shading import Shading

WHITE, RED = rgb(255, 240, 214), rgb(255, 34, 26)
HOT_WHITE, HOT_RED = rgb(255, 255, 255), rgb(255, 96, 84)
INFRARED_GREY = 255.0
BEAM_LENGTH_M, BEAM_HALF_M = 24.0, 5.0
TEXELS_PER_M = 5
BEAM_COLOUR = rgb(40, 37, 31)
BEAM_GAIN = 2.4
FARTHEST_BEAM_M = 90.0
FOG_LAMPS_PER_M = 0.012
BRAKES_FROM = 0.55


@lru_cache(maxsize=1)
def _beam() -> Plane:
    """A pair of dipped beams from above, uint8 (length, width), the car at the top edge."""
    rows, columns = round(BEAM_LENGTH_M * TEXELS_PER_M), round(2 * BEAM_HALF_M * TEXELS_PER_M)
    ahead = ((np.arange(rows) + 0.5) / TEXELS_PER_M)[:, None]
    aside = ((np.arange(columns) + 0.5) / TEXELS_PER_M - BEAM_HALF_M)[None, :]
    spread = 0.75 + 0.105 * ahead
    across = sum(np.exp(-(((aside - lamp) / spread) ** 2)) for lamp in (-0.6, 0.6))
    along = smooth_step(0.2, 3.0, ahead) * np.exp(-ahead / 7.5) * smooth_step(BEAM_LENGTH_M, 14.0, ahead)
    return np.asarray(np.clip(175 * across * along, 0, 255), np.uint8)


def light_the_road(picture: Image, figures: Sequence[Figure], backdrop: Backdrop, shading: Shading) -> None:
    """Put the headlights' beams on the open ground of `picture`."""
    strength = _lit(shading) * (1 - shading.light.day) * (1 - shading.light.infrared)
    if strength < 0.05:
        return
    lit = np.zeros(picture.shape[:2], np.uint8)
    for figure in figures:
        if not figure.outfit.beams or figure.range_m > FARTHEST_BEAM_M:
            continue
        box, to_pixels = _beam_place(figure, backdrop)
        if box.empty:
            continue
        size = (box.right - box.left, box.bottom - box.top)
        pool = cv2.warpPerspective(_beam(), to_pixels, size, flags=cv2.INTER_LINEAR)
        pool = cv2.multiply(pool, backdrop.open_ground[box.slices], scale=shading.transmission(figure.range_m) / 255)
        lit[box.slices] = cv2.add(lit[box.slices], pool)
    rows = np.flatnonzero(lit.any(1))
    if not len(rows):
        return
    area = slice(int(rows[0]), int(rows[-1]) + 1)
    pool = cv2.cvtColor(lit[area], cv2.COLOR_GRAY2BGR)
    gain = cv2.multiply(picture[area], pool, scale=strength * BEAM_GAIN / 255)
    air = flat(BEAM_COLOUR * strength, lit[area])
    picture[area] = cv2.add(cv2.add(picture[area], gain), air)


def _beam_place(figure: Figure, backdrop: Backdrop) -> tuple[Box, Points]:
    """Where a vehicle's beams fall, and the matrix from the beam's texels to the pixels of that box."""
    place, view = figure.actor.placement, backdrop.view
    flat = [(-BEAM_HALF_M, 0.0, 0.0), (BEAM_HALF_M, 0.0, 0.0), (BEAM_HALF_M, 0.0, 1.0), (-BEAM_HALF_M, 0.0, 1.0)]
    local = np.array(flat) * (1, 1, BEAM_LENGTH_M) + (0, 0, figure.reach_m)
    corners = view.outline(place.to_world(local))
    if len(corners) < 3:
        return Box(0, 0, 0, 0), np.eye(3)
    box = Box.around(corners, view.width, view.height)
    scale = 1 / TEXELS_PER_M
    origin = place.to_world(np.array([-BEAM_HALF_M + scale / 2, 0.0, figure.reach_m + scale / 2]))
    to_ground = np.array(
        [
            [place.forward_z * scale, place.forward_x * scale, origin[0]],
            [-place.forward_x * scale, place.forward_z * scale, origin[2]],
            [0, 0, 1.0],
        ]
    )
    into_box = np.array([[1, 0, -0.5 - box.left], [0, 1, -0.5 - box.top], [0, 0, 1.0]])
    return box, into_box @ view.ground_matrix() @ to_ground


def _lit(shading: Shading) -> float:
    """How far lamps are switched on: at night, at dusk and in fog."""
    dusk = smooth_step(0.15, 0.45, shading.light.night)
    return float(max(dusk, smooth_step(0.5, 1.0, shading.extinction_per_m / FOG_LAMPS_PER_M)))


@dataclass(frozen=True, eq=False)
class Lamp:
    """One lamp that may shine into the lens: its pixel, its place, and how it shines."""

    pixel: Points
    figure: Figure
    index: int
    red: bool
    power: float


def lamps_of(figure: Figure, index: int, backdrop: Backdrop, shading: Shading) -> list[Lamp]:
    """The lamps of a figure that point to the camera; `index` is its number in the picture of instances."""
    place, view = figure.actor.placement, backdrop.view
    on = _lit(shading)
    towards = -(place.x * place.forward_x + place.z * place.forward_z) / max(figure.range_m, 1.0)
    brake = float(smooth_step(BRAKES_FROM, 0.9, figure.actor.slowing))
    if towards > 0:
        spots, power = figure.outfit.headlights, on * towards**2
    else:
        spots, power = figure.outfit.taillights, max(on, brake * (0.75 if figure.outfit.beams else 0)) * towards**2
        power *= 1 + 0.6 * brake
    if power < 0.05 or not len(spots):
        return []
    pixels, depth = view.project(place.to_world(spots))
    return [Lamp(pixel, figure, index, towards < 0, power) for pixel in pixels[depth > 1]]


def shine(picture: Image, instances: Plane, lamps: Sequence[Lamp], backdrop: Backdrop, shading: Shading) -> None:
    """Add the glare of the lamps that nothing hides to `picture`."""
    height, width = picture.shape[:2]
    for lamp in lamps:
        x, y = int(lamp.pixel[0]), int(lamp.pixel[1])
        if not (0 <= x < width and 0 <= y < height):
            continue
        figure = lamp.figure
        if backdrop.standing_m[y, x] < figure.range_m - figure.reach_m or instances[y, x] not in (0, lamp.index):
            continue
        _glare(picture, x, y, lamp, shading)


def _glare(picture: Image, x: int, y: int, lamp: Lamp, shading: Shading) -> None:
    light, range_m = shading.light, max(lamp.figure.range_m, 6.0)
    size = (110 if lamp.red else 270) * picture.shape[0] / 360 * (1 if lamp.figure.outfit.beams else 0.5)
    wide = 1 + 12 * shading.extinction_per_m + 0.4 * light.infrared
    radius = int(np.clip(size / range_m * wide, 3, 44 * picture.shape[0] / 360))
    dim = 0.35 + 0.65 * max(light.night, light.infrared)
    power = lamp.power * dim * shading.transmission(0.7 * lamp.figure.range_m)
    stamp = _halo(radius, lamp.red, light.infrared >= 0.5, min(16, round(power * 12)))
    box = Box(
        max(0, x - radius), max(0, y - radius), min(picture.shape[1], x + radius + 1), min(len(picture), y + radius + 1)
    )
    top, left = box.top - y + radius, box.left - x + radius
    part = stamp[top : top + box.bottom - box.top, left : left + box.right - box.left]
    picture[box.slices] = cv2.add(picture[box.slices], part)


@lru_cache(maxsize=512)
def _halo(radius: int, red: bool, grey: bool, level: int) -> Image:
    """Glare around a lamp, uint8 (2 radius + 1, 2 radius + 1, 3); `level` is its power in twelfths."""
    steps = np.arange(-radius, radius + 1, dtype=np.float32) ** 2
    squared = steps[:, None] + steps[None, :]
    sigma = radius / 2.6
    wide = np.exp(-squared / (2 * sigma**2))
    core = np.exp(-squared / (2 * max(0.9, sigma * 0.30) ** 2))
    hot: Colour = HOT_RED if red else HOT_WHITE
    colour: Colour = RED if red else WHITE
    if grey:
        hot = colour = np.full(3, 90.0 if red else INFRARED_GREY, np.float32)
    glare = 0.50 * wide[..., None] * colour + core[..., None] * hot
    edge = np.clip((radius + 0.5 - np.sqrt(squared)) / (0.3 * radius), 0, 1)[..., None]
    return np.asarray(np.clip(glare * edge * (level / 12), 0, 255), np.uint8)
