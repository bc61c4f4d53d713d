"""All signals of one stream against one reference: evidence, alarms, exemplars."""

import math
from collections import deque
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cvops_monitoring.arrays import F64, I64, BoolArray
from cvops_monitoring.plain import from_plain, to_plain
from cvops_monitoring.sequential.ewma_bank import GRID
from cvops_monitoring.stream.alarm import OPENS_AT, Alarm, AlarmState, worth_telling
from cvops_monitoring.stream.classes import ClassDetector
from cvops_monitoring.stream.counts import CountDetector
from cvops_monitoring.stream.detector import Detector, Reading, State
from cvops_monitoring.stream.embedding import EmbeddingDetector
from cvops_monitoring.stream.evidence import ConfidenceDetector, NoveltyDetector
from cvops_monitoring.stream.frames import Frames, compact, concatenate, loose
from cvops_monitoring.stream.inputs import InputDetector
from cvops_monitoring.stream.reference import StreamReference
from cvops_monitoring.stream.settings import MonitorSettings

RECENT = 128
"""Frames that are kept for explanations and exemplars."""


@dataclass(frozen=True, slots=True)
class SignalChange:
    """An alarm that opened, was updated or closed.

    Attributes:
        signal: e.g. "embedding", "brightness", "class_rate:3", "count".
        state: what happened.
        alarm: as it is now.
        ratio: statistic / threshold now.
        at_s: time of the frame that brought it about, UTC seconds.
        frame_id: of that frame.
    """

    signal: str
    state: AlarmState
    alarm: Alarm
    ratio: float
    at_s: float
    frame_id: str


