"""The evidence of one rollout in its present stage."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cvops_protos.v1.training_pb2 import Rollout
from cvops_trainer.rollouts.decision import COLLAPSE_MARGIN, WORSE_MARGIN, StageEvidence
from cvops_trainer.rollouts.evidence import Comparison, balance
from cvops_trainer.rollouts.pairs import Pair

_TIMES = 200
_UNDISTURBED = 0.1
"""The fastest tenth tells what a model costs: a busy machine only adds to it, and not to both alike."""


@dataclass(slots=True)
class Stage:
    """Begins anew with each stage.

    Attributes:
        labelled: F1 of labelled frames.
        finds: expected finds.
        times: candidate's and champion's time for an image, in s, of the last 200 frames.
    """

    labelled: Comparison = field(default_factory=lambda: Comparison(WORSE_MARGIN))
    finds: Comparison = field(default_factory=lambda: Comparison(COLLAPSE_MARGIN))
    times: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=_TIMES))

    def take(self, pairs: Sequence[Pair]) -> None:
        """Frames that both models answered."""
        for pair in pairs:
            if pair.f1 is not None:
                self.labelled.take(*pair.f1)
                continue
            self.finds.take(*balance(pair.candidate.finds, pair.champion.finds))
            self.times.append((pair.candidate.infer_s, pair.champion.infer_s))

    def evidence(self, unanswered: int) -> StageEvidence:
        """What it has seen."""
        ratio = 0.0
        if self.times:
            candidate, champion = np.quantile(np.array(self.times), _UNDISTURBED, axis=0)
            ratio = float(candidate / champion) if champion > 0 else 0.0
        return StageEvidence(self.labelled, self.finds, self.finds.frames, unanswered, ratio)

    def messages(self, stage: str, log_threshold: float) -> list[Rollout.Evidence]:
        """The same for people and other services."""
        return [
            _message(comparison, what, stage, log_threshold)
            for comparison, what in ((self.labelled, "labelled gain"), (self.finds, "expected finds"))
            if comparison.frames
        ]

    def to_state(self) -> dict[str, Any]:
        """As plain values."""
        return {"labelled": self.labelled.to_state(), "finds": self.finds.to_state()}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "Stage":
        """The one whose state it was."""
        return cls(Comparison.from_state(state["labelled"]), Comparison.from_state(state["finds"]))


def _message(comparison: Comparison, what: str, stage: str, log_threshold: float) -> Rollout.Evidence:
    low, high = comparison.interval()
    return Rollout.Evidence(
        what=what,
        stage=stage,
        frames=comparison.frames,
        mean=comparison.mean,
        low=low,
        high=high,
        log_for=comparison.log_for,
        log_against=comparison.log_against,
        log_threshold=log_threshold,
        candidate=comparison.candidate / max(comparison.frames, 1),
        champion=comparison.champion / max(comparison.frames, 1),
    )
