"""PSI, Jensen-Shannon and chi-square of two histograms, with thresholds from their own null law.

The customary thresholds of PSI (.1, .25) alarm always with few frames and never with many: without change PSI is about
(1/N + 1/n) times a chi-square. Here the law is drawn instead: given the totals, the counts of a window without change
are hypergeometric, whatever classes there are, so small and empty classes need no correction.
"""

from dataclasses import dataclass

import numpy as np

from cvops_monitoring.arrays import F64, I64, FloatArray
from cvops_monitoring.errors import WrongShape

_DRAWS = 2000
_HALF = 0.5


@dataclass(frozen=True, slots=True)
class Divergence:
    """How far two histograms are apart.

    Attributes:
        value: of the statistic.
        threshold: exceeded by 5 % of the windows without change.
        p_value: share of windows without change that are as far apart, never 0.
    """

    value: float
    threshold: float
    p_value: float


@dataclass(frozen=True, slots=True)
class Divergences:
    """Population stability index, Jensen-Shannon divergence (nats) and Pearson's chi-square of one pair."""

    psi: Divergence
    jensen_shannon: Divergence
    chi_square: Divergence


def divergences(
    reference_counts: I64, counts: I64, rng: np.random.Generator, alpha: float = 0.05, draws: int = _DRAWS
) -> Divergences:
    """Compares two histograms over the same B classes.

    Null: both are drawn from one distribution, frames being independent.

    Args:
        reference_counts: int (B,); counts: int (B,) of the window. Neither may be empty.
        counts: of the window.
        rng: for the null law.
        alpha: share of windows without change that exceed the threshold.
        draws: of the null law; the p-value is no smaller than 1 / draws.

    Raises:
        WrongShape: different numbers of classes, or a histogram without frames.
    """
    total, n = reference_counts + counts, int(counts.sum())
    if reference_counts.shape != counts.shape or n == 0 or reference_counts.sum() == 0:
        raise WrongShape(f"histograms {reference_counts.shape} and {counts.shape}: expected equal and not empty ones")
    seen = total > 0
    drawn = rng.multivariate_hypergeometric(total[seen], n, draws, method="marginals")
    now = np.vstack([counts[seen], drawn])
    ref = total[seen] - now
    return Divergences(*(_judge(values, alpha) for values in (_psi(ref, now), _js(ref, now), _chi_square(ref, now))))


def _judge(values: F64, alpha: float) -> Divergence:
    value, null = float(values[0]), values[1:]
    as_far = int((null >= value - 1e-12).sum())
    return Divergence(value, float(np.quantile(null, 1 - alpha)), (1 + as_far) / (1 + len(null)))


def _psi(ref: I64, now: I64) -> F64:
    p, q = _shares(ref + _HALF), _shares(now + _HALF)
    return np.asarray(((q - p) * np.log(q / p)).sum(1))


def _js(ref: I64, now: I64) -> F64:
    p, q = _shares(ref + 0.0), _shares(now + 0.0)
    middle = (p + q) / 2

    def towards(x: F64) -> F64:
        return np.asarray(np.where(x > 0, x * np.log(np.where(x > 0, x, 1) / middle), 0).sum(1))

    return (towards(p) + towards(q)) / 2


def _chi_square(ref: I64, now: I64) -> F64:
    total = (ref + now).astype(np.float64)
    expected = total * (now.sum(1, keepdims=True) / total.sum(1, keepdims=True))
    other = total - expected
    return np.asarray((np.square(now - expected) * (1 / expected + 1 / other)).sum(1))


def _shares(counts: FloatArray) -> F64:
    return np.asarray(counts / counts.sum(1, keepdims=True), np.float64)
