"""A camera against the other cameras: is it one more of them?

Any two cameras can be told apart, each has a street of its own; so a test of frames against frames calls every new
camera a drift. Here the camera is the unit. Null: the camera is drawn from where the others came from. Each camera is
scored by how unlike all the others it is - once by its mean (squared distance in units of how frames of one camera
spread), once by the squared maximum mean discrepancy - and its score is compared with the scores of the others, every
camera left out in turn, so that the score of the new one and theirs are exchangeable. Logarithms of the scores are
taken for normal, and Hotelling's law of one more draw (in one dimension, Student's t) gives the p-value: wide while
there are few cameras, as it should be. Both tests are joined as the mean of their e-values, which needs no
independence. That frames are correlated in time does not matter: the scores of all cameras have the same error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as t_law

from cvops_monitoring.arrays import F64
from cvops_monitoring.domain.e_values import e_value
from cvops_monitoring.domain.mmd import each_against_rest
from cvops_monitoring.domain.signature import Signature
from cvops_monitoring.two_sample.domain import separation
from cvops_monitoring.whitening import whitening_of

LEAST_CAMERAS = 4
"""Other cameras without which nothing can be said."""
_DIMS = 8
_POOL, _LEAST_FRAMES = 1024, 8
_FLOOR = 0.15
"""Least spread of log scores that is believed: cameras of one type can look alike by chance."""


@dataclass(frozen=True, slots=True)
class FleetVerdict:
    """What the other cameras say of one.

    Attributes:
        cameras: how many others there are.
        mean_p: p-value by the mean.
        discrepancy_p: p-value by the maximum mean discrepancy.
        evidence: e-value of both.
        auc: how well its frames are told from those of all others, .5 to 1.
        nearest: the camera that is most like it.
    """

    cameras: int
    mean_p: float
    discrepancy_p: float
    evidence: float
    auc: float
    nearest: str


def against_fleet(others: Mapping[str, Signature], camera: Signature) -> FleetVerdict | None:
    """Compares a camera with others, by id; None when there are fewer than four, or features of another width."""
    alike = {name: other for name, other in others.items() if len(other.mean) == len(camera.mean)}
    if len(alike) < LEAST_CAMERAS:
        return None
    whitened = _whitened([*alike.values(), camera])
    means = np.stack([each.mean(0) for each in whitened])
    mean_p = _one_more(np.array([_distance(means, i) for i in range(len(means))]))
    discrepancy_p = _one_more(each_against_rest(_thinned(whitened)))
    pool = np.concatenate(_thinned(whitened[:-1]))
    apart = np.square(means[:-1] - means[-1]).sum(1)
    return FleetVerdict(
        cameras=len(alike),
        mean_p=mean_p,
        discrepancy_p=discrepancy_p,
        evidence=(e_value(mean_p) + e_value(discrepancy_p)) / 2,
        auc=max(0.5, separation(pool, whitened[-1]).auc),
        nearest=list(alike)[int(apart.argmin())],
    )


def _whitened(cameras: Sequence[Signature]) -> list[F64]:
    """Frames of each camera in units of how frames of one camera spread.

    What differs between cameras is not in these units, or the one that is most unlike would shrink its own distance.
    """
    spread = np.mean([np.atleast_2d(np.cov(each.frames.T)) for each in cameras], axis=0)
    middle = np.mean([each.mean for each in cameras], axis=0)
    white = whitening_of(middle, spread, min(_DIMS, len(spread)))
    return [(each.frames - middle) @ white.axes.astype(np.float64) for each in cameras]


def _distance(means: F64, i: int) -> float:
    """Of a camera's mean from the mean of the others."""
    return float(np.square(means[i] - np.delete(means, i, 0).mean(0)).sum())


def _thinned(cameras: Sequence[F64]) -> list[F64]:
    """About a thousand frames in all, eight of each camera at least."""
    most = max(_LEAST_FRAMES, _POOL // len(cameras))
    return [each[:: -(-len(each) // most)] for each in cameras]


def _one_more(scores: F64) -> float:
    """P-value of the last score, if it is one more of the others: upper tail."""
    logs = np.log(np.maximum(scores, 1e-4))
    others, n = logs[:-1], len(logs) - 1
    spread = max(float(others.std(ddof=1)), _FLOOR)
    return float(t_law.sf((logs[-1] - others.mean()) / (spread * np.sqrt(1 + 1 / n)), n - 1))
