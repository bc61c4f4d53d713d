"""What `cvops up` shows: a live table on a terminal, plain lines elsewhere, JSON lines for programs.

Everything is written by one daemon thread, so that a terminal that is paused or gone can neither block nor break the
supervisor.
"""

import json
import os
import queue
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from cvops_local.records import ProcessRecord, as_json
from cvops_local.spec import ProcessStatus
from cvops_local.table import process_table
from cvops_local.usage import Usage

_REFRESH_S = 1.0


class Display(ABC):
    """One way to show what happens; all calls come from one thread."""

    @abstractmethod
    def changed(self, status: ProcessStatus) -> None:
        """A process changed."""

    @abstractmethod
    def say(self, event: str, text: str) -> None:
        """Something else happened: a stable word for programs, a sentence for people."""

    def tick(self) -> None:  # noqa: B027 - most displays change with events only
        """A second has passed."""

    def close(self) -> None:  # noqa: B027
        """Nothing more comes."""


class JsonLines(Display):
    """One JSON object a line, with "time" in epoch seconds and "event": "process", or a word with its "text"."""

    def changed(self, status: ProcessStatus) -> None:
        """See Display."""
        self._write({"event": "process", **as_json(status)})

    def say(self, event: str, text: str) -> None:
        """See Display."""
        self._write({"event": event, "text": text})

    def _write(self, record: dict[str, object]) -> None:
        print(json.dumps({"time": round(time.time(), 3), **record}), flush=True)  # noqa: T201


class PlainLines(Display):
    """One line a change of state."""

    def __init__(self) -> None:
        self._states: dict[str, str] = {}

    def changed(self, status: ProcessStatus) -> None:
        """See Display."""
        if self._states.get(status.name) != status.state:  # not each new reason for still starting
            self._states[status.name] = status.state
            pid = f" pid {status.pid}" if status.pid else ""
            detail = f" ({status.detail})" if status.detail else ""
            print(f"{status.name}: {status.state}{pid}{detail}", flush=True)  # noqa: T201

    def say(self, event: str, text: str) -> None:  # noqa: ARG002
        """See Display."""
        print(text, flush=True)  # noqa: T201


class LiveTable(Display):
    """A table that follows, with the latest words below it."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._usage = Usage()
        self._processes: dict[str, ProcessRecord] = {}
        self._words = ""
        self._live = Live(console=Console(emoji=False), auto_refresh=False, transient=False)
        self._live.start()

    def changed(self, status: ProcessStatus) -> None:
        """See Display."""
        log = str(status.log) if status.log else None
        self._processes[status.name] = ProcessRecord(
            status.name, status.state, status.address, status.pid, status.since, status.restarts, status.detail, log
        )
        self.tick()

    def say(self, event: str, text: str) -> None:  # noqa: ARG002
        """See Display."""
        self._words = text
        self.tick()

    def tick(self) -> None:
        """See Display."""
        table = process_table(list(self._processes.values()), self._data_dir, self._usage, self._live.console.width)
        head = Text(f"cvops on {self._data_dir}", style="bold")
        self._live.update(Group(head, table, Text(), Text(self._words)), refresh=True)

    def close(self) -> None:
        """See Display."""
        self._live.stop()


class Screen:
    """Passes events to a display on its own thread. After a failed write it falls silent for good."""

    def __init__(self, make: Callable[[], Display]) -> None:
        self._make = make
        self._events: queue.SimpleQueue[Callable[[Display], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._show, name="display", daemon=True)
        self._thread.start()

    def changed(self, status: ProcessStatus) -> None:
        """Shows a change of a process, later."""
        self._events.put(lambda display: display.changed(status))

    def say(self, event: str, text: str) -> None:
        """Shows a sentence, later."""
        self._events.put(lambda display: display.say(event, text))

    def close(self, timeout_s: float = 2.0) -> bool:
        """Shows what is left; False when the terminal does not take it in time."""
        self._events.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _show(self) -> None:
        try:
            display = self._make()
            while True:
                try:
                    event = self._events.get(timeout=_REFRESH_S)
                except queue.Empty:
                    display.tick()
                    continue
                if event is None:
                    break
                event(display)
            display.close()
        except (OSError, ValueError):  # the terminal or the reader of the pipe is gone
            _silence()


def _silence() -> None:
    """Lets standard output and error lead nowhere, so that no later write, nor the flush at exit, can fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            os.dup2(nowhere, stream.fileno())
        except (OSError, ValueError):
            continue
    os.close(nowhere)
