"""A confidence interval for a mean that holds at all times at once, however often one looks."""

from dataclasses import dataclass

import numpy as np
from scipy.special import betaln, xlogy


@dataclass(frozen=True, slots=True)
class Interval:
    """`low` <= mean <= `high`; `mean` is what was observed."""

    mean: float
    low: float
    high: float


def bernoulli_interval(successes: float, n: float, alpha: float = 0.05) -> Interval:
    """The interval for the mean of `n` outcomes that sum to `successes`; all of them hold with 1 - alpha.

    Mixture of likelihood ratios with a uniform prior (Robbins 1970; Ville's inequality). For outcomes between 0 and 1
    that
    are not binary it is conservative. Without outcomes it is 0..1.
    """
    if n <= 0:
        return Interval(float("nan"), 0.0, 1.0)
    mean = successes / n
    p = np.linspace(1e-6, 1 - 1e-6, 4001)
    log_wealth = betaln(successes + 1, n - successes + 1) - xlogy(successes, p) - xlogy(n - successes, 1 - p)
    inside = p[log_wealth < -np.log(alpha)]
    low, high = (float(inside[0]), float(inside[-1])) if len(inside) else (mean, mean)
    return Interval(mean, min(low, mean), max(high, mean))
