"""Frames on disk: in order, bounded, readable after a kill."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cvops.edge.spool import Spool
from cvops_protos.v1.ingest_pb2 import PushFramesRequest

MIB = 2**20


def frame(sequence: int, size: int = 100) -> PushFramesRequest:
    return PushFramesRequest(camera_id="gate-3", stream="run", sequence=sequence, image=bytes([sequence % 251]) * size)


def drained(spool: Spool) -> list[int]:
    """Sequence numbers of everything, taken and removed."""
    found: list[int] = []
    while (taken := spool.take()) is not None:
        path, frames = taken
        found += [request.sequence for request in frames]
        spool.remove(path)
    return found


def on_disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def test_frames_come_back_in_the_order_they_went_in_whole(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 64 * MIB)
    sent = [frame(number, size=300_000) for number in range(40)]
    for request in sent:
        spool.append(request)
    back = []
    while (taken := spool.take()) is not None:
        back += taken[1]
        spool.remove(taken[0])
    assert back == sent
    assert spool.size_bytes == 0
    assert list(tmp_path.iterdir()) == []


def test_a_new_run_takes_over_what_the_last_one_left_and_goes_on_behind_it(tmp_path: Path) -> None:
    first = Spool(tmp_path, 64 * MIB)
    for number in range(30):
        first.append(frame(number, size=400_000))
    first.close()
    second = Spool(tmp_path, 64 * MIB)
    assert second
    assert second.size_bytes == on_disk(tmp_path)
    second.append(frame(30))
    assert drained(second) == list(range(31))


def test_a_file_that_was_taken_and_not_removed_is_given_again_to_the_next_run(tmp_path: Path) -> None:
    first = Spool(tmp_path, 64 * MIB)
    first.append(frame(0))
    assert first.take() is not None
    assert first.take() is None
    first.close()
    assert drained(Spool(tmp_path, 64 * MIB)) == [0]


@pytest.mark.parametrize("limit_mib", [1, 2, 10])
def test_a_full_spool_drops_the_oldest_counts_them_and_stays_within_its_size(tmp_path: Path, limit_mib: int) -> None:
    spool = Spool(tmp_path, limit_mib * MIB)
    biggest, smallest_when_full = 0, limit_mib * MIB
    for number in range(300):
        spool.append(frame(number, size=100_000))
        biggest = max(biggest, on_disk(tmp_path))
        if spool.dropped:
            smallest_when_full = min(smallest_when_full, on_disk(tmp_path))
    assert biggest <= limit_mib * MIB
    assert smallest_when_full > 0.7 * limit_mib * MIB, "it does not throw away more than it must"
    assert spool.size_bytes == on_disk(tmp_path)
    left = drained(spool)
    assert left == list(range(300 - len(left), 300)), "the newest frames are the ones that stay"
    assert spool.dropped == 300 - len(left)


def test_what_an_earlier_run_left_is_counted_when_it_is_dropped(tmp_path: Path) -> None:
    first = Spool(tmp_path, 1 * MIB)
    for number in range(5):
        first.append(frame(number, size=100_000))
    first.close()
    second = Spool(tmp_path, 1 * MIB)
    for number in range(5, 40):
        second.append(frame(number, size=100_000))
    assert second.dropped + len(drained(second)) == 40


def test_a_record_torn_by_a_kill_is_skipped_and_all_before_it_stay(tmp_path: Path) -> None:
    first = Spool(tmp_path, 64 * MIB)
    for number in range(5):
        first.append(frame(number, size=1000))
    first.close()
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    for cut in (1, 500, 999, len(whole) // 5 - 3):
        file.write_bytes(whole[:-cut])
        again = Spool(tmp_path, 64 * MIB)
        again.append(frame(9))
        taken = again.take()
        assert taken is not None
        assert [request.sequence for request in taken[1]] == [0, 1, 2, 3]
        newer = again.take()
        assert newer is not None
        assert [request.sequence for request in newer[1]] == [9]
        again.remove(newer[0])
        again.close()


def test_what_is_put_back_goes_before_all_others_and_survives_a_kill_half_way(tmp_path: Path) -> None:
    first = Spool(tmp_path, 64 * MIB)
    first.append(frame(0))
    first.append(frame(1))
    taken = first.take()
    assert taken is not None
    first.append(frame(2))
    (tmp_path / "000000000009.new").write_bytes(b"half")
    first.put_back([taken[1][1]], instead_of=[taken[0]])
    first.close()
    assert drained(Spool(tmp_path, 64 * MIB)) == [1, 2]
    assert list(tmp_path.iterdir()) == []


def test_what_is_put_back_and_is_too_much_is_dropped_oldest_first_and_counted(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1 * MIB)
    spool.put_back([frame(number, size=100_000) for number in range(20)], instead_of=[])
    assert on_disk(tmp_path) <= MIB
    assert drained(spool) == list(range(10, 20))
    assert spool.dropped == 10


def test_a_damaged_record_is_not_taken_for_a_frame(tmp_path: Path) -> None:
    first = Spool(tmp_path, 64 * MIB)
    for number in range(3):
        first.append(frame(number, size=1000))
    first.close()
    (file,) = tmp_path.iterdir()
    data = bytearray(file.read_bytes())
    data[-200] ^= 0xFF
    file.write_bytes(data)
    assert drained(Spool(tmp_path, 64 * MIB)) == [0, 1]


def test_a_file_without_one_whole_record_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / "000000000007.spool").write_bytes(b"\x10\x00\x00\x00torn")
    spool = Spool(tmp_path, 64 * MIB)
    assert spool.take() is None
    assert not spool
    assert list(tmp_path.iterdir()) == []


def test_frames_survive_a_process_that_is_killed_while_it_writes(tmp_path: Path) -> None:
    program = (
        "import sys, itertools; from pathlib import Path; from cvops.edge.spool import Spool;"
        "from cvops_protos.v1.ingest_pb2 import PushFramesRequest as Frame\n"
        "spool = Spool(Path(sys.argv[1]), 1 << 30)\n"
        "for n in itertools.count():\n"
        "    spool.append(Frame(sequence=n, image=bytes(20_000)))\n"
        "    if n >= 200: print(n, flush=True)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    last = int(child.stdout.readline())
    os.kill(child.pid, signal.SIGKILL)
    said = child.stdout.read().split()
    child.stdout.close()
    child.wait(10)
    last = max([last, *(int(number) for number in said[:-1])])
    found = drained(Spool(tmp_path, 1 << 30))
    assert found == list(range(len(found)))
    assert len(found) > last


def test_on_a_full_disk_the_oldest_frames_make_room_and_are_counted(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 64 * MIB)
    for number in range(3):
        spool.append(frame(number))
    spool.close()
    spool = Spool(tmp_path, 64 * MIB)
    (tmp_path / "000000000002.spool").symlink_to("/dev/full")  # the next file: not a byte fits
    spool.append(frame(3))
    assert spool.disk_is_full
    assert spool.dropped == 3
    spool.append(frame(4))
    assert not spool.disk_is_full
    assert drained(spool) == [3, 4]
    assert list(tmp_path.iterdir()) == []


def test_a_frame_for_which_nothing_makes_room_is_dropped_counted_and_leaves_nothing_behind(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 64 * MIB)
    for number in range(1, 7):
        (tmp_path / f"{number:012d}.spool").symlink_to("/dev/full")
    for number in range(3):
        spool.append(frame(number))
    assert spool.dropped == 3
    assert list(tmp_path.iterdir()) == []
    spool.append(frame(3))
    assert drained(spool) == [3]


def test_a_record_that_a_full_disk_takes_in_part_is_not_read_back(tmp_path: Path) -> None:
    program = (
        "import resource, sys; from pathlib import Path; from cvops.edge.spool import Spool;"
        "from cvops_protos.v1.ingest_pb2 import PushFramesRequest as Frame\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))  # a file ends where a full disk would\n"
        "spool = Spool(Path(sys.argv[1]), 1 << 30)\n"
        "for n in range(12):\n"
        "    spool.append(Frame(sequence=n, image=bytes(20_000)))\n"
        "print(spool.dropped)\n"
        "spool.close()\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=30, check=True
    ).stdout
    left = drained(Spool(tmp_path, 1 << 30))
    assert left == list(range(12 - len(left), 12)), "the newest frames are the ones that stay"
    assert left
    assert int(said) == 12 - len(left)


def test_a_disk_that_fails_for_another_reason_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    spool = Spool(folder, 64 * MIB)
    folder.rmdir()
    with pytest.raises(FileNotFoundError):
        spool.append(frame(0))
    assert spool.dropped == 0
