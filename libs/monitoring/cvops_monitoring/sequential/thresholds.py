"""From artificial streams without change to a threshold with a known rate of false alarms."""

import numpy as np
from scipy.stats import pearson3

from cvops_monitoring.arrays import F64, FloatArray

_EULER = 0.5772156649015329


def gumbel_threshold(maxima: FloatArray, length: float, arl: float) -> F64:
    """The height that a statistic exceeds once in `arl` frames on average while nothing changes.

    The maximum over a stream of given length follows a Gumbel law when the statistic has an exponential tail; it is
    fitted by moments, so the threshold can lie beyond what the streams have seen.

    Args:
        maxima: of each statistic over each stream, float (..., streams).
        length: of the streams, in frames.
        arl: wished average run length to a false alarm of each statistic, in frames.

    Returns:
        float64 (...), one per statistic.
    """
    scale = maxima.std(-1, ddof=1) * 6**0.5 / np.pi
    mode = maxima.mean(-1) - _EULER * scale
    # P(max < h) = exp(-length / arl), solved for h.
    return np.asarray(mode - scale * np.log(length / arl), np.float64)


def pearson_threshold(values: FloatArray, looks: FloatArray, arl: float) -> F64:
    """The same height from the bulk of the values: a Pearson III law (shifted gamma) with their first three moments.

    Streams drawn from a short reference repeat its few extremes, so their maxima vary too little and extrapolate too
    low;
    the moments of the bulk do not suffer from that. For averages of many frames, and squares of them, the law is
    exact in
    the limit.

    Args:
        values: of each statistic without change, float (steps, statistics, streams).
        looks: independent looks per frame of each statistic, float (statistics,).
        arl: wished average run length to a false alarm of each statistic, in frames.

    Returns:
        float64 (statistics,).
    """
    centre = values.mean((0, 2))
    deviations = values - centre[:, None]
    spread = np.maximum(values.std((0, 2)), 1e-9)
    skew = np.clip((deviations**3).mean((0, 2)) / spread**3, 0.01, 6.0)
    return np.asarray(centre + spread * pearson3.isf(1 / (looks * arl), skew), np.float64)


def independent_looks(rate: float, grid: int) -> float:
    """Looks per frame that count as independent for an average at `rate` that is looked at every `grid` frames.

    High levels u of an Ornstein-Uhlenbeck process are crossed as often as rate * u^2 independent looks would exceed
    them (Pickands 1969); u is about 5 at the false alarm rates of interest.
    """
    return min(1 / grid, 25 * rate)
