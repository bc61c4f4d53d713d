"""Who inspects: threads, and beside each a process that takes over while many images wait.

A picture takes some forty calls of OpenCV, and after each its thread waits for Python's lock, which the event loop
wants too: on a busy machine cores stand still over it. A process has a lock of its own. Images lie in memory that both
sides see, so only where they lie and what was found travels. Few images are inspected by the thread itself, at once.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from mmap import mmap
from multiprocessing.connection import Connection
from queue import SimpleQueue
from tempfile import TemporaryFile
from typing import Any

from cvops_common.errors import BadImage
from cvops_common.telemetry import logger
from cvops_ingest.inspection import Inspection, Wish, inspect_all
from cvops_ingest.inspector import Hello, Place
from cvops_ingest.settings import IngestSettings

log = logger(__name__)

Finding = Inspection | BadImage

SHARED_BYTES = 8 * 2**20
"""Memory shared with one process; what does not fit is inspected by the thread."""
_WORTH_IT = 4
"""Images from which on a process is asked: for fewer the way there costs more than it saves."""
_END_S = 5.0


class Inspectors:
    """Inspects for so many threads at once as the settings say, until it is closed."""

    def __init__(self, settings: IngestSettings) -> None:
        hello = Hello(settings.limits, settings.log_level, settings.log_format)
        self._limits = settings.limits
        self._inspectors: SimpleQueue[Inspector | None] = SimpleQueue()
        self._count = settings.inspect_threads
        for _ in range(self._count):
            self._inspectors.put(Inspector(hello) if settings.inspect_processes else None)

    def inspect_all(self, wishes: Sequence[Wish]) -> list[Finding]:
        """Inspects several images in one go; a bad one does not disturb the others. Blocks."""
        inspector = self._inspectors.get()
        try:
            if inspector is not None and len(wishes) >= _WORTH_IT and inspector.is_ready():
                return inspector.inspect_all(wishes)
            return inspect_all(wishes, self._limits)
        finally:
            self._inspectors.put(inspector)

    def close(self) -> None:
        """Ends the processes; nobody may be inspecting any more."""
        for _ in range(self._count):
            if (inspector := self._inspectors.get()) is not None:
                inspector.end()


class Inspector:
    """A process that inspects, started when it is first asked for. One thread at a time may use it."""

    def __init__(self, hello: Hello) -> None:
        self._hello = hello
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = False
        self._unusable = False

    @property
    def pid(self) -> int | None:
        """Of the process; None while there is none."""
        return self._process.pid if self._process is not None else None

    def is_ready(self) -> bool:
        """Whether the process takes images now; starts it when there is none. One that cannot start is not tried again.

        Does not wait for it: the first images are inspected without it.
        """
        if self._ready or self._unusable:
            return self._ready
        try:
            if self._process is None:
                self._start()
            elif self._connection.poll(0):
                self._connection.recv()
                self._ready = True
        except (OSError, EOFError) as error:
            log.warning("no process to inspect images, threads go on alone", error=repr(error))
            self._unusable = True
            self.end()
        return self._ready

    def inspect_all(self, wishes: Sequence[Wish]) -> list[Finding]:
        """What the process finds. Should it die over it, it is started anew and given the images one by one."""
        if sum(len(wish.image) for wish in wishes) > SHARED_BYTES:
            return inspect_all(wishes, self._hello.limits)
        try:
            return self._ask(wishes)
        except (OSError, EOFError) as error:
            log.warning("the process that inspects images died", images=len(wishes), error=repr(error))
            self.end()
            return [self._singly(wish) for wish in wishes]

    def _singly(self, wish: Wish) -> Finding:
        try:
            self._wait_ready()
        except (OSError, EOFError):
            return inspect_all([wish], self._hello.limits)[0]
        try:
            return self._ask([wish])[0]
        except (OSError, EOFError):
            self.end()
            return BadImage(
                f"image of {len(wish.image)} bytes ends the process that decodes it: it is damaged, send it again from "
                "its source",
                reason="undecodable",
            )

    def _ask(self, wishes: Sequence[Wish]) -> list[Finding]:
        at, places = 0, list[Place]()
        for wish in wishes:
            end = at + len(wish.image)
            self._memory[at:end] = wish.image
            places.append(Place(at, end, wish.thumbnail))
            at = end
        self._connection.send(places)
        findings: list[Finding] = self._connection.recv()
        return findings

    def _wait_ready(self) -> None:
        if not self._ready:
            self.end()
            self._start()
            self._connection.recv()
            self._ready = True

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        shared = _shared_file()
        try:
            os.ftruncate(shared, SHARED_BYTES)
            self._memory = mmap(shared, SHARED_BYTES)
            self._connection: Connection[Any, Any] = Connection(ours.detach())
            self._process = subprocess.Popen(  # noqa: S603 - ourselves
                [sys.executable, "-m", "cvops_ingest.inspector", str(theirs.fileno()), str(shared)],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), shared),
            )
        finally:
            theirs.close()
            os.close(shared)
        self._connection.send(self._hello)

    def end(self) -> None:
        """Ends the process, if there is one."""
        process, self._process, self._ready = self._process, None, False
        if process is None:
            return
        self._connection.close()  # it ends by itself when nobody is left to ask it
        self._memory.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_END_S)
        process.kill()
        process.wait()


def _shared_file() -> int:
    """A file in memory, without a name; on disk where the system knows none in memory."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("cvops-images")
    with TemporaryFile() as file:
        return os.dup(file.fileno())
