"""From the event `prediction` to the document of a frame."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
from bson.binary import Binary

from cvops_common.errors import BadRecord
from cvops_common.mongo import Document
from cvops_labeling import uncertainty
from cvops_labeling.documents import signed
from cvops_labeling.sketch import sketch
from cvops_protos.v1.prediction_pb2 import ModelRole, Prediction

SEEN, KEPT, PICKED, LABELLED, SKIPPED = "seen", "kept", "picked", "labelled", "skipped"

_COUNTS = (ModelRole.MODEL_ROLE_CHAMPION, ModelRole.MODEL_ROLE_CHALLENGER)
_MOST_BOXES = 1000


def counts(prediction: Prediction) -> bool:
    """Whether a prediction is the answer that counts: those of shadows and replays describe no frame."""
    return prediction.role in _COUNTS


def document_of(prediction: Prediction, names: Sequence[str], seen_at: datetime, kept_for: timedelta) -> Document:
    """The catalog's document of a frame that was just seen.

    Args:
        prediction: of it.
        names: of the model's classes, by id; where they are not known a class goes by its id.
        seen_at: now.
        kept_for: how long the document lives unless the frame is kept.

    Raises:
        BadRecord: what the event says cannot be.
    """
    if not (prediction.frame_id and prediction.camera_id and prediction.width and prediction.height):
        raise BadRecord(
            f"prediction {prediction.prediction_id!r} lacks frame, camera or size: check its publisher; see `cvops dlq`"
        )
    at_ns = prediction.captured_at.ToNanoseconds()
    stats = prediction.stats
    document: Document = {
        "_id": prediction.frame_id,
        "project": prediction.project or "default",
        "camera_id": prediction.camera_id,
        "captured_at": prediction.captured_at.ToDatetime(seen_at.tzinfo),
        "captured_ns": at_ns,
        "model": {
            "name": prediction.model.name,
            "version": prediction.model.version,
            "bundle_sha256": prediction.model.bundle_sha256,
        },
        "width": prediction.width,
        "height": prediction.height,
        "orientation": prediction.orientation or 1,
        "dhash": signed(stats.dhash),
        "brightness": stats.brightness_mean,
        "status": SEEN,
        "expires_at": seen_at + kept_for,
    }
    if prediction.HasField("where"):
        where = prediction.where
        document["where"] = {"uri": where.uri, "offset": where.offset, "length": where.length}
    if prediction.HasField("outlier_score") and np.isfinite(prediction.outlier_score):
        document["outlier"] = prediction.outlier_score
    if prediction.embedding and (drawn := sketch(np.frombuffer(prediction.embedding, "<f2"))):
        document["sketch"] = Binary(drawn)
    if prediction.HasField("classes"):
        return document | _of_classes(prediction, names)
    return document | _of_boxes(prediction, names)


def _of_boxes(prediction: Prediction, names: Sequence[str]) -> Document:
    found = prediction.detections
    scores = np.frombuffer(found.score, "<f4")
    class_ids = np.frombuffer(found.class_id, "<u2")
    if len(scores) != len(class_ids) or not np.isfinite(scores).all():
        raise BadRecord(
            f"prediction {prediction.prediction_id} has {len(scores)} scores and {len(class_ids)} classes, expected as "
            "many finite ones of each: check its publisher"
        )
    return {
        "boxes": len(scores),
        "best": float(scores.max(initial=0)),
        "mean": float(scores.mean()) if len(scores) else 0.0,
        "uncertainty": uncertainty.of_boxes(scores),
        "found": _found(class_ids, scores, names),
        "detections": {
            "xyxy": Binary(found.xyxy[: 16 * _MOST_BOXES]),
            "score": Binary(found.score[: 4 * _MOST_BOXES]),
            "class_id": Binary(found.class_id[: 2 * _MOST_BOXES]),
        },
    }


def _of_classes(prediction: Prediction, names: Sequence[str]) -> Document:
    probabilities = np.frombuffer(prediction.classes.probabilities, "<f4")
    if not probabilities.size or not np.isfinite(probabilities).all():
        raise BadRecord(f"prediction {prediction.prediction_id} has no finite probabilities: check its publisher")
    best = int(np.argmax(probabilities))
    return {
        "boxes": 0,
        "best": float(probabilities[best]),
        "mean": float(probabilities[best]),
        "uncertainty": uncertainty.of_classes(probabilities),
        "found": _found(np.array([best]), probabilities[best : best + 1], names),
    }


def _found(class_ids: np.ndarray, scores: np.ndarray, names: Sequence[str]) -> list[Document]:
    """Each class once with its best score; boxes come by falling score."""
    best: dict[int, float] = {}
    for number, score in zip(class_ids.tolist(), scores.tolist(), strict=True):
        best[number] = max(score, best.get(number, 0.0))
    return [
        {"class": names[number] if number < len(names) else str(number), "score": score}
        for number, score in sorted(best.items())
    ]
