"""Predictions that apps asked for: stored and published behind the answer."""

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from cvops_common.bus import Bus
from cvops_common.errors import Unavailable
from cvops_common.ids import frame_id
from cvops_common.objects import Objects
from cvops_common.telemetry import logger, new_traceparent
from cvops_inference.assignment import Serving
from cvops_inference.image import Encoded, Image
from cvops_inference.metrics import UNPUBLISHED
from cvops_inference.prediction_event import fill_event
from cvops_inference.result import Result
from cvops_protos.v1.image_pb2 import ObjectRange
from cvops_protos.v1.prediction_pb2 import Prediction
from cvops_vision.statistics_message import statistics_message

log = logger(__name__)

RPC_CAMERA = "rpc"
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Call:
    """One image of a call and what was answered."""

    image: Image
    serving: Serving
    result: Result
    camera_id: str
    received_ns: int
    traceparent: str


class AppCalls:
    """A bounded queue of answers to publish; what does not fit is counted, because an app must not wait for Kafka."""

    def __init__(self, bus: Bus, objects: Objects, *, limit: int, store_share: float, rng: random.Random) -> None:
        """Starts nothing yet.

        Args:
            bus: publishes.
            objects: keeps images.
            limit: answers that may wait.
            store_share: share of the images that are kept, 0..1.
            rng: chooses them.
        """
        self._bus = bus
        self._objects = objects
        self._store_share = store_share
        self._rng = rng
        self._queue: asyncio.Queue[Call] = asyncio.Queue(limit)
        self._counter = 0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._publish_all())
        return self

    async def __aexit__(self, *_: object) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._queue.join(), 5)
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def add(self, calls: Sequence[Call]) -> None:
        """Takes answers over; returns at once."""
        for call in calls:
            try:
                self._queue.put_nowait(call)
            except asyncio.QueueFull:
                UNPUBLISHED.labels("queue_full").inc()
                log.warning("answer not published, the queue is full", model=call.serving.release.model.name)

    async def _publish_all(self) -> None:
        while True:
            call = await self._queue.get()
            try:
                await self._publish(call)
            except Unavailable as error:
                UNPUBLISHED.labels(error.reason).inc()
                log.warning("answer not published", error=str(error), model=call.serving.release.model.name)
            except Exception:
                UNPUBLISHED.labels("error").inc()
                log.exception("answer not published")
            finally:
                self._queue.task_done()

    async def _publish(self, call: Call) -> None:
        event = self._event(call)
        event.stats.CopyFrom(statistics_message(await asyncio.to_thread(call.image.stats)))
        keep = self._rng.random() < self._store_share
        for attempt in range(1, _TRIES + 1):
            try:
                if keep and not event.HasField("where"):
                    event.where.CopyFrom(await self._store(call.image, event.frame_id))
                await self._bus.publish(event, key=call.camera_id, traceparent=call.traceparent or new_traceparent())
                break
            except Unavailable:
                if attempt == _TRIES:
                    raise
                await asyncio.sleep(0.2 * 2**attempt)

    def _event(self, call: Call) -> Prediction:
        self._counter += 1
        width, height = call.image.size_wh
        event = Prediction(
            frame_id=frame_id(call.camera_id, call.received_ns, self._counter),
            camera_id=call.camera_id,
            project=call.serving.release.project,
            width=width,
            height=height,
            source=Prediction.SOURCE_RPC,
            orientation=call.image.info.orientation if isinstance(call.image, Encoded) else 1,
        )
        event.captured_at.FromNanoseconds(call.received_ns)
        fill_event(event, call.serving, call.result, (time.time_ns() - call.received_ns) / 1e9)
        return event

    async def _store(self, image: Image, id_: str) -> ObjectRange:
        data = image.data if isinstance(image, Encoded) else await asyncio.to_thread(image.png)
        uri = f"rpc/{datetime.now(UTC):%Y/%m/%d}/{id_}"
        await self._objects.put(uri, data)
        return ObjectRange(uri=uri, offset=0, length=len(data))
