"""A supervisor as a process of its own: signals, the lock, a lost terminal, a kill."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from supervised import READY
from waiting import alive, eventually

from cvops_local.folder import DataDir
from cvops_local.records import MARK, end_leftovers, read_run

PROGRAM = Path(__file__).with_name("supervised.py")
FOREVER = READY + "time.sleep(600)"
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts supervised.py on tmp_path with two processes."""
    started: list[subprocess.Popen[bytes]] = []

    def start(**how: Any) -> "subprocess.Popen[bytes]":
        command = [sys.executable, str(PROGRAM), str(tmp_path), f"one={FOREVER}", f"two={FOREVER}"]
        process = subprocess.Popen(command, **({"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | how))
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        with contextlib.suppress(ValueError):
            process.communicate()


def children(folder: Path) -> list[int]:
    run = read_run(DataDir(folder).processes_file)
    return [each.pid for each in run.processes if each.pid] if run else []


def all_ready(folder: Path) -> bool:
    run = read_run(DataDir(folder).processes_file)
    return run is not None and len(children(folder)) == 2 and all(each.state == "ready" for each in run.processes)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_with_status_0(tmp_path: Path, start: Start, number: signal.Signals) -> None:
    supervisor = start()
    eventually(lambda: all_ready(tmp_path), "all ready")
    pids = children(tmp_path)
    supervisor.send_signal(number)
    out, err = supervisor.communicate(timeout=20)
    assert (supervisor.returncode, err) == (0, b"")
    assert not any(map(alive, pids))
    assert children(tmp_path) == []
    events = [json.loads(line)["event"] for line in out.splitlines()]
    assert events[-1] == "stopped"
    assert "ready" in events


def test_a_terminal_that_closes_stops_everything_with_status_0(tmp_path: Path, start: Start) -> None:
    ours, theirs = pty.openpty()
    supervisor = start(
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        preexec_fn=lambda: os.close(os.open(os.ttyname(1), os.O_RDWR)),  # makes it the controlling terminal
    )  # fmt: skip
    os.close(theirs)
    eventually(lambda: all_ready(tmp_path), "all ready")
    pids = children(tmp_path)
    os.close(ours)
    assert supervisor.wait(20) == 0
    assert not any(map(alive, pids))


def test_a_closed_pipe_does_not_stop_the_processes(tmp_path: Path, start: Start) -> None:
    supervisor = start()
    assert supervisor.stdout is not None
    supervisor.stdout.close()
    eventually(lambda: all_ready(tmp_path), "all ready")
    assert supervisor.poll() is None
    supervisor.terminate()
    assert supervisor.wait(20) == 0
    assert supervisor.stderr is not None
    assert supervisor.stderr.read() == b""


def test_a_second_one_on_the_same_folder_is_refused_with_the_pid_of_the_first(tmp_path: Path, start: Start) -> None:
    first = start()
    eventually(lambda: all_ready(tmp_path), "all ready")
    second = start()
    _, err = second.communicate(timeout=20)
    assert second.returncode == 1
    assert f"already runs on {tmp_path} (pid {first.pid})" in err.decode()
    assert first.poll() is None
    assert all(map(alive, children(tmp_path)))


def test_a_killed_supervisor_takes_its_processes_with_it_and_can_be_started_again(tmp_path: Path, start: Start) -> None:
    first = start()
    eventually(lambda: all_ready(tmp_path), "all ready")
    pids = children(tmp_path)
    first.kill()
    first.wait(10)
    eventually(lambda: not any(map(alive, pids)), "the processes are gone")
    again = start()
    eventually(lambda: all_ready(tmp_path) and not set(children(tmp_path)) & set(pids), "all ready again")
    again.terminate()
    assert again.wait(20) == 0


def _record(folder: Path, pid: int, since: float) -> None:
    file = DataDir(folder).processes_file
    file.parent.mkdir(parents=True, exist_ok=True)
    each = {"name": "one", "state": "ready", "address": "", "pid": pid, "since": since, "restarts": 0, "detail": "",
            "log": None}  # fmt: skip
    file.write_text(json.dumps({"supervisor_pid": 1, "processes": [each]}))


@pytest.fixture
def stray(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A marked process that ignores SIGTERM, as one left behind might."""
    code = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"
    process = subprocess.Popen(
        [sys.executable, "-c", code], env={MARK: str(tmp_path)}, start_new_session=True, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def test_what_a_killed_run_left_behind_is_ended(
    tmp_path: Path, stray: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cvops_local.records._GRACE_S", 0.3)
    _record(tmp_path, stray.pid, psutil.Process(stray.pid).create_time())
    assert end_leftovers(DataDir(tmp_path).processes_file, tmp_path) == ("one",)
    assert not alive(stray.pid)


def test_a_process_that_only_has_the_same_number_is_left_alone(
    tmp_path: Path, stray: "subprocess.Popen[bytes]"
) -> None:
    started = psutil.Process(stray.pid).create_time()
    _record(tmp_path, stray.pid, started - 3600)
    assert end_leftovers(DataDir(tmp_path).processes_file, tmp_path) == ()
    _record(tmp_path, stray.pid, started)
    assert end_leftovers(DataDir(tmp_path).processes_file, tmp_path / "another folder") == ()
    assert alive(stray.pid)
