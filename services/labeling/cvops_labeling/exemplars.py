"""Frames that drift showed as examples of a change, per camera."""

from collections.abc import Sequence

from pymongo import UpdateOne

from cvops_common.mongo import MongoStore, mongo_errors
from cvops_common.records import Record
from cvops_protos.v1.drift_pb2 import DriftEvent

_KEPT = 100


class Exemplars:
    """The newest 100 of each camera."""

    def __init__(self, mongo: MongoStore) -> None:
        self._exemplars = mongo.db["exemplars"]

    async def observe(self, records: Sequence[Record[DriftEvent]]) -> None:
        """Remembers the frames that an event shows; those it shows as typical of the change too."""
        writes = []
        for record in records:
            event = record.message
            if event is None or event.kind == DriftEvent.KIND_UPSTREAM or not event.exemplars:
                continue
            frame_ids = [each.frame_id for each in event.exemplars]
            writes.append(UpdateOne({"_id": event.camera_id}, {"$pull": {"frame_ids": {"$in": frame_ids}}}))
            push = {"$push": {"frame_ids": {"$each": frame_ids, "$slice": -_KEPT}}}
            writes.append(UpdateOne({"_id": event.camera_id}, push, upsert=True))
        if writes:
            with mongo_errors():
                await self._exemplars.bulk_write(writes, ordered=True)

    async def of(self, cameras: Sequence[str]) -> frozenset[str]:
        """Frame ids of some cameras; none named: of all."""
        query = {"_id": {"$in": list(cameras)}} if cameras else {}
        with mongo_errors():
            found = [each["frame_ids"] async for each in self._exemplars.find(query)]
        return frozenset(frame_id for frame_ids in found for frame_id in frame_ids)
