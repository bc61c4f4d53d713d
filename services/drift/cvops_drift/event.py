"""From a change to the event: what, since when, how much, whether it hurts, and why we think so."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from cvops_drift.model_watch import ModelWatch
from cvops_drift.observations import exemplar
from cvops_drift.surroundings import Surroundings
from cvops_monitoring.health.faults import FaultChange
from cvops_monitoring.stream.explain import Explanation, exemplars, explain, harm, is_dimmer, is_strong
from cvops_monitoring.stream.frames import Frames
from cvops_monitoring.stream.monitor import SignalChange
from cvops_monitoring.stream.reference import StreamReference
from cvops_monitoring.stream.regimes import Stage
from cvops_protos.v1.drift_pb2 import DriftEvent, Histogram

_STATES = {
    "opened": DriftEvent.STATE_OPENED,
    "updated": DriftEvent.STATE_UPDATED,
    "closed": DriftEvent.STATE_CLOSED,
}
_UPSTREAM = frozenset({"width", "height", "ratio", "area", "inference_time"})
_PREDICTION = ("class_rate:", "confidence", "count")
_NOT_OF_THE_PICTURE = frozenset({"camera.late", "camera.slow", "camera.gaps", "camera.clock_offset"})
_HURTS, _HURTS_MUCH = 0.05, 0.15
_LARGE_SD = 2.0
_LARGE = {"AUC": 0.9, "share": 0.2}


@dataclass(frozen=True, slots=True)
class Place:
    """Where something changed; `faults` and `signals` are open there."""

    camera_id: str
    project: str
    faults: tuple[str, ...]
    signals: tuple[str, ...]


def kind_of(signal: str) -> DriftEvent.Kind.ValueType:
    """The kind of drift that a signal tells of."""
    if signal in _UPSTREAM or signal.startswith("camera."):
        return DriftEvent.KIND_UPSTREAM
    if signal.startswith("domain."):
        return DriftEvent.KIND_DOMAIN
    return DriftEvent.KIND_PREDICTION if signal.startswith(_PREDICTION) else DriftEvent.KIND_DATA


def signal_event(
    place: Place, watch: ModelWatch, change: SignalChange, around: Surroundings, days: float
) -> DriftEvent:
    """The event of a signal's alarm. `days` between false alarms is what its threshold stands for."""
    stream = watch.stream
    alarm, signal = change.alarm, _readable(change.signal, watch, around)
    regime = watch.monitor.watches[watch.monitor.regime] if watch.monitor.regime else None
    reference = regime.reference_key if regime is not None else ""
    alarm_id = identity(place.camera_id, watch.model.bundle_sha256, reference, change.signal, alarm.number)
    event = event_of(place, alarm_id, change.state, alarm.since_s, alarm.opened_s, change.at_s)
    event.model.CopyFrom(watch.model)
    event.kind, event.signal, event.regime = kind_of(signal), signal, str(watch.monitor.regime or "")
    event.evidence.statistic, event.evidence.ratio = alarm.statistic, change.ratio
    event.evidence.peak, event.evidence.false_alarm_days = alarm.peak, days
    calibrated = around.calibrated.get(watch.model.bundle_sha256, True)
    provisional = regime is not None and regime.stage is not Stage.SETTLED
    explanation, dusk = None, False
    if stream is not None and (recent := stream.recent) is not None:
        explanation = _explain(event, stream.reference, recent, change, calibrated)
        dusk = provisional and is_dimmer(stream.reference, recent)
    event.severity = _severity(event, provisional=provisional, dusk=dusk)
    event.coincides.extend(around.coincidences(place.camera_id, place.project, alarm.since_s))
    event.why.extend(_why(event, place, watch, around))
    if event.HasField("harm") and not calibrated:
        event.why.append("harm: the scores of this model were never calibrated, so they tell right from wrong poorly")
    if provisional:
        event.why.append("the reference covers less than a day: the course of the day may be all that changed")
    if dusk:
        event.why.append("it is darker than the reference ever was: harm warns once the reference covers a day")
    event.text = _text(event, explanation)
    return event


