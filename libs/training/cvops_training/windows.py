"""Windows: a step looks at a part of each picture, around one of its objects, of rare classes as often as of others.

A window costs what its area costs, and holds what is to be learned; a whole road is mostly road.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cvops_training.examples import Example, clipped

_STEP = 32
"""Sides of a window are multiples of it, px: the coarsest grid of the usual networks."""
_WHOLE = 0.7
"""An object that keeps less of its area is to be ignored."""
_INSIDE = (0.15, 0.85)
"""Where in a window the centre of its object may lie, of its sides."""


class Windows:
    """Takes windows of one size out of examples of one size."""

    def __init__(self, share: float, known: Sequence[Example], classes: int) -> None:
        """Windows.

        Args:
            share: of the sides of a picture, 0..1; 1: whole pictures.
            known: examples that say how rare a class is.
            classes: how many.
        """
        self._share = share
        ids = np.concatenate([np.zeros(0, np.int64), *(each.class_ids[~each.ignore] for each in known)])
        self._rarity = 1.0 / np.maximum(np.bincount(ids, minlength=classes), 1)

    def of(self, example: Example, random: np.random.Generator) -> Example:
        """A window of an example; anywhere in one without objects."""
        if self._share == 1:
            return example
        sides = np.array(example.picture.shape[1::-1])
        size = np.minimum(np.maximum(np.rint(sides * self._share / _STEP).astype(int), 1) * _STEP, sides)
        return _cut(example, self._corner(example, sides, size, random), size)

    def _corner(
        self, example: Example, sides: NDArray[np.int_], size: NDArray[np.int_], random: np.random.Generator
    ) -> NDArray[np.int_]:
        """Left and top of a window, px."""
        (candidates,) = np.nonzero(~example.ignore)
        corner: NDArray[np.int_] = random.integers(0, sides - size + 1)
        if len(candidates):
            rarity = self._rarity[example.class_ids[candidates]]
            box = example.boxes[random.choice(candidates, p=rarity / rarity.sum())]
            around = (box[:2] + box[2:]) / 2 - random.uniform(*_INSIDE, 2) * size
            corner = np.clip(around.astype(int), 0, sides - size)
        return corner


def _cut(example: Example, corner: NDArray[np.int_], size: NDArray[np.int_]) -> Example:
    (left, top), (width, height) = corner.tolist(), size.tolist()
    moved = example.boxes - np.array([left, top, left, top], np.float32)
    boxes, whole = clipped(moved, (width, height), _WHOLE)
    seen = (boxes[:, 2:] - boxes[:, :2]).prod(1) > 0
    return dataclasses.replace(
        example,
        picture=example.picture[top : top + height, left : left + width],
        boxes=boxes[seen],
        class_ids=example.class_ids[seen],
        ignore=(example.ignore | ~whole)[seen],
    )
