"""Light on a painted plate: the same place by day, by night under its lamps, and by infra-red."""

import cv2
import numpy as np

from cvops_sim.arrays import Image, Plane, Points, mix, rgb
from cvops_sim.light import Light
from cvops_sim.raster import Box, coverage_of
from cvops_sim.scene.layout import Building, Lamp, Scene, Tree
from cvops_sim.scene.plate import Plate

LONGEST_SHADOW_FROM_M = 150.0
SHADOW = 0.46
HIGH_SKY = 0.20
"""Height of a line of sight, per metre of depth, at which the glow of dusk and of the town has ended."""
NO_SHADOWS_PER_M = 0.03
"""Fog of this extinction leaves next to nothing of the shadows."""
NIGHT_SURFACE = np.array([0.210, 0.165, 0.140], np.float32)
NIGHT_LAMPS = np.array([0.32, 0.48, 0.62], np.float32)
INFRARED_WEIGHTS = np.array([0.12, 0.28, 0.60], np.float32)
INFRARED_REACH_M = 34.0


def shadow_strength(scene: Scene, snow: float, extinction_per_m: float) -> float:
    """Share of the light that a shadow takes away: more under a clear sky, little in snowfall and fog."""
    soft = min(1.0, extinction_per_m / NO_SHADOWS_PER_M)
    return SHADOW * (1 - 0.6 * scene.cloudiness) * (1 - 0.7 * snow) * (1 - 0.85 * soft)


def by_day(plate: Plate, light: Light, shadow: Plane | None, strength: float) -> Image:
    """The plate in daylight, with the shadows of everything that stands.

    Args:
        plate: what to light.
        light: the sun's.
        shadow: uint8 (H, W), where the sun does not come; None for no shadows.
        strength: share of the light that a shadow takes away.
    """
    lit = plate.surface.astype(np.float32)
    if shadow is not None:
        lit *= (1 - strength / 255 * shadow.astype(np.float32))[..., None]
    lit *= light.tint()
    lit = np.where(lit > 205, 205 + (lit - 205) * 0.55, lit)
    rise = np.clip(plate.rays[1] / HIGH_SKY, 0, 1)[..., None]
    dusk = mix(rgb(255, 168, 96), rgb(120, 120, 170), rise)
    lit = mix(lit, dusk * np.float32(0.95), (plate.sky * light.warm * 0.62)[..., None])
    return np.asarray(np.clip(lit, 0, 255), np.uint8)


def by_night(plate: Plate) -> Image:
    """The plate at night: a little sky light, the pools of the street lamps, lit windows and their glare."""
    surface = plate.surface.astype(np.float32)
    glow = plate.glow.astype(np.float32)
    pools = np.clip(plate.lamplight, 0, 1.25)[..., None]
    dark = surface * (NIGHT_SURFACE + pools * NIGHT_LAMPS)
    rise = np.clip(plate.rays[1] / HIGH_SKY, 0, 1)[..., None]
    sky = rgb(20, 25, 42) + rgb(34, 28, 22) * (1 - rise)
    dark = mix(dark, sky, plate.sky[..., None])
    scale = plate.view.focal_px / 688
    glare = 0.9 * _blur(glow, 7 * scale) + 0.5 * _blur(glow, 2 * scale)
    return np.asarray(np.clip(dark + 0.9 * glow + glare, 0, 255), np.uint8)


def glow_in_fog(plate: Plate) -> Image:
    """The wide halos that fog spreads around lamps and lit windows at night."""
    scale = plate.view.focal_px / 688
    small = cv2.resize(plate.glow, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA).astype(np.float32)
    halo = 2.4 * _blur(small, 5.5 * scale) + 1.2 * _blur(small, 2.0 * scale)
    wide = cv2.resize(halo, (plate.view.width, plate.view.height), interpolation=cv2.INTER_LINEAR)
    return cv2.convertScaleAbs(wide)


