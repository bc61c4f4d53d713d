"""A camera and a model over all regimes: each regime warms up, is watched, and keeps its own reference."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any

import numpy as np

from cvops_monitoring.context.regime import Regime, next_regime
from cvops_monitoring.errors import TooFewFrames
from cvops_monitoring.plain import from_plain, to_plain
from cvops_monitoring.sequential.ewma_bank import GRID
from cvops_monitoring.stream.frames import INPUTS, Frames
from cvops_monitoring.stream.monitor import SignalChange, StreamMonitor
from cvops_monitoring.stream.reference import calibrate_stream, reference_from_plain
from cvops_monitoring.stream.settings import MonitorSettings
from cvops_monitoring.stream.warm_up import WarmUp

_BRIGHTNESS, _SATURATION = INPUTS.index("brightness"), INPUTS.index("saturation")


class Stage(StrEnum):
    """How far a regime has come."""

    LEARNING = "learning"
    """Collects its first reference; nothing can alarm."""
    PROVISIONAL = "provisional"
    """Watched, by a reference that does not cover the wished span yet."""
    SETTLED = "settled"
    """Watched, by its final reference."""


@dataclass(slots=True)
class RegimeWatch:
    """One regime of one camera and model.

    Attributes:
        warm_up: collects the reference; None: it is settled.
        monitor: watches; None: there is no reference yet.
        needed: frames that the next calibration waits for.
        seen: frames of this regime so far.
        reference_key: names the reference among the parts of the state; empty: there is none.
    """

    warm_up: WarmUp | None
    monitor: StreamMonitor | None = None
    needed: int = 0
    seen: int = 0
    reference_key: str = ""

    @property
    def stage(self) -> Stage:
        """How far it has come."""
        if self.monitor is None:
            return Stage.LEARNING
        return Stage.SETTLED if self.warm_up is None else Stage.PROVISIONAL


class CameraModelMonitor:
    """All that is watched of one camera and one model. Deterministic: the same frames give the same alarms."""

    def __init__(self, settings: MonitorSettings, seed: int) -> None:
        """`seed`: of the bootstrap; the same camera and model should have the same."""
        self._settings = settings
        self._seed = seed
        self._last_s = -math.inf
        self._before = 0
        self.regime: Regime | None = None
        self.regime_since_s = math.nan
        self.watches: dict[Regime, RegimeWatch] = {}
        self.out_of_order = 0

    def push(self, frames: Frames, *, blind: bool = False) -> list[SignalChange]:
        """Takes frames as they come; what changed by them.

        Frames that are older than the last one, or closer to it than the spacing, are left out; the former are counted.
        `blind`: the camera shows nothing, as with a cap on its lens; such frames are no reference.
        """
        changes: list[SignalChange] = []
        for run in self._runs(self._in_order(frames)):
            changes += self._push_run(run, blind)
        return changes

    @property
    def watch(self) -> RegimeWatch | None:
        """Of the present regime."""
        return None if self.regime is None else self.watches[self.regime]

    def relearn(self) -> None:
        """What is seen from now on is the new reference; all alarms are forgotten."""
        self.watches = {}
        if self.regime is not None:
            self.watches[self.regime] = self._new_watch()

    def parts(self) -> dict[str, Any]:
        """The large parts of the state that never change, by name: references and finished blocks of warm-ups."""
        parts: dict[str, Any] = {}
        for regime, watch in self.watches.items():
            if watch.monitor is not None:
                parts[watch.reference_key] = watch.monitor.reference
            if watch.warm_up is not None:
                parts |= {_block_key(regime, block): block for block in watch.warm_up.blocks}
        return parts

    def to_state(self) -> dict[str, Any]:
        """Everything but the parts, as plain values; it names the parts."""
        return {
            "last_s": self._last_s,
            "before": self._before,
            "regime": self.regime,
            "regime_since_s": self.regime_since_s,
            "out_of_order": self.out_of_order,
            "watches": {regime: self._watch_state(regime, watch) for regime, watch in self.watches.items()},
        }

    @staticmethod
    def _watch_state(regime: Regime, watch: RegimeWatch) -> dict[str, Any]:
        warm_up = watch.warm_up
        return {
            "needed": watch.needed,
            "seen": watch.seen,
            "reference": watch.reference_key,
            "monitor": watch.monitor.to_state() if watch.monitor else None,
            "warm_up": to_plain(warm_up.to_state()) if warm_up else None,
            "blocks": [_block_key(regime, block) for block in warm_up.blocks] if warm_up else [],
        }

    @classmethod
    def from_state(
        cls, settings: MonitorSettings, seed: int, state: Mapping[str, Any], parts: Mapping[str, Any]
    ) -> "CameraModelMonitor":
        """The monitor whose state and parts (as `plain.to_plain` made them) they were."""
        camera = cls(settings, seed)
        camera._last_s, camera._before = state["last_s"], state["before"]
        camera.regime, camera.regime_since_s = state["regime"], state["regime_since_s"]
        camera.out_of_order = state["out_of_order"]
        for regime, kept in state["watches"].items():
            watch = RegimeWatch(None, needed=kept["needed"], seen=kept["seen"], reference_key=kept["reference"])
            if kept["monitor"] is not None:
                reference = reference_from_plain(parts[kept["reference"]])
                watch.monitor = StreamMonitor.from_state(reference, settings, kept["monitor"])
            if kept["warm_up"] is not None:
                blocks = [from_plain(parts[key], Frames) for key in kept["blocks"]]
                watch.warm_up = WarmUp.from_state(from_plain(kept["warm_up"], Frames), blocks)
            camera.watches[regime] = watch
        return camera

    def _in_order(self, frames: Frames) -> Frames:
        kept = []
        for i, time_s in enumerate(frames.time_s.tolist()):
            if time_s <= self._last_s:
                self.out_of_order += 1
                self._before += 1
                if self._before < _NEW_CLOCK:
                    continue
            elif time_s - self._last_s < self._settings.spacing_s:
                continue
            self._before = 0
            self._last_s = time_s
            kept.append(i)
        return frames if len(kept) == len(frames) else frames.take(kept)

    def _runs(self, frames: Frames) -> list[tuple[Regime, Frames]]:
        """The frames cut where the regime changes."""
        now = self.regime
        regimes: list[Regime] = []
        for brightness, saturation in frames.inputs[:, [_BRIGHTNESS, _SATURATION]].tolist():
            if math.isfinite(brightness) and math.isfinite(saturation):
                now = next_regime(now, brightness, saturation)
            regimes.append(now or "day")
        begins = [i for i, regime in enumerate(regimes) if i == 0 or regime != regimes[i - 1]]
        return [(regimes[begin], frames[begin:end]) for begin, end in pairwise([*begins, len(regimes)])]

    def _push_run(self, run: tuple[Regime, Frames], blind: bool) -> list[SignalChange]:
        regime, frames = run
        if regime != self.regime:
            self.regime, self.regime_since_s = regime, float(frames.time_s[0])
        if regime not in self.watches:
            self.watches[regime] = self._new_watch()
        watch = self.watches[regime]
        changes: list[SignalChange] = []
        while len(frames) and watch.warm_up is not None:
            # Whether the stream comes frame by frame or all at once must not matter: everything happens on the grid.
            end = GRID - watch.seen % GRID
            piece, frames = frames[:end], frames[end:]
            watch.seen += len(piece)
            quiet = not blind and (watch.monitor is None or not watch.monitor.alarms)
            changes += watch.monitor.push(piece) if watch.monitor is not None else []
            # What is seen during an alarm is no reference.
            if quiet:
                watch.warm_up.push(piece)
                if watch.seen % GRID == 0:
                    self._learn(regime, watch, watch.warm_up)
        watch.seen += len(frames)
        return changes + (watch.monitor.push(frames) if len(frames) and watch.monitor is not None else [])

    def _learn(self, regime: Regime, watch: RegimeWatch, warm_up: WarmUp) -> None:
        """A first reference as soon as there are frames enough, the final one when they cover the span."""
        spans = warm_up.end_s - warm_up.begin_s >= self._settings.reference_span_s
        if warm_up.frames < watch.needed or (watch.monitor is not None and not spans):
            return
        collected = warm_up.collected
        arl = self._settings.arl(float(np.median(np.diff(collected.time_s))))
        rng = np.random.default_rng([self._seed, _REGIME_SEED[regime], warm_up.frames])
        try:
            reference = calibrate_stream(collected, arl, self._settings.max_dims, rng)
        except TooFewFrames:
            watch.needed = 2 * warm_up.frames
            return
        watch.monitor = StreamMonitor(reference, self._settings)
        watch.reference_key = f"{regime}/reference/{warm_up.frames}/{warm_up.begin_s:.3f}"
        if spans:
            watch.warm_up = None

    def _new_watch(self) -> RegimeWatch:
        return RegimeWatch(WarmUp(), needed=self._settings.reference_frames)


def _block_key(regime: Regime, block: Frames) -> str:
    return f"{regime}/block/{block.time_s[0]:.3f}"


_NEW_CLOCK = 30
"""Frames in a row from before the last one that mean a clock was set back, not that frames came late."""
_REGIME_SEED: dict[Regime, int] = {"day": 0, "night": 1, "infrared": 2}
