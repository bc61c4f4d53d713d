"""Signals of the picture itself: size, brightness, contrast, sharpness, colour; and the inference time."""

import numpy as np

from cvops_monitoring.sequential.scalar_bank import STATISTICS, ScalarBank, ScalarReference
from cvops_monitoring.stream.alarm import CALM_BELOW
from cvops_monitoring.stream.detector import Reading, State
from cvops_monitoring.stream.frames import INPUTS, Frames


class InputDetector:
    """Watches each input statistic by itself."""

    signals = INPUTS * len(STATISTICS)
    statistics = tuple(name for name in STATISTICS for _ in INPUTS)

    def __init__(self, reference: ScalarReference) -> None:
        self._reference = reference
        self._bank = ScalarBank(reference)

    def push(self, frames: Frames) -> Reading:
        """Takes GRID frames."""
        ratio = self._bank.push(frames.inputs)
        resting = np.asarray(self._bank.values <= self._reference.centre).ravel()
        return Reading(ratio.ravel(), resting, ratio.ravel() < CALM_BELOW)

    def restart(self, signal: str) -> None:
        """Forgets the slow averages of a signal."""
        self._bank.restart_slow(INPUTS.index(signal))

    def to_state(self) -> State:
        """As plain values."""
        return self._bank.to_state()

    def restore(self, state: State) -> None:
        """Goes on from a state."""
        self._bank = ScalarBank.from_state(self._reference, state)
