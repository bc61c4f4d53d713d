"""One child process in a session of its own, that dies with its parent and leaves nobody behind."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from cvops_common.tie import die_with


class Child:
    """A running child process.

    Start it on a thread that lives as long as the child may: the kernel ends it together with that thread.

    Attributes:
        pid: of the child, which leads its own session and process group.
    """

    def __init__(self, command: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None) -> None:
        """Starts the process; standard output and error are appended to `log`, standard input is empty.

        Args:
            command: the program, by path or name on PATH, with its arguments.
            log: the file; its folder must exist.
            env: its whole environment; None: ours.

        Raises:
            OSError: it cannot be started.
        """
        with log.open("ab") as output:
            self._popen = subprocess.Popen(  # noqa: S603
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if env is None else dict(env),
                start_new_session=True,  # Ctrl-C reaches the supervisor only, which then stops things in order
                preexec_fn=partial(die_with, os.getpid()),
            )
        self.pid = self._popen.pid

    def exit_code(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._popen.poll()

    def signal_group(self, number: signal.Signals) -> None:
        """Sends a signal to the child and all that it started in its session's group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def stop(self, grace_s: float) -> int:
        """SIGTERM, up to `grace_s` seconds, then SIGKILL to what is left. Blocks; gives the exit status."""
        if self.exit_code() is None:
            self.signal_group(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(grace_s)
        return self.kill()

    def kill(self) -> int:
        """SIGKILL to the whole group, also to what outlived its leader. Gives the exit status."""
        self.signal_group(signal.SIGKILL)
        return self._popen.wait()


def wait_until(problem: Callable[[], str | None], child: Child, deadline_s: float) -> str | None:
    """Asks `problem` until it says None, the child ends or the time is over; gives what is still wrong, or None."""
    end = time.monotonic() + deadline_s
    while True:
        said = problem()
        if said is None:
            return None
        code = child.exit_code()
        if code is not None:
            return f"the process ended with status {code}"
        if time.monotonic() > end:
            return said
        time.sleep(0.05)
