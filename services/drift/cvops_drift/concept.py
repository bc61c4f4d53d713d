"""Concept drift: verdicts that disagree with the model more often than they used to."""

import hashlib
from typing import Any

import numpy as np

from cvops_monitoring.sequential.bernoulli import MeanShiryaevRoberts, mean_bound
from cvops_monitoring.sequential.confidence_sequence import Interval, bernoulli_interval

_AUDIT = 100
_RECENT_IDS = 2000


class Concept:
    """The error rate of one model at one camera, by verdicts of people and programs.

    The first 100 verdicts are the audit that later ones are compared with, by its upper confidence bound.
    """

    def __init__(self) -> None:
        self._errors: list[float] = []
        self._evidence: MeanShiryaevRoberts | None = None
        self._seen: dict[str, None] = {}
        self.verdicts = 0
        self.total = 0.0
        self.log_evidence = 0.0
        self.since_s = 0.0

    def push(self, feedback_id: str, error: float, at_s: float) -> bool:
        """Takes a verdict, 0..1; whether it counted: the same one twice does not, nor one that is not a number."""
        short = hashlib.sha256(feedback_id.encode()).hexdigest()[:16]
        if short in self._seen or not 0 <= error <= 1:
            return False
        self._seen[short] = None
        if len(self._seen) > _RECENT_IDS:
            del self._seen[next(iter(self._seen))]
        self.verdicts += 1
        self.total += error
        if self._evidence is None:
            self._errors.append(error)
            if len(self._errors) == _AUDIT:
                self._evidence = self._detector(None)
            return True
        if self._evidence.resting.all():
            self.since_s = at_s
        self.log_evidence = float(self._evidence.push(np.array([[error]]))[0, 0])
        return True

    @property
    def interval(self) -> Interval:
        """Error rate over all verdicts, with a band that is valid at all times."""
        return bernoulli_interval(self.total, self.verdicts)

    @property
    def calm(self) -> bool:
        """Whether verdicts agree again as they did in the audit."""
        return self._evidence is None or bool(self._evidence.calm.all())

    def restart(self) -> None:
        """Forgets the evidence, after a change has passed."""
        self.log_evidence = 0.0
        if self._evidence is not None:
            self._evidence.restart()

    @property
    def audited(self) -> float:
        """Error rate of the audit."""
        return float(np.mean(self._errors)) if self._errors else float("nan")

    def to_state(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "errors": list(self._errors),
            "evidence": self._evidence.state if self._evidence else None,
            "seen": list(self._seen),
            "numbers": [self.verdicts, self.total, self.log_evidence, self.since_s],
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "Concept":
        """The one whose state it was."""
        concept = cls()
        concept._errors = list(state["errors"])
        concept._seen = dict.fromkeys(state["seen"])
        verdicts, concept.total, concept.log_evidence, concept.since_s = state["numbers"]
        concept.verdicts = int(verdicts)
        if state["evidence"] is not None:
            concept._evidence = concept._detector(state["evidence"])
        return concept

    def _detector(self, state: list[list[float]] | None) -> MeanShiryaevRoberts:
        return MeanShiryaevRoberts([mean_bound(sum(self._errors), len(self._errors), "up")], state=state)
