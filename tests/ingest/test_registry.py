"""The registry of cameras: what changes, who is told."""

import asyncio

import grpc
import pytest

from cvops_common.access import Role
from cvops_protos.v1.camera_pb2 import Camera, CameraConfig
from cvops_protos.v1.ingest_pb2 import (
    AddCameraRequest,
    GetCameraRequest,
    ListCamerasRequest,
    RemoveCameraRequest,
    SetCameraRequest,
    WatchConfigRequest,
)
from cvops_protos.v1.ingest_pb2_grpc import CamerasStub

pytestmark = pytest.mark.engines


async def code_of(awaitable) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await awaitable
    return caught.value.code()


async def test_a_camera_is_added_changed_and_found_by_its_metadata(ingest):
    camera_id = await ingest.new_camera(site="north", tags={"road": "A7", "lane": "2"}, config=CameraConfig(fps=5))
    added = await ingest.cameras("GetCamera", GetCameraRequest(camera_id=camera_id))
    assert (added.project, added.site, added.config.fps, added.config.revision) == ("default", "north", 5, 1)
    assert added.updated_at.seconds > 1_700_000_000

    wish = Camera(camera_id=camera_id, firmware="2.1", tags={"lane": "", "side": "left"})
    changed = await ingest.cameras("SetCamera", SetCameraRequest(camera=wish))
    assert (changed.site, changed.firmware, dict(changed.tags)) == ("north", "2.1", {"road": "A7", "side": "left"})
    assert changed.config == added.config  # nothing of it was named

    found = await ingest.cameras("ListCameras", ListCamerasRequest(selector=f"id={camera_id},road=A*"))
    assert [camera.camera_id for camera in found.cameras] == [camera_id]
    none = await ingest.cameras("ListCameras", ListCamerasRequest(selector=f"id={camera_id},lane=2"))
    assert not none.cameras


async def test_what_cannot_be_is_refused(ingest):
    camera_id = await ingest.new_camera()
    again = AddCameraRequest(camera=Camera(camera_id=camera_id))
    assert await code_of(ingest.cameras("AddCamera", again)) is grpc.StatusCode.ALREADY_EXISTS
    bad_id = AddCameraRequest(camera=Camera(camera_id="a b"))
    assert await code_of(ingest.cameras("AddCamera", bad_id)) is grpc.StatusCode.INVALID_ARGUMENT
    bad = SetCameraRequest(camera=Camera(camera_id=camera_id, config=CameraConfig(jpeg_quality=101)))
    assert await code_of(ingest.cameras("SetCamera", bad)) is grpc.StatusCode.INVALID_ARGUMENT
    nobody = SetCameraRequest(camera=Camera(camera_id="nobody"))
    assert await code_of(ingest.cameras("SetCamera", nobody)) is grpc.StatusCode.NOT_FOUND
    gone = RemoveCameraRequest(camera_id="nobody")
    assert await code_of(ingest.cameras("RemoveCamera", gone)) is grpc.StatusCode.NOT_FOUND


async def test_changes_that_race_are_all_kept(ingest):
    camera_id = await ingest.new_camera()
    wishes = [Camera(camera_id=camera_id, tags={f"tag{n}": "x"}) for n in range(8)]
    await asyncio.gather(*(ingest.cameras("SetCamera", SetCameraRequest(camera=wish)) for wish in wishes))
    camera = await ingest.cameras("GetCamera", GetCameraRequest(camera_id=camera_id))
    assert len(camera.tags) == 8


async def test_a_watcher_gets_the_configuration_now_and_at_every_change(ingest):
    camera_id = await ingest.new_camera(config=CameraConfig(fps=2))
    key = ingest.keys.create(Role.CAMERA, camera_id)
    watch = CamerasStub(ingest.channel).WatchConfig(
        WatchConfigRequest(camera_id=camera_id), metadata=ingest.metadata(key)
    )
    first = await watch.read()
    assert (first.fps, first.revision) == (2, 1)
    await ingest.cameras("SetCamera", SetCameraRequest(camera=Camera(camera_id=camera_id, site="south")))
    wish = Camera(camera_id=camera_id, config=CameraConfig(max_width=640, paused=True))
    await ingest.cameras("SetCamera", SetCameraRequest(camera=wish))
    second = await watch.read()  # a new site is no new configuration
    assert (second.fps, second.max_width, second.paused, second.revision) == (2, 640, True, 2)
    unlimited = Camera(camera_id=camera_id, config=CameraConfig(fps=0))
    await ingest.cameras("SetCamera", SetCameraRequest(camera=unlimited))
    third = await watch.read()
    assert (third.HasField("fps"), third.paused, third.revision) == (False, True, 3)  # what is not named stays
    resumed = Camera(camera_id=camera_id, config=CameraConfig(paused=False))
    await ingest.cameras("SetCamera", SetCameraRequest(camera=resumed))
    assert not (await watch.read()).paused
    await ingest.cameras("RemoveCamera", RemoveCameraRequest(camera_id=camera_id))
    assert await code_of(watch.read()) is grpc.StatusCode.NOT_FOUND


async def test_a_change_by_one_replica_reaches_the_watchers_of_another(start_ingest):
    async with start_ingest() as one, start_ingest() as two:
        camera_id = await one.new_camera()
        wish = Camera(camera_id=camera_id, config=CameraConfig(fps=9))
        await one.cameras("SetCamera", SetCameraRequest(camera=wish))
        async with asyncio.timeout(10):
            while not (await two.cameras("ListCameras", ListCamerasRequest(selector=f"id={camera_id}"))).cameras:
                await asyncio.sleep(0.05)
            request = WatchConfigRequest(camera_id=camera_id)
            watch = CamerasStub(two.channel).WatchConfig(request, metadata=two.metadata(one.key))
            while (await watch.read()).fps != 9:
                pass
        watch.cancel()


async def test_changes_and_the_removal_are_told_on_the_topic_cameras(ingest, events, until):
    camera_id = await ingest.new_camera(site="north")
    await ingest.cameras("SetCamera", SetCameraRequest(camera=Camera(camera_id=camera_id, site="south")))
    await ingest.cameras("RemoveCamera", RemoveCameraRequest(camera_id=camera_id))

    async def removed() -> bool:
        told = await events("cameras", camera_id)
        return bool(told) and told[-1].message is None

    await until(removed)
    told = await events("cameras", camera_id)
    assert [record.message.site for record in told[:-1]] == ["north", "south"]


async def test_only_operators_change_cameras(ingest):
    camera_id = await ingest.new_camera()
    key = ingest.keys.create(Role.CAMERA, camera_id)
    wish = SetCameraRequest(camera=Camera(camera_id=camera_id, site="mine"))
    assert await code_of(ingest.cameras("SetCamera", wish, key)) is grpc.StatusCode.PERMISSION_DENIED
    other = GetCameraRequest(camera_id=await ingest.new_camera())
    assert await code_of(ingest.cameras("GetCamera", other, key)) is grpc.StatusCode.PERMISSION_DENIED
