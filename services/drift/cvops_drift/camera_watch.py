"""All that is known of one camera: its health, and each model that looks through it."""

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cvops_drift.domain import DomainAlarm, DomainVerdict, Undecided
from cvops_drift.domain_event import comparison_of, domain_event
from cvops_drift.event import Place, concept_event, fault_event, light_event, readable_signals, signal_event
from cvops_drift.model_watch import ModelWatch
from cvops_drift.observations import frames_of, health_frame
from cvops_drift.surroundings import Surroundings
from cvops_drift.verdicts import error_of
from cvops_monitoring.domain.signature import signature_of
from cvops_monitoring.health.camera import CameraHealth
from cvops_monitoring.health.settings import HealthSettings
from cvops_monitoring.plain import to_plain
from cvops_monitoring.stream.alarm import AlarmState
from cvops_monitoring.stream.monitor import SignalChange
from cvops_monitoring.stream.regimes import Stage
from cvops_monitoring.stream.settings import MonitorSettings
from cvops_protos.v1.drift_pb2 import CameraDriftStatus, DriftEvent, Feedback, ModelDriftStatus
from cvops_protos.v1.frame_pb2 import Frame
from cvops_protos.v1.labeling_pb2 import Label
from cvops_protos.v1.prediction_pb2 import ModelRole, Prediction

_MOST_MODELS = 4
_MOST_PROBLEMS = 20
_CONCEPT_ARL = 1e5
_HEALTH = HealthSettings()
_COUNTING = (ModelRole.MODEL_ROLE_CHAMPION, ModelRole.MODEL_ROLE_CHALLENGER)
_FORMAT = 2
"""Of the state; a state of another one cannot be gone on with."""
_RETIRED_S = 30.0
"""A model that has not predicted for so long while another one has does not serve this camera any more."""


