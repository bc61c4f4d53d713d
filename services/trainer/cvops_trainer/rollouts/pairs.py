"""Joins what candidate and champion said of the same frame, and the label that may come later. In memory, bounded."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cvops_common.labelled_boxes import boxes_of
from cvops_protos.v1.labeling_pb2 import Label
from cvops_protos.v1.prediction_pb2 import Prediction
from cvops_vision import matching

_FRAMES = 3000
_LABELS = 1000
_FINDS_FROM = 0.1
_COUNTS_FROM = 0.3
_LATE_NS = 10_000_000_000
_LOADING_NS = 30_000_000_000
"""A candidate that has not answered at all may still be on its way to the servers."""


@dataclass(frozen=True, eq=False)
class Said:
    """What one model said of a frame: boxes (N, 4) px, scores (N,), class names, its time for the image in s."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_names: tuple[str, ...]
    infer_s: float

    @property
    def finds(self) -> float:
        """Expected objects: the sum of scores above .1."""
        return float(self.scores[self.scores > _FINDS_FROM].sum())


@dataclass(slots=True)
class _Frame:
    captured_ns: int
    said: dict[str, Said] = field(default_factory=dict)
    compared: bool = False
    labelled: bool = False


@dataclass(frozen=True, eq=False)
class Pair:
    """Both models on one frame; F1 only when its label is known."""

    candidate: Said
    champion: Said
    f1: tuple[float, float] | None


class Pairs:
    """Frames of one rollout."""

    def __init__(self, candidate: str, champion: str, classes: Sequence[str]) -> None:
        """`candidate` and `champion` are hashes of bundles; `classes` names by id."""
        self._candidate, self._champion = candidate, champion
        self._classes = tuple(classes)
        self._frames: OrderedDict[str, _Frame] = OrderedDict()
        self._labels: OrderedDict[str, Label] = OrderedDict()
        self._newest_ns = 0

    def on_prediction(self, prediction: Prediction) -> list[Pair]:
        """One prediction; the pairs that it completes."""
        sha256 = prediction.model.bundle_sha256
        if sha256 not in (self._candidate, self._champion):
            return []
        captured_ns = prediction.captured_at.ToNanoseconds()
        self._newest_ns = max(self._newest_ns, captured_ns)
        frame = self._frames.setdefault(prediction.frame_id, _Frame(captured_ns))
        frame.said.setdefault(sha256, self._said(prediction))
        while len(self._frames) > _FRAMES:
            self._frames.popitem(last=False)
        return self._complete(prediction.frame_id, frame)

    def on_label(self, label: Label) -> list[Pair]:
        """One label; the pair that it completes. Skipped ones tell nothing."""
        if label.status == Label.STATUS_SKIPPED:
            return []
        self._labels[label.frame_id] = label
        while len(self._labels) > _LABELS:
            self._labels.popitem(last=False)
        frame = self._frames.get(label.frame_id)
        return [] if frame is None else self._complete(label.frame_id, frame)

    def unanswered(self, since_ns: int) -> int:
        """Frames captured since then that the champion answered, and the candidate not within ten seconds.

        They count from the candidate's first answer on; when there is none, after thirty seconds.
        """
        frames = [frame for frame in self._frames.values() if frame.captured_ns >= since_ns]
        first_ns = min((frame.captured_ns for frame in frames if self._candidate in frame.said), default=None)
        until_ns = self._newest_ns - (_LOADING_NS if first_ns is None else _LATE_NS)
        return sum(
            self._champion in frame.said and self._candidate not in frame.said
            for frame in frames
            if (first_ns or since_ns) <= frame.captured_ns < until_ns
        )

    def _complete(self, frame_id: str, frame: _Frame) -> list[Pair]:
        if not {self._candidate, self._champion} <= frame.said.keys():
            return []
        label = self._labels.get(frame_id)
        candidate, champion = frame.said[self._candidate], frame.said[self._champion]
        pairs = []
        if not frame.compared:
            frame.compared = True
            pairs.append(Pair(candidate, champion, None))
        if label is not None and not frame.labelled:
            frame.labelled = True
            pairs.append(Pair(candidate, champion, (self._f1(candidate, label), self._f1(champion, label))))
        return pairs

    def _said(self, prediction: Prediction) -> Said:
        detections = prediction.detections
        ids = np.frombuffer(detections.class_id, "<u2")
        names = tuple(self._classes[i] if i < len(self._classes) else "" for i in ids)
        return Said(
            np.frombuffer(detections.xyxy, "<f4").reshape(-1, 4).astype(np.float32),
            np.frombuffer(detections.score, "<f4").astype(np.float32),
            names,
            prediction.latencies.infer.ToNanoseconds() / 1e9 / max(prediction.latencies.batch_size, 1),
        )

    def _f1(self, said: Said, label: Label) -> float:
        ids = {name: number for number, name in enumerate(self._classes)}
        labelled = boxes_of(label.annotations)
        truth_ids = np.array([ids.get(name, -1) for name in labelled.class_names], np.int64)
        known = truth_ids >= 0
        truth = matching.Truth(labelled.xyxy[known], truth_ids[known], labelled.ignored_xyxy)
        found = np.array([ids.get(name, -1) for name in said.class_names], np.int64)
        return matching.f1(said.boxes, said.scores, found, truth, _COUNTS_FROM)
