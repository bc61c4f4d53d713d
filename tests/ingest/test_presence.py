"""Who is online, and the minutes that are told."""

from datetime import UTC, datetime, timedelta

import pytest

from cvops_ingest.presence import Presence
from cvops_protos.v1.camera_pb2 import CameraStatus
from cvops_protos.v1.ingest_pb2 import ListStatusRequest

pytestmark = pytest.mark.engines

ONLINE, OFFLINE = CameraStatus.STATE_ONLINE, CameraStatus.STATE_OFFLINE


async def test_a_camera_goes_online_with_its_first_frame_and_offline_when_it_falls_silent(
    start_ingest, events, frame, until
):
    async with start_ingest(offline_after_s=0.6) as ingest:
        camera_id = await ingest.new_camera(project="roads")
        await ingest.push(frame(camera_id, 0))

        async def silent() -> bool:
            return len(await events("camera-status", camera_id)) == 2

        await until(silent)
        online, offline = [record.message for record in await events("camera-status", camera_id)]
        assert (online.state, offline.state, offline.project) == (ONLINE, OFFLINE, "roads")
        silence = offline.since.ToDatetime() - offline.last_frame_at.ToDatetime()
        assert silence == timedelta(seconds=0.6)
        assert not offline.HasField("ledger")


async def test_a_camera_that_fell_silent_while_ingest_was_down_goes_offline_after_the_start(
    start_ingest, events, frame, until
):
    async def states() -> list[int]:
        return [record.message.state for record in await events("camera-status", camera_id)]

    async with start_ingest() as first:
        camera_id = await first.new_camera()
        await first.push(frame(camera_id, 0))

        async def online() -> bool:
            return await states() == [ONLINE]

        await until(online)
    async with start_ingest(offline_after_s=0.2):

        async def offline() -> bool:
            return await states() == [ONLINE, OFFLINE]

        await until(offline)


async def test_a_minute_is_told_with_its_ledger_rate_and_lateness_and_again_when_it_changes(
    ingest, events, frame, until
):
    camera_id = await ingest.new_camera()
    now = datetime.now(UTC)
    late = [frame(camera_id, n) for n in (0, 1, 4)]
    for request in late:
        request.captured_at.FromDatetime(now - timedelta(seconds=10) + timedelta(milliseconds=request.sequence))
    await ingest.push(*late)
    presence = ingest.part(Presence)

    async def minutes() -> list[CameraStatus]:
        told = [record.message for record in await events("camera-status", camera_id)]
        return [status for status in told if status.HasField("ledger")]

    async def told_once() -> bool:
        await presence.tick(datetime.now(UTC) + timedelta(minutes=3))
        return sum(status.ledger.stored for status in await minutes()) == 3

    await until(told_once)
    (minute, *rest) = await minutes()
    assert minute.ledger.captured == minute.ledger.stored + minute.ledger.gaps
    assert minute.ledger.minute.seconds % 60 == 0
    if not rest:  # the three frames did not fall on both sides of a full minute
        assert minute.ledger.gaps == 2
        assert minute.fps == pytest.approx(3 / 60)
        assert 9.9 < minute.lateness_p50_s <= minute.lateness_p95_s < 15

    await ingest.push(frame(camera_id, 2), frame(camera_id, 3))  # the gaps still come

    async def told_again() -> bool:
        await presence.tick(datetime.now(UTC) + timedelta(minutes=3))
        last = {status.ledger.minute.seconds: status.ledger for status in await minutes()}
        return sum(ledger.stored for ledger in last.values()) == 5 and not any(x.gaps for x in last.values())

    await until(told_again)
    listed = await ingest.cameras("ListStatus", ListStatusRequest(selector=f"id={camera_id}"))
    assert listed.cameras[0].ledger.stored > 0
    assert listed.ledgers[camera_id].stored == 5
