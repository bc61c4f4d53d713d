"""Detections of examples by a graph: of torch while it is trained, of onnxruntime as it is served."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cvops_bundles.bundle import Bundle
from cvops_bundles.session import open_session, run_of
from cvops_bundles.spec import DetectionSpec
from cvops_training.examples import Example, Picture
from cvops_training.recipe import Found
from cvops_vision.nms import nms

Forward = Callable[[NDArray[np.uint8]], Mapping[str, NDArray[Any]]]
"""uint8 (N, H, W, 3) to `boxes`, `scores`, `class_ids` and `embedding`."""

OUTPUTS = ("boxes", "scores", "class_ids", "embedding")
_AT_ONCE = 16


def torch_forward(graph: nn.Module) -> Forward:
    """A forward of an exported module, without gradients."""

    def forward(pictures: NDArray[np.uint8]) -> Mapping[str, NDArray[Any]]:
        with torch.no_grad():
            outputs = graph(torch.from_numpy(pictures))
        return {name: output.numpy() for name, output in zip(OUTPUTS, outputs, strict=True)}

    return forward


def bundle_forward(bundle: Bundle) -> Forward:
    """A forward of a bundle as it is served.

    Raises:
        BadBundle: onnxruntime refuses the graph.
    """
    return run_of(open_session(bundle.model_bytes()))


def predict(forward: Forward, examples: Sequence[Example], detection: DetectionSpec) -> tuple[list[Found], Picture]:
    """Detections of examples in network px, and their embeddings, float32 (N, D); (0, 0) without any."""
    found: list[Found] = []
    embeddings = []
    for begin in range(0, len(examples), _AT_ONCE):
        outputs = forward(np.stack([example.picture for example in examples[begin : begin + _AT_ONCE]]))
        for boxes, scores, class_ids in zip(outputs["boxes"], outputs["scores"], outputs["class_ids"], strict=True):
            found.append(_suppressed(boxes, scores, class_ids, detection))
        if "embedding" in outputs:
            embeddings.append(outputs["embedding"])
    return found, np.concatenate(embeddings) if embeddings else np.zeros((0, 0), np.float32)


def _suppressed(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], class_ids: NDArray[np.int32], detection: DetectionSpec
) -> Found:
    strong = np.flatnonzero(scores >= detection.score_threshold)
    kept = strong[
        nms(
            boxes[strong], scores[strong], detection.iou_threshold, class_ids[strong] if detection.class_aware else None
        )
    ]
    return Found(boxes[kept], scores[kept], class_ids[kept].astype(np.int64))
