"""Snapshots in MongoDB: the state of each camera with its offsets, the events, and what cameras look like."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import bson
from bson.binary import Binary
from pymongo import ReplaceOne, ReturnDocument, UpdateOne

from cvops_common.mongo import MongoStore, mongo_errors
from cvops_drift.domain import DomainVerdict, Neighbour, Undecided, verdict_from_plain
from cvops_monitoring.domain.signature import signature_from_plain, signature_to_plain
from cvops_monitoring.plain import to_plain
from cvops_protos.v1.drift_pb2 import CameraDriftStatus, DriftEvent

_KEPT_DAYS = 400
_CHUNK = 50
_MOST_NEIGHBOURS = 128


class Store:
    """States, their large parts, and events."""

    def __init__(self, mongo: MongoStore) -> None:
        self._cameras = mongo.db["cameras"]
        self._parts = mongo.db["parts"]
        self._events = mongo.db["events"]
        self._domains = mongo.db["domains"]
        self._kept: dict[str, set[str]] = {}

    async def __aenter__(self) -> Self:
        with mongo_errors():
            await self._parts.create_index("camera")
            await self._events.create_index([("camera", 1), ("at", 1)])
            await self._events.create_index("at", expireAfterSeconds=_KEPT_DAYS * 86_400)
            await self._domains.create_index([("bundle", 1), ("regime", 1), ("at", -1)])
            await self._domains.create_index("at", expireAfterSeconds=_KEPT_DAYS * 86_400)
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def load(self, camera_ids: Sequence[str]) -> dict[str, tuple[Mapping[str, Any], dict[str, Any]]]:
        """State and parts of each camera that has one."""
        with mongo_errors():
            states = await self._cameras.find({"_id": {"$in": list(camera_ids)}}).to_list()
            parts: dict[str, dict[str, Any]] = {document["_id"]: {} for document in states}
            async for part in self._parts.find({"camera": {"$in": list(parts)}}):
                parts[part["camera"]][part["name"]] = bson.decode(part["data"])["part"]
        self._kept |= {camera_id: set(mine) for camera_id, mine in parts.items()}
        return {state["_id"]: (bson.decode(state["state"]), parts[state["_id"]]) for state in states}

    def missing(self, camera_id: str, names: set[str]) -> set[str]:
        """Parts that are not stored yet."""
        return names - self._kept.get(camera_id, set())

    async def save(self, snapshots: Sequence["Snapshot"]) -> None:
        """Parts first, then the states that name them, then parts that nothing names any more are removed."""
        with mongo_errors():
            for begin in range(0, len(snapshots), _CHUNK):
                await self._save(snapshots[begin : begin + _CHUNK])

    async def _save(self, snapshots: Sequence["Snapshot"]) -> None:
        writes = [
            ReplaceOne(
                {"_id": f"{each.camera_id}|{name}"},
                {"_id": f"{each.camera_id}|{name}", "camera": each.camera_id, "name": name, "data": Binary(data)},
                upsert=True,
            )
            for each in snapshots
            for name, data in each.new_parts.items()
        ]
        if writes:
            await self._parts.bulk_write(writes, ordered=False)
        now = datetime.now(UTC)
        await self._cameras.bulk_write(
            [
                ReplaceOne(
                    {"_id": each.camera_id},
                    {
                        "_id": each.camera_id,
                        "at": now,
                        "state": Binary(each.state),
                        "status": Binary(each.status),
                        "open": each.open_signals,
                    },
                    upsert=True,
                )
                for each in snapshots
            ],
            ordered=False,
        )
        for each in snapshots:
            stale = self._kept.get(each.camera_id, set()) - each.parts
            self._kept[each.camera_id] = set(each.parts)
            if stale:
                await self._parts.delete_many({"camera": each.camera_id, "name": {"$in": list(stale)}})

    async def add_events(self, events: Sequence[DriftEvent]) -> None:
        """Keeps events for reports; the same event twice is one."""
        if not events:
            return
        with mongo_errors():
            await self._events.bulk_write([_upsert(event) for event in events], ordered=False)

    async def events(self, camera_id: str, since: datetime | None) -> list[DriftEvent]:
        """Events of a camera, oldest first, the last 1,000."""
        query: dict[str, Any] = {"camera": camera_id}
        if since is not None:
            query["at"] = {"$gte": since}
        with mongo_errors():
            found = await self._events.find(query).sort("at", -1).limit(1000).to_list()
        return [DriftEvent.FromString(document["event"]) for document in reversed(found)]

    async def verdict(self, new: Undecided) -> DomainVerdict | None:
        """What was decided of a reference before; None: nothing."""
        with mongo_errors():
            found = await self._domains.find_one({"_id": _domain_id(new)}, {"verdict": 1})
        return None if found is None else verdict_from_plain(bson.decode(found["verdict"])["verdict"])

    async def decided(self, new: Undecided, verdict: DomainVerdict) -> DomainVerdict:
        """Keeps the verdict of a reference with what its camera looks like; the verdict that stands, the first one."""
        document = {
            "camera": new.camera_id,
            "bundle": new.bundle_sha256,
            "regime": new.regime,
            "at": datetime.now(UTC),
            "signature": Binary(bson.encode({"signature": signature_to_plain(new.signature)})),
            "verdict": Binary(bson.encode({"verdict": to_plain(verdict)})),
            "training": verdict.training.evidence if verdict.training else float("nan"),
            "fleet": verdict.fleet.evidence if verdict.fleet else float("nan"),
        }
        with mongo_errors():
            found: Any = await self._domains.find_one_and_update(
                {"_id": _domain_id(new)},
                {"$setOnInsert": document},
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        return verdict_from_plain(bson.decode(found["verdict"])["verdict"])

    async def neighbours(self, new: Undecided) -> list[Neighbour]:
        """Other cameras that the same model looks through in the same light, of all replicas, at most 128 by newest."""
        query = {"bundle": new.bundle_sha256, "regime": new.regime, "camera": {"$ne": new.camera_id}}
        found: dict[str, Neighbour] = {}
        with mongo_errors():
            async for each in self._domains.find(query).sort("at", -1).limit(4 * _MOST_NEIGHBOURS):
                if each["camera"] not in found and len(found) < _MOST_NEIGHBOURS:
                    signature = signature_from_plain(bson.decode(each["signature"])["signature"])
                    found[each["camera"]] = Neighbour(each["camera"], signature, each["training"], each["fleet"])
        return list(found.values())

    async def statuses(self, camera_id: str) -> list[CameraDriftStatus]:
        """What every camera said of itself at its last snapshot."""
        with mongo_errors():
            found = await self._cameras.find({"_id": camera_id} if camera_id else {}, {"status": 1}).to_list()
        return [CameraDriftStatus.FromString(document["status"]) for document in found]

    async def open_elsewhere(self, own: Collection[str], within_s: float) -> dict[str, frozenset[str]]:
        """Open signals of all other cameras that were saved within so many seconds."""
        query = {"_id": {"$nin": list(own)}, "at": {"$gte": datetime.now(UTC) - timedelta(seconds=within_s)}}
        with mongo_errors():
            return {each["_id"]: frozenset(each["open"]) async for each in self._cameras.find(query, {"open": 1})}


class Snapshot:
    """One camera to save; `new_parts` and `state` are encoded already."""

    __slots__ = ("camera_id", "new_parts", "open_signals", "parts", "state", "status")

    def __init__(
        self,
        camera_id: str,
        state: Mapping[str, Any],
        new_parts: Mapping[str, Any],
        parts: set[str],
        status: bytes,
        open_signals: Collection[str] = (),
    ) -> None:
        self.camera_id = camera_id
        self.state = bson.encode(state)
        self.new_parts = {name: bson.encode({"part": part}) for name, part in new_parts.items()}
        self.parts = parts
        self.status = status
        self.open_signals = sorted(open_signals)


def _domain_id(new: Undecided) -> str:
    return f"{new.camera_id}|{new.bundle_sha256}|{new.reference}"


def _upsert(event: DriftEvent) -> UpdateOne:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=event.at.ToMicroseconds())
    body = {"camera": event.camera_id, "at": at, "event": Binary(event.SerializeToString())}
    return UpdateOne({"_id": event.event_id}, {"$setOnInsert": body}, upsert=True)
