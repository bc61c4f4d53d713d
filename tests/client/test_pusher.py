"""Pushing over a real gRPC connection: order, nothing lost, nothing twice, bounded memory."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import psutil
import pytest

from cvops.connection import Connection
from cvops.edge.pusher import FramePusher
from cvops.errors import ConnectionFailed, CvopsError, Refused
from cvops_protos.v1.ingest_pb2 import PushFramesRequest
from tests.client.conftest import KEY, connection_to, jpeg
from tests.client.door_servicer import Door
from tests.client.waiting import soon

WINDOW = 32


def fill(pusher: FramePusher, numbers: range, image: Callable[[int], bytes] = jpeg) -> None:
    for number in numbers:
        pusher.send(image(number), captured_at_ns=1_700_000_000_000_000_000 + number)


async def close(pusher: FramePusher) -> None:
    await asyncio.to_thread(pusher.close)


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


async def test_frames_arrive_once_in_order_byte_for_byte_and_are_acknowledged(
    door: Door, connection: Connection
) -> None:
    pusher = FramePusher(connection, "gate-3")
    await asyncio.to_thread(fill, pusher, range(200))
    await close(pusher)
    assert door.images == [jpeg(number) for number in range(200)]
    assert door.sequences == list(range(200))
    assert len({stream for stream, _ in door.stored}) == 1
    first = next(iter(door.stored.values()))
    assert first.camera_id == "gate-3"
    assert first.captured_at.ToNanoseconds() == 1_700_000_000_000_000_000
    assert len(first.traceparent) == 55
    counts = pusher.counts
    assert (counts.acknowledged, counts.duplicates, counts.rejected, counts.dropped) == (200, 0, {}, 0)
    assert (counts.waiting, counts.spooled_bytes) == (0, 0)


async def test_the_key_goes_with_every_call_as_metadata(door: Door, connection: Connection) -> None:
    pusher = FramePusher(connection, "gate-3")
    await asyncio.to_thread(fill, pusher, range(1))
    await close(pusher)
    assert door.keys
    assert set(door.keys) == {f"Bearer {KEY}"}


async def test_without_a_key_no_authorization_is_sent(door: Door) -> None:
    pusher = FramePusher(connection_to(door.address, key=""), "gate-3")
    await asyncio.to_thread(fill, pusher, range(1))
    await close(pusher)
    assert set(door.keys) == {""}


async def test_what_ingest_had_taken_when_it_went_away_is_told_as_duplicate_and_nothing_is_lost(
    door: Door, connection: Connection
) -> None:
    pusher = FramePusher(connection, "gate-3", live=True)
    door.answering.clear()  # frames are stored and their answers die with the server
    await asyncio.to_thread(fill, pusher, range(60))
    await soon(lambda: len(door.stored) >= 1, "first frames stored")
    await soon(lambda: pusher.counts.waiting == 60, "all in memory")
    await door.shut()
    had = len(door.stored)
    await asyncio.to_thread(fill, pusher, range(60, 120))
    door.answering.set()
    await door.open()
    await close(pusher)
    assert door.sequences == list(range(120))
    assert pusher.counts.acknowledged == 120
    assert pusher.counts.duplicates == len(door.duplicates) == had


async def test_a_full_window_is_sent_again_whole_each_time_the_server_comes_back(
    door: Door, connection: Connection
) -> None:
    door.answering.clear()
    pusher = FramePusher(connection, "gate-3", patience_s=10)
    await asyncio.to_thread(fill, pusher, range(64))
    for calls in range(1, 4):
        await soon(lambda calls=calls: len(door.keys) >= calls, f"call {calls}")
        await soon(lambda: pusher.counts.acknowledged == 0 and door.stored, "frames on their way, none answered")
        await door.shut()
        await door.open()
    door.answering.set()
    await close(pusher)
    assert door.sequences == list(range(64)), "in order"
    assert pusher.counts.acknowledged == 64


async def test_a_call_that_the_server_breaks_off_again_and_again_still_delivers_in_order(
    door: Door, connection: Connection
) -> None:
    pusher = FramePusher(connection, "gate-3", patience_s=10)
    door.answers_left = 20
    putting = asyncio.create_task(asyncio.to_thread(fill, pusher, range(100)))
    for times in range(1, 4):
        await soon(lambda times=times: len(door.keys) > times, f"call {times + 1} after RESOURCE_EXHAUSTED")
        door.answers_left = 10
    await putting
    door.answers_left = None
    await close(pusher)
    assert door.sequences == list(range(100))
    assert pusher.counts.acknowledged == 100


async def test_a_source_that_cannot_wait_goes_to_disk_while_nobody_listens_and_resumes_in_order(
    tmp_path: Path, door: Door, connection: Connection
) -> None:
    await door.shut()
    pusher = FramePusher(connection, "gate-3", spool_dir=tmp_path, live=True)
    began = time.monotonic()
    await asyncio.to_thread(fill, pusher, range(500))
    assert time.monotonic() - began < 5, "a live source does not wait"
    assert pusher.counts.spooled_bytes > 0
    await door.open()
    await close(pusher)
    assert door.sequences == list(range(500))
    assert door.duplicates == []
    assert list((tmp_path / "gate-3").iterdir()) == []


async def test_what_one_run_could_not_send_the_next_one_sends_first(tmp_path: Path, door: Door) -> None:
    away = connection_to(free_address())
    first = FramePusher(away, "gate-3", spool_dir=tmp_path, live=True, patience_s=0.2)
    await asyncio.to_thread(fill, first, range(150))
    with pytest.raises(ConnectionFailed, match=r"--spool-dir"):
        await close(first)
    second = FramePusher(connection_to(door.address), "gate-3", spool_dir=tmp_path, live=True)
    await asyncio.to_thread(fill, second, range(150, 160))
    await close(second)
    assert door.images == [jpeg(number) for number in range(160)]
    assert door.duplicates == []
    assert len({stream for stream, _ in door.stored}) == 2
    assert list((tmp_path / "gate-3").iterdir()) == []


async def test_a_full_spool_drops_the_oldest_and_the_newest_arrive(tmp_path: Path, door: Door) -> None:
    await door.shut()
    pusher = FramePusher(connection_to(door.address), "gate-3", spool_dir=tmp_path, spool_mb=1, live=True)
    await asyncio.to_thread(fill, pusher, range(264), lambda number: bytes([number % 251]) * 20_000)
    dropped = pusher.counts.dropped
    assert dropped > 0
    assert pusher.counts.spooled_bytes <= 2**20
    await door.open()
    await close(pusher)
    held = next(place for place, sequence in enumerate(door.sequences) if sequence != place)
    assert 64 <= held <= 64 + WINDOW
    assert door.sequences == [*range(held), *range(held + dropped, 264)], "what was in memory, a gap, the newest"
    assert pusher.counts.acknowledged + dropped == 264


async def test_a_full_disk_does_not_stop_a_live_source_and_is_told(
    tmp_path: Path, door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    await door.shut()
    pusher = FramePusher(connection_to(door.address), "gate-3", spool_dir=tmp_path, live=True)
    for number in range(1, 500):
        (tmp_path / "gate-3" / f"{number:012d}.spool").symlink_to("/dev/full")
    await asyncio.to_thread(fill, pusher, range(164))
    assert pusher.counts.disk_is_full
    assert pusher.counts.dropped == 100, "64 are in memory"
    (warning,) = [record.getMessage() for record in caplog.records if record.name == "cvops.edge.pusher"]
    assert "gate-3 is full" in warning
    assert "oldest frames of gate-3 are dropped" in warning
    for full in (tmp_path / "gate-3").iterdir():
        full.unlink()
    await asyncio.to_thread(pusher.finish, 0)
    await door.open()
    await close(pusher)
    assert door.sequences == list(range(64))
    assert [end.sequence for end in door.closings] == [164], "ingest learns that the last hundred are missing"


async def test_a_refused_frame_is_counted_with_its_reason_and_does_not_stop_the_others(
    door: Door, connection: Connection
) -> None:
    def refuse(request: PushFramesRequest) -> tuple[str, str] | None:
        return ("truncated", f"frame {request.sequence} ends in the middle") if request.sequence % 10 == 3 else None

    door.refuse = refuse
    pusher = FramePusher(connection, "gate-3")
    await asyncio.to_thread(fill, pusher, range(50))
    await close(pusher)
    assert pusher.counts.rejected == {"truncated": 5}
    assert pusher.counts.acknowledged == 45
    assert pusher.last_rejection == "frame 43 ends in the middle"
    assert door.sequences == [number for number in range(50) if number % 10 != 3]


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.UNIMPLEMENTED,
    ],
)
async def test_what_no_patience_heals_ends_the_push_at_once_with_the_sentence_of_ingest(
    door: Door, connection: Connection, code: grpc.StatusCode
) -> None:
    door.fail = (code, "camera gate-3 is not known: add it")
    pusher = FramePusher(connection, "gate-3", patience_s=60)
    began = time.monotonic()
    with pytest.raises(Refused, match="camera gate-3 is not known: add it") as caught:
        await asyncio.to_thread(fill, pusher, range(500))  # more than memory: the wait for room must end, too
    assert caught.value.reason == "told_by_the_door"
    assert time.monotonic() - began < 10
    pusher.abandon()


async def test_a_door_that_is_too_busy_is_tried_again_until_it_has_room(door: Door, connection: Connection) -> None:
    door.fail = (grpc.StatusCode.RESOURCE_EXHAUSTED, "no room for another stream")
    pusher = FramePusher(connection, "gate-3", patience_s=20)
    await asyncio.to_thread(fill, pusher, range(40))
    await asyncio.sleep(1.5)  # the time over which tries are counted
    assert 2 <= len(door.keys) <= 6, "it tries again, and the pauses grow"
    door.fail = None
    await close(pusher)
    assert door.sequences == list(range(40))


async def test_a_slow_door_holds_a_patient_source_back_and_memory_stays_bounded(
    door: Door, connection: Connection
) -> None:
    door.reading.clear()
    megabyte = bytes(1_000_000)
    pusher = FramePusher(connection, "gate-3")
    before = psutil.Process().memory_info().rss
    putting = threading.Thread(target=fill, args=(pusher, range(400), lambda _: megabyte), daemon=True)
    putting.start()
    await soon(lambda: pusher.counts.waiting >= 64, "memory is full")
    await asyncio.sleep(0.5)  # the time in which it would grow
    assert putting.is_alive(), "the source waits"
    assert pusher.counts.waiting <= 64 + WINDOW
    assert psutil.Process().memory_info().rss - before < 200e6, "400 MB are not taken in"
    pusher.abandon()
    await asyncio.to_thread(putting.join, 10)
    assert not putting.is_alive()


async def test_a_slow_door_sends_a_live_source_to_disk_and_memory_stays_bounded(
    tmp_path: Path, door: Door, connection: Connection
) -> None:
    door.reading.clear()
    half = bytes(500_000)
    pusher = FramePusher(connection, "gate-3", spool_dir=tmp_path, spool_mb=20, live=True)
    before = psutil.Process().memory_info().rss
    await asyncio.to_thread(fill, pusher, range(400), lambda _: half)
    counts = pusher.counts
    assert counts.waiting <= 64 + WINDOW
    assert counts.spooled_bytes <= 20 * 2**20
    assert counts.dropped > 200
    assert psutil.Process().memory_info().rss - before < 120e6, "200 MB are not held"
    began = time.monotonic()
    pusher.abandon()
    assert time.monotonic() - began < 2, "leaving does not wait for a door that says nothing"


async def test_a_patient_source_is_told_when_nobody_answers_for_too_long() -> None:
    pusher = FramePusher(connection_to(free_address()), "gate-3", patience_s=0.5)
    with pytest.raises(ConnectionFailed, match=r"did not answer for 0\.5 s"):
        await asyncio.wait_for(asyncio.to_thread(fill, pusher, range(200)), 20)
    pusher.abandon()


async def test_an_unknown_address_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConnectionFailed, match="CVOPS_INGEST"):
        FramePusher(connection_to(""), "gate-3", spool_dir=tmp_path)


async def test_a_spool_that_cannot_be_made_is_told_with_its_name(tmp_path: Path, connection: Connection) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    with pytest.raises(CvopsError, match=r"spool .*gate-3.* cannot be used"):
        FramePusher(connection, "gate-3", spool_dir=blocked)


async def test_leaving_by_an_error_keeps_the_frames_for_the_next_run(tmp_path: Path, door: Door) -> None:
    away = connection_to(free_address())

    def interrupted() -> None:
        with FramePusher(away, "gate-3", spool_dir=tmp_path) as pusher:
            fill(pusher, range(10))
            raise RuntimeError("the camera was unplugged")

    with pytest.raises(RuntimeError, match="unplugged"):
        await asyncio.to_thread(interrupted)
    pusher = FramePusher(connection_to(door.address), "gate-3", spool_dir=tmp_path)
    await close(pusher)
    assert door.sequences == list(range(10))
