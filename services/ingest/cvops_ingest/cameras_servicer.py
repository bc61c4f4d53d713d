"""gRPC `Cameras`: the registry and what the cameras are doing."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from cvops_common.access import allow_camera, principal
from cvops_ingest.registry import Cameras
from cvops_protos.v1.camera_pb2 import Camera, CameraConfig
from cvops_protos.v1.ingest_pb2 import (
    AddCameraRequest,
    GetCameraRequest,
    ListCamerasRequest,
    ListCamerasResponse,
    ListStatusRequest,
    ListStatusResponse,
    RemoveCameraRequest,
    RemoveCameraResponse,
    SetCameraRequest,
    WatchConfigRequest,
)
from cvops_protos.v1.ingest_pb2_grpc import CamerasServicer as Base


class CamerasServicer(Base):
    """Adapts `Cameras` to gRPC."""

    def __init__(self, cameras: Cameras) -> None:
        self._cameras = cameras

    async def AddCamera(self, request: AddCameraRequest, context: Any) -> Camera:
        """Creates a camera."""
        return await self._cameras.add(request.camera)

    async def SetCamera(self, request: SetCameraRequest, context: Any) -> Camera:
        """Changes what the request names."""
        return await self._cameras.set(request.camera)

    async def GetCamera(self, request: GetCameraRequest, context: Any) -> Camera:
        """One camera."""
        allow_camera(principal(), request.camera_id)
        return self._cameras.get(request.camera_id)

    async def ListCameras(self, request: ListCamerasRequest, context: Any) -> ListCamerasResponse:
        """Cameras by selector."""
        return ListCamerasResponse(cameras=self._cameras.select(request.selector))

    async def RemoveCamera(self, request: RemoveCameraRequest, context: Any) -> RemoveCameraResponse:
        """Withdraws a camera."""
        await self._cameras.remove(request.camera_id)
        return RemoveCameraResponse()

    async def WatchConfig(self, request: WatchConfigRequest, context: Any) -> AsyncIterator[CameraConfig]:
        """The configuration now and at every change."""
        allow_camera(principal(), request.camera_id)
        async with aclosing(self._cameras.watch(request.camera_id)) as configs:
            async for config in configs:
                yield config

    async def ListStatus(self, request: ListStatusRequest, context: Any) -> ListStatusResponse:
        """States and ledgers by selector."""
        response = ListStatusResponse()
        for status, total in await self._cameras.statuses(request.selector):
            response.cameras.append(status)
            response.ledgers[status.camera_id].CopyFrom(total)
        return response
