"""The images on which a model is recorded: colourful, so that swapped channels show, and with objects of all sizes."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

COUNT: Final = 4


def parity_images(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Four images uint8 (4, height, width, 3): ramps, shapes, soft clouds and noise. A seed always gives the same."""
    rng = np.random.default_rng(seed)
    images = [_ramps(height, width), _shapes(height, width, rng), _clouds(height, width, rng)]
    noise = rng.integers(0, 256, ((height + 3) // 4, (width + 3) // 4, 3), dtype=np.uint8)
    images.append(np.kron(noise, np.ones((4, 4, 1), np.uint8))[:height, :width])
    return np.stack(images)


def _ramps(height: int, width: int) -> NDArray[np.uint8]:
    y, x = np.mgrid[0:height, 0:width]
    planes = [255 * x // max(width - 1, 1), 255 * y // max(height - 1, 1), (x + y) * 8 % 256]
    return np.stack(planes, axis=-1).astype(np.uint8)


def _shapes(height: int, width: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    image = np.full((height, width, 3), (90, 120, 150), np.uint8)
    y, x = np.mgrid[0:height, 0:width]
    for i in range(24):
        centre_y, centre_x = rng.integers(0, height), rng.integers(0, width)
        half_h = 1 + rng.integers(0, max(height // 5, 1))
        half_w = 1 + rng.integers(0, max(width // 5, 1))
        u, v = np.abs(y - centre_y) / half_h, np.abs(x - centre_x) / half_w
        image[(np.maximum(u, v) < 1) if i % 2 else (u * u + v * v < 1)] = rng.integers(0, 256, 3)
    return image


def _clouds(height: int, width: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    image = np.full((height, width, 3), 127.0)
    for channel in range(3):
        for octave in range(1, 6):
            fy, fx, phase = *rng.normal(0, 2.0**octave, 2), rng.uniform(0, 2 * np.pi)
            image[..., channel] += 60 / octave * np.sin(fy * y + fx * x + phase)
    clouds: NDArray[np.uint8] = np.clip(image, 0, 255).astype(np.uint8)
    return clouds
