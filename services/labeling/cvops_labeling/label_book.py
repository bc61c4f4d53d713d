"""Labels: the newest of every frame and all before it. Nobody's words are overwritten unseen."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

from bson.binary import Binary
from pymongo.asynchronous.client_session import AsyncClientSession

from cvops_common.errors import BadArgument, Conflict
from cvops_common.mongo import Document, MongoStore, mongo_errors, this_millisecond
from cvops_common.outbox import Outbox
from cvops_common.telemetry import logger
from cvops_labeling.annotations import check_annotations, content_of
from cvops_labeling.assets import asset_uri
from cvops_labeling.class_names import ClassNames
from cvops_labeling.documents import identity, stamp
from cvops_labeling.metrics import CONFLICTS, LABELS
from cvops_labeling.observation import LABELLED, SKIPPED
from cvops_labeling.people import check_author
from cvops_labeling.project_book import ProjectBook
from cvops_labeling.task_book import DONE, TaskBook
from cvops_protos.v1.labeling_pb2 import Annotation, Author, Label

log = logger(__name__)

_USABLE = (Label.STATUS_DONE, Label.STATUS_REVIEWED)
_MOST_SECONDS = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class Submission:
    """What an author says.

    Attributes:
        task_id: of the image.
        author: who says it.
        revision: of the label that the author saw; 0: there was none.
        annotations: what is there; none: nothing is.
        seconds_spent: on it.
        skip: it cannot be told.
    """

    task_id: str
    author: Author
    revision: int
    annotations: Sequence[Annotation] = ()
    seconds_spent: float = 0.0
    skip: bool = False


@dataclass(frozen=True, slots=True)
class Labelled:
    """A label as it is kept.

    Attributes:
        label: itself.
        slices: regression slices that its image belongs to.
    """

    label: Label
    slices: tuple[str, ...]


class LabelBook:
    """Every label."""

    def __init__(
        self, mongo: MongoStore, outbox: Outbox, tasks: TaskBook, projects: ProjectBook, names: ClassNames
    ) -> None:
        self._labels = mongo.db["labels"]
        self._revisions = mongo.db["label_revisions"]
        self._frames = mongo.db["frames"]
        self._outbox = outbox
        self._tasks = tasks
        self._projects = projects
        self._names = names

    async def __aenter__(self) -> Self:
        with mongo_errors():
            await self._labels.create_index([("project", 1), ("_id", 1)])
            await self._labels.create_index("episode_id")
            await self._revisions.create_index("frame_id")
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def submit(self, submission: Submission) -> Label:
        """Writes a label with its event; the same submission twice is one.

        Raises:
            NotFound: there is no such task. BadArgument: an annotation, author or time that cannot be used.
            Conflict: somebody else wrote since the author looked; the label stays as they wrote it.
        """
        check_author(submission.author)
        if not 0 <= submission.seconds_spent <= _MOST_SECONDS:
            raise BadArgument(f"seconds_spent is {submission.seconds_spent}, expected 0 to {_MOST_SECONDS:g}")
        if submission.skip and submission.annotations:
            raise BadArgument("an image that cannot be told has no annotations: submit without them, or without skip")
        task = await self._tasks.get(submission.task_id)
        classes = await self.classes(task["project"])
        annotations = check_annotations(submission.annotations, task["width"], task["height"], classes)

        try:
            return await self._outbox.write(partial(self.write, submission, annotations))
        except Conflict:
            CONFLICTS.inc()
            raise

    async def write(
        self, submission: Submission, annotations: Sequence[Annotation], session: AsyncClientSession
    ) -> Label:
        """Writes a label of checked annotations in the running transaction; raises as `submit` does."""
        task = await self._tasks.get(submission.task_id, session)
        status = Label.STATUS_SKIPPED if submission.skip else Label.STATUS_DONE
        content = content_of(annotations, status)
        now_held = await self._labels.find_one({"_id": task["frame_id"]}, session=session)
        if now_held is not None and _is_same(now_held, submission, content):
            return Label.FromString(now_held["body"])
        held = 0 if now_held is None else now_held["revision"]
        if submission.revision != held:
            by = "nobody" if now_held is None else now_held["author"]
            raise Conflict(
                f"task {submission.task_id}: the label has revision {held} by {by}, you saw {submission.revision}; "
                "look at it and submit again with its revision"
            )
        label = _label(task, submission, annotations, status)
        self._tasks.add_prediction(label, task)
        label.label_id = identity(
            "label", label.frame_id, label.revision, label.author.kind, label.author.name, content
        )
        await self._keep(label, content, task, session)
        return label

    async def classes(self, project: str) -> list[str]:
        """Names that labels of a project may use: its own, else the champion's; none: any."""
        own = list((await self._projects.get(project)).classes)
        return own or list(self._names.of_champion(project or "default"))

    async def every(self, project: str, episode_id: str = "", *, usable: bool = False) -> AsyncIterator[Labelled]:
        """The newest label of every image, by frame id.

        Args:
            project: whose.
            episode_id: only of this one; empty: all.
            usable: only those that say what is there.
        """
        query: Document = {"project": project or "default"} | ({"episode_id": episode_id} if episode_id else {})
        if usable:
            query["status"] = {"$in": list(_USABLE)}
        with mongo_errors():
            async for each in self._labels.find(query).sort("_id", 1):
                yield Labelled(Label.FromString(each["body"]), tuple(each.get("slices", ())))

    async def of_task(self, task: Document) -> Label | None:
        """The newest label of a task's image."""
        with mongo_errors():
            found: Any = await self._labels.find_one({"_id": task["frame_id"]})
        return None if found is None else Label.FromString(found["body"])

    async def make_slice(self, episode_id: str) -> int:
        """What an episode held out is a regression slice of its name from now on; how many images it has."""
        held = {"episode_id": episode_id, "purpose": "train", "split": {"$in": ["val", "test"]}}
        with mongo_errors():
            result = await self._labels.update_many(held, {"$addToSet": {"slices": episode_id}})
        return result.matched_count

    async def _keep(self, label: Label, content: str, task: Document, session: AsyncClientSession) -> None:
        document: Document = {
            "project": label.project,
            "camera_id": label.camera_id,
            "episode_id": label.episode_id,
            "purpose": label.purpose,
            "split": label.split,
            "status": label.status,
            "revision": label.revision,
            "author": f"{label.author.kind} {label.author.name}",
            "classes": sorted({each.class_name for each in label.annotations}),
            "content": content,
            "body": Binary(label.SerializeToString()),
        }
        await self._labels.update_one({"_id": label.frame_id}, {"$set": document}, upsert=True, session=session)
        past = {"_id": label.label_id, "frame_id": label.frame_id, "body": document["body"]}
        await self._revisions.replace_one({"_id": label.label_id}, past, upsert=True, session=session)
        skipped = label.status == Label.STATUS_SKIPPED
        await self._tasks.finish(task["_id"], SKIPPED if skipped else DONE, label.revision, session)
        await self._frames.update_one(
            {"_id": label.frame_id}, {"$set": {"status": SKIPPED if skipped else LABELLED}}, session=session
        )
        await self._outbox.add(label, key=label.camera_id, session=session, correlation_id=label.episode_id)
        LABELS.labels(label.purpose, "skipped" if skipped else "done").inc()


def _is_same(held: Document, submission: Submission, content: str) -> bool:
    """Whether the label that is held came of this very submission, sent before."""
    author = f"{submission.author.kind} {submission.author.name}"
    return bool(held["content"] == content and held["author"] == author and held["revision"] == submission.revision + 1)


def _label(
    task: Document, submission: Submission, annotations: Sequence[Annotation], status: Label.Status.ValueType
) -> Label:
    label = Label(
        project=task["project"],
        frame_id=task["frame_id"],
        camera_id=task["camera_id"],
        captured_at=stamp(task["captured_ns"]),
        task_id=task["_id"],
        author=submission.author,
        revision=submission.revision + 1,
        annotations=annotations,
        seconds_spent=submission.seconds_spent,
        asset_sha256=task["asset_sha256"],
        asset_uri=asset_uri(task["asset_sha256"]),
        width=task["width"],
        height=task["height"],
        orientation=task["orientation"],
        split=task["split"],
        episode_id=task["episode_id"],
        purpose=task["purpose"],
        status=status,
    )
    label.reason = task["why"]
    label.at.FromDatetime(this_millisecond())
    return label
