"""Images from elsewhere with their labels: proved, made permanent, labelled as if a task had asked for them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pymongo.asynchronous.client_session import AsyncClientSession

from cvops_common.errors import BadArgument, BadImage, Conflict
from cvops_common.ids import check_name
from cvops_common.mongo import Document, MongoStore, mongo_errors, this_millisecond
from cvops_common.outbox import Outbox
from cvops_common.telemetry import logger
from cvops_datasets.images import SPLITS
from cvops_labeling.annotations import check_annotations, content_of
from cvops_labeling.assets import Assets
from cvops_labeling.documents import identity
from cvops_labeling.label_book import LabelBook, Submission
from cvops_labeling.observation import LABELLED
from cvops_labeling.people import check_author
from cvops_labeling.selection import GAP_S
from cvops_labeling.task_book import TRAIN, TaskBook, task_document
from cvops_protos.v1.labeling_pb2 import Annotation, Author, ImportImageRequest, ImportImagesResponse, Label
from cvops_vision.decode import decode_rgb
from cvops_vision.probe import ImageLimits, probe

log = logger(__name__)

_TOGETHER = 16
_CAMERA = "import"
# Of 20 images without a side, so many stand on each but the first.
_OF_20 = {"test": 3, "val": 3}


@dataclass(frozen=True, slots=True)
class _Image:
    """One image that was proved, with its checked labels."""

    frame: Document
    sha256: str
    annotations: list[Annotation]
    author: Author
    split: str


class Imports:
    """Takes images in."""

    def __init__(
        self,
        mongo: MongoStore,
        outbox: Outbox,
        assets: Assets,
        tasks: TaskBook,
        labels: LabelBook,
        limits: ImageLimits,
    ) -> None:
        self._frames = mongo.db["frames"]
        self._labels_held = mongo.db["labels"]
        self._outbox = outbox
        self._assets = assets
        self._tasks = tasks
        self._labels = labels
        self._limits = limits

    async def take(self, requests: AsyncIterator[ImportImageRequest]) -> ImportImagesResponse:
        """Takes a stream of images in; what came before a refused one stays.

        The same image twice is one. Other labels for a known image are a new revision when the same author wrote the
        one before; what somebody else wrote is left alone and the image counts as known.

        Raises:
            BadImage, BadArgument: names the file that cannot be used.
        """
        response, project = ImportImagesResponse(), ""
        batch: list[_Image] = []
        async for request in requests:
            project = project or check_name("project", request.project or "default")
            batch.append(await self._prove(project, request))
            if len(batch) == _TOGETHER:
                await self._write(batch, response)
                batch = []
        await self._write(batch, response)
        log.info("images imported", project=project, images=response.images, known=response.known)
        return response

    async def _prove(self, project: str, request: ImportImageRequest) -> _Image:
        name = request.file_name[:200] or "an image without a name"
        try:
            info = await asyncio.to_thread(self._look, request.image)
            author = check_author(request.author if request.author.name else Author(kind="human", name="import"))
            classes = await self._labels.classes(project)
            annotations = check_annotations(request.annotations, info.width, info.height, classes)
            camera_id = check_name("camera", request.camera_id or _CAMERA)
        except (BadImage, BadArgument) as error:
            raise type(error)(f"{name}: {error}", reason=error.reason) from error
        if request.split and request.split not in SPLITS:
            raise BadArgument(f"{name}: split {request.split[:40]!r} is not known, expected one of {', '.join(SPLITS)}")
        sha256 = await self._assets.put(request.image)
        at = request.captured_at.ToDatetime(UTC) if request.HasField("captured_at") else this_millisecond()
        frame: Document = {
            "_id": f"{0:012x}{identity('import', project, sha256)[:20]}",
            "project": project,
            "camera_id": camera_id,
            "captured_at": at,
            "captured_ns": request.captured_at.ToNanoseconds() if request.HasField("captured_at") else _ns(at),
            "width": info.width,
            "height": info.height,
            "orientation": info.orientation,
            "file_name": request.file_name[:1000],
            "boxes": 0,
            "best": 0.0,
            "mean": 0.0,
            "found": [],
            "status": LABELLED,
            "asset_sha256": sha256,
        }
        split = request.split or await self._side(frame, timed=request.HasField("captured_at"))
        return _Image(frame, sha256, annotations, author, split)

    def _look(self, image: bytes) -> Any:
        """What the image is; it is decoded whole, so that no damaged one gets in."""
        info = probe(image, self._limits)
        decode_rgb(image, info)
        return info

    async def _side(self, frame: Document, *, timed: bool) -> str:
        """The side of a frame that is near in time, else 14 in 20 train, by the image, or by the hour of its camera."""
        if timed:
            margin_ns, at_ns = int(GAP_S * 1e9), frame["captured_ns"]
            near = await self._tasks.sides([frame["camera_id"]], at_ns - margin_ns, at_ns + margin_ns)
            if near:
                return min(near, key=lambda each: abs(each.at_s - at_ns / 1e9)).split
        what = (frame["camera_id"], frame["captured_ns"] // 3_600_000_000_000) if timed else (frame["asset_sha256"],)
        number = int(identity("side", *what)[:8], 16) % 20
        for split, share in _OF_20.items():
            if number < share:
                return split
            number -= share
        return "train"

    async def _write(self, batch: Sequence[_Image], response: ImportImagesResponse) -> None:
        if not batch:
            return
        unique = {image.frame["_id"]: image for image in batch}

        async def write(session: AsyncClientSession) -> tuple[int, int]:
            done = [await self._write_one(image, session) for image in unique.values()]
            return sum(each is not None for each in done), sum(each or 0 for each in done)

        images, annotations = await self._outbox.write(write)
        response.images += images
        response.annotations += annotations
        response.known += len(batch) - images

    async def _write_one(self, image: _Image, session: AsyncClientSession) -> int | None:
        """How many annotations were written; None: the image was known, and nothing was."""
        frame_id = image.frame["_id"]
        held = await self._labels_held.find_one(
            {"_id": frame_id}, {"content": 1, "author": 1, "revision": 1}, session=session
        )
        author = f"{image.author.kind} {image.author.name}"
        if held is not None and (
            held["author"] != author or held["content"] == content_of(image.annotations, Label.STATUS_DONE)
        ):
            return None
        task = task_document(
            image.frame,
            selection_id="",
            episode_id="",
            purpose=TRAIN,
            why="import",
            split=image.split,
            sha256=image.sha256,
            rank=0,
        )
        if held is None:
            with mongo_errors():
                await self._frames.replace_one({"_id": frame_id}, image.frame, upsert=True, session=session)
            await self._tasks.add([task], session)
        submission = Submission(task["_id"], image.author, 0 if held is None else held["revision"], image.annotations)
        try:
            await self._labels.write(submission, image.annotations, session)
        except Conflict:
            return None
        return len(image.annotations)


def _ns(at: datetime) -> int:
    return round(at.timestamp() * 1e3) * 1_000_000
