"""The commands of this package: `cvops up`, `cvops status`, `cvops doctor`, `cvops demo`."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import click
from rich.console import Console

from cvops_common.errors import CvopsError
from cvops_local.display import Display, JsonLines, LiveTable, PlainLines
from cvops_local.doctor import Verdict, examine
from cvops_local.folder import DataDir
from cvops_local.status import PlatformStatus, wait_ready
from cvops_local.table import process_table
from cvops_local.up import run_up
from cvops_local.usage import Usage

P = ParamSpec("P")


def _common(command: Callable[P, None]) -> Callable[P, None]:
    """The options that all commands here have; an error of ours becomes one sentence and exit status 1."""

    @wraps(command)
    def told(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except CvopsError as error:
            raise click.ClickException(str(error)) from error

    where = click.option(
        "--data-dir", type=click.Path(path_type=Path, file_okay=False), envvar="CVOPS_DATA_DIR",
        help="Folder that the platform keeps everything in.  [default: ~/.cvops]",
    )  # fmt: skip
    as_json = click.option("--json", "as_json", is_flag=True, help="Write JSON for programs.")
    return where(as_json(told))


def _data(data_dir: Path | None) -> DataDir:
    """The data folder: of the option or its variable, else of the `cvops` command, else ~/.cvops."""
    inherited = getattr(click.get_current_context().obj, "data_dir", None)
    return DataDir((data_dir or inherited or Path("~/.cvops")).expanduser().resolve())


def _wants_json(as_json: bool) -> bool:
    return as_json or bool(getattr(click.get_current_context().obj, "json", False))


@click.command()
@_common
@click.option("--port-base", type=int, help="All ports are an offset from this one.  [default: as last time, or 7100]")
def up(data_dir: Path | None, as_json: bool, port_base: int | None) -> None:
    """Start the whole platform on this machine, and keep it running until Ctrl-C.

    Kafka, MongoDB and the services run as processes of this command. CVOPS_KAFKA, CVOPS_MONGO and CVOPS_OBJECTS name
    engines of yours, which are then used instead.
    """
    data, for_programs = _data(data_dir), _wants_json(as_json)

    def display() -> Display:
        if for_programs:
            return JsonLines()
        return LiveTable(data.path) if sys.stdout.isatty() else PlainLines()

    run_up(data, port_base, display)


@click.command()
@_common
@click.option("--wait", "wait_s", type=float, default=0.0, help="Wait up to SECONDS until everything is ready.")
def status(data_dir: Path | None, as_json: bool, wait_s: float) -> None:
    """Show how the platform is doing. Exit status 1 when it is not ready."""
    data = _data(data_dir)
    seen = wait_ready(data, wait_s)
    if _wants_json(as_json):
        _print_json(seen.as_json())
    else:
        _print_status(seen, data)
    sys.exit(0 if seen.ready else 1)


@click.command()
@_common
def doctor(data_dir: Path | None, as_json: bool) -> None:
    """Check this machine and the platform on it; say the cure for what is wrong. Exit status 1 when something is."""
    findings = examine(_data(data_dir))
    if _wants_json(as_json):
        _print_json([finding.as_json() for finding in findings])
    else:
        console = Console(highlight=False, soft_wrap=True)
        for finding in findings:
            console.print(f"[{finding.verdict.colour}]{finding.verdict:7}[/] {finding.name}: ", end="")
            console.print(finding.detail, markup=False)
            if finding.cure:
                console.print(f"        cure: {finding.cure}", markup=False)
    sys.exit(1 if any(finding.verdict is Verdict.BROKEN for finding in findings) else 0)


@click.command()
@_common
@click.option(
    "--picture",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("cvops-demo.png"),
    show_default=True,
    help="Where the last picture with its boxes goes.",
)
def demo(data_dir: Path | None, as_json: bool, picture: Path) -> None:
    """Run the main job on this machine, from camera to prediction, and check it.

    Starts a platform of its own in a folder that is removed at the end (or in --data-dir), makes a detector and four
    moving scenes on the spot, pushes them as cameras and compares every prediction with the truth. Exit status 0 only
    when each frame has exactly one prediction, in order, the objects are found, and the ledger balances.
    """
    from cvops_local.demo.main_job import run_demo, summary

    console = Console(highlight=False, soft_wrap=True, stderr=_wants_json(as_json))
    result = run_demo(data_dir, picture, console)
    if _wants_json(as_json):
        _print_json(asdict(result))
    else:
        console.print(summary(result, picture))
    for complaint in result.complaints:
        console.print(f"[red]{complaint}[/]")
    if not result.complaints:
        console.print("[green]everything held[/]")
    sys.exit(1 if result.complaints else 0)


def _print_status(seen: PlatformStatus, data: DataDir) -> None:
    console = Console(highlight=False)
    if not seen.processes:
        console.print(f"nothing runs on {data.path}: start it with `cvops up`")
        return
    console.print(process_table(seen.processes, data.path, Usage(), console.width))
    holder = f"run by `cvops up`, pid {seen.supervisor_pid}" if seen.running else "not run by a `cvops up`"
    console.print(f"{'ready' if seen.ready else 'not ready'}; {data.path}, {holder}")


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=1))
