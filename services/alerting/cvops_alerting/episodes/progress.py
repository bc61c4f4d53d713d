"""What an event makes of an episode. Pure: message in, changed episode out; an event that comes twice changes nothing.

Events of different topics may overtake each other, so a state only moves forward.
"""

from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256

from google.protobuf.timestamp_pb2 import Timestamp

from cvops_protos.v1.alerting_pb2 import Episode, Incident
from cvops_protos.v1.labeling_pb2 import DatasetReleased, Label, Selection
from cvops_protos.v1.training_pb2 import Rollout, TrainingRun

ENDED = (Episode.STATE_RECOVERED, Episode.STATE_GAVE_UP)
_MOST_STEPS = 500
_RUN_ENDS = {
    TrainingRun.STATE_REFUSED: "the candidate did not pass its gates",
    TrainingRun.STATE_FAILED: "training failed",
    TrainingRun.STATE_CANCELLED: "training was cancelled",
}


def episode_id(incident_id: str, number: int) -> str:
    """The id of the `number`-th episode (from 0) of an incident."""
    return sha256(f"{incident_id}\0{number}".encode()).hexdigest()[:32]


def opened(incident: Incident, cameras: Iterable[str], number: int, now: datetime) -> Episode:
    """The `number`-th episode of an incident, about some of its cameras."""
    chosen = sorted(cameras)
    alarms = [alarm for alarm in incident.alarms if alarm.camera_id in chosen]
    episode = Episode(
        episode_id=episode_id(incident.incident_id, number),
        project=incident.project,
        incident_id=incident.incident_id,
        state=Episode.STATE_SETTLING,
        cameras=chosen,
    )
    episode.opened_at.FromDatetime(now)
    episode.since.CopyFrom(incident.since)
    episode.detected_at.CopyFrom(incident.opened_at)
    for alarm in sorted(alarms, key=lambda alarm: alarm.opened_at.ToNanoseconds()):
        add_alarm(episode, alarm.alarm_id, alarm.opened_at, f"{alarm.camera_id}: {alarm.text}")
    add_step(episode, "opened", f"for {_named(chosen)}", incident.incident_id, episode.opened_at)
    return episode


def add_alarm(episode: Episode, alarm_id: str, at: Timestamp, text: str) -> bool:
    """Notes an alarm; the earliest one is the detection."""
    if not add_step(episode, "alarm", text, alarm_id, at):
        return False
    if at.ToNanoseconds() < episode.detected_at.ToNanoseconds():
        episode.detected_at.CopyFrom(at)
    return True


def add_step(episode: Episode, what: str, text: str, source_id: str, at: Timestamp) -> bool:
    """Adds a line to the time line, in order of time; False when it is there already or the time line is full."""
    known = any(step.what == what and step.source_id == source_id for step in episode.steps)
    if known or len(episode.steps) >= _MOST_STEPS:
        return False
    step = Episode.Step(what=what, text=text, source_id=source_id, at=at)
    later = sum(each.at.ToNanoseconds() > at.ToNanoseconds() for each in episode.steps)
    episode.steps.insert(len(episode.steps) - later, step)
    return True


def selecting(episode: Episode, cameras: Iterable[str], left_out: Iterable[str], now: datetime) -> None:
    """The episode begins its work on the cameras that are well, or ends because there is none."""
    del episode.cameras[:], episode.left_out[:]
    episode.cameras.extend(sorted(cameras))
    episode.left_out.extend(sorted(left_out))
    if not episode.cameras:
        end(episode, Episode.STATE_GAVE_UP, f"no camera is well: {'; '.join(episode.left_out)}", now)
        return
    _forward(episode, Episode.STATE_SELECTING)


def on_selection(episode: Episode, selection: Selection) -> bool:
    """Frames were chosen; now they are labelled."""
    if selection.purpose == "audit":
        return False
    reasons: dict[str, int] = {}
    for pick in selection.picks:
        reasons[pick.reason] = reasons.get(pick.reason, 0) + 1
    told = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    text = f"{len(selection.picks)} of {selection.candidates} frames ({told}), about {selection.boxes} boxes"
    episode.selection_id = selection.selection_id
    return _forward(episode, Episode.STATE_LABELING) | add_step(
        episode, "selection", text, selection.selection_id, selection.at
    )


def on_label(episode: Episode, label: Label) -> bool:
    """A frame was labelled. The caller gives each revision of a label once."""
    episode.labels += label.revision <= 1
    episode.label_seconds += label.seconds_spent
    if episode.labels == 1:
        add_step(episode, "label", f"first label, by {label.author.name}", label.label_id, label.at)
    return True


