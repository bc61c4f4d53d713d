"""`cvops frames`: the catalog of frames."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import click

from cvops.cli.context import Context, command, page, plain_table
from cvops.cli.durations import ago
from cvops.cli.main import Commands
from cvops_protos.v1.labeling_pb2 import CatalogFrame

_STATUSES = ("seen", "kept", "picked", "labelled", "skipped")


@click.group(cls=Commands, prefix="frames.")
def frames() -> None:
    """Search and tag frames, save their images, choose some for labels."""


@frames.command()
@click.option("--project", default="", help="[default: default]")
@click.option("--camera", "cameras", multiple=True, help="Of this camera (repeatable).")
@click.option("--since", help="Captured since then: 15m, 6h, 7d.")
@click.option("--tag", "tags", multiple=True, help="With this tag (repeatable: with all).")
@click.option("--class", "class_name", default="", help="In which a model found this class.")
@click.option("--least-score", type=click.FloatRange(0, 1), help="With at least this score.")
@click.option("--status", type=click.Choice(_STATUSES), help="What became of them.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many.")
@command
def search(
    context: Context,
    project: str,
    cameras: Sequence[str],
    since: str | None,
    tags: Sequence[str],
    class_name: str,
    least_score: float | None,
    status: str | None,
    limit: int,
) -> None:
    """Show frames that fit all that is given, newest first."""
    with context.client() as client:
        found = list(
            islice(
                client.labeling.search(
                    project,
                    cameras=cameras,
                    since=None if since is None else datetime.now(UTC) - ago(since),
                    tags=tags,
                    class_name=class_name,
                    least_score=least_score,
                    status=status or "",
                ),
                limit,
            )
        )
    context.answer([_plain(each) for each in found], lambda: _show(found))


@frames.command()
@click.argument("frame_ids", nargs=-1, required=True)
@click.option("--add", multiple=True, help="A tag (repeatable).")
@click.option("--remove", multiple=True, help="A tag (repeatable).")
@command
def tag(context: Context, frame_ids: Sequence[str], add: Sequence[str], remove: Sequence[str]) -> None:
    """Add tags to frames, or remove them."""
    if not (add or remove):
        raise click.UsageError("say what changes: --add TAG or --remove TAG")
    with context.client() as client:
        changed = client.labeling.tag(frame_ids, add=add, remove=remove)
    context.answer({"changed": changed}, lambda: page().print(f"{changed} frames changed"))


@frames.command()
@click.argument("frame_id")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="File to write.")
@command
def save(context: Context, frame_id: str, output: Path) -> None:
    """Write the image of a frame, as it was stored, to a file."""
    with context.client() as client:
        image = client.labeling.asset(frame_id=frame_id)
    output.write_bytes(image)
    context.answer({"path": str(output), "bytes": len(image)}, lambda: page().print(f"{output}: {len(image)} bytes"))


@frames.command()
@click.option("--project", default="", help="[default: default]")
@click.option("--camera", "cameras", multiple=True, help="Of this camera (repeatable).  [default: all]")
@click.option("--since", default="1h", show_default=True, help="Captured since then: 15m, 6h, 7d.")
@click.option("--frames", "count", type=click.IntRange(1), help="At most so many.  [default: of the project]")
@command
def select(context: Context, project: str, cameras: Sequence[str], since: str, count: int | None) -> None:
    """Choose frames that are worth a label, and make tasks of them."""
    with context.client() as client:
        begin = datetime.now(UTC) - ago(since)
        chosen = client.labeling.select(project, cameras=cameras, since=begin, frames=count or 0)
    reasons: dict[str, int] = {}
    for pick in chosen.picks:
        reasons[pick.reason] = reasons.get(pick.reason, 0) + 1
    answer = {
        "selection_id": chosen.selection_id,
        "frames": len(chosen.picks),
        "candidates": chosen.candidates,
        "duplicates": chosen.duplicates,
        "boxes": chosen.boxes,
        "reasons": reasons,
    }
    told = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    context.answer(
        answer, lambda: page().print(f"{len(chosen.picks)} of {chosen.candidates} frames became tasks: {told}")
    )


def _show(found: Sequence[CatalogFrame]) -> None:
    table = plain_table("frame", "camera", "captured (UTC)", "status", "boxes", "best", "classes", "tags")
    for each in found:
        at = each.captured_at.ToDatetime().strftime("%Y-%m-%d %H:%M:%S")
        classes, tags = ", ".join(each.classes), ", ".join(each.tags)
        best = f"{each.best_score:.2f}"
        table.add_row(each.frame_id, each.camera_id, at, each.status, str(each.boxes), best, classes, tags)
    page().print(table)


def _plain(frame: CatalogFrame) -> dict[str, Any]:
    return {
        "frame_id": frame.frame_id,
        "camera_id": frame.camera_id,
        "captured_at": frame.captured_at.ToJsonString(),
        "status": frame.status,
        "model": f"{frame.model.name}:{frame.model.version}" if frame.HasField("model") else "",
        "boxes": frame.boxes,
        "best_score": frame.best_score,
        "mean_score": frame.mean_score,
        "classes": list(frame.classes),
        "tags": list(frame.tags),
        "asset_sha256": frame.asset_sha256,
    }
