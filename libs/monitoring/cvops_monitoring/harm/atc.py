"""Average thresholded confidence: the share of frames whose confidence exceeds what is right on labelled frames.

Garg et al. 2022 (ATC-MC). It finds losses that come with lower confidence; like every such estimate it assumes that the
relation between confidence and truth has kept.
"""

import numpy as np

from cvops_monitoring.arrays import BoolArray, FloatArray


def atc_threshold(confidence: FloatArray, correct: BoolArray) -> float:
    """The confidence that as many labelled predictions exceed as are right, by those (N,)."""
    return float(np.quantile(confidence, 1 - float(np.mean(correct))))


def atc_accuracy(confidence: FloatArray, threshold: float) -> float:
    """Estimated share of right predictions among unlabelled ones (n,), 0..1."""
    return float((np.asarray(confidence) > threshold).mean())
