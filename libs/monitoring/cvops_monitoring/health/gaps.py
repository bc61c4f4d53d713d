"""Frames lost between the agent and here: holes in the sequence of one stream."""

import math
from dataclasses import dataclass

from cvops_monitoring.health.clock import Step
from cvops_monitoring.health.faults import FaultKind, Verdict, Verdicts
from cvops_monitoring.health.settings import HealthSettings

_MEMORY_S = 60.0
_HOLES = 2.5
"""Holes of about the last minute, older ones counting less: under three an odd frame could be it."""


@dataclass(slots=True)
class Gaps:
    """Holes of about the last minute.

    Attributes:
        expected: frames that should have come, those of a minute ago counting 1 / e.
        lost: frames that did not come, likewise.
        holes: in the sequence, likewise.
        hole_s: length of the last long hole, likewise, in s.
    """

    expected: float = 0.0
    lost: float = 0.0
    holes: float = 0.0
    hole_s: float = 0.0

    def push(self, step: Step, settings: HealthSettings) -> Verdicts:
        """Takes the step to the next frame."""
        fade = math.exp(-step.elapsed_s / _MEMORY_S)
        missing = max(step.frames - 1, 0)
        self.expected = self.expected * fade + max(step.frames, 1)
        self.lost = self.lost * fade + missing
        self.holes = self.holes * fade + (missing > 0)
        self.hole_s *= fade
        if missing and step.elapsed_s >= settings.lost_at_once_s:
            self.hole_s = max(self.hole_s, step.elapsed_s)
        return {FaultKind.GAPS: self._verdict(settings)}

    def found(self) -> None:
        """A frame counted as lost has come after all."""
        self.lost = max(0.0, self.lost - 1)
        if self.lost < 1:
            self.holes = 0.0

    def _verdict(self, settings: HealthSettings) -> Verdict:
        share = self.lost / self.expected
        long_hole = self.hole_s >= settings.lost_at_once_s / 2
        return Verdict(
            present=long_hole or (share > settings.lost_share and self.holes > _HOLES),
            statistic=share,
            threshold=settings.lost_share,
            effect=100 * share,
            unit="%",
            text=f"{100 * share:.3g} % of the frames of the last minute were lost",
            details={"lost": self.lost, "holes": self.holes},
        )
