"""The demo on the terminal: accuracy and time line, live; as plain lines where it is no terminal."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cvops.cli.context import plain_table
from cvops_local.demo.outcome import Outcome
from cvops_local.demo.scoreboard import Standing
from cvops_local.demo.telling import Line

_COLOURS = {
    "world": "magenta",
    "demo": "dim",
    "drift": "red",
    "incident": "red",
    "episode": "cyan",
    "labels": "blue",
    "training": "yellow",
    "release": "green",
}
_SHOWN = 24
_BAR = 30


class Screen:
    """Shows how it goes; enter it around the run."""

    def __init__(self, console: Console, begin_ns: int) -> None:
        self._console = console
        self._begin_ns = begin_ns
        self._live = Live(console=console, refresh_per_second=2, transient=True) if console.is_terminal else None
        self._printed = 0

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self, lines: Sequence[Line], standings: Mapping[str, Standing], frames_s: float, now: str = "") -> None:
        """Shows the present state; `now`: what takes its time at the moment."""
        if self._live is not None:
            self._live.update(self.picture(lines[-_SHOWN:], standings, frames_s, now))
            return
        for line in lines[self._printed :]:
            self._console.print(self._row(line))
        self._printed = len(lines)

    def picture(
        self, lines: Sequence[Line], standings: Mapping[str, Standing], frames_s: float, now: str = ""
    ) -> Group:
        """Accuracy above, time line below."""
        table = plain_table("cameras", "true mAP50", "", "expected finds", "model")
        for name, standing in standings.items():
            if not standing.frames or standing.map50 != standing.map50:
                table.add_row(name, "-", "", "-", "")
                continue
            full = round(_BAR * max(0.0, min(1.0, standing.map50)))
            colour = "green" if standing.map50 > 0.5 else "red"
            bar = Text("█" * full, style=colour) + Text("░" * (_BAR - full), style="dim")
            models = ", ".join(standing.models)
            table.add_row(name, f"{standing.map50:.2f}", bar, f"{standing.expected:.1f} a frame", models)
        rate = Text(f"{frames_s:.0f} predictions a second", style="dim")
        rate.append(f"  {now}", style="bold")
        return Group(table, rate, *map(self._row, lines))

    def _row(self, line: Line) -> Text:
        after_s = (line.at_ns - self._begin_ns) / 1e9
        row = Text(f"{max(after_s, 0) // 60:.0f}:{max(after_s, 0) % 60:02.0f}  ", style="dim")
        row.append(f"{line.who:9}", style=_COLOURS.get(line.who, ""))
        row.append(f" {line.text}")
        row.no_wrap, row.overflow = self._live is not None, "ellipsis"
        return row


def summary(outcome: Outcome, report: Path) -> Table:
    """The result as a table."""
    table = Table(show_header=False)
    table.add_row("true mAP50 of the changed cameras, live: before", f"{outcome.before:.2f}")
    table.add_row("at its worst", f"{outcome.during:.2f}")
    table.add_row("at the end", f"{outcome.after:.2f}")
    table.add_row("of the others: before, at the end", f"{outcome.others_before:.2f}, {outcome.others_after:.2f}")
    for who, mark in (("champion", outcome.old), ("new model", outcome.new)):
        if mark is not None:
            marks = f"{mark.changed:.2f}, {mark.fair:.2f}"
            table.add_row(f"{who} on moments nobody has seen: changed world, fair weather", marks)
    for name, seconds in outcome.seconds.items():
        table.add_row(f"from the change to: {name.replace('_', ' ')}", f"{seconds:.0f} s")
    if outcome.seconds:
        table.add_row("labels", str(outcome.labels))
        table.add_row("training", f"{outcome.train_cpu_s:.0f} CPU-s")
        table.add_row("report", str(report))
    table.add_row("model that serves them", outcome.model)
    return table
