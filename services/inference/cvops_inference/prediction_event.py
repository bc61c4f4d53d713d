"""From a result to the event `prediction`."""

import numpy as np

from cvops_common.ids import prediction_id
from cvops_inference.assignment import Serving
from cvops_inference.result import Result
from cvops_protos.v1.frame_pb2 import Frame
from cvops_protos.v1.prediction_pb2 import ModelRole, Prediction

_NS = 1_000_000_000


def fill_event(event: Prediction, serving: Serving, result: Result, end_to_end_s: float) -> None:
    """Writes model, role, output and latencies; `frame_id` must be set before."""
    release, role = serving.release, serving.role
    event.prediction_id = prediction_id(event.frame_id, release.model.bundle_sha256, ModelRole.Name(role))
    event.model.CopyFrom(release.model)
    event.role = role
    if result.detections is not None:
        detections = result.detections
        event.detections.xyxy = detections.boxes_xyxy.astype("<f4").tobytes()
        event.detections.score = detections.scores.astype("<f4").tobytes()
        event.detections.class_id = detections.class_ids.astype("<u2").tobytes()
    if result.probabilities is not None:
        event.classes.probabilities = result.probabilities.astype("<f4").tobytes()
    if result.embedding is not None:
        # Half precision has a range of 65504; a feature beyond it would become infinite.
        event.embedding = np.clip(result.embedding, -65504, 65504).astype("<f2").tobytes()
        event.embedding_dim = result.embedding.size
    if result.outlier_score is not None:
        event.outlier_score = result.outlier_score
    timing, latencies = result.timing, event.latencies
    latencies.queue.FromNanoseconds(int(timing.queue_s * _NS))
    latencies.decode.FromNanoseconds(int(timing.decode_s * _NS))
    latencies.infer.FromNanoseconds(int(timing.infer_s * _NS))
    latencies.post.FromNanoseconds(int(timing.post_s * _NS))
    latencies.end_to_end.FromNanoseconds(max(0, int(end_to_end_s * _NS)))
    latencies.batch_size = timing.batch_size


def event_of_frame(frame: Frame, serving: Serving, result: Result, finished_ns: int) -> Prediction:
    """The prediction for a frame of the stream; carries all that a reader of predictions needs of the frame."""
    event = Prediction(
        frame_id=frame.frame_id,
        camera_id=frame.camera_id,
        project=frame.project,
        captured_at=frame.captured_at,
        stats=frame.stats,
        where=frame.where,
        width=frame.width,
        height=frame.height,
        source=Prediction.SOURCE_STREAM,
        sequence=frame.sequence,
        orientation=frame.orientation,
        config_revision=frame.config_revision,
    )
    fill_event(event, serving, result, (finished_ns - frame.received_at.ToNanoseconds()) / _NS)
    return event
