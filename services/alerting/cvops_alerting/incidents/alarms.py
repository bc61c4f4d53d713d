"""Alarms: what drift tells as it is, what others tell in the same form, and how an event changes an alarm."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from cvops_alerting.incidents.grouping import Alarm
from cvops_protos.v1.camera_pb2 import CameraStatus
from cvops_protos.v1.drift_pb2 import DriftEvent
from cvops_protos.v1.model_pb2 import ModelReleased
from cvops_protos.v1.training_pb2 import Rollout, TrainingRun

OFFLINE = "camera.offline"
INFERENCE_TIME = "inference_time"
ROLLED_BACK = "release.rolled_back"
FAILED = "training.failed"
_RUN_WORKED = (TrainingRun.STATE_PASSED, TrainingRun.STATE_REFUSED)


@dataclass(frozen=True, slots=True)
class Closing:
    """Alarms of a signal that are over: those that began before `at`.

    Attributes:
        project: of the alarms.
        signal: of the alarms.
        camera_id: of the alarms; empty: all of the project.
        at: when they were over.
        text: why, for people.
    """

    project: str
    signal: str
    camera_id: str
    at: Timestamp
    text: str


def signs_of(message: Message | None) -> Iterator[DriftEvent | Closing]:
    """What an event means: alarms that opened or changed, and alarms that are over."""
    if isinstance(message, DriftEvent):
        # A model that answers faster than it did is nothing that anybody must know.
        if message.signal != INFERENCE_TIME or message.evidence.effect > 0:
            yield message
    elif isinstance(message, CameraStatus):
        yield from _of_status(message)
    elif isinstance(message, TrainingRun):
        yield from _of_run(message)
    elif isinstance(message, Rollout):
        yield from _of_rollout(message)
    elif isinstance(message, ModelReleased):
        yield from _of_release(message)


def merged(old: DriftEvent | None, new: DriftEvent) -> DriftEvent | None:
    """The alarm after an event of it, None when the event changes nothing.

    Events may come twice and in any order: what is closed stays closed, and the later frame wins.
    """
    if old is None:
        return new
    if old.state == DriftEvent.STATE_CLOSED or new.event_id == old.event_id:
        return None
    if new.state != DriftEvent.STATE_CLOSED and _age(new) <= _age(old):
        return None
    whole = DriftEvent()
    whole.CopyFrom(new)
    whole.severity = max(old.severity, new.severity)
    if old.HasField("harm") and not new.HasField("harm"):
        whole.harm.CopyFrom(old.harm)
    return whole


def closed(alarm: DriftEvent, closing: Closing) -> DriftEvent:
    """An alarm that is over."""
    over = DriftEvent()
    over.CopyFrom(alarm)
    over.state, over.text = DriftEvent.STATE_CLOSED, closing.text
    over.at.CopyFrom(closing.at)
    over.event_id = _hash(alarm.alarm_id, "closed", closing.at.ToNanoseconds())
    return over


def family_of(alarm: DriftEvent) -> str:
    """One of "drift", "camera", "release" and "training"."""
    if alarm.kind == DriftEvent.KIND_UPSTREAM:
        return "camera"
    return {ROLLED_BACK: "release", FAILED: "training"}.get(alarm.signal, "drift")


def as_alarm(event: DriftEvent, incident_id: str) -> Alarm:
    """An alarm as grouping sees it."""
    over = event.state == DriftEvent.STATE_CLOSED
    opened_at = event.opened_at if event.HasField("opened_at") else event.since
    return Alarm(
        event.alarm_id,
        event.camera_id,
        family_of(event),
        event.signal,
        event.since.ToNanoseconds() / 1e9,
        opened_at.ToNanoseconds() / 1e9,
        event.at.ToNanoseconds() / 1e9 if over else None,
        incident_id,
    )


def _of_status(status: CameraStatus) -> Iterator[DriftEvent | Closing]:
    if status.state == CameraStatus.STATE_OFFLINE:
        alarm = _opened(OFFLINE, status.project, status.since, status.camera_id, status.since.ToNanoseconds())
        alarm.camera_id, alarm.kind = status.camera_id, DriftEvent.KIND_UPSTREAM
        last = status.last_frame_at.ToDatetime().strftime("%H:%M:%S")
        alarm.text = f"no frame since {last} UTC" if status.HasField("last_frame_at") else "no frame arrives"
        yield alarm
    elif status.state == CameraStatus.STATE_ONLINE:
        yield Closing(status.project, OFFLINE, status.camera_id, status.since, "frames arrive again")


def _of_run(run: TrainingRun) -> Iterator[DriftEvent | Closing]:
    at = run.ended_at if run.HasField("ended_at") else run.created_at
    if run.state == TrainingRun.STATE_FAILED:
        alarm = _opened(FAILED, run.project, at, run.run_id)
        alarm.text = f"run {run.run_id[:8]} failed: {run.text or 'no reason was told'}"
        yield alarm
    elif run.state in _RUN_WORKED:
        yield Closing(run.project, FAILED, "", at, f"run {run.run_id[:8]} worked")


def _of_rollout(rollout: Rollout) -> Iterator[DriftEvent | Closing]:
    at = rollout.ended_at if rollout.HasField("ended_at") else rollout.stage_since
    candidate = f"{rollout.candidate.name}:{rollout.candidate.version}"
    if rollout.state == Rollout.STATE_ROLLED_BACK:
        alarm = _opened(ROLLED_BACK, rollout.project, at, rollout.rollout_id)
        alarm.text = f"{candidate} was rolled back: {rollout.text or 'no reason was told'}"
        yield alarm
    elif rollout.state == Rollout.STATE_CONFIRMED:
        yield Closing(rollout.project, ROLLED_BACK, "", at, f"{candidate} is confirmed")


def _of_release(released: ModelReleased) -> Iterator[DriftEvent | Closing]:
    """A rollback is the alarm of the rollout that made it; what people roll back by hand they know."""
    if released.stage == ModelReleased.STAGE_ROLLED_BACK and released.rollout_id:
        alarm = _opened(ROLLED_BACK, released.project, released.released_at, released.rollout_id)
        back = f"{released.model.name}:{released.model.version}"
        alarm.text = f"slot {released.slot} went back to {back}: {released.reason}"
        yield alarm


def _opened(signal: str, project: str, at: Timestamp, *identity: object) -> DriftEvent:
    alarm_id = _hash(signal, project, *identity)
    alarm = DriftEvent(
        event_id=_hash(alarm_id, "opened"),
        alarm_id=alarm_id,
        project=project,
        signal=signal,
        state=DriftEvent.STATE_OPENED,
        severity=DriftEvent.SEVERITY_WARNING,
    )
    for stamp in (alarm.since, alarm.opened_at, alarm.at):
        stamp.CopyFrom(at)
    return alarm


def _age(event: DriftEvent) -> tuple[int, int]:
    return (event.at.ToNanoseconds(), event.state)


def _hash(*parts: object) -> str:
    return sha256("\0".join(map(str, parts)).encode()).hexdigest()[:32]


def stamp(at: datetime) -> Timestamp:
    """An aware time as a timestamp."""
    found = Timestamp()
    found.FromDatetime(at)
    return found
