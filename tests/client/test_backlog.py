"""The window in memory and the spool behind it, without a network."""

import threading
from pathlib import Path

from cvops.edge.backlog import Backlog
from cvops.edge.spool import Spool
from cvops_protos.v1.ingest_pb2 import PushFramesRequest, PushFramesResponse

OPEN = threading.Event()  # of a call that goes on


def frame(sequence: int, stream: str = "run") -> PushFramesRequest:
    return PushFramesRequest(camera_id="gate-3", stream=stream, sequence=sequence, image=b"x" * 50)


def backlog(folder: Path, *, memory: int = 4, window: int = 3, live: bool = True) -> Backlog:
    return Backlog(Spool(folder, 2**26), memory_frames=memory, window=window, live=live)


def stored(request: PushFramesRequest) -> PushFramesResponse:
    return PushFramesResponse(
        stream=request.stream, sequence=request.sequence, status=PushFramesResponse.STATUS_STORED, frame_id="f"
    )


def sent(backlog: Backlog) -> list[PushFramesRequest]:
    """Everything that the window lets out now."""
    found = []
    while (request := backlog.next(0, OPEN)) is not None:
        found.append(request)
    return found


def served(backlog: Backlog) -> list[tuple[str, int]]:
    """All frames in the order they are sent, each answered."""
    found = []
    while (request := backlog.next(0, OPEN)) is not None:
        found.append((request.stream, request.sequence))
        backlog.answer(stored(request))
    return found


def test_no_more_than_the_window_is_unanswered(tmp_path: Path) -> None:
    queue = backlog(tmp_path)
    for number in range(4):
        queue.put(frame(number))
    first = sent(queue)
    assert [request.sequence for request in first] == [0, 1, 2]
    queue.answer(stored(first[0]))
    assert [request.sequence for request in sent(queue)] == [3]


def test_a_live_source_never_waits_and_its_order_holds_through_memory_and_disk(tmp_path: Path) -> None:
    queue = backlog(tmp_path)
    for number in range(20):
        queue.put(frame(number))
    assert queue.counts.waiting == 4, "memory holds what it may, the rest is on disk"
    assert queue.counts.spooled_bytes > 16 * 50
    found = served(queue)
    for number in range(20, 30):
        queue.put(frame(number))
    found += served(queue)
    assert found == [("run", number) for number in range(30)]
    assert queue.empty
    assert queue.counts.acknowledged == 30
    assert queue.counts.spooled_bytes == 0


def test_a_source_that_can_wait_waits_for_room(tmp_path: Path) -> None:
    queue = backlog(tmp_path, live=False)
    for number in range(4):
        queue.put(frame(number))
    putting = threading.Thread(target=queue.put, args=(frame(4),))
    putting.start()
    putting.join(0.1)
    assert putting.is_alive()
    assert list(tmp_path.iterdir()) == []
    assert queue.next(0, OPEN) is not None
    putting.join(5)
    assert not putting.is_alive()


def test_a_source_that_can_wait_is_told_when_no_room_came_in_time(tmp_path: Path) -> None:
    queue = backlog(tmp_path, live=False)
    assert all(queue.put(frame(number), timeout_s=0) for number in range(4))
    assert not queue.put(frame(4), timeout_s=0.01)
    assert queue.counts.waiting == 4


def test_frames_of_the_run_before_go_first(tmp_path: Path) -> None:
    for live in (True, False):
        first = backlog(tmp_path / str(live), live=live)
        for number in range(3):
            first.put(frame(number, "before"))
        assert first.close() == 3
        second = backlog(tmp_path / str(live), live=live)
        putting = threading.Thread(target=lambda queue=second: [queue.put(frame(number, "now")) for number in range(2)])
        putting.start()
        found = []
        while len(found) < 5 and (request := second.next(5, OPEN)) is not None:
            found.append((request.stream, request.sequence))
            second.answer(stored(request))
        putting.join(5)
        assert found == [("before", 0), ("before", 1), ("before", 2), ("now", 0), ("now", 1)], f"live={live}"


def test_what_was_not_answered_is_sent_again_before_anything_newer(tmp_path: Path) -> None:
    queue = backlog(tmp_path)
    for number in range(4):
        queue.put(frame(number))
    first = sent(queue)
    queue.answer(stored(first[1]))
    queue.send_again()
    assert served(queue) == [("run", 0), ("run", 2), ("run", 3)]


def test_a_call_that_has_ended_gets_no_frame_of_the_next_call(tmp_path: Path) -> None:
    queue = backlog(tmp_path)
    ended = threading.Event()
    for number in range(4):
        queue.put(frame(number))
    for _ in range(3):
        assert queue.next(0, ended) is not None
    got: list[PushFramesRequest | None] = []
    waiting = threading.Thread(target=lambda: got.append(queue.next(5, ended)))  # the window is full: it waits
    waiting.start()
    ended.set()
    queue.send_again()
    waiting.join(1)
    assert got == [None]
    assert served(queue) == [("run", number) for number in range(4)]


def test_order_holds_over_a_restart_with_frames_in_flight_in_memory_and_on_disk(tmp_path: Path) -> None:
    first = backlog(tmp_path)
    for number in range(12):
        first.put(frame(number))
    in_flight = sent(first)
    first.answer(stored(in_flight[0]))
    assert first.close() == 3, "two in flight and one waiting; the others are on disk already"
    second = backlog(tmp_path)
    assert served(second) == [("run", number) for number in range(1, 12)]
    assert second.counts.duplicates == 0
    assert list(tmp_path.iterdir()) == []


def test_order_holds_over_restarts_in_the_middle_of_a_spool_file(tmp_path: Path) -> None:
    first = backlog(tmp_path)
    for number in range(10):
        first.put(frame(number))
    first.close()
    expected = 0
    for _ in range(3):
        run = backlog(tmp_path)
        for _ in range(2):
            request = run.next(0, OPEN)
            assert request is not None
            assert request.sequence == expected
            run.answer(stored(request))
            expected += 1
        run.put(frame(100 + expected))
        run.close()
    assert [sequence for _, sequence in served(backlog(tmp_path))] == [6, 7, 8, 9, 102, 104, 106]


def test_a_refused_frame_is_counted_with_its_reason_and_not_sent_again(tmp_path: Path) -> None:
    queue = backlog(tmp_path)
    queue.put(frame(0))
    request = queue.next(0, OPEN)
    assert request is not None
    refusal = PushFramesResponse(stream="run", sequence=0, status=PushFramesResponse.STATUS_REJECTED)
    refusal.reason, refusal.message = "truncated", "the JPEG ends in the middle"
    queue.answer(refusal)
    queue.send_again()
    assert queue.empty
    assert queue.counts.rejected == {"truncated": 1}
    assert queue.counts.acknowledged == 0
    assert queue.last_rejection == "the JPEG ends in the middle"


def test_an_answer_that_comes_twice_counts_once(tmp_path: Path) -> None:
    queue = backlog(tmp_path)
    queue.put(frame(0))
    request = queue.next(0, OPEN)
    assert request is not None
    queue.answer(stored(request))
    queue.answer(stored(request))
    assert queue.counts.acknowledged == 1


def test_after_close_nothing_is_given_and_nothing_is_taken(tmp_path: Path) -> None:
    for live in (True, False):
        queue = backlog(tmp_path / str(live), live=live, memory=2)
        for number in range(2):
            queue.put(frame(number))
        queue.close()
        assert queue.next(0, OPEN) is None
        queue.put(frame(2))
        queue.close()
        assert served(backlog(tmp_path / str(live))) == [("run", 0), ("run", 1)]
