"""Changes of a picture that leave its objects what they are: size, place, mirror, colour."""

import cv2
import numpy as np
from numpy.typing import NDArray

from cvops_training.examples import Example, Picture, clipped

_SCALE = (0.75, 1.2)
_HUE, _SATURATION, _VALUE = 0.01, 0.3, 0.25
_PAD = 114
_LEAST_LEFT, _LEAST_PX = 0.4, 2.0
"""An object that keeps less than this share of its area, or px of a side, is to be ignored."""


def augmented(example: Example, random: np.random.Generator) -> Example:
    """The example in another size, at another place, perhaps mirrored, and in other colours."""
    height, width = example.picture.shape[:2]
    scale = random.uniform(*_SCALE)
    shift = [random.uniform(min(0, side * (1 - scale)), max(0, side * (1 - scale))) for side in (width, height)]
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], np.float32)
    picture = cv2.warpAffine(example.picture, matrix, (width, height), borderValue=(_PAD, _PAD, _PAD))
    moved = example.boxes * np.float32(scale) + np.array([*shift, *shift], np.float32)
    boxes, whole = clipped(moved, (width, height), _LEAST_LEFT)
    whole &= (boxes[:, 2:] - boxes[:, :2] >= _LEAST_PX).all(1)
    if random.random() < 0.5:
        picture = np.ascontiguousarray(picture[:, ::-1])
        boxes[:, [0, 2]] = width - boxes[:, [2, 0]]
    return Example(
        _recoloured(np.asarray(picture, np.uint8), random),
        boxes,
        example.class_ids,
        example.ignore | ~whole,
        example.key,
    )


def _recoloured(picture: Picture, random: np.random.Generator) -> NDArray[np.uint8]:
    hue, saturation, value = (1 + random.uniform(-most, most) for most in (_HUE, _SATURATION, _VALUE))
    levels = np.arange(256)
    tables = [(levels * hue) % 180, np.clip(levels * saturation, 0, 255), np.clip(levels * value, 0, 255)]
    hsv = cv2.LUT(cv2.cvtColor(picture, cv2.COLOR_RGB2HSV), np.stack(tables, 1).astype(np.uint8)[:, None])
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.uint8)
