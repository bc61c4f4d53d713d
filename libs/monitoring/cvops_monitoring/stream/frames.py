"""What is known of frames and what a model said of them, as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np

from cvops_monitoring.arrays import F32, F64, I64

INPUTS: Final = (
    "width",
    "height",
    "ratio",
    "area",
    "brightness",
    "brightness_spread",
    "contrast",
    "saturation",
    "sharpness",
    "entropy",
    "cast_a",
    "cast_b",
    "inference_time",
)
"""Columns of `Frames.inputs`: px, px, width/height, px^2, 0..255, 0..255, 0..1, 0..255, 0..1, bits, dE, dE, s."""


@dataclass(frozen=True, slots=True)
class Frames:
    """N frames in order of capture.

    Attributes:
        time_s: captured, UTC seconds, float64 (N,).
        embedding: float32 (N, D); D is 0 when the model gives none.
        novelty: outlier score of the autoencoder, float64 (N,); NaN: none.
        inputs: float64 (N, len(INPUTS)); NaN: not known.
        counts: detections of each class, or 1 for the predicted class: int64 (N, classes).
        confidence: mean score of the detections, or of the predicted class, float64 (N,); NaN: nothing detected.
        ids: frame ids.
    """

    time_s: F64
    embedding: F32
    novelty: F64
    inputs: F64
    counts: I64
    confidence: F64
    ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.time_s)

    def __getitem__(self, chosen: slice) -> "Frames":
        return Frames(
            self.time_s[chosen],
            self.embedding[chosen],
            self.novelty[chosen],
            self.inputs[chosen],
            self.counts[chosen],
            self.confidence[chosen],
            self.ids[chosen],
        )

    def take(self, chosen: Sequence[int]) -> "Frames":
        """The frames at some positions."""
        kept = {f.name: getattr(self, f.name)[list(chosen)] for f in fields(self) if f.name != "ids"}
        return replace(self, ids=tuple(self.ids[i] for i in chosen), **kept)


def concatenate(parts: Sequence[Frames]) -> Frames:
    """All frames of all parts, in order; classes that a part does not know count 0 there. At least one part."""
    if len(parts) == 1:
        return parts[0]
    classes = max(part.counts.shape[1] for part in parts)
    counts = [with_classes(part, classes).counts for part in parts]
    return Frames(
        time_s=np.concatenate([part.time_s for part in parts]),
        embedding=np.concatenate([part.embedding for part in parts]),
        novelty=np.concatenate([part.novelty for part in parts]),
        inputs=np.concatenate([part.inputs for part in parts]),
        counts=np.concatenate(counts),
        confidence=np.concatenate([part.confidence for part in parts]),
        ids=tuple(frame_id for part in parts for frame_id in part.ids),
    )


def with_classes(frames: Frames, classes: int) -> Frames:
    """The frames with exactly `classes` columns of counts: more are cut, missing ones are 0."""
    found = frames.counts.shape[1]
    if found == classes:
        return frames
    counts = np.zeros((len(frames), classes), np.int64)
    counts[:, :found] = frames.counts[:, :classes]
    return replace(frames, counts=counts)


def compact(frames: Frames) -> Frames:
    """The same with embeddings in half precision, as they travel in events: half the space, and nothing is lost."""
    return replace(frames, embedding=frames.embedding.astype(np.float16))


def loose(frames: Frames) -> Frames:
    """What `compact` was given."""
    return replace(frames, embedding=frames.embedding.astype(np.float32))
