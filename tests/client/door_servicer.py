"""The other side of the wire, written by hand: a gRPC server that takes frames and keeps cameras in memory.

It speaks the generated services over a real port, so that a test can make it slow, strict or absent when it likes.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc

from cvops_protos.v1 import ingest_pb2 as pb
from cvops_protos.v1 import ingest_pb2_grpc, trainer_pb2, trainer_pb2_grpc
from cvops_protos.v1.camera_pb2 import Camera, CameraConfig

Position = tuple[str, int]
Refusal = tuple[str, str]


def _already() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass(slots=True)
class Door:
    """What came in, and how it is answered. State outlives the server, as a disk would.

    Attributes:
        stored: requests by position, in order of their coming.
        closings: ends of streams, in order of their coming.
        duplicates: positions that came again after they had been stored.
        keys: the authorization of each call.
        refuse: gives (reason, message) for a frame that is refused.
        fail: ends every call with this status and sentence.
        answering: cleared: frames are stored, and their answers wait.
        reading: cleared: nothing is read from the wire.
        answers_left: the call is broken off after so many more answers; None: never.
        cameras: the registry.
        config: what WatchConfig gives; replaced by `wish`.
    """

    stored: dict[Position, pb.PushFramesRequest] = field(default_factory=dict)
    closings: list[pb.PushFramesRequest] = field(default_factory=list)
    duplicates: list[Position] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    refuse: Callable[[pb.PushFramesRequest], Refusal | None] = lambda _: None
    fail: tuple[grpc.StatusCode, str] | None = None
    answering: asyncio.Event = field(default_factory=_already)
    reading: asyncio.Event = field(default_factory=_already)
    answers_left: int | None = None
    cameras: dict[str, Camera] = field(default_factory=dict)
    config: CameraConfig = field(default_factory=CameraConfig)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    watching: int = 0
    port: int = 0
    server: Any = None

    @property
    def address(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self.port}"

    @property
    def images(self) -> list[bytes]:
        """Stored images, in order of their coming."""
        return [request.image for request in self.stored.values()]

    @property
    def sequences(self) -> list[int]:
        """Sequence numbers of what was stored, in order of their coming."""
        return [sequence for _, sequence in self.stored]

    async def open(self) -> None:
        """Serves on the port it had, or on a free one."""
        self.server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        ingest_pb2_grpc.add_IngestServicer_to_server(_Ingest(self), self.server)
        ingest_pb2_grpc.add_CamerasServicer_to_server(_Cameras(self), self.server)
        trainer_pb2_grpc.add_ModelsServicer_to_server(_Models(self), self.server)
        self.port = self.server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self.server.start()

    async def shut(self) -> None:
        """Breaks every call at once and closes the port."""
        await self.server.stop(0)

    def wish(self, **config: Any) -> None:
        """Changes the configuration that watchers get."""
        self.config = CameraConfig(revision=self.config.revision + 1, **config)
        self.changed.set()
        self.changed = asyncio.Event()


class _Ingest(ingest_pb2_grpc.IngestServicer):
    def __init__(self, door: Door) -> None:
        self._door = door

    async def PushFrames(self, requests: Any, context: Any) -> AsyncIterator[pb.PushFramesResponse]:
        door = self._door
        door.keys.append(dict(context.invocation_metadata()).get("authorization", ""))
        if door.fail is not None:
            await context.abort(*door.fail, trailing_metadata=(("cvops-reason", "told_by_the_door"),))
        await door.reading.wait()
        async for request in requests:
            response = self._answer(request)
            await door.answering.wait()
            if door.answers_left is not None:
                if door.answers_left == 0:
                    door.answers_left = None
                    await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too much at once")
                door.answers_left -= 1
            yield response
            await door.reading.wait()

    def _answer(self, request: pb.PushFramesRequest) -> pb.PushFramesResponse:
        door = self._door
        position = (request.stream, request.sequence)
        response = pb.PushFramesResponse(stream=request.stream, sequence=request.sequence)
        if refusal := door.refuse(request):
            response.status = pb.PushFramesResponse.STATUS_REJECTED
            response.reason, response.message = refusal
        elif request.closing:
            door.closings.append(request)
            response.status = pb.PushFramesResponse.STATUS_CLOSED
        elif position in door.stored:
            door.duplicates.append(position)
            response.status = pb.PushFramesResponse.STATUS_DUPLICATE
        else:
            door.stored[position] = request
            response.status = pb.PushFramesResponse.STATUS_STORED
        return response


class _Cameras(ingest_pb2_grpc.CamerasServicer):
    def __init__(self, door: Door) -> None:
        self._door = door

    async def AddCamera(self, request: pb.AddCameraRequest, context: Any) -> Camera:
        self._door.keys.append(dict(context.invocation_metadata()).get("authorization", ""))
        if self._door.fail is not None:
            await context.abort(*self._door.fail)
        if request.camera.camera_id in self._door.cameras:
            await context.abort(grpc.StatusCode.ALREADY_EXISTS, f"camera {request.camera.camera_id} is there already")
        self._door.cameras[request.camera.camera_id] = request.camera
        return request.camera

    async def GetCamera(self, request: pb.GetCameraRequest, context: Any) -> Camera:
        found = self._door.cameras.get(request.camera_id)
        if found is None:
            sentence = f"camera {request.camera_id} is not known: add it with `cvops camera add {request.camera_id}`"
            reason = (("cvops-reason", "unknown_camera"),)
            await context.abort(grpc.StatusCode.NOT_FOUND, sentence, trailing_metadata=reason)
        assert found is not None
        return found

    async def ListCameras(self, request: pb.ListCamerasRequest, context: Any) -> pb.ListCamerasResponse:
        return pb.ListCamerasResponse(cameras=[self._door.cameras[name] for name in sorted(self._door.cameras)])

    async def RemoveCamera(self, request: pb.RemoveCameraRequest, context: Any) -> pb.RemoveCameraResponse:
        del self._door.cameras[request.camera_id]
        return pb.RemoveCameraResponse()

    async def ListStatus(self, request: pb.ListStatusRequest, context: Any) -> pb.ListStatusResponse:
        wanted = request.selector.removeprefix("camera_id=")
        answer = pb.ListStatusResponse()
        for camera_id in [name for name in self._door.cameras if not wanted or name == wanted]:
            frames = [request for request in self._door.stored.values() if request.camera_id == camera_id]
            ends = [request for request in self._door.closings if request.camera_id == camera_id]
            sampled_out = sum(request.sampled_out for request in [*frames, *ends])
            answer.cameras.add(camera_id=camera_id, state=1, fps=len(frames))
            answer.ledgers[camera_id].stored = len(frames)
            answer.ledgers[camera_id].sampled_out = sampled_out
            answer.ledgers[camera_id].captured = len(frames) + sampled_out
        return answer

    async def WatchConfig(self, request: pb.WatchConfigRequest, context: Any) -> AsyncIterator[CameraConfig]:
        door = self._door
        door.watching += 1
        try:
            while True:
                changed = door.changed
                yield door.config
                await changed.wait()
        finally:
            door.watching -= 1


class _Models(trainer_pb2_grpc.ModelsServicer):
    """Takes bundles and tells what came; knows no other call."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def UploadBundle(self, requests: Any, context: Any) -> trainer_pb2.ModelVersion:
        sha256, size = "", 0
        async for request in requests:
            sha256 = request.sha256 or sha256
            size += len(request.chunk)
        return trainer_pb2.ModelVersion(name="detector", version="1", bundle_sha256=sha256, bytes=size)

    async def ListModels(self, request: trainer_pb2.ListModelsRequest, context: Any) -> trainer_pb2.ListModelsResponse:
        if self._door.fail is not None:
            await context.abort(*self._door.fail)
        return trainer_pb2.ListModelsResponse()
