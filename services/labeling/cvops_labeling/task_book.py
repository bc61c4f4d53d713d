"""Tasks: one image each that waits for its label, lent to one author at a time."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import BulkWriteError

from cvops_common.errors import BadArgument, Conflict, NotFound
from cvops_common.mongo import Document, MongoStore, mongo_errors, this_millisecond
from cvops_labeling.class_names import ClassNames
from cvops_labeling.documents import identity, stamp
from cvops_labeling.people import check_author_name
from cvops_labeling.project_book import ProjectBook
from cvops_labeling.sides import Taken
from cvops_protos.v1.labeling_pb2 import Label, ListTasksResponse, Task

OPEN, LEASED, DONE, SKIPPED = "open", "leased", "done", "skipped"
STATES = (OPEN, LEASED, DONE, SKIPPED)
TRAIN, AUDIT = "train", "audit"

_DUPLICATE_KEY = 11000
_MOST_LEASED = 1000
_MOST_LISTED = 10_000
_LISTED = 100
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the tasks of an episode are.

    Attributes:
        total: tasks.
        pending: open or leased.
        done: with a label that says what is there.
        last_at: when the last label came; None: none yet.
    """

    total: int
    pending: int
    done: int
    last_at: datetime | None


class TaskBook:
    """Every task."""

    def __init__(self, mongo: MongoStore, projects: ProjectBook, names: ClassNames) -> None:
        self._tasks = mongo.db["tasks"]
        self._projects = projects
        self._names = names

    async def __aenter__(self) -> Self:
        with mongo_errors():
            await self._tasks.create_index(
                [("project", 1), ("pending", 1), ("urgency", 1), ("created_at", 1), ("rank", 1)]
            )
            await self._tasks.create_index("episode_id")
            await self._tasks.create_index("selection_id")
            await self._tasks.create_index([("camera_id", 1), ("captured_ns", 1)])
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def add(self, tasks: Sequence[Document], session: AsyncClientSession) -> None:
        """Adds tasks in the running transaction; Conflict when a frame has one already."""
        try:
            await self._tasks.insert_many(tasks, session=session)
        except BulkWriteError as error:
            if any(each["code"] == _DUPLICATE_KEY for each in error.details.get("writeErrors", ())):
                raise Conflict("a frame got a task from somebody else meanwhile: choose again") from error
            raise

    async def lease(self, project: str, count: int, author: str, episode_id: str = "") -> list[Task]:
        """Lends up to `count` tasks to an author; nobody else gets them before the lease is over.

        Audits come first: they are asked for while a candidate is being tried. Then what is oldest.

        Raises:
            BadArgument: a count or author that cannot be used.
        """
        check_author_name(author)
        if count > _MOST_LEASED:
            raise BadArgument(f"{count} tasks are too many for one lease: expected at most {_MOST_LEASED}")
        settings = (await self._projects.get(project)).edge_cases
        at = this_millisecond()
        query: Document = {"project": project or "default", "pending": True, "free_at": {"$lte": at}}
        if episode_id:
            query["episode_id"] = episode_id
        lent = {"state": LEASED, "leased_by": author, "free_at": at + timedelta(seconds=settings.lease_s)}
        tasks: list[Task] = []
        with mongo_errors():
            while len(tasks) < (count or 1):
                found = await self._tasks.find_one_and_update(
                    query, {"$set": lent}, sort=[("urgency", 1), ("created_at", 1), ("rank", 1)], return_document=True
                )
                if found is None:
                    break
                tasks.append(self.message(found))
        return tasks

    async def listing(self, project: str, state: str, episode_id: str, limit: int) -> ListTasksResponse:
        """Tasks, newest first, and how many there are of each state.

        Raises:
            BadArgument: a state that is not known.
        """
        if state and state not in STATES:
            raise BadArgument(f"state {state[:40]!r} is not known: expected one of {', '.join(STATES)}")
        query: Document = {"project": project or "default"} | ({"episode_id": episode_id} if episode_id else {})
        at = this_millisecond()
        response = ListTasksResponse()
        with mongo_errors():
            found: list[Any] = (
                await self._tasks.find(query | _in_state(state, at))
                .sort([("created_at", -1), ("rank", 1)])
                .limit(min(limit or _LISTED, _MOST_LISTED))
                .to_list()
            )
            for each in STATES:
                response.counts[each] = await self._tasks.count_documents(query | _in_state(each, at))
        response.tasks.extend(self.message(each) for each in found)
        return response

    async def standing(self, selection_id: str) -> Standing:
        """How far the tasks of a selection are."""
        with mongo_errors():
            found = [
                each async for each in self._tasks.find({"selection_id": selection_id}, {"state": 1, "done_at": 1})
            ]
        states = Counter(each["state"] for each in found)
        ends = [each["done_at"] for each in found if "done_at" in each]
        return Standing(len(found), states[OPEN] + states[LEASED], states[DONE], max(ends, default=None))

    async def pending(self, **fields: str) -> int:
        """How many tasks with these fields wait for a label."""
        with mongo_errors():
            return await self._tasks.count_documents({"pending": True, **fields})

    async def withdraw(self, **fields: str) -> None:
        """Nobody is asked any more for those with these fields that wait."""
        with mongo_errors():
            await self._tasks.update_many(
                {"pending": True, **fields}, {"$set": {"pending": False, "state": SKIPPED}, "$unset": {"leased_by": ""}}
            )

    async def sides(self, cameras: Sequence[str], begin_ns: int, end_ns: int) -> list[Taken]:
        """Frames of a time whose side is settled."""
        query = {"camera_id": {"$in": list(cameras)}, "captured_ns": {"$gte": begin_ns, "$lte": end_ns}}
        with mongo_errors():
            return [
                Taken(each["camera_id"], each["captured_ns"] / 1e9, each["split"])
                async for each in self._tasks.find(query, {"camera_id": 1, "captured_ns": 1, "split": 1})
            ]

    async def get(self, task_id: str, session: AsyncClientSession | None = None) -> Document:
        """The document of a task; NotFound when there is none."""
        with mongo_errors():
            found = await self._tasks.find_one({"_id": task_id}, session=session)
        if found is None:
            raise NotFound(f"there is no task {task_id[:80]!r}: lease one, or see `cvops label tasks`")
        return found

    async def finish(self, task_id: str, state: str, revision: int, session: AsyncClientSession) -> None:
        """Its label is written, in the running transaction."""
        change = {"state": state, "pending": False, "revision": revision, "done_at": this_millisecond()}
        await self._tasks.update_one({"_id": task_id}, {"$set": change}, session=session)

    def add_prediction(self, label: Label, document: Document) -> None:
        """What the detector had found in a task's frame goes with its label, for those who judge the model by it."""
        if "detections" not in document:
            return
        label.predicted.SetInParent()
        for name, packed in document["detections"].items():
            setattr(label.predicted, name, packed)
        label.predicted_by = document["model_sha256"]
        label.predicted_classes.extend(self._names.of_model(document["model_sha256"]))

    def message(self, document: Document) -> Task:
        """A task as it is told."""
        leased = document["state"] == LEASED and document["free_at"] > this_millisecond()
        task = Task(
            task_id=document["_id"],
            project=document["project"],
            frame_id=document["frame_id"],
            camera_id=document["camera_id"],
            captured_at=stamp(document["captured_ns"]),
            asset_sha256=document["asset_sha256"],
            width=document["width"],
            height=document["height"],
            selection_id=document["selection_id"],
            episode_id=document["episode_id"],
            revision=document["revision"],
            state=OPEN if document["state"] == LEASED and not leased else document["state"],
            purpose=document["purpose"],
        )
        task.reason = document["why"]
        if leased:
            task.leased_by = document["leased_by"]
            task.leased_until.FromDatetime(document["free_at"])
        if "detections" in document:
            for name, packed in document["detections"].items():
                setattr(task.suggestion, name, packed)
            task.suggestion_classes.extend(self._names.of_model(document["model_sha256"]))
        return task


