"""Dataset versions: all labels of a project as they stand, written and told."""

import hashlib
from datetime import UTC
from typing import Any, Self

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError

from cvops_common.errors import BadArgument
from cvops_common.ids import check_name
from cvops_common.mongo import Document, MongoStore, mongo_errors, this_millisecond
from cvops_common.objects import Objects
from cvops_common.outbox import Outbox
from cvops_common.telemetry import logger
from cvops_datasets.annotations import image_of
from cvops_datasets.images import LabelledImage
from cvops_datasets.release import write_release
from cvops_labeling.label_book import LabelBook
from cvops_labeling.metrics import DATASETS
from cvops_labeling.project_book import ProjectBook
from cvops_protos.v1.labeling_pb2 import DatasetReleased

log = logger(__name__)


class DatasetBook:
    """Every version of every dataset."""

    def __init__(
        self,
        mongo: MongoStore,
        outbox: Outbox,
        objects: Objects,
        labels: LabelBook,
        projects: ProjectBook,
    ) -> None:
        self._datasets = mongo.db["datasets"]
        self._outbox = outbox
        self._objects = objects
        self._labels = labels
        self._projects = projects

    async def __aenter__(self) -> Self:
        with mongo_errors():
            await self._datasets.create_index([("project", 1), ("at", -1)])
            await self._datasets.create_index(
                "episode_id", unique=True, partialFilterExpression={"episode_id": {"$gt": ""}}
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def all(self, project: str) -> list[DatasetReleased]:
        """Versions of a project, newest first; of all projects when none is named."""
        with mongo_errors():
            found = self._datasets.find({"project": project} if project else {}).sort("at", -1)
            return [DatasetReleased.FromString(each["body"]) async for each in found]

    async def of_episode(self, episode_id: str) -> DatasetReleased | None:
        """The version that an episode brought."""
        with mongo_errors():
            found: Any = await self._datasets.find_one({"episode_id": episode_id})
        return None if found is None else DatasetReleased.FromString(found["body"])

    async def release(
        self, project: str, name: str = "", why: str = "", *, episode_id: str = "", cameras: tuple[str, ...] = ()
    ) -> DatasetReleased:
        """Releases every label of a project; when nothing changed since the newest version, that is the answer.

        Args:
            project: whose labels.
            name: of the dataset; empty: the project's.
            why: in one sentence.
            episode_id: for which; an episode releases once.
            cameras: whose labels are new; none: found out by the labels of the episode.

        Raises:
            BadArgument: there is no label yet, or a name that cannot be used. Unavailable: an engine is away.
        """
        project = check_name("project", project or "default")
        name = check_name("dataset", name or project)
        if episode_id and (before := await self.of_episode(episode_id)) is not None:
            return before
        images = [image_of(each.label, each.slices) async for each in self._labels.every(project, usable=True)]
        if not images:
            raise BadArgument(f"project {project} has no label yet: label tasks, or `cvops label import`")
        new = sorted(
            set(cameras) or {each.camera_id for each in images if episode_id and each.episode_id == episode_id}
        )
        classes = await self._classes(project, images)
        content = _content(images, classes)
        parent = await self._newest(project, name)
        if parent is not None and parent["content"] == content and not episode_id:
            return DatasetReleased.FromString(parent["body"])
        sentence = why or (f"labels of episode {episode_id}" if episode_id else "released by hand")
        published = await write_release(
            self._objects,
            project=project,
            name=name,
            classes=classes,
            images=images,
            task=(await self._projects.get(project)).task,
            parent="" if parent is None else parent["version"],
            episode_id=episode_id,
            reason=sentence,
            query="the newest label of every image that is done or reviewed",
        )
        released = DatasetReleased(
            project=project,
            name=name,
            version=published.version,
            manifest_uri=published.manifest_uri,
            manifest_sha256=published.manifest_sha256,
            images=published.images,
            boxes=published.boxes,
            parent="" if parent is None else parent["version"],
            episode_id=episode_id,
            cameras=new,
            slices=sorted(published.slices),
        )
        released.reason = sentence
        released.at.FromDatetime(this_millisecond())
        return await self._tell(released, content)

    async def _tell(self, released: DatasetReleased, content: str) -> DatasetReleased:
        identity = f"{released.project}/{released.name}/{released.version}"
        document: Document = {
            "_id": identity,
            "project": released.project,
            "name": released.name,
            "version": released.version,
            "episode_id": released.episode_id,
            "content": content,
            "at": released.at.ToDatetime(UTC),
            "body": released.SerializeToString(),
        }

        async def insert(session: AsyncClientSession) -> DatasetReleased:
            await self._datasets.insert_one(document, session=session)
            key = f"{released.project}/{released.name}"
            await self._outbox.add(released, key=key, session=session, correlation_id=released.episode_id)
            return released

        try:
            told = await self._outbox.write(insert)
        except DuplicateKeyError:
            # Another replica was faster, or this very version was released before.
            same = [{"_id": identity}] + ([{"episode_id": released.episode_id}] if released.episode_id else [])
            with mongo_errors():
                found: Any = await self._datasets.find_one({"$or": same})
            told = DatasetReleased.FromString(found["body"])
        DATASETS.inc()
        log.info("dataset released", dataset=identity, images=dict(released.images), episode=released.episode_id)
        return told

    async def _newest(self, project: str, name: str) -> Document | None:
        with mongo_errors():
            return await self._datasets.find_one({"project": project, "name": name}, sort=[("at", -1)])

    async def _classes(self, project: str, images: list[LabelledImage]) -> list[str]:
        """Of the project, and then what labels use beside them, sorted."""
        own = await self._labels.classes(project)
        used = {box.class_name for image in images for box in image.boxes}
        used |= {image.class_name for image in images if image.class_name}
        return own + sorted(used - set(own))


def _content(images: list[LabelledImage], classes: list[str]) -> str:
    """The same for the same labels."""
    digest = hashlib.sha256("\0".join(classes).encode())
    for image in images:
        digest.update(f"{image.frame_id} {image.revision} {image.split} {' '.join(image.slices)}\n".encode())
    return digest.hexdigest()
