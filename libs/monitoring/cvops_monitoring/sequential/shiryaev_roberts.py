"""The Shiryaev-Roberts e-detector on p-values: how much a gambler would own who bets on change since every moment.

Null: p-values are uniform (or larger). A bet k * p^(k - 1) is worth 1 on average then, so the sum over all starting
moments grows by 1 a frame and exceeds `arl` once in `arl` frames at most (Shin, Ramdas & Rinaldo 2023, e-detectors).
Correlated frames break that promise, so the threshold is raised to what a block bootstrap of the reference asks for.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from cvops_monitoring.arrays import F64, FloatArray
from cvops_monitoring.sequential.bootstrap import block_indices
from cvops_monitoring.sequential.conformal import Conformal
from cvops_monitoring.sequential.thresholds import gumbel_threshold

BETS: Final = np.array([0.2, 0.4, 0.6, 0.8, 0.9])
_MIDDLE = 2
_STREAMS, _STREAM_LENGTH = 32, 8192
_LARGEST = 1e200
_LEAST_P = 1e-12
_AT_ONCE = 8
"""A bet pays less than 1e9, so that so many in a row stay finite above the largest wealth."""
CALM_PAGE: Final = 3.0
"""Page's statistic below which a stream counts as back, in log evidence."""
MOST_PAGE: Final = 8.0
"""It is not kept above this, so that it can fall within a minute or two."""


class ShiryaevRoberts:
    """Evidence for change, in log: compare it with `log_threshold`."""

    __slots__ = ("_most", "_page", "_wealth")

    def __init__(self, most: float = np.log(_LARGEST), state: Sequence[float] | None = None) -> None:
        """No evidence yet, or that of an earlier `state`; it is never kept above `most`, so that it can fall again."""
        self._most = float(np.exp(min(most, np.log(_LARGEST))))
        self._page = float(state[0]) if state else 0.0
        self._wealth = np.array(state[1:]) if state else np.zeros(len(BETS))

    def push(self, p: FloatArray) -> F64:
        """Takes p-values (n,) in order; log evidence after each, float64 (n,)."""
        parts = [self._push(p[begin : begin + _AT_ONCE]) for begin in range(0, len(p), _AT_ONCE)]
        return np.concatenate(parts) if len(parts) != 1 else parts[0]

    def _push(self, p: FloatArray) -> F64:
        """As `push`, of so few that products of bets stay finite."""
        worth, log_middle = _bets(p)
        wealth = _grown(self._wealth, worth)
        self._wealth = np.minimum(wealth[-1], self._most)
        page = self._page
        for gain in log_middle.tolist():
            page = min(max(0.0, page + gain), MOST_PAGE)
        self._page = page
        return np.asarray(np.log(wealth.sum(1) / len(BETS)))

    @property
    def resting(self) -> bool:
        """Nothing speaks for a change before now (Page's test is at 0): the last such moment estimates its time."""
        return self._page == 0

    @property
    def calm(self) -> bool:
        """Whether a change that there was has passed; evidence itself falls far slower than it rose."""
        return self._page < CALM_PAGE

    def restart(self) -> None:
        """Forgets all evidence, after a change has passed."""
        self._page, self._wealth = 0.0, np.zeros(len(BETS))

    @property
    def state(self) -> tuple[float, ...]:
        """What is needed to go on."""
        return (self._page, *self._wealth.tolist())


def log_threshold(scores: FloatArray, arl: float, block: int, rng: np.random.Generator, *, low: bool = False) -> float:
    """The log evidence that is exceeded once in `arl` frames while nothing changes.

    Args:
        scores: of the reference in time order, float (N,).
        arl: wished average run length, in frames.
        block: frames of a bootstrap block; 1: frames are independent, and log(arl) is enough for a long reference.
        rng: where chance comes from.
        low: for evidence of low scores.
    """
    n = len(scores)
    streams = scores[block_indices(n, block, _STREAM_LENGTH, rng, _STREAMS)]
    p = np.empty(streams.shape)
    for stream, chosen in enumerate(block_indices(n, block, n, rng, _STREAMS)):
        resampled = Conformal(np.sort(scores[chosen]))
        p[stream] = resampled.low(streams[stream]) if low else resampled.high(streams[stream])
    worth, _ = _bets(p)
    wealth = np.zeros((_STREAMS, len(BETS)))
    greatest = np.zeros(_STREAMS)
    for begin in range(0, _STREAM_LENGTH, _AT_ONCE):
        grown = _grown(wealth, worth[:, begin : begin + _AT_ONCE])
        wealth = np.minimum(grown[:, -1], _LARGEST)
        np.maximum(greatest, grown.sum(2).max(1) / len(BETS), out=greatest)
    return float(max(np.log(arl), gumbel_threshold(np.log(greatest), _STREAM_LENGTH, arl)))


def _grown(wealth: F64, worth: F64) -> F64:
    """Wealth (..., bets) after each of a few frames, (..., n, bets): w_t = (1 + w_(t-1)) b_t, for all t at once."""
    product = worth.cumprod(-2)
    before = np.ones_like(product)
    before[..., 1:, :] = product[..., :-1, :]
    return np.asarray(product * (wealth[..., None, :] + (1 / before).cumsum(-2)))


def _bets(p: FloatArray) -> tuple[F64, F64]:
    """What each bet pays, float64 (..., bets), and the log of the middle one, float64 like p."""
    log_p = np.log(np.maximum(p, _LEAST_P))
    return BETS * np.exp((BETS - 1) * log_p[..., None]), math.log(BETS[_MIDDLE]) + (BETS[_MIDDLE] - 1) * log_p