def by_infrared(plate: Plate) -> Image:
    """The plate in the light of the camera's own lamp: grey, bright near by, leaves bright, the sky black."""
    surface = plate.surface.astype(np.float32)
    grey = surface @ INFRARED_WEIGHTS
    leaves = np.clip((surface[..., 1] * 2 - surface[..., 0] - surface[..., 2]) / 60, 0, 1)
    height, width = grey.shape
    across = ((np.arange(width, dtype=np.float32) - width / 2) / width * 1.5) ** 2
    down = ((np.arange(height, dtype=np.float32) - height * 0.6) / height * 1.5) ** 2
    spot = np.exp(-(down[:, None] + across[None, :]))
    lit = grey * (1 + 0.7 * leaves) * infrared_reach(plate.range_m) * (0.45 + 0.75 * spot) * (1 - 0.92 * plate.sky)
    lit += 0.35 * plate.glow.mean(2)
    return cv2.cvtColor(np.asarray(np.clip(lit, 0, 255), np.uint8), cv2.COLOR_GRAY2BGR)


def infrared_reach(range_m: Plane | float) -> Plane:
    """How much of the camera's infra-red light comes back from a distance, 0.03 to 1."""
    return np.asarray(np.clip(1.35 * np.exp(-np.asarray(range_m) / INFRARED_REACH_M), 0.03, 1))


def under_snow(bare: Plate, snowy: Plate, snow: float) -> Plate:
    """The plate at a level of snow between none (0) and deep (1)."""
    cover = np.clip((snow * 1.2 - snowy.snow_from) / 0.2 + 0.5, 0, 1) if snow < 1 else np.ones_like(snowy.snow_from)
    surface = mix(bare.surface.astype(np.float32), snowy.surface.astype(np.float32), cover[..., None])
    return Plate(
        bare.view,
        bare.rays,
        surface.astype(np.uint8),
        bare.glow,
        bare.lamplight,
        bare.range_m,
        bare.ground,
        bare.sky,
        bare.snow_from,
    )


def standing_shadows(plate: Plate, scene: Scene, light: Light) -> Plane:
    """Where trees, lamps and buildings keep the sun from the ground, uint8 (H, W)."""
    view = plate.view
    shadow = np.zeros((view.height, view.width), np.uint8)
    slide = -light.sun[[0, 2]] / light.sun[1]
    things: list[Tree | Building | Lamp] = [*scene.trees, *scene.buildings, *scene.lamps]
    for thing in things:
        if thing.z > LONGEST_SHADOW_FROM_M:
            continue
        outline = _shadow_outline(thing, slide)
        outline[:, 1] = np.maximum(outline[:, 1], 3.2)
        corners, _ = view.project(np.insert(outline, 1, 0.0, axis=1))
        box = Box.around(corners, view.width, view.height)
        if box.empty or np.abs(corners).max() > 20 * view.width:
            continue
        area = box.slices
        shadow[area] = np.maximum(shadow[area], coverage_of(corners, box, convex=not isinstance(thing, Tree)))
    soft = cv2.GaussianBlur(shadow, (0, 0), 1.2 * view.focal_px / 688)
    return cv2.bitwise_and(soft, plate.open_ground)


def _shadow_outline(thing: Tree | Building | Lamp, slide: Points) -> Points:
    """Ground points (N, 2) around the shadow; `slide` is its shift for each metre of height."""
    if isinstance(thing, Tree):
        angle = np.linspace(0, 2 * np.pi, 30)[:-1]
        ragged = 1 + 0.13 * np.sin(angle * 5 + thing.seed % 7) + 0.08 * np.sin(angle * 9 + thing.seed % 11)
        reach = thing.width_m * 0.52 * ragged
        middle = np.array([thing.x, thing.z]) + slide * thing.height_m * 0.62
        return np.asarray(middle + reach[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1))
    if isinstance(thing, Building):
        back = thing.side * thing.depth_m
        far_z = thing.z + thing.length_m
        base = [(thing.x, thing.z), (thing.x + back, thing.z), (thing.far_x + back, far_z), (thing.far_x, far_z)]
        ground = np.array([*base, *(np.array(base) + slide * thing.height_m)], np.float32)
        return cv2.convexHull(ground)[:, 0].astype(float)
    foot = np.array([thing.x, thing.z])
    top = foot + slide * thing.height_m
    at_foot, at_top = np.array([0.08, 0]), np.array([0.06, 0])
    return np.array([foot - at_foot, foot + at_foot, top + at_top, top - at_top])


def _blur(picture: Plane, sigma: float) -> Plane:
    return cv2.GaussianBlur(picture, (0, 0), sigma)
