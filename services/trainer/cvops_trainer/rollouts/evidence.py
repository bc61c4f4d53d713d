"""Sequential evidence about a mean difference: valid however often one looks. Pure.

Null "for": the mean of bounded differences is at most 0. Null "against": it is at least -margin. Each is tested by
betting (Waudby-Smith and Ramdas 2024, arXiv:2010.09686): the wealth of a gambler who stakes a fixed share of it on
every difference is a test martingale under its null, an average over several shares too, so by Ville's inequality it
ever exceeds 1/alpha with probability alpha at most.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

_STAKES = np.array([0.05, 0.1, 0.2, 0.4, 0.7])
_LEAST = 1e-12


@dataclass(slots=True)
class Betting:
    """Wealth against one null, by stake; all stakes weigh the same.

    Attributes:
        logs: log wealth of each stake.
    """

    logs: list[float] = field(default_factory=lambda: [0.0] * len(_STAKES))

    def take(self, difference: float) -> None:
        """One difference, -1 to 1, whose mean the null says is not above 0."""
        grown = np.log(np.maximum(1 + _STAKES * difference, _LEAST))
        self.logs = [log + float(each) for log, each in zip(self.logs, grown, strict=True)]

    @property
    def log_wealth(self) -> float:
        """Log of the average wealth: the log e-value."""
        top = max(self.logs)
        return top + math.log(sum(math.exp(log - top) for log in self.logs) / len(self.logs))


@dataclass(slots=True)
class Comparison:
    """Candidate beside champion on the same frames.

    Attributes:
        margin: a candidate that is worse by less is not held to be worse.
        frames: compared.
        candidate, champion: sums of both, each 0 to 1 a frame.
        squares: sum of squared differences.
    """

    margin: float = 0.0
    frames: int = 0
    candidate: float = 0.0
    champion: float = 0.0
    squares: float = 0.0
    better: Betting = field(default_factory=Betting)
    worse: Betting = field(default_factory=Betting)

    def take(self, candidate: float, champion: float) -> None:
        """One frame, both 0 to 1."""
        difference = candidate - champion
        self.frames += 1
        self.candidate += candidate
        self.champion += champion
        self.squares += difference**2
        self.better.take(difference)
        self.worse.take(-(difference + self.margin) / (1 + self.margin))

    @property
    def log_for(self) -> float:
        """Log e-value against "no better"."""
        return self.better.log_wealth

    @property
    def log_against(self) -> float:
        """Log e-value against "not worse by more than the margin"."""
        return self.worse.log_wealth

    @property
    def mean(self) -> float:
        """Mean difference; 0 without frames."""
        return (self.candidate - self.champion) / self.frames if self.frames else 0.0

    def interval(self, alpha: float = 0.05) -> tuple[float, float]:
        """A confidence sequence for the mean difference: it holds at all times with 1 - alpha.

        Robbins' normal mixture for differences of -1 to 1, which are 1-sub-Gaussian, tuned to 50 frames.
        """
        if not self.frames:
            return -1.0, 1.0
        n, rho = self.frames, 50.0
        radius = math.sqrt(2 * (n + rho) / n**2 * math.log(math.sqrt((n + rho) / rho) / (alpha / 2)))
        return max(-1.0, self.mean - radius), min(1.0, self.mean + radius)

    def to_state(self) -> dict[str, object]:
        """As plain values."""
        return {
            "numbers": [self.margin, self.frames, self.candidate, self.champion, self.squares],
            "better": self.better.logs,
            "worse": self.worse.logs,
        }

    @classmethod
    def from_state(cls, state: dict[str, Sequence[float]]) -> "Comparison":
        """The one whose state it was."""
        margin, frames, candidate, champion, squares = state["numbers"]
        return cls(
            margin,
            int(frames),
            candidate,
            champion,
            squares,
            Betting(list(state["better"])),
            Betting(list(state["worse"])),
        )


def balance(candidate: float, champion: float) -> tuple[float, float]:
    """Two amounts as shares of their sum, for a comparison of what has no upper bound; (.5, .5) when both are 0."""
    total = candidate + champion
    return (candidate / total, champion / total) if total > 0 else (0.5, 0.5)
