"""`cvops rollout`: candidates on their way to the cameras."""

from typing import Any

import click
from google.protobuf.json_format import MessageToDict
from rich.markup import escape

from cvops.cli.context import Context, command, page, plain_table
from cvops_protos.v1.training_pb2 import Rollout

_COLOURS = {"confirmed": "green", "rolled back": "red"}
_reason = click.option("--reason", default="", help="Why, in one sentence.")


@click.group()
def rollout() -> None:
    """Try a candidate beside the champion: shadow, canary, promotion, or back."""


@rollout.command()
@click.argument("model")
@click.option("--camera", "cameras", multiple=True, help="A camera it is for; repeatable.  [default: all]")
@click.option("--project", default="", help="[default: default]")
@_reason
@command
def start(context: Context, model: str, cameras: tuple[str, ...], project: str, reason: str) -> None:
    """Try MODEL (NAME:VERSION): it predicts beside the champion until the evidence decides.

    \b
    cvops rollout start roads:4
    cvops rollout start roads:4 --camera north-1 --camera north-2
    """
    with context.client() as client:
        found = client.training.start_rollout(project, model, cameras, reason)
    context.answer(_plain(found), lambda: _show(found))


@rollout.command("list")
@click.option("--project", default="", help="Only of this project.")
@click.option("--limit", default=20, show_default=True, help="At most so many.")
@command
def show_list(context: Context, project: str, limit: int) -> None:
    """List rollouts, newest first."""
    with context.client() as client:
        found = client.training.rollouts(project, limit)
    context.answer([_plain(each) for each in found], lambda: _show_list(found))


@rollout.command()
@click.argument("rollout_id", metavar="ID")
@command
def show(context: Context, rollout_id: str) -> None:
    """Show a rollout with the evidence of each stage; ID may be cut short."""
    with context.client() as client:
        found = client.training.rollout(rollout_id)
    context.answer(_plain(found), lambda: _show(found))


@rollout.command()
@click.argument("rollout_id", metavar="ID")
@_reason
@command
def hold(context: Context, rollout_id: str, reason: str) -> None:
    """Hold a rollout where it is; bad evidence rolls it back all the same."""
    with context.client() as client:
        found = client.training.hold(rollout_id, reason)
    context.answer(_plain(found), lambda: _show(found))


@rollout.command("continue")
@click.argument("rollout_id", metavar="ID")
@_reason
@command
def go_on(context: Context, rollout_id: str, reason: str) -> None:
    """Let a held rollout go on."""
    with context.client() as client:
        found = client.training.go_on(rollout_id, reason)
    context.answer(_plain(found), lambda: _show(found))


@rollout.command()
@click.argument("rollout_id", metavar="ID")
@_reason
@command
def stop(context: Context, rollout_id: str, reason: str) -> None:
    """Roll back now: the champion serves all cameras again."""
    with context.client() as client:
        found = client.training.stop(rollout_id, reason)
    context.answer(_plain(found), lambda: _show(found))


def _plain(found: Rollout) -> dict[str, Any]:
    return dict(MessageToDict(found, preserving_proto_field_name=True))


def _state(found: Rollout) -> str:
    state = Rollout.State.Name(found.state).removeprefix("STATE_").lower().replace("_", " ")
    held = " (held)" if found.held else ""
    return f"[{_COLOURS[state]}]{state}[/]" if state in _COLOURS else state + held


def _named(found: Rollout, which: str) -> str:
    model = getattr(found, which)
    return f"{model.name}:{model.version}"


def _show_list(found: list[Rollout]) -> None:
    table = plain_table(
        "rollout", "project", "state", "candidate", "champion", "serving", "begun (UTC)", "what came of it"
    )
    for each in found:
        table.add_row(
            each.rollout_id[:8],
            each.project,
            _state(each),
            _named(each, "candidate"),
            _named(each, "champion"),
            f"{len(each.serving)} of {len(each.cameras)}",
            each.created_at.ToDatetime().strftime("%m-%d %H:%M:%S"),
            escape(each.text),
        )
    page().print(table)


def _show(found: Rollout) -> None:
    out = page()
    out.print(f"[bold]{found.rollout_id}[/]  {_state(found)}  {escape(found.text)}")
    out.print(f"{_named(found, 'candidate')} beside {_named(found, 'champion')} for {', '.join(found.cameras)}")
    if set(found.serving) != set(found.cameras):
        out.print(f"serving: {', '.join(found.serving) or 'none'}")
    if not found.evidence:
        return
    table = plain_table(
        "stage", "evidence", "frames", "champion", "candidate", "95 % at all times", "for", "against", "at (UTC)"
    )
    for each in found.evidence:
        table.add_row(
            each.stage,
            each.what,
            str(each.frames),
            f"{each.champion:.3g}",
            f"{each.candidate:.3g}",
            f"{each.low:+.3g} to {each.high:+.3g}",
            f"{each.log_for:.1f}",
            f"{each.log_against:.1f}",
            f"{each.log_threshold:.1f}",
        )
    out.print(table)
