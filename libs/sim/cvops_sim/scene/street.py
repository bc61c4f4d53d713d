"""Street furniture: lamps and signs."""

import math

import cv2
import numpy as np

from cvops_sim.arrays import Colour, Points, mix, rgb
from cvops_sim.raster import Canvas
from cvops_sim.scene.buildings import haze_at, haze_colour
from cvops_sim.scene.layout import Lamp, Scene, Sign
from cvops_sim.scene.plate import Plate

STEEL = rgb(92, 96, 98)
LAMP_HEAD = rgb(150, 152, 152)
LAMP_LIGHT = rgb(255, 236, 200)
POST = rgb(128, 130, 132)
SIGN_RED, SIGN_BLUE, SIGN_WHITE = rgb(196, 40, 42), rgb(36, 84, 168), rgb(240, 240, 238)


def paint_lamp(plate: Plate, scene: Scene, lamp: Lamp) -> None:
    """Put a street lamp in front of what the plate holds; its head shines at night."""
    top = lamp.height_m
    arm_x, tip_x = lamp.x - lamp.side * 1.9, lamp.x - lamp.side * 2.5
    joints = np.array(
        [(lamp.x, 0, lamp.z), (lamp.x, top, lamp.z), (arm_x, top + 0.35, lamp.z), (tip_x, top + 0.33, lamp.z)]
    )
    pixels, depth = plate.view.project(joints)
    canvas = plate.canvas(pixels, pad=4) if depth.min() > 2 else None
    if canvas is None:
        return
    scale = plate.view.focal_px / float(depth[0])
    range_m = math.hypot(lamp.x, lamp.z)
    haze, far = haze_colour(scene), haze_at(range_m)
    steel = mix(STEEL, haze, far)
    _bar(canvas, pixels[0], pixels[1], max(0.5, 0.10 * scale), max(0.4, 0.06 * scale), steel)
    _bar(canvas, pixels[1], pixels[2], max(0.4, 0.05 * scale), max(0.3, 0.04 * scale), steel)
    head = mix(LAMP_HEAD, haze, far)
    _bar(canvas, pixels[2], pixels[3], max(0.6, 0.13 * scale), max(0.5, 0.08 * scale), head)
    plate.lay(canvas.sprite(), range_m, 0.4)
    middle = (pixels[2] + pixels[3]) / 2
    x, y = (round(float(v) * 16) for v in middle - 0.5)
    light = (float(LAMP_LIGHT[0]), float(LAMP_LIGHT[1]), float(LAMP_LIGHT[2]))
    cv2.circle(plate.glow, (x, y), round(max(1.2, 0.16 * scale) * 16), light, -1, cv2.LINE_AA, 4)


def _bar(canvas: Canvas, start: Points, end: Points, start_half: float, end_half: float, colour: Colour) -> None:
    along = (end - start) / (np.hypot(*(end - start)) + 1e-6)
    aside = np.array([-along[1], along[0]])
    corners = [start - aside * start_half, start + aside * start_half, end + aside * end_half, end - aside * end_half]
    canvas.polygon(np.array(corners), colour)


def paint_sign(plate: Plate, sign: Sign) -> None:
    """Put a traffic sign in front of what the plate holds."""
    (foot, top), depth = plate.view.project(np.array([(sign.x, 0, sign.z), (sign.x, 2.9, sign.z)]))
    scale = plate.view.focal_px / max(float(depth[0]), 1.0)
    radius = 0.36 * scale
    canvas = plate.canvas(np.array([foot, top]), pad=round(radius) + 3) if depth.min() > 2 else None
    if canvas is None:
        return
    _bar(canvas, foot, top, max(0.5, 0.045 * scale), max(0.5, 0.045 * scale), POST)
    triangle = np.array([(0, -1), (0.9, 0.6), (-0.9, 0.6)])
    if sign.shape == 0:
        canvas.disc(top, radius, SIGN_RED)
        canvas.disc(top, radius * 0.72, SIGN_WHITE)
    elif sign.shape == 1:
        canvas.disc(top, radius, SIGN_BLUE)
    else:
        canvas.polygon(top + 1.1 * radius * triangle, SIGN_RED)
        canvas.polygon(top + 0.66 * radius * triangle, SIGN_WHITE)
    plate.lay(canvas.sprite(), math.hypot(sign.x, sign.z), 0.3)
