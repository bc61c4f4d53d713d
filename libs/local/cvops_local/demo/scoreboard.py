"""The true accuracy, which only the simulator knows, beside what the platform believes without labels."""

import asyncio
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from cvops_common import events
from cvops_common.cli.reading import consumer, records
from cvops_common.records import headers_of
from cvops_protos.v1.prediction_pb2 import MODEL_ROLE_CHALLENGER, MODEL_ROLE_CHAMPION, Prediction
from cvops_sim.oracle import TruthFollower
from cvops_sim.predictions import Predicted
from cvops_sim.score import ALL, score
from cvops_sim.stills import with_classes
from cvops_sim.truth import FrameTruth

_WINDOW = 40
_COUNTING = (MODEL_ROLE_CHAMPION, MODEL_ROLE_CHALLENGER)
_FOUND = 0.1


@dataclass(frozen=True, slots=True)
class Standing:
    """How a group of cameras is doing over its last 40 frames each.

    Attributes:
        frames: that were scored.
        map50: true mAP50; nan: nothing to find.
        expected: expected finds a frame, the sum of scores, which needs no label.
        models: that answered, as "name:version".
    """

    frames: int
    map50: float
    expected: float
    models: tuple[str, ...]


@dataclass(slots=True)
class _Camera:
    truths: deque[FrameTruth] = field(default_factory=lambda: deque(maxlen=_WINDOW))
    said: deque[Predicted] = field(default_factory=lambda: deque(maxlen=_WINDOW))


class Scoreboard:
    """Follows the predictions that count, on a thread of its own; keeps the last 40 frames of each camera.

    Attributes:
        count: predictions so far.
    """

    def __init__(
        self, kafka: str, truth: Path, cameras: Sequence[str], classes: Sequence[str], renamed: Mapping[str, str]
    ) -> None:
        self.count = 0
        self._kafka = kafka
        self._truths = TruthFollower(truth)
        self._cameras = {camera: _Camera() for camera in cameras}
        self._classes = tuple(classes)
        self._renamed = dict(renamed)
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._read()), daemon=True)
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._loop is not None and self._task is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(10)

    def forget(self, cameras: Sequence[str]) -> None:
        """Begins the window of some cameras anew: what came before is another matter."""
        with self._lock:
            for camera in cameras:
                self._cameras[camera] = _Camera()

    def standing(self, cameras: Sequence[str]) -> Standing:
        """How a group of cameras is doing now."""
        with self._lock:
            for truth in self._truths.read():
                if truth.camera_id in self._cameras:
                    self._cameras[truth.camera_id].truths.append(with_classes(truth, self._renamed))
            truths = [truth for camera in cameras for truth in self._cameras[camera].truths]
            said = [each for camera in cameras for each in self._cameras[camera].said]
        if not truths or not said:
            return Standing(0, float("nan"), float("nan"), ())
        found = score(truths, said, classes=self._classes)[ALL]
        expected = float(np.mean([each.scores[each.scores > _FOUND].sum() for each in said]))
        return Standing(found.frames, found.ap50, expected, tuple(sorted({each.model for each in said})))

    async def _read(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        with suppress(asyncio.CancelledError):
            async with consumer(self._kafka, "predictions") as reader:
                async for raw in records(reader, from_beginning=True, until_end=False):
                    message = events.decode(raw.value or b"", headers_of(raw))
                    if isinstance(message, Prediction):
                        self._take(message)

    def _take(self, prediction: Prediction) -> None:
        if prediction.role not in _COUNTING or prediction.camera_id not in self._cameras:
            return
        detections = prediction.detections
        ids = np.frombuffer(detections.class_id, "<u2")
        said = Predicted(
            camera_id=prediction.camera_id,
            captured_at_ns=prediction.captured_at.ToNanoseconds(),
            size_wh=(prediction.width, prediction.height),
            xyxy=np.frombuffer(detections.xyxy, "<f4").reshape(-1, 4).astype(np.float32),
            scores=np.frombuffer(detections.score, "<f4").astype(np.float32),
            class_names=tuple(self._classes[index] if index < len(self._classes) else "" for index in ids),
            model=f"{prediction.model.name}:{prediction.model.version}",
        )
        with self._lock:
            self.count += 1
            self._cameras[prediction.camera_id].said.append(said)
