"""COCO's format of instances: read and written without loss.

Source: https://cocodataset.org/#format-data. Fields that COCO does not define are kept as they came.
"""

import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from cvops_common.errors import BadArgument
from cvops_datasets.files import Category, FileImage
from cvops_datasets.images import Box, Polygons, Runs
from cvops_datasets.run_lengths import decoded

_ROOT = ("images", "annotations", "categories")
_IMAGE = ("id", "file_name", "width", "height")
_ANNOTATION = ("id", "image_id", "category_id", "bbox", "iscrowd", "segmentation", "attributes", "track_id")


@dataclass(frozen=True, slots=True)
class CocoFile:
    """A file of instances.

    Attributes:
        images: with their boxes, in the order of the file.
        categories: in the order of the file.
        extra: the other fields of the file ("info", "licenses", ...), as a JSON object; empty: none.
    """

    images: tuple[FileImage, ...]
    categories: tuple[Category, ...]
    extra: str = ""


def read_coco(path: Path) -> CocoFile:
    """Reads a file of instances.

    Raises:
        BadArgument: names the file, the image or annotation, what was expected and what was found.
    """
    root = _load(path)
    categories = tuple(
        Category(_whole(each, "id", path), str(_field(each, "name", path)), _rest(each, ("id", "name")))
        for each in _list(root, "categories", path)
    )
    names = {each.number: each.name for each in categories}
    if len(names) != len(categories):
        raise BadArgument(f"{path}: two categories have one id; give each its own")
    boxes: dict[int, list[Box]] = {_whole(each, "id", path): [] for each in _list(root, "images", path)}
    if len(boxes) != len(root["images"]):
        raise BadArgument(f"{path}: two images have one id; give each its own")
    for each in _list(root, "annotations", path):
        image = _whole(each, "image_id", path)
        if image not in boxes:
            raise BadArgument(f"{path}: annotation {each.get('id')} is of image {image}, which the file does not have")
        boxes[image].append(_box(each, names, path))
    images = tuple(
        FileImage(
            file_name=str(_field(each, "file_name", path)),
            width=_whole(each, "width", path),
            height=_whole(each, "height", path),
            boxes=tuple(boxes[each["id"]]),
            number=each["id"],
            extra=_rest(each, _IMAGE),
        )
        for each in root["images"]
    )
    return CocoFile(images, categories, _rest(root, _ROOT))


def write_coco(
    path: Path, images: Iterable[FileImage], categories: Sequence[Category], *, extra: str = "", keep_ids: bool = False
) -> int:
    """Writes a file of instances, one image at a time; it is there whole or not at all.

    Args:
        path: of the file.
        images: in the order in which they are written.
        categories: every class of a box is one of them.
        extra: further fields of the file, as a JSON object.
        keep_ids: ids of images and annotations are those that were read; else they are numbered from 1.

    Returns:
        How many annotations were written.

    Raises:
        BadArgument: a class without category, or with `keep_ids` an id that is no number or stands there twice.
    """
    numbers = {each.name: each.number for each in categories}
    ids = _Ids(keep_ids)
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with partial.open("w", encoding="utf-8") as out, tempfile.TemporaryFile("w+", encoding="utf-8") as later:
            out.write("{")
            for name, value in _extra(extra).items():
                out.write(f"{json.dumps(name)}: {_dump(value)},\n")
            listed = [{"id": each.number, "name": each.name} | _extra(each.extra) for each in categories]
            out.write(f'"categories": {_dump(listed)},\n"images": [')
            count = _write_images(out, later, images, numbers, ids)
            out.write('],\n"annotations": [')
            later.seek(0)
            shutil.copyfileobj(later, out)
            out.write("]}\n")
        partial.replace(path)
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()
    return count


class _Ids:
    """Numbers of images and annotations: as they were read, or counted."""

    def __init__(self, keep: bool) -> None:
        self._keep = keep
        self._used: set[tuple[str, int]] = set()
        self._count = {"image": 0, "annotation": 0}

    def of(self, what: str, given: str) -> int:
        self._count[what] += 1
        if not self._keep:
            return self._count[what]
        if not given.removeprefix("-").isdigit():
            raise BadArgument(f"{what} {given!r} has no number for its id: write with new ids")
        if (what, int(given)) in self._used:
            raise BadArgument(f"two {what}s have the id {given}: write with new ids")
        self._used.add((what, int(given)))
        return int(given)


def _write_images(
    out: IO[str], later: IO[str], images: Iterable[FileImage], numbers: Mapping[str, int], ids: _Ids
) -> int:
    count = 0
    for i, image in enumerate(images):
        number = ids.of("image", str(image.number))
        said = {"id": number, "file_name": image.file_name, "width": image.width, "height": image.height}
        out.write((",\n" if i else "\n") + _dump(said | _extra(image.extra)))
        for box in image.boxes:
            if box.class_name not in numbers:
                raise BadArgument(f"{image.file_name}: class {box.class_name!r} has no category; name it")
            annotation = _annotation(box, ids.of("annotation", box.id), number, numbers[box.class_name])
            later.write((",\n" if count else "\n") + _dump(annotation))
            count += 1
    return count


