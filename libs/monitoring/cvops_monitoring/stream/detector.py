"""What every detector of a stream looks like to the monitor."""

from dataclasses import dataclass
from typing import Protocol

from cvops_monitoring.arrays import F64, BoolArray
from cvops_monitoring.stream.frames import Frames

State = dict[str, object]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a detector says after some frames, one entry per statistic.

    Attributes:
        ratio: statistic / threshold, float64 (m,): above 1 alarms.
        resting: whether nothing speaks for a change before now, bool (m,); its last moment
            estimates the time of change.
        calm: whether a change that there was has passed, bool (m,).
    """

    ratio: F64
    resting: BoolArray
    calm: BoolArray


class Detector(Protocol):
    """Watches some signals.

    Attributes:
        signals: the signal of each statistic, e.g. "brightness".
        statistics: its name, e.g. "mean@128".
    """

    @property
    def signals(self) -> tuple[str, ...]: ...  # noqa: D102

    @property
    def statistics(self) -> tuple[str, ...]: ...  # noqa: D102

    def push(self, frames: Frames) -> Reading:
        """Takes GRID frames."""

    def restart(self, signal: str) -> None:
        """Forgets what makes a signal slow to come back, after its change has passed."""

    def to_state(self) -> State:
        """Everything that is needed to go on, as plain values."""

    def restore(self, state: State) -> None:
        """Goes on from a state, bit for bit."""