def fault_event(place: Place, change: FaultChange, regime: str, at_s: float, around: Surroundings) -> DriftEvent:
    """The event of a camera's fault."""
    fault = change.fault
    signal = f"camera.{fault.kind.value}"
    alarm_id = identity(place.camera_id, signal, round(fault.seen_s, 3))
    event = event_of(place, alarm_id, str(change.state), fault.since_s, fault.seen_s, at_s)
    event.kind, event.signal, event.regime = DriftEvent.KIND_UPSTREAM, signal, regime
    event.evidence.statistic = fault.kind.value
    event.evidence.ratio = event.evidence.peak = _ratio(fault.statistic, fault.threshold)
    event.evidence.effect, event.evidence.effect_unit = fault.effect, fault.unit
    event.severity = DriftEvent.SEVERITY_WARNING
    event.text = fault.text
    event.coincides.extend(around.coincidences(place.camera_id, place.project, fault.since_s))
    event.why.append("upstream: the camera or its stream itself changed; no model is needed to see it")
    event.why.append(_alone(place.camera_id, signal, around))
    return event


def light_event(
    place: Place, watch: ModelWatch, state: str, regime: str, since_s: float, opened_s: float
) -> DriftEvent:
    """The event of a light that the camera was never seen in."""
    alarm_id = identity(place.camera_id, watch.model.bundle_sha256, "regime", regime, round(opened_s, 3))
    event = event_of(place, alarm_id, state, since_s, opened_s, watch.last_s)
    event.model.CopyFrom(watch.model)
    event.kind, event.signal, event.regime = DriftEvent.KIND_DOMAIN, f"regime:{regime}", regime
    event.evidence.statistic, event.evidence.ratio, event.evidence.peak = "no reference", 1.0, 1.0
    event.severity = DriftEvent.SEVERITY_INFO
    event.text = (
        f"{place.camera_id} sees {regime} for the first time: nothing is known of how {watch.model.name} does in it"
        if state == "opened"
        else f"{place.camera_id} knows {regime} now, or left it"
    )
    event.why.append(f"domain: there is no reference for {regime} yet; it is learned now and watched from then on")
    return event


def concept_event(place: Place, watch: ModelWatch, state: str, opened_s: float, log_arl: float) -> DriftEvent:
    """The event of verdicts that disagree with the model."""
    concept, interval = watch.concept, watch.concept.interval
    alarm_id = identity(place.camera_id, watch.model.bundle_sha256, "concept", round(opened_s, 3))
    event = event_of(place, alarm_id, state, concept.since_s, opened_s, watch.last_s)
    event.model.CopyFrom(watch.model)
    event.kind, event.signal = DriftEvent.KIND_CONCEPT, "error_rate"
    event.evidence.statistic = "verdicts, e-detector"
    event.evidence.ratio = event.evidence.peak = concept.log_evidence / log_arl
    event.evidence.effect, event.evidence.effect_unit = interval.mean - concept.audited, "error rate"
    event.severity = DriftEvent.SEVERITY_CRITICAL
    event.text = (
        f"error rate {concept.audited:.0%} -> {interval.mean:.0%} ({interval.low:.0%}-{interval.high:.0%}, "
        f"{concept.verdicts} verdicts)"
    )
    event.why.append("concept: people disagree with the model more often than in its audit")
    event.why.append(
        "the pictures changed as well: " + ", ".join(place.signals)
        if place.signals
        else "not data: the pictures are as they were"
    )
    return event


def event_of(place: Place, alarm_id: str, state: str, since_s: float, opened_s: float, at_s: float) -> DriftEvent:
    """What all events have."""
    event = DriftEvent(
        event_id=identity(alarm_id, state, round(at_s, 3)),
        alarm_id=alarm_id,
        camera_id=place.camera_id,
        project=place.project,
        state=_STATES[str(state)],
        open_signals=[*place.faults, *place.signals],
    )
    event.since.FromNanoseconds(int(since_s * 1e9))
    event.opened_at.FromNanoseconds(int(opened_s * 1e9))
    event.at.FromNanoseconds(int(at_s * 1e9))
    return event


def _explain(
    event: DriftEvent, reference: StreamReference, recent: Frames, change: SignalChange, calibrated: bool
) -> Explanation | None:
    since_s = change.alarm.since_s
    found = explain(reference, recent, change.signal, since_s)
    if found is None:
        return None
    evidence = event.evidence
    evidence.effect, evidence.effect_unit = found.effect, found.unit
    evidence.ks, evidence.ks_p_value = float(found.ks.statistic[0]), float(found.ks.p_value[0])
    evidence.psi, evidence.psi_threshold = found.psi.value, found.psi.threshold
    if found.separation is not None:
        evidence.outside = found.separation.outside
    event.histogram.CopyFrom(histogram_message(found))
    # A temperature is in the graph of a bundle already: its scores need no other, or they have none.
    hurt = harm(reference, recent, since_s, trusted=calibrated and not is_strong(found))
    if hurt is not None:
        event.harm.before, event.harm.now, event.harm.loss = hurt.before, hurt.now, hurt.loss
        event.harm.low, event.harm.high, event.harm.trust = hurt.low, hurt.high, hurt.trust
    far, near = exemplars(reference, recent, since_s)
    event.exemplars.extend([exemplar(name, "farthest") for name in far])
    event.exemplars.extend([exemplar(name, "typical") for name in near])
    return found


