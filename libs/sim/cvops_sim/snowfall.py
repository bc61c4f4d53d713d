"""Falling snow: three layers of flakes, the nearer ones larger and faster."""

import cv2
import numpy as np

from cvops_sim.arrays import Image, Plane
from cvops_sim.camera import Camera
from cvops_sim.light import Light
from cvops_sim.raster import flat, lay_over
from cvops_sim.rng import generator

LAYERS = ((300, 0.9, 70.0, 14.0), (120, 1.5, 130.0, 26.0), (34, 2.6, 230.0, 48.0))
"""Flakes at deep snow, radius, fall and drift in pixels and pixels a second of a picture 360 px high."""
LEVELS = 8


class Snowfall:
    """The flakes before one camera."""

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self._layers: dict[int, list[Plane]] = {}

    def fall(self, picture: Image, at_s: float, snow: float, light: Light) -> Image:
        """The picture with the flakes of the moment; the same for the same moment."""
        scale = self._camera.pixel_scale
        level = min(LEVELS, round(snow * LEVELS))
        if level == 0:
            return picture
        veil = np.zeros(picture.shape[:2], np.uint8)
        for layer, (_, _, fall, drift) in zip(self._at(level), LAYERS, strict=True):
            shift = (round(fall * scale * at_s), round(drift * scale * at_s))
            veil = np.maximum(veil, np.roll(layer, shift, (0, 1)))
        brightness = 0.30 + 0.70 * max(light.day, 0.6 * light.infrared)
        return lay_over(picture, flat(np.full(3, 245 * brightness, np.float32), veil), veil)

    def _at(self, level: int) -> list[Plane]:
        if level not in self._layers:
            self._layers[level] = [self._layer(index, level) for index in range(len(LAYERS))]
        return self._layers[level]

    def _layer(self, index: int, level: int) -> Plane:
        """Flakes that wrap around at the borders, uint8 (H, W)."""
        count, radius, _, _ = LAYERS[index]
        camera = self._camera
        rng = generator(camera.seed, "flakes", index)
        spots = rng.random((count, 3))[: round(count * level / LEVELS)]
        plane = np.zeros((camera.height, camera.width), np.uint8)
        for u, v, size in spots:
            centre = (round(u * camera.width * 16), round(v * camera.height * 16))
            px = max(0.6, radius * (0.7 + 0.6 * size) * camera.pixel_scale)
            cv2.circle(plane, centre, round(px * 16), 235 if index < 2 else 170, -1, cv2.LINE_AA, 4)
        blur = max(1.0, 0.35 * radius) * camera.pixel_scale
        return cv2.GaussianBlur(plane, (0, 0), 0.5 * blur, sigmaY=0.9 * blur)
