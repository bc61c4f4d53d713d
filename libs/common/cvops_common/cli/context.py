"""What these commands get from `cvops`: the client package is not imported here, its context has this shape."""

from pathlib import Path
from typing import Protocol

from rich.console import Console


class Endpoints(Protocol):
    """Where the platform is."""

    @property
    def kafka(self) -> str:
        """Bootstrap servers."""

    @property
    def keys(self) -> Path:
        """The key file."""


class CommandContext(Protocol):
    """`ctx.obj` of every command."""

    json: bool
    data_dir: Path
    console: Console

    @property
    def connection(self) -> Endpoints:
        """Where the platform is."""
