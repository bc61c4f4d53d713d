"""One line of words for each kind of event."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from google.protobuf.message import Message

from cvops_protos.v1.camera_pb2 import Camera, CameraStatus
from cvops_protos.v1.frame_pb2 import Frame
from cvops_protos.v1.model_pb2 import ModelReleased
from cvops_protos.v1.prediction_pb2 import ModelRole, Prediction


def describe(message: Message) -> str:
    """What happened, in one line."""
    say = _SAY.get(type(message))
    return say(message) if say else str(message).replace("\n", " ")


def _frame(frame: Frame) -> str:
    late_s = (frame.received_at.ToNanoseconds() - frame.captured_at.ToNanoseconds()) / 1e9
    return (
        f"#{frame.sequence} {frame.width}x{frame.height} {frame.where.length / 1000:.0f} kB "
        f"late {late_s:.2f} s, brightness {frame.stats.brightness_mean:.0f}, {frame.frame_id}"
    )


def _prediction(prediction: Prediction) -> str:
    model = f"{prediction.model.name}:{prediction.model.version}"
    role = ModelRole.Name(prediction.role).removeprefix("MODEL_ROLE_").lower()
    took_ms = prediction.latencies.end_to_end.ToNanoseconds() / 1e6
    return f"#{prediction.sequence} {model} ({role}) {_output(prediction)}, {took_ms:.0f} ms"


def _output(prediction: Prediction) -> str:
    if prediction.WhichOneof("output") == "classes":
        probabilities = np.frombuffer(prediction.classes.probabilities, "<f4")
        best = int(probabilities.argmax()) if probabilities.size else -1
        return f"class {best} ({probabilities[best]:.2f})" if best >= 0 else "no class"
    scores = np.frombuffer(prediction.detections.score, "<f4")
    counts = Counter(np.frombuffer(prediction.detections.class_id, "<u2").tolist())
    classes = ", ".join(f"{count} of class {number}" for number, count in sorted(counts.items()))
    return f"{scores.size} boxes: {classes}, best {scores[0]:.2f}" if scores.size else "nothing"


def _camera(camera: Camera) -> str:
    facts = [f"{name} {value}" for name in ("project", "site", "firmware", "lens") if (value := getattr(camera, name))]
    facts += [f"{name}={value}" for name, value in sorted(camera.tags.items())]
    return f"config {camera.config.revision}: {', '.join(facts)}"


def _status(status: CameraStatus) -> str:
    state = CameraStatus.State.Name(status.state).removeprefix("STATE_").lower()
    if not status.HasField("ledger"):
        return f"is {state}"
    ledger = status.ledger
    return (
        f"{state} {status.fps:.1f} fps, late {status.lateness_p50_s:.2f} s; "
        f"captured {ledger.captured} = {ledger.stored} stored + {ledger.sampled_out} sampled out + "
        f"{sum(ledger.rejected.values())} rejected + {ledger.duplicates} duplicates + {ledger.gaps} gaps"
    )


def _released(released: ModelReleased) -> str:
    stage = ModelReleased.Stage.Name(released.stage).removeprefix("STAGE_").lower().replace("_", " ")
    cameras = released.selector or "all cameras"
    share = "" if released.percent == 100 else f" ({released.percent} %)"
    return f"{released.model.name}:{released.model.version} is {stage} for {cameras}{share}: {released.reason}"


_SAY: dict[type[Message], Callable[[Any], str]] = {
    Frame: _frame,
    Prediction: _prediction,
    Camera: _camera,
    CameraStatus: _status,
    ModelReleased: _released,
}