class CameraWatch:
    """State of one camera. The same records in the same order make the same events."""

    def __init__(self, camera_id: str, settings: MonitorSettings) -> None:
        self.camera_id = camera_id
        self.project = ""
        self.health = CameraHealth(_HEALTH)
        self.models: dict[str, ModelWatch] = {}
        self.problems: Counter[str] = Counter()
        self.offsets: dict[str, int] = {}
        self.last_s = 0.0
        self._settings = settings

    def includes(self, topic: str, partition: int, offset: int) -> bool:
        """Whether a record has had its effect already; notes it when it has not."""
        place = f"{topic}-{partition}"
        if offset <= self.offsets.get(place, -1):
            return True
        self.offsets[place] = offset
        return False

    def on_frame(self, frame: Frame, around: Surroundings) -> list[DriftEvent]:
        """Camera health."""
        self.project = frame.project or self.project
        observed = health_frame(frame)
        if not math.isfinite(observed.sharpness + observed.brightness_mean + observed.saturation):
            self._problem("frame statistics are not finite: the frame is left out")
            return []
        self.last_s = max(self.last_s, observed.captured_s)
        changes = self.health.push(observed)
        place = self._place(None, around) if changes else None
        return [
            fault_event(place, change, self.health.regime, observed.captured_s, around)
            for change in changes
            if place is not None
        ]

    def on_predictions(self, predictions: Sequence[Prediction], around: Surroundings) -> list[DriftEvent]:
        """Signals of each model whose answers count; shadows and replays of old frames are not looked at."""
        events: list[DriftEvent] = []
        by_model: dict[str, list[Prediction]] = {}
        for prediction in predictions:
            if prediction.role in _COUNTING:
                by_model.setdefault(prediction.model.bundle_sha256, []).append(prediction)
        for mine in by_model.values():
            watch = self._watch(mine[0])
            found: Counter[str] = Counter()
            frames = frames_of(mine, watch.dims, found)
            for sentence, times in found.items():
                self._problem(sentence, times)
            if frames is None:
                continue
            self.project = mine[0].project or self.project
            changes = watch.push(frames, blind=self.health.blind)
            self.last_s = max(self.last_s, watch.last_s)
            events += self._signal_events(watch, changes, around)
            events += self._light_events(watch, around)
        return events + self._retire(around)

    def on_feedback(self, feedback: Feedback, around: Surroundings) -> list[DriftEvent]:
        """Concept drift, by a verdict."""
        watch = self.models.get(feedback.model.bundle_sha256)
        if watch is None:
            self._problem("feedback names a model that is not watched here")
            return []
        at_s = feedback.at.ToNanoseconds() / 1e9
        return self._on_verdict(watch, feedback.frame_id or feedback.feedback_id, feedback.error, at_s, around)

    def on_label(self, label: Label, around: Surroundings) -> list[DriftEvent]:
        """Concept drift, by a label of a frame that was drawn at random; of a model that has left it says nothing."""
        watch, error = self.models.get(label.predicted_by), error_of(label)
        if watch is None or error is None:
            return []
        return self._on_verdict(watch, label.frame_id, error, label.at.ToNanoseconds() / 1e9, around)

    def _on_verdict(
        self, watch: ModelWatch, frame_id: str, error: float, at_s: float, around: Surroundings
    ) -> list[DriftEvent]:
        if not watch.concept.push(frame_id, error, at_s):
            return []
        open_since_s = watch.concept_opened_s
        alarms = watch.concept.log_evidence >= math.log(_CONCEPT_ARL)
        if open_since_s is not None:
            alarms = not watch.concept.calm
        if alarms == (open_since_s is not None):
            return []
        if not alarms:
            watch.concept.restart()
        watch.concept_opened_s = at_s if alarms else None
        opened_s = (watch.concept_opened_s if alarms else open_since_s) or 0.0
        place, state = self._place(watch, around), "opened" if alarms else "closed"
        return [concept_event(place, watch, state, opened_s, math.log(_CONCEPT_ARL))]

    def relearn(self, around: Surroundings) -> list[DriftEvent]:
        """Forgets all references of signals; what was open is closed."""
        events: list[DriftEvent] = []
        for watch in self.models.values():
            events += self._closed(watch, around)
            events += self._domain_events(watch, watch.domain.accept(), around)
            watch.monitor.relearn()
            watch.concept_opened_s = None
        return events

    def undecided(self) -> list[Undecided]:
        """References that were not compared with training data and other cameras yet."""
        found = []
        for sha256, watch in self.models.items():
            for regime, key in watch.domain.undecided(watch.monitor):
                stream = next(each.monitor for each in watch.monitor.watches.values() if each.reference_key == key)
                if stream is not None:
                    reference = stream.reference
                    signature = signature_of(reference.sample)
                    begin_s, end_s = reference.begin_s, reference.end_s
                    found.append(Undecided(self.camera_id, sha256, regime, key, begin_s, end_s, signature))
        return found

    def on_domain(self, bundle_sha256: str, verdict: DomainVerdict, around: Surroundings) -> list[DriftEvent]:
        """Domain drift, by a comparison."""
        watch = self.models[bundle_sha256]
        return self._domain_events(watch, watch.domain.take(verdict), around)

    def _domain_events(
        self, watch: ModelWatch, changes: Sequence[tuple[str, DomainAlarm]], around: Surroundings
    ) -> list[DriftEvent]:
        place = self._place(watch, around) if changes else None
        return [domain_event(place, watch, state, alarm, around) for state, alarm in changes if place is not None]

    def _retire(self, around: Surroundings) -> list[DriftEvent]:
        """Closes what is open for models that were replaced on this camera, and forgets them."""
        newest_s = max((watch.last_s for watch in self.models.values()), default=0.0)
        events: list[DriftEvent] = []
        for sha256, watch in list(self.models.items()):
            if watch.last_s < newest_s - _RETIRED_S:
                closed = self._closed(watch, around)
                closed += self._domain_events(watch, watch.domain.accept(), around)
                for event in closed:
                    event.why.append(f"{watch.model.name}:{watch.model.version} does not serve this camera any more")
                events += closed
                del self.models[sha256]
        return events

    def _closed(self, watch: ModelWatch, around: Surroundings) -> list[DriftEvent]:
        """The end of every open alarm of a model."""
        changes, stream = [], watch.stream
        if stream is not None:
            for signal, alarm in stream.alarms.items():
                changes.append(SignalChange(signal, AlarmState.CLOSED, alarm, stream.ratios[signal], watch.last_s, ""))
        return self._signal_events(watch, changes, around)

    def accept_view(self, around: Surroundings) -> list[DriftEvent]:
        """The present view is the reference from now on."""
        changes = self.health.accept_view()
        place = self._place(None, around)
        return [fault_event(place, change, self.health.regime, self.last_s, around) for change in changes]

    @property
    def open_signals(self) -> frozenset[str]:
        """Signals and faults that are open, as in events but with the indices of classes."""
        faults = {f"camera.{fault.kind.value}" for fault in self.health.faults}
        streams = [watch.stream for watch in self.models.values()]
        domains = {alarm.signal for watch in self.models.values() for alarm in watch.domain.alarms.values()}
        return frozenset(
            faults | domains | {signal for stream in streams if stream is not None for signal in stream.alarms}
        )

    def status(self, around: Surroundings) -> CameraDriftStatus:
        """For people and programs."""
        status = CameraDriftStatus(
            camera_id=self.camera_id,
            project=self.project,
            health=self.health.status,
            faults=[f"{fault.kind.value}: {fault.text}" for fault in self.health.faults],
            models=[self._model_status(watch, around) for watch in self.models.values()],
            problems=[f"{sentence}: {times}" for sentence, times in self.problems.items()],
        )
        status.last_frame_at.FromNanoseconds(int(self.last_s * 1e9))
        return status

    def _model_status(self, watch: ModelWatch, around: Surroundings) -> ModelDriftStatus:
        regime, stream = watch.monitor.watch, watch.stream
        status = ModelDriftStatus(
            model=watch.model,
            regime=str(watch.monitor.regime or ""),
            stage=str(regime.stage if regime else Stage.LEARNING),
            frames=regime.warm_up.frames if regime and regime.warm_up else (stream.reference.frames if stream else 0),
            frames_needed=regime.needed if regime else self._settings.reference_frames,
        )
        if stream is not None:
            status.ratios.update(
                zip(readable_signals(list(stream.ratios), watch, around), stream.ratios.values(), strict=True)
            )
            status.alarms.extend(readable_signals(sorted(stream.alarms), watch, around))
        status.alarms.extend(sorted({alarm.signal for alarm in watch.domain.alarms.values()}))
        status.domains.extend(comparison_of(verdict) for verdict in watch.domain.verdicts.values())
        if watch.concept.verdicts:
            interval = watch.concept.interval
            status.error, status.error_low, status.error_high = interval.mean, interval.low, interval.high
        return status

    def _watch(self, prediction: Prediction) -> ModelWatch:
        sha256 = prediction.model.bundle_sha256
        if sha256 not in self.models:
            while len(self.models) >= _MOST_MODELS:
                del self.models[min(self.models, key=lambda each: self.models[each].last_s)]
            self.models[sha256] = ModelWatch(prediction.model, self._settings, _seed(self.camera_id, sha256))
        return self.models[sha256]

    def _signal_events(
        self, watch: ModelWatch, changes: Sequence[SignalChange], around: Surroundings
    ) -> list[DriftEvent]:
        place = self._place(watch, around) if changes else None
        days = self._settings.false_alarm_days
        return [signal_event(place, watch, change, around, days) for change in changes if place is not None]

    def _light_events(self, watch: ModelWatch, around: Surroundings) -> list[DriftEvent]:
        told = watch.light(blind=self.health.blind)
        if told is None:
            return []
        state, light = told
        place = self._place(watch, around)
        return [light_event(place, watch, state, light.regime, light.since_s, light.opened_s)]

    def _place(self, watch: ModelWatch | None, around: Surroundings) -> Place:
        around.alarming[self.camera_id] = self.open_signals
        faults = tuple(f"camera.{fault.kind.value}" for fault in self.health.faults)
        stream = watch.stream if watch is not None else None
        signals = readable_signals(sorted(stream.alarms), watch, around) if watch is not None and stream else []
        return Place(self.camera_id, self.project, faults, tuple(signals))

    def _problem(self, sentence: str, times: int = 1) -> None:
        if sentence in self.problems or len(self.problems) < _MOST_PROBLEMS:
            self.problems[sentence] += times

    # -- snapshots ---------------------------------------------------------------------------------------------

    def parts(self) -> dict[str, Any]:
        """Large parts that never change, by name; `store` keeps each once."""
        return {
            f"{sha256}/{name}": part
            for sha256, watch in self.models.items()
            for name, part in watch.monitor.parts().items()
        }

    def to_state(self) -> dict[str, Any]:
        """Everything but the parts, as plain values."""
        return {
            "format": _FORMAT,
            "project": self.project,
            "health": self.health.to_state(),
            "models": {sha256: watch.to_state() for sha256, watch in self.models.items()},
            "problems": list(self.problems.items()),
            "offsets": dict(self.offsets),
            "last_s": self.last_s,
        }

    @classmethod
    def from_state(
        cls, camera_id: str, settings: MonitorSettings, state: Mapping[str, Any], parts: Mapping[str, Any]
    ) -> "CameraWatch":
        """The camera whose state and (plain) parts they were; one of another format learns everything anew."""
        camera = cls(camera_id, settings)
        camera.project, camera.last_s = state["project"], state["last_s"]
        camera.offsets = dict(state["offsets"])
        if state.get("format") != _FORMAT:
            camera._problem("state of another version of drift was left behind: references are learned anew")
            return camera
        camera.health = CameraHealth.from_state(_HEALTH, state["health"])
        camera.problems = Counter(dict(state["problems"]))
        for sha256, kept in state["models"].items():
            mine = {name.removeprefix(f"{sha256}/"): part for name, part in parts.items() if name.startswith(sha256)}
            camera.models[sha256] = ModelWatch.from_state(settings, _seed(camera_id, sha256), kept, mine)
        return camera

    def plain_parts(self, wanted: set[str]) -> dict[str, Any]:
        """Some of the parts, as plain values."""
        return {name: to_plain(part) for name, part in self.parts().items() if name in wanted}


def _seed(camera_id: str, sha256: str) -> int:
    """The same camera and model bootstrap alike in every process."""
    digest = hashlib.sha256(f"{camera_id}\0{sha256}".encode()).digest()
    return int(np.frombuffer(digest[:8], "<u8")[0])
