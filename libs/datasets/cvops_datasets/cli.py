"""`cvops label import` and `export`: labels from and to files of others."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import click
from rich.console import Console

from cvops_common.errors import BadArgument, CvopsError
from cvops_datasets.annotations import annotation_of, image_of
from cvops_datasets.coco import read_coco, write_coco
from cvops_datasets.files import FileImage, numbered
from cvops_datasets.images import Box, LabelledImage
from cvops_datasets.yolo import read_yolo, write_yolo
from cvops_protos.v1.labeling_pb2 import Annotation, Label
from cvops_protos.v1.project_pb2 import Project

_USABLE = (Label.STATUS_DONE, Label.STATUS_REVIEWED)
_SUFFIXES = {b"\xff\xd8": ".jpg", b"\x89P": ".png", b"RI": ".webp"}


class Imported(Protocol):
    """What the platform took in."""

    images: int
    known: int
    annotations: int


class Labels(Protocol):
    """The part of the client that is used here."""

    def import_images(self, project: str, images: Iterable[Any], *, on_progress: Callable[[Any], None]) -> Imported:
        """Takes images in."""

    def export(self, project: str = "", episode_id: str = "") -> Iterator[Label]:
        """The newest label of every image."""

    def asset(self, sha256: str = "") -> bytes:
        """An image."""

    def projects(self) -> list[Project]:
        """All projects."""


class Client(Protocol):
    """A client of the platform."""

    @property
    def labeling(self) -> Labels:
        """The service that keeps labels."""


class CommandContext(Protocol):
    """`ctx.obj` of every command: the client package is not imported here, its context has this shape."""

    json: bool
    console: Console

    def client(self) -> Client:
        """A client of the platform that is configured."""


@dataclass(frozen=True, slots=True)
class _Upload:
    """An image on its way."""

    file_name: str
    image: bytes
    annotations: list[Annotation]
    split: str
    camera_id: str
    captured_at: datetime | None


@click.command("import")
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.option("--images", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of the images.")
@click.option("--project", default="", help="[default: default]")
@click.option(
    "--split", type=click.Choice(["train", "val", "test"]), help="Side of all images.  [default: of the file]"
)
@click.option("--camera", default="", help="Camera that took them.  [default: of the file, or import]")
@click.option("--map", "renames", multiple=True, metavar="OLD=NEW", help="Name a class otherwise (repeatable).")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
@click.pass_obj
def import_labels(
    context: CommandContext,
    source: Path,
    images: Path | None,
    project: str,
    split: str | None,
    camera: str,
    renames: tuple[str, ...],
    as_json: bool,
) -> None:
    """Bring labelled images in. SOURCE is a COCO file, or a YOLO folder with data.yaml.

    \b
    cvops label import instances_train.json --images train2017 --split train
    cvops label import my-yolo-folder --project roads --map vehicle=car

    The same image twice is one, so an import that broke off can be begun anew. An image without labels counts as one
    in which nothing is.
    """
    renamed = dict(_pair(each) for each in renames)
    try:
        found, folder = _read(source, images)
        uploads = (_upload(each, folder, split, camera, renamed) for each in found)
        with context.console.status("importing") as status:

            def told(done: Any) -> None:
                status.update(f"importing: {done.images + done.known} of {len(found)} images")

            done = context.client().labeling.import_images(project, uploads, on_progress=told)
    except CvopsError as error:
        raise click.ClickException(str(error)) from error
    answer = {"images": done.images, "known": done.known, "annotations": done.annotations}
    told_plain = f"{done.images} images with {done.annotations} annotations; {done.known} were known"
    click.echo(json.dumps(answer) if as_json or context.json else told_plain)


@click.command("export")
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--format", "kind", type=click.Choice(["coco", "yolo"]), default="coco", show_default=True)
@click.option("--project", default="", help="[default: default]")
@click.option("--episode", default="", help="Only labels of this episode.")
@click.option("--labels-only", is_flag=True, help="COCO without its images.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
@click.pass_obj
def export_labels(
    context: CommandContext,
    output: Path,
    kind: str,
    project: str,
    episode: str,
    labels_only: bool,
    as_json: bool,
) -> None:
    """Write the labels of a project into the folder OUTPUT.

    COCO: `instances.json` and `images/`, nothing is lost. YOLO: `data.yaml`, `images/` and `labels/`; what the format
    has no word for is left out and counted.
    """
    labeling = context.client().labeling
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise click.ClickException(f"{output} is not empty: name another folder")
    try:
        with context.console.status("exporting"):
            classes = _classes(labeling, project, episode)
            images = _labelled(labeling, project, episode)
            if kind == "coco":
                answer = _to_coco(labeling, output, images, classes, labels_only)
            else:
                answer = _to_yolo(labeling, output, images, classes)
    except CvopsError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{output}: cannot be written: {error}") from error
    told = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in answer.items())
    click.echo(json.dumps(answer) if as_json or context.json else f"{output}: {told}")


def _to_coco(
    labeling: Labels, output: Path, images: Iterable[LabelledImage], classes: list[str], labels_only: bool
) -> dict[str, int]:
    output.mkdir(parents=True, exist_ok=True)
    count = 0

    def files() -> Iterator[FileImage]:
        nonlocal count
        for image in images:
            name = f"{image.frame_id}.jpg"
            if not labels_only:
                data = labeling.asset(image.asset_sha256)
                name = f"{image.frame_id}{_suffix(data)}"
                (output / "images").mkdir(exist_ok=True)
                (output / "images" / name).write_bytes(data)
            count += 1
            yield _file(image, name)

    boxes = write_coco(output / "instances.json", files(), numbered(classes))
    return {"images": count, "annotations": boxes}


def _to_yolo(labeling: Labels, output: Path, images: Iterable[LabelledImage], classes: list[str]) -> dict[str, int]:
    assets: dict[str, bytes] = {}

    def files() -> Iterator[FileImage]:
        for image in images:
            data = labeling.asset(image.asset_sha256)
            name = f"{image.frame_id}{_suffix(data)}"
            assets[name] = data
            yield _file(image, name)

    def copy(image: FileImage, target: Path) -> None:
        target.write_bytes(assets.pop(image.file_name))

    written = write_yolo(output, files(), classes, copy)
    return {
        "images": written.images,
        "annotations": written.boxes,
        "left_out": written.left_out,
        "reduced": written.reduced,
    }


def _file(image: LabelledImage, name: str) -> FileImage:
    extra = {
        "frame_id": image.frame_id,
        "camera_id": image.camera_id,
        "captured_at": image.captured_at.isoformat(),
        "split": image.split,
        "asset_sha256": image.asset_sha256,
        "revision": image.revision,
    }
    return FileImage(name, image.width, image.height, image.boxes, split=image.split, extra=json.dumps(extra))


def _labelled(labeling: Labels, project: str, episode: str) -> Iterator[LabelledImage]:
    return (image_of(label) for label in labeling.export(project, episode) if label.status in _USABLE)


def _classes(labeling: Labels, project: str, episode: str) -> list[str]:
    """Of the project in their order, then what labels use beside them."""
    own = next((list(each.classes) for each in labeling.projects() if each.project == (project or "default")), [])
    used = {box.class_name for image in _labelled(labeling, project, episode) for box in image.boxes}
    return own + sorted(used - set(own))


def _read(source: Path, images: Path | None) -> tuple[tuple[FileImage, ...], Path]:
    """The images of a file or folder, and where they lie."""
    if source.is_dir() or source.suffix in (".yaml", ".yml"):
        return read_yolo(source).images, images or (source if source.is_dir() else source.parent)
    folder = images or (source.parent / "images" if (source.parent / "images").is_dir() else source.parent)
    return read_coco(source).images, folder


def _upload(image: FileImage, folder: Path, split: str | None, camera: str, renamed: dict[str, str]) -> _Upload:
    path = folder / image.file_name
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadArgument(f"image {path} cannot be read: {error.strerror}; name its folder by --images") from error
    said = json.loads(image.extra) if image.extra else {}
    return _Upload(
        file_name=image.file_name,
        image=data,
        annotations=[annotation_of(_renamed(box, renamed)) for box in image.boxes],
        split=split or image.split or (said["split"] if said.get("split") in ("train", "val", "test") else ""),
        camera_id=camera or str(said.get("camera_id", "")),
        captured_at=_time(said.get("captured_at")),
    )


def _time(said: Any) -> datetime | None:
    """An aware time; None for anything else that a file may say."""
    try:
        at = datetime.fromisoformat(said)
    except (TypeError, ValueError):
        return None
    return at if at.tzinfo is not None else None


def _renamed(box: Box, renamed: dict[str, str]) -> Box:
    return replace(box, class_name=renamed.get(box.class_name, box.class_name))


def _pair(text: str) -> tuple[str, str]:
    old, equals, new = text.partition("=")
    if not (old and equals and new):
        raise click.UsageError(f"--map {text!r} is not understood: expected OLD=NEW")
    return old, new


def _suffix(image: bytes) -> str:
    return _SUFFIXES.get(image[:2], ".jpg")
