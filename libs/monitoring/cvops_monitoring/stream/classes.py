"""Signals `class_rate:<index>`: how often a class is seen at all; `class_rate:new`: any that the reference lacks.

An object stays for many frames, so frames are taken in blocks of about two correlation times, and a block counts as one
outcome: class seen or not. A single truck that passes is then one outcome, not thirty.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

from cvops_monitoring.arrays import I64, BoolArray
from cvops_monitoring.sequential.bernoulli import MeanBound, MeanShiryaevRoberts, mean_bound
from cvops_monitoring.sequential.bootstrap import correlation_time
from cvops_monitoring.stream.detector import Reading, State
from cvops_monitoring.stream.frames import Frames

_SHORTEST, _LONGEST = 4, 64
_MOST = 12


@dataclass(frozen=True, slots=True)
class ClassReference:
    """How often classes are seen without change.

    Attributes:
        block: frames of one outcome.
        watched: indices of classes that are watched by themselves, those seen most; all others are taken together.
        bounds: of each watched class, and last of all others: (up, down).
        log_threshold: log evidence that alarms.
    """

    block: int
    watched: tuple[int, ...]
    bounds: tuple[tuple[MeanBound, MeanBound], ...]
    log_threshold: float


def calibrate_classes(counts: I64, arl: float) -> ClassReference:
    """Shares `arl` frames between all classes and directions.

    Args:
        counts: of each class, int (N, C), in time order.
        arl: wished average run length without change, in frames.
    """
    often = np.argsort(-(counts > 0).sum(0), kind="stable")[:_MOST]
    watched = tuple(sorted(int(index) for index in often if counts[:, index].any()))
    seen = _seen(counts, watched).astype(np.float64)
    n, classes = seen.shape
    block = int(np.clip(2 * correlation_time(seen), _SHORTEST, min(_LONGEST, max(n // 20, _SHORTEST))))
    outcomes = seen[: n // block * block].reshape(-1, block, classes).max(1)
    bounds = tuple(
        (mean_bound(column.sum(), len(column), "up"), mean_bound(column.sum(), len(column), "down"))
        for column in outcomes.T
    )
    return ClassReference(block, watched, bounds, float(np.log(arl / block * 2 * classes)))


def _seen(counts: I64, watched: tuple[int, ...]) -> BoolArray:
    """Whether each watched class, and last any other, is in each frame: bool (N, watched + 1)."""
    classes = counts.shape[1]
    seen = counts > 0
    out = np.zeros((len(counts), len(watched) + 1), np.bool_)
    known = [index for index in watched if index < classes]  # they are sorted
    out[:, : len(known)] = seen[:, known]
    out[:, -1] = seen.sum(1) > out[:, :-1].sum(1)
    return out


class ClassDetector:
    """Watches the rate of each class in both directions."""

    def __init__(self, reference: ClassReference) -> None:
        classes = [*map(str, reference.watched), "new"]
        self.signals = tuple(f"class_rate:{name}" for name, _ in product(classes, range(2)))
        self.statistics = tuple(name for _ in classes for name in ("more often, e-detector", "less often, e-detector"))
        self._reference = reference
        self._most = 2 * reference.log_threshold
        self._bounds = [bound for pair in reference.bounds for bound in pair]
        self._evidence = MeanShiryaevRoberts(self._bounds, self._most)
        self._seen = np.zeros(len(reference.bounds), np.bool_)
        self._frames = 0
        self._ratio = np.zeros(len(self.signals))

    def push(self, frames: Frames) -> Reading:
        """Takes GRID frames."""
        seen = _seen(frames.counts, self._reference.watched)
        outcomes, begin = [], 0
        while len(seen) - begin >= self._reference.block - self._frames:
            end = begin + self._reference.block - self._frames
            outcomes.append(seen[begin:end].any(0) | self._seen)
            self._seen = np.zeros_like(self._seen)
            self._frames, begin = 0, end
        self._seen = self._seen | seen[begin:].any(0)
        self._frames += len(seen) - begin
        if outcomes:
            evidence = self._evidence.push(np.repeat(outcomes, 2, axis=1).astype(np.float64))[-1]
            self._ratio = np.maximum(evidence, 0) / self._reference.log_threshold
        return Reading(self._ratio, self._evidence.resting, self._evidence.calm)

    def restart(self, signal: str) -> None:
        """Forgets the evidence of a class."""
        mine = [i for i, name in enumerate(self.signals) if name == signal]
        self._evidence.restart(mine)
        self._ratio[mine] = 0

    def to_state(self) -> State:
        """As plain values."""
        return {
            "evidence": self._evidence.state,
            "seen": self._seen.tolist(),
            "frames": self._frames,
            "ratio": self._ratio.tolist(),
        }

    def restore(self, state: State) -> None:
        """Goes on from a state."""
        self._evidence = MeanShiryaevRoberts(self._bounds, self._most, state["evidence"])  # type: ignore[arg-type]
        self._seen = np.array(state["seen"], np.bool_)
        self._frames = int(state["frames"])  # type: ignore[call-overload]
        self._ratio = np.array(state["ratio"], np.float64)
