"""The images of docker-compose.yml do what the platform needs of them."""

import asyncio
from uuid import uuid4

import pytest

from cvops_common.bus import Bus
from cvops_common.mongo import connect
from cvops_common.objects import Objects
from cvops_common.records import Record
from cvops_common.topics import FRAMES
from cvops_protos.v1.frame_pb2 import Frame

pytestmark = [pytest.mark.containers, pytest.mark.timeout(600)]  # images are pulled the first time


async def test_frames_published_on_kafka_arrive_in_order(kafka_container: str):
    seen: list[int] = []
    bus = Bus(kafka_container, service=f"test-{uuid4().hex[:8]}")

    @bus.subscribe(FRAMES)
    async def on_frames(records: list[Record[Frame]]) -> None:
        seen.extend(record.message.sequence for record in records if record.message is not None)

    async with bus:
        for number in range(20):
            await bus.publish(Frame(camera_id="gate-3", sequence=number), key="gate-3")
        async with asyncio.timeout(30):
            while len(seen) < 20:
                await asyncio.sleep(0.05)
    assert seen == list(range(20))


async def test_mongodb_commits_a_transaction_whole_or_not_at_all(mongo_container: str):
    async with connect(mongo_container, "containers") as store:
        await store.db.create_collection("things")
        async with store.transaction() as session:
            await store.db["things"].insert_one({"_id": 1}, session=session)

        async def change_my_mind() -> None:
            async with store.transaction() as session:
                await store.db["things"].insert_one({"_id": 2}, session=session)
                raise RuntimeError("changed my mind")

        with pytest.raises(RuntimeError, match="changed my mind"):
            await change_my_mind()
        assert [found["_id"] async for found in store.db["things"].find()] == [1]


async def test_the_s3_server_keeps_segments_and_gives_ranges(s3_container: str):
    objects = Objects(f"{s3_container}/{uuid4().hex}")
    await objects.put("segments/one.seg", [b"first", b"second"])
    assert await objects.get_ranges("segments/one.seg", [5, 0], [6, 5]) == [b"second", b"first"]
    assert [info.uri for info in await objects.list("segments")] == ["segments/one.seg"]
