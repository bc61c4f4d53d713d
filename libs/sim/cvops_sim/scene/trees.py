"""Trees: a trunk, and a crown of many clumps of leaves lit from one side."""

import math

import cv2
import numpy as np

from cvops_sim.arrays import Colour, Points, mix, rgb
from cvops_sim.noise_fields import sample
from cvops_sim.raster import Canvas
from cvops_sim.rng import generator
from cvops_sim.scene.buildings import haze_at, haze_colour
from cvops_sim.scene.layout import Scene, Tree
from cvops_sim.scene.plate import Plate

BARK = rgb(88, 70, 54)
GREENS = (rgb(72, 100, 46), rgb(88, 112, 56), rgb(60, 92, 58), rgb(108, 112, 50))
LEAF_SNOW = rgb(228, 232, 238)
CROWN_FROM = 0.62
"""Height of the crown's middle, as a share of the tree."""
BARK_ALPHA = 254
"""Tells the trunk from the leaves on the canvas; as good as opaque."""


def paint_tree(plate: Plate, scene: Scene, tree: Tree, sun: Points, *, snowy: bool) -> None:
    """Put a tree in front of what the plate holds."""
    (foot, top), depth = plate.view.project(np.array([(tree.x, 0, tree.z), (tree.x, tree.height_m, tree.z)]))
    if depth.min() < 2.5:
        return
    up = (top - foot) / tree.height_m
    right = np.array([-up[1], up[0]])
    reach = tree.width_m * 0.85
    corners = [foot - right * reach, foot + right * reach, top + up - right * reach, top + up + right * reach]
    canvas = plate.canvas(np.array(corners), pad=2)
    if canvas is None:
        return
    range_m = math.hypot(tree.x, tree.z)
    haze, far = haze_colour(scene), haze_at(range_m)
    fork = foot + up * tree.height_m * CROWN_FROM
    trunk = np.array([foot - right * 0.18, foot + right * 0.18, fork + right * 0.1, fork - right * 0.1])
    canvas.polygon(trunk, mix(BARK, haze, far))
    canvas.pixels[canvas.pixels[..., 3] > 0, 3] = BARK_ALPHA
    lit_side = 1.0 if sun @ plate.view.rotation[0] > 0 else -1.0
    _crown(canvas, tree, foot, up, right, lit_side, (haze, far), snowy=snowy)
    _leaves(canvas, tree, foot, float(plate.view.focal_px / depth[0]))
    plate.lay(canvas.sprite(), range_m, 0.18)


def _crown(
    canvas: Canvas,
    tree: Tree,
    foot: Points,
    up: Points,
    right: Points,
    lit_side: float,
    haze: tuple[Colour, float],
    *,
    snowy: bool,
) -> None:
    """Clumps from the shaded depth of the crown to its lit surface."""
    rng = generator(tree.seed, "crown")
    scale = float(np.hypot(*up))
    count = int(np.clip(scale * 4.0, 36, 170))
    middle = tree.height_m * CROWN_FROM
    angle, spread = rng.uniform(0, 2 * math.pi, count), np.sqrt(rng.random(count))
    half = min(tree.height_m - middle, tree.width_m * 0.62)
    aside = spread * np.cos(angle) * tree.width_m * 0.45
    above = middle + spread * np.sin(angle) * half
    radius = rng.uniform(0.15, 0.27, count) * tree.width_m * 0.55
    lift = (above - middle) / half
    shade = 0.78 + 0.28 * lift + 0.16 * lit_side * aside / (tree.width_m / 2) + rng.uniform(-0.10, 0.10, count)
    colours = GREENS[tree.tint] * np.maximum(0.35, shade)[:, None]
    if snowy:
        powder = np.clip((shade - 0.55) * 1.6, 0, 1) * 0.75
        colours = mix(colours, LEAF_SNOW, powder[:, None])
    colours = mix(colours, haze[0], haze[1])
    for i in np.argsort(shade + rng.uniform(-0.2, 0.2, count)):
        canvas.disc(foot + right * aside[i] + up * above[i], radius[i] * scale, colours[i])


def _leaves(canvas: Canvas, tree: Tree, foot: Points, px_per_m: float) -> None:
    """Break up the clumps: flecks of light and dark, and a ragged outline."""
    rows, columns = canvas.pixels.shape[:2]
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    x -= np.float32((foot[0] - canvas.box.left) * canvas.enlarge)
    y -= np.float32((foot[1] - canvas.box.top) * canvas.enlarge)
    step = 18 / max(px_per_m, 8) * 2 / canvas.enlarge
    flecks = sample("grain", x * step * 1.6 + tree.seed % 509, y * step * 1.6) * 0.13
    clumps = (sample("fractal", x * step * 6, y * step * 6 + tree.seed % 499) - 0.5) * 0.5
    crown = canvas.pixels[..., 3] > BARK_ALPHA
    factor = np.where(crown, 1 + np.clip(flecks + clumps, -0.4, 0.45), 1).astype(np.float32)
    canvas.pixels[..., :3] = np.clip(canvas.pixels[..., :3] * factor[..., None], 0, 255).astype(np.uint8)
    drawn = (canvas.pixels[..., 3] > 0).astype(np.uint8)
    inner = cv2.erode(drawn, np.ones((3, 3), np.uint8), iterations=max(1, round(px_per_m * 0.06)))
    canvas.pixels[crown & (inner == 0) & (flecks > 0.05)] = 0
