"""A camera against what its model was trained on.

Training data are of many cameras, so any one camera fills a corner of them: a test whether its frames have the law of
the training data calls every camera a drift, those it was trained on too. Null here: the mean picture of the camera
lies where single pictures of the training data lie - it is one more draw of them. The spread of training pictures holds
that between cameras and that within them, so a camera is named when its average picture is as strange as a rare one in
training, not when some frame of it is.

Pictures of a training set are no independent draws either: they come from few cameras, and a bundle does not say how
many. Twenty pictures count as one draw, so the limit is wide (400 pictures: T2 in 4 directions with the F law of 20
draws) and directions in which those few cameras happen to agree are not looked at. Needs a mean, a covariance and a
count, which every bundle that was trained here has (`reference.npz`); an imported model has none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import chi2

from cvops_monitoring.arrays import F64, FloatArray
from cvops_monitoring.domain.e_values import e_value
from cvops_monitoring.domain.hotelling import Moments, one_more
from cvops_monitoring.errors import TooFewFrames
from cvops_monitoring.whitening import whitening_of

_PICTURES_A_DRAW = 20
_REGION = 0.99


@dataclass(frozen=True, slots=True)
class TrainingVerdict:
    """What the training data say of a camera.

    Attributes:
        distance: of its mean picture from the middle of training, in standard deviations of training pictures (root
            mean square over the directions that were looked at); about 1 for a picture of the training data.
        p_value: of T2.
        evidence: e-value.
        outside: share of its frames outside the region that holds 99 % of training pictures, were they normal.
    """

    distance: float
    p_value: float
    evidence: float
    outside: float


def training_moments(arrays: Mapping[str, Any] | None) -> Moments | None:
    """What a bundle says of its training data (`embedding_mean`, `_covariance`, `_count`); None: nothing of use."""
    if arrays is None or not {"embedding_mean", "embedding_covariance", "embedding_count"} <= arrays.keys():
        return None
    mean = np.asarray(arrays["embedding_mean"], np.float64)
    covariance = np.asarray(arrays["embedding_covariance"], np.float64)
    count = float(arrays["embedding_count"])
    fits = mean.ndim == 1 and covariance.shape == (len(mean), len(mean)) and len(mean) > 0
    finite = bool(np.isfinite(mean).all() and np.isfinite(covariance).all())
    return Moments(mean, covariance, count) if fits and finite else None


def against_training(training: Moments, frames: FloatArray, mean: FloatArray) -> TrainingVerdict | None:
    """Compares a camera with the training data; None when they are too few, or of another width.

    Args:
        training: of the embeddings, as `training_moments` gives them.
        frames: some embeddings of the camera, float (n, D).
        mean: of all its embeddings, float (D,).
    """
    if len(mean) != len(training.mean):
        return None
    try:
        tested = one_more(Moments(training.mean, training.covariance, training.count / _PICTURES_A_DRAW), mean)
    except TooFewFrames:
        return None
    distances = _distances(training, frames, tested.dims)
    return TrainingVerdict(
        distance=float(np.sqrt(tested.statistic / tested.dims)),
        p_value=tested.p_value,
        evidence=e_value(tested.p_value),
        outside=float((distances > chi2.ppf(_REGION, tested.dims)).mean()),
    )


def _distances(training: Moments, frames: FloatArray, dims: int) -> F64:
    axes = whitening_of(training.mean, training.covariance, dims).axes.astype(np.float64)
    return np.asarray(np.square((frames - training.mean) @ axes).sum(1))
