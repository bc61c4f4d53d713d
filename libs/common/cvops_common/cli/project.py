"""`cvops apply`, `cvops project diff` and `show`: projects as files."""

import json
from pathlib import Path
from typing import Any, Protocol

import click
from google.protobuf.json_format import MessageToDict
from rich.console import Console

from cvops_common.errors import CvopsError
from cvops_common.projects import DEFAULT_PROJECT, parse, to_yaml, with_defaults
from cvops_protos.v1.labeling_pb2 import ApplyProjectResponse
from cvops_protos.v1.project_pb2 import Project

_MOST_BYTES = 1_000_000


class Projects(Protocol):
    """The part of the client that is used here."""

    def apply(self, project: Project, *, dry_run: bool = False) -> ApplyProjectResponse:
        """Applies a project, or tells what would change."""

    def projects(self) -> list[Project]:
        """All that were applied."""


class Client(Protocol):
    """A client of the platform."""

    @property
    def labeling(self) -> Projects:
        """The service that keeps projects."""


class CommandContext(Protocol):
    """`ctx.obj` of every command: the client package is not imported here, its context has this shape."""

    json: bool
    console: Console

    def client(self) -> Client:
        """A client of the platform that is configured."""


_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("-f", "--file", "file", type=_FILE, required=True, help="The project, as YAML.")
@click.option("--dry-run", is_flag=True, help="Only tell what would change.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
@click.pass_obj
def apply(context: CommandContext, file: Path, dry_run: bool, as_json: bool) -> None:
    """Make a project what its file declares; tell what changes.

    \b
    cvops apply -f project.yaml --dry-run
    cvops apply -f project.yaml

    What the file leaves out has its default; see `cvops project show`.
    """
    _apply(context, file, dry_run, as_json or context.json)


@click.command()
@click.argument("file", type=_FILE)
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
@click.pass_obj
def diff(context: CommandContext, file: Path, as_json: bool) -> None:
    """Tell what applying FILE would change."""
    _apply(context, file, True, as_json or context.json)


@click.command()
@click.argument("project", default=DEFAULT_PROJECT)
@click.option("--said", is_flag=True, help="Only what was applied, without defaults.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
@click.pass_obj
def show(context: CommandContext, project: str, said: bool, as_json: bool) -> None:
    """Print PROJECT as a file that can be changed and applied, defaults written out."""
    found = next((each for each in context.client().labeling.projects() if each.project == project), None)
    if found is None and project != DEFAULT_PROJECT:
        raise click.ClickException(f"there is no project {project!r}: see `cvops project list`, or apply one")
    wanted = found or Project(project=project)
    wanted = wanted if said else with_defaults(wanted)
    if as_json or context.json:
        click.echo(json.dumps(_plain(wanted)))
    else:
        click.echo(to_yaml(wanted), nl=False)


def _apply(context: CommandContext, file: Path, dry_run: bool, as_json: bool) -> None:
    try:
        project = parse(file.read_bytes()[: _MOST_BYTES + 1].decode("utf-8-sig"), str(file))
    except CvopsError as error:
        raise click.ClickException(str(error)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{file} cannot be read as text: {error}") from error
    answer = context.client().labeling.apply(project, dry_run=dry_run)
    if as_json:
        told = {"project": answer.project.project, "revision": answer.project.revision, "dry_run": dry_run}
        click.echo(json.dumps(told | {"changes": list(answer.changes)}))
        return
    for change in answer.changes:
        click.echo(change)
    if not answer.changes:
        context.console.print(f"project {project.project}: nothing changes")
    elif dry_run:
        context.console.print("dry run: nothing was changed")
    else:
        context.console.print(f"project {project.project} applied, revision {answer.project.revision}")


def _plain(project: Project) -> dict[str, Any]:
    return dict(MessageToDict(project, preserving_proto_field_name=True))
