"""Signal `embedding`: the bank on the embeddings, and the conformal e-detector on their distance."""

from dataclasses import dataclass

import numpy as np

from cvops_monitoring.arrays import F32, F64
from cvops_monitoring.sequential.conformal import Conformal, conformal
from cvops_monitoring.sequential.ewma_bank import STATISTICS, BankReference, EwmaBank, calibrate
from cvops_monitoring.sequential.shiryaev_roberts import ShiryaevRoberts, log_threshold
from cvops_monitoring.stream.alarm import CALM_BELOW
from cvops_monitoring.stream.detector import Reading, State
from cvops_monitoring.stream.frames import Frames

SIGNAL = "embedding"
_BANK_SHARE, _EVIDENCE_SHARE = 1.25, 5.0
"""Run lengths of the two detectors for one of both together: evidence grows fast, so that it can wait longer."""


@dataclass(frozen=True, slots=True)
class EmbeddingReference:
    """The bank, and the distances of its own half of the reference.

    Attributes:
        bank: on the whitened embeddings.
        distance: squared Mahalanobis distances of the reference.
        distance_threshold: log evidence that a higher distance alarms at.
    """

    bank: BankReference
    distance: Conformal
    distance_threshold: float


def calibrate_embedding(
    embedding: F32, arl: float, block: int, max_dims: int, rng: np.random.Generator
) -> EmbeddingReference:
    """Shares `arl` between the two detectors; raises TooFewFrames when there are too few."""
    bank = calibrate(embedding, _BANK_SHARE * arl, rng, max_dims=max_dims, block=block)
    # Frames that made the whitening lie closer to it than new ones do; those that did not stand for new ones.
    distances = squared_distance(bank.whitening(embedding[bank.held_out]))
    threshold = log_threshold(distances, _EVIDENCE_SHARE * arl, block, rng)
    return EmbeddingReference(bank, conformal(distances), threshold)


def squared_distance(y: F32) -> F64:
    """Squared Mahalanobis distance of whitened features (N, d): float64 (N,)."""
    return np.asarray(np.square(y, dtype=np.float64).sum(1))


class EmbeddingDetector:
    """Watches the embeddings."""

    signals = (SIGNAL,) * (len(STATISTICS) + 1)
    statistics = (*STATISTICS, "distance e-detector")

    def __init__(self, reference: EmbeddingReference) -> None:
        self._reference = reference
        self._bank = EwmaBank(reference.bank)
        self._evidence = ShiryaevRoberts([2 * reference.distance_threshold])

    def push(self, frames: Frames) -> Reading:
        """Takes GRID frames with their embeddings."""
        reference = self._reference
        y = reference.bank.whitening(frames.embedding)
        excess = self._bank.push_whitened(y)
        evidence = self._evidence.push(reference.distance.high(squared_distance(y))[:, None])[-1]
        thresholds = reference.bank.thresholds
        ratio = np.maximum(excess + thresholds, 0) / thresholds
        resting = excess <= -thresholds
        return Reading(
            np.concatenate([ratio, np.maximum(evidence, 0) / reference.distance_threshold]),
            np.concatenate([resting, self._evidence.resting]),
            np.concatenate([ratio < CALM_BELOW, self._evidence.calm]),
        )

    def restart(self, signal: str) -> None:  # noqa: ARG002
        """Forgets the slow averages and the evidence."""
        self._bank.restart_slow()
        self._evidence.restart()

    def to_state(self) -> State:
        """As plain values."""
        return {"bank": self._bank.to_state(), "evidence": self._evidence.state}

    def restore(self, state: State) -> None:
        """Goes on from a state."""
        self._bank = EwmaBank.from_state(self._reference.bank, state["bank"])  # type: ignore[arg-type]
        most = [2 * self._reference.distance_threshold]
        self._evidence = ShiryaevRoberts(most, state["evidence"])  # type: ignore[arg-type]
