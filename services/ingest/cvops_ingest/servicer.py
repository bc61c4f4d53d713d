"""gRPC `Ingest`: a stream of frames in, a stream of answers out."""

import asyncio
import re
from collections.abc import AsyncIterator
from time import time_ns
from typing import Any

from cvops_common.access import Principal, allow_camera, principal
from cvops_common.errors import BadArgument, Rejected
from cvops_ingest.service import Ingest
from cvops_ingest.upload import Outcome, Receipt, Upload, refusal
from cvops_protos.v1.ingest_pb2 import PushFramesRequest, PushFramesResponse
from cvops_protos.v1.ingest_pb2_grpc import IngestServicer

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_STATUS = {
    Outcome.STORED: PushFramesResponse.STATUS_STORED,
    Outcome.DUPLICATE: PushFramesResponse.STATUS_DUPLICATE,
    Outcome.REJECTED: PushFramesResponse.STATUS_REJECTED,
    Outcome.CLOSED: PushFramesResponse.STATUS_CLOSED,
}


class FramesServicer(IngestServicer):
    """Adapts `Ingest` to gRPC."""

    def __init__(self, ingest: Ingest, *, window: int) -> None:
        self._ingest = ingest
        self._window = window

    async def PushFrames(
        self,
        request_iterator: AsyncIterator[PushFramesRequest],
        context: Any,
    ) -> AsyncIterator[PushFramesResponse]:
        """One answer per frame; ends when the caller has ended and every frame is answered."""
        call = _Call(self._ingest, principal(), self._window)
        reading = asyncio.create_task(call.read(request_iterator))
        try:
            async for response in call.answers():
                yield response
        finally:
            reading.cancel()


class _Call:
    """One call: reads ahead up to a window while earlier frames are on their way."""

    def __init__(self, ingest: Ingest, caller: Principal, window: int) -> None:
        self._ingest = ingest
        self._caller = caller
        self._camera_id: str | None = None
        self._room = asyncio.Semaphore(window)
        self._answers: asyncio.Queue[Receipt | Exception | None] = asyncio.Queue()  # bounded by the window
        self._open = 0
        self._ended = False

    async def read(self, requests: AsyncIterator[PushFramesRequest]) -> None:
        """Hands in frames as they come, while fewer than the window wait for their answer."""
        try:
            async for request in requests:
                await self._room.acquire()
                self._open += 1
                upload = _upload(request)
                try:
                    self._admit(upload.camera_id)
                except Rejected as error:
                    self._answer(refusal(upload, error))
                else:
                    await self._ingest.submit(upload, self._answer)
        except Exception as error:
            self._answers.put_nowait(error)
        self._ended = True
        self._answers.put_nowait(None)

    async def answers(self) -> AsyncIterator[PushFramesResponse]:
        """Answers as they come."""
        while not (self._ended and self._open == 0):
            answer = await self._answers.get()
            if isinstance(answer, Exception):
                raise answer
            if answer is not None:
                self._open -= 1
                self._room.release()
                yield _response(answer)

    def _answer(self, answer: Receipt | Exception) -> None:
        self._answers.put_nowait(answer)

    def _admit(self, camera_id: str) -> None:
        allow_camera(self._caller, camera_id)
        if self._camera_id is None:
            self._camera_id = camera_id
        elif camera_id != self._camera_id:
            raise BadArgument(
                f"frame is of camera {camera_id[:80]!r}, this call is for {self._camera_id!r}: push each camera in "
                "a call of its own",
                reason="wrong_camera",
            )


def traced(traceparent: str) -> str:
    """`traceparent` when it is a W3C trace context, else empty: a trace then begins here."""
    return traceparent if _TRACEPARENT.fullmatch(traceparent) else ""


def _upload(request: PushFramesRequest) -> Upload:
    captured_at = request.captured_at
    return Upload(
        camera_id=request.camera_id,
        captured_at_ns=captured_at.seconds * 1_000_000_000 + captured_at.nanos,
        received_at_ns=time_ns(),
        image=request.image,
        stream=request.stream,
        sequence=request.sequence,
        sampled_out=request.sampled_out,
        traceparent=traced(request.traceparent),
        config_revision=request.config_revision,
        closing=request.closing,
    )


def _response(receipt: Receipt) -> PushFramesResponse:
    return PushFramesResponse(
        stream=receipt.stream,
        sequence=receipt.sequence,
        status=_STATUS[receipt.outcome],
        frame_id=receipt.frame_id,
        reason=receipt.reason,
        message=receipt.message,
    )
