"""The Shiryaev-Roberts e-detector on p-values: how much a gambler would own who bets on change since every moment.

Null: p-values are uniform (or larger). A bet k * p^(k - 1) is worth 1 on average then, so the sum over all starting
moments grows by 1 a frame and exceeds `arl` once in `arl` frames at most (Shin, Ramdas & Rinaldo 2023, e-detectors).
Correlated frames break that promise, so the threshold is raised to what a block bootstrap of the reference asks for.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from cvops_monitoring.arrays import F64, BoolArray, FloatArray
from cvops_monitoring.sequential.bootstrap import block_indices
from cvops_monitoring.sequential.conformal import Conformal
from cvops_monitoring.sequential.thresholds import gumbel_threshold

BETS: Final = np.array([0.2, 0.4, 0.6, 0.8, 0.9])
_MIDDLE = 2
_STREAMS, _STREAM_LENGTH = 32, 8192
_POWERS = BETS - 1
_MIDDLE_POWER, _LOG_MIDDLE = float(_POWERS[_MIDDLE]), math.log(BETS[_MIDDLE])
_LARGEST = 1e200
_MOST = math.log(_LARGEST)
_LEAST_P = 1e-12
_AT_ONCE = 8
"""A bet pays less than 1e9, so that so many in a row stay finite above the largest wealth."""
CALM_PAGE: Final = 3.0
"""Page's statistic below which a stream counts as back, in log evidence."""
MOST_PAGE: Final = 8.0
"""It is not kept above this, so that it can fall within a minute or two."""


class ShiryaevRoberts:
    """Evidence for change of K p-values a frame, in log: compare it with `log_threshold`."""

    __slots__ = ("_most", "_page", "_wealth")

    def __init__(self, most: Sequence[float] | F64 = (_MOST,), state: Sequence[Sequence[float]] | None = None) -> None:
        """No evidence yet, or that of an earlier `state`.

        `most` is of each of the K: evidence is never kept above it, so that it can fall again.
        """
        self._most = np.exp(np.minimum(most, _MOST))[:, None]
        self._page = [row[0] for row in state] if state else [0.0] * len(most)
        self._wealth = np.array([row[1:] for row in state]) if state else np.zeros((len(most), len(BETS)))

    def push(self, p: FloatArray) -> F64:
        """Takes p-values (n, K) in order; log evidence after each, float64 (n, K)."""
        parts = [self._push(p[begin : begin + _AT_ONCE]) for begin in range(0, len(p), _AT_ONCE)]
        return np.concatenate(parts) if len(parts) != 1 else parts[0]

    def _push(self, p: FloatArray) -> F64:
        """As `push`, of so few that products of bets stay finite."""
        worth, log_middle = _bets(p.T)
        wealth = _grown(self._wealth, worth)
        self._wealth = np.minimum(wealth[:, -1], self._most)
        self._page = [_paged(page, gains) for page, gains in zip(self._page, log_middle.tolist(), strict=True)]
        return np.asarray(np.log(wealth.sum(-1) / len(BETS)).T)

    @property
    def resting(self) -> BoolArray:
        """Nothing speaks for a change before now (its Page test is at 0), bool (K,); that moment estimates its time."""
        return np.array([page == 0 for page in self._page])

    @property
    def calm(self) -> BoolArray:
        """Whether a change that there was has passed, bool (K,); evidence itself falls far slower than it rose."""
        return np.array([page < CALM_PAGE for page in self._page])

    def restart(self) -> None:
        """Forgets all evidence, after a change has passed."""
        self._page, self._wealth = [0.0] * len(self._page), np.zeros_like(self._wealth)

    @property
    def state(self) -> list[list[float]]:
        """What is needed to go on: a row of each of the K."""
        return [[page, *wealth] for page, wealth in zip(self._page, self._wealth.tolist(), strict=True)]


def _paged(page: float, gains: list[float]) -> float:
    """Page's statistic after some more gains."""
    for gain in gains:
        page = min(max(0.0, page + gain), MOST_PAGE)
    return page


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
    owned = np.empty_like(product)
    owned[..., 0, :] = 1 + wealth
    np.divide(1, product[..., :-1, :], out=owned[..., 1:, :])
    return np.asarray(product * owned.cumsum(-2))


def _bets(p: FloatArray) -> tuple[F64, F64]:
    """What each bet pays, float64 (..., bets), and the log of the middle one, float64 like p."""
    log_p = np.log(np.maximum(p, _LEAST_P))
    return BETS * np.exp(_POWERS * log_p[..., None]), _LOG_MIDDLE + _MIDDLE_POWER * log_p
