"""Predictions against truth: COCO's average precision, recall and false positives, by camera, class and minute.

Average precision is that of pycocotools. Recall and false positives count the same matches, at an IoU of 0.5, from a
score on. Objects that do not count (too small, too hidden, in fog) are neither asked for nor held against a detector.
"""

import contextlib
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from cvops_sim.coco import coco_of
from cvops_sim.objects.kinds import CLASSES
from cvops_sim.predictions import Predicted
from cvops_sim.truth import FrameTruth

ALL = "all"
MOST_DETECTIONS = 300
_MINUTE_NS = 60_000_000_000

FrameKey = tuple[str, int]
"""Camera id and capture time in ns."""


@dataclass(frozen=True)
class Score:
    """How good detections are.

    Attributes:
        frames: that have truth and a prediction.
        objects: that count.
        ap: COCO average precision, mean over IoU .50 to .95; nan without objects.
        ap50: at IoU .50.
        recall: share of the objects that are found.
        precision: share of the detections that are right; nan without detections.
        false_positives: detections of nothing, a frame.
    """

    frames: int
    objects: int
    ap: float
    ap50: float
    recall: float
    precision: float
    false_positives: float


@dataclass(frozen=True)
class Row:
    """The score of one camera, class and minute; "all" stands for every one, minute None for the whole time."""

    camera_id: str
    class_name: str
    minute: int | None
    score: Score


def score(
    truths: Iterable[FrameTruth],
    predictions: Iterable[Predicted],
    *,
    threshold: float = 0.3,
    classes: Sequence[str] = CLASSES,
) -> dict[str, Score]:
    """Scores of frames that have both, by class name and for "all" classes together.

    Args:
        truths: frames.
        predictions: of one model; of several for one frame the last counts.
        threshold: score from which a detection counts for recall and false positives.
        classes: the classes that are asked for; others are left out.
    """
    said = {(each.camera_id, each.captured_at_ns): each for each in predictions}
    both = [truth for truth in truths if (truth.camera_id, truth.captured_at_ns) in said]
    dataset = coco_of(both, classes=classes)
    detections = _detections(both, said, classes)
    evaluation = _evaluated(dataset, detections)
    return {
        name: _summary(evaluation, numbers, len(both), threshold)
        for name, numbers in [(ALL, range(len(classes))), *((name, [n]) for n, name in enumerate(classes))]
    }


def score_table(
    truths: Iterable[FrameTruth],
    predictions: Iterable[Predicted],
    *,
    threshold: float = 0.3,
    classes: Sequence[str] = CLASSES,
    by_minute: bool = True,
) -> list[Row]:
    """Scores of every camera, class and minute, and of all together; minutes count from the first frame.

    Classes without objects and detections are left out. See `score` for the arguments.
    """
    truths, predictions = list(truths), list(predictions)
    begin_ns = min((truth.captured_at_ns for truth in truths), default=0)
    groups: dict[tuple[str, int | None], list[FrameTruth]] = defaultdict(list)
    for truth in truths:
        minute = (truth.captured_at_ns - begin_ns) // _MINUTE_NS
        for camera_id in (ALL, truth.camera_id):
            groups[camera_id, None].append(truth)
            if by_minute:
                groups[camera_id, minute].append(truth)
    rows = []
    for (camera_id, at), members in sorted(groups.items(), key=lambda group: _order(group[0])):
        scores = score(members, predictions, threshold=threshold, classes=classes)
        rows += [Row(camera_id, name, at, found) for name, found in scores.items() if name == ALL or found.objects]
    return rows


def _order(group: tuple[str, int | None]) -> tuple[bool, str, int]:
    camera_id, minute = group
    return camera_id != ALL, camera_id, -1 if minute is None else minute


def _detections(
    truths: Sequence[FrameTruth], said: Mapping[FrameKey, Predicted], classes: Sequence[str]
) -> list[dict[str, Any]]:
    categories = {name: number for number, name in enumerate(classes, 1)}
    detections = []
    for image_id, truth in enumerate(truths, 1):
        each = said[truth.camera_id, truth.captured_at_ns]
        scale = np.tile(np.array([truth.width, truth.height]) / each.size_wh, 2)
        for xyxy, confidence, name in zip(each.xyxy * scale, each.scores, each.class_names, strict=True):
            if name in categories:
                left, top, right, bottom = (float(edge) for edge in xyxy)
                detections.append(
                    {
                        "image_id": image_id,
                        "category_id": categories[name],
                        "bbox": [left, top, right - left, bottom - top],
                        "score": float(confidence),
                    }
                )
    return detections


def _evaluated(dataset: dict[str, Any], detections: list[dict[str, Any]]) -> Any:
    """A COCOeval after its evaluation; it prints, so its words are thrown away."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = dataset
        truth.createIndex()
        found = truth.loadRes(detections) if detections else _nothing(dataset)
        evaluation = COCOeval(truth, found, "bbox")
        evaluation.params.maxDets = [MOST_DETECTIONS]
        evaluation.params.areaRng = [[0, 1e10]]
        evaluation.params.areaRngLbl = ["all"]
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def _nothing(dataset: dict[str, Any]) -> COCO:
    empty = COCO()
    empty.dataset = dataset | {"annotations": []}
    empty.createIndex()
    return empty


def _summary(evaluation: Any, classes: Sequence[int], frames: int, threshold: float) -> Score:
    precision = evaluation.eval["precision"][:, :, list(classes), 0, 0]  # (IoU, recall, class), -1: no objects
    right = wrong = objects = 0
    per_class = len(evaluation.params.imgIds)
    for number in classes:
        for image in evaluation.evalImgs[number * per_class : (number + 1) * per_class]:
            if image is None:
                continue
            counts = (~image["dtIgnore"][0].astype(bool)) & (np.array(image["dtScores"]) >= threshold)
            matched = image["dtMatches"][0] > 0
            right += int(np.count_nonzero(counts & matched))
            wrong += int(np.count_nonzero(counts & ~matched))
            objects += int(np.count_nonzero(np.array(image["gtIgnore"]) == 0))
    return Score(
        frames=frames,
        objects=objects,
        ap=_mean(precision),
        ap50=_mean(precision[:1]),
        recall=right / objects if objects else float("nan"),
        precision=right / (right + wrong) if right + wrong else float("nan"),
        false_positives=wrong / frames if frames else float("nan"),
    )


def _mean(precision: Any) -> float:
    known = precision[precision > -1]
    return float(known.mean()) if known.size else float("nan")
