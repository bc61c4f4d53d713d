"""YOLO's folders: `data.yaml`, `images/<split>/`, `labels/<split>/` with one text file an image.

A line is a class number and either centre x, centre y, width, height or the points of one outline, all as shares of
width and height. It cannot carry: ids, attributes, tracks, masks, outlines of several parts, capture times, cameras,
regression slices, and objects that do not count (crowds and those to be ignored), which are therefore left out and
counted.
"""

import math
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from PIL import Image, UnidentifiedImageError

from cvops_common.errors import BadArgument
from cvops_datasets.files import FileImage
from cvops_datasets.images import SPLITS, Box

_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_TURNED = 5  # EXIF orientations from here on exchange width and height
_ORIENTATION = 0x0112


@dataclass(frozen=True, slots=True)
class YoloFolder:
    """A folder that was read.

    Attributes:
        classes: in the order of their numbers.
        images: by split and name; file names are relative to the folder.
    """

    classes: tuple[str, ...]
    images: tuple[FileImage, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """What was written.

    Attributes:
        images: files.
        boxes: lines.
        left_out: objects that do not count, which the format has no word for.
        reduced: objects that lost a mask or a part of their outline.
    """

    images: int
    boxes: int
    left_out: int
    reduced: int


def read_yolo(path: Path) -> YoloFolder:
    """Reads a folder by its `data.yaml`, or by the path of that file.

    Raises:
        BadArgument: names the file and line, what was expected and what was found.
    """
    file = path / "data.yaml" if path.is_dir() else path
    settings = _settings(file)
    classes = _classes(settings.get("names"), file)
    root = file.parent / str(settings.get("path") or ".")
    images = []
    for split in SPLITS:
        sources = settings.get(split) or []
        for source in [sources] if isinstance(sources, str) else sources:
            found = _pictures(root / str(source), root, file)
            images += [_image(image, file.parent, split, classes) for image in found]
    if not images:
        raise BadArgument(f"{file} names no image: expected train, val or test as folders or lists of images")
    return YoloFolder(classes, tuple(images))


def write_yolo(
    folder: Path, images: Iterable[FileImage], classes: Sequence[str], copy: Callable[[FileImage, Path], None]
) -> Written:
    """Writes a folder, one image at a time; `data.yaml` last.

    Args:
        folder: that is made; it must be empty or absent.
        images: with their splits; no split counts as "train".
        classes: in the order of their numbers.
        copy: writes the image to the path it is given.

    Raises:
        BadArgument: the folder is not empty, a class is not known, or two images have one name.
    """
    if folder.exists() and any(folder.iterdir()):
        raise BadArgument(f"{folder} is not empty: name another folder")
    numbers = {name: i for i, name in enumerate(classes)}
    count = boxes = left_out = reduced = 0
    seen: set[Path] = set()
    for image in images:
        split = image.split or "train"
        name = Path(image.file_name.replace("/", "_").replace("\\", "_"))
        if (Path(split) / name.stem) in seen:
            raise BadArgument(f"two images of {split} are called {name.stem}: name them otherwise")
        seen.add(Path(split) / name.stem)
        lines = []
        for box in image.boxes:
            if not box.counts:
                left_out += 1
                continue
            if box.class_name not in numbers:
                raise BadArgument(f"{image.file_name}: class {box.class_name!r} is not among {', '.join(classes)}")
            reduced += not _is_plain(box)
            lines.append(_line(numbers[box.class_name], box, image))
        for kind in ("images", "labels"):
            (folder / kind / split).mkdir(parents=True, exist_ok=True)
        copy(image, folder / "images" / split / name)
        (folder / "labels" / split / name.with_suffix(".txt")).write_text("".join(f"{line}\n" for line in lines))
        count, boxes = count + 1, boxes + len(lines)
    splits: dict[str, Any] = {split: f"images/{split}" for split in SPLITS if (folder / "images" / split).is_dir()}
    settings: dict[str, Any] = {"path": ".", **splits, "names": dict(enumerate(classes))}
    text = yaml.safe_dump(settings, sort_keys=False)
    (folder / "data.yaml").write_text(text)
    return Written(count, boxes, left_out, reduced)


def copy_from(root: Path) -> Callable[[FileImage, Path], None]:
    """Copies images from a folder, by their file names."""

    def copy(image: FileImage, target: Path) -> None:
        shutil.copyfile(root / image.file_name, target)

    return copy


def upright_size(path: Path) -> tuple[int, int]:
    """Width and height of the upright image in px, from its header.

    Raises:
        BadArgument: it cannot be read.
    """
    try:
        with Image.open(path) as image:
            turned = image.getexif().get(_ORIENTATION, 1) >= _TURNED
            return (image.height, image.width) if turned else (image.width, image.height)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise BadArgument(f"{path} cannot be read as an image: {error}") from error


def _line(number: int, box: Box, image: FileImage) -> str:
    if isinstance(box.segmentation, tuple) and len(box.segmentation) == 1:
        values = [v / (image.height if i % 2 else image.width) for i, v in enumerate(box.segmentation[0])]
    else:
        values = [
            (box.left + box.width / 2) / image.width,
            (box.top + box.height / 2) / image.height,
            box.width / image.width,
            box.height / image.height,
        ]
    return " ".join([str(number), *(f"{value:.9g}" for value in values)])


def _is_plain(box: Box) -> bool:
    return box.segmentation is None or (isinstance(box.segmentation, tuple) and len(box.segmentation) == 1)


def _settings(file: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadArgument(f"{file} cannot be read: {error.strerror}; expected a folder with data.yaml") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadArgument(f"{file} is no YAML: {error}") from error
    if not isinstance(found, dict):
        raise BadArgument(f"{file} holds no settings: expected names, train and val")
    return found


def _classes(found: Any, file: Path) -> tuple[str, ...]:
    if isinstance(found, dict) and sorted(found) == list(range(len(found))):
        return tuple(str(found[i]) for i in range(len(found)))
    if isinstance(found, list) and found:
        return tuple(str(name) for name in found)
    raise BadArgument(f"{file}: names is {str(found)[:80]!r}, expected a list of classes, or 0: ..., 1: ...")


def _pictures(source: Path, root: Path, file: Path) -> Iterator[Path]:
    """Images of a folder, or those that a list of paths names."""
    if source.is_dir():
        yield from sorted(each for each in source.rglob("*") if each.suffix.lower() in _SUFFIXES)
    elif source.suffix == ".txt" and source.is_file():
        for line in source.read_text().splitlines():
            if line.strip():
                yield root / line.strip()
    else:
        raise BadArgument(f"{file}: {source} is neither a folder nor a list of images")


def _image(path: Path, folder: Path, split: str, classes: Sequence[str]) -> FileImage:
    width, height = upright_size(path)
    labels = _labels_of(path)
    boxes = []
    if labels.is_file():
        for i, line in enumerate(labels.read_text().splitlines(), 1):
            if line.strip():
                boxes.append(_box(line, classes, width, height, f"{labels}, line {i}"))
    name = path.relative_to(folder) if path.is_relative_to(folder) else path
    return FileImage(str(name), width, height, tuple(boxes), split=split)


def _labels_of(image: Path) -> Path:
    """The text file of an image: the last folder "images" of its path becomes "labels"."""
    parts = list(image.parts)
    for i in range(len(parts) - 2, -1, -1):
        if parts[i] == "images":
            parts[i] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def _box(line: str, classes: Sequence[str], width: int, height: int, where: str) -> Box:
    words = line.split()
    try:
        number, values = int(words[0]), [float(word) for word in words[1:]]
    except ValueError as error:
        raise BadArgument(f"{where}: {line[:80]!r} holds something that is no number") from error
    if not 0 <= number < len(classes):
        raise BadArgument(f"{where}: class {number} is not among the {len(classes)} of data.yaml")
    if not all(math.isfinite(value) for value in values) or (len(values) != 4 and (len(values) < 6 or len(values) % 2)):
        raise BadArgument(f"{where}: {line[:80]!r}, expected class, centre x and y, width, height, or class and points")
    if len(values) == 4:
        x, y, w, h = values[0] * width, values[1] * height, values[2] * width, values[3] * height
        return Box(classes[number], x - w / 2, y - h / 2, w, h)
    outline = tuple(value * (height if i % 2 else width) for i, value in enumerate(values))
    left, top = min(outline[::2]), min(outline[1::2])
    return Box(
        classes[number],
        left,
        top,
        max(outline[::2]) - left,
        max(outline[1::2]) - top,
        segmentation=(outline,),
    )
