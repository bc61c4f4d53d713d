"""Evidence that may be shared among many cameras: e-values, and e-BH, which holds the false discovery rate.

An e-value is worth 1 or less on average under the null. e-BH (Wang & Ramdas 2022) names the cameras whose evidence is
at least `cameras / (alpha * named)`; of those named, a share `alpha` at most is wrong on average, however the cameras
depend on each other - and they do, they are compared with each other and with one training set. With the number of
cameras fixed, cameras may come one after another: who is named once stays named, and the rate holds.
"""

from collections.abc import Sequence

import numpy as np

from cvops_monitoring.arrays import BoolArray

_LEAST_P = 1e-100
_NEARLY_ONE = 0.999


def e_value(p_value: float) -> float:
    """A p-value as evidence: the mean of k p^(k - 1) over all k in 0..1 (Vovk & Wang 2021, section 2)."""
    p = max(p_value, _LEAST_P)
    if p > _NEARLY_ONE:
        return 0.5
    log_p = np.log(p)
    return float((1 - p + p * log_p) / (p * log_p**2))


def e_bh(evidence: Sequence[float], alpha: float, hypotheses: int | None = None) -> BoolArray:
    """Which of them are named, bool like `evidence`.

    Args:
        evidence: an e-value each.
        alpha: false discovery rate.
        hypotheses: how many there are in all, those that have no evidence yet included; None: as many as given.
    """
    return np.asarray(np.asarray(evidence) >= e_bh_threshold(evidence, alpha, hypotheses))


def e_bh_threshold(evidence: Sequence[float], alpha: float, hypotheses: int | None = None) -> float:
    """The least evidence that is named; when none is, what a single one would need."""
    count = max(len(evidence), hypotheses or 0)
    ordered = np.sort(np.asarray(evidence, np.float64))[::-1]
    needed = count / (alpha * np.arange(1, len(ordered) + 1))
    passing = np.flatnonzero(ordered >= needed)
    return float(needed[passing[-1]]) if len(passing) else count / alpha
