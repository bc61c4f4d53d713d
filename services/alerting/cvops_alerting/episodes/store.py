"""Episodes in MongoDB: each change and its event in one transaction."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from bson.binary import Binary
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError

from cvops_alerting.episodes.progress import ENDED
from cvops_common.errors import NotFound
from cvops_common.mongo import Document, MongoStore, mongo_errors
from cvops_common.outbox import Outbox
from cvops_protos.v1.alerting_pb2 import Episode, LoopStatus

Change = Callable[[Episode], bool]
_DAY = timedelta(days=1)
_LABELS_KEPT = 20_000


class EpisodeStore:
    """Every episode, and the hand brake of every project."""

    def __init__(self, mongo: MongoStore, outbox: Outbox) -> None:
        self._episodes = mongo.db["episodes"]
        self._loops = mongo.db["loops"]
        self._outbox = outbox

    async def __aenter__(self) -> Self:
        with mongo_errors():
            await self._episodes.create_index([("project", 1), ("opened_at", -1)])
            await self._episodes.create_index("incident_id")
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def begin(self, episode: Episode) -> bool:
        """Adds a new episode; False when it exists already."""
        episode.revision = 1
        _touch(episode)
        document = {"_id": episode.episode_id} | _document(episode)

        async def insert(session: AsyncClientSession) -> None:
            await self._episodes.insert_one(document, session=session)
            await self._tell(episode, session)

        try:
            await self._outbox.write(insert)
        except DuplicateKeyError:
            return False
        return True

    async def change(self, episode_id: str, change: Change, *, label: str = "") -> Episode | None:
        """Changes an episode that is known and has not ended, and publishes it when `change` says so.

        Args:
            episode_id: which; empty or unknown: nothing happens.
            change: changes the episode in place, returns whether it did.
            label: identity of the label that is counted; one that was counted before changes nothing.
        """
        if not episode_id:
            return None

        async def write(session: AsyncClientSession) -> Episode | None:
            found = await self._episodes.find_one({"_id": episode_id}, session=session)
            if found is None or (label and label in found["label_ids"]):
                return None
            episode = Episode.FromString(found["episode"])
            if episode.state in ENDED or not change(episode):
                return None
            episode.revision += 1
            _touch(episode)
            update: Document = {"$set": _changing(episode)}
            if label:
                update["$push"] = {"label_ids": {"$each": [label], "$slice": -_LABELS_KEPT}}
            await self._episodes.update_one({"_id": episode_id}, update, session=session)
            await self._tell(episode, session)
            return episode

        return await self._outbox.write(write)

    async def get(self, episode_id: str) -> Episode:
        """An episode by its id, or by the beginning of it.

        Raises:
            NotFound: there is none, or more than one begins so.
        """
        query = {"_id": {"$gte": episode_id, "$lt": episode_id + "g"}} if episode_id else {}
        found = await self._find(query, 2)
        exact = [episode for episode in found if episode.episode_id == episode_id]
        if len(exact or found) != 1:
            what = "more than one episode begins with" if found else "there is no episode"
            raise NotFound(f"{what} {episode_id!r}: see `cvops episode list`")
        return (exact or found)[0]

    async def newest(self, project: str, limit: int) -> list[Episode]:
        """Episodes, newest first."""
        return await self._find({"project": project} if project else {}, limit)

    async def active(self, project: str = "") -> list[Episode]:
        """Episodes that have not ended."""
        return await self._find({"active": True} | ({"project": project} if project else {}), 1000)

    async def of_incident(self, incident_id: str) -> list[Episode]:
        """Every episode of an incident, newest first."""
        return await self._find({"incident_id": incident_id}, 1000)

    async def begun_since(self, project: str, now: datetime) -> int:
        """How many began in the 24 hours before `now`."""
        with mongo_errors():
            return await self._episodes.count_documents({"project": project, "opened_at": {"$gt": now - _DAY}})

    async def paused_by(self, project: str) -> str | None:
        """Who pulled the hand brake; None: nobody did."""
        with mongo_errors():
            found = await self._loops.find_one({"_id": project})
        return str(found["by"]) if found and found["paused"] else None

    async def set_paused(self, project: str, paused: bool, by: str) -> None:
        """Pulls or releases the hand brake and tells everybody."""
        status = LoopStatus(project=project, paused=paused, by=by)

        async def write(session: AsyncClientSession) -> None:
            document = {"_id": project, "paused": paused, "by": by}
            await self._loops.replace_one({"_id": project}, document, upsert=True, session=session)
            await self._outbox.add(status, key=project, session=session)

        await self._outbox.write(write)

    async def _find(self, query: Document, limit: int) -> list[Episode]:
        with mongo_errors():
            found: Sequence[Any] = await self._episodes.find(query).sort("opened_at", -1).limit(limit).to_list()
        return [Episode.FromString(document["episode"]) for document in found]

    async def _tell(self, episode: Episode, session: AsyncClientSession) -> None:
        await self._outbox.add(episode, key=episode.episode_id, session=session, correlation_id=episode.episode_id)


def _touch(episode: Episode) -> None:
    episode.updated_at.FromDatetime(datetime.now(UTC))


def _document(episode: Episode) -> Document:
    return _changing(episode) | {
        "project": episode.project,
        "incident_id": episode.incident_id,
        "opened_at": episode.opened_at.ToDatetime(UTC),
        "label_ids": [],
    }


def _changing(episode: Episode) -> Document:
    return {"active": episode.state not in ENDED, "episode": Binary(episode.SerializeToString())}