def task_document(
    frame: Document, *, selection_id: str, episode_id: str, purpose: str, why: str, split: str, sha256: str, rank: int
) -> Document:
    """A new task for a frame of the catalog; its id follows from the frame, which so has one task at most."""
    document: Document = {
        "_id": identity("task", frame["_id"]),
        "state": OPEN,
        "pending": True,
        "urgency": 0 if purpose == AUDIT else 1,
        "created_at": this_millisecond(),
        "rank": rank,
        "free_at": _NEVER,
        "revision": 0,
        "frame_id": frame["_id"],
        "asset_sha256": sha256,
        "selection_id": selection_id,
        "episode_id": episode_id,
        "purpose": purpose,
        "why": why,
        "split": split,
    }
    copied = ("project", "camera_id", "captured_ns", "width", "height", "orientation")
    document |= {name: frame[name] for name in copied}
    if "detections" in frame:
        document |= {"detections": frame["detections"], "model_sha256": frame["model"]["bundle_sha256"]}
    return document


def _in_state(state: str, at: datetime) -> Document:
    """A lease that is over counts as open."""
    if state == OPEN:
        return {"pending": True, "free_at": {"$lte": at}}
    if state == LEASED:
        return {"pending": True, "free_at": {"$gt": at}}
    return {"state": state} if state else {}
