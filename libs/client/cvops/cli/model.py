"""`cvops model`: versions, releases, rollback."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from cvops.cli.context import Context, command, page, plain_table
from cvops.cli.durations import moment
from cvops.cli.main import Commands
from cvops.models import STAGES, ModelVersion, Release, release_of


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
@command
def show(context: Context, name: str) -> None:
    """Show what a model is: NAME (newest), NAME:VERSION or NAME@ALIAS, its metrics, gates and lineage."""
    with context.client() as client:
        version, bundle = client.models.show(name)
        _, releases = client.models.list(version.name)
    serving = [each for each in releases if (each.model, each.version) == (version.name, version.version)]
    answer = {"version": version, "bundle": bundle, "releases": serving}
    context.answer(answer, lambda: _show_one(version, bundle, serving))


@model.command()
@click.argument("camera")
@click.option("--at", default="", help="When: 14:03 (the last one, UTC), 2026-05-01T14:03, or 2h for two hours ago.")
@click.option("--project", default="", help="[default: default]")
@command
def served(context: Context, camera: str, at: str, project: str) -> None:
    """Show which models served CAMERA at a time.

    \b
    cvops model served gate-3                 now
    cvops model served gate-3 --at 14:03
    """
    now = datetime.now(UTC)
    with context.client() as client:
        releases = client.training.served_by(camera, moment(at, now) if at else now, project)
    found = [release_of(each) for each in releases]
    context.answer(found, lambda: page().print(_slots(found) if found else f"no model served {camera} then"))


@model.command()
@click.argument("name")
@click.argument("alias_name", metavar="ALIAS")
@click.option("--remove", is_flag=True, help="Take the alias away.")
@command
def alias(context: Context, name: str, alias_name: str, remove: bool) -> None:
    """Let NAME@ALIAS mean a version: `cvops model alias roads:4 stable`, then `cvops model release roads@stable`."""
    with context.client() as client:
        change = client.models.remove_alias if remove else client.models.set_alias
        version = change(name, alias_name)
    told = f"{version.name}:{version.version} has the aliases {', '.join(version.aliases) or 'none'}"
    context.answer(version, lambda: context.console.print(told))


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
    table = plain_table("model", "aliases", "task", "classes", "MB", "bundle", "made (UTC)")
    for each in versions:
        made = each.created_at.strftime("%Y-%m-%d %H:%M")
        size = f"{each.size_bytes / 1e6:.1f}"
        name = f"{each.name}:{each.version}"
        table.add_row(
            name, ", ".join(each.aliases), each.task, str(len(each.classes)), size, each.bundle_sha256[:12], made
        )
    console.print(table)
    console.print()
    console.print(_slots(releases))


def _slots(releases: Sequence[Release]) -> Table:
    table = plain_table("slot", "serving", "stage", "cameras", "before", "since (UTC)", "why")
    for each in releases:
        cameras = f"{each.selector or 'all'} ({each.percent} %)"
        serving = f"{each.model}:{each.version}"
        since = each.released_at.strftime("%m-%d %H:%M:%S")
        table.add_row(
            f"{each.project}/{each.slot}", serving, each.stage, cameras, each.previous, since, escape(each.reason)
        )
    return table


def _show_one(version: ModelVersion, bundle: dict[str, Any], releases: Sequence[Release]) -> None:
    out = page()
    names = f"  aliases: {', '.join(version.aliases)}" if version.aliases else ""
    out.print(f"[bold]{version.name}:{version.version}[/]  {version.bundle_sha256}{names}")
    out.print(f"{version.task}, {version.size_bytes / 1e6:.1f} MB, made {version.created_at:%Y-%m-%d %H:%M} UTC")
    out.print(f"classes: {', '.join(version.classes)}")
    source, shape = bundle.get("source", {}), bundle.get("input", {})
    if shape:
        out.print(f"input: {shape.get('width')} x {shape.get('height')} px; made by {source.get('format')}")
    for name, value in sorted(bundle.get("lineage", {}).items()):
        out.print(f"{name}: {value}")
    for name, value in sorted(bundle.get("metrics", {}).items()):
        out.print(f"{name} = {value:.4g}")
    for gate in bundle.get("gates", []):
        out.print(f"gate {gate.get('name')}: {'passed' if gate.get('passed') else 'failed'}")
    out.print(_slots(releases) if releases else "it serves nobody")
