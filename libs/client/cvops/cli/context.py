"""What every command gets: where the platform is, how to answer."""

import json
import math
import sys
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from datetime import datetime
from functools import cached_property, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from cvops.client import Client
    from cvops.connection import Connection


class Context:
    """`ctx.obj` of every command, plug-ins included. What costs time is made when it is asked for.

    Attributes:
        data_dir: of the platform on this machine.
        json: whether answers are for programs.
    """

    def __init__(self, data_dir: Path | None = None, as_json: bool = False) -> None:
        self.json = as_json
        self._data_dir = data_dir

    @cached_property
    def data_dir(self) -> Path:
        """The option, else CVOPS_DATA_DIR, else ~/.cvops."""
        from cvops.connection import default_data_dir

        return self._data_dir or default_data_dir()

    @cached_property
    def connection(self) -> "Connection":
        """Where the platform is; an error that names the cure when it is not known."""
        from cvops.connection import Connection
        from cvops.errors import CvopsError

        try:
            return Connection.find(self.data_dir)
        except CvopsError as error:
            raise click.ClickException(str(error)) from error

    def client(self) -> "Client":
        """A client of the platform."""
        from cvops.client import Client

        return Client(self.connection)

    @cached_property
    def console(self) -> "Console":
        """For people: standard error, so that answers can be piped."""
        from rich.console import Console

        return Console(stderr=True, highlight=False, emoji=False)

    def answer(self, value: Any, show: Callable[[], None]) -> None:
        """Prints an answer: JSON for programs, else by `show` for people."""
        if self.json:
            click.echo(json.dumps(_plain(value)))
        else:
            show()


def page() -> "Console":
    """Standard output for people; wide where it is no terminal, so that a pipe gets every column whole."""
    from rich.console import Console

    return Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else 240)


def plain_table(*titles: str) -> "Table":
    """A table without lines, which programs that read line by line can take as well."""
    from rich.table import Table

    return Table(*titles, box=None, pad_edge=False, header_style="bold")


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has no word for it
    return value.isoformat() if isinstance(value, datetime) else value


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Errors of ours become one sentence and exit status 1; `--json` is understood after the command too."""

    @wraps(function)
    def told(as_json: bool, **arguments: Any) -> None:
        from cvops.errors import CvopsError

        context: Context = click.get_current_context().obj
        context.json = as_json or context.json
        try:
            function(context, **arguments)
        except CvopsError as error:
            raise click.ClickException(str(error)) from error
        except BrokenPipeError:
            sys.exit(0)

    return click.option("--json", "as_json", is_flag=True, help="Answer in JSON, for programs.")(told)