class StreamMonitor:
    """Watches a stream against a frozen reference. State is O(1); a restored one goes on bit for bit."""

    def __init__(self, reference: StreamReference, settings: MonitorSettings) -> None:
        self.reference = reference
        self._settings = settings
        self._detectors = _detectors(reference)
        signals = np.array([signal for detector in self._detectors.values() for signal in detector.signals])
        self._statistics = [name for detector in self._detectors.values() for name in detector.statistics]
        self._slow = np.array([name.endswith(_SLOW) for name in self._statistics])
        self._order = np.argsort(signals, kind="stable")
        self._signals, self._starts = np.unique(signals[self._order], return_index=True)
        self._resting = np.ones(len(signals), np.bool_)
        self._since_s: F64 = np.full(len(signals), np.nan)
        self._pending: list[Frames] = []
        self._recent: deque[Frames] = deque(maxlen=RECENT // GRID)
        self._numbers: dict[str, int] = {}
        self.alarms: dict[str, Alarm] = {}
        self.ratios: dict[str, float] = {}
        self.frames = 0

    def push(self, frames: Frames) -> list[SignalChange]:
        """Takes frames in order of capture; what changed by them. They are looked at four at a time."""
        self._pending.append(frames)
        if sum(map(len, self._pending)) < GRID:
            return []
        waiting = concatenate(self._pending)
        whole = len(waiting) // GRID * GRID
        changes: list[SignalChange] = []
        for begin in range(0, whole, GRID):
            changes += self._step(waiting[begin : begin + GRID])
        self._pending = [waiting[whole:]] if whole < len(waiting) else []
        return changes

    @property
    def recent(self) -> Frames | None:
        """The last frames, at most 128; None: there was none."""
        return concatenate(list(self._recent)) if self._recent else None

    def _step(self, frames: Frames) -> list[SignalChange]:
        self._recent.append(frames)
        self.frames += len(frames)
        plain = self.reference.without_cycle(frames)
        readings = [_read(name, detector, plain) for name, detector in self._detectors.items()]
        ratio = np.concatenate([reading.ratio for reading in readings])
        # A change is as old as the first frame after the last moment at which nothing spoke for one.
        self._since_s[self._resting] = frames.time_s[0]
        self._resting = np.concatenate([reading.resting for reading in readings])
        calm = np.concatenate([reading.calm for reading in readings])
        now_s = float(frames.time_s[-1])
        greatest = np.maximum.reduceat(ratio[self._order], self._starts)
        self.ratios = dict(zip(self._signals.tolist(), greatest.tolist(), strict=True))
        candidates = [signal for signal, height in self.ratios.items() if height > OPENS_AT or signal in self.alarms]
        changes = (self._look(signal, ratio, calm, now_s, frames.ids[-1]) for signal in candidates)
        return [change for change in changes if change is not None]

    def _look(self, signal: str, ratio: F64, calm: BoolArray, now_s: float, frame_id: str) -> SignalChange | None:
        """Opens, updates or closes the alarm of a signal, or nothing."""
        height, alarm = self.ratios[signal], self.alarms.get(signal)
        if alarm is None:
            state, alarm = AlarmState.OPENED, self._opened(signal, ratio, now_s)
        else:
            alarm = self._followed(alarm, self._calm(signal, alarm, calm), height, now_s)
            if now_s - alarm.calm_s >= self._settings.hold_s:
                state = AlarmState.CLOSED
            elif worth_telling(alarm, now_s, self._settings.update_s):
                state = AlarmState.UPDATED
            else:
                self.alarms[signal] = alarm
                return None
            alarm = replace(alarm, told=alarm.peak, told_s=now_s)
        if state is AlarmState.CLOSED:
            del self.alarms[signal]
            for detector in self._detectors.values():
                if signal in detector.signals:
                    detector.restart(signal)
        else:
            self.alarms[signal] = alarm
        return SignalChange(signal, state, alarm, height, now_s, frame_id)

    def _opened(self, signal: str, ratio: F64, now_s: float) -> Alarm:
        mine = self._statistics_of(signal)
        winner = int(mine[ratio[mine].argmax()])
        self._numbers[signal] = self._numbers.get(signal, 0) + 1
        peak = float(ratio[winner])
        return Alarm(
            opened_s=now_s,
            since_s=float(self._since_s[winner]),
            statistic=self._statistics[winner],
            peak=peak,
            told=peak,
            told_s=now_s,
            calm_s=math.nan,
            number=self._numbers[signal],
        )

    def _calm(self, signal: str, alarm: Alarm, calm: BoolArray) -> bool:
        """Whether a signal is back, by all its averages but the slow ones, which come back long after it."""
        mine = self._statistics_of(signal)
        if not alarm.statistic.endswith(_SLOW):
            mine = mine[~self._slow[mine]]
        return bool(calm[mine].all())

    @staticmethod
    def _followed(alarm: Alarm, calm: bool, height: float, now_s: float) -> Alarm:
        calm_s = (now_s if math.isnan(alarm.calm_s) else alarm.calm_s) if calm else math.nan
        return replace(alarm, peak=max(alarm.peak, height), calm_s=calm_s)

    def _statistics_of(self, signal: str) -> I64:
        position = int(np.searchsorted(self._signals, signal))
        ends = [*self._starts[1:], len(self._order)]
        return np.asarray(self._order[self._starts[position] : ends[position]], np.int64)

    def to_state(self) -> State:
        """Everything but the reference, as plain values."""
        return {
            "detectors": {name: detector.to_state() for name, detector in self._detectors.items()},
            "resting": to_plain(self._resting),
            "since_s": to_plain(self._since_s),
            "pending": to_plain(self._pending),
            "recent": to_plain([compact(part) for part in self._recent]),
            "numbers": dict(self._numbers),
            "alarms": to_plain(self.alarms),
            "ratios": dict(self.ratios),
            "frames": self.frames,
        }

    @classmethod
    def from_state(cls, reference: StreamReference, settings: MonitorSettings, state: Any) -> "StreamMonitor":
        """The monitor whose state it was."""
        monitor = cls(reference, settings)
        for name, detector in monitor._detectors.items():
            detector.restore(state["detectors"][name])
        monitor._resting = from_plain(state["resting"])
        monitor._since_s = from_plain(state["since_s"])
        monitor._pending = from_plain(state["pending"], Frames)
        monitor._recent.extend(loose(part) for part in from_plain(state["recent"], Frames))
        monitor._numbers = dict(state["numbers"])
        monitor.alarms = from_plain(state["alarms"], Alarm)
        monitor.ratios = dict(state["ratios"])
        monitor.frames = int(state["frames"])
        return monitor


_SLOW = "@1024"


def _detectors(reference: StreamReference) -> dict[str, Detector]:
    """Those that the reference has something for, by name."""
    made: dict[str, Detector | None] = {
        "embedding": EmbeddingDetector(reference.embedding) if reference.embedding else None,
        "inputs": InputDetector(reference.inputs),
        "classes": ClassDetector(reference.classes) if reference.classes else None,
        "count": CountDetector(reference.counts) if reference.counts else None,
        "confidence": ConfidenceDetector(reference.confidence) if reference.confidence else None,
        "novelty": NoveltyDetector(reference.novelty) if reference.novelty else None,
    }
    return {name: detector for name, detector in made.items() if detector is not None}


def _read(name: str, detector: Detector, frames: Frames) -> Reading:
    """A reading; a statistic that is not finite names its detector instead of poisoning the rest."""
    reading = detector.push(frames)
    if not np.isfinite(reading.ratio).all():
        raise FloatingPointError(f"detector {name} gave a statistic that is not finite at frame {frames.ids[-1]}")
    return reading
