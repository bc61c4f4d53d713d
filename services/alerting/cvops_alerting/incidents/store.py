"""Incidents and alarms in MongoDB. Everything that changes a project happens in one transaction at a time."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Self

from bson.binary import Binary
from pymongo import ReplaceOne
from pymongo.asynchronous.client_session import AsyncClientSession

from cvops_alerting.incidents.book import AGAIN_WITHIN, Book, Held
from cvops_common.errors import NotFound
from cvops_common.mongo import Document, MongoStore, mongo_errors
from cvops_protos.v1.alerting_pb2 import Incident
from cvops_protos.v1.drift_pb2 import DriftEvent

_KEPT_S = 400 * 86_400
_MOST_OPEN = 10_000


class IncidentStore:
    """Every incident and alarm."""

    def __init__(self, mongo: MongoStore) -> None:
        self._incidents = mongo.db["incidents"]
        self._alarms = mongo.db["alarms"]
        self._books = mongo.db["books"]

    async def __aenter__(self) -> Self:
        with mongo_errors():
            await self._incidents.create_index([("project", 1), ("opened_at", -1)])
            await self._incidents.create_index([("active", 1), ("project", 1)])
            await self._incidents.create_index("resolved_at", expireAfterSeconds=_KEPT_S)
            await self._alarms.create_index([("project", 1), ("live", 1)])
            await self._alarms.create_index([("live", 1), ("signal", 1), ("camera", 1)])
            await self._alarms.create_index("closed_at", expireAfterSeconds=_KEPT_S)
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def fill(self, book: Book, alarm_ids: Iterable[str], now: datetime, session: AsyncClientSession) -> None:
        """Reads a project into its book, and keeps every other transaction of the project out.

        Args:
            book: empty.
            alarm_ids: alarms that are needed even when they are over.
            now: the present, aware.
            session: of the running transaction.
        """
        # Two writers of one project conflict here; the later one gets Unavailable and begins anew.
        await self._books.update_one({"_id": book.project}, {"$inc": {"n": 1}}, upsert=True, session=session)
        query = {"$or": [{"project": book.project, "live": True}, {"_id": {"$in": list(alarm_ids)}}]}
        for found in await self._alarms.find(query, session=session).to_list():
            event = DriftEvent.FromString(found["event"])
            book.alarms[found["_id"]] = Held(event, found["incident"], found["moves"])
        recent: Document = {"project": book.project, "resolved_at": {"$gt": now - AGAIN_WITHIN}}
        active: Document = {"project": book.project, "active": True}
        for found in await self._incidents.find(active, session=session).to_list():
            book.incidents[found["_id"]] = Incident.FromString(found["incident"])
        ended = await self._incidents.find(recent, session=session).sort("resolved_at", -1).to_list()
        book.ended = [Incident.FromString(found["incident"]) for found in ended]

    async def write(self, book: Book, session: AsyncClientSession) -> None:
        """Writes what changed in a book."""
        active = {name for name, each in book.incidents.items() if each.state != Incident.STATE_RESOLVED}
        alarms = [
            ReplaceOne({"_id": name}, _alarm(book, name, active), upsert=True) for name in sorted(book.changed_alarms)
        ]
        if alarms:
            await self._alarms.bulk_write(alarms, session=session)
        for name in sorted(book.changed_incidents):
            incident = book.incidents[name]
            await self._incidents.update_one({"_id": name}, {"$set": _incident(incident)}, upsert=True, session=session)

    async def pending(self) -> list[Incident]:
        """Incidents that nobody was told of yet."""
        return await self._find({"active": True, "state": Incident.STATE_PENDING}, _MOST_OPEN)

    async def open_in(self, project: str = "") -> list[Incident]:
        """Incidents that are not resolved, newest first."""
        return await self._find({"active": True} | ({"project": project} if project else {}), _MOST_OPEN)

    async def newest(self, project: str, states: Sequence[int], limit: int) -> list[Incident]:
        """Incidents in some states, all when none is named; newest first."""
        query: Document = {"project": project} if project else {}
        return await self._find(query | ({"state": {"$in": list(states)}} if states else {}), limit)

    async def get(self, incident_id: str) -> Incident:
        """An incident by its id, or by the beginning of it.

        Raises:
            NotFound: there is none, or more than one begins so.
        """
        query = {"_id": {"$gte": incident_id, "$lt": incident_id + "g"}} if incident_id else {}
        found = await self._find(query, 2)
        exact = [each for each in found if each.incident_id == incident_id]
        if len(exact or found) != 1:
            what = "more than one incident begins with" if found else "there is no incident"
            raise NotFound(f"{what} {incident_id!r}: see `cvops incidents list`")
        return (exact or found)[0]

    async def alarming(self, signal: str, cameras: Iterable[str]) -> set[str]:
        """Those of the cameras on which a signal alarms."""
        query = {"live": True, "signal": signal, "camera": {"$in": list(cameras)}}
        with mongo_errors():
            return {found["camera"] async for found in self._alarms.find(query, {"camera": 1})}

    async def _find(self, query: Document, limit: int) -> list[Incident]:
        with mongo_errors():
            found: Sequence[Any] = await self._incidents.find(query).sort("opened_at", -1).limit(limit).to_list()
        return [Incident.FromString(document["incident"]) for document in found]


def _alarm(book: Book, name: str, active: set[str]) -> Document:
    held = book.alarms[name]
    document: Document = {
        "_id": name,
        "project": book.project,
        "camera": held.event.camera_id,
        "signal": held.event.signal,
        "incident": held.incident_id,
        "moves": held.moves,
        "live": held.is_open or held.incident_id in active,
        "event": Binary(held.event.SerializeToString()),
    }
    return document if document["live"] else document | {"closed_at": held.event.at.ToDatetime(UTC)}


def _incident(incident: Incident) -> Document:
    document: Document = {
        "project": incident.project,
        "kind": incident.kind,
        "state": incident.state,
        "active": incident.state != Incident.STATE_RESOLVED,
        "opened_at": incident.opened_at.ToDatetime(UTC),
        "incident": Binary(incident.SerializeToString()),
    }
    if incident.HasField("resolved_at"):
        document["resolved_at"] = incident.resolved_at.ToDatetime(UTC)
    return document
