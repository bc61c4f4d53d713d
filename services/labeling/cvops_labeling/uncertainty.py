"""How unsure a model was of an image."""

import numpy as np
from numpy.typing import NDArray


def of_boxes(scores: NDArray[np.float32]) -> float:
    """Sum over boxes of 1 - |2 s - 1|: 1 for a score of one half, 0 for 0 and 1.

    Args:
        scores: of the boxes, float32 (N,), 0..1.

    Example:
        >>> of_boxes(np.array([0.5, 0.75, 1.0], np.float32))
        1.5
    """
    return float((1 - np.abs(2 * np.asarray(scores, np.float64) - 1)).sum())


def of_classes(probabilities: NDArray[np.float32]) -> float:
    """1 - (greatest - second greatest probability): 1 when two classes are as likely.

    Args:
        probabilities: float32 (C,), summing to 1.
    """
    if probabilities.size < 2:
        return 0.0
    second, first = np.sort(np.asarray(probabilities, np.float64))[-2:]
    return float(1 - (first - second))
