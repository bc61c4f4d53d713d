"""Conformal p-values: how rare a score is among those of a reference, without a model of its law."""

from dataclasses import dataclass

import numpy as np

from cvops_monitoring.arrays import F64, FloatArray
from cvops_monitoring.errors import TooFewFrames


@dataclass(frozen=True, slots=True)
class Conformal:
    """The scores of a reference, sorted.

    Attributes:
        scores: float64 (N,), ascending; None of them NaN.
    """

    scores: F64

    def high(self, x: FloatArray) -> F64:
        """P(score >= x) by the reference, float64 like x: small for a score that is unusually high.

        Ties count half, so that p is uniform on average whatever the score is made of; never 0 (Vovk et al. 2005).
        """
        n = len(self.scores)
        below = np.searchsorted(self.scores, x, "left")
        not_above = np.searchsorted(self.scores, x, "right")
        return np.asarray((n - 0.5 * (below + not_above) + 0.5) / (n + 1))

    def low(self, x: FloatArray) -> F64:
        """P(score <= x) by the reference: small for a score that is unusually low."""
        return 1 - self.high(x)

    def two_sided(self, x: FloatArray) -> F64:
        """Small for a score that is unusual in either direction."""
        p = self.high(x)
        return np.asarray(np.minimum(1.0, 2 * np.minimum(p, 1 - p)))

    def percentile(self, x: FloatArray) -> F64:
        """Share of the reference below x, 0..100: a novelty that people can read."""
        return 100 * self.low(x)


def conformal(scores: FloatArray) -> Conformal:
    """Sorts the scores of a reference, float (N,).

    Raises:
        TooFewFrames: there is none that is finite.
    """
    finite = np.sort(np.asarray(scores, np.float64)[np.isfinite(scores)])
    if not len(finite):
        raise TooFewFrames("no finite score in the reference: expected one per frame")
    return Conformal(finite)
