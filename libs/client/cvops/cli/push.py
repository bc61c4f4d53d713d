"""`cvops push`: a source as a camera."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cvops.cli.context import Context, command
from cvops.cli.endings import ending_in_order

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from cvops.edge.agent import PushReport
    from cvops.edge.sources import Source


@click.command()
@click.argument("source")
@click.option("--camera", "camera_id", required=True, help="The camera that it is pushed as; see `cvops camera add`.")
@click.option("--fps", type=click.FloatRange(min=0, min_open=True), help="Frames a second at most.  [default: all]")
@click.option("--loop", type=click.IntRange(min=0), default=1, help="Times; 0: for ever.", show_default=True)
@click.option(
    "--realtime/--fast", default=False, help="At the speed of the video, or as fast as it goes.  [default: fast]"
)
@click.option("--max-width", type=click.IntRange(min=16), help="Scale wider frames down to this, px.")
@click.option(
    "--quality", type=click.IntRange(1, 100), default=90, show_default=True, help="JPEG quality of video frames."
)
@click.option(
    "--spool-dir", type=click.Path(file_okay=False, path_type=Path), help="Keep frames here while ingest is away."
)
@click.option(
    "--spool-mb", type=click.IntRange(min=1), default=1024, show_default=True, help="Its size; then the oldest go."
)
@click.option(
    "--patience", "patience_s", type=float, default=120.0, show_default=True, help="Seconds to wait for answers."
)
@command
def push(
    context: Context,
    source: str,
    camera_id: str,
    fps: float | None,
    loop: int,
    realtime: bool,
    max_width: int | None,
    quality: int,
    spool_dir: Path | None,
    spool_mb: int,
    patience_s: float,
) -> None:
    """Push a SOURCE as a camera: a video, an image, a folder of images, a glob, rtsp://..., /dev/video0.

    \b
    cvops push traffic.mp4 --camera road                    as fast as ingest takes it
    cvops push traffic.mp4 --camera road --realtime --loop 0
    cvops push rtsp://192.0.2.7/stream --camera gate-3 --fps 5 --spool-dir /var/spool/cvops

    A frame counts when it is on disk on the other side. A live source never waits: while ingest is away its frames
    go to the spool and are sent later, in order. What the platform wishes of the camera (`cvops camera set`) is obeyed.
    Ctrl-C or SIGTERM ends the source and waits for the last answers; a second one leaves at once.
    """
    try:
        from cvops.edge.agent import EdgeAgent, PushOptions
        from cvops.edge.sources import open_source
    except ImportError as error:
        raise click.ClickException(str(error)) from error

    options = PushOptions(fps, loop, realtime, max_width, quality, spool_dir, spool_mb, patience_s)
    opened = open_source(source, fps)
    with _progress(context, opened, loop) as progress:
        agent = EdgeAgent(opened, camera_id, context.connection, options, progress.update)
        try:
            with ending_in_order(agent.stop):
                report = agent.run()
        except KeyboardInterrupt:
            context.console.print(f"stopped: {_sentence(progress.last) if progress.last else 'nothing was sent'}")
            sys.exit(130)
    context.answer({"fps": round(report.fps, 1)} | _as_dict(report), lambda: context.console.print(_sentence(report)))
    if report.acknowledged == 0 and report.rejected:
        raise click.ClickException(f"no frame was taken: {report.last_rejection}")


def _as_dict(report: "PushReport") -> dict[str, object]:
    from dataclasses import asdict

    return asdict(report)


def _sentence(report: "PushReport") -> str:
    parts = [f"{report.acknowledged} frames acknowledged in {report.seconds:.1f} s ({report.fps:.0f} fps)"]
    rejected = ", ".join(f"{count} {reason}" for reason, count in sorted((report.rejected or {}).items()))
    for count, words in (
        (report.sampled_out, f"{report.sampled_out} sampled out"),
        (report.duplicates, f"{report.duplicates} had been stored before"),
        (len(rejected), f"rejected: {rejected}"),
        (report.corrupt, f"{report.corrupt} corrupt, skipped"),
        (report.dropped, f"{report.dropped} dropped, the spool or its disk was full"),
    ):
        if count:
            parts.append(words)
    return "; ".join(parts)


class _progress:  # noqa: N801 - used as a context manager only
    """A bar on standard error; nothing when that is no terminal or the answer is for programs."""

    def __init__(self, context: Context, source: "Source", loop: int) -> None:
        self._context = context
        self._source = source
        self._loop = loop
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self.last: PushReport | None = None

    def __enter__(self) -> "_progress":
        if self._context.json or not sys.stderr.isatty():
            return self
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.fields[facts]}"),
            BarColumn(),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, console=self._context.console)
        self._progress.start()
        self._task = self._progress.add_task("push", total=None, facts="connecting")
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def update(self, report: "PushReport") -> None:
        """Shows how far it is."""
        self.last = report
        if self._progress is None or self._task is None:
            return
        count = self._source.count
        facts = f"{report.fps:5.0f} fps  {report.acknowledged} acknowledged  {report.waiting} waiting"
        if report.spooled_bytes:
            facts += f"  {report.spooled_bytes / 1e6:.0f} MB spooled"
        if report.disk_is_full:
            facts += "  [red]the disk is full[/]"
        if report.dropped:
            facts += f"  [red]{report.dropped} dropped[/]"
        if report.rejected:
            facts += f"  [red]{sum(report.rejected.values())} rejected[/]"
        total = count * self._loop if count and self._loop else None
        self._progress.update(self._task, total=total, completed=report.captured, facts=facts)