def _annotation(box: Box, number: int, image: int, category: int) -> dict[str, Any]:
    said: dict[str, Any] = {
        "id": number,
        "image_id": image,
        "category_id": category,
        "bbox": [box.left, box.top, box.width, box.height],
        "area": _area(box),
        "iscrowd": int(box.crowd),
    }
    if isinstance(box.segmentation, Runs):
        runs = box.segmentation
        said["segmentation"] = {"size": [runs.height, runs.width], "counts": list(runs.counts)}
    elif box.segmentation is not None:
        said["segmentation"] = [list(part) for part in box.segmentation]
    if box.attributes:
        said["attributes"] = dict(box.attributes)
    if box.track_id is not None:
        said["track_id"] = box.track_id
    if box.ignore:
        said["ignore"] = 1
    read = _extra(box.extra)
    for name in read.pop("cvops.absent", []):
        said.pop(name, None)
    return said | read


def _box(found: dict[str, Any], names: Mapping[int, str], path: Path) -> Box:
    what = f"{path}: annotation {found.get('id')}"
    category = _whole(found, "category_id", path)
    if category not in names:
        raise BadArgument(f"{what} is of category {category}, which the file does not have")
    segmentation, kept = _segmentation(found.get("segmentation"), what)
    if "bbox" in found:
        left, top, width, height = _numbers(found["bbox"], 4, f"{what}: bbox")
    elif segmentation and not isinstance(segmentation, Runs):
        xs = [x for part in segmentation for x in part[::2]]
        ys = [y for part in segmentation for y in part[1::2]]
        left, top, width, height = min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)
    else:
        raise BadArgument(f"{what} has neither bbox nor polygons: add a bbox")
    extra = {name: value for name, value in found.items() if name not in _ANNOTATION} | kept
    attributes = found.get("attributes")
    plain = isinstance(attributes, dict) and attributes and all(isinstance(each, str) for each in attributes.values())
    if "attributes" in found and not plain:
        extra["attributes"] = attributes
    track_id = found.get("track_id")
    if track_id is not None and not isinstance(track_id, int):
        extra["track_id"] = track_id
    if absent := [name for name in ("bbox", "area", "iscrowd") if name not in found]:
        extra["cvops.absent"] = absent
    return Box(
        names[category],
        left,
        top,
        width,
        height,
        ignore=bool(found.get("ignore", 0)),
        crowd=bool(found.get("iscrowd", 0)),
        id=str(found.get("id", "")),
        attributes=_attributes(attributes),
        track_id=track_id if isinstance(track_id, int) else None,
        segmentation=segmentation,
        extra=_dump(extra) if extra else "",
    )


def _segmentation(found: Any, what: str) -> tuple[Polygons | Runs | None, dict[str, Any]]:
    """The outline or mask, and what must be kept beside it to write the same again."""
    if found is None:
        return None, {}
    if isinstance(found, list):
        if not found:
            return None, {"segmentation": []}
        return tuple(_numbers(part, None, f"{what}: segmentation") for part in found), {}
    try:
        height, width = (int(each) for each in found["size"])
        counts = found["counts"]
        packed = isinstance(counts, str)
        runs = Runs(width, height, decoded(counts) if packed else tuple(int(each) for each in counts))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise BadArgument(f"{what}: segmentation is neither polygons nor run lengths: {error}") from error
    if sum(runs.counts) != width * height or min(runs.counts, default=0) < 0:
        raise BadArgument(f"{what}: run lengths sum to {sum(runs.counts)}, expected {width}x{height} px")
    return runs, ({"segmentation": found} if packed else {})


def _attributes(found: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(found, dict):
        return ()
    return tuple(
        sorted((str(name), value if isinstance(value, str) else _dump(value)) for name, value in found.items())
    )


def _area(box: Box) -> float:
    if isinstance(box.segmentation, Runs):
        return float(sum(box.segmentation.counts[1::2]))
    if box.segmentation:
        return sum(_polygon_area(part) for part in box.segmentation)
    return box.width * box.height


def _polygon_area(xy: Sequence[float]) -> float:
    points = list(zip(xy[::2], xy[1::2], strict=True))
    turned = zip(points, points[1:] + points[:1], strict=True)
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in turned)) / 2


def _load(path: Path) -> dict[str, Any]:
    try:
        root = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadArgument(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise BadArgument(f"{path} is no JSON: {error}") from error
    if not isinstance(root, dict):
        raise BadArgument(f"{path} holds a {type(root).__name__}, expected an object with images and annotations")
    return root


def _list(root: dict[str, Any], name: str, path: Path) -> list[dict[str, Any]]:
    found = root.get(name)
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise BadArgument(f"{path} has no list of {name}: expected COCO instances")
    return found


def _field(found: dict[str, Any], name: str, path: Path) -> Any:
    if name not in found:
        raise BadArgument(f"{path}: {_dump(found)[:100]} has no {name!r}")
    return found[name]


def _whole(found: dict[str, Any], name: str, path: Path) -> int:
    value = _field(found, name, path)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise BadArgument(f"{path}: {_dump(found)[:100]}: {name} is {value!r}, expected a whole number")
    return int(value)


def _numbers(found: Any, count: int | None, what: str) -> tuple[float, ...]:
    good = isinstance(found, list) and all(
        isinstance(each, int | float) and not isinstance(each, bool) and math.isfinite(each) for each in found
    )
    if not good or (len(found) != count if count else len(found) < 6 or len(found) % 2):
        expected = f"{count} numbers" if count else "x, y of three points or more"
        raise BadArgument(f"{what} is {_dump(found)[:100]}, expected {expected}")
    return tuple(float(each) for each in found)


def _rest(found: dict[str, Any], known: Sequence[str]) -> str:
    rest = {name: value for name, value in found.items() if name not in known}
    return _dump(rest) if rest else ""


def _extra(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text) if text else {}
    return found


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
