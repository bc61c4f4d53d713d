"""The supervisor against small real processes."""

import asyncio
import contextlib
import itertools
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from supervised import READY, spec
from waiting import alive, soon

from cvops_common.errors import Unavailable
from cvops_local.spec import Backoff, ProcessSpec, ProcessStatus, State
from cvops_local.supervisor import Supervisor

FOREVER = READY + "time.sleep(600)"
QUICK = Backoff(first_s=0.05, longest_s=0.2, healthy_s=60)


@contextlib.asynccontextmanager
async def running(supervisor: Supervisor) -> AsyncIterator[None]:
    task = asyncio.create_task(supervisor.run())
    try:
        yield
    finally:
        supervisor.stop()
        await asyncio.wait_for(task, 30)


def pid_of(supervisor: Supervisor, name: str) -> int | None:
    return next(status.pid for status in supervisor.statuses if status.name == name)


async def test_stages_rise_in_order_and_sink_in_reverse(tmp_path: Path) -> None:
    seen: list[tuple[str, State]] = []

    def on_change(status: ProcessStatus) -> None:
        if status.state in (State.READY, State.STARTING, State.STOPPED) and (status.name, status.state) not in seen:
            seen.append((status.name, status.state))

    slow = "import time; time.sleep(0.3)\n" + FOREVER
    specs = [spec(tmp_path, "service", FOREVER, stage=1), spec(tmp_path, "engine", slow, stage=0)]
    supervisor = Supervisor(specs, tmp_path, on_change=on_change)
    async with running(supervisor):
        await soon(lambda: supervisor.ready, "all ready")
        pids = [status.pid for status in supervisor.statuses]
    assert seen == [
        ("engine", State.STARTING),
        ("engine", State.READY),
        ("service", State.STARTING),
        ("service", State.READY),
        ("service", State.STOPPED),
        ("engine", State.STOPPED),
    ]
    assert not any(alive(pid) for pid in pids if pid)


async def test_a_killed_process_comes_back_and_the_others_go_on(tmp_path: Path) -> None:
    specs = [spec(tmp_path, "one", FOREVER), spec(tmp_path, "two", FOREVER)]
    supervisor = Supervisor(specs, tmp_path, backoff=QUICK)
    async with running(supervisor):
        await soon(lambda: supervisor.ready, "all ready")
        killed, other = pid_of(supervisor, "one"), pid_of(supervisor, "two")
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        await soon(lambda: pid_of(supervisor, "one") not in (None, killed) and supervisor.ready, "one is back")
        assert pid_of(supervisor, "two") == other
        assert supervisor.statuses[0].restarts == 1


async def test_pauses_between_restarts_grow_and_tell_the_last_words(tmp_path: Path) -> None:
    paused: list[tuple[float, str]] = []

    def on_change(status: ProcessStatus) -> None:
        if status.state is State.BACKING_OFF:
            paused.append((time.monotonic(), status.detail))

    broken = spec(tmp_path, "broken", "import sys; print('no luck today'); sys.exit(3)")
    backoff = Backoff(first_s=0.2, longest_s=0.8, healthy_s=60)
    supervisor = Supervisor([broken], tmp_path, on_change=on_change, backoff=backoff)
    async with running(supervisor):
        await soon(lambda: len(paused) >= 4, "four failures")
    times = [when for when, _ in paused]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert gaps[0] >= 0.2
    assert gaps[1] >= 0.4
    assert gaps[2] >= 0.8
    assert paused[0][1] == "ended with status 3: no luck today; again in 0.2 s"


def test_the_pause_starts_at_half_a_second_and_never_exceeds_thirty() -> None:
    assert [Backoff().pause_s(failures) for failures in (1, 2, 3, 7, 500)] == [0.5, 1.0, 2.0, 30.0, 30.0]


