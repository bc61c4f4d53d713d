"""What is to run, and how it is doing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class State(StrEnum):
    """How a process is doing."""

    WAITING = "waiting"
    """Its turn has not come: something of an earlier stage is not ready yet."""
    STARTING = "starting"
    """It runs and has not been ready since."""
    READY = "ready"
    """It runs and answers as it should."""
    NOT_READY = "not ready"
    """It was ready, still runs, and does not answer as it should."""
    BACKING_OFF = "backing off"
    """It ended by itself and is started again after a pause."""
    STOPPING = "stopping"
    """It was asked to end."""
    STOPPED = "stopped"
    """It ended because we asked."""


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """A process to keep running, or something external to wait for.

    Attributes:
        name: unique; its log file is `<name>.log`.
        command: called on a worker thread before every start, so it may prepare what the process needs; None: the thing
            is external, only `problem` is asked.
        problem: None when it is ready, else a sentence; called on a worker thread, must return within some seconds.
        address: where it listens, for people.
        env: its whole environment; None: ours.
        stage: all of lower stages are ready before it starts; stops come in the reverse order.
        grace_s: seconds between SIGTERM and SIGKILL.
    """

    name: str
    command: Callable[[], Sequence[str]] | None
    problem: Callable[[], str | None]
    address: str = ""
    env: Mapping[str, str] | None = field(default=None, repr=False)
    stage: int = 0
    grace_s: float = 15.0


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """A moment in the life of a process.

    Attributes:
        name: of its spec.
        state: see State.
        address: of its spec.
        pid: None while it does not run, and for what is external.
        since: when the process started, seconds since the epoch; None while it does not run.
        restarts: how often it was started again after it ended by itself.
        detail: why it is in this state; empty when there is nothing to say.
        log: its log file; None for what is external.
    """

    name: str
    state: State
    address: str
    pid: int | None
    since: float | None
    restarts: int
    detail: str
    log: Path | None


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses between restarts: `first_s`, twice that, ... `longest_s`; all over after `healthy_s` of being ready."""

    first_s: float = 0.5
    longest_s: float = 30.0
    healthy_s: float = 60.0

    def pause_s(self, failures: int) -> float:
        """The pause after the failure number `failures`, counted from 1."""
        return float(min(self.first_s * 2.0 ** min(failures - 1, 16), self.longest_s))
