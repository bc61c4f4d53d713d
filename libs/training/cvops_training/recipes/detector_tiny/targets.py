"""What the network should have said: a Gaussian bump at the centre of each object, and its box around there."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cvops_training.examples import Example
from cvops_training.recipes.detector_tiny.network import STRIDE

_BUMP = 1 / 7
_LEAST_SIGMA = 0.45
_REACH = 6
_BOX_FROM = 0.55
_LEAST_SIDE = 0.2


@dataclass(frozen=True, eq=False)
class Targets:
    """Targets of a batch.

    Attributes:
        heat: (N, C, h, w): 1 at centres, falling around them.
        boxes: (N, 4, h, w): dx, dy, log w, log h in cells.
        weight: (N, 1, h, w): how much a cell's box counts.
        counts: (N, 1, h, w): 0 where an object is to be ignored.
    """

    heat: torch.Tensor
    boxes: torch.Tensor
    weight: torch.Tensor
    counts: torch.Tensor


def targets_of(examples: Sequence[Example], classes: int, grid_hw: tuple[int, int]) -> Targets:
    """Targets of examples on a grid of so many cells."""
    height, width = grid_hw
    number = len(examples)
    heat = np.zeros((number, classes, height, width), np.float32)
    boxes = np.zeros((number, 4, height, width), np.float32)
    weight = np.zeros((number, 1, height, width), np.float32)
    counts = np.ones((number, 1, height, width), np.float32)
    for at, example in enumerate(examples):
        cells = example.boxes / STRIDE
        for left, top, right, bottom in cells[example.ignore]:
            counts[at, 0, max(0, int(top)) : int(bottom) + 1, max(0, int(left)) : int(right) + 1] = 0
        for box, class_id in zip(cells[~example.ignore], example.class_ids[~example.ignore], strict=True):
            _draw(box, heat[at, class_id], boxes[at], weight[at, 0], counts[at, 0])
    return Targets(*map(torch.from_numpy, (heat, boxes, weight, counts)))


def _draw(
    box: NDArray[np.float32],
    heat: NDArray[np.float32],
    boxes: NDArray[np.float32],
    weight: NDArray[np.float32],
    counts: NDArray[np.float32],
) -> None:
    height, width = heat.shape
    left, top, right, bottom = (float(value) for value in box)
    x, y = (left + right) / 2, (top + bottom) / 2
    at_x, at_y = min(max(int(x), 0), width - 1), min(max(int(y), 0), height - 1)
    rows = slice(max(0, at_y - _REACH), min(height, at_y + _REACH + 1))
    columns = slice(max(0, at_x - _REACH), min(width, at_x + _REACH + 1))
    grid_y, grid_x = np.ogrid[rows, columns]
    sigma_x, sigma_y = (max(_LEAST_SIGMA, side * _BUMP) for side in (right - left, bottom - top))
    bump = np.exp(-((grid_x - at_x) ** 2 / (2 * sigma_x**2) + (grid_y - at_y) ** 2 / (2 * sigma_y**2)))
    heat[rows, columns] = np.maximum(heat[rows, columns], bump)
    heat[at_y, at_x] = 1.0
    counts[at_y, at_x] = 1.0
    near = (bump > _BOX_FROM) & (bump >= weight[rows, columns])
    sides = (math.log(max(right - left, _LEAST_SIDE)), math.log(max(bottom - top, _LEAST_SIDE)))
    values: tuple[Any, ...] = (x - grid_x - 0.5, y - grid_y - 0.5, *sides)
    for channel, value in enumerate(values):
        boxes[channel, rows, columns] = np.where(near, value, boxes[channel, rows, columns])
    weight[rows, columns] = np.where(near, bump, weight[rows, columns])
