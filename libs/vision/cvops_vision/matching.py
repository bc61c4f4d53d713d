"""Detections against labels of one image: which boxes are right, which objects are missed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatBoxes = NDArray[np.float32]
IOU = 0.5
"""From this overlap on a box is on its object."""
_ON_IGNORED = 0.3


@dataclass(frozen=True, eq=False)
class Truth:
    """What is in an image.

    Attributes:
        boxes: float32 (N, 4), left, top, right, bottom in px.
        class_ids: int64 (N,).
        ignored: float32 (M, 4): boxes on which a detection is neither right nor wrong.
    """

    boxes: FloatBoxes
    class_ids: NDArray[np.int64]
    ignored: FloatBoxes


def iou(a: FloatBoxes, b: FloatBoxes) -> NDArray[np.float64]:
    """Intersection over union (N, M) of boxes (N, 4) and (M, 4)."""
    corner = np.maximum(a[:, None, :2], b[None, :, :2])
    sides = np.clip(np.minimum(a[:, None, 2:], b[None, :, 2:]) - corner, 0, None)
    inside = sides[..., 0] * sides[..., 1]
    area_a, area_b = ((each[:, 2] - each[:, 0]) * (each[:, 3] - each[:, 1]) for each in (a, b))
    union = area_a[:, None] + area_b[None] - inside
    return np.asarray(inside / np.maximum(union, 1e-9), np.float64)


def correct(
    boxes: FloatBoxes, scores: NDArray[np.float32], class_ids: NDArray[np.integer], truth: Truth
) -> NDArray[np.int64]:
    """Of each detection, 1: right; 0: wrong, or a second box of its object; -1: on something to be ignored.

    The strongest detection is matched first, each with the free object of its class that it overlaps most.
    """
    hit = np.zeros(len(scores), np.int64)
    overlaps = iou(boxes, truth.boxes)
    beside = iou(boxes, truth.ignored).max(axis=1, initial=0.0)
    taken = np.zeros(len(truth.boxes), np.bool_)
    for at in np.argsort(-scores, kind="stable"):
        free = np.where(taken | (truth.class_ids != class_ids[at]), 0.0, overlaps[at])
        if len(free) and free.max() >= IOU:
            taken[int(free.argmax())] = True
            hit[at] = 1
        elif beside[at] >= _ON_IGNORED:
            hit[at] = -1
    return hit


def f1(
    boxes: FloatBoxes,
    scores: NDArray[np.float32],
    class_ids: NDArray[np.integer],
    truth: Truth,
    threshold: float,
) -> float:
    """F1 of one image for detections from a score on; 1 where nothing is there and nothing is found."""
    hit = correct(boxes, scores, class_ids, truth)
    return float(f1_from(hit, scores, len(truth.boxes), np.array([threshold]))[0])


def f1_from(
    hit: NDArray[np.int64], scores: NDArray[np.float32], objects: int, thresholds: NDArray[np.float64]
) -> NDArray[np.float64]:
    """F1 of one image at each threshold, float64 (T,), from what `correct` says of all its detections.

    The strongest is matched first, so what a weaker one takes changes nothing above it.
    """
    counted = scores >= thresholds.astype(scores.dtype)[:, None]
    right, wrong = (counted & (hit == 1)).sum(1), (counted & (hit == 0)).sum(1)
    total = right + wrong + objects
    return np.where(total > 0, 2 * right / np.maximum(total, 1), 1.0)
