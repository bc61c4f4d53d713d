"""Which frames are stored, and their ledger, in MongoDB: what belongs to one commit is written in one transaction."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from pymongo import UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import BulkWriteError, OperationFailure

from cvops_common.mongo import Document, MongoStore, mongo_errors
from cvops_ingest.ledger import Entries, Hole, Page, SequenceTracker

StreamKey = tuple[str, str]
"""(camera_id, stream)"""

_STREAM_TTL = timedelta(days=7)
_MINUTE_TTL = timedelta(days=30)
_DUPLICATE_KEY, _OTHER_OPTIONS = 11000, 85


class Outrun(Exception):
    """Another replica has committed one of the same frames or streams in between; nothing was written."""


@dataclass(frozen=True, slots=True)
class Commit:
    """What one transaction writes.

    Attributes:
        at: time of the commit.
        frame_ids: of the frames stored.
        streams: trackers as they are after it; `version` is still that of the state they came from.
        page: changes of the ledger.
        last_frame_at: by camera, when its last frame came; absent where nothing but the end of a stream did.
    """

    at: datetime
    frame_ids: Sequence[str]
    streams: dict[StreamKey, SequenceTracker]
    page: Page
    last_frame_at: dict[str, datetime]


class FrameStore:
    """Frames (for deduplication), streams (for gaps) and the ledger; enter it after the store."""

    def __init__(self, store: MongoStore, *, dedup: timedelta) -> None:
        self._store = store
        self._dedup = dedup
        self._frames = store.db["frames"]
        self._streams = store.db["streams"]
        self._minutes = store.db["minutes"]
        self._status = store.db["status"]

    async def __aenter__(self) -> Self:
        with mongo_errors():
            for collection, ttl in (("frames", self._dedup), ("streams", _STREAM_TTL), ("minutes", _MINUTE_TTL)):
                await self._expire(collection, ttl)
            await self._minutes.create_index([("open", 1), ("minute", 1)])
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def known(self, frame_ids: Sequence[str]) -> set[str]:
        """Which of the frames are stored already."""
        if not frame_ids:
            return set()
        with mongo_errors():
            found = await self._frames.find({"_id": {"$in": list(frame_ids)}}, {"_id": 1}).to_list()
        return {document["_id"] for document in found}

    async def trackers(self, keys: Iterable[StreamKey]) -> dict[StreamKey, SequenceTracker]:
        """The state of streams; one that has never been seen begins at 0."""
        wanted = {_stream_id(key): key for key in keys}
        trackers = {key: SequenceTracker() for key in wanted.values()}
        with mongo_errors():
            for document in await self._streams.find({"_id": {"$in": list(wanted)}}).to_list():
                holes = [Hole(*hole) for hole in document["holes"]]
                trackers[wanted[document["_id"]]] = SequenceTracker(document["next"], holes, document["version"])
        return trackers

    async def write(self, commit: Commit) -> None:
        """Writes a commit, all of it or nothing.

        Raises:
            Outrun: prepare the commit again.
            Unavailable: MongoDB is away, or a conflict; the same commit can be tried again.
        """
        try:
            async with self._store.transaction() as session:
                await self._write(commit, session)
        except BulkWriteError as error:
            if any(failed["code"] == _DUPLICATE_KEY for failed in error.details["writeErrors"]):
                raise Outrun from error
            raise

    async def _write(self, commit: Commit, session: AsyncClientSession) -> None:
        if commit.frame_ids:
            documents = [{"_id": frame_id, "at": commit.at} for frame_id in commit.frame_ids]
            await self._frames.insert_many(documents, session=session)
        if commit.streams:
            changes = [_stream_update(key, tracker, commit.at) for key, tracker in commit.streams.items()]
            await self._streams.bulk_write(changes, session=session)
        await self._minutes.bulk_write([_minute_update(*entry) for entry in commit.page], session=session)
        await self._status.bulk_write(_status_updates(commit), session=session)

    async def _expire(self, collection: str, ttl: timedelta) -> None:
        seconds = int(ttl.total_seconds())
        try:
            await self._store.db[collection].create_index("at", expireAfterSeconds=seconds)
        except OperationFailure as error:
            if error.code != _OTHER_OPTIONS:
                raise
            index = {"keyPattern": {"at": 1}, "expireAfterSeconds": seconds}
            await self._store.db.command("collMod", collection, index=index)


def minute_at(minute: int) -> datetime:
    """Begin of a minute since the Unix epoch, UTC."""
    return datetime.fromtimestamp(minute * 60, UTC)


def entries_of(document: Document) -> Entries:
    """The ledger as it stands in a document."""
    counts = {name: document.get(name, 0) for name in ("captured", "stored", "sampled_out", "duplicates", "gaps")}
    entries = Entries(**counts)
    entries.rejected.update(document.get("rejected", {}))
    return entries


def _stream_id(key: StreamKey) -> str:
    return "/".join(key)  # neither part can hold a slash


def _stream_update(key: StreamKey, tracker: SequenceTracker, at: datetime) -> UpdateOne:
    # Another version in the store lets the upsert collide with the document that is there: that is Outrun.
    return UpdateOne(
        {"_id": _stream_id(key), "version": tracker.version},
        {
            "$set": {
                "next": tracker.next,
                "holes": [[hole.start, hole.stop, hole.minute] for hole in tracker.holes],
                "version": tracker.version + 1,
                "at": at,
            }
        },
        upsert=True,
    )


def _minute_update(camera_id: str, minute: int, entries: Entries) -> UpdateOne:
    at = minute_at(minute)
    return UpdateOne(
        {"_id": f"{camera_id}/{minute}"},
        {
            "$inc": _increments(entries, "") | {"version": 1},
            "$set": {"open": True},
            "$setOnInsert": {"camera_id": camera_id, "minute": at, "at": at},
        },
        upsert=True,
    )


def _status_updates(commit: Commit) -> list[UpdateOne]:
    totals: defaultdict[str, Entries] = defaultdict(Entries)
    first: dict[str, int] = {}
    for camera_id, minute, entries in commit.page:
        totals[camera_id] = _sum(totals[camera_id], entries)
        first[camera_id] = min(minute, first.get(camera_id, minute))
    # No upsert: the document lives and dies with the camera.
    return [
        UpdateOne(
            {"_id": camera_id},
            {
                "$inc": _increments(total, "ledger."),
                "$min": {"first_minute": minute_at(first[camera_id])},
                **({"$max": {"last_frame_at": last}} if (last := commit.last_frame_at.get(camera_id)) else {}),
            },
        )
        for camera_id, total in totals.items()
    ]


def _sum(left: Entries, right: Entries) -> Entries:
    return Entries(
        left.captured + right.captured,
        left.stored + right.stored,
        left.sampled_out + right.sampled_out,
        left.duplicates + right.duplicates,
        left.gaps + right.gaps,
        left.rejected + right.rejected,
    )


def _increments(entries: Entries, prefix: str) -> dict[str, Any]:
    increments = {
        f"{prefix}{name}": value
        for name in ("captured", "stored", "sampled_out", "duplicates", "gaps")
        if (value := getattr(entries, name))
    }
    increments |= {f"{prefix}rejected.{reason}": count for reason, count in entries.rejected.items()}
    return increments
