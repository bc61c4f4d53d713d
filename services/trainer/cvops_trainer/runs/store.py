"""Runs and known datasets in MongoDB; each change of a run and its event in one transaction."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Self

from bson.binary import Binary
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError

from cvops_common.errors import BadArgument, NotFound
from cvops_common.mongo import Document, MongoStore, mongo_errors
from cvops_common.outbox import Outbox
from cvops_protos.v1.labeling_pb2 import DatasetReleased
from cvops_protos.v1.training_pb2 import TrainingRun
from cvops_trainer.runs.changes import end

OPEN = (TrainingRun.STATE_QUEUED, TrainingRun.STATE_RUNNING, TrainingRun.STATE_JUDGING)


class RunStore:
    """Every run, and every dataset that was released."""

    def __init__(self, mongo: MongoStore, outbox: Outbox) -> None:
        self._runs = mongo.db["runs"]
        self._datasets = mongo.db["datasets"]
        self._outbox = outbox

    async def __aenter__(self) -> Self:
        with mongo_errors():
            await self._runs.create_index([("project", 1), ("created_at", -1)])
            for few in ("open", "to_try"):
                await self._runs.create_index(few, partialFilterExpression={few: True})
            await self._datasets.create_index([("name", 1), ("at", -1)])
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def add(self, run: TrainingRun, order: Document) -> bool:
        """A new run, queued; False when there is one of its id."""
        run.revision = 1
        run.created_at.FromDatetime(datetime.now(UTC))
        document = {
            "_id": run.run_id,
            "project": run.project,
            "created_at": run.created_at.ToDatetime(UTC),
            "open": True,
            "order": order,
            "run": Binary(run.SerializeToString()),
        }

        async def insert(session: AsyncClientSession) -> None:
            await self._runs.insert_one(document, session=session)
            await self._outbox.add(run, key=run.run_id, session=session, correlation_id=run.episode_id)

        try:
            await self._outbox.write(insert)
        except DuplicateKeyError:
            return False
        return True

    async def change(self, run_id: str, change: Callable[[TrainingRun], bool]) -> TrainingRun | None:
        """Changes a run that has not ended, and publishes it; None when nothing changed."""

        async def write(session: AsyncClientSession) -> TrainingRun | None:
            found = await self._runs.find_one({"_id": run_id}, session=session)
            if found is None:
                raise NotFound(f"there is no run {run_id!r}: see `cvops runs list`")
            run = TrainingRun.FromString(found["run"])
            if run.state not in OPEN or not change(run):
                return None
            run.revision += 1
            update = {
                "open": run.state in OPEN,
                "to_try": run.state == TrainingRun.STATE_PASSED and bool(run.episode_id),
                "run": Binary(run.SerializeToString()),
            }
            await self._runs.update_one({"_id": run_id}, {"$set": update}, session=session)
            await self._outbox.add(run, key=run_id, session=session, correlation_id=run.episode_id)
            return run

        return await self._outbox.write(write)

    async def fail(self, run_id: str, text: str) -> None:
        """Ends a run that has not ended, with the reason; NotFound when there is none."""

        def failed(run: TrainingRun) -> bool:
            end(run, TrainingRun.STATE_FAILED, text)
            return True

        await self.change(run_id, failed)

    async def get(self, run_id: str) -> TrainingRun:
        """A run by its id, or by the beginning of it.

        Raises:
            NotFound: there is none, or more than one begins so.
        """
        with mongo_errors():
            found = await self._runs.find({"_id": {"$gte": run_id, "$lt": run_id + "g"}}).limit(2).to_list()
        exact = [document for document in found if document["_id"] == run_id] or found
        if len(exact) != 1:
            what = "more than one run begins with" if exact else "there is no run"
            raise NotFound(f"{what} {run_id!r}: see `cvops runs list`")
        return TrainingRun.FromString(exact[0]["run"])

    async def order(self, run_id: str) -> Document:
        """What the run's process is told."""
        with mongo_errors():
            found = await self._runs.find_one({"_id": run_id})
        if found is None:
            raise NotFound(f"there is no run {run_id!r}: see `cvops runs list`")
        order: Document = found["order"]
        return order

    async def newest(self, project: str, limit: int) -> list[TrainingRun]:
        """Runs, newest first."""
        with mongo_errors():
            query = {"project": project} if project else {}
            found = await self._runs.find(query).sort("created_at", -1).limit(limit).to_list()
        return [TrainingRun.FromString(document["run"]) for document in found]

    async def unfinished(self) -> list[TrainingRun]:
        """Runs that have not ended, oldest first."""
        return await self._oldest_first({"open": True})

    async def to_try(self) -> list[TrainingRun]:
        """Runs of episodes whose model passed its gates and is not being tried yet, oldest first."""
        return await self._oldest_first({"to_try": True})

    async def tried(self, run_id: str) -> None:
        """Nobody needs to be told of this run any more."""
        with mongo_errors():
            await self._runs.update_one({"_id": run_id}, {"$set": {"to_try": False}})

    async def _oldest_first(self, query: Document) -> list[TrainingRun]:
        with mongo_errors():
            found = await self._runs.find(query).sort("created_at", 1).to_list()
        return [TrainingRun.FromString(document["run"]) for document in found]

    # -- datasets ----------------------------------------------------------------------------------------------

    async def learn(self, dataset: DatasetReleased) -> None:
        """Keeps what is needed to train on a dataset."""
        document = {
            "project": dataset.project,
            "name": dataset.name,
            "version": dataset.version,
            "at": dataset.at.ToDatetime(UTC),
            "event": Binary(dataset.SerializeToString()),
        }
        key = f"{dataset.project}/{dataset.name}:{dataset.version}"
        with mongo_errors():
            await self._datasets.update_one({"_id": key}, {"$setOnInsert": document}, upsert=True)

    async def dataset(self, project: str, reference: str) -> DatasetReleased:
        """The dataset that "name" (the newest version) or "name:version" means.

        Raises:
            NotFound: there is none. BadArgument: no name is given.
        """
        name, _, version = reference.partition(":")
        if not name:
            raise BadArgument("no dataset is named: expected NAME or NAME:VERSION, see `cvops dataset list`")
        query: dict[str, Any] = {"project": project, "name": name} | ({"version": version} if version else {})
        with mongo_errors():
            found = await self._datasets.find_one(query, sort=[("at", -1)])
        if found is None:
            raise NotFound(
                f"project {project!r} has no dataset {reference!r}: see `cvops dataset list`, `cvops dataset release`"
            )
        return DatasetReleased.FromString(found["event"])
