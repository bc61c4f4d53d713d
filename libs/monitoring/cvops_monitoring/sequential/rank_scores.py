"""Rank scores: any scalar made standard normal by its reference, so that one test serves all of them.

Heavy tails, ties and constants do no harm: a value of the reference's range gets the normal quantile of its rank, one
outside of it the quantile of half a frame beyond (van der Waerden scores).
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import ndtri

from cvops_monitoring.arrays import F32, F64, FloatArray

_LEVELS = 255


@dataclass(frozen=True, slots=True)
class RankScores:
    """Quantiles of K scalars.

    Attributes:
        grid: float64 (K, 255): quantiles of each scalar, ascending.
    """

    grid: F64

    def __call__(self, x: FloatArray) -> F32:
        """Scores float32 (N, K) of x (N, K); 0, the middle, for what is not finite."""
        values = np.asarray(x, np.float64)
        twice = np.empty(values.shape[::-1], np.int64)
        for rank, column, quantiles in zip(twice, values.T, self.grid, strict=True):
            np.add(quantiles.searchsorted(column), quantiles.searchsorted(column, "right"), out=rank)
        return np.where(np.isfinite(values), _scores()[twice.T], np.float32(0))


def fit_rank_scores(x_ref: FloatArray) -> RankScores:
    """The scores of a reference (N, K); a scalar that is never finite there scores 0 for ever."""
    grid = np.full((x_ref.shape[1], _LEVELS), np.nan)
    levels = (np.arange(_LEVELS) + 0.5) / _LEVELS
    for k, column in enumerate(np.asarray(x_ref, np.float64).T):
        finite = column[np.isfinite(column)]
        if len(finite):
            grid[k] = np.quantile(finite, levels, method="inverted_cdf")
    return RankScores(grid)


@cache
def _scores() -> F32:
    """The score of each doubled rank 0 .. 2 * 255; NaN quantiles are never passed, so 0 and 2 * 255 mean outside."""
    ranks = np.arange(2 * _LEVELS + 1) / 2
    return np.asarray(ndtri((ranks + 0.5) / (_LEVELS + 1)), np.float32)
