"""Reads the predictions of some cameras from Kafka while they are made."""

import asyncio
import threading
from contextlib import suppress
from typing import Self

from cvops_common import events
from cvops_common.cli.reading import consumer, records
from cvops_common.records import headers_of
from cvops_protos.v1.prediction_pb2 import Prediction


class PredictionWatch:
    """Collects predictions on a thread of its own, from the moment it is entered.

    Attributes:
        by_camera: the predictions of each camera in the order of the topic.
    """

    def __init__(self, kafka: str, cameras: list[str]) -> None:
        self.by_camera: dict[str, list[Prediction]] = {camera: [] for camera in cameras}
        self._kafka = kafka
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

    @property
    def count(self) -> int:
        """Predictions so far."""
        return sum(map(len, self.by_camera.values()))

    async def _read(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        with suppress(asyncio.CancelledError):
            async with consumer(self._kafka, "predictions") as reader:
                async for raw in records(reader, from_beginning=True, until_end=False):
                    message = events.decode(raw.value or b"", headers_of(raw))
                    if isinstance(message, Prediction) and message.camera_id in self.by_camera:
                        self.by_camera[message.camera_id].append(message)
