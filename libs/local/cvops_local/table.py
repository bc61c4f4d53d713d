"""The table of processes, for people."""

import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from cvops.cli.context import plain_table
from cvops_local.records import ProcessRecord
from cvops_local.usage import Usage

_COLOURS = {"ready": "green", "starting": "yellow", "waiting": "dim", "stopping": "yellow", "stopped": "dim"}


_WIDE = 105
"""Columns of the terminal from which on the log files have room."""


def process_table(processes: Sequence[ProcessRecord], data_dir: Path, usage: Usage, width: int) -> RenderableType:
    """One row a process, and below it a line for each that has something to say.

    Args:
        processes: the rows.
        data_dir: log files in it are shown relative to it.
        usage: remembers the processor time of the last table.
        width: of the terminal, in columns; a narrow one gets no log files, all are in `logs`.
    """
    table = plain_table()
    for heading in ("process", "state", "address"):
        table.add_column(heading, no_wrap=True)
    for heading in ("pid", "uptime", "restarts", "memory", "cpu"):
        table.add_column(heading, no_wrap=True, justify="right")
    if width >= _WIDE:
        table.add_column("log", no_wrap=True)
    for each in processes:
        state = Text(each.state, style=_COLOURS.get(each.state, "red"))
        row = (each.name, state, each.address, *_numbers(each, usage), _log(each, data_dir))
        table.add_row(*row[: len(table.columns)])
    said = [Text(f"{each.name}: {each.detail}", style="yellow") for each in processes if each.detail]
    return Group(table, *said)


def uptime(seconds: float) -> str:
    """A duration in its two largest units: 5 s, 3 min 20 s, 2 h 5 min, 4 d 3 h."""
    whole = max(0, int(seconds))
    for size, unit, smaller, smaller_unit in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // smaller} {smaller_unit}"
    return f"{whole} s"


def _numbers(each: ProcessRecord, usage: Usage) -> tuple[str, str, str, str, str]:
    if each.pid is None or each.since is None:
        return "-", "-", str(each.restarts), "-", "-"
    sample = usage.sample(each.pid)
    memory, cpu = ("-", "-") if sample is None else (f"{sample.rss_bytes >> 20} MB", f"{sample.cpu_percent:.0f} %")
    return str(each.pid), uptime(time.time() - each.since), str(each.restarts), memory, cpu


def _log(each: ProcessRecord, data_dir: Path) -> str:
    if each.log is None:
        return "-"
    log = Path(each.log)
    return str(log.relative_to(data_dir)) if log.is_relative_to(data_dir) else each.log
