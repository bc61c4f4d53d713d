"""CloudEvents 1.0 in Kafka binary mode: which message has which type, and the headers it travels with."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from google.protobuf.message import DecodeError, Message

from cvops_common.errors import BadRecord
from cvops_common.ids import random_hex
from cvops_protos.v1.alerting_pb2 import Episode, Incident, LoopStatus
from cvops_protos.v1.camera_pb2 import Camera, CameraStatus
from cvops_protos.v1.drift_pb2 import DriftEvent, Feedback
from cvops_protos.v1.frame_pb2 import Frame
from cvops_protos.v1.labeling_pb2 import DatasetReleased, Label, Selection
from cvops_protos.v1.model_pb2 import ModelReleased
from cvops_protos.v1.prediction_pb2 import Prediction
from cvops_protos.v1.project_pb2 import Project
from cvops_protos.v1.training_pb2 import Rollout, TrainingRun

CONTENT_TYPE = "application/protobuf"


@dataclass(frozen=True, slots=True)
class EventType:
    """A kind of event.

    Attributes:
        name: the CloudEvents type, e.g. "cvops.frame.v1".
        message: the generated protobuf class of the body.
        topic: the one topic it lives on.
    """

    name: str
    message: type[Message]
    topic: str


EVENT_TYPES = (
    EventType("cvops.frame.v1", Frame, "frames"),
    EventType("cvops.prediction.v1", Prediction, "predictions"),
    EventType("cvops.camera.v1", Camera, "cameras"),
    EventType("cvops.camera-status.v1", CameraStatus, "camera-status"),
    EventType("cvops.model-released.v1", ModelReleased, "model-released"),
    EventType("cvops.drift-event.v1", DriftEvent, "drift-events"),
    EventType("cvops.feedback.v1", Feedback, "feedback"),
    EventType("cvops.project.v1", Project, "projects"),
    EventType("cvops.selection.v1", Selection, "selections"),
    EventType("cvops.label.v1", Label, "labels"),
    EventType("cvops.dataset-released.v1", DatasetReleased, "dataset-released"),
    EventType("cvops.training-run.v1", TrainingRun, "training-runs"),
    EventType("cvops.rollout.v1", Rollout, "rollouts"),
    EventType("cvops.incident.v1", Incident, "incidents"),
    EventType("cvops.episode.v1", Episode, "episodes"),
    EventType("cvops.loop-status.v1", LoopStatus, "loop"),
)
_BY_NAME = {event.name: event for event in EVENT_TYPES}
_BY_MESSAGE = {event.message: event for event in EVENT_TYPES}


def type_of(message: Message) -> EventType:
    """The event type of a message; TypeError when the message is no event."""
    try:
        return _BY_MESSAGE[type(message)]
    except KeyError:
        raise TypeError(f"{type(message).__name__} is not an event: add it to EVENT_TYPES") from None


def headers(event: EventType, source: str, traceparent: str = "", correlation_id: str = "") -> dict[str, str]:
    """Headers for one event, published now by `source`."""
    out = {
        "ce_specversion": "1.0",
        "ce_id": random_hex(128),
        "ce_type": event.name,
        "ce_source": f"/cvops/{source}",
        "ce_time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "content-type": CONTENT_TYPE,
    }
    if traceparent:
        out["traceparent"] = traceparent
    if correlation_id:
        out["ce_correlationid"] = correlation_id
    return out


def decode(body: bytes, headers: Mapping[str, str]) -> Message:
    """The message in a record.

    Raises:
        BadRecord: no `ce_type`, one that is not known, or a body that is not that message.
    """
    name = headers.get("ce_type")
    if name is None:
        raise BadRecord(
            "record has no header ce_type, so its type is not known: publish with CloudEvents headers",
            reason="no_ce_type",
        )
    event = _BY_NAME.get(name)
    if event is None:
        known = ", ".join(sorted(_BY_NAME))
        raise BadRecord(f"record has ce_type {name[:80]!r}, expected one of {known}", reason="unknown_ce_type")
    try:
        return event.message.FromString(body)
    except DecodeError as error:
        raise BadRecord(
            f"record of type {name} has a body of {len(body)} bytes that is no {event.message.DESCRIPTOR.full_name}: "
            f"{error}; check the publisher and its version of the contracts",
            reason="undecodable",
        ) from error
