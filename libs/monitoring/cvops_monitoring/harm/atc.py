"""Average thresholded confidence: the share of frames whose confidence exceeds what as many exceeded as were right.

Garg et al. 2022 (ATC-MC). It finds losses that come with lower confidence; like every such estimate it assumes that the
relation between confidence and truth has kept.
"""

import numpy as np

from cvops_monitoring.arrays import FloatArray


def atc_threshold(confidence: FloatArray, accuracy: float) -> float:
    """The confidence that a share `accuracy` of predictions (N,) exceeds: as many as are right, 0..1."""
    return float(np.quantile(confidence, 1 - accuracy))


def atc_accuracy(confidence: FloatArray, threshold: float) -> float:
    """Estimated share of right predictions among unlabelled ones (n,), 0..1."""
    return float((np.asarray(confidence) > threshold).mean())
