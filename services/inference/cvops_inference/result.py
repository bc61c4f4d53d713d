"""What a model says of one image."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvops_bundles.detections import Detections


@dataclass(frozen=True, slots=True)
class Timing:
    """Where the time of one image went, in seconds, and with how many it shared its batch."""

    queue_s: float
    decode_s: float
    infer_s: float
    post_s: float
    batch_size: int


@dataclass(frozen=True, slots=True)
class Result:
    """The answer of a model.

    Attributes:
        detections: of a detector, else None.
        probabilities: of a classifier, float32 (C,), else None.
        embedding: float32 (D,), or None when the bundle gives none.
        outlier_score: mean squared reconstruction error, or None when the bundle has no autoencoder.
        timing: where the time went.
    """

    detections: Detections | None
    probabilities: NDArray[np.float32] | None
    embedding: NDArray[np.float32] | None
    outlier_score: float | None
    timing: Timing