async def test_a_process_that_ignores_sigterm_is_killed_after_its_grace(tmp_path: Path) -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + FOREVER
    supervisor = Supervisor([spec(tmp_path, "deaf", deaf, grace_s=0.5)], tmp_path)
    async with running(supervisor):
        await soon(lambda: supervisor.ready, "ready")
        pid = pid_of(supervisor, "deaf")
        began = time.monotonic()
    assert pid is not None
    assert not alive(pid)
    assert 0.5 <= time.monotonic() - began < 5


async def test_a_second_stop_kills_at_once(tmp_path: Path) -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + FOREVER
    supervisor = Supervisor([spec(tmp_path, "deaf", deaf, grace_s=60)], tmp_path)
    async with running(supervisor):
        await soon(lambda: supervisor.ready, "ready")
        began = time.monotonic()
        supervisor.stop()
        await soon(lambda: supervisor.statuses[0].state is State.STOPPING, "stopping")
    assert time.monotonic() - began < 5  # the context stopped it a second time


async def test_what_a_crashed_process_had_started_does_not_outlive_it(tmp_path: Path) -> None:
    code = "import subprocess,sys; p = subprocess.Popen(['sleep', '600']); print(p.pid, flush=True)\n" + FOREVER
    supervisor = Supervisor([spec(tmp_path, "parent", code)], tmp_path, backoff=Backoff(first_s=30))
    async with running(supervisor):
        await soon(lambda: supervisor.ready, "ready")
        grandchild = int((tmp_path / "parent.log").read_text())
        assert alive(grandchild)
        os.kill(pid_of(supervisor, "parent") or 0, signal.SIGKILL)
        await soon(lambda: not alive(grandchild), "the grandchild is gone")


async def test_a_process_that_stops_answering_is_not_ready_and_becomes_ready_again(tmp_path: Path) -> None:
    supervisor = Supervisor([spec(tmp_path, "one", FOREVER)], tmp_path)
    async with running(supervisor):
        await soon(lambda: supervisor.ready, "ready")
        (tmp_path / "one.ready").unlink()
        await soon(lambda: supervisor.statuses[0].state is State.NOT_READY, "not ready")
        assert supervisor.statuses[0].detail == "one.ready does not exist"
        (tmp_path / "one.ready").touch()
        await soon(lambda: supervisor.ready, "ready again")
        assert supervisor.statuses[0].restarts == 0


async def test_a_missing_program_ends_everything_with_a_sentence(tmp_path: Path) -> None:
    missing = ProcessSpec("ghost", lambda: ["/no/such/program"], lambda: "never", stage=1)
    supervisor = Supervisor([spec(tmp_path, "one", FOREVER), missing], tmp_path)
    with pytest.raises(Unavailable, match=r"ghost cannot be started.*no/such/program"):
        await supervisor.run()
    assert [status.pid for status in supervisor.statuses] == [None, None]


async def test_an_external_engine_is_waited_for_and_never_started(tmp_path: Path) -> None:
    there = tmp_path / "there"
    external = ProcessSpec("kafka", None, lambda: None if there.exists() else "not there")
    supervisor = Supervisor([external, spec(tmp_path, "service", FOREVER, stage=1)], tmp_path)
    async with running(supervisor):
        await soon(lambda: supervisor.statuses[0].detail == "not there", "asked for")
        assert supervisor.statuses[1].state is State.WAITING
        there.touch()
        await soon(lambda: supervisor.ready, "all ready")
        assert supervisor.statuses[0].pid is None


async def test_output_is_appended_over_restarts_and_stop_while_starting_is_clean(tmp_path: Path) -> None:
    (tmp_path / "one.log").write_text("before\n")
    never = "import time; print('started', flush=True); time.sleep(600)"
    supervisor = Supervisor([spec(tmp_path, "one", never)], tmp_path)
    async with running(supervisor):
        await soon(lambda: "started" in (tmp_path / "one.log").read_text(), "it wrote")
        pid = pid_of(supervisor, "one")
    assert (tmp_path / "one.log").read_text() == "before\nstarted\n"
    assert pid is not None
    assert not alive(pid)
