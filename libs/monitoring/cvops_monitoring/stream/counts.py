"""Signal `count`: objects per frame."""

import numpy as np

from cvops_monitoring.sequential.count_cusum import CountCusum, CountReference
from cvops_monitoring.stream.alarm import CALM_BELOW
from cvops_monitoring.stream.detector import Reading, State
from cvops_monitoring.stream.frames import Frames

SIGNAL = "count"


class CountDetector:
    """Watches the number of objects in both directions."""

    signals = (SIGNAL, SIGNAL)
    statistics = ("more, CUSUM", "fewer, CUSUM")

    def __init__(self, reference: CountReference) -> None:
        self._reference = reference
        self._cusum = CountCusum(reference)

    def push(self, frames: Frames) -> Reading:
        """Takes GRID frames."""
        ratio = self._cusum.push(frames.counts.sum(1).astype(np.float64))
        return Reading(ratio, self._cusum.resting, ratio < CALM_BELOW)

    def restart(self, signal: str) -> None:
        """The sums are bounded: nothing to forget."""

    def to_state(self) -> State:
        """As plain values."""
        return {"sums": list(self._cusum.state)}

    def restore(self, state: State) -> None:
        """Goes on from a state."""
        self._cusum = CountCusum(self._reference, state["sums"])  # type: ignore[arg-type]
