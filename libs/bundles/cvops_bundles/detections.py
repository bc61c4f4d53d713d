"""From the candidates of one image to its detections."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvops_bundles.spec import DetectionSpec
from cvops_vision.letterbox import Placement
from cvops_vision.nms import nms


@dataclass(frozen=True, slots=True)
class Detections:
    """N detections by falling score.

    Attributes:
        boxes_xyxy: float32 (N, 4), px of the original image, clipped to it.
        scores: float32 (N,), 0..1.
        class_ids: int32 (N,), index into the classes of the bundle.
    """

    boxes_xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int32]


def detections_of(
    defaults: DetectionSpec,
    boxes_xyxy: NDArray[np.float32],
    scores: NDArray[np.float32],
    class_ids: NDArray[np.int32],
    placement: Placement,
) -> Detections:
    """Drops weak candidates, suppresses doubles and maps the rest to the original image.

    Args:
        defaults: thresholds, and whether classes are suppressed apart.
        boxes_xyxy: (K, 4) px of the network input.
        scores: (K,).
        class_ids: (K,).
        placement: where the image lies in the network input.
    """
    strong = np.flatnonzero(scores >= defaults.score_threshold)
    boxes, ids = boxes_xyxy[strong], class_ids[strong]
    kept = nms(boxes, scores[strong], defaults.iou_threshold, ids if defaults.class_aware else None)
    return Detections(placement.to_original(boxes[kept]), scores[strong][kept], ids[kept])
