"""`cvops model import`: a foreign ONNX file becomes a model of the platform."""

import json as json_format
import tempfile
from pathlib import Path
from typing import Any, Final, Protocol

import click
from rich.console import Console

from cvops_bundles.bundle import open_bundle
from cvops_bundles.cli_options import about_outputs, about_pixels, one_of, options_of
from cvops_bundles.importing import import_onnx
from cvops_bundles.options import ModelFormat
from cvops_bundles.summary import summary_json, summary_table
from cvops_bundles.verify import verify_bundle
from cvops_bundles.write import WrittenBundle, write_bundle
from cvops_common.errors import CvopsError

_EXAMPLES: Final = """
\b
A YOLOX detector (BGR 0..255, letterbox top left: the defaults of the format):
  cvops model import yolox_nano.onnx --name road --format yolox --labels coco.txt
\b
A classifier trained with torchvision:
  cvops model import resnet.onnx --name sorter --format classifier --classes good,bad \\
    --scale 1/255 --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225 --short-side 256
\b
A detector that decodes its boxes itself, tried without keeping anything:
  cvops model import det.onnx --name shop --format decoded --labels shop.txt \\
    --box-format cxcywh --box-units normalised --resize stretch --dry-run
"""


class UploadedModel(Protocol):
    """What the store answers: the model's name, its new version, and the bundle's identity."""

    name: str
    version: str
    bundle_sha256: str


class ModelStore(Protocol):
    """The part of the client that is used here."""

    def upload_bundle(self, path: Path) -> UploadedModel:
        """Uploads a bundle; the same one twice is the same version."""


class CommandContext(Protocol):
    """`ctx.obj` of every command: the client package is not imported here, its context has this shape."""

    json: bool
    console: Console

    def client(self) -> ModelStore:
        """A client of the platform that is configured."""


@click.command("import", epilog=_EXAMPLES)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", required=True, help="Name of the model; each import of a name is a new version.")
@click.option("--format", "kind", type=one_of(ModelFormat), required=True, help="What the outputs are.")
@click.option(
    "--labels", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="One name a line, or index,name."
)
@click.option("--classes", help="Class names separated by commas, instead of --labels.")
@about_pixels
@about_outputs
@click.option("--version-note", default="", help="A sentence about this version.")
@click.option(
    "--output", type=click.Path(path_type=Path), help="Write the bundle here (file or folder); upload nothing."
)
@click.option("--dry-run", is_flag=True, help="Understand and prove only.")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
@click.pass_obj
def import_model(
    context: CommandContext, /, file: Path, output: Path | None, dry_run: bool, as_json: bool, **given: Any
) -> None:
    """Make an ONNX model from elsewhere one that cvops can serve.

    The graph gets its preprocessing and decoding built in, is proved to give the same for single images and batches,
    and is uploaded as a new version. A file that cannot be used is refused with the reason. Nothing is released:
    that is `cvops model release`.
    """
    options = options_of(given)
    with tempfile.TemporaryDirectory(prefix="cvops-import-") as scratch:
        target = output if output is not None and not dry_run else Path(scratch)
        try:
            with context.console.status(f"importing {file.name}"):
                written = write_bundle(import_onnx(file, options), target)
                bundle = open_bundle(written.path, written.sha256)
                report = verify_bundle(bundle)
        except CvopsError as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            raise click.ClickException(f"{target}: cannot be written ({error.strerror}); is the path right?") from error
        as_json = as_json or context.json
        if not as_json:
            context.console.print(summary_table(bundle.spec, report))
        uploaded = None if dry_run or output is not None else context.client().upload_bundle(written.path)
        _answer(summary_json(bundle.spec, report) if as_json else None, written, uploaded, output, dry_run)


def _answer(
    summary: dict[str, Any] | None,
    written: WrittenBundle,
    uploaded: UploadedModel | None,
    output: Path | None,
    dry_run: bool,
) -> None:
    if summary is not None:
        answer = summary | {"sha256": written.sha256, "bytes": written.size_bytes}
        if uploaded is not None:
            answer |= {"name": uploaded.name, "version": uploaded.version}
        if output is not None and not dry_run:
            answer |= {"path": str(written.path)}
        click.echo(json_format.dumps(answer))
    elif uploaded is not None:
        click.echo(f"{uploaded.name}:{uploaded.version}")
        click.echo(f"next: cvops model release {uploaded.name}:{uploaded.version}", err=True)
    elif dry_run:
        click.echo("dry run: nothing was kept", err=True)
    else:
        click.echo(str(written.path))
