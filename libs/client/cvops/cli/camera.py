"""`cvops camera`: the registry of cameras, and what became of their frames."""

from collections.abc import Callable
from typing import Any

import click

from cvops.cameras import Camera, CameraStatus
from cvops.cli.context import Context, command, page, plain_table


@click.group()
def camera() -> None:
    """Add, change, look at and remove cameras."""


def _pairs(_context: click.Context, _option: click.Parameter, tags: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for tag in tags:
        name, equals, value = tag.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{tag!r} is no NAME=VALUE")
        pairs[name] = value
    return pairs


def _fields(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that describe a camera."""
    options = [
        click.option("--project", default="", help="Project of the camera.  [default: default]"),
        click.option("--site", default="", help="Where it stands, e.g. north."),
        click.option("--firmware", default="", help="Version of its firmware."),
        click.option("--lens", default="", help="Its lens."),
        click.option(
            "--tag", "tags", multiple=True, callback=_pairs, metavar="NAME=VALUE", help="Anything else to select by."
        ),
        click.option("--latitude", "latitude_deg", type=float, help="Degrees, WGS 84."),
        click.option("--longitude", "longitude_deg", type=float, help="Degrees, WGS 84."),
        click.option("--height", "height_m", type=float, help="Metres above ground."),
        click.option("--azimuth", "azimuth_deg", type=float, help="Degrees clockwise from north."),
        click.option("--pitch", "pitch_deg", type=float, help="Degrees; below the horizon is negative."),
        click.option("--roll", "roll_deg", type=float, help="Degrees."),
        click.option("--fps", type=click.FloatRange(min=0), help="Frames a second it shall send; 0: as it likes."),
        click.option("--max-width", type=click.IntRange(min=0), help="Wider frames are scaled down, px; 0: never."),
        click.option("--quality", "jpeg_quality", type=click.IntRange(0, 100), help="JPEG quality; 0: as it likes."),
        click.option("--paused/--resumed", default=None, help="Stay connected and send nothing, or send again."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


@camera.command()
@click.argument("camera_id")
@_fields
@command
def add(context: Context, camera_id: str, **fields: Any) -> None:
    """Add a camera, so that its frames are taken.

    Example: cvops camera add gate-3 --site north --firmware 2.1 --tag road=A7 --fps 5
    """
    with context.client() as client:
        added = client.cameras.add(Camera(camera_id, **fields))
    context.answer(added, lambda: context.console.print(f"camera {added.camera_id} is added"))


@camera.command("set")
@click.argument("camera_id")
@_fields
@command
def set_(context: Context, camera_id: str, **fields: Any) -> None:
    """Change what is given and leave the rest. Agents obey within a second.

    Example: cvops camera set gate-3 --fps 2 --tag road=
    """
    with context.client() as client:
        changed = client.cameras.set(Camera(camera_id, **fields))
    context.answer(changed, lambda: context.console.print(f"camera {changed.camera_id}: {_config(changed)}"))


@camera.command()
@click.argument("camera_id")
@command
def get(context: Context, camera_id: str) -> None:
    """Show one camera: what is known of it and what is wished of its agent."""
    with context.client() as client:
        found = client.cameras.get(camera_id)
    context.answer(found, lambda: _show([found]))


@camera.command("list")
@click.option("--selector", default="", help="Which: site=north,firmware=2.* (all terms must hold).")
@command
def list_(context: Context, selector: str) -> None:
    """Show the cameras there are."""
    with context.client() as client:
        found = client.cameras.list(selector)
    context.answer(found, lambda: _show(list(found)))


@camera.command()
@click.argument("camera_id")
@command
def remove(context: Context, camera_id: str) -> None:
    """Forget a camera; its frames stay until they expire."""
    with context.client() as client:
        client.cameras.remove(camera_id)
    context.answer({"removed": camera_id}, lambda: context.console.print(f"camera {camera_id} is removed"))


@camera.command()
@click.argument("camera_id", required=False)
@click.option("--selector", default="", help="Which: site=north,firmware=2.*")
@command
def status(context: Context, camera_id: str | None, selector: str) -> None:
    """Show whether cameras send, how late, and what became of every frame.

    captured = stored + sampled out + rejected + duplicates + gaps
    """
    wanted = ",".join(filter(None, [selector, f"camera_id={camera_id}" if camera_id else ""]))
    with context.client() as client:
        if camera_id:
            client.cameras.get(camera_id)
        found = client.cameras.status(wanted)
    context.answer(found[0] if camera_id and found else found, lambda: _show_status(list(found)))


def _show(cameras: list[Camera]) -> None:
    table = plain_table("camera", "project", "site", "firmware", "lens", "tags", "configuration")
    for each in cameras:
        tags = ", ".join(f"{name}={value}" for name, value in sorted(each.tags.items()))
        table.add_row(each.camera_id, each.project, each.site, each.firmware, each.lens, tags, _config(each))
    page().print(table)


def _config(found: Camera) -> str:
    wishes = [
        f"{found.fps:g} fps" if found.fps else "",
        f"{found.max_width} px wide" if found.max_width else "",
        f"quality {found.jpeg_quality}" if found.jpeg_quality else "",
        "paused" if found.paused else "",
    ]
    return ", ".join(filter(None, wishes)) or "the agent's own choice"


def _show_status(statuses: list[CameraStatus]) -> None:
    numbers = ("fps", "late s", "captured", "stored", "sampled out", "rejected", "duplicates", "gaps")
    table = plain_table()
    for name in ("camera", "state", "last frame (UTC)"):
        table.add_column(name, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right")
    for each in statuses:
        ledger = each.ledger
        rejected = ", ".join(f"{count} {reason}" for reason, count in sorted(ledger.rejected.items())) or "0"
        last = each.last_frame_at.strftime("%Y-%m-%d %H:%M:%S") if each.last_frame_at else "never"
        row = (f"{each.fps:.1f}", f"{each.lateness_p50_s:.2f}", str(ledger.captured), str(ledger.stored))
        rest = (str(ledger.sampled_out), rejected, str(ledger.duplicates), str(ledger.gaps))
        table.add_row(each.camera_id, each.state, last, *row, *rest)
    page().print(table)
