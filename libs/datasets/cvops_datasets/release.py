"""Dataset versions: written once, for ever as they are, and verified byte by byte when they are read.

`datasets/<project>/<name>/<version>/` holds parts of labelled images and a manifest with their hashes. The version is
the beginning of the manifest's own hash, so the same content is the same version and no writer can change it.
"""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import pyarrow as pa

from cvops_common.errors import BadArgument, BadRecord, NotFound
from cvops_common.ids import check_name
from cvops_common.objects import Objects
from cvops_datasets.images import SPLITS, LabelledImage, counted
from cvops_datasets.rows import from_parquet, to_parquet

FORMAT = 1
IMAGES_PER_PART = 50_000
_READ_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a version: its object, the hash and number of its bytes, and how many images it holds."""

    uri: str
    sha256: str
    bytes: int
    images: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a version is.

    Attributes:
        format: of this manifest.
        project, name: of the dataset.
        task: "detect" or "classify".
        classes: in the order of their ids.
        parts: in order of frame id.
        images, boxes: by split.
        slices: images of each regression slice, by name.
        parent: version that it was made from; empty: none.
        episode_id: for which it was released; empty: none.
        reason: why, in one sentence.
        query: which labels were taken.
    """

    format: int
    project: str
    name: str
    task: str
    classes: tuple[str, ...]
    parts: tuple[Part, ...]
    images: Mapping[str, int]
    boxes: Mapping[str, int]
    slices: Mapping[str, int]
    parent: str = ""
    episode_id: str = ""
    reason: str = ""
    query: str = ""


@dataclass(frozen=True, slots=True)
class Published:
    """A version that is in the store.

    Attributes:
        version: first 12 hexadecimal digits of the manifest's sha256.
        manifest_uri, manifest_sha256: all that a reader needs.
        images, boxes: by split.
        slices: images of each regression slice, by name.
    """

    version: str
    manifest_uri: str
    manifest_sha256: str
    images: Mapping[str, int]
    boxes: Mapping[str, int]
    slices: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Dataset:
    """A version as it was read: its manifest and its images, by frame id."""

    manifest: Manifest
    images: tuple[LabelledImage, ...]


async def write_release(
    objects: Objects,
    *,
    project: str,
    name: str,
    classes: Sequence[str],
    images: Iterable[LabelledImage],
    task: str = "detect",
    parent: str = "",
    episode_id: str = "",
    reason: str = "",
    query: str = "",
) -> Published:
    """Writes a version; when this returns all of it is durable. The same content again is the same version.

    Args:
        objects: the store.
        project: of the dataset,
        name: and its own name; letters, digits, '.', '_' and '-'.
        classes: names in the order of their ids; every box has one of them.
        images: in any order; each frame once.
        task: "detect" or "classify".
        parent: version that it was made from; empty: none.
        episode_id: for which it is released; empty: none.
        reason: why, in one sentence.
        query: which labels were taken.

    Raises:
        BadArgument: no image, a frame twice, a class or split that is not known. Unavailable: the store is away.
    """
    root = f"datasets/{check_name('project', project)}/{check_name('dataset', name)}"
    ordered = sorted(images, key=lambda image: image.frame_id)
    _check(ordered, classes, f"{project}/{name}")
    blobs = await asyncio.to_thread(_parts, ordered)
    manifest = Manifest(
        format=FORMAT,
        project=project,
        name=name,
        task=task,
        classes=tuple(classes),
        parts=tuple(Part(f"part-{sha256}.parquet", sha256, len(data), count) for sha256, data, count in blobs),
        images=counted(Counter(image.split for image in ordered)),
        boxes=counted(Counter(image.split for image in ordered for _ in image.boxes)),
        slices=dict(sorted(Counter(each for image in ordered for each in image.slices).items())),
        parent=parent,
        episode_id=episode_id,
        reason=reason,
        query=query,
    )
    body = _json(asdict(manifest))
    sha256 = hashlib.sha256(body).hexdigest()
    folder = f"{root}/{sha256[:12]}"
    published = Published(
        sha256[:12], f"{folder}/manifest.json", sha256, manifest.images, manifest.boxes, manifest.slices
    )
    if not await _is_there(objects, published):
        for part, (_, data, _) in zip(manifest.parts, blobs, strict=True):
            await objects.put(f"{folder}/{part.uri}", data)
        await objects.put(published.manifest_uri, body)
    return published


