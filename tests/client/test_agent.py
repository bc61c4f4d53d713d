"""A source pushed as a camera: sampling, scaling, pacing, and what the platform wishes."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import grpc
import numpy as np
import pytest

from cvops.connection import Connection
from cvops.edge.agent import EdgeAgent, PushOptions, PushReport
from cvops.edge.sources import Captured, open_source
from cvops.errors import Refused, SourceError
from cvops_protos.v1.ingest_pb2 import PushFramesRequest
from tests.client.conftest import jpeg
from tests.client.door_servicer import Door
from tests.client.waiting import soon


class Counter:
    """A source that counts: one small image every `step_s`, `count` of them."""

    live = False
    corrupt = 0

    def __init__(self, count: int, step_s: float = 0.1) -> None:
        self.count: int | None = count
        self._step_s = step_s
        self.given = 0

    def frames(self) -> Iterator[Captured]:
        assert self.count is not None
        for number in range(self.count):
            self.given += 1
            yield Captured(jpeg(number), number * self._step_s)


@pytest.fixture
def aisle(shared_data: Path) -> Path:
    return shared_data / "videos" / "store_aisle_short.mp4"


async def run(agent: EdgeAgent) -> PushReport:
    return await asyncio.to_thread(agent.run)


def offsets_s(door: Door) -> list[float]:
    times = [request.captured_at.ToNanoseconds() for request in door.stored.values()]
    return [(at - times[0]) / 1e9 for at in times]


def size_of(image: bytes) -> tuple[int, int]:
    """Width and height, px."""
    decoded = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return decoded.shape[1], decoded.shape[0]


async def test_a_video_arrives_whole_as_jpegs_with_the_time_of_the_stream(
    door: Door, connection: Connection, aisle: Path
) -> None:
    before_ns = time.time_ns()
    report = await run(EdgeAgent(open_source(str(aisle)), "aisle", connection, PushOptions()))
    assert (report.captured, report.acknowledged, report.sampled_out, report.corrupt) == (75, 75, 0, 0)
    assert (report.waiting, report.dropped, report.duplicates, report.rejected) == (0, 0, 0, {})
    assert offsets_s(door) == pytest.approx([0.06 * number for number in range(75)], abs=0.002)
    first_ns = next(iter(door.stored.values())).captured_at.ToNanoseconds()
    assert before_ns <= first_ns <= time.time_ns()
    assert {size_of(image) for image in door.images[::25]} == {(480, 270)}
    assert report.fps > 0


async def test_max_width_scales_wider_frames_and_keeps_their_ratio(
    door: Door, connection: Connection, aisle: Path
) -> None:
    await run(EdgeAgent(open_source(str(aisle)), "aisle", connection, PushOptions(fps=2, max_width=240)))
    assert {size_of(image) for image in door.images} == {(240, 135)}


async def test_images_go_byte_for_byte_unless_they_are_too_wide(
    tmp_path: Path, door: Door, connection: Connection
) -> None:
    narrow, wide = jpeg(1, width=100, height=50), jpeg(2, width=400, height=200)
    (tmp_path / "1.jpg").write_bytes(narrow)
    (tmp_path / "2.jpg").write_bytes(wide)
    (tmp_path / "3.jpg").write_bytes(b"no image")
    await run(EdgeAgent(open_source(str(tmp_path)), "gate-3", connection, PushOptions(max_width=200)))
    assert door.images[0] == narrow
    assert size_of(door.images[1]) == (200, 100)
    assert door.images[2] == b"no image", "ingest refuses it and counts it with its reason"


async def test_a_lower_quality_makes_smaller_frames(door: Door, connection: Connection, aisle: Path) -> None:
    for quality in (95, 30):
        await run(EdgeAgent(open_source(str(aisle)), "aisle", connection, PushOptions(fps=1, jpeg_quality=quality)))
    half = len(door.images) // 2
    assert sum(map(len, door.images[:half])) > 2 * sum(map(len, door.images[half:]))


async def test_what_fps_leaves_out_is_counted_and_told_to_ingest(door: Door, connection: Connection) -> None:
    report = await run(EdgeAgent(Counter(101, step_s=0.1), "gate-3", connection, PushOptions(fps=2)))
    assert offsets_s(door) == pytest.approx([0.5 * number for number in range(21)], abs=1e-6)
    assert (report.captured, report.acknowledged, report.sampled_out) == (101, 21, 80)
    assert [request.sampled_out for request in door.stored.values()] == [0] + [4] * 20
    assert door.sequences == list(range(21)), "what is left out is no gap"


async def test_what_is_left_out_after_the_last_frame_is_told_at_the_end(door: Door, connection: Connection) -> None:
    report = await run(EdgeAgent(Counter(103, step_s=0.1), "gate-3", connection, PushOptions(fps=2)))
    assert (report.captured, report.acknowledged, report.sampled_out, report.waiting) == (103, 21, 82, 0)
    (end,) = door.closings
    assert (end.sampled_out, end.sequence, end.image) == (2, 21, b"")
    assert end.stream == next(iter(door.stored.values())).stream


async def test_a_loop_goes_on_in_time_where_it_ended(door: Door, connection: Connection) -> None:
    report = await run(EdgeAgent(Counter(5, step_s=0.2), "gate-3", connection, PushOptions(loop=3)))
    assert report.captured == 15
    assert door.images == [jpeg(number) for _ in range(3) for number in range(5)]
    assert offsets_s(door) == pytest.approx([0.2 * number for number in range(15)], abs=1e-6)


async def test_realtime_takes_as_long_as_the_source(door: Door, connection: Connection) -> None:
    began = time.monotonic()
    await run(EdgeAgent(Counter(9, step_s=0.1), "gate-3", connection, PushOptions(realtime=True)))
    assert 0.8 <= time.monotonic() - began < 3.0


async def test_an_endless_source_that_is_stopped_has_an_answer_to_every_frame(
    door: Door, connection: Connection
) -> None:
    agent = EdgeAgent(Counter(50, step_s=0.1), "gate-3", connection, PushOptions(loop=0, realtime=True, fps=5))
    running = asyncio.create_task(run(agent))
    await soon(lambda: len(door.stored) >= 2, "two frames")
    agent.stop()
    report = await asyncio.wait_for(running, 5)
    assert report.acknowledged == len(door.stored)
    assert (report.captured, report.waiting) == (report.acknowledged + report.sampled_out, 0)
    told = sum(request.sampled_out for request in [*door.stored.values(), *door.closings])
    assert told == report.sampled_out


async def test_progress_is_told_while_it_runs(door: Door, connection: Connection) -> None:
    told: list[PushReport] = []
    options = PushOptions(realtime=True)
    await run(EdgeAgent(Counter(9, step_s=0.1), "gate-3", connection, options, told.append))
    assert len(told) >= 3
    assert [report.captured for report in told] == sorted(report.captured for report in told)


async def test_a_refused_frame_is_in_the_report_with_its_reason(door: Door, connection: Connection) -> None:
    def refuse(request: PushFramesRequest) -> tuple[str, str] | None:
        return ("truncated", "it ends in the middle") if request.sequence == 1 else None

    door.refuse = refuse
    report = await run(EdgeAgent(Counter(3), "gate-3", connection, PushOptions()))
    assert (report.acknowledged, report.rejected, report.last_rejection) == (
        2,
        {"truncated": 1},
        "it ends in the middle",
    )


async def test_a_source_that_breaks_ends_with_its_error_after_its_frames_arrived(
    tmp_path: Path, door: Door, connection: Connection
) -> None:
    for number in range(20):
        (tmp_path / f"{number:02d}.jpg").write_bytes(jpeg(number))
    source = open_source(str(tmp_path))
    (tmp_path / "19.jpg").unlink()
    with pytest.raises(SourceError, match=r"19\.jpg cannot be read"):
        await run(EdgeAgent(source, "gate-3", connection, PushOptions()))
    assert door.images == [jpeg(number) for number in range(19)]


async def test_an_unknown_camera_ends_the_run_with_the_sentence_of_ingest(door: Door, connection: Connection) -> None:
    door.fail = (grpc.StatusCode.NOT_FOUND, "camera gate-3 is not known: add it")
    with pytest.raises(Refused, match="camera gate-3 is not known: add it"):
        await run(EdgeAgent(Counter(500), "gate-3", connection, PushOptions()))


async def test_the_wished_rate_is_obeyed_while_it_runs_and_told_with_the_frames(
    door: Door, connection: Connection
) -> None:
    agent = EdgeAgent(Counter(10_000, step_s=0.02), "gate-3", connection, PushOptions(realtime=True, fps=50))
    running = asyncio.create_task(run(agent))
    await soon(lambda: len(door.stored) >= 10, "frames at 50 a second")
    door.wish(fps=5.0, max_width=32)
    await soon(lambda: list(door.stored.values())[-1].config_revision == 1, "a frame under the new revision")
    at = len(door.stored)
    await soon(lambda: len(door.stored) >= at + 3, "three frames at 5 a second")
    slow = list(door.stored.values())[at:]
    assert all(request.sampled_out >= 8 for request in slow)
    assert size_of(slow[-1].image) == (32, 24)
    door.wish()
    await soon(lambda: list(door.stored.values())[-1].config_revision == 2, "a frame under the last revision")
    at = len(door.stored)
    await soon(lambda: len(door.stored) >= at + 5, "frames at 50 a second again")
    assert all(request.sampled_out <= 1 for request in list(door.stored.values())[at:])
    door.fail = (grpc.StatusCode.PERMISSION_DENIED, "that is enough")
    await door.shut()
    await door.open()
    with pytest.raises(Refused, match="that is enough"):
        await running
