"""Rollouts in MongoDB; each change and its event in one transaction."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Self

from bson.binary import Binary
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError

from cvops_common.errors import NotFound
from cvops_common.mongo import Document, MongoStore, mongo_errors
from cvops_common.outbox import Outbox
from cvops_protos.v1.training_pb2 import Rollout

OPEN = (Rollout.STATE_SHADOW, Rollout.STATE_CANARY, Rollout.STATE_PROMOTED)


class RolloutStore:
    """Every rollout with the evidence of its stage."""

    def __init__(self, mongo: MongoStore, outbox: Outbox) -> None:
        self._rollouts = mongo.db["rollouts"]
        self._outbox = outbox

    async def __aenter__(self) -> Self:
        with mongo_errors():
            await self._rollouts.create_index([("project", 1), ("created_at", -1)])
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def add(self, rollout: Rollout) -> bool:
        """A new rollout; False when there is one of its id."""
        rollout.revision = 1
        document = {
            "_id": rollout.rollout_id,
            "project": rollout.project,
            "created_at": rollout.created_at.ToDatetime(UTC),
        } | _changing(rollout, {})

        async def insert(session: AsyncClientSession) -> None:
            await self._rollouts.insert_one(document, session=session)
            await self._tell(rollout, session)

        try:
            await self._outbox.write(insert)
        except DuplicateKeyError:
            return False
        return True

    async def save(self, rollout: Rollout, stage: Mapping[str, Any]) -> None:
        """Writes a rollout as it stands and publishes it; `stage` is the evidence, as plain values."""
        rollout.revision += 1
        change = {"$set": _changing(rollout, stage)}

        async def update(session: AsyncClientSession) -> None:
            await self._rollouts.update_one({"_id": rollout.rollout_id}, change, session=session)
            await self._tell(rollout, session)

        await self._outbox.write(update)

    async def open(self) -> list[tuple[Rollout, Mapping[str, Any]]]:
        """Rollouts that have not ended, oldest first, each with its evidence."""
        with mongo_errors():
            found = await self._rollouts.find({"open": True}).sort("created_at", 1).to_list()
        return [(Rollout.FromString(document["rollout"]), document["stage"]) for document in found]

    async def get(self, rollout_id: str) -> Rollout:
        """A rollout by its id, or by the beginning of it.

        Raises:
            NotFound: there is none, or more than one begins so.
        """
        with mongo_errors():
            found = await self._rollouts.find({"_id": {"$gte": rollout_id, "$lt": rollout_id + "g"}}).limit(2).to_list()
        exact = [document for document in found if document["_id"] == rollout_id] or found
        if len(exact) != 1 or not rollout_id:
            what = "more than one rollout begins with" if exact else "there is no rollout"
            raise NotFound(f"{what} {rollout_id!r}: see `cvops rollout list`")
        return Rollout.FromString(exact[0]["rollout"])

    async def newest(self, project: str, limit: int) -> list[Rollout]:
        """Rollouts, newest first."""
        with mongo_errors():
            query = {"project": project} if project else {}
            found = await self._rollouts.find(query).sort("created_at", -1).limit(limit).to_list()
        return [Rollout.FromString(document["rollout"]) for document in found]

    async def _tell(self, rollout: Rollout, session: AsyncClientSession) -> None:
        await self._outbox.add(rollout, key=rollout.rollout_id, session=session, correlation_id=rollout.episode_id)


def _changing(rollout: Rollout, stage: Mapping[str, Any]) -> Document:
    return {"open": rollout.state in OPEN, "rollout": Binary(rollout.SerializeToString()), "stage": dict(stage)}


def now() -> datetime:
    """Now, aware."""
    return datetime.now(UTC)
