"""Hotelling's T2: whether two samples of frames have one mean, and whether one more draw fits to earlier ones.

Null of `two_means`: both samples come from one law, correlated in time as each of them is. Frames of a video say little
that their neighbours have not said, so each sample counts as its frames divided by its correlation time. Null of
`one_more`: the draw comes from the law of the others. Both are exact for normal features and use the F law, so that few
draws give wide limits (Hotelling 1931; Anderson 2003, chapter 5).
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import f as f_law

from cvops_monitoring.arrays import F64, FloatArray
from cvops_monitoring.errors import TooFewFrames
from cvops_monitoring.sequential.bootstrap import correlation_time
from cvops_monitoring.whitening import whitening_of

_PER_DIM = 5
"""Independent frames that a dimension needs: a covariance of fewer is noise."""
_LEAST = 8
_FEWEST_DRAWS = 4
_UNCORRELATED, _CAUTION = 1.25, 1.5


@dataclass(frozen=True, slots=True)
class Tested:
    """A test.

    Attributes:
        statistic: T2.
        p_value: chance of one as large under the null.
        dims: strongest directions that were looked at.
    """

    statistic: float
    p_value: float
    dims: int


@dataclass(frozen=True, slots=True)
class Moments:
    """What is known of a law.

    Attributes:
        mean: float (D,).
        covariance: float (D, D).
        count: independent draws that they were estimated from.
    """

    mean: F64
    covariance: F64
    count: float


def moments_of(x: FloatArray) -> Moments:
    """Of independent draws float (N, D), two at least."""
    values = np.asarray(x, np.float64)
    return Moments(values.mean(0), np.atleast_2d(np.cov(values.T)), len(values))


def two_means(x_ref: FloatArray, x: FloatArray, max_dims: int = 32) -> Tested:
    """Tests whether the means of two samples differ.

    Args:
        x_ref: float (N, D) in time order.
        x: float (n, D) in time order.
        max_dims: strongest directions of both together that are looked at, at most.

    Raises:
        TooFewFrames: a sample is worth less than 8 independent frames.
    """
    worth = _worth(x_ref), _worth(x)
    if min(worth) < _LEAST:
        raise TooFewFrames(f"samples are worth {worth[0]:.0f} and {worth[1]:.0f} independent frames, expected {_LEAST}")
    free = sum(worth) - 2
    within = (np.cov(x_ref.T) * worth[0] + np.cov(x.T) * worth[1]) / sum(worth)
    dims = int(max(1, min(max_dims, x.shape[1], free / _PER_DIM)))
    white = whitening_of(np.zeros(x.shape[1]), np.atleast_2d(within), dims)
    apart = (x.mean(0, dtype=np.float64) - x_ref.mean(0, dtype=np.float64)) @ white.axes.astype(np.float64)
    statistic = float(np.square(apart).sum() / (1 / worth[0] + 1 / worth[1]))
    scaled = statistic * (free - dims + 1) / (free * dims)
    return Tested(statistic, float(f_law.sf(scaled, dims, free - dims + 1)), dims)


def one_more(law: Moments, draw: FloatArray, max_dims: int = 32) -> Tested:
    """Tests whether a draw float (D,) could be one more of a law, in its strongest directions.

    Raises:
        TooFewFrames: less than 4 draws made the law.
    """
    n = law.count
    if n < _FEWEST_DRAWS:
        raise TooFewFrames(f"{n:.0f} draws made the law, expected {_FEWEST_DRAWS} or more")
    dims = int(max(1, min(max_dims, len(law.mean), n / _PER_DIM)))
    white = whitening_of(law.mean, law.covariance, dims)
    apart = (np.asarray(draw, np.float64) - law.mean) @ white.axes.astype(np.float64)
    statistic = float(np.square(apart).sum())
    scaled = statistic * n * (n - dims) / (dims * (n + 1) * (n - 1))
    return Tested(statistic, float(f_law.sf(scaled, dims, n - dims)), dims)


def _worth(x: FloatArray) -> float:
    """Independent frames that a sample is worth; its correlation time is estimated too short from a short sample."""
    time = correlation_time(x)
    return len(x) / (time if time < _UNCORRELATED else _CAUTION * time)
