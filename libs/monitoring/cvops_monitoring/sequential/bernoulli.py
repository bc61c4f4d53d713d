"""Shiryaev-Roberts on outcomes that are 0 or 1, or between: class seen or not, prediction right or wrong, per-frame F1.

Null: the mean of the outcomes is at most (upwards) or at least (downwards) `bound`. The bet (x p1/p0 + (1 - x)(1 -
p1)/(1 - p0)) on each alternative p1 is worth 1 or less on average then, for bounded outcomes too (Waudby-Smith & Ramdas
2024), so the mixture exceeds `arl` once in `arl` outcomes at most. With p0 from a limited reference, take its
confidence bound, so that the error of the reference never makes a false alarm.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import beta

from cvops_monitoring.arrays import F64, FloatArray
from cvops_monitoring.sequential.shiryaev_roberts import CALM_PAGE, MOST_PAGE

_FRACTIONS = np.array([0.03, 0.1, 0.25, 0.5, 0.8])
_MIDDLE = 2
_LARGEST = 1e250


@dataclass(frozen=True, slots=True)
class MeanBound:
    """The null of one direction.

    Attributes:
        direction: the change that is looked for.
        bound: p0, strictly between 0 and 1.
    """

    direction: Literal["up", "down"]
    bound: float

    @property
    def alternatives(self) -> F64:
        """Means that are bet on."""
        p0 = self.bound
        return p0 + (1 - p0) * _FRACTIONS if self.direction == "up" else p0 * (1 - _FRACTIONS)


def mean_bound(successes: float, n: float, direction: Literal["up", "down"], confidence: float = 0.95) -> MeanBound:
    """The null by a reference of `n` outcomes that sum to `successes`: the Clopper-Pearson bound."""
    if direction == "up":
        bound = beta.ppf(confidence, successes + 1, max(n - successes, 1e-9))
    else:
        bound = beta.ppf(1 - confidence, max(successes, 1e-9), n - successes + 1)
    return MeanBound(direction, float(min(max(bound, 1e-4), 1 - 1e-4)))


class MeanShiryaevRoberts:
    """Evidence that the mean has left its bound, in log; alarm at log(arl)."""

    __slots__ = ("_alternatives", "_most", "_null", "_page", "_wealth")

    def __init__(self, null: MeanBound, most: float = np.log(_LARGEST), state: Sequence[float] | None = None) -> None:
        """No evidence yet, or that of an earlier `state`; it is never kept above `most`, so that it can fall again."""
        self._null = null
        self._alternatives: list[float] = null.alternatives.tolist()
        self._most = float(np.exp(most))
        self._page = float(state[0]) if state else 0.0
        self._wealth = list(state[1:]) if state else [0.0] * len(_FRACTIONS)

    def push(self, x: FloatArray) -> F64:
        """Takes outcomes (n,) in 0..1, in order; log evidence after each."""
        # Plain floats: five bets are too few for arrays to pay.
        out, p0, wealth = [], self._null.bound, self._wealth
        for outcome in x.tolist():
            hit, miss = outcome / p0, (1 - outcome) / (1 - p0)
            bets = [hit * p1 + miss * (1 - p1) for p1 in self._alternatives]
            wealth = [min((1 + own) * bet, self._most) for own, bet in zip(wealth, bets, strict=True)]
            out.append(sum(wealth))
            self._page = min(max(0.0, self._page + math.log(bets[_MIDDLE])), MOST_PAGE)
        self._wealth = wealth
        return np.log(np.array(out) / len(_FRACTIONS))

    @property
    def resting(self) -> bool:
        """Nothing speaks for a change before now (Page's test is at 0): the last such moment estimates its time."""
        return self._page == 0

    @property
    def calm(self) -> bool:
        """Whether a change that there was has passed; evidence itself falls far slower than it rose."""
        return self._page < CALM_PAGE

    def restart(self) -> None:
        """Forgets all evidence, after a change has passed."""
        self._page, self._wealth = 0.0, [0.0] * len(self._wealth)

    @property
    def state(self) -> tuple[float, ...]:
        """What is needed to go on."""
        return (self._page, *self._wealth)
