"""How well present frames can be told from the reference, in words of people: "told apart with AUC .83"."""

from dataclasses import dataclass

import numpy as np

from cvops_monitoring.arrays import F64, FloatArray
from cvops_monitoring.whitening import fit_whitening

_FOLDS = 4
_DIMS = 32


@dataclass(frozen=True, slots=True)
class Separation:
    """Two samples seen by a linear classifier on features and their squares, cross-fitted.

    Attributes:
        auc: P(a present frame scores higher than one of the reference): .5 cannot be told apart, 1 always.
        low: of its 95 % interval (Hanley & McNeil 1982); high: likewise.
        outside: share of present frames outside the region that holds 99 % of the reference.
    """

    auc: float
    low: float
    high: float
    outside: float


def separation(x_ref: FloatArray, x: FloatArray) -> Separation:
    """Tells x (n, D) from x_ref (N, D), both in time order; at least 8 frames each.

    Folds are contiguous, so that a frame is never judged by its own neighbours.
    """
    outside = _outside(x_ref, x)
    # Fitted to both, so that neither looks special by having made the features.
    whitening = fit_whitening(np.concatenate([x_ref, x]), min(_DIMS, max(2, len(x_ref) // 10)))
    ref, now = whitening(x_ref).astype(np.float64), whitening(x).astype(np.float64)
    ref, now = _with_squares(ref), _with_squares(now)
    folds_ref, folds_now = np.arange(len(ref)) * _FOLDS // len(ref), np.arange(len(now)) * _FOLDS // len(now)
    scores_ref, scores_now = np.empty(len(ref)), np.empty(len(now))
    areas = []
    for fold in range(_FOLDS):
        mine_ref, mine_now = folds_ref == fold, folds_now == fold
        axis = _discriminant(ref[~mine_ref], now[~mine_now])
        scores_ref[mine_ref], scores_now[mine_now] = ref[mine_ref] @ axis, now[mine_now] @ axis
        areas.append(_area(scores_ref[mine_ref], scores_now[mine_now]))
    auc = float(np.mean(areas))
    margin = 1.96 * _standard_error(auc, len(ref), len(now))
    return Separation(auc, max(0.0, auc - margin), min(1.0, auc + margin), outside)


def _outside(x_ref: FloatArray, x: FloatArray) -> float:
    """Share of x beyond the 99 % quantile of Mahalanobis distances; half of the reference makes the distance."""
    whitening = fit_whitening(x_ref[::2], min(_DIMS, max(2, len(x_ref) // 20)))
    limit = np.quantile(np.square(whitening(x_ref[1::2])).sum(1), 0.99)
    return float((np.square(whitening(x)).sum(1) > limit).mean())


def _with_squares(y: F64) -> F64:
    return np.concatenate([y, np.square(y) - 1], 1)


def _discriminant(ref: F64, now: F64) -> F64:
    """Fisher's direction with half of the covariance on its diagonal, for more features than frames."""
    within = (np.cov(ref.T) * len(ref) + np.cov(now.T) * len(now)) / (len(ref) + len(now))
    within = 0.5 * within + 0.5 * np.diag(np.diag(within)) + 1e-6 * np.eye(len(within))
    return np.linalg.solve(within, now.mean(0) - ref.mean(0))


def _area(ref: F64, now: F64) -> float:
    ordered = np.sort(ref)
    below = np.searchsorted(ordered, now, "left") + np.searchsorted(ordered, now, "right")
    return float(below.mean() / (2 * len(ref)))


def _standard_error(auc: float, n_ref: int, n_now: int) -> float:
    one = auc / (2 - auc) - auc**2
    two = 2 * auc**2 / (1 + auc) - auc**2
    return float(np.sqrt(max(auc * (1 - auc) + (n_now - 1) * one + (n_ref - 1) * two, 0) / (n_ref * n_now)))
