"""Shadows of what moves: the sun's, soft at the far end, and the darkness beneath that is always there."""

from collections.abc import Sequence

import cv2
import numpy as np

from cvops_sim.arrays import Image, Plane, Points
from cvops_sim.backdrop import Backdrop
from cvops_sim.objects.figure import Figure
from cvops_sim.raster import Box, coverage_of
from cvops_sim.shading import Shading

LEAST_HEIGHT_PX = 5
CONTACT = 0.50
"""Share of the light that is missing beneath an object."""
CONTACT_BLUR_M, SUN_BLUR_M = 0.18, 0.07
TOP_SHARE = 0.85
"""The shadow of the roof is a little smaller than that of a box."""


def cast_shadows(picture: Image, figures: Sequence[Figure], backdrop: Backdrop, shading: Shading) -> None:
    """Darken the open ground of `picture` under and beside the figures."""
    dark = np.zeros(picture.shape[:2], np.uint8)
    light = backdrop.light
    sun_strength = 0.0
    if light.casts_shadows:
        sun_strength = 1.1 * shading.shadow_strength * (1 - light.infrared)
        slide = -light.sun[[0, 2]] / light.sun[1]
    touched: list[Box] = []
    for figure in figures:
        top, bottom = figure.shape.points[:, 1].min(), figure.shape.points[:, 1].max()
        clear = shading.transmission(figure.range_m)
        if bottom - top < LEAST_HEIGHT_PX or clear < 0.05:
            continue
        feet = _footprint(figure)
        if sun_strength > 0.02:
            length = figure.outfit.height_m * TOP_SHARE
            hull = cv2.convexHull(np.concatenate([feet, feet + slide * length]).astype(np.float32))[:, 0]
            touched += _darken(dark, hull, figure.range_m, backdrop, SUN_BLUR_M, sun_strength * clear, backdrop.sunlit)
        strength = CONTACT * clear * (1 - 0.6 * light.infrared)
        touched += _darken(dark, feet, figure.range_m, backdrop, CONTACT_BLUR_M, strength, backdrop.open_ground)
    if touched:
        rows = slice(min(box.top for box in touched), max(box.bottom for box in touched))
        left = cv2.cvtColor(cv2.bitwise_not(dark[rows]), cv2.COLOR_GRAY2BGR)
        picture[rows] = cv2.multiply(picture[rows], left, scale=1 / 255)


def _footprint(figure: Figure) -> Points:
    """Corners (4, 2) x and z on the ground."""
    return figure.actor.placement.to_ground(figure.outfit.footprint)[:, [0, 2]]


def _darken(
    dark: Plane, outline: Points, range_m: float, backdrop: Backdrop, blur_m: float, strength: float, where: Plane
) -> list[Box]:
    """Put a soft polygon of ground points into `dark`; what it touched."""
    view = backdrop.view
    ground = np.zeros((len(outline), 3))
    ground[:, [0, 2]] = outline
    corners = view.outline(ground)
    if len(corners) < 3:
        return []
    sigma = min(max(blur_m * view.focal_px / max(range_m, 4.0), 0.5), 6.0)
    box = Box.around(corners, view.width, view.height, pad=2 + round(2.5 * sigma))
    if box.empty:
        return []
    size = 2 * round(1.25 * sigma) + 1
    soft = cv2.blur(cv2.blur(coverage_of(corners, box), (size, size)), (size, size))
    soft = cv2.multiply(soft, where[box.slices], scale=strength / 255)
    dark[box.slices] = np.maximum(dark[box.slices], soft)
    return [box]
