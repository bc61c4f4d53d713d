"""What runs, written down: so that others see it, and so that leftovers of a killed supervisor can be ended."""

import json
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from cvops_local.spec import ProcessStatus

MARK = "CVOPS_SUPERVISED_IN"
"""Variable in the environment of every child: the data folder that it works for."""

_SAME_START_S = 2.0
_GRACE_S = 5.0


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """A process as it was written down; see ProcessStatus. `since`: start, seconds since the epoch."""

    name: str
    state: str
    address: str
    pid: int | None
    since: float | None
    restarts: int
    detail: str
    log: str | None


@dataclass(frozen=True, slots=True)
class Run:
    """A run of `cvops up`: the supervisor and its processes."""

    supervisor_pid: int
    processes: tuple[ProcessRecord, ...]


def write_run(path: Path, statuses: Sequence[ProcessStatus]) -> None:
    """Writes what runs, atomically."""
    processes = [as_json(status) for status in statuses]
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({"supervisor_pid": os.getpid(), "processes": processes}, indent=1))
    fresh.replace(path)


def as_json(status: ProcessStatus) -> dict[str, object]:
    """A status as JSON holds it."""
    return {
        "name": status.name,
        "state": str(status.state),
        "address": status.address,
        "pid": status.pid,
        "since": status.since,
        "restarts": status.restarts,
        "detail": status.detail,
        "log": str(status.log) if status.log else None,
    }


def read_run(path: Path) -> Run | None:
    """What was written last; None when nothing was, or when it cannot be read."""
    try:
        data = json.loads(path.read_text())
        return Run(int(data["supervisor_pid"]), tuple(ProcessRecord(**each) for each in data["processes"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def marked(environment: Mapping[str, str], data_dir: Path) -> dict[str, str]:
    """An environment with the mark by which leftovers are known."""
    return {**environment, MARK: str(data_dir)}


def end_leftovers(path: Path, data_dir: Path) -> tuple[str, ...]:
    """Ends processes that an earlier supervisor of this data folder left behind; gives their names.

    A process counts only when its session or itself was written down, it carries the mark of this folder in its
    environment, and, for the one written down, its start time agrees: a reused process id is never touched.
    """
    run = read_run(path)
    if run is None:
        return ()
    left = {process: record.name for record in run.processes for process in _left_of(record, data_dir)}
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in left:
            _send(process, number)
        _, alive = psutil.wait_procs(list(left), timeout=_GRACE_S)
        if not alive:
            break
    return tuple(dict.fromkeys(left.values()))


def _left_of(record: ProcessRecord, data_dir: Path) -> list[psutil.Process]:
    if record.pid is None or record.since is None:
        return []
    return [process for process in psutil.process_iter() if _is_left(process, record.pid, record.since, data_dir)]


def _is_left(process: psutil.Process, pid: int, since: float, data_dir: Path) -> bool:
    try:
        if os.getsid(process.pid) != pid or process.environ().get(MARK) != str(data_dir):
            return False
        return process.pid != pid or abs(process.create_time() - since) < _SAME_START_S
    except (OSError, psutil.Error):
        return False


def _send(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.Error:
        return
