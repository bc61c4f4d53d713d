"""`cvops key`: API keys, made and revoked on the machine that holds the key file."""

import json
from dataclasses import asdict

import click
from rich.table import Table

from cvops_common.access import KeyFile, Role
from cvops_common.cli.context import CommandContext
from cvops_common.errors import CvopsError


@click.group()
def key() -> None:
    """Make, list and revoke API keys.

    A key is shown once, when it is made; only its hash is kept. Services see a change at once.

    \b
    Roles: camera     pushes frames of one camera
           app        asks models for predictions
           annotator  labels images
           operator   runs cameras, models and releases
           admin      may do everything
    """


@key.command()
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True, help="What the key is for.")
@click.option("--camera", "camera_id", help="The camera, for role camera.")
@click.option("--name", default="", help="A note for people, e.g. 'gate 3 agent'.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def create(context: CommandContext, role: str, camera_id: str | None, name: str, as_json: bool) -> None:
    """Make a key and print it.

    Example: cvops key create --role camera --camera gate-3
    """
    try:
        clear = KeyFile(context.connection.keys).create(Role(role), camera_id, name)
    except CvopsError as error:
        raise click.UsageError(str(error)) from error
    if as_json or context.json:
        click.echo(json.dumps({"key": clear, "role": role, "camera_id": camera_id, "name": name}))
        return
    click.echo(clear)
    context.console.print("Keep it safe: it is not shown again.", style="dim")


@key.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_(context: CommandContext, as_json: bool) -> None:
    """Show the keys there are (never the keys themselves)."""
    keys = KeyFile(context.connection.keys).list()
    if as_json or context.json:
        shown = [{name: value for name, value in asdict(stored).items() if name != "sha256"} for stored in keys]
        click.echo(json.dumps(shown))
        return
    table = Table("id", "role", "camera", "name", "made")
    for stored in keys:
        table.add_row(stored.id, stored.role, stored.camera_id or "", stored.name, stored.created_at)
    context.console.print(table)


@key.command()
@click.argument("key_id")
@click.pass_obj
def revoke(context: CommandContext, key_id: str) -> None:
    """Forget the key with this id; it stops working at once."""
    try:
        KeyFile(context.connection.keys).revoke(key_id)
    except CvopsError as error:
        raise click.ClickException(str(error)) from error
    context.console.print(f"key {key_id} is revoked")
