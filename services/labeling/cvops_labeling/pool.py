"""Candidates for a label as columns, and what lies near to what."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_BITS = 64


@dataclass(frozen=True, slots=True)
class Candidate:
    """A frame that could be labelled.

    Attributes:
        frame_id: which.
        camera_id: that took it.
        at_s: when, Unix seconds.
        boxes: that a model predicted.
        uncertainty: of the model, 0 or more.
        dhash: difference hash of the picture, 64 bits.
        outlier: reconstruction error; None: not known.
        sketch: of the embedding, float32 (32,); None: not known.
        model: whose embedding it is; sketches of two models cannot be compared.
    """

    frame_id: str
    camera_id: str
    at_s: float
    boxes: int
    uncertainty: float
    dhash: int
    outlier: float | None = None
    sketch: NDArray[np.float32] | None = None
    model: str = ""


class Pool:
    """N candidates as columns.

    Attributes:
        ids, cameras: N words.
        camera_names: each camera once, sorted.
        at_s, uncertainty: float64 (N,).
        boxes: int64 (N,).
    """

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self.ids = [each.frame_id for each in candidates]
        self.cameras = [each.camera_id for each in candidates]
        self.camera_names = sorted(set(self.cameras))
        self.at_s = np.array([each.at_s for each in candidates])
        self.boxes = np.array([each.boxes for each in candidates], np.int64)
        self.uncertainty = np.array([each.uncertainty for each in candidates])
        self._camera = np.array(self.cameras, dtype=object)
        self._hash = np.array([each.dhash & (2**64 - 1) for each in candidates], np.uint64)
        self._outlier = np.array([np.nan if each.outlier is None else each.outlier for each in candidates])
        self._features = _features(candidates, self._hash)

    def is_camera(self, camera_id: str) -> Bools:
        """Which frames are of a camera, (N,)."""
        mine: Bools = self._camera == camera_id
        return mine

    def times_by_camera(self) -> dict[str, Floats]:
        """Capture times of each camera."""
        return {camera: self.at_s[self.is_camera(camera)] for camera in self.camera_names}

    def differing_bits(self, i: int, others: Sequence[int]) -> NDArray[np.uint8]:
        """Bits in which the hash of frame `i` differs from those of others."""
        bits: NDArray[np.uint8] = np.bitwise_count(self._hash[np.asarray(others)] ^ self._hash[i])
        return bits

    def distances(self, i: int) -> Floats:
        """Of every frame to frame `i`, (N,); 1 is a typical distance."""
        difference = self._features - self._features[i]
        distances: Floats = np.sqrt(np.einsum("nd,nd->n", difference, difference))
        return distances

    def likeness(self, these: Bools) -> Floats:
        """1 / (1 + distance) to the nearest of `these` (N,), so 1 for them; 0 everywhere when there are none."""
        like = np.zeros(len(self.ids))
        for i in np.flatnonzero(these):
            like = np.maximum(like, 1 / (1 + self.distances(int(i))))
        return like

    def novelty(self, among: Bools) -> Floats:
        """How far a frame lies from the middle of its camera's frames `among` the (N,) given, in robust deviations.

        By the outlier score, on both sides: an autoencoder calls blur too normal. Where there is none, by the distance
        from the camera's mean picture.
        """
        novelty = np.zeros(len(self.ids))
        for camera in self.camera_names:
            mine = np.flatnonzero(self.is_camera(camera) & among)
            if mine.size < 4:
                continue
            values = self._outlier[mine]
            if np.isnan(values).any():
                middle = self._features[mine].mean(axis=0)
                values = np.sqrt(np.square(self._features[mine] - middle).sum(axis=1))
            deviation = np.abs(values - np.median(values))
            novelty[mine] = deviation / max(float(np.median(deviation)), 1e-9)
        return novelty


def _features(candidates: Sequence[Candidate], hashes: NDArray[np.uint64]) -> Floats:
    """(N, D), scaled so that a typical distance is 1: sketches where all have one of the same model, else bits."""
    sketches = [each.sketch for each in candidates]
    if all(each is not None for each in sketches) and len({each.model for each in candidates}) == 1:
        features = np.stack([each for each in sketches if each is not None]).astype(np.float64)
    else:
        features = ((hashes[:, None] >> np.arange(_BITS, dtype=np.uint64)) & np.uint64(1)).astype(np.float64)
    spread = float(np.sqrt(2 * features.var(axis=0).sum()))
    return features / spread if spread > 0 else features
