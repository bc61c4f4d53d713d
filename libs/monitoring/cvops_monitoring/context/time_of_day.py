"""What a feature does over a normal day, by harmonic regression, so that evening is not drift."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from cvops_monitoring.arrays import F32, F64, FloatArray
from cvops_monitoring.sequential.bootstrap import correlation_time

DAY_S = 86_400.0
_HARMONICS = 2
_ALPHA = 0.01
"""Chance that a feature without a cycle gets one."""
_HOURS_NEEDED = 18


@dataclass(frozen=True, slots=True)
class DailyCycle:
    """Deviation of each feature from its mean by the time of day.

    Attributes:
        coefficients: float32 (2 * harmonics, D); no rows: the reference does not cover a day and nothing is subtracted.
    """

    coefficients: F32

    @property
    def known(self) -> bool:
        """Whether the reference covered enough of the day."""
        return len(self.coefficients) > 0

    def remove(self, x: FloatArray, time_s: FloatArray) -> F32:
        """X (N, D) without what the time of day explains; `time_s` (N,) in UTC seconds."""
        values = np.asarray(x, np.float32)
        if not self.known:
            return values
        return values - _waves(np.asarray(time_s, np.float64)).astype(np.float32) @ self.coefficients


def fit_daily_cycle(x_ref: FloatArray, time_s: FloatArray) -> DailyCycle:
    """The cycle in a reference x (N, D) at `time_s` (N,); no effect unless 18 hours of the day are covered."""
    times = np.asarray(time_s, np.float64)
    x = _filled(np.asarray(x_ref, np.float64))
    hours = np.unique((times % DAY_S) // 3600)
    if len(hours) < _HOURS_NEEDED:
        return DailyCycle(np.zeros((0, x.shape[1]), np.float32))
    waves = _waves(times)
    design = np.column_stack([np.ones(len(waves)), waves])
    solved = np.linalg.lstsq(design, x, rcond=None)[0]
    residual = x - design @ solved
    explained = (design[:, 1:] @ solved[1:]).var(0) / np.maximum(residual.var(0), 1e-12)
    # A cycle that is not there would be added by its own noise: many small errors are a drift of their own.
    independent = len(x) / correlation_time(residual)
    certain = independent * explained > chi2.isf(_ALPHA, 2 * _HARMONICS)
    return DailyCycle((solved[1:] * certain).astype(np.float32))


def _filled(x: F64) -> F64:
    """X with the column's mean where a value is not known; 0 where none is."""
    known = np.isfinite(x)
    sums = np.where(known, x, 0).sum(0)
    return np.where(known, x, sums / np.maximum(known.sum(0), 1))


def _waves(time_s: F64) -> F64:
    angle = 2 * np.pi * (time_s % DAY_S) / DAY_S
    return np.column_stack([wave(k * angle) for k in range(1, _HARMONICS + 1) for wave in (np.sin, np.cos)])
