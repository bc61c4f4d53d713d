"""Temperature (Guo et al. 2017, arXiv:1706.04599): a score becomes the probability that its box is right."""

from collections.abc import Sequence

import numpy as np

from cvops_training.evaluation import correct
from cvops_training.examples import Example
from cvops_training.recipe import Found

_LEAST = 50
_RANGE = (0.2, 5.0)
_STEPS = 121


def fit_temperature(examples: Sequence[Example], found: Sequence[Found]) -> float:
    """The temperature with the least negative log-likelihood of right and wrong boxes.

    Args:
        examples: that the model was not trained on.
        found: its detections with temperature 1.

    Returns:
        0.2 to 5; 1 when fewer than 50 boxes can tell.
    """
    hits = [(one.scores, correct(example, one)) for example, one in zip(examples, found, strict=True)]
    scores = np.concatenate([scores for scores, _ in hits] or [np.zeros(0, np.float32)])
    right = np.concatenate([hit for _, hit in hits] or [np.zeros(0, np.int64)])
    scores, right = scores[right >= 0], right[right >= 0]
    if len(scores) < _LEAST or len(np.unique(right)) < 2:
        return 1.0
    clipped = np.clip(scores.astype(np.float64), 1e-6, 1 - 1e-6)
    logits = np.log(clipped / (1 - clipped))
    temperatures = np.geomspace(*_RANGE, _STEPS)
    scaled = logits / temperatures[:, None]
    loss = np.logaddexp(0, np.where(right == 1, -scaled, scaled)).mean(axis=1)
    return float(temperatures[int(loss.argmin())])
