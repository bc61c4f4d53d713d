"""Page's CUSUM for objects per frame: negative binomial against one of a half more, or a third fewer.

Null: counts follow the negative binomial of the reference (Poisson when they are not overdispersed), correlated in time
as the reference is; the threshold comes from its block bootstrap.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cvops_monitoring.arrays import F64, BoolArray, FloatArray
from cvops_monitoring.sequential.bootstrap import block_indices
from cvops_monitoring.sequential.thresholds import gumbel_threshold

_STREAMS, _STREAM_LENGTH = 32, 8192
_LEAST_MEAN = 0.05
_MOST_DISPERSED, _LEAST_DISPERSED = 0.2, 1e4


@dataclass(frozen=True, slots=True)
class CountReference:
    """Counts without change.

    Attributes:
        mean: objects per frame.
        size: of the negative binomial: variance = mean + mean^2 / size.
        ratios: of the mean under the two alternatives: more, fewer.
        threshold: of both sums.
    """

    mean: float
    size: float
    ratios: tuple[float, float]
    threshold: float


class CountCusum:
    """Evidence for more and for fewer objects."""

    __slots__ = ("_most", "_reference", "_sums", "_terms")

    def __init__(self, reference: CountReference, state: Sequence[float] | None = None) -> None:
        """No evidence yet, or that of an earlier `state`."""
        self._reference = reference
        self._terms = _terms(reference.mean, reference.size, reference.ratios)
        # Twice the threshold says enough; more would only make the way back longer.
        self._most = 2 * reference.threshold
        self._sums = (0.0, 0.0) if state is None else (state[0], state[1])

    def push(self, counts: FloatArray) -> F64:
        """Takes counts (n,) in order; sum / threshold of (more, fewer) after the last, float64 (2,): above 1 alarms."""
        more, fewer = self._sums
        for gain_more, gain_fewer in _gains(counts, self._terms).tolist():
            more, fewer = max(more + gain_more, 0.0), max(fewer + gain_fewer, 0.0)
        self._sums = min(more, self._most), min(fewer, self._most)
        return np.array(self._sums) / self._reference.threshold

    @property
    def resting(self) -> BoolArray:
        """Whether nothing speaks for (more, fewer) before now: the last such moment estimates the time of change."""
        return np.array([each == 0 for each in self._sums])

    @property
    def state(self) -> tuple[float, float]:
        """What is needed to go on."""
        return self._sums


def calibrate_counts(
    counts: FloatArray, arl: float, block: int, rng: np.random.Generator, ratio: float = 1.5
) -> CountReference:
    """A reference whose mean time to a false alarm of either direction is about `arl` frames.

    Args:
        counts: objects per frame, float (N,), in time order.
        arl: wished average run length without change, in frames.
        block: frames of a bootstrap block.
        rng: where chance comes from.
        ratio: change of the mean that is found fastest; fewer is 1 / ratio.
    """
    ratios = (ratio, 1 / ratio)
    n = len(counts)
    mean, size = _moments(counts)
    streams = counts[block_indices(n, block, _STREAM_LENGTH, rng, _STREAMS)]
    resampled = [_moments(counts[chosen]) for chosen in block_indices(n, block, n, rng, _STREAMS)]
    gains = np.stack([_gains(row, _terms(*moments, ratios)) for row, moments in zip(streams, resampled, strict=True)])
    sums, greatest = np.zeros((_STREAMS, 2)), np.zeros((_STREAMS, 2))
    for step in range(_STREAM_LENGTH):
        sums = np.maximum(sums + gains[:, step], 0)
        greatest = np.maximum(greatest, sums)
    threshold = gumbel_threshold(greatest.T, _STREAM_LENGTH, 2 * arl).max()
    return CountReference(mean, size, ratios, float(max(threshold, np.log(arl) / 2)))


def _moments(counts: FloatArray) -> tuple[float, float]:
    mean = max(float(counts.mean()), _LEAST_MEAN)
    excess = float(counts.var()) - mean
    size = mean**2 / excess if excess > 0 else _LEAST_DISPERSED
    return mean, float(np.clip(size, _MOST_DISPERSED, _LEAST_DISPERSED))


def _terms(mean: float, size: float, ratios: tuple[float, float]) -> tuple[F64, F64]:
    """The log likelihood ratio is linear in the count: slope and offset for (more, fewer), float64 (2,) each."""
    p0 = mean / (mean + size)
    scaled = mean * np.array(ratios)
    p1 = scaled / (scaled + size)
    return np.log(p1 / p0), size * (np.log1p(-p1) - np.log1p(-p0))


def _gains(counts: FloatArray, terms: tuple[F64, F64]) -> F64:
    """Log likelihood ratio of each count for (more, fewer), float64 (n, 2)."""
    slope, offset = terms
    return np.asarray(counts[:, None] * slope + offset)
