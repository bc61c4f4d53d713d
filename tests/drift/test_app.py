"""The running service on real engines: records in, events out, snapshots committed, calls answered."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import cv2
import grpc
import numpy as np
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from cvops.drift_report import exemplars_of, page_of
from cvops_common.access import KeyFile, Role
from cvops_common.bus import Bus
from cvops_common.records import Outgoing
from cvops_common.runner import start
from cvops_drift.app import build
from cvops_drift.settings import DriftSettings
from cvops_local.ports import free_ports
from cvops_protos.v1 import drift_pb2 as pb
from cvops_protos.v1.drift_pb2_grpc import DriftStub
from tests.common.test_bus import read_all
from tests.drift.conftest import MODEL, predictions_of
from tests.monitoring.frames import quiet_frames

pytestmark = pytest.mark.engines

BEGIN_S = 1.7e9


@dataclass
class Running:
    """A drift that answers, and a bus to feed it."""

    stub: DriftStub
    bus: Bus
    operator: tuple[tuple[str, str], ...]

    async def feed(self, messages: list) -> None:
        await self.bus.publish_many([Outgoing(each, each.camera_id) for each in messages])

    async def status(self, camera_id: str) -> pb.CameraDriftStatus | None:
        request = pb.ListDriftStatusRequest(camera_id=camera_id)
        found = await self.stub.ListDriftStatus(request, metadata=self.operator)
        return found.cameras[0] if found.cameras else None

    async def seen(self, camera_id: str, until_s: float) -> pb.CameraDriftStatus:
        async with asyncio.timeout(60):
            while (status := await self.status(camera_id)) is None or status.last_frame_at.ToSeconds() < until_s:
                await asyncio.sleep(0.1)
        return status


@asynccontextmanager
async def running(settings: DriftSettings) -> AsyncIterator[Running]:
    grpc_port, http_port = free_ports(2)
    key = KeyFile(settings.keys).create(Role.OPERATOR, name="test")
    settings = settings.model_copy(
        update={"grpc_listen": f"127.0.0.1:{grpc_port}", "http_listen": f"127.0.0.1:{http_port}"}
    )
    async with AsyncExitStack() as stack:
        await start(build(settings), settings, stack)
        bus = await stack.enter_async_context(Bus(settings.kafka, service="feeder"))
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(settings.grpc_listen))
        yield Running(DriftStub(channel), bus, (("authorization", f"Bearer {key}"),))


async def told(settings: DriftSettings, camera_id: str) -> list[pb.DriftEvent]:
    return [pb.DriftEvent.FromString(body) for body, _ in await read_all(settings.kafka, "drift-events", camera_id)]


async def committed(settings: DriftSettings, topic: str) -> int:
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka, group_id="drift", enable_auto_commit=False)
    await consumer.start()
    try:
        parts = [TopicPartition(topic, number) for number in range(settings.topic_partitions)]
        return sum([await consumer.committed(part) or 0 for part in parts])
    finally:
        await consumer.stop()


async def test_a_change_reaches_the_bus_once_over_a_restart_and_can_be_reported(settings, camera_id):
    rng = np.random.default_rng(3)
    quiet = predictions_of(quiet_frames(rng, 700, BEGIN_S), camera_id)
    changed = predictions_of(quiet_frames(rng, 80, BEGIN_S + 700, brighter=25, shift=1.0), camera_id)
    after = predictions_of(quiet_frames(rng, 40, BEGIN_S + 780, brighter=25, shift=1.0), camera_id)
    async with running(settings) as drift:
        await drift.feed(quiet)
        status = await drift.seen(camera_id, BEGIN_S + 699)
        assert status.models[0].stage == "settled"
        assert list(status.models[0].alarms) == []
        before = await committed(settings, "predictions")
        await drift.feed(changed)
        status = await drift.seen(camera_id, BEGIN_S + 779)
        assert {"embedding", "brightness"} <= set(status.models[0].alarms)
        async with asyncio.timeout(20):
            while await committed(settings, "predictions") < before + len(changed):
                await asyncio.sleep(0.2)
    async with running(settings) as drift:
        await drift.feed(after)
        await drift.seen(camera_id, BEGIN_S + 819)
        request = pb.GetDriftReportRequest(camera_id=camera_id)
        report = await drift.stub.GetDriftReport(request, metadata=drift.operator)
        await drift.stub.Relearn(pb.RelearnRequest(camera_id=camera_id), metadata=drift.operator)
        relearned = await drift.status(camera_id)
    events = await told(settings, camera_id)
    assert len({event.event_id for event in events}) == len(events)
    opened = [event.signal for event in events if event.state == pb.DriftEvent.STATE_OPENED]
    assert len(opened) == len(set(opened))
    assert {event.event_id for event in report.events} <= {event.event_id for event in events}
    assert {"embedding", "brightness"} <= report.histograms.keys()
    assert relearned is not None
    assert relearned.models[0].stage == "learning"
    exemplars = exemplars_of(report)
    assert exemplars
    assert {each.frame_id for event in report.events for each in event.exemplars} >= set(exemplars)
    _, image = cv2.imencode(".jpg", np.zeros((48, 64, 3), np.uint8))
    page = page_of(report, datetime.now(UTC), {exemplars[0]: image.tobytes()})
    assert page.count("data:image/jpeg") >= 1
    assert "<svg" in page
    assert "http" not in page.replace("http://www.w3.org", "")


async def test_feedback_is_published_and_wrong_feedback_refused(settings, camera_id):
    async with running(settings) as drift:
        good = pb.Feedback(feedback_id="a", camera_id=camera_id, model=MODEL, error=0.5)
        await drift.stub.RecordFeedback(pb.RecordFeedbackRequest(feedback=[good]), metadata=drift.operator)
        bad = pb.Feedback(feedback_id="b", camera_id=camera_id, model=MODEL, error=2)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await drift.stub.RecordFeedback(pb.RecordFeedbackRequest(feedback=[bad]), metadata=drift.operator)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert len(await read_all(settings.kafka, "feedback", camera_id)) == 1


async def test_an_unknown_camera_is_named(settings):
    async with running(settings) as drift:
        request = pb.GetDriftReportRequest(camera_id="nowhere")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await drift.stub.GetDriftReport(request, metadata=drift.operator)
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    assert "nowhere" in (refused.value.details() or "")


async def test_a_rebalance_hands_cameras_over_without_a_lost_or_doubled_alarm(settings, camera_id):
    rng = np.random.default_rng(4)
    cameras = [f"{camera_id}-{i}" for i in range(6)]

    def part(n: int, begin: int, **change: float) -> list:
        batches = [predictions_of(quiet_frames(rng, n, BEGIN_S + begin, **change), camera) for camera in cameras]
        return [each for moment in zip(*batches, strict=True) for each in moment]

    async with running(settings) as first:
        await first.feed(part(600, 0))
        for camera in cameras:
            await first.seen(camera, BEGIN_S + 599)
        other = settings.model_copy(update={"keys": settings.keys.with_name("other.json")})
        await first.feed(part(30, 600))  # the rebalance comes while these are in work
        async with running(other) as second:
            await first.feed(part(60, 630, shift=1.0))
            for camera in cameras:
                await second.seen(camera, BEGIN_S + 689)
        await first.feed(part(60, 690, shift=1.0))
        for camera in cameras:
            status = await first.seen(camera, BEGIN_S + 749)
            assert "embedding" in status.models[0].alarms
            assert list(status.problems) == []
    for camera in cameras:
        opened = {e.event_id: e.signal for e in await told(settings, camera) if e.state == pb.DriftEvent.STATE_OPENED}
        assert list(opened.values()).count("embedding") == 1
