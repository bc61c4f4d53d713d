"""`cvops`: finds its commands here and in plug-ins, and imports one when it is called."""

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import click

from cvops.cli.context import Context

PLUGINS = "cvops.commands"

_COMMANDS = {
    "alert": "cvops.cli.alert:alert",
    "camera": "cvops.cli.camera:camera",
    "dataset": "cvops.cli.dataset:dataset",
    "drift": "cvops.cli.drift:drift",
    "episode": "cvops.cli.loop:episode",
    "loop": "cvops.cli.loop:loop",
    "frames": "cvops.cli.frames:frames",
    "incidents": "cvops.cli.incidents:incidents",
    "label": "cvops.cli.label:label",
    "model": "cvops.cli.model:model",
    "predict": "cvops.cli.predict:predict",
    "project": "cvops.cli.project:project",
    "push": "cvops.cli.push:push",
    "rollout": "cvops.cli.rollout:rollout",
    "runs": "cvops.cli.runs:runs",
    "train": "cvops.cli.runs:train",
}
# What `--help` says of our own commands and plug-ins without importing them.
_HELP = {
    "alert": "Test the routes of alerts, and see what was sent.",
    "apply": "Make a project what its file declares; tell what changes.",
    "camera": "Add, change, look at and remove cameras.",
    "dataset": "Release labels as a version, and see the versions.",
    "demo": "Close the loop on this machine: the world changes, and the lost accuracy comes back.",
    "dlq": "Look at records that could not be handled, and give them another try.",
    "doctor": "Check this machine and the platform on it; say the cure for what is wrong.",
    "drift": "See what has changed: cameras at a glance, reports with evidence, accepted views.",
    "episode": "Look at episodes: from a drift to its cure.",
    "frames": "Search and tag frames, save their images, choose some for labels.",
    "incidents": "Look at incidents, acknowledge and resolve them.",
    "key": "Make, list and revoke API keys.",
    "loop": "Pause and resume what the platform does by itself.",
    "label": "See tasks; import and export labels as COCO or YOLO.",
    "label.export": "Write the labels of a project as COCO or YOLO.",
    "label.import": "Bring labelled images in, from COCO or YOLO.",
    "model": "Import models, release them to cameras, roll back.",
    "model.import": "Make a bundle of a foreign ONNX file and upload it.",
    "predict": "Ask a released model about an IMAGE (JPEG, PNG or WebP).",
    "project": "See projects, and what applying a file would change.",
    "project.diff": "Tell what applying FILE would change.",
    "project.show": "Print PROJECT as a file that can be changed and applied.",
    "push": "Push a SOURCE as a camera: a video, an image, a folder of images, a glob, rtsp://..., /dev/video0.",
    "rollout": "Try a candidate beside the champion: shadow, canary, promotion, or back.",
    "runs": "Look at trainings and compare them.",
    "sim": "Simulate a fleet of road cameras with exact truth.",
    "status": "Show how the platform is doing.",
    "tail": "Show the events of a topic.",
    "train": "Train on DATASET: NAME (its newest version) or NAME:VERSION.",
    "up": "Start the whole platform on this machine.",
}
# The extra of the distribution that brings a plug-in, by its package.
_EXTRAS = {
    "cvops_local": "local",
    "cvops_common": "service",
    "cvops_bundles": "models",
    "cvops_sim": "sim",
    "cvops_datasets": "labeling",
}


class Commands(click.Group):
    """A group whose commands are imported when they are called.

    Plug-ins add commands by the entry point group "cvops.commands"; the name "model.import" adds `import` to `model`.
    """

    def __init__(self, *args: Any, own: Mapping[str, str] | None = None, prefix: str = "", **kwargs: Any) -> None:
        """`own`: commands of this package, name to "module:attribute"; `prefix`: of plug-ins, e.g. "model."."""
        super().__init__(*args, **kwargs)
        self._own = dict(own or {})
        self._prefix = prefix

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands."""
        return sorted({*super().list_commands(ctx), *self._own, *self._plugins()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command; one whose package is missing says what to install."""
        found = super().get_command(ctx, cmd_name)
        if found is not None:
            return found
        if cmd_name in self._own:
            module, _, attribute = self._own[cmd_name].partition(":")
            own: click.Command = getattr(import_module(module), attribute)
            return own
        plugin = self._plugins().get(cmd_name)
        return None if plugin is None else _load(plugin)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; errors of the client become one sentence, in plug-ins too."""
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.Abort, click.ClickException):
            raise
        except Exception as error:
            from cvops.errors import CvopsError

            if isinstance(error, CvopsError):
                raise click.ClickException(str(error)) from error
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing those whose help is known."""
        rows = []
        for name in self.list_commands(ctx):
            known = _HELP.get(f"{self._prefix}{name}")
            found = None if known else self.get_command(ctx, name)
            rows.append((name, known or (found.get_short_help_str(limit=90) if found else "")))
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def _plugins(self) -> dict[str, EntryPoint]:
        names = {point.name: point for point in entry_points(group=PLUGINS)}
        return {
            name.removeprefix(self._prefix): point
            for name, point in names.items()
            if name.startswith(self._prefix) and "." not in name.removeprefix(self._prefix)
        }


def _load(plugin: EntryPoint) -> click.Command:
    try:
        loaded: click.Command = plugin.load()
    except (ImportError, AttributeError) as error:
        return _absent(plugin, error)
    return loaded


def _absent(plugin: EntryPoint, error: Exception) -> click.Command:
    extra = _EXTRAS.get(plugin.module.split(".")[0], "all")
    cure = f'needs more than the client: pip install "cvops[{extra}]" ({error})'

    @click.command(
        plugin.name.rpartition(".")[2],
        help=cure,
        short_help=cure,
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )
    def absent() -> None:
        raise click.ClickException(f"this command {cure}")

    return absent


@click.group(cls=Commands, own=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the platform on this machine.  [default: CVOPS_DATA_DIR, or ~/.cvops]",
)
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON, for programs.")
@click.version_option(package_name="cvops")
@click.pass_context
def main(ctx: click.Context, data_dir: Path | None, as_json: bool) -> None:
    """Closes the loop of computer vision in production.

    \b
    Start here:
      cvops up                                   the whole platform on this machine
      cvops model import detector.onnx --name detector --format yolox --labels labels.txt
      cvops model release detector
      cvops camera add gate-3 --site north
      cvops push video.mp4 --camera gate-3
      cvops tail predictions

    Exit status: 0 it went well, 1 it failed, 2 the command was used wrongly.
    """
    ctx.obj = Context(data_dir, as_json)
