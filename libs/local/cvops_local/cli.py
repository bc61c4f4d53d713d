"""The commands of this package: `cvops up`, `cvops status`, `cvops doctor`, `cvops demo`."""

import json
import sys
import tempfile
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

SCENARIOS = ("snow", "fog", "night-ir", "camera-turned", "firmware-swap", "bad-model")


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
        console = Console(highlight=False, emoji=False, soft_wrap=True)
        for finding in findings:
            console.print(f"[{finding.verdict.colour}]{finding.verdict:7}[/] {finding.name}: ", end="")
            console.print(finding.detail, markup=False)
            if finding.cure:
                console.print(f"        cure: {finding.cure}", markup=False)
    sys.exit(1 if any(finding.verdict is Verdict.BROKEN for finding in findings) else 0)


@click.command()
@_common
@click.option("--scenario", "name", default="snow", show_default=True, help=f"One of {', '.join(SCENARIOS)}.")
@click.option("--seed", default=1, show_default=True, help="Which traffic passes.")
@click.option("--from-scratch", is_flag=True, help="Train the champion first, about two minutes.")
@click.option("--keep", is_flag=True, help="Keep the platform's folder.  [default: removed, unless --data-dir]")
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("cvops-demo.html"),
    show_default=True,
    help="Where the page of the episode goes.",
)
@click.option("--picture", type=click.Path(path_type=Path, dir_okay=False), help="Write an SVG picture of the screen.")
def demo(
    data_dir: Path | None,
    as_json: bool,
    name: str,
    seed: int,
    from_scratch: bool,
    keep: bool,
    report: Path,
    picture: Path | None,
) -> None:
    """Close the loop on this machine: the world changes, and the accuracy that was lost comes back by itself.

    Starts a platform of its own and six simulated road cameras with a model that knows fair weather. Then something
    happens to some of them. The platform notices, tells, picks frames, gets labels, trains, tries the candidate on part
    of the fleet and promotes it, or leaves things alone where nothing is to be learned. Exit status 0 only when it
    ended as it must.

    \b
    snow            two cameras snowed in, a third turned by the wind
    fog             fog .6 instead
    night-ir        infrared instead
    camera-turned   only the wind: a camera incident, and no training
    firmware-swap   red and blue exchanged by new firmware: a camera incident, and no training
    bad-model       a broken candidate is tried and must be rolled back
    """
    from cvops_local.demo.champion import shipped, train_champion
    from cvops_local.demo.run import DemoOptions, run_demo
    from cvops_local.demo.screen import summary
    from cvops_local.demo.story import STORIES

    if name not in STORIES:
        raise click.BadParameter(
            f"{name!r} is not known: expected one of {', '.join(STORIES)}", param_hint="--scenario"
        )
    console = Console(highlight=False, emoji=False, soft_wrap=True, stderr=_wants_json(as_json))
    if keep and data_dir is None:
        data_dir = Path(f"cvops-demo-{name}")
    with tempfile.TemporaryDirectory(prefix="cvops-champion-") as folder:
        champion = train_champion(Path(folder), console) if from_scratch else shipped()
        result = run_demo(DemoOptions(STORIES[name], seed, champion, data_dir, report, picture), console)
    if _wants_json(as_json):
        _print_json(asdict(result))
    else:
        console.print(summary(result, report))
    for complaint in result.complaints:
        console.print(f"[red]{complaint}[/]")
    if not result.complaints:
        console.print("[green]it ended as it must[/]")
    sys.exit(1 if result.complaints else 0)


def _print_status(seen: PlatformStatus, data: DataDir) -> None:
    console = Console(highlight=False, emoji=False)
    if not seen.processes:
        console.print(f"nothing runs on {data.path}: start it with `cvops up`")
        return
    console.print(process_table(seen.processes, data.path, Usage(), console.width))
    holder = f"run by `cvops up`, pid {seen.supervisor_pid}" if seen.running else "not run by a `cvops up`"
    console.print(f"{'ready' if seen.ready else 'not ready'}; {data.path}, {holder}")


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=1))
