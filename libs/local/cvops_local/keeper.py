"""Keeps one process running: start, watch, restart with growing pauses, stop."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from cvops_common.errors import CvopsError, Unavailable
from cvops_local.child import Child
from cvops_local.logs import last_line, rotate
from cvops_local.spec import Backoff, ProcessSpec, ProcessStatus, State

_EXIT_POLL_S = 0.1
_PROBE_STARTING_S = 0.1
_PROBE_READY_S = 2.0


class Keeper:
    """Keeps what one spec names running until `stop`. Its child is started on the thread of the event loop."""

    def __init__(
        self, spec: ProcessSpec, logs: Path, backoff: Backoff, on_change: Callable[[ProcessStatus], None]
    ) -> None:
        self.spec = spec
        self.was_ready = asyncio.Event()
        self._log = logs / f"{spec.name}.log"
        self._backoff = backoff
        self._on_change = on_change
        self._stopping = asyncio.Event()
        self._child: Child | None = None
        self._failures = 0
        self._ready_since: float | None = None
        log = self._log if spec.command else None
        self.status = ProcessStatus(spec.name, State.WAITING, spec.address, None, None, 0, "", log)

    async def run(self) -> None:
        """Returns after `stop`.

        Raises:
            Unavailable: the very first start is impossible: a program or download is missing.
        """
        while not self._stopping.is_set():
            try:
                await self._start()
            except (CvopsError, OSError) as error:
                if not self.was_ready.is_set() and self._failures == 0:
                    raise Unavailable(f"{self.spec.name} cannot be started: {error}") from error
                await self._pause(str(error))
                continue
            code = await self._watch()
            if not self._stopping.is_set():
                said = last_line(self._log)
                await self._pause(f"ended {_by(code)}" + (f": {said}" if said else ""))

    async def stop(self) -> None:
        """Ends the process: SIGTERM, the grace of its spec, SIGKILL."""
        self._stopping.set()
        child = self._child
        if child is not None:
            self._set(State.STOPPING)
            await asyncio.to_thread(child.stop, self.spec.grace_s)
        self._set(State.STOPPED, pid=None, since=None)

    def kill(self) -> None:
        """SIGKILL at once; a `stop` that waits returns."""
        if self._child is not None:
            self._child.signal_group(signal.SIGKILL)

    async def _start(self) -> None:
        self._ready_since = None
        if self.spec.command is None:
            self._set(State.STARTING)
            return
        command = await asyncio.to_thread(self.spec.command)
        if self._stopping.is_set():
            return
        rotate(self._log)
        self._child = Child(command, log=self._log, env=self.spec.env)
        self._set(State.STARTING, pid=self._child.pid, since=time.time())

    async def _watch(self) -> int:
        """Asks for readiness until the process ends or `stop`; gives its exit status."""
        while not self._ended():
            problem = await asyncio.to_thread(self.spec.problem)
            if self._ended():
                break
            self._heard(problem)
            await self._wait(_PROBE_STARTING_S if self._ready_since is None else _PROBE_READY_S)
        if self._child is None or self._stopping.is_set():
            return 0
        return self._child.kill()  # what it had started must not outlive it

    def _heard(self, problem: str | None) -> None:
        if problem is None:
            self._ready_since = self._ready_since or time.monotonic()
            if time.monotonic() - self._ready_since > self._backoff.healthy_s:
                self._failures = 0
            self.was_ready.set()
            self._set(State.READY)
        elif self._ready_since is None:
            self._set(State.STARTING, detail=problem)
        else:
            self._set(State.NOT_READY, detail=problem)

    async def _pause(self, why: str) -> None:
        self._failures += 1
        pause_s = self._backoff.pause_s(self._failures)
        self._child = None
        restarts = self.status.restarts + 1
        detail = f"{why}; again in {pause_s:g} s"
        self._set(State.BACKING_OFF, detail=detail, pid=None, since=None, restarts=restarts)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), pause_s)

    async def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._ended() and time.monotonic() < end:
            await asyncio.sleep(_EXIT_POLL_S)

    def _ended(self) -> bool:
        return self._stopping.is_set() or (self._child is not None and self._child.exit_code() is not None)

    def _set(self, state: State, *, detail: str = "", **changed: float | int | None) -> None:
        new = replace(self.status, state=state, detail=detail, **changed)  # type: ignore[arg-type]
        if new != self.status:
            self.status = new
            self._on_change(new)


def _by(code: int) -> str:
    if code >= 0:
        return f"with status {code}"
    try:
        return f"by {signal.Signals(-code).name}"
    except ValueError:
        return f"by signal {-code}"
