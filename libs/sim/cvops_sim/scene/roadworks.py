"""Roadworks in the outer right lane: broken ground, cones, barriers and a container."""

import math
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np

from cvops_sim.arrays import Colour, rgb
from cvops_sim.noise_fields import sample
from cvops_sim.raster import Box, Sprite, coverage_of
from cvops_sim.scene.layout import Scene
from cvops_sim.scene.plate import Plate

WHITE = rgb(240, 240, 238)
CONE_ORANGE, BARRIER_RED, CONTAINER = rgb(232, 92, 32), rgb(206, 42, 40), rgb(222, 160, 36)
WINDOW, LEG, EARTH = rgb(60, 70, 78), rgb(90, 91, 92), rgb(122, 92, 62)
CONES_AT_M = tuple(17 + 3.2 * i for i in range(10))
BARRIERS_AT_M = (22.0, 30.0, 38.0, 46.0)
CONTAINER_AT_M, CONTAINER_LENGTH_M = 36.0, 6.0
BROKEN_M = (24.0, 44.0)

Corner = tuple[float, float, float]
Face = tuple[list[Corner], Colour]


class ObstacleKind(StrEnum):
    """What stands in roadworks."""

    CONE = "cone"
    """An orange cone at the edge of the closed lane."""
    BARRIER = "barrier"
    """A striped board across the lane."""
    CONTAINER = "container"
    """The workers' container."""


@dataclass(frozen=True)
class Obstacle:
    """Something that stands in roadworks at the ground point (x, z)."""

    x: float
    z: float
    kind: ObstacleKind


def obstacles(scene: Scene) -> list[Obstacle]:
    """What roadworks put up."""
    road, middle = scene.road, _middle(scene)
    placed = [(z, road.half_m - road.lane_m + 0.1, ObstacleKind.CONE) for z in CONES_AT_M]
    placed += [(z, middle + 0.1, ObstacleKind.BARRIER) for z in BARRIERS_AT_M]
    placed += [(CONTAINER_AT_M, middle + 0.5, ObstacleKind.CONTAINER)]
    return [Obstacle(float(road.centre_x(z)) + offset, z, kind) for z, offset, kind in placed]


def _middle(scene: Scene) -> float:
    """Offset of the middle of the closed lane."""
    return scene.road.half_m - scene.road.lane_m * 0.5


def break_ground(plate: Plate, scene: Scene) -> None:
    """Dig up the closed lane."""
    near, far = BROKEN_M
    offsets = ((near, -1.1), (near, 1.4), (far, 1.4), (far, -1.1))
    edges = [(scene.road.centre_x(z) + _middle(scene) + offset, 0.0, z) for z, offset in offsets]
    corners = plate.view.outline(np.array(edges))
    if len(corners) < 3:
        return
    box = Box.around(corners, plate.view.width, plate.view.height, 6)
    if box.empty:
        return
    cover = cv2.GaussianBlur(coverage_of(corners, box), (0, 0), 1.2)
    cover = (cover * (plate.ground[box.slices] > 0.5)).astype(np.uint8)
    y, x = np.mgrid[box.top : box.bottom, box.left : box.right].astype(np.float32)
    earth = EARTH * (1 + 0.6 * (sample("fractal", x * 6, y * 12) - 0.5))[..., None]
    colour = np.clip(earth * (cover / np.float32(255))[..., None], 0, 255).astype(np.uint8)
    area = box.slices
    kept = plate.range_m[area].copy(), plate.ground[area].copy(), plate.lamplight[area].copy()
    plate.lay(Sprite(box, colour, cover), 0.0, 0.0)
    plate.range_m[area], plate.ground[area], plate.lamplight[area] = kept


def paint_obstacle(plate: Plate, obstacle: Obstacle) -> None:
    """Put an obstacle in front of what the plate holds."""
    x, z = obstacle.x, obstacle.z
    shape = {ObstacleKind.CONE: _cone, ObstacleKind.BARRIER: _barrier, ObstacleKind.CONTAINER: _container}
    faces = shape[obstacle.kind](x, z)
    projected = [(plate.view.project(np.array(corners)), colour) for corners, colour in faces]
    if min(float(depth.min()) for (_, depth), _ in projected) < 2:
        return
    canvas = plate.canvas(np.concatenate([pixels for (pixels, _), _ in projected]), pad=2)
    if canvas is None:
        return
    for (pixels, _), colour in projected:
        canvas.polygon(pixels, np.minimum(colour, 255))
    plate.lay(canvas.sprite(), math.hypot(x, z), 0.5)


def _cone(x: float, z: float) -> list[Face]:
    foot = _upright(x - 0.28, x + 0.28, 0, 0.08, z)
    return [(foot, CONE_ORANGE * 0.8), (_taper(x, 0, 0.8, z), CONE_ORANGE), (_taper(x, 0.3, 0.52, z), WHITE)]


def _taper(x: float, low: float, high: float, z: float) -> list[Corner]:
    """The part of a cone between two heights."""
    wide, narrow = (0.23 - 0.235 * up for up in (low, high))
    return [(x - wide, low, z), (x + wide, low, z), (x + narrow, high, z), (x - narrow, high, z)]


def _upright(x0: float, x1: float, y0: float, y1: float, z: float) -> list[Corner]:
    return [(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)]


def _barrier(x: float, z: float) -> list[Face]:
    board = [
        (_upright(x - 1.1 + i * 0.275, x - 1.1 + (i + 1) * 0.275, 0.75, 1.05, z), BARRIER_RED if i % 2 else WHITE)
        for i in range(8)
    ]
    legs = [(_upright(x + leg, x + leg + 0.08, 0, 0.75, z), LEG) for leg in (-1.0, 0.92)]
    return legs + board


def _container(x: float, z: float) -> list[Face]:
    far = z + CONTAINER_LENGTH_M
    flank = x - 1.1 if x > 0 else x + 1.1
    side: list[Corner] = [(flank, 0, z), (flank, 0, far), (flank, 2.5, far), (flank, 2.5, z)]
    roof: list[Corner] = [(x - 1.1, 2.5, z), (x + 1.1, 2.5, z), (x + 1.1, 2.5, far), (x - 1.1, 2.5, far)]
    front, window = _upright(x - 1.1, x + 1.1, 0, 2.5, z), _upright(x - 0.8, x - 0.1, 0.9, 1.9, z)
    door = _upright(x + 0.15, x + 0.85, 0.1, 2.1, z)
    ridges: list[Face] = [
        ([(flank, 0, at), (flank, 0, at + 0.25), (flank, 2.5, at + 0.25), (flank, 2.5, at)], CONTAINER * 0.72)
        for at in np.arange(z + 0.4, far - 0.4, 0.75)
    ]
    walls: list[Face] = [(roof, CONTAINER * 1.08), (front, CONTAINER), (window, WINDOW), (door, CONTAINER * 0.85)]
    return [(side, CONTAINER * 0.8), *ridges, *walls]
