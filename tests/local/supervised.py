"""A program for the tests: supervises small Python processes on a data folder, as `cvops up` does with the real ones.

Usage: supervised.py FOLDER NAME=CODE [NAME=CODE ...]; each NAME is ready when FOLDER/NAME.ready exists.
"""

import sys
from pathlib import Path

import click

from cvops_common.errors import CvopsError
from cvops_local.display import JsonLines
from cvops_local.folder import DataDir
from cvops_local.records import marked
from cvops_local.spec import ProcessSpec
from cvops_local.supervise import supervise

READY = "import pathlib,sys,time; pathlib.Path(sys.argv[1]).touch()\n"
"""Code that makes its process ready."""


def spec(folder: Path, name: str, code: str, stage: int = 0, grace_s: float = 10.0) -> ProcessSpec:
    """A process that runs `code` and is ready when the file named by its sys.argv[1] exists."""
    ready = folder / f"{name}.ready"

    def command() -> list[str]:
        ready.unlink(missing_ok=True)
        return [sys.executable, "-S", "-E", "-c", code, str(ready)]

    def problem() -> str | None:
        return None if ready.exists() else f"{ready.name} does not exist"

    return ProcessSpec(name, command, problem, env=marked({}, folder), stage=stage, grace_s=grace_s)


def main() -> None:
    folder = Path(sys.argv[1])
    processes = [argument.partition("=") for argument in sys.argv[2:]]
    specs = [spec(folder, name, code) for name, _, code in processes]
    try:
        supervise(DataDir(folder), lambda _: specs, JsonLines)
    except CvopsError as error:
        click.echo(str(error), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
