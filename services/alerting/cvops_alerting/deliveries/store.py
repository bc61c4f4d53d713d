"""Deliveries in MongoDB: each is written before it is sent, and claimed by one replica at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from bson.binary import Binary
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError

from cvops_alerting.deliveries.plan import Planned, Told
from cvops_alerting.deliveries.post import Message
from cvops_common.mongo import Document, MongoStore, mongo_errors
from cvops_protos.v1.alerting_pb2 import Delivery, Incident

_KEPT_S = 400 * 86_400
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_OVERTAKEN = "overtaken by a newer message of the same incident"


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message that this replica sends now.

    Attributes:
        message: what is told.
        project: of the route.
        route: its name.
        kind: "slack", "pagerduty" or "webhook".
        attempts: this one included.
        created_at: when it was planned, aware.
    """

    message: Message
    project: str
    route: str
    kind: str
    attempts: int
    created_at: datetime


class DeliveryStore:
    """Every message to every receiver."""

    def __init__(self, mongo: MongoStore) -> None:
        self._deliveries = mongo.db["deliveries"]
        self._told = mongo.db["told"]
        self._lanes = mongo.db["lanes"]

    async def __aenter__(self) -> Self:
        with mongo_errors():
            await self._deliveries.create_index([("state", 1), ("next_at", 1)])
            await self._deliveries.create_index([("incident", 1), ("route", 1), ("state", 1)])
            await self._deliveries.create_index([("lane", 1), ("state", 1)])
            await self._deliveries.create_index([("created_at", -1)], expireAfterSeconds=_KEPT_S)
            await self._told.create_index("incident")
            await self._told.create_index("at", expireAfterSeconds=_KEPT_S)
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    # -- planning, in the transaction of the incident ----------------------------------------------------------

    async def told(self, incident_id: str, session: AsyncClientSession) -> dict[str, Told]:
        """What each route was told of an incident."""
        found = await self._told.find({"incident": incident_id}, session=session).to_list()
        return {
            each["route"]: Told(each["state"], each["severity"], each["cameras"], each["at"], each["count"])
            for each in found
        }

    async def add(
        self, planned: Planned, incident: Incident, route: str, kind: str, now: datetime, session: AsyncClientSession
    ) -> None:
        """Adds a message; those of the same incident that still wait for this route are overtaken by it."""
        same: Document = {"incident": incident.incident_id, "route": route, "state": "waiting"}
        overtaken: Document = {"$set": {"state": "given up", "answer": _OVERTAKEN, "at": now}}
        await self._deliveries.update_many(same, overtaken, session=session)
        document = _document(planned.delivery_id, planned.what, incident, route, kind, now)
        await self._deliveries.insert_one(document | {"next_at": planned.not_before}, session=session)
        told = planned.told
        row = {
            "incident": incident.incident_id,
            "route": route,
            "state": told.state,
            "severity": told.severity,
            "cameras": told.cameras,
            "at": told.at,
            "count": told.count,
        }
        name = f"{incident.incident_id}|{route}"
        await self._told.replace_one({"_id": name}, row, upsert=True, session=session)

    async def waiting(self, project: str, route: str, session: AsyncClientSession | None = None) -> int:
        """How many messages wait for a route."""
        with mongo_errors():
            return await self._deliveries.count_documents(
                {"lane": f"{project}/{route}", "state": "waiting"}, session=session
            )

    # -- sending -----------------------------------------------------------------------------------------------

    async def recover(self, now: datetime) -> int:
        """Gives back what a replica claimed and did not finish in time; it may have been sent. How many there were."""
        late: Document = {"state": "sending", "lease_until": {"$lt": now}}
        with mongo_errors():
            found = await self._deliveries.update_many(
                late, {"$set": {"state": "waiting", "in_doubt": True, "answer": "the sender died", "next_at": now}}
            )
        return found.modified_count

    async def due(self, now: datetime, limit: int) -> list[tuple[str, str]]:
        """Messages that may be sent, as (delivery id, lane), oldest first."""
        query: Document = {"state": "waiting", "next_at": {"$lte": now}}
        with mongo_errors():
            found = await self._deliveries.find(query, {"lane": 1}).sort("created_at", 1).limit(limit).to_list()
        return [(each["_id"], each["lane"]) for each in found]

    async def take_lane(self, lane: str, now: datetime, lease: timedelta) -> bool:
        """Whether this replica may send by a route now; nobody else may until it is free again, or the lease ends."""
        with mongo_errors():
            try:
                await self._lanes.update_one(
                    {"_id": lane, "until": {"$lte": now}}, {"$set": {"until": now + lease}}, upsert=True
                )
            except DuplicateKeyError:
                return False
        return True

    async def free_lane(self, lane: str, until: datetime = _LONG_AGO) -> None:
        """The route may be used again, from `until` on."""
        with mongo_errors():
            await self._lanes.update_one({"_id": lane}, {"$set": {"until": until}})

    async def claim(self, delivery_id: str, now: datetime, lease: timedelta) -> Claimed | None:
        """Takes a message for sending; None when it is no longer to be sent."""
        update: Document = {"$set": {"state": "sending", "lease_until": now + lease}, "$inc": {"attempts": 1}}
        with mongo_errors():
            found = await self._deliveries.find_one_and_update(
                {"_id": delivery_id, "state": "waiting"}, update, return_document=True
            )
        if found is None:
            return None
        message = Message(
            delivery_id, found["what"], Incident.FromString(found["body"]), maybe_told=bool(found["in_doubt"])
        )
        return Claimed(message, found["project"], found["route"], found["kind"], found["attempts"], found["created_at"])

    async def end(self, delivery_id: str, state: str, answer: str, now: datetime) -> None:
        """A message was sent or given up."""
        with mongo_errors():
            await self._deliveries.update_one(
                {"_id": delivery_id}, {"$set": {"state": state, "answer": answer, "at": now}}
            )

    async def again(self, claimed: Claimed, answer: str, at: datetime, now: datetime, *, in_doubt: bool) -> None:
        """A message waits for its next attempt, unless a newer one of its incident waits already."""
        identity = claimed.message.delivery_id
        newer: Document = {
            "incident": claimed.message.incident.incident_id,
            "route": claimed.route,
            "state": "waiting",
            "_id": {"$ne": identity},
        }
        with mongo_errors():
            if await self._deliveries.find_one(newer, {"_id": 1}) is not None:
                await self.end(identity, "given up", f"{_OVERTAKEN}; {answer}", now)
                return
            change: Document = {"state": "waiting", "answer": answer, "next_at": at, "at": now}
            if in_doubt:
                change["in_doubt"] = True
            await self._deliveries.update_one({"_id": identity}, {"$set": change})

    # -- looking -----------------------------------------------------------------------------------------------

    async def record(self, message: Message, route: str, kind: str, state: str, answer: str, now: datetime) -> Delivery:
        """Keeps a message that was sent at once."""
        document = _document(message.delivery_id, message.what, message.incident, route, kind, now)
        document |= {"state": state, "answer": answer, "attempts": 1}
        with mongo_errors():
            await self._deliveries.insert_one(document)
        return _delivery(document)

    async def newest(self, incident_id: str, limit: int) -> list[Delivery]:
        """Messages about an incident, or all, newest first; the id may be cut short."""
        query = {"incident": {"$gte": incident_id, "$lt": incident_id + "g"}} if incident_id else {}
        with mongo_errors():
            found: Sequence[Any] = await self._deliveries.find(query).sort("created_at", -1).limit(limit).to_list()
        return [_delivery(each) for each in found]

    async def count_waiting(self) -> int:
        """Messages that wait, of all routes."""
        with mongo_errors():
            return await self._deliveries.count_documents({"state": "waiting"})


def _document(delivery_id: str, what: str, incident: Incident, route: str, kind: str, now: datetime) -> Document:
    return {
        "_id": delivery_id,
        "what": what,
        "incident": incident.incident_id,
        "project": incident.project,
        "route": route,
        "lane": f"{incident.project}/{route}",
        "kind": kind,
        "state": "waiting",
        "attempts": 0,
        "answer": "",
        "in_doubt": False,
        "created_at": now,
        "at": now,
        "body": Binary(incident.SerializeToString()),
    }


def _delivery(document: Document) -> Delivery:
    state = "waiting" if document["state"] == "sending" else document["state"]
    delivery = Delivery(
        delivery_id=document["_id"],
        incident_id=document["incident"],
        route=document["route"],
        what=document["what"],
        state=state,
        attempts=document["attempts"],
        answer=document["answer"],
    )
    delivery.at.FromDatetime(document["at"])
    return delivery
