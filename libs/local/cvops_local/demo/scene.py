"""A moving scene whose truth is known: coloured squares on a grey road, each in a lane of its own."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SCENE_WH = (320, 240)
CLASSES = ("red", "green", "blue")
COLOURS_RGB = ((220, 40, 40), (40, 200, 50), (40, 60, 220))
SIZES_PX = (24, 32, 44)
LANES = 4


@dataclass(frozen=True, slots=True)
class Truth:
    """What is really in an image.

    Attributes:
        boxes_xyxy: float32 (N, 4), absolute px.
        class_ids: int32 (N,), index into CLASSES.
    """

    boxes_xyxy: NDArray[np.float32]
    class_ids: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class _Vehicle:
    class_id: int
    size: int
    start: float
    speed: float

    def left(self, index: int) -> int:
        """Its left edge in frame `index`: to and fro between the borders."""
        way = SCENE_WH[0] - self.size
        at = (self.start + self.speed * index) % (2 * way)
        return round(at if at <= way else 2 * way - at)


class Scene:
    """What one camera sees; the same seed and index give the same image."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self._seed = seed
        coarse = rng.integers(90, 150, (SCENE_WH[1] // 8, SCENE_WH[0] // 8, 1))
        self._road = np.repeat(np.repeat(coarse, 8, axis=0), 8, axis=1).astype(np.int16)
        self._vehicles = [
            _Vehicle(
                class_id=int(rng.integers(len(CLASSES))),
                size=int(rng.choice(SIZES_PX)),
                start=float(rng.uniform(0, 2 * SCENE_WH[0])),
                speed=float(rng.uniform(2, 7)),
            )
            for _ in range(LANES)
        ]

    def frame(self, index: int) -> tuple[NDArray[np.uint8], Truth]:
        """Image number `index`, uint8 (240, 320, 3) RGB with the noise of a sensor, and what is in it."""
        width, height = SCENE_WH
        image = np.repeat(self._road, 3, axis=2)
        lane = height // LANES
        boxes = []
        for row, vehicle in enumerate(self._vehicles):
            left, top = vehicle.left(index), row * lane + (lane - vehicle.size) // 2
            image[top : top + vehicle.size, left : left + vehicle.size] = COLOURS_RGB[vehicle.class_id]
            boxes.append((left, top, left + vehicle.size, top + vehicle.size))
        noise = np.random.default_rng((self._seed, index)).normal(0, 4, (height, width, 1))
        class_ids = np.array([vehicle.class_id for vehicle in self._vehicles], np.int32)
        noisy = np.clip(image + noise, 0, 255).astype(np.uint8)
        return noisy, Truth(np.array(boxes, np.float32), class_ids)
