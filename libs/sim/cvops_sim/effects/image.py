"""What the camera's electronics and firmware make of the picture."""

import cv2
import numpy as np

from cvops_sim.arrays import Image
from cvops_sim.effects.kind import ActsOn, Kind

COLD = np.array([0.45, 0.10, -0.35])
"""What a full colour cast takes from blue, green and red."""
SQUEEZED = 0.25
LOWEST_RESOLUTION = 0.25


def _over(picture: Image, magnitude: float, seed: int) -> Image:  # noqa: ARG001
    return np.asarray(cv2.convertScaleAbs(picture, alpha=1 + 1.1 * magnitude, beta=14 * magnitude))


def _under(picture: Image, magnitude: float, seed: int) -> Image:  # noqa: ARG001
    return np.asarray(cv2.convertScaleAbs(picture, alpha=1 - 0.78 * magnitude))


def _cast(picture: Image, magnitude: float, seed: int) -> Image:  # noqa: ARG001
    return np.asarray(cv2.transform(picture, np.diag(1 - COLD * magnitude)))


def _swap(picture: Image, magnitude: float, seed: int) -> Image:  # noqa: ARG001
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))


def _squeeze(picture: Image, magnitude: float, seed: int) -> Image:  # noqa: ARG001
    height, width = picture.shape[:2]
    return _resized(picture, even(width * (1 - SQUEEZED * magnitude)), height)


def _low_resolution(picture: Image, magnitude: float, seed: int) -> Image:  # noqa: ARG001
    height, width = picture.shape[:2]
    share = 1 - (1 - LOWEST_RESOLUTION) * magnitude
    return _resized(picture, even(width * share), even(height * share))


def even(side_px: float) -> int:
    """The nearest even number of pixels, as video needs it."""
    return 2 * max(1, round(side_px / 2))


def _resized(picture: Image, width: int, height: int) -> Image:
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA))


KINDS = (
    Kind("over-exposed", ActsOn.IMAGE, "the exposure is too long", "1: 2.1 times the light", picture=_over),
    Kind("under-exposed", ActsOn.IMAGE, "the exposure is too short", "1: 22 % of the light", picture=_under),
    Kind("colour-cast", ActsOn.IMAGE, "the white balance fails", "1: blue -45 %, red +35 %", picture=_cast),
    Kind("channel-swap", ActsOn.IMAGE, "a firmware swaps red and blue", "above 0: swapped", picture=_swap),
    Kind("squeeze", ActsOn.IMAGE, "a firmware sends 16:9 as 4:3", "1: a quarter narrower", picture=_squeeze),
    Kind(
        "low-resolution",
        ActsOn.IMAGE,
        "a firmware sends fewer pixels",
        "1: a quarter of each side",
        picture=_low_resolution,
    ),
)
