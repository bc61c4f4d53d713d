"""Houses and blocks beside the road."""

import math

import cv2
import numpy as np

from cvops_sim.arrays import Colour, Points, mix, rgb
from cvops_sim.rng import generator
from cvops_sim.scene.facade import PLASTER, Facade, make_facade
from cvops_sim.scene.layout import Building, Scene
from cvops_sim.scene.plate import Plate

NEAREST_M = 2.5
ROOFS = (rgb(138, 72, 56), rgb(96, 88, 86), rgb(120, 84, 62))
ROOF_SNOW = rgb(236, 240, 246)
HAZE_RANGE_M = 420.0


def haze_at(range_m: float) -> float:
    """Share of clear air's haze at a distance."""
    return 1 - math.exp(-range_m / HAZE_RANGE_M)


def haze_colour(scene: Scene) -> Colour:
    """What things far away fade to on a clear day."""
    return np.asarray(mix(scene.palette.sky_low, scene.palette.hills, 0.2), np.float32)


def paint_building(plate: Plate, scene: Scene, building: Building, sun: Points, *, snowy: bool) -> None:
    """Put a building in front of what the plate holds."""
    rng = generator(building.seed, "building")
    wall = PLASTER[int(rng.integers(len(PLASTER)))]
    style = int(rng.integers(3))
    near = np.array([building.x, building.z])
    back = np.array([building.x + building.side * building.depth_m, building.z])
    far = np.array([building.far_x, building.z + building.length_m])
    gable = (back, near, building.depth_m, (0.0, -1.0))
    street = (near, far, building.length_m, (-float(building.side), 0.0))
    for start, end, width_m, normal in (street, gable) if building.gabled else (gable, street):
        shops = not building.gabled
        facade = make_facade(rng, wall, width_m, building.height_m, style, shops=shops)
        shade = 0.70 + 0.42 * max(0.0, normal[0] * sun[0] + normal[1] * sun[2])
        _hang(plate, scene, facade, start, end, building.height_m, shade)
    if building.gabled:
        roof = ROOFS[int(rng.integers(len(ROOFS)))]
        _roof(plate, scene, building, wall, mix(roof, ROOF_SNOW, 0.95) if snowy else roof)


def _hang(
    plate: Plate, scene: Scene, facade: Facade, start: Points, end: Points, height_m: float, shade: float
) -> None:
    """Warp a front onto its upright wall over the ground points `start` and `end` (x, z)."""
    if min(start[1], end[1]) < NEAREST_M:
        return
    wall = np.array([(p[0], y, p[1]) for p, y in ((start, height_m), (end, height_m), (end, 0), (start, 0))])
    corners, depth = plate.view.project(wall)
    if depth.min() < 1.5:
        return
    if corners[1, 0] < corners[0, 0]:
        corners = corners[[1, 0, 3, 2]]
    canvas = plate.canvas(corners)
    if canvas is None:
        return
    range_m = float(min(np.hypot(*start), np.hypot(*end)))
    hazed = mix(facade.day * np.float32(shade), haze_colour(scene), haze_at(range_m))
    size = np.ptp(corners, axis=0) * canvas.enlarge
    warped = []
    for picture in (np.clip(hazed, 0, 255).astype(np.uint8), facade.glow):
        opaque = np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)])
        rows, columns = opaque.shape[:2]
        fit = (int(np.clip(size[0], 4, columns)), int(np.clip(size[1], 4, rows)))
        fitted = cv2.resize(opaque, fit, interpolation=cv2.INTER_AREA)
        flat = np.array([(0, 0), (fit[0], 0), fit, (0, fit[1])], np.float32) - 0.5
        target = ((corners - (canvas.box.left, canvas.box.top)) * canvas.enlarge - 0.5).astype(np.float32)
        matrix = cv2.getPerspectiveTransform(flat, target)
        warped_front = cv2.warpPerspective(fitted, matrix, canvas.pixels.shape[1::-1], flags=cv2.INTER_LINEAR)
        canvas.pixels = np.asarray(warped_front, np.uint8)
        warped.append(canvas.sprite())
    rows_up = np.linspace(0, 1, canvas.box.bottom - canvas.box.top, dtype=np.float32)[:, None]
    distance = plate.range_to_wall(canvas.box, start, end)
    plate.lay(warped[0], distance, 0.05 + 0.5 * rows_up**2, glow=warped[1].colour)


def _roof(plate: Plate, scene: Scene, building: Building, wall: Colour, roof: Colour) -> None:
    """A gable above the front that faces the camera, and the slope above the street."""
    eaves, ridge = building.height_m, building.height_m + 2.6
    half_x = building.side * building.depth_m / 2
    z, far_z = building.z, building.z + building.length_m
    gable = np.array([(building.x, eaves, z), (building.x + 2 * half_x, eaves, z), (building.x + half_x, ridge, z)])
    edge = building.x - building.side * 0.4
    slope = np.array(
        [
            (edge, eaves - 0.15, z - 0.3),
            (building.far_x - building.side * 0.4, eaves - 0.15, far_z),
            (building.far_x + half_x, ridge, far_z),
            (building.x + half_x, ridge, z - 0.3),
        ]
    )
    range_m = math.hypot(building.x, z)
    for corners, colour in ((gable, wall * 0.82), (slope, roof)):
        pixels, depth = plate.view.project(corners)
        canvas = plate.canvas(pixels) if depth.min() > 1.5 else None
        if canvas is None:
            continue
        canvas.polygon(pixels, mix(colour, haze_colour(scene), haze_at(range_m)))
        plate.lay(canvas.sprite(), range_m, 0.05)
