"""`cvops dataset`: versions that training can start from."""

from collections.abc import Sequence
from typing import Any

import click

from cvops.cli.context import Context, command, page, plain_table
from cvops.cli.main import Commands
from cvops_protos.v1.labeling_pb2 import DatasetReleased


@click.group(cls=Commands, prefix="dataset.")
def dataset() -> None:
    """Release labels as a version, and see the versions."""


@dataset.command("list")
@click.option("--project", default="", help="Only of this project.")
@command
def list_(context: Context, project: str) -> None:
    """Show versions, newest first."""
    with context.client() as client:
        found = client.labeling.datasets(project)
    context.answer([_plain(each) for each in found], lambda: _show(found))


@dataset.command()
@click.option("--project", default="", help="[default: default]")
@click.option("--name", default="", help="Of the dataset.  [default: that of the project]")
@click.option("--reason", default="", help="Why, in one sentence.")
@command
def release(context: Context, project: str, name: str, reason: str) -> None:
    """Release all labels of a project as a version, for ever as it is."""
    with context.client() as client:
        released = client.labeling.release(project, name, reason)
    context.answer(_plain(released), lambda: _show([released]))


def _show(found: Sequence[DatasetReleased]) -> None:
    table = plain_table("version", "released (UTC)", "images", "boxes", "parent", "why")
    for each in found:
        table.add_row(
            f"{each.name}:{each.version}",
            each.at.ToDatetime().strftime("%Y-%m-%d %H:%M:%S"),
            _counts(each.images),
            str(sum(each.boxes.values())),
            each.parent or "-",
            each.reason,
        )
    page().print(table)


def _counts(by_split: Any) -> str:
    return " ".join(f"{by_split[split]} {split}" for split in ("train", "val", "test") if split in by_split)


def _plain(released: DatasetReleased) -> dict[str, Any]:
    return {
        "project": released.project,
        "name": released.name,
        "version": released.version,
        "manifest_uri": released.manifest_uri,
        "manifest_sha256": released.manifest_sha256,
        "images": dict(sorted(released.images.items())),
        "boxes": dict(sorted(released.boxes.items())),
        "slices": list(released.slices),
        "parent": released.parent,
        "episode_id": released.episode_id,
        "reason": released.reason,
        "at": released.at.ToJsonString(),
    }
