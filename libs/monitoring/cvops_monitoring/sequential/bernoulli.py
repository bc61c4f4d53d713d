"""Shiryaev-Roberts on outcomes that are 0 or 1, or between: class seen or not, prediction right or wrong, per-frame F1.

Null: the mean of the outcomes is at most (upwards) or at least (downwards) `bound`. The bet (x p1/p0 + (1 - x)(1 -
p1)/(1 - p0)) on each alternative p1 is worth 1 or less on average then, for bounded outcomes too (Waudby-Smith & Ramdas
2024), so the mixture exceeds `arl` once in `arl` outcomes at most. With p0 from a limited reference, take its
confidence bound, so that the error of the reference never makes a false alarm.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import beta

from cvops_monitoring.arrays import F64, BoolArray, FloatArray
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
    """Evidence that means have left their bounds, in log; alarm at log(arl). Each of K outcomes has its own null."""

    __slots__ = ("_gains", "_most", "_page", "_wealth")

    def __init__(
        self, nulls: Sequence[MeanBound], most: float = np.log(_LARGEST), state: Sequence[Sequence[float]] | None = None
    ) -> None:
        """No evidence yet, or that of an earlier `state`; it is never kept above `most`, so that it can fall again."""
        bounds = np.array([[null.bound] for null in nulls])
        alternatives = np.array([null.alternatives for null in nulls])
        hit, miss = alternatives / bounds, (1 - alternatives) / (1 - bounds)
        self._gains = (hit - miss, miss)
        self._most = float(np.exp(most))
        shape = (len(nulls), 1 + len(_FRACTIONS))
        kept = np.zeros(shape) if state is None else np.array(state, np.float64).reshape(shape)
        self._page, self._wealth = kept[:, 0], kept[:, 1:]

    def push(self, x: FloatArray) -> F64:
        """Takes outcomes (n, K) in 0..1, in order; log evidence after each, float64 (n, K)."""
        slope, miss = self._gains
        bets = x[:, :, None] * slope + miss
        gains = np.log(bets[:, :, _MIDDLE])
        out = np.empty(x.shape)
        for total, bet, gain in zip(out, bets, gains, strict=True):
            self._wealth = np.minimum((1 + self._wealth) * bet, self._most)
            self._page = np.minimum(np.maximum(self._page + gain, 0), MOST_PAGE)
            self._wealth.sum(1, out=total)
        return np.log(out / len(_FRACTIONS))

    @property
    def resting(self) -> BoolArray:
        """Nothing speaks for a change before now (its Page test is at 0), bool (K,); that moment estimates its time."""
        return np.asarray(self._page == 0)

    @property
    def calm(self) -> BoolArray:
        """Whether a change that there was has passed, bool (K,); evidence itself falls far slower than it rose."""
        return np.asarray(self._page < CALM_PAGE)

    def restart(self, which: Sequence[int] | slice = slice(None)) -> None:
        """Forgets the evidence of some, after a change has passed."""
        self._page[which] = 0
        self._wealth[which] = 0

    @property
    def state(self) -> list[list[float]]:
        """What is needed to go on."""
        rows: list[list[float]] = np.column_stack([self._page, self._wealth]).tolist()
        return rows
