"""kill -9 again and again: what was acknowledged is there, once; what was begun is brought to its end."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from cvops_common.access import KeyFile, Role
from cvops_common.bus import Bus
from cvops_common.objects import Objects
from cvops_datasets.release import read_release
from cvops_labeling.settings import LabelingSettings
from cvops_local.ports import free_ports
from cvops_protos.v1 import labeling_pb2 as pb
from cvops_protos.v1.labeling_pb2_grpc import LabelingStub
from tests.labeling.conftest import Running, box
from tests.labeling.test_app import episode_of
from tests.labeling.waiting import until

pytestmark = pytest.mark.engines


class Victim:
    """`python -m cvops_labeling`, started again after each kill."""

    def __init__(self, settings: LabelingSettings, grpc_port: int, http_port: int) -> None:
        values = settings.model_dump(mode="json", exclude_none=True)
        own = {f"CVOPS_LABELING_{name.upper()}": str(value) for name, value in values.items()}
        own |= {"CVOPS_LABELING_GRPC_LISTEN": f"127.0.0.1:{grpc_port}"}
        own |= {"CVOPS_LABELING_HTTP_LISTEN": f"127.0.0.1:{http_port}"}
        own |= {"CVOPS_LABELING_INSTANCE": f"victim-{grpc_port}"}
        self._environment = {**os.environ, **own}
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "cvops_labeling", env=self._environment, stdout=asyncio.subprocess.DEVNULL
        )

    async def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        await self._process.wait()


@asynccontextmanager
async def victim(settings: LabelingSettings, project: str) -> AsyncIterator[tuple[Victim, Running]]:
    grpc_port, http_port = free_ports(2)
    keys = KeyFile(settings.keys)
    operator = (("authorization", f"Bearer {keys.create(Role.OPERATOR, name='kill')}"),)
    process = Victim(settings, grpc_port, http_port)
    await process.start()
    options = (
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 200),
        ("grpc.service_config", json.dumps({"methodConfig": [{"name": [{}], "waitForReady": True}]})),
    )
    try:
        async with (
            Bus(settings.kafka, service="feeder") as bus,
            grpc.aio.insecure_channel(f"127.0.0.1:{grpc_port}", options=options) as channel,
        ):
            yield process, Running(LabelingStub(channel), bus, operator, operator, settings, project)
    finally:
        await process.kill()


async def patiently(work, tries: int = 200):
    """A call that is made again until the service is back, as every client of an at-least-once system does."""
    for _ in range(tries):
        try:
            return await work()
        except grpc.aio.AioRpcError as error:
            if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
                raise
            await asyncio.sleep(0.1)
    raise AssertionError("the service did not come back")


async def test_killed_while_it_chooses_and_while_people_label(settings, seen, project):
    cameras = [f"{project}-{i}" for i in range(3)]
    patient = settings.model_copy(update={"silence_s": 60.0})  # a kill is no silence of those who label
    async with victim(patient, project) as (process, labeling):
        frames = await seen.frames(cameras, 60)
        await labeling.feed(frames[:90])
        await until(lambda: patiently(labeling.frames), lambda found: len(found) >= 45, 40)
        await labeling.feed([*frames[90:], episode_of(project, cameras)])
        await asyncio.sleep(0.3)
        await process.kill()
        await process.start()
        await until(lambda: patiently(labeling.frames), lambda found: len(found) == 180, 40)
        tasks = (await until(lambda: patiently(labeling.tasks), lambda found: found.tasks, 40)).tasks
        acknowledged: dict[str, pb.Label] = {}

        async def label(task: pb.Task) -> None:
            acknowledged[task.frame_id] = await patiently(lambda: labeling.label(task, [box()]))

        async def several(some: list[pb.Task]) -> None:
            for task in some:
                await label(task)

        work = [asyncio.create_task(several(tasks[i::4])) for i in range(4)]
        await until(lambda: asyncio.sleep(0, len(acknowledged)), lambda count: count > len(tasks) // 3)
        await process.kill()
        await process.start()
        await asyncio.gather(*work)
        released = await until(
            lambda: labeling.told("dataset-released", pb.DatasetReleased, f"{project}/{project}"), seconds=40
        )
        assert {each.version for each in released} == {released[0].version}
        dataset = await read_release(Objects(settings.objects), released[0].manifest_uri, released[0].manifest_sha256)
        assert {each.frame_id: each.revision for each in dataset.images} == dict.fromkeys(acknowledged, 1)
        selections = await labeling.told("selections", pb.Selection, tasks[0].selection_id)
        assert {each.selection_id for each in selections} == {tasks[0].selection_id}
        for camera_id in cameras:
            told = await labeling.told("labels", pb.Label, camera_id)
            mine = {each.label_id for each in acknowledged.values() if each.camera_id == camera_id}
            assert {each.label_id for each in told} == mine


async def test_two_replicas_do_everything_once(settings, seen, project):
    cameras = [f"{project}-{i}" for i in range(2)]
    async with victim(settings, project) as (_, first), victim(settings, f"{project}") as (_, second):
        await patiently(first.tasks)
        await patiently(second.tasks)
        await first.feed([*await seen.frames(cameras, 50), episode_of(project, cameras)])
        tasks = (await until(lambda: patiently(first.tasks), lambda found: found.tasks, 40)).tasks
        lent = await asyncio.gather(*(each.lease(30, author=f"p{i}") for i, each in enumerate((first, second))))
        ids = [task.task_id for some in lent for task in some]
        assert len(ids) == len(set(ids))
        await asyncio.gather(
            *(first.label(task, [box()]) for task in tasks), *(second.label(task, [box()]) for task in tasks)
        )
        released = await until(lambda: first.told("dataset-released", pb.DatasetReleased, f"{project}/{project}"))
        await asyncio.sleep(0.5)
        # An outbox may tell twice; what it tells is one thing.
        told = await first.told("dataset-released", pb.DatasetReleased, f"{project}/{project}")
        assert {each.version for each in told} == {released[0].version}
        assert sum(released[0].images.values()) == len(tasks)
        selections = await first.told("selections", pb.Selection, tasks[0].selection_id)
        assert all(each == selections[0] for each in selections)
        assert {pick.frame_id for pick in selections[0].picks} == {task.frame_id for task in tasks}