async def read_release(objects: Objects, manifest_uri: str, manifest_sha256: str) -> Dataset:
    """Reads a version and proves that every byte is the one that was written.

    Raises:
        NotFound: a file is gone. BadRecord: a file is damaged (reason "damaged"), or of another format.
        Unavailable: the store is away.
    """
    manifest = await read_manifest(objects, manifest_uri, manifest_sha256)
    folder, gate = manifest_uri.rpartition("/")[0], asyncio.Semaphore(_READ_AT_ONCE)

    async def read(part: Part) -> list[LabelledImage]:
        async with gate:
            data = await _verified(objects, f"{folder}/{part.uri}", part.sha256)
            return await asyncio.to_thread(_images, data, f"{folder}/{part.uri}")

    parts = await asyncio.gather(*(read(part) for part in manifest.parts))
    return Dataset(manifest, tuple(image for part in parts for image in part))


async def read_manifest(objects: Objects, manifest_uri: str, manifest_sha256: str) -> Manifest:
    """What a version is, without its images; raises as `read_release` does."""
    body = await _verified(objects, manifest_uri, manifest_sha256)
    found: dict[str, Any] = json.loads(body)
    if found.get("format") != FORMAT:
        raise BadRecord(
            f"manifest {manifest_uri} is of format {found.get('format')!r}, expected {FORMAT}: update this program"
        )
    found["parts"] = tuple(Part(**part) for part in found["parts"])
    return Manifest(**{**found, "classes": tuple(found["classes"])})


def _check(images: Sequence[LabelledImage], classes: Sequence[str], dataset: str) -> None:
    if not images:
        raise BadArgument(f"dataset {dataset} would be empty: label at least one image")
    known = set(classes)
    before = ""
    for image in images:
        if image.frame_id == before:
            raise BadArgument(f"dataset {dataset}: frame {image.frame_id} stands there twice; one label of it holds")
        before = image.frame_id
        if image.split not in SPLITS:
            raise BadArgument(f"dataset {dataset}: frame {image.frame_id} is in split {image.split!r}, not {SPLITS}")
        if image.captured_at.tzinfo is None:
            raise BadArgument(f"dataset {dataset}: frame {image.frame_id} has a capture time without a zone; use UTC")
        names = [box.class_name for box in image.boxes] + ([image.class_name] if image.class_name else [])
        if unknown := sorted(set(names) - known):
            raise BadArgument(
                f"dataset {dataset}: frame {image.frame_id} has class {unknown[0]!r}, expected one of "
                f"{', '.join(classes) or 'none'}; name it in the project"
            )


def _parts(images: Sequence[LabelledImage]) -> list[tuple[str, bytes, int]]:
    """Hash, bytes and number of images of each part."""
    parts, left = [], iter(images)
    while chunk := list(islice(left, IMAGES_PER_PART)):
        data = to_parquet(chunk)
        parts.append((hashlib.sha256(data).hexdigest(), data, len(chunk)))
    return parts


async def _is_there(objects: Objects, published: Published) -> bool:
    """Whether the manifest, which is written last, is in the store already."""
    try:
        await _verified(objects, published.manifest_uri, published.manifest_sha256)
    except (NotFound, BadRecord):
        return False
    return True


async def _verified(objects: Objects, uri: str, sha256: str) -> bytes:
    try:
        data = await objects.get(uri)
    except NotFound as error:
        raise NotFound(f"dataset file {uri} is not in the store: it was removed; restore it or release anew") from error
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise BadRecord(
            f"dataset file {uri} is damaged: expected sha256 {sha256}, found {found} in {len(data)} bytes; "
            "restore it or release anew",
            reason="damaged",
        )
    return data


def _images(data: bytes, uri: str) -> list[LabelledImage]:
    try:
        return from_parquet(data)
    except (ValueError, pa.ArrowException) as error:
        raise BadRecord(f"dataset file {uri} is of another format: {error}; update this program") from error


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, sort_keys=True, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode()
