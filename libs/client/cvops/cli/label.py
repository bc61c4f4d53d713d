"""`cvops label`: tasks, and labels from and to files."""

from collections.abc import Sequence
from typing import Any

import click

from cvops.cli.context import Context, command, page, plain_table
from cvops.cli.main import Commands
from cvops_protos.v1.labeling_pb2 import Task


@click.group(cls=Commands, prefix="label.")
def label() -> None:
    """See tasks; import and export labels as COCO or YOLO."""


@label.command()
@click.option("--project", default="", help="[default: default]")
@click.option("--state", type=click.Choice(["open", "leased", "done", "skipped"]), help="Only these.")
@click.option("--episode", default="", help="Only of this episode.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most so many.")
@command
def tasks(context: Context, project: str, state: str | None, episode: str, limit: int) -> None:
    """Show tasks, newest first, and how many there are of each state."""
    with context.client() as client:
        found = client.labeling.tasks(project, state or "", episode, limit)
    counts = dict(sorted(found.counts.items()))
    context.answer(
        {"counts": counts, "tasks": [_plain(each) for each in found.tasks]}, lambda: _show(found.tasks, counts)
    )


def _show(found: Sequence[Task], counts: dict[str, int]) -> None:
    table = plain_table("task", "camera", "captured (UTC)", "state", "why", "purpose", "who")
    for each in found:
        at = each.captured_at.ToDatetime().strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(each.task_id, each.camera_id, at, each.state, each.reason, each.purpose, each.leased_by)
    page().print(table)
    page().print(", ".join(f"{count} {state}" for state, count in counts.items()))


def _plain(task: Task) -> dict[str, Any]:
    return {
        "task_id": task.task_id,
        "frame_id": task.frame_id,
        "camera_id": task.camera_id,
        "captured_at": task.captured_at.ToJsonString(),
        "state": task.state,
        "reason": task.reason,
        "purpose": task.purpose,
        "episode_id": task.episode_id,
        "revision": task.revision,
        "leased_by": task.leased_by,
    }
