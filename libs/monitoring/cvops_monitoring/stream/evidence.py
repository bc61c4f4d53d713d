"""Signals that one number per frame carries, watched by conformal e-detectors: novelty and confidence."""

from dataclasses import dataclass

import numpy as np

from cvops_monitoring.arrays import F64, FloatArray
from cvops_monitoring.sequential.conformal import Conformal, conformal
from cvops_monitoring.sequential.shiryaev_roberts import ShiryaevRoberts, log_threshold
from cvops_monitoring.stream.detector import Reading, State
from cvops_monitoring.stream.frames import Frames


@dataclass(frozen=True, slots=True)
class EvidenceReference:
    """Scores of a reference and what evidence alarms.

    Attributes:
        scores: of the reference.
        high: log evidence for higher scores that alarms; low: for lower ones.
    """

    scores: Conformal
    high: float
    low: float


def calibrate_evidence(scores: FloatArray, arl: float, block: int, rng: np.random.Generator) -> EvidenceReference:
    """Shares `arl` between the two directions.

    Args:
        scores: of the reference in time order, float (N,); what is not finite is left out.
        arl: wished average run length without change, in frames.
        block: frames of a bootstrap block.
        rng: where chance comes from.

    Raises:
        TooFewFrames: no score is finite.
    """
    reference = conformal(scores)
    finite = np.asarray(scores, np.float64)[np.isfinite(scores)]
    high = log_threshold(finite, 2 * arl, block, rng)
    low = log_threshold(finite, 2 * arl, block, rng, low=True)
    return EvidenceReference(reference, high, low)


class _EvidenceDetector:
    """Watches one score in both directions; frames without a score say nothing."""

    statistics = ("higher, e-detector", "lower, e-detector")

    def __init__(self, signal: str, reference: EvidenceReference) -> None:
        self.signals = (signal, signal)
        self._reference = reference
        self._thresholds = np.array([reference.high, reference.low])
        self._evidence = ShiryaevRoberts(2 * self._thresholds)
        self._ratio: F64 = np.zeros(2)

    def _push(self, scores: FloatArray) -> Reading:
        """Takes the scores of GRID frames."""
        finite = scores[np.isfinite(scores)]
        if len(finite):
            p = self._reference.scores.high(finite)
            evidence = self._evidence.push(np.stack([p, 1 - p], 1))[-1]
            self._ratio = np.maximum(evidence / self._thresholds, 0)
        return Reading(self._ratio, self._evidence.resting, self._evidence.calm)

    def restart(self, signal: str) -> None:  # noqa: ARG002
        """Forgets the evidence."""
        self._evidence.restart()
        self._ratio = np.zeros(2)

    def to_state(self) -> State:
        """As plain values."""
        return {"evidence": self._evidence.state, "ratio": self._ratio.tolist()}

    def restore(self, state: State) -> None:
        """Goes on from a state."""
        self._evidence = ShiryaevRoberts(2 * self._thresholds, state["evidence"])  # type: ignore[arg-type]
        self._ratio = np.array(state["ratio"])


class NoveltyDetector(_EvidenceDetector):
    """Signal `novelty`: the outlier score, in both directions, because blur makes pictures easier to reconstruct."""

    def __init__(self, reference: EvidenceReference) -> None:
        super().__init__("novelty", reference)

    def push(self, frames: Frames) -> Reading:
        """Takes GRID frames."""
        return self._push(frames.novelty)


class ConfidenceDetector(_EvidenceDetector):
    """Signal `confidence`: the mean score of what a frame shows."""

    def __init__(self, reference: EvidenceReference) -> None:
        super().__init__("confidence", reference)

    def push(self, frames: Frames) -> Reading:
        """Takes GRID frames."""
        return self._push(frames.confidence)