def histogram_message(explanation: Explanation) -> Histogram:
    """The histogram of an explanation."""
    return Histogram(edges=explanation.edges, reference=explanation.reference, now=explanation.present)


def _severity(event: DriftEvent, *, provisional: bool, dusk: bool) -> DriftEvent.Severity.ValueType:
    """Effect times harm: what costs much is critical, what is large or costs something is a warning.

    Against a provisional reference, which has not seen each hour of a day, an effect that costs nothing is no warning,
    and neither is what the first dusk costs.
    """
    large = not provisional and abs(event.evidence.effect) > _LARGE.get(event.evidence.effect_unit, _LARGE_SD)
    loss = event.harm.low if event.HasField("harm") and not dusk else 0.0
    if loss > _HURTS_MUCH or (large and loss > _HURTS):
        return DriftEvent.SEVERITY_CRITICAL
    return DriftEvent.SEVERITY_WARNING if large or loss > _HURTS else DriftEvent.SEVERITY_INFO


def _why(event: DriftEvent, place: Place, watch: ModelWatch, around: Surroundings) -> list[str]:
    """Which kind it is, and why not another: five questions, five answers."""
    inputs = [signal for signal in place.signals if kind_of(signal) == DriftEvent.KIND_DATA]
    outputs = [signal for signal in place.signals if kind_of(signal) == DriftEvent.KIND_PREDICTION]
    concept = watch.concept
    return [
        f"inputs changed: {', '.join(inputs)}" if inputs else "inputs: no alarm",
        f"outputs changed: {', '.join(outputs)}" if outputs else "outputs: no alarm",
        f"verdicts: error rate {concept.interval.mean:.0%} over {concept.verdicts}"
        if concept.verdicts
        else "verdicts: there is none yet, so concept drift cannot be told",
        _alone(place.camera_id, event.signal, around),
        _camera(place.faults),
    ]


def _camera(faults: tuple[str, ...]) -> str:
    if not faults:
        return "camera: well"
    view = [fault for fault in faults if fault not in _NOT_OF_THE_PICTURE]
    cause = ": likely the cause" if view else ", which does not change what is seen"
    return f"the camera is at fault: {', '.join(faults)}{cause}"


def _alone(camera_id: str, signal: str, around: Surroundings) -> str:
    same, others = around.fleet(camera_id, signal)
    if not others:
        return "other cameras: there is none to compare with"
    return f"{same} of {others} other cameras tell the same" if same else f"only this camera, of {others + 1}"


def _text(event: DriftEvent, explanation: Explanation | None) -> str:
    """One sentence: what, how much, since when."""
    since = datetime.fromtimestamp(event.since.ToNanoseconds() / 1e9, UTC).strftime("%H:%M:%S")
    if explanation is None:
        return f"{event.signal} changed since {since} UTC"
    if explanation.separation is not None:
        auc = explanation.separation.auc
        return f"present frames are told apart from the reference with AUC {auc:.2f}, since {since} UTC"
    if explanation.unit == "share":
        return f"{event.signal}: in {explanation.before:.0%} of frames -> {explanation.now:.0%}, since {since} UTC"
    before, now = f"{explanation.before:.4g}", f"{explanation.now:.4g}"
    return f"{event.signal} {before} -> {now} ({explanation.effect:+.1f} sd), since {since} UTC"


def _readable(signal: str, watch: ModelWatch, around: Surroundings) -> str:
    prefix, colon, index = signal.partition(":")
    return f"{prefix}:{around.class_name(watch.model.bundle_sha256, index)}" if colon else signal


def readable_signals(signals: Sequence[str], watch: ModelWatch, around: Surroundings) -> list[str]:
    """Signals with the names of their classes."""
    return [_readable(signal, watch, around) for signal in signals]


def _ratio(statistic: float, threshold: float) -> float:
    """How far beyond its threshold a fault is, whichever side is bad."""
    if not threshold or not statistic:
        return 1.0
    return float(max(np.abs(statistic / threshold), np.abs(threshold / statistic)))


def identity(*parts: object) -> str:
    """32 hexadecimal digits that stand for these parts."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:32]
