"""Estimated precision of a detector, or accuracy of a classifier, from its own confidence (CBPE and ATC).

A calibrated score is the chance to be right, so its mean estimates how many predictions are right. The loss is the
difference between the reference and now (NannyML's CBPE; Guillory et al. 2021 for differences). The second estimate is
the share above the confidence that as many exceeded in the reference as were right there (ATC). Where the two part, the
band holds both. Both believe the model: under strong drift it is confidently wrong, so then the trust is "low".
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from cvops_monitoring.arrays import FloatArray
from cvops_monitoring.harm.atc import atc_accuracy, atc_threshold

_NORMAL_95 = 1.96


@dataclass(frozen=True, slots=True)
class Harm:
    """What a change is believed to cost.

    Attributes:
        before: estimated share of right predictions in the reference, 0..1.
        now: likewise, now.
        loss: before - now.
        low: least loss of its 95 % band, which is as wide as the estimate by a threshold asks for.
        high: greatest loss of the band.
        trust: "low" under strong drift of the data, or when the scores were never calibrated.
    """

    before: float
    now: float
    loss: float
    low: float
    high: float
    trust: Literal["high", "low"]


def tempered(scores: FloatArray, temperature: float) -> FloatArray:
    """Scores 0..1 with their logits divided by `temperature`; 1 leaves them as they are."""
    clipped = np.clip(np.asarray(scores, np.float64), 1e-6, 1 - 1e-6)
    return np.asarray(1 / (1 + ((1 - clipped) / clipped) ** (1 / temperature)))


def estimated_harm(
    reference: FloatArray,
    now: FloatArray,
    *,
    trusted: bool,
    correlation_time: float = 1.0,
    temperature: float = 1.0,
) -> Harm | None:
    """The estimate by the confidences of frames (N,) of the reference and (n,) of now; None: one of them has none.

    Args:
        reference: mean confidence of each frame, 0..1; NaN: nothing detected.
        now: likewise.
        trusted: whether scores are calibrated, and the data have not changed so much that they count little.
        correlation_time: frames that are worth one independent frame.
        temperature: that calibrates the scores.
    """
    before, after = (tempered(part[np.isfinite(part)], temperature) for part in (reference, now))
    if not len(before) or not len(after):
        return None
    loss = float(before.mean() - after.mean())
    variance = before.var() * correlation_time / len(before) + after.var() * correlation_time / len(after)
    margin = _NORMAL_95 * float(np.sqrt(variance))
    right = float(before.mean())
    by_threshold = right - atc_accuracy(after, atc_threshold(before, right))
    low, high = min(loss - margin, by_threshold), max(loss + margin, by_threshold)
    return Harm(right, float(after.mean()), loss, low, high, "high" if trusted else "low")
