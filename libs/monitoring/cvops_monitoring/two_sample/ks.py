"""The two-sample Kolmogorov-Smirnov test, exact in D, for one column or for many against a sorted reference.

Null: both samples come from one continuous distribution. With ties, and for frames that are correlated, the p-value is
no more than a guide; that is why it explains alarms and does not raise them.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import kstwo

from cvops_monitoring.arrays import F64, FloatArray
from cvops_monitoring.errors import WrongShape


@dataclass(frozen=True, slots=True)
class KsResult:
    """Greatest distance of the two distribution functions, 0..1, and its two-sided p-value, for each column (D,)."""

    statistic: F64
    p_value: F64


class KsReference:
    """A reference float (N, D) that is sorted once; each test then costs O(D n log N)."""

    def __init__(self, x_ref: FloatArray) -> None:
        self._columns = [np.sort(column) for column in np.asarray(x_ref, np.float64).T]
        self._n = len(x_ref)

    def test(self, x: FloatArray) -> KsResult:
        """Tests a sample (n, D), column by column.

        Raises:
            WrongShape: it has not the columns of the reference.
        """
        if x.ndim != 2 or x.shape[1] != len(self._columns):
            raise WrongShape(f"sample has shape {x.shape}, expected (n, {len(self._columns)}) as the reference has")
        n = len(x)
        after = np.arange(1, n + 1) / n
        statistic = np.array(
            [_distance(ref, now, after) for ref, now in zip(self._columns, np.sort(x.T, axis=1), strict=True)]
        )
        weight = np.round(self._n * n / (self._n + n))
        return KsResult(statistic, np.clip(kstwo.sf(statistic, weight), 0, 1))


def ks_2samp(x_ref: FloatArray, x: FloatArray) -> KsResult:
    """The test of two samples (N,) and (n,), as `scipy.stats.ks_2samp` with method "asymp"; results have one column."""
    return KsReference(np.asarray(x_ref)[:, None]).test(np.asarray(x, np.float64)[:, None])


def _distance(ref: F64, now: F64, after: F64) -> float:
    """The distance is greatest at a point of the smaller sample, just before it or at it; ties are points too."""
    n = len(now)
    at = np.searchsorted(ref, now, "right") / len(ref)
    before = np.searchsorted(ref, now, "left") / len(ref)
    tied = now[1:] == now[:-1]
    if tied.any():
        upper = np.searchsorted(now, now, "right") / n
        lower = np.searchsorted(now, now, "left") / n
    else:
        upper, lower = after, after - 1 / n
    return float(max((upper - at).max(), (at - upper).max(), (before - lower).max(), (lower - before).max()))
