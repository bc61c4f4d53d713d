"""From a comparison to the event: unlike what the model was trained on, or unlike the other cameras, and in what."""

from cvops_drift.domain import FLEET, TRAINING, DomainAlarm, DomainVerdict, ratio
from cvops_drift.event import Place, event_of, identity
from cvops_drift.model_watch import ModelWatch
from cvops_drift.surroundings import Surroundings
from cvops_protos.v1.drift_pb2 import DomainComparison, DriftEvent


def domain_event(place: Place, watch: ModelWatch, state: str, alarm: DomainAlarm, around: Surroundings) -> DriftEvent:
    """The event of an alarm that opened or closed. Strange by day is a warning; a light has an event of its own."""
    verdict = watch.domain.verdicts[alarm.regime]
    alarm_id = identity(place.camera_id, watch.model.bundle_sha256, alarm.signal, alarm.regime, alarm.reference)
    at_s = alarm.opened_s if state == "opened" else max(verdict.end_s, alarm.opened_s)
    event = event_of(place, alarm_id, state, alarm.since_s, alarm.opened_s, at_s)
    event.model.CopyFrom(watch.model)
    event.kind, event.signal, event.regime = DriftEvent.KIND_DOMAIN, alarm.signal, alarm.regime
    warns = alarm.signal == TRAINING and alarm.regime == "day"
    event.severity = DriftEvent.SEVERITY_WARNING if warns else DriftEvent.SEVERITY_INFO
    found = verdict.evidence(alarm.signal) or (0.0, 1.0)
    evidence = event.evidence
    evidence.ratio, evidence.peak = ratio(*found), alarm.peak
    evidence.false_discovery_rate = around.false_discovery_rate
    if alarm.signal == TRAINING and verdict.training is not None:
        evidence.statistic = "T2, e-value"
        evidence.effect, evidence.effect_unit = verdict.training.distance, "sd"
        evidence.outside = verdict.training.outside
    elif verdict.fleet is not None:
        evidence.statistic = "mean and MMD, e-value"
        evidence.effect, evidence.effect_unit = verdict.fleet.auc, "AUC"
    event.text = _text(place.camera_id, watch, state, alarm.signal, verdict)
    event.why.extend(_why(alarm.signal, verdict, watch))
    return event


def comparison_of(verdict: DomainVerdict) -> DomainComparison:
    """The comparison for people and programs."""
    told = DomainComparison(regime=verdict.regime, unlike=_unlike(verdict))
    told.at.FromNanoseconds(int(verdict.end_s * 1e9))
    if verdict.training is not None:
        told.training_distance, told.training_outside = verdict.training.distance, verdict.training.outside
        told.training_evidence = verdict.training.evidence
    if verdict.fleet is not None:
        told.fleet_evidence, told.cameras = verdict.fleet.evidence, verdict.fleet.cameras
        told.nearest_camera, told.auc = verdict.fleet.nearest, verdict.fleet.auc
    return told


def _text(camera_id: str, watch: ModelWatch, state: str, signal: str, verdict: DomainVerdict) -> str:
    if state == "closed":
        other = "the training data" if signal == TRAINING else "the other cameras"
        return f"{camera_id} is {'accepted, though' if watch.domain.accepted else 'no longer'} unlike {other}"
    if signal == TRAINING and verdict.training is not None:
        return (
            f"{camera_id} is unlike what {watch.model.name} was trained on: its mean picture is "
            f"{verdict.training.distance:.1f} sd away, {verdict.training.outside:.0%} of its frames are outside"
        )
    if signal == FLEET and verdict.fleet is not None:
        return (
            f"{camera_id} is unlike the {verdict.fleet.cameras} other cameras, told apart with AUC "
            f"{verdict.fleet.auc:.2f}; nearest is {verdict.fleet.nearest}"
        )
    return f"{camera_id}: {signal}"


def _why(signal: str, verdict: DomainVerdict, watch: ModelWatch) -> list[str]:
    asked = "the training data of the model" if signal == TRAINING else "the other cameras of this model"
    lines = [f"domain: this camera is compared with {asked}, not with its own past"]
    if verdict.fleet is not None:
        lines.append(f"nearest known camera: {verdict.fleet.nearest}, of {verdict.fleet.cameras}")
    else:
        lines.append("other cameras: fewer than four are known in this light, so nothing is said of the fleet")
    lines += [f"unlike the others: {each}" for each in _unlike(verdict)]
    if verdict.training is None:
        lines.append(f"training data: the bundle of {watch.model.name} says nothing of them")
    return lines


def _unlike(verdict: DomainVerdict) -> list[str]:
    return [f"{each.name} {each.value:.3g}, others {each.usual:.3g}" for each in verdict.unlike]
