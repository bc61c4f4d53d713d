"""How well detections agree with the truth of a scene."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvops_local.demo.scene import Truth

SAME_IOU = 0.5


@dataclass(frozen=True, slots=True)
class Agreement:
    """Counts over some images; they add up with `+`.

    Attributes:
        found: true objects with a detection of their class and an IoU of at least 0.5; each detection counts once.
        missed: true objects without.
        invented: detections without a true object.
    """

    found: int = 0
    missed: int = 0
    invented: int = 0

    def __add__(self, other: "Agreement") -> "Agreement":
        """The counts of both."""
        return Agreement(self.found + other.found, self.missed + other.missed, self.invented + other.invented)

    @property
    def recall(self) -> float:
        """Share of the true objects that were found; 1 when there are none."""
        total = self.found + self.missed
        return self.found / total if total else 1.0

    @property
    def precision(self) -> float:
        """Share of the detections that are true; 1 when there are none."""
        total = self.found + self.invented
        return self.found / total if total else 1.0


def agree(truth: Truth, boxes_xyxy: NDArray[np.float32], class_ids: NDArray[np.integer]) -> Agreement:
    """Pairs detections, given by falling score, greedily with the truth of one image.

    Args:
        truth: of the image, T objects.
        boxes_xyxy: (N, 4) absolute px.
        class_ids: (N,).
    """
    free = np.ones(len(truth.class_ids), bool)
    found = 0
    for box, class_id in zip(boxes_xyxy, class_ids, strict=True):
        overlap = np.where(free & (truth.class_ids == class_id), iou(box, truth.boxes_xyxy), 0.0)
        if len(overlap) and overlap.max() >= SAME_IOU:
            free[overlap.argmax()] = False
            found += 1
    return Agreement(found, len(free) - found, len(class_ids) - found)


def iou(box_xyxy: NDArray[np.float32], boxes_xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of one box (4,) with N boxes (N, 4): (N,)."""
    low = np.maximum(box_xyxy[:2], boxes_xyxy[:, :2])
    high = np.minimum(box_xyxy[2:], boxes_xyxy[:, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], axis=1)
    union = np.prod(box_xyxy[2:] - box_xyxy[:2]) + areas - common
    return np.asarray(common / np.maximum(union, 1e-9), np.float32)
