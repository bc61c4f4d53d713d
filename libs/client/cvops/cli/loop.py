"""`cvops loop`: the hand brake. `cvops episode`: what the loop did."""

import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from google.protobuf.json_format import MessageToDict
from rich.markup import escape

from cvops.cli.context import Context, command, page, plain_table
from cvops.episode_report import page_of, timings
from cvops_protos.v1.alerting_pb2 import Episode, LoopStatus

_project = click.option("--project", default="default", show_default=True, help="Of which project.")
_COLOURS = {"recovered": "green", "gave_up": "red"}


@click.group()
def loop() -> None:
    """Pause and resume what the platform does by itself."""


@loop.command()
@_project
@command
def pause(context: Context, project: str) -> None:
    """Pull the hand brake: no episode begins, and open ones begin no new step."""
    with context.client() as client:
        status = client.loop.pause(project, getpass.getuser())
    context.answer(_plain(status), lambda: _show_status(status))


@loop.command()
@_project
@command
def resume(context: Context, project: str) -> None:
    """Release the hand brake."""
    with context.client() as client:
        status = client.loop.resume(project, getpass.getuser())
    context.answer(_plain(status), lambda: _show_status(status))


@loop.command("status")
@_project
@command
def show_status(context: Context, project: str) -> None:
    """Show the hand brake and how many episodes are open."""
    with context.client() as client:
        status = client.loop.status(project)
    context.answer(_plain(status), lambda: _show_status(status))


@click.group()
def episode() -> None:
    """Look at episodes: from a drift to its cure."""


@episode.command("list")
@click.option("--project", default="", help="Only of this project.")
@click.option("--limit", default=20, show_default=True, help="At most so many.")
@command
def show_list(context: Context, project: str, limit: int) -> None:
    """List episodes, newest first."""
    with context.client() as client:
        found = client.loop.episodes(project, limit)
    context.answer([_plain(each) for each in found], lambda: _show_list(found))


@episode.command()
@click.argument("episode_id", metavar="ID")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write one self-contained page too.")
@command
def show(context: Context, episode_id: str, html: Path | None) -> None:
    """Show the time line of an episode; ID may be cut short."""
    with context.client() as client:
        found = client.loop.episode(episode_id)
        if html is not None:
            from cvops.episode_pictures import chosen_frames

            html.write_text(page_of(found, datetime.now(UTC), [chosen_frames(client, found)]), encoding="utf-8")
            context.console.print(f"written: {html}")
    context.answer(_plain(found) | {"seconds": timings(found)}, lambda: _show(found))


def _plain(message: Episode | LoopStatus) -> dict[str, Any]:
    return dict(MessageToDict(message, preserving_proto_field_name=True))


def _state(found: Episode) -> str:
    return Episode.State.Name(found.state).removeprefix("STATE_").lower()


def _show_status(status: LoopStatus) -> None:
    state = f"paused by {status.by}" if status.paused else "running"
    page().print(f"{status.project}: {state}; {status.open_episodes} open, {status.episodes_today} begun in 24 hours")


def _show_list(found: list[Episode]) -> None:
    table = plain_table(
        "episode", "project", "state", "since (UTC)", "cameras", "labels", "CPU-s", "model", "what came of it"
    )
    for each in found:
        state = _state(each)
        table.add_row(
            each.episode_id[:8],
            each.project,
            f"[{_COLOURS[state]}]{state}[/]" if state in _COLOURS else state,
            each.since.ToDatetime().strftime("%m-%d %H:%M:%S"),
            ", ".join(each.cameras),
            str(each.labels),
            f"{each.train_cpu_s:.0f}",
            each.model_after or "-",
            escape(each.text),
        )
    page().print(table)


def _show(found: Episode) -> None:
    out = page()
    out.print(f"[bold]{found.episode_id}[/]  {_state(found)}  {escape(found.text)}")
    out.print(f"cameras: {', '.join(found.cameras)}")
    for line in found.left_out:
        out.print(f"left out: {escape(line)}")
    table = plain_table("at (UTC)", "after", "what", "")
    begin = found.since.ToNanoseconds()
    for step in found.steps:
        after_s = (step.at.ToNanoseconds() - begin) / 1e9
        table.add_row(step.at.ToDatetime().strftime("%H:%M:%S"), f"{after_s:+.0f} s", step.what, escape(step.text))
    out.print(table)
    told = ", ".join(f"{name.replace('_', ' ')} {value:.0f} s" for name, value in timings(found).items())
    out.print(f"{found.labels} labels, {found.train_cpu_s:.0f} CPU-s of training; from the change to: {told}")
