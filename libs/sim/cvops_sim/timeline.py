"""Effects in time: each begins, ramps up, stays and ends."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from cvops_sim.effects.kind import Kind
from cvops_sim.truth import ActiveEffect


@dataclass(frozen=True)
class Occurrence:
    """An effect that happens; times are seconds since the begin of the scenario.

    Attributes:
        kind: what.
        magnitude: at its height, in the unit of its kind.
        start_s: before this a frame is exactly as without it.
        ramp_s: how long it grows, in a straight line; 0: it is there at once.
        end_s: from this on it is gone.
    """

    kind: Kind
    magnitude: float
    start_s: float = 0.0
    ramp_s: float = 0.0
    end_s: float = math.inf

    def level(self, at_s: float) -> float:
        """Its magnitude at a moment, 0 before its start and from its end on."""
        if not self.start_s <= at_s < self.end_s:
            return 0.0
        return self.magnitude * (min(1.0, (at_s - self.start_s) / self.ramp_s) if self.ramp_s > 0 else 1.0)


def active(occurrences: Iterable[Occurrence], at_s: float) -> list[tuple[Occurrence, float]]:
    """What is at work at a moment, with its magnitude."""
    return [(each, level) for each in occurrences if (level := each.level(at_s)) != 0.0]


def as_truth(levels: Iterable[tuple[Occurrence, float]]) -> tuple[ActiveEffect, ...]:
    """What is at work, as it stands in the truth of a frame."""
    return tuple(ActiveEffect(each.kind.name, round(level, 6)) for each, level in levels)
