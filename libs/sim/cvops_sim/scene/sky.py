"""The sky: its colour by height, clouds, and the hills on the horizon."""

import numpy as np

from cvops_sim.arrays import Plane, mix, rgb, smooth_step
from cvops_sim.camera import View
from cvops_sim.noise_fields import sample
from cvops_sim.scene.layout import Scene

CLOUD_LIT = rgb(244, 244, 243)
CLOUD_SHADED = rgb(196, 200, 208)
OVERCAST = rgb(206, 210, 216)
SNOWY_HILLS = rgb(220, 224, 230)
RIDGES = ((70, 1.0, 0.62), (150, 0.55, 0.38))
"""Roughness, height and haze of each chain of hills, the farther first."""


def paint_sky(scene: Scene, view: View, x_ray: Plane, y_ray: Plane, z_ray: Plane) -> tuple[Plane, Plane, Plane]:
    """Paint what is above the horizon.

    Returns:
        the colours float32 (h, w, 3); the same in snowy weather; the share of a pixel that is sky and no hill (h, w).
    """
    height = np.arctan2(y_ray, np.hypot(x_ray, z_ray))
    azimuth = np.arctan2(x_ray, z_ray)
    low, high = scene.palette.sky_low, scene.palette.sky_high
    sky = mix(low, high, np.clip(height / 0.30, 0, 1)[..., None] ** 0.7)
    cover, shade = _clouds(scene, x_ray, y_ray, z_ray)
    cover = cover * np.clip(height / 0.05, 0.25, 1)
    sky = mix(sky, mix(CLOUD_LIT, CLOUD_SHADED, shade[..., None]), cover[..., None] * 0.85)
    snowy = np.broadcast_to(mix(sky, OVERCAST, 0.9), sky.shape)
    free = np.ones_like(height)
    for roughness, rise, haze in RIDGES:
        crest = sample("fractal", azimuth * roughness + 200 + scene.seed % 97 * 17, np.full_like(azimuth, 40 * rise))
        profile = scene.hill_height * rise * (0.35 + crest)
        hill = np.clip((profile - height) * view.focal_px + 0.5, 0, 1)
        woods = (1 + 0.16 * (sample("fractal", azimuth * 500, height * 900) - 0.5))[..., None]
        colour = mix(scene.palette.hills, low, haze) * woods
        sky = mix(sky, colour, hill[..., None])
        snowy = mix(snowy, mix(colour, SNOWY_HILLS, 0.55), hill[..., None])
        free = free * (1 - hill)
    return np.asarray(sky, np.float32), np.asarray(snowy, np.float32), np.asarray(free, np.float32)


def _clouds(scene: Scene, x_ray: Plane, y_ray: Plane, z_ray: Plane) -> tuple[Plane, Plane]:
    """Cover and shade, each (h, w) 0 to 1, of a layer of clouds above the road."""
    stretch = 1 / np.maximum(y_ray + 0.06, 0.03)
    shift = scene.seed % 89 * 31
    big = sample("fractal", x_ray * stretch * 26 + shift, z_ray * stretch * 26 + 70)
    small = sample("fractal", x_ray * stretch * 90, z_ray * stretch * 90) - 0.5
    mass = big + 0.35 * small
    edge = 1 - scene.cloudiness * 0.75
    return smooth_step(edge, edge + 0.38, mass), np.clip(mass * 1.3 - 0.45, 0, 1)
