"""The promises of ingest to those who push frames, on real engines."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from hashlib import sha256
from typing import Any

import grpc
import pytest

from cvops_common.access import Role
from cvops_common.errors import Unavailable
from cvops_common.objects import Objects
from cvops_ingest.app import build
from cvops_ingest.service import Ingest
from cvops_ingest.settings import IngestSettings
from cvops_protos.v1.image_pb2 import IMAGE_ENCODING_JPEG
from cvops_protos.v1.ingest_pb2 import PushFramesResponse, RemoveCameraRequest, WatchConfigRequest
from cvops_protos.v1.ingest_pb2_grpc import CamerasStub, IngestStub

pytestmark = pytest.mark.engines

STORED = PushFramesResponse.STATUS_STORED
DUPLICATE = PushFramesResponse.STATUS_DUPLICATE
REJECTED = PushFramesResponse.STATUS_REJECTED

Frame = Callable[..., Any]


async def test_a_stored_frame_is_told_with_all_that_is_known_of_it(ingest, events, frame, jpeg):
    camera_id = await ingest.new_camera(project="roads")
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    image = jpeg(7, 640, 480)
    (answer,) = await ingest.push(frame(camera_id, 0, image, traceparent=traceparent, config_revision=3))
    assert (answer.status, answer.sequence, answer.stream) == (STORED, 0, "run-1")

    (record,) = await events("frames", camera_id)
    event = record.message
    assert event.frame_id == answer.frame_id
    assert (event.camera_id, event.project, event.stream, event.config_revision) == (camera_id, "roads", "run-1", 3)
    assert (event.width, event.height, event.orientation, event.encoding) == (640, 480, 1, IMAGE_ENCODING_JPEG)
    assert event.sha256 == sha256(image).hexdigest()
    assert event.captured_at.seconds == 1_700_000_000
    assert event.received_at.seconds > 1_700_000_000
    assert event.stats.bytes == len(image)
    assert event.stats.brightness_std > 1
    assert len(event.stats.edge_energy) == 96
    assert event.stats.thumbnail_grey.startswith(b"\xff\xd8")
    assert record.traceparent.split("-")[1] == traceparent.split("-")[1]
    assert await ingest.objects.get_range(event.where.uri, event.where.offset, event.where.length) == image


async def test_frames_pushed_at_once_share_segments_and_read_back_byte_for_byte(ingest, events, frame, jpeg):
    cameras = [await ingest.new_camera() for _ in range(4)]
    images = {(camera, n): jpeg(100 * i + n) for i, camera in enumerate(cameras) for n in range(24)}
    calls = [ingest.push(*(frame(camera, n, images[camera, n]) for n in range(24))) for camera in cameras]
    answers = await asyncio.gather(*calls)
    assert [answer.status for call in answers for answer in call] == [STORED] * 96
    assert [[answer.sequence for answer in call] for call in answers] == [list(range(24))] * 4

    told = [record.message for camera in cameras for record in await events("frames", camera)]
    assert len(told) == 96
    assert len({event.where.uri for event in told}) < 96 / 2
    for event in told:
        image = await ingest.objects.get_range(event.where.uri, event.where.offset, event.where.length)
        assert image == images[event.camera_id, event.sequence]
        assert sha256(image).hexdigest() == event.sha256
    for camera in cameras:
        order = [event.sequence for event in told if event.camera_id == camera]
        assert order == sorted(order)
        thumbnails = [event for event in told if event.camera_id == camera and event.stats.thumbnail_grey]
        assert len(thumbnails) == 24  # its frames were captured a second apart


async def test_a_frame_pushed_twice_is_stored_once_also_across_a_restart(start_ingest, events, frame):
    async with start_ingest() as first:
        camera_id = await first.new_camera()
        frames = [frame(camera_id, n) for n in range(4)]
        stored = await first.push(*frames, frames[3])
        assert [answer.status for answer in stored] == [STORED] * 4 + [DUPLICATE]
        assert [answer.status for answer in await first.push(*frames)] == [DUPLICATE] * 4
    async with start_ingest() as second:
        again = await second.push(*frames, frame(camera_id, 4))
        assert [answer.status for answer in again] == [DUPLICATE] * 4 + [STORED]
        assert [answer.frame_id for answer in again[:4]] == [answer.frame_id for answer in stored[:4]]
        assert len(await events("frames", camera_id)) == 5
        booked = await second.ledger(camera_id)
        assert booked == {
            "captured": 14, "stored": 5, "duplicates": 9, "sampled_out": 0, "gaps": 0, "rejected": {},
        }  # fmt: skip


async def test_bad_input_is_answered_with_its_reason_and_the_stream_goes_on(ingest, events, frame, jpeg):
    camera_id = await ingest.new_camera()
    good = jpeg(1)
    bomb = jpeg(2, 16, 16).replace(b"\x00\x10\x00\x10\x03", b"\xea\x60\xea\x60\x03")  # claims 60000x60000 px
    bad = {
        "empty": b"",
        "not_an_image": b"good morning",
        "truncated": good[:-50],
        "undecodable": good[: len(good) // 2] + b"\xff\xc4" * 60 + good[len(good) // 2 + 120 :],
        "unsupported_format": b"GIF89a" + bytes(100),
        "too_many_pixels": bomb,
        "too_many_bytes": good + bytes(40 * 2**20),
    }
    requests = [frame(camera_id, n, image) for n, image in enumerate(bad.values())]
    other = frame("another-camera", 0, good)
    late = frame(camera_id, len(bad), good)
    late.ClearField("captured_at")
    named = frame(camera_id, len(bad) + 1, good, stream="a/b")
    huge = frame(camera_id, 2**60, good)
    answers = await ingest.push(*requests, other, late, named, huge, frame(camera_id, len(bad) + 1, good))

    by_reason = [answer.reason for answer in answers if answer.status == REJECTED]
    assert sorted(by_reason) == sorted([*bad, "wrong_camera", "no_captured_at", "bad_argument", "bad_sequence"])
    assert all(answer.message and not answer.frame_id for answer in answers if answer.status == REJECTED)
    assert [answer.sequence for answer in answers if answer.status == STORED] == [len(bad) + 1]
    assert len(await events("frames", camera_id)) == 1
    booked = await ingest.ledger(camera_id)
    assert booked["rejected"] == dict.fromkeys([*bad, "no_captured_at", "bad_argument", "bad_sequence"], 1)
    assert (booked["stored"], booked["gaps"]) == (1, 0)


async def test_an_unknown_camera_is_refused_with_the_cure(ingest, frame):
    (answer,) = await ingest.push(frame("nobody", 0))
    assert (answer.status, answer.reason) == (REJECTED, "unknown_camera")
    assert "cvops camera add nobody" in answer.message


async def test_the_key_of_a_camera_pushes_for_its_own_camera_only(ingest, frame):
    mine, other = await ingest.new_camera(), await ingest.new_camera()
    key = ingest.keys.create(Role.CAMERA, mine)
    assert [answer.status for answer in await ingest.push(frame(mine, 0), key=key)] == [STORED]
    refused, stored = await ingest.push(frame(other, 0), frame(mine, 1), key=key)
    assert (refused.reason, stored.status) == ("forbidden", STORED)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ingest.push(frame(mine, 2), key="cvops_nobody_nothing")
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_the_ledger_balances_with_gaps_duplicates_rejections_and_frames_left_out(ingest, frame):
    camera_id = await ingest.new_camera()
    sent = [
        frame(camera_id, 0, sampled_out=2),
        frame(camera_id, 3, sampled_out=1),  # 1 and 2 are missing
        frame(camera_id, 4, b"broken"),
        frame(camera_id, 3, sampled_out=1),  # sent again: its report was counted
        frame(camera_id, 8),  # 5, 6 and 7 are missing
    ]
    await ingest.push(*sent)
    booked = await ingest.ledger(camera_id)
    assert booked == {
        "captured": 13, "stored": 3, "sampled_out": 3, "duplicates": 1, "gaps": 5, "rejected": {"not_an_image": 1},
    }  # fmt: skip

    await ingest.push(frame(camera_id, 6), frame(camera_id, 1))  # late: no longer gaps
    booked = await ingest.ledger(camera_id)
    assert (booked["captured"], booked["stored"], booked["gaps"]) == (13, 5, 3)

    await ingest.push(frame(camera_id, 0, stream="run-2", image=None))  # a new run begins again, without gaps
    assert (await ingest.ledger(camera_id))["gaps"] == 3


async def test_the_end_of_a_stream_completes_the_ledger_and_is_no_frame(ingest, events, frame):
    camera_id = await ingest.new_camera()
    await ingest.push(frame(camera_id, 0))
    for _ in range(2):
        (answer,) = await ingest.push(frame(camera_id, 3, b"", sampled_out=4, closing=True))
        assert (answer.status, answer.sequence, answer.frame_id) == (PushFramesResponse.STATUS_CLOSED, 3, "")
    booked = await ingest.ledger(camera_id)
    assert booked == {
        "captured": 7, "stored": 1, "sampled_out": 4, "duplicates": 0, "gaps": 2, "rejected": {},
    }  # fmt: skip
    assert len(await events("frames", camera_id)) == 1

    (late,) = await ingest.push(frame(camera_id, 2))
    assert late.status == STORED
    assert (await ingest.ledger(camera_id))["gaps"] == 1
    (refused,) = await ingest.push(frame(camera_id, 9, b"", stream="", sampled_out=4, closing=True))
    assert (refused.status, refused.reason) == (REJECTED, "bad_argument")
    assert (await ingest.ledger(camera_id))["captured"] == 7

    silent = await ingest.new_camera()  # only the end comes: the camera sent no frame
    await ingest.push(frame(silent, 0, b"", sampled_out=4, closing=True))
    assert (await ingest.ledger(silent))["sampled_out"] == 4


async def test_a_gap_is_taken_back_after_a_restart_too(start_ingest, frame):
    async with start_ingest() as first:
        camera_id = await first.new_camera()
        await first.push(frame(camera_id, 0), frame(camera_id, 5))
        assert (await first.ledger(camera_id))["gaps"] == 4
    async with start_ingest() as second:
        await second.push(*(frame(camera_id, n) for n in (4, 1, 2, 3)))
        booked = await second.ledger(camera_id)
        assert (booked["captured"], booked["stored"], booked["gaps"]) == (6, 6, 0)


async def test_two_replicas_that_share_a_camera_agree_on_its_ledger(start_ingest, frame):
    async with start_ingest() as one, start_ingest() as two:
        camera_id = await one.new_camera()
        for n in range(0, 8, 2):  # each finds its knowledge of the stream outrun by the other
            assert [answer.status for answer in await one.push(frame(camera_id, n))] == [STORED]
            while (await two.push(frame(camera_id, n + 1)))[0].reason == "unknown_camera":
                await asyncio.sleep(0.05)
        both = await asyncio.gather(
            *(replica.push(*(frame(camera_id, n) for n in range(8, 20))) for replica in (one, two))
        )
        assert sorted(answer.status for call in both for answer in call) == [STORED] * 12 + [DUPLICATE] * 12
        booked = await one.ledger(camera_id)
        assert (booked["stored"], booked["gaps"], booked["duplicates"]) == (20, 0, 12)


async def test_frames_are_handed_back_while_the_object_store_is_away_and_taken_later(
    ingest, events, frame, monkeypatch
):
    async def away(*_: object) -> None:
        raise Unavailable("the object store is away")

    camera_id = await ingest.new_camera()
    monkeypatch.setattr(Objects, "put", away)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ingest.push(frame(camera_id, 0), frame(camera_id, 1))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert await events("frames", camera_id) == []  # no event without its object
    assert (await ingest.ledger(camera_id))["captured"] == 0

    monkeypatch.undo()
    answers = await ingest.push(frame(camera_id, 0), frame(camera_id, 1))
    assert answers[0].status == STORED
    assert answers[1].status in (STORED, DUPLICATE)  # the first call's second frame may have waited for the store
    booked = await ingest.ledger(camera_id)
    assert (booked["stored"], booked["captured"]) == (2, 2 + booked["duplicates"])


async def test_open_calls_do_not_hold_up_a_stop(start_ingest, frame):
    async with AsyncExitStack() as outlives:
        async with start_ingest(shutdown_s=30) as ingest:
            camera_id = await ingest.new_camera()
            channel = await outlives.enter_async_context(grpc.aio.insecure_channel(ingest.settings.grpc_listen))
            pushing = IngestStub(channel).PushFrames(metadata=ingest.metadata())
            await pushing.write(frame(camera_id, 0))
            assert (await pushing.read()).status == STORED
            request = WatchConfigRequest(camera_id=camera_id)
            watching = CamerasStub(channel).WatchConfig(request, metadata=ingest.metadata())
            await watching.read()
            reading = asyncio.gather(pushing.read(), watching.read(), return_exceptions=True)
            began = time.monotonic()
        assert time.monotonic() - began < 10
        answers = await reading
    for answer in answers:
        assert isinstance(answer, grpc.aio.AioRpcError)
        assert answer.code() is grpc.StatusCode.UNAVAILABLE
        assert "call again" in str(answer.details())


async def test_more_than_fits_in_memory_waits_and_is_stored(start_ingest, frame, jpeg):
    image = jpeg(3, 640, 480, quality=95)
    async with start_ingest(in_flight_bytes=2**20, stream_window=1000, segment_frames=5) as ingest:
        camera_id = await ingest.new_camera()
        count = 3 * 2**20 // len(image)
        answers = await ingest.push(*(frame(camera_id, n, image) for n in range(count)))
        assert [answer.status for answer in answers] == [STORED] * count


async def test_frames_of_a_camera_that_is_removed_meanwhile_are_refused_from_then_on(ingest, frame):
    camera_id = await ingest.new_camera()
    assert (await ingest.push(frame(camera_id, 0)))[0].status == STORED
    await ingest.cameras("RemoveCamera", RemoveCameraRequest(camera_id=camera_id))
    assert (await ingest.push(frame(camera_id, 1)))[0].reason == "unknown_camera"


async def test_ready_says_what_is_missing_before_the_pipeline_runs(kafka_url, mongo_url, objects_url, tmp_path):
    settings = IngestSettings(kafka=kafka_url, mongo=mongo_url, objects=objects_url, keys=tmp_path / "keys.json")
    app = build(settings)
    assert await app.checks["mongo"]() is None
    assert "pipeline" in (await app.checks["pipeline"]() or "")
    assert Ingest.__doc__
    async with app.before[0]:
        pass
