"""Suppression of double boxes, against a slow and obvious implementation."""

import numpy as np
import pytest

from cvops_common.errors import BadArgument
from cvops_vision.nms import nms, pairwise_iou


def slow_iou(a: np.ndarray, b: np.ndarray):
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    return width * height / union


def slow_nms(boxes: np.ndarray, scores: np.ndarray, threshold: float, class_ids: np.ndarray | None = None):
    kept = []
    for i in sorted(range(len(scores)), key=lambda i: -scores[i]):
        rivals = [j for j in kept if class_ids is None or class_ids[j] == class_ids[i]]
        if all(slow_iou(boxes[i], boxes[j]) <= threshold for j in rivals):
            kept.append(i)
    return kept


def random_boxes(rng: np.random.Generator, count: int):
    at = rng.uniform(0, 300, (count, 2))
    return np.concatenate([at, at + rng.uniform(5, 120, (count, 2))], axis=1).astype(np.float32)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("aware", [True, False])
def test_the_boxes_that_stay_are_those_of_a_plain_loop(seed: int, aware: bool):
    rng = np.random.default_rng(seed)
    boxes, scores = random_boxes(rng, 300), rng.random(300).astype(np.float32)
    ids = rng.integers(0, 3, 300).astype(np.int32) if aware else None
    kept = nms(boxes, scores, 0.4, ids)
    assert kept.tolist() == slow_nms(boxes, scores, 0.4, ids)
    assert 20 < len(kept) < 280


def test_boxes_of_different_classes_stay_only_when_classes_count():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 10]], np.float32)
    scores = np.array([0.5, 0.9], np.float32)
    assert nms(boxes, scores, 0.5, np.array([0, 1])).tolist() == [1, 0]
    assert nms(boxes, scores, 0.5).tolist() == [1]


def test_a_suppressed_box_suppresses_nothing():
    boxes = np.array([[0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]], np.float32)
    assert nms(boxes, np.array([0.9, 0.8, 0.7], np.float32), 0.3).tolist() == [0, 2]


def test_values_that_are_not_finite_never_stay():
    boxes = np.array([[0, 0, 1, 1], [0, np.nan, 9, 9], [20, 20, 30, 30]], np.float32)
    assert nms(boxes, np.array([np.nan, 0.9, 0.5], np.float32), 0.5).tolist() == [2]
    assert nms(np.empty((0, 4), np.float32), np.empty(0, np.float32), 0.5).shape == (0,)


def test_a_box_without_area_overlaps_nothing():
    flat = np.array([[5, 5, 5, 9], [0, 0, 10, 10]], np.float32)
    assert pairwise_iou(flat, flat).tolist() == [[0, 0], [0, 1]]


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(BadArgument, match=r"found boxes \(3, 4\), scores \(2,\)"):
        nms(np.zeros((3, 4), np.float32), np.zeros(2, np.float32), 0.5)