def on_dataset(episode: Episode, dataset: DatasetReleased) -> bool:
    """The labels are a version of a dataset; now a model is trained."""
    told = ", ".join(f"{count} {split}" for split, count in sorted(dataset.images.items()))
    episode.dataset_version = f"{dataset.name}:{dataset.version}"
    return _forward(episode, Episode.STATE_TRAINING) | add_step(
        episode, "dataset", f"{episode.dataset_version}: {told} images", dataset.version, dataset.at
    )


def on_run(episode: Episode, run: TrainingRun, now: datetime) -> bool:
    """The training began, went on or ended."""
    if run.state == TrainingRun.STATE_QUEUED:
        return False
    changed = _forward(episode, Episode.STATE_TRAINING)
    begun = run.started_at if run.HasField("started_at") else run.created_at
    episode.run_id = run.run_id
    base = f" from {run.base.name}:{run.base.version}" if run.HasField("base") else ""
    if run.steps:  # known once the process has read what it trains on
        changed |= add_step(episode, "run", f"{run.recipe}{base}, {run.steps} steps", run.run_id, begun)
    if run.state in (TrainingRun.STATE_RUNNING, TrainingRun.STATE_JUDGING):
        return changed
    changed |= episode.train_cpu_s != run.cpu_s
    episode.train_cpu_s = run.cpu_s
    if run.HasField("base"):
        episode.model_before = f"{run.base.name}:{run.base.version}"
    if "new.map50" in run.metrics:
        episode.map50_after = run.metrics["new.map50"]
        episode.map50_before = run.base_metrics.get("new.map50", 0.0)
    if run.gates:
        failed = [gate.text for gate in run.gates if not gate.passed]
        gates = "; ".join(failed) if failed else f"all {len(run.gates)} gates passed{_gain(episode)}"
        changed |= add_step(episode, "gates", gates, run.run_id, run.ended_at)
    if run.state == TrainingRun.STATE_PASSED:
        return _forward(episode, Episode.STATE_TRYING) | changed
    why = _RUN_ENDS[run.state]
    return end(episode, Episode.STATE_GAVE_UP, f"{why}: {run.text}" if run.text else why, now) | changed


def on_rollout(episode: Episode, rollout: Rollout, now: datetime) -> bool:
    """The candidate took a step towards the cameras, or back."""
    episode.rollout_id = rollout.rollout_id
    episode.model_after = f"{rollout.candidate.name}:{rollout.candidate.version}"
    what = {
        Rollout.STATE_SHADOW: "shadow",
        Rollout.STATE_CANARY: "canary",
        Rollout.STATE_PROMOTED: "champion",
        Rollout.STATE_CONFIRMED: "confirmed",
        Rollout.STATE_ROLLED_BACK: "rolled_back",
    }.get(rollout.state)
    if what is None:
        return False
    text = f"{episode.model_after} on {_named(rollout.serving or rollout.cameras)}"
    since = rollout.stage_since if rollout.HasField("stage_since") else rollout.created_at
    changed = add_step(episode, what, f"{text}: {rollout.text}" if rollout.text else text, rollout.rollout_id, since)
    if rollout.state in (Rollout.STATE_SHADOW, Rollout.STATE_CANARY):
        return _forward(episode, Episode.STATE_TRYING) | changed
    if rollout.state == Rollout.STATE_PROMOTED:
        return _forward(episode, Episode.STATE_CONFIRMING) | changed
    if rollout.state == Rollout.STATE_CONFIRMED:
        return end(episode, Episode.STATE_RECOVERED, rollout.text or "the accuracy is back", now) | changed
    return end(episode, Episode.STATE_GAVE_UP, f"rolled back: {rollout.text}", now) | changed


def end(episode: Episode, state: Episode.State.ValueType, text: str, now: datetime) -> bool:
    """Ends an episode that has not ended."""
    if episode.state in ENDED:
        return False
    episode.state, episode.text = state, text
    episode.ended_at.FromDatetime(now)
    return True


def summary(episode: Episode) -> str:
    """What was done, in one line, for the incident."""
    took_s = (episode.ended_at.ToNanoseconds() - episode.opened_at.ToNanoseconds()) / 1e9
    if episode.state != Episode.STATE_RECOVERED:
        return f"given up after {took_s:.0f} s: {episode.text}"
    return (
        f"{episode.model_after} serves {_named(episode.cameras)} after {took_s:.0f} s, {episode.labels} labels and "
        f"{episode.train_cpu_s:.0f} CPU-s of training{_gain(episode)}"
    )


def _gain(episode: Episode) -> str:
    if not episode.HasField("map50_after"):
        return ""
    return f" (mAP50 on the held-out new labels {episode.map50_before:.2f} -> {episode.map50_after:.2f})"


def _forward(episode: Episode, state: Episode.State.ValueType) -> bool:
    if episode.state in ENDED or episode.state >= state:
        return False
    episode.state = state
    return True


def _named(cameras: Iterable[str]) -> str:
    names = list(cameras)
    return ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"
