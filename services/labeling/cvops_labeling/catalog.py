"""The catalog: one document a frame, written once as it is seen."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Self

from pymongo import UpdateOne
from pymongo.errors import BulkWriteError

from cvops_common.errors import NotFound
from cvops_common.mongo import Document, MongoStore, mongo_errors, this_millisecond
from cvops_common.records import Record
from cvops_common.telemetry import logger
from cvops_labeling.assets import Assets
from cvops_labeling.class_names import ClassNames
from cvops_labeling.metrics import CATALOG_S, FRAMES
from cvops_labeling.observation import KEPT, SEEN, counts, document_of
from cvops_labeling.project_book import ProjectBook
from cvops_protos.v1.prediction_pb2 import Prediction

log = logger(__name__)

_DUPLICATE_KEY = 11000


class Catalog:
    """Every frame that was predicted lately, and every one that is kept."""

    def __init__(
        self, mongo: MongoStore, names: ClassNames, assets: Assets, projects: ProjectBook, seen_hours: float
    ) -> None:
        self._frames = mongo.db["frames"]
        self._names = names
        self._assets = assets
        self._projects = projects
        self._kept_for = timedelta(hours=seen_hours)

    async def __aenter__(self) -> Self:
        with mongo_errors():
            await self._frames.create_index([("project", 1), ("_id", -1)])
            await self._frames.create_index([("camera_id", 1), ("captured_ns", -1)])
            await self._frames.create_index("expires_at", expireAfterSeconds=0)
            await self._frames.create_index("tags", sparse=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def observe(self, records: Sequence[Record[Prediction]]) -> None:
        """Takes predictions in; a frame that is known already is left as it is.

        Raises:
            BadRecord: a prediction that cannot be. Unavailable: MongoDB or the store is away.
        """
        at = this_millisecond()
        with CATALOG_S.time():
            predictions = [each for each in (record.message for record in records) if each is not None and counts(each)]
            await self._names.know(each.model.bundle_sha256 for each in predictions)
            documents = [
                document_of(each, self._names.of_model(each.model.bundle_sha256), at, self._kept_for)
                for each in predictions
            ]
            await self._insert(documents)
            await self._keep_some(documents)

    async def get(self, frame_id: str) -> Document:
        """The document of a frame.

        Raises:
            NotFound: it was never seen, or was only seen and is long past.
        """
        with mongo_errors():
            document = await self._frames.find_one({"_id": frame_id})
        if document is None:
            raise NotFound(f"frame {frame_id!r} is not in the catalog: it was never predicted, or has expired")
        return document

    async def newest(self, query: Document, limit: int) -> list[Document]:
        """Up to `limit` frames that can be labelled and fit, newest first."""
        fits = {"status": {"$in": [SEEN, KEPT]}, "where": {"$exists": True}} | query
        with mongo_errors():
            found: list[Any] = await self._frames.find(fits).sort("captured_ns", -1).limit(limit).to_list()
        return found

    async def tag(self, frame_ids: Sequence[str], add: Sequence[str], remove: Sequence[str]) -> int:
        """Adds and removes tags; how many frames changed."""
        changed = set()
        with mongo_errors():
            for change, tags in (({"$addToSet": {"tags": {"$each": list(add)}}}, add), (_pull(remove), remove)):
                if not tags:
                    continue
                wrong = {"$not": {"$all": list(add)}} if tags is add else {"$in": list(remove)}
                query = {"_id": {"$in": list(frame_ids)}, "tags": wrong}
                changed |= {each["_id"] async for each in self._frames.find(query, {"_id": 1})}
                await self._frames.update_many(query, change)
        return len(changed)

    async def _insert(self, documents: Sequence[Document]) -> None:
        if not documents:
            return
        writes = [UpdateOne({"_id": each["_id"]}, {"$setOnInsert": each}, upsert=True) for each in documents]
        with mongo_errors():
            try:
                result = await self._frames.bulk_write(writes, ordered=False)
                FRAMES.inc(result.upserted_count)
            except BulkWriteError as error:
                # Another replica inserted the same frame at the same time: it is there, which is all we want.
                if any(each["code"] != _DUPLICATE_KEY for each in error.details["writeErrors"]):
                    raise

    async def _keep_some(self, documents: Sequence[Document]) -> None:
        """A share of all frames, chosen by their ids, becomes permanent without any reason."""
        shares = {
            project: (await self._projects.get(project)).edge_cases.keep_share
            for project in {each["project"] for each in documents}
        }
        lucky = [each for each in documents if "where" in each and _number(each["_id"]) < shares[each["project"]]]
        kept = await self._assets.keep(lucky)
        with mongo_errors():
            for frame_id, digest in kept.items():
                await self._frames.update_one(
                    {"_id": frame_id, "status": SEEN},
                    {"$set": {"status": KEPT, "asset_sha256": digest}, "$unset": {"expires_at": ""}},
                )


def candidates_query(project: str, cameras: Sequence[str], since: datetime | None, until: datetime | None) -> Document:
    """Frames of a project, of some cameras (none: all), captured from `since` on and before `until`."""
    query: Document = {"project": project}
    if cameras:
        query["camera_id"] = {"$in": list(cameras)}
    times: Document = {}
    if since is not None:
        times["$gte"] = _ns(since)
    if until is not None:
        times["$lt"] = _ns(until)
    return query | ({"captured_ns": times} if times else {})


def _pull(tags: Sequence[str]) -> Document:
    return {"$pull": {"tags": {"$in": list(tags)}}}


def _ns(at: datetime) -> int:
    return round(at.timestamp() * 1e6) * 1000


def _number(frame_id: str) -> float:
    """A number 0..1 that stays with the frame."""
    return int.from_bytes(sha256(frame_id.encode()).digest()[:8], "big") / 2**64
