"""`cvops model`: versions, releases, rollback."""

from collections.abc import Callable
from typing import Any

import click
from rich.table import Table

from cvops.cli.context import Context, command, page
from cvops.cli.main import Commands
from cvops.models import STAGES, ModelVersion, Release


@click.group(cls=Commands, prefix="model.")
def model() -> None:
    """Import models, release them to cameras, roll back."""


def _place(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that name a slot."""
    for option in (
        click.option("--reason", default="", help="Why, in one sentence."),
        click.option("--slot", default="", help="The place in the project.  [default: champion]"),
        click.option("--project", default="", help="[default: default]"),
    ):
        function = option(function)
    return function


@model.command("list")
@click.argument("name", required=False, default="")
@command
def list_(context: Context, name: str) -> None:
    """Show model versions, newest first, and what serves."""
    with context.client() as client:
        versions, releases = client.models.list(name)
    context.answer({"versions": versions, "releases": releases}, lambda: _show(versions, releases))


@model.command()
@click.argument("name")
@_place
@click.option("--stage", type=click.Choice(list(STAGES)), default="champion", show_default=True)
@click.option("--selector", default="", help="Which cameras: site=north,firmware=2.*  [default: all]")
@click.option("--percent", type=click.IntRange(1, 100), default=100, help="Share of those cameras, always the same.")
@click.option("--wait", "wait_s", type=float, default=120.0, show_default=True, help="Seconds to wait; 0: do not.")
@command
def release(
    context: Context,
    name: str,
    project: str,
    slot: str,
    reason: str,
    stage: str,
    selector: str,
    percent: int,
    wait_s: float,
) -> None:
    """Let a model serve: NAME is "coco" (its newest version) or "coco:3". Returns when inference has loaded it.

    \b
    cvops model release coco                                    for all cameras
    cvops model release coco:4 --slot next --stage canary --percent 10
    cvops model release people --slot people --selector site=shop  a second model beside
    """
    with context.client() as client:
        released = client.models.release(
            name, project=project, slot=slot, stage=stage, selector=selector, percent=percent, reason=reason
        )
        if wait_s:
            client.inference.until_serving(released.model, released.version, wait_s)
    context.answer(released, lambda: context.console.print(_sentence(released)))


@model.command()
@_place
@command
def rollback(context: Context, project: str, slot: str, reason: str) -> None:
    """Give a slot back to the model before; it is still loaded everywhere."""
    with context.client() as client:
        released = client.models.rollback(project=project, slot=slot, reason=reason)
    context.answer(released, lambda: context.console.print(_sentence(released)))


@model.command()
@_place
@command
def withdraw(context: Context, project: str, slot: str, reason: str) -> None:
    """Empty a slot: its model serves no longer."""
    with context.client() as client:
        released = client.models.withdraw(project=project, slot=slot, reason=reason)
    context.answer(released, lambda: context.console.print(_sentence(released)))


def _sentence(release: Release) -> str:
    cameras = release.selector or "all cameras"
    share = "" if release.percent == 100 else f", {release.percent} % of them"
    return (
        f"{release.model}:{release.version} is {release.stage} in {release.project}/{release.slot} for {cameras}{share}"
    )


def _show(versions: tuple[ModelVersion, ...], releases: tuple[Release, ...]) -> None:
    console = page()
    table = Table("model", "task", "classes", "MB", "bundle", "made", title="versions", title_justify="left")
    for each in versions:
        made = each.created_at.astimezone().strftime("%Y-%m-%d %H:%M")
        size = f"{each.size_bytes / 1e6:.1f}"
        name = f"{each.name}:{each.version}"
        table.add_row(name, each.task, str(len(each.classes)), size, each.bundle_sha256[:12], made)
    console.print(table)
    table = Table("slot", "model", "stage", "cameras", "before", "why", title="serving", title_justify="left")
    for each_release in releases:
        cameras = f"{each_release.selector or 'all'} ({each_release.percent} %)"
        slot = f"{each_release.project}/{each_release.slot}"
        serving = f"{each_release.model}:{each_release.version}"
        table.add_row(slot, serving, each_release.stage, cameras, each_release.previous, each_release.reason)
    console.print(table)
