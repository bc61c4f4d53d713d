"""Suppression of double boxes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvops_common.errors import BadArgument


def nms(
    boxes_xyxy: NDArray[np.floating[Any]],
    scores: NDArray[np.floating[Any]],
    iou_threshold: float,
    class_ids: NDArray[np.integer[Any]] | None = None,
) -> NDArray[np.int64]:
    """Greedy non-maximum suppression: a box stays unless a better one that stays overlaps it too much.

    The overlap of all pairs is computed at once, which is fastest up to some hundred boxes and takes N x N memory.
    Boxes or scores that are not finite never stay. Of equal scores the first wins.

    Args:
        boxes_xyxy: (N, 4) left, top, right, bottom.
        scores: (N,).
        iou_threshold: a pair whose intersection over union is above this value, 0..1, is a double.
        class_ids: (N,): only boxes of the same class suppress each other. None: all boxes do.

    Returns:
        int64 (M,): the indices of the boxes that stay, by falling score.

    Raises:
        BadArgument: the shapes do not fit.
    """
    boxes = np.asarray(boxes_xyxy, np.float32)
    count = len(scores)
    if boxes.shape != (count, 4) or (class_ids is not None and class_ids.shape != (count,)):
        found = f"boxes {boxes.shape}, scores {scores.shape}"
        found += "" if class_ids is None else f", class_ids {class_ids.shape}"
        raise BadArgument(f"nms: expected boxes (N, 4), scores (N,) and class_ids (N,), found {found}")
    order = np.argsort(-np.asarray(scores, np.float32), kind="stable")
    order = order[np.isfinite(scores[order]) & np.isfinite(boxes[order]).all(axis=1)]
    if not order.size:
        return np.empty(0, np.int64)
    inner, union = _intersection_and_union(boxes[order], boxes[order])
    doubles = inner > iou_threshold * union
    if class_ids is not None:
        ordered_ids = class_ids[order]
        doubles &= ordered_ids[:, None] == ordered_ids[None, :]
    alive = np.ones(order.size, bool)
    # Only boxes with a double after them can suppress one.
    for i in np.flatnonzero(np.triu(doubles, 1).any(axis=1)):
        if alive[i]:
            alive[i + 1 :] &= ~doubles[i, i + 1 :]
    kept: NDArray[np.int64] = order[alive].astype(np.int64)
    return kept


def pairwise_iou(a_xyxy: NDArray[np.floating[Any]], b_xyxy: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Intersection over union of every box of `a_xyxy` (N, 4) with every one of `b_xyxy` (M, 4): float32 (N, M).

    A box whose right or bottom is not beyond its left or top has no area, and the overlap with it is 0.
    """
    inner, union = _intersection_and_union(np.asarray(a_xyxy, np.float32), np.asarray(b_xyxy, np.float32))
    iou: NDArray[np.float32] = np.divide(inner, union, out=np.zeros_like(inner), where=union > 0)
    return iou


def _intersection_and_union(
    a: NDArray[np.float32], b: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    # One contiguous row per coordinate: several times faster than boxes of four.
    a, b = np.ascontiguousarray(a.T), np.ascontiguousarray(b.T)
    inner = np.minimum.outer(a[2], b[2])
    inner -= np.maximum.outer(a[0], b[0])
    height = np.minimum.outer(a[3], b[3])
    height -= np.maximum.outer(a[1], b[1])
    np.maximum(inner, 0, out=inner)
    inner *= np.maximum(height, 0, out=height)
    area_a, area_b = (np.maximum(c[2] - c[0], 0) * np.maximum(c[3] - c[1], 0) for c in (a, b))
    return inner, np.add.outer(area_a, area_b) - inner
