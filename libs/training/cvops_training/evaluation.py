"""How good detections are: COCO's average precision, and what frames and thresholds say."""

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from cvops_training.examples import Example
from cvops_training.recipe import Found
from cvops_vision import matching

Ints = NDArray[np.int64]
_MOST = 100
_THRESHOLDS = np.round(np.arange(0.05, 0.96, 0.05), 2)


@dataclass(frozen=True, eq=False, slots=True)
class Ranking:
    """Detections of one class, best first, without those on something to be ignored.

    Attributes:
        image: number of the image of each, int64 (N,).
        right: 1 or 0, int64 (N,).
        objects: of the class in each image, int64 (images,).
    """

    image: Ints
    right: Ints
    objects: Ints

    def ap50(self, copies: NDArray[np.float64]) -> NDArray[np.float64]:
        """AP50, area under the interpolated curve, when each image counts so often.

        Args:
            copies: (samples, images).

        Returns:
            (samples,); 0 where a sample has no object.
        """
        weight = copies[:, self.image]
        hits = weight * self.right
        precision = hits.cumsum(1) / np.maximum(weight.cumsum(1), 1e-9)
        envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        return np.asarray((hits * envelope).sum(1) / np.maximum(copies @ self.objects, 1e-9), np.float64)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How good a model is on some examples.

    Attributes:
        images: how many.
        objects: that count.
        map50: mean over classes of the average precision at IoU .50; nan: no object.
        map: over IoU .50 to .95.
        ap50: by class name, only of classes with objects.
        class_objects: objects of each of these.
        f1: (images,) at the threshold: of each image, 1 where nothing is there and nothing found.
        best_threshold: score with the highest mean F1 of an image, and that F1.
        best_f1: see there.
        boxes: mean detections of an image at the threshold.
        keys: of the images, in the order of `f1`.
        rankings: of each class with objects, to tell how sure a difference is.
    """

    images: int
    objects: int
    map50: float
    map: float
    ap50: Mapping[str, float]
    class_objects: Mapping[str, int]
    f1: NDArray[np.float64]
    best_threshold: float
    best_f1: float
    boxes: float
    keys: tuple[str, ...]
    rankings: Mapping[str, Ranking]


def evaluate(
    examples: Sequence[Example], found: Sequence[Found], classes: Sequence[str], *, threshold: float = 0.3
) -> Evaluation:
    """Compares detections with labels; what is to be ignored is neither asked for nor held against anybody.

    Args:
        examples: with truth.
        found: detections, one entry an example.
        classes: names by id.
        threshold: score from which a detection counts for `f1` and `boxes`.
    """
    precision = _precision(examples, found, len(classes))
    known = {name: precision[:, number] for number, name in enumerate(classes) if (precision[:, number] > -1).any()}
    hits = [correct(example, one) for example, one in zip(examples, found, strict=True)]
    f1 = np.array(
        [
            matching.f1_from(hit, one.scores, int((~example.ignore).sum()), np.append(_THRESHOLDS, threshold))
            for hit, example, one in zip(hits, examples, found, strict=True)
        ]
    ).reshape(-1, len(_THRESHOLDS) + 1)
    mean = f1[:, :-1].mean(axis=0) if len(f1) else np.zeros(len(_THRESHOLDS))
    best = int(mean.argmax())
    return Evaluation(
        images=len(examples),
        objects=int(sum((~example.ignore).sum() for example in examples)),
        map50=float(np.mean([values[0] for values in known.values()])) if known else float("nan"),
        map=float(np.mean([values.mean() for values in known.values()])) if known else float("nan"),
        ap50={name: float(values[0]) for name, values in known.items()},
        class_objects={name: _objects(examples, number) for number, name in enumerate(classes) if name in known},
        f1=f1[:, -1],
        best_threshold=float(_THRESHOLDS[best]),
        best_f1=float(mean[best]),
        boxes=float(np.mean([(one.scores >= threshold).sum() for one in found])) if found else 0.0,
        keys=tuple(example.key for example in examples),
        rankings={name: _ranking(examples, found, hits, classes.index(name)) for name in known},
    )


def correct(example: Example, found: Found) -> Ints:
    """Of each detection 1: right; 0: wrong; -1: on something to be ignored."""
    counts = ~example.ignore
    truth = matching.Truth(example.boxes[counts], example.class_ids[counts], example.boxes[example.ignore])
    return matching.correct(found.boxes, found.scores, found.class_ids, truth)


def _ranking(examples: Sequence[Example], found: Sequence[Found], hits: Sequence[Ints], class_id: int) -> Ranking:
    images, rights, scores = [], [], []
    for number, (right, one) in enumerate(zip(hits, found, strict=True)):
        mine = (one.class_ids == class_id) & (right >= 0)
        images.append(np.full(int(mine.sum()), number, np.int64))
        rights.append(right[mine])
        scores.append(one.scores[mine])
    order = np.argsort(-np.concatenate(scores), kind="stable")
    objects = np.array([_objects([example], class_id) for example in examples], np.int64)
    return Ranking(np.concatenate(images)[order], np.concatenate(rights)[order], objects)


def _objects(examples: Sequence[Example], class_id: int) -> int:
    return int(sum(((example.class_ids == class_id) & ~example.ignore).sum() for example in examples))


def _precision(examples: Sequence[Example], found: Sequence[Found], classes: int) -> NDArray[np.float64]:
    """Average precision (IoU, class); -1: the class has no object."""
    dataset = _dataset(examples, classes)
    detections = [
        {"image_id": number, "category_id": int(class_id) + 1, "bbox": _xywh(box), "score": float(score)}
        for number, one in enumerate(found, 1)
        for box, score, class_id in zip(one.boxes, one.scores, one.class_ids, strict=True)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = dataset
        truth.createIndex()
        if detections:
            said = truth.loadRes(detections)
        else:
            said = COCO()
            said.dataset = dataset | {"annotations": []}
            said.createIndex()
        evaluation = COCOeval(truth, said, "bbox")
        evaluation.params.maxDets = [_MOST]
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluation.evaluate()
        evaluation.accumulate()
    raw = evaluation.eval["precision"][:, :, :, 0, 0]  # (IoU, recall, class)
    return np.asarray(np.where((raw > -1).all(axis=1), raw.mean(axis=1), -1.0), np.float64)


def _dataset(examples: Sequence[Example], classes: int) -> dict[str, Any]:
    annotations: list[dict[str, Any]] = []
    for number, example in enumerate(examples, 1):
        for box, class_id, ignored in zip(example.boxes, example.class_ids, example.ignore, strict=True):
            left, top, width, height = _xywh(box)
            # What is ignored stands for every class: COCO forgives detections on a crowd of their own class only.
            for category in range(1, classes + 1) if ignored else (int(class_id) + 1,):
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": number,
                        "category_id": category,
                        "bbox": [left, top, width, height],
                        "area": width * height,
                        "iscrowd": int(ignored),
                    }
                )
    return {
        "info": {},
        "images": [{"id": number} for number in range(1, len(examples) + 1)],
        "annotations": annotations,
        "categories": [{"id": number, "name": str(number)} for number in range(1, classes + 1)],
    }


def _xywh(box: NDArray[np.float32]) -> list[float]:
    left, top, right, bottom = (float(edge) for edge in box)
    return [left, top, right - left, bottom - top]
