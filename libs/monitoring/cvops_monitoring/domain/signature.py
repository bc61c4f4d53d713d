"""What a camera looks like, small enough to be shared with everybody who watches other cameras."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cvops_monitoring.arrays import F32, FloatArray
from cvops_monitoring.plain import from_plain, to_plain
from cvops_monitoring.stream.frames import INPUTS, Frames

FRAMES = 64
"""Frames of a signature at most, evenly over the reference."""
_LOOKS = ("brightness", "brightness_spread", "contrast", "saturation", "sharpness", "entropy", "cast_a", "cast_b")
NAMED = (*_LOOKS, "ratio", "objects per frame", "confidence")
"""What people are told of when it is unlike."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A camera in one light, as one model sees it.

    Attributes:
        frames: features of some frames in time order, float32 (n, D): embeddings, or, of a model that gives none, the
            statistics of the picture.
        mean: of all frames of the reference, float32 (D,).
        named: means of what people can read, by name; what is not known is absent.
    """

    frames: F32
    mean: F32
    named: Mapping[str, float]


def signature_of(sample: Frames) -> Signature:
    """The signature of a reference's frames, in time order; eight of them at least."""
    features = sample.embedding if sample.embedding.shape[1] else _looks(sample)
    chosen = np.unique(np.linspace(0, len(features) - 1, min(FRAMES, len(features))).round().astype(np.int64))
    values: dict[str, FloatArray] = {name: sample.inputs[:, INPUTS.index(name)] for name in (*_LOOKS, "ratio")}
    values["confidence"] = sample.confidence
    if sample.counts.shape[1]:
        values["objects per frame"] = sample.counts.sum(1).astype(np.float64)
    known = {name: each[np.isfinite(each)] for name, each in values.items()}
    named = {name: float(each.mean()) for name, each in known.items() if len(each)}
    # Rounded as it is stored, so that one's own and another's are alike.
    shared = np.clip(features[chosen], -60_000, 60_000).astype(np.float16).astype(np.float32)
    return Signature(shared, features.mean(0, dtype=np.float64).astype(np.float32), named)


def signature_to_plain(signature: Signature) -> Any:
    """For a store, in half precision, in which it was made."""
    return to_plain(replace(signature, frames=signature.frames.astype(np.float16)))


def signature_from_plain(value: Any) -> Signature:
    """The signature that `signature_to_plain` was given."""
    signature: Signature = from_plain(value, Signature)
    return replace(signature, frames=signature.frames.astype(np.float32))


def _looks(sample: Frames) -> F32:
    columns = sample.inputs[:, [INPUTS.index(name) for name in _LOOKS]]
    return np.asarray(np.nan_to_num(columns), np.float32)
