"""From events to what the statistics take: arrays of predictions, frames for camera health."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cvops_monitoring.arrays import F32, F64, I64
from cvops_monitoring.health.frame import Grey, HealthFrame
from cvops_monitoring.stream.frames import Frames
from cvops_protos.v1.drift_pb2 import Exemplar
from cvops_protos.v1.frame_pb2 import Frame
from cvops_protos.v1.image_pb2 import ImageEncoding
from cvops_protos.v1.prediction_pb2 import Prediction

_BYTES = 2
"""Of a value of an embedding: half precision."""


def frames_of(predictions: Sequence[Prediction], dims: int | None, problems: Counter[str]) -> Frames | None:
    """Predictions of one camera and model as arrays; None when none of them can be used.

    Args:
        predictions: in the order in which they came.
        dims: of the embeddings so far; None: these are the first.
        problems: what could not be used is counted here, by a sentence.
    """
    chosen, embedding = _usable(predictions, dims, problems)
    if not chosen:
        return None
    counts, confidence = _outputs(chosen)
    return Frames(
        time_s=np.array([prediction.captured_at.ToNanoseconds() / 1e9 for prediction in chosen]),
        embedding=embedding,
        novelty=np.array([_novelty(prediction) for prediction in chosen]),
        inputs=np.array([_inputs(prediction) for prediction in chosen]),
        counts=counts,
        confidence=confidence,
        ids=tuple(_name(prediction) for prediction in chosen),
    )


def exemplar(name: str, role: str) -> Exemplar:
    """The frame that an id in `Frames.ids` names."""
    frame_id, uri, offset, length = name.split(" ")
    found = Exemplar(frame_id=frame_id, role=role)
    if uri:
        found.where.uri, found.where.offset, found.where.length = uri, int(offset), int(length)
    return found


def health_frame(frame: Frame) -> HealthFrame:
    """A frame as camera health takes it."""
    stats = frame.stats
    edges = np.frombuffer(stats.edge_energy, "<f2")
    return HealthFrame(
        captured_s=frame.captured_at.ToNanoseconds() / 1e9,
        received_s=frame.received_at.ToNanoseconds() / 1e9,
        sequence=frame.sequence,
        stream=frame.stream,
        width=frame.width,
        height=frame.height,
        encoding=ImageEncoding.Name(frame.encoding),
        n_bytes=stats.bytes,
        sha256=frame.sha256,
        brightness_mean=stats.brightness_mean,
        brightness_p1=stats.brightness_p1,
        brightness_p99=stats.brightness_p99,
        saturation=stats.saturation,
        contrast=stats.contrast,
        sharpness=stats.sharpness,
        cast_a=stats.cast_a,
        cast_b=stats.cast_b,
        edge_energy=(edges if edges.size == 48 else np.zeros(48)).astype(np.float32).reshape(6, 8),
        thumbnail=_grey(stats.thumbnail_grey),
    )


def _usable(
    predictions: Sequence[Prediction], dims: int | None, problems: Counter[str]
) -> tuple[list[Prediction], F32]:
    """Those with an embedding of the right size and of numbers, and the embeddings, float32 (N, D)."""
    wanted = len(predictions[0].embedding) // _BYTES if dims is None else dims
    fitting = []
    for prediction in predictions:
        values = len(prediction.embedding) / _BYTES
        if values == wanted:
            fitting.append(prediction)
        else:
            problems[f"embedding has {values:g} values, expected {wanted}: the frame is left out"] += 1
    raw = b"".join(prediction.embedding for prediction in fitting)
    embedding = np.frombuffer(raw, "<f2").astype(np.float32).reshape(len(fitting), wanted)
    finite = np.flatnonzero(np.isfinite(embedding).all(axis=1))
    if len(finite) == len(fitting):
        return fitting, embedding
    problems["embedding is not finite: the frame is left out"] += len(fitting) - len(finite)
    return [fitting[at] for at in finite], embedding[finite]


def _name(prediction: Prediction) -> str:
    """Id and place of the image; the statistics carry it along unread."""
    where = prediction.where
    return f"{prediction.frame_id} {where.uri} {where.offset} {where.length}"


def _novelty(prediction: Prediction) -> float:
    return prediction.outlier_score if prediction.HasField("outlier_score") else np.nan


def _outputs(predictions: Sequence[Prediction]) -> tuple[I64, F64]:
    """Detections of each class, int64 (N, classes), and the mean score, float64 (N,), NaN where nothing is detected."""
    classes, scores = zip(*(_found(prediction) for prediction in predictions), strict=True)
    n = len(predictions)
    of_class, class_ids = _joined(classes, "<u2")
    width = int(class_ids.max()) + 1 if class_ids.size else 0
    counts = np.bincount(of_class * width + class_ids, minlength=n * width).reshape(n, width)
    of_score, values = _joined(scores, "<f4")
    number = np.bincount(of_score, minlength=n)
    total = np.bincount(of_score, values, minlength=n)
    return counts, np.divide(total, number, out=np.full(n, np.nan), where=number > 0)


def _found(prediction: Prediction) -> tuple[bytes, bytes]:
    """Class ids (uint16) and scores (float32) of the detections; of a classifier its class, and its probability."""
    if prediction.WhichOneof("output") != "classes":
        return prediction.detections.class_id, prediction.detections.score
    probabilities = np.frombuffer(prediction.classes.probabilities, "<f4")
    if not probabilities.size:
        return b"", b""
    best = probabilities.argmax()
    return best.astype("<u2").tobytes(), probabilities[best].tobytes()


def _joined(parts: Sequence[bytes], kind: str) -> tuple[I64, NDArray[Any]]:
    """Values of all parts in a row, and the part of each."""
    size = np.dtype(kind).itemsize
    part = np.repeat(np.arange(len(parts)), [len(each) // size for each in parts])
    return part, np.frombuffer(b"".join(parts), kind)


def _inputs(prediction: Prediction) -> tuple[float, ...]:
    """In the order of `stream.frames.INPUTS`; 0 means not known only where it cannot be a value."""
    stats, width, height = prediction.stats, prediction.width, prediction.height
    return (
        width or np.nan,
        height or np.nan,
        stats.ratio or np.nan,
        width * height or np.nan,
        stats.brightness_mean,
        stats.brightness_std,
        stats.contrast,
        stats.saturation,
        stats.sharpness,
        stats.entropy,
        stats.cast_a,
        stats.cast_b,
        _inference_time(prediction),
    )


def _inference_time(prediction: Prediction) -> float:
    """In s, in steps of a factor of two: the load of a machine moves it by less every minute, and that is no drift."""
    if not prediction.latencies.HasField("infer"):
        return np.nan
    nanoseconds = max(prediction.latencies.infer.ToNanoseconds(), 1)
    return float(2.0 ** round(math.log2(nanoseconds / 1e9)))


def _grey(jpeg: bytes) -> Grey | None:
    if not jpeg:
        return None
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    return None if picture is None else np.asarray(picture, np.uint8)
