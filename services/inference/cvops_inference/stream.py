"""The stream: frames in, predictions out, in order."""

import asyncio
import time
from collections.abc import Sequence
from typing import cast

from cvops_common.errors import BadRecord
from cvops_common.objects import Objects
from cvops_common.records import Outgoing, Record
from cvops_common.telemetry import logger, span
from cvops_inference.assignment import Serving
from cvops_inference.engine import Engine
from cvops_inference.image import Encoded
from cvops_inference.metrics import NOT_PREDICTED, PREDICTIONS
from cvops_inference.models import Models
from cvops_inference.prediction_event import event_of_frame
from cvops_inference.result import Result
from cvops_inference.segment_reader import read_images
from cvops_protos.v1.frame_pb2 import Frame
from cvops_protos.v1.image_pb2 import (
    IMAGE_ENCODING_JPEG,
    IMAGE_ENCODING_PNG,
    IMAGE_ENCODING_WEBP,
    ImageEncoding,
)
from cvops_vision.probe import Encoding, ImageInfo

log = logger(__name__)

_ENCODINGS: dict[ImageEncoding.ValueType, Encoding] = {
    IMAGE_ENCODING_JPEG: "jpeg",
    IMAGE_ENCODING_PNG: "png",
    IMAGE_ENCODING_WEBP: "webp",
}


class Stream:
    """Predicts for every frame of the stream that a release selects."""

    def __init__(self, models: Models, engine: Engine, objects: Objects, max_age_s: float) -> None:
        """`max_age_s`: older frames are dropped and counted; 0: none is."""
        self._models = models
        self._engine = engine
        self._objects = objects
        self._max_age_s = max_age_s

    async def predict(self, records: Sequence[Record[Frame]]) -> list[Outgoing]:
        """One prediction per frame and release that selects its camera, in the order of the frames.

        Raises:
            BadRecord, BadImage, NotFound: of one of the frames: it cannot be predicted, ever.
            Unavailable: the object store does not answer.
        """
        began_ns = time.time_ns()
        await self._models.until_known({record.key for record in records})
        await self._models.until_served(_cameras(records))
        wanted = self._wanted(records, began_ns)
        if not wanted:
            return []
        frames = [frame for _, frame, _ in wanted]
        images = await read_images(self._objects, [frame.where for frame in frames])
        pending: list[asyncio.Future[Result]] = []
        for (_, frame, serving), data in zip(wanted, images, strict=True):
            image = Encoded(data, _info(frame))
            for release in serving:
                pending += self._engine.submit(release.model, [image], refusable=False)
        results = iter(await _all(pending))
        finished_ns = time.time_ns()
        return [
            _outgoing(record, frame, release, next(results), began_ns, finished_ns)
            for record, frame, serving in wanted
            for release in serving
        ]

    def _wanted(
        self, records: Sequence[Record[Frame]], now_ns: int
    ) -> list[tuple[Record[Frame], Frame, tuple[Serving, ...]]]:
        wanted = []
        for record in records:
            frame = record.message
            if frame is None:
                raise BadRecord(f"{record.topic}-{record.partition}@{record.offset} is a tombstone, expected a frame")
            serving = self._models.serving(frame.camera_id, frame.project)
            if not serving:
                NOT_PREDICTED.labels("no_model").inc()
            elif 0 < self._max_age_s < (now_ns - frame.captured_at.ToNanoseconds()) / 1e9:
                NOT_PREDICTED.labels("late").inc()
                log.info("frame is too late", camera=frame.camera_id, frame=frame.frame_id)
            else:
                wanted.append((record, frame, serving))
        return wanted


def _cameras(records: Sequence[Record[Frame]]) -> set[tuple[str, str]]:
    return {(frame.camera_id, frame.project) for record in records if (frame := record.message) is not None}


async def _all(pending: Sequence["asyncio.Future[Result]"]) -> list[Result]:
    """All results; the first error only after every image of the batch is settled."""
    outcomes = await asyncio.gather(*pending, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return cast(list[Result], outcomes)


def _info(frame: Frame) -> ImageInfo:
    encoding = _ENCODINGS.get(frame.encoding)
    if encoding is None or not frame.width or not frame.height:
        raise BadRecord(
            f"frame {frame.frame_id} of {frame.camera_id} has encoding {frame.encoding} and size "
            f"{frame.width}x{frame.height}, expected JPEG, PNG or WebP with a size: check what published it"
        )
    return ImageInfo(encoding, frame.width, frame.height, frame.orientation or 1)


def _outgoing(
    record: Record[Frame], frame: Frame, serving: Serving, result: Result, began_ns: int, finished_ns: int
) -> Outgoing:
    model = serving.release.model
    with span("inference.predict", record.traceparent, began_ns, camera=frame.camera_id, model=model.name) as step:
        event = event_of_frame(frame, serving, result, finished_ns)
    PREDICTIONS.labels(model.name, model.version, serving.role_name, "stream").inc()
    return Outgoing(event, frame.camera_id, step.traceparent, record.correlation_id)
