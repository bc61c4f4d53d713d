"""Estimated precision of a detector, or accuracy of a classifier, from its own confidence (CBPE).

A calibrated score is the chance to be right, so its mean estimates how many predictions are right. The loss is the
difference between the reference and now. It believes the model: under strong drift a model is confidently wrong, so
then the trust is "low" and the band tells only what chance alone can do (NannyML's CBPE; Guillory et al. 2021 for
differences).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from cvops_monitoring.arrays import FloatArray

_NORMAL_95 = 1.96


@dataclass(frozen=True, slots=True)
class Harm:
    """What a change is believed to cost.

    Attributes:
        before: estimated share of right predictions in the reference, 0..1.
        now: likewise, now.
        loss: before - now, with its 95 % band `low`..`high`.
        low: least loss of the band.
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
    trust: Literal["high", "low"] = "high" if trusted else "low"
    return Harm(float(before.mean()), float(after.mean()), loss, loss - margin, loss + margin, trust)
