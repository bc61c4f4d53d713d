"""One camera seen by one model: its signals, its verdicts, and the light it has never been seen in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cvops_drift.concept import Concept
from cvops_drift.domain import DomainWatch
from cvops_monitoring.stream.frames import Frames
from cvops_monitoring.stream.monitor import SignalChange, StreamMonitor
from cvops_monitoring.stream.regimes import CameraModelMonitor, Stage
from cvops_monitoring.stream.settings import MonitorSettings
from cvops_protos.v1.prediction_pb2 import ModelRef

_HISTORY = 120
_FIRST_STEP_S = 10.0


@dataclass(frozen=True, slots=True)
class NewLight:
    """A regime without a reference, while the camera has one for another; `opened_s` and `since_s` in UTC seconds."""

    regime: str
    since_s: float
    opened_s: float


class ModelWatch:
    """State of one camera and model."""

    def __init__(self, model: ModelRef, settings: MonitorSettings, seed: int) -> None:
        self.model = model
        self.monitor = CameraModelMonitor(settings, seed)
        self.concept = Concept()
        self.domain = DomainWatch()
        self.concept_opened_s: float | None = None
        self.new_light: NewLight | None = None
        self.dims: int | None = None
        self.last_s = 0.0
        self.history: list[tuple[float, dict[str, float]]] = []
        self._step_s = _FIRST_STEP_S
        self._settings = settings
        self._seed = seed

    def push(self, frames: Frames, *, blind: bool) -> list[SignalChange]:
        """Takes frames in order; `blind`: the camera shows nothing."""
        self.dims = frames.embedding.shape[1]
        self.last_s = max(self.last_s, float(frames.time_s[-1]))
        changes = self.monitor.push(frames, blind=blind)
        self._remember(float(frames.time_s[-1]))
        return changes

    def light(self, *, blind: bool) -> tuple[str, NewLight] | None:
        """("opened" | "closed", which) when the camera entered a light it has no reference for, or has learned it.

        A camera that is `blind` has entered no light: a cap on its lens is no night.
        """
        watch, settings, now_s = self.monitor.watch, self._settings, self.last_s
        known = any(other.stage is not Stage.LEARNING for other in self.monitor.watches.values())
        strange = watch is not None and watch.stage is Stage.LEARNING and known
        if self.new_light is not None and (not strange or self.new_light.regime != self.monitor.regime):
            closed, self.new_light = self.new_light, None
            return "closed", closed
        since_s = self.monitor.regime_since_s
        if self.new_light is None and strange and not blind and now_s - since_s >= settings.regime_s:
            self.new_light = NewLight(str(self.monitor.regime), since_s, now_s)
            return "opened", self.new_light
        return None

    @property
    def stream(self) -> StreamMonitor | None:
        """The monitor of the present regime; None: it is learning."""
        watch = self.monitor.watch
        return watch.monitor if watch is not None else None

    def _remember(self, now_s: float) -> None:
        """One point of evidence now and then; when there are too many, every second goes and the steps double."""
        if self.stream is None or (self.history and now_s - self.history[-1][0] < self._step_s):
            return
        self.history.append((now_s, {signal: round(ratio, 4) for signal, ratio in self.stream.ratios.items()}))
        if len(self.history) > _HISTORY:
            self.history, self._step_s = self.history[::2], 2 * self._step_s

    def to_state(self) -> dict[str, Any]:
        """As plain values; large parts are those of `monitor.parts`."""
        light = self.new_light
        return {
            "model": self.model.SerializeToString(),
            "monitor": self.monitor.to_state(),
            "concept": self.concept.to_state(),
            "concept_opened_s": self.concept_opened_s,
            "domain": self.domain.to_state(),
            "new_light": [light.regime, light.since_s, light.opened_s] if light else None,
            "dims": self.dims,
            "last_s": self.last_s,
            "history": [[at_s, ratios] for at_s, ratios in self.history],
            "step_s": self._step_s,
        }

    @classmethod
    def from_state(
        cls, settings: MonitorSettings, seed: int, state: Mapping[str, Any], parts: Mapping[str, Any]
    ) -> "ModelWatch":
        """The watch whose state it was."""
        watch = cls(ModelRef.FromString(state["model"]), settings, seed)
        watch.monitor = CameraModelMonitor.from_state(settings, seed, state["monitor"], parts)
        watch.concept = Concept.from_state(state["concept"])
        watch.concept_opened_s = state["concept_opened_s"]
        if "domain" in state:
            watch.domain = DomainWatch.from_state(state["domain"])
        watch.new_light = NewLight(*state["new_light"]) if state["new_light"] else None
        watch.dims, watch.last_s = state["dims"], state["last_s"]
        watch.history = [(at_s, dict(ratios)) for at_s, ratios in state["history"]]
        watch._step_s = state["step_s"]
        return watch
