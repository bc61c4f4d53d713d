"""What the camera itself adds: shading towards the corners, sensor noise, and the time stamp in the picture."""

from datetime import datetime
from functools import lru_cache

import cv2
import numpy as np

from cvops_sim.arrays import Image, Plane, rgb
from cvops_sim.camera import Camera
from cvops_sim.light import Light
from cvops_sim.raster import flat, lay_over
from cvops_sim.rng import generator

CORNER_LOSS = 0.16
"""Share of light that the lens loses in the corners."""
NIGHT_GAIN, INFRARED_GAIN = 2.2, 2.6
"""How much stronger noise is in the dark than by day."""
SLACK_PX = 64
"""The noise is larger than the picture by this much; each frame takes another part of it."""
LEVELS_PER_GREY = 8
INK_DARK, INK_LIGHT = rgb(16, 16, 16), rgb(245, 245, 245)
UNIT = 64
"""Deviation of the stored noise, in steps of an integer."""


def add_noise(picture: Image, camera: Camera, light: Light, at_s: float) -> Image:
    """A picture as the sensor reads it; the same for the same moment.

    Args:
        picture: uint8 (H, W, 3) as it falls on the sensor, of any size.
        camera: whose sensor; `camera.noise` is the deviation by day in grey levels.
        light: noise grows in the dark; an infra-red picture has grey noise.
        at_s: seconds since the world's epoch.
    """
    height, width = picture.shape[:2]
    gain = 1 + (NIGHT_GAIN - 1) * light.night
    gain += (INFRARED_GAIN - gain) * light.infrared
    level = round(camera.noise * gain * LEVELS_PER_GREY)
    shaded = cv2.multiply(picture, _corners(width, height), scale=1 / 255)
    if level <= 0:
        return shaded
    brighter, darker = _noise(camera.seed, width, height, level, light.infrared >= 0.5)
    top, left = generator(camera.seed, "noise", round(at_s * 1e6)).integers(0, SLACK_PX, 2)
    part = np.s_[top : top + height, left : left + width]
    return cv2.subtract(cv2.add(shaded, brighter[part]), darker[part])


def stamp(picture: Image, when: datetime, name: str) -> Image:
    """The picture with the camera's name and the time of capture written into its upper corners."""
    marked = picture.copy()
    size = 0.42 * picture.shape[0] / 360
    for text, right in ((name, False), (f"{when:%Y-%m-%d %H:%M:%S}", True)):
        outline, letters = _written(text, size)
        height, width = letters.shape[0], min(letters.shape[1], picture.shape[1])
        left = picture.shape[1] - width if right else 0
        area = np.s_[: min(height, len(picture)), left : left + width]
        for ink, coverage in ((INK_DARK, outline), (INK_LIGHT, letters)):
            shown = np.ascontiguousarray(coverage[: len(picture), :width])
            marked[area] = lay_over(marked[area], flat(ink, shown), shown)
    return marked


@lru_cache(maxsize=64)
def _written(text: str, size: float) -> tuple[Plane, Plane]:
    """Coverage, uint8 (h, w), of the outline and of the letters of a line of text."""
    (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
    margin = round(22 * size)
    letters = np.zeros((height + base + margin, width + 2 * margin), np.uint8)
    at = (margin, height + margin // 2)
    cv2.putText(letters, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, 255, 1, cv2.LINE_AA)
    reach = 2 * max(1, round(2.4 * size)) + 1
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    return cv2.convertScaleAbs(cv2.dilate(letters, around), alpha=0.8), letters


@lru_cache(maxsize=16)
def _corners(width: int, height: int) -> Image:
    """The lens's shading, uint8 (H, W, 3), 255 in the middle."""
    across = ((np.arange(width) + 0.5) / width - 0.5) ** 2
    down = ((np.arange(height) + 0.5) / height - 0.5) ** 2
    share = 1 - CORNER_LOSS * 2 * (across[None, :] + down[:, None])
    return np.repeat(np.round(share * 255).astype(np.uint8)[..., None], 3, 2)


@lru_cache(maxsize=24)
def _noise(seed: int, width: int, height: int, level: int, grey: bool) -> tuple[Plane, Plane]:
    """What noise adds to and takes from each pixel, uint8 (H + slack, W + slack, 3) each."""
    noise = _raw_noise(seed, width, height)
    if grey:
        noise = np.repeat(noise[..., :1], 3, 2)
    scale = level / LEVELS_PER_GREY / UNIT
    return cv2.convertScaleAbs(np.maximum(noise, 0), alpha=scale), cv2.convertScaleAbs(
        np.minimum(noise, 0), alpha=scale
    )


@lru_cache(maxsize=24)
def _raw_noise(seed: int, width: int, height: int) -> Plane:
    """int16 (H + slack, W + slack, 3) of mean 0 and deviation UNIT, a little clustered as after demosaicking."""
    rng = generator(seed, "sensor")
    fine = rng.standard_normal((height + SLACK_PX, width + SLACK_PX, 3), np.float32)
    clustered = 0.75 * fine + 1.1 * cv2.GaussianBlur(fine, (0, 0), 0.9)
    return np.asarray(np.round(clustered * (UNIT / clustered.std())), np.int16)
