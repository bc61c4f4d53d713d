"""The outbox ties an event to the change it tells of."""

import asyncio
from functools import partial
from uuid import uuid4

import pytest
from pymongo.asynchronous.client_session import AsyncClientSession

from cvops_common.bus import Bus
from cvops_common.mongo import connect
from cvops_common.outbox import Outbox
from cvops_common.records import Record
from cvops_common.topics import CAMERAS
from cvops_protos.v1.camera_pb2 import Camera

pytestmark = pytest.mark.engines


async def test_events_leave_in_order_when_committed_and_never_when_not(kafka_url: str, mongo_url: str) -> None:
    service = f"outbox-{uuid4().hex[:8]}"
    prefix = f"{service}-"
    seen: list[tuple[str, str | None]] = []
    bus = Bus(kafka_url, service=service)

    @bus.table(CAMERAS)
    async def on_cameras(records: list[Record[Camera]]) -> None:
        seen.extend((r.key, r.message.site if r.message else None) for r in records if r.key.startswith(prefix))

    store = connect(mongo_url, service)
    outbox = Outbox(store, bus)
    async with store, bus, outbox:

        async def note(number: int, session: AsyncClientSession) -> None:
            await store.db["things"].insert_one({"_id": number}, session=session)
            await outbox.add(Camera(site=str(number)), key=f"{prefix}{number}", session=session)

        async def change_my_mind(session: AsyncClientSession) -> None:
            await note(99, session)
            raise RuntimeError("changed my mind")

        async def withdraw(session: AsyncClientSession) -> None:
            await outbox.add(Camera(), key=f"{prefix}0", session=session, tombstone=True)

        for number in range(5):
            await outbox.write(partial(note, number))
        with pytest.raises(RuntimeError):
            await outbox.write(change_my_mind)
        await outbox.write(withdraw)
        async with asyncio.timeout(20):
            while len(seen) < 6:
                await asyncio.sleep(0.02)
        assert await store.db["things"].count_documents({}) == 5
        async with asyncio.timeout(5):
            while await store.db["outbox"].count_documents({}):
                await asyncio.sleep(0.02)
        await store.db.client.drop_database(store.db.name)
    assert seen == [(f"{prefix}{n}", str(n)) for n in range(5)] + [(f"{prefix}0", None)]


async def test_writers_of_two_replicas_all_succeed_and_every_event_has_its_place(
    kafka_url: str, mongo_url: str
) -> None:
    service = f"outbox-{uuid4().hex[:8]}"
    async with connect(mongo_url, service) as store:
        replicas = [Outbox(store, Bus(kafka_url, service=service)) for _ in range(2)]

        async def note(outbox: Outbox, number: int, session: AsyncClientSession) -> None:
            await outbox.add(Camera(), key=str(number), session=session)

        await asyncio.gather(
            *(replicas[number % 2].write(partial(note, replicas[number % 2], number)) for number in range(40))
        )
        waiting = await store.db["outbox"].find().sort("_id", 1).to_list()
        await store.db.client.drop_database(store.db.name)
    assert [each["_id"] for each in waiting] == list(range(1, 41))
    assert {each["key"] for each in waiting} == {str(number) for number in range(40)}


async def test_events_of_a_process_that_died_leave_when_the_next_one_starts(kafka_url: str, mongo_url: str) -> None:
    service = f"outbox-{uuid4().hex[:8]}"
    seen: list[str] = []
    bus = Bus(kafka_url, service=service)

    @bus.table(CAMERAS)
    async def on_cameras(records: list[Record[Camera]]) -> None:
        seen.extend(r.key for r in records if r.key.startswith(service))

    async with connect(mongo_url, service) as store:
        async with store.transaction() as session:
            await Outbox(store, bus).add(Camera(), key=f"{service}-0", session=session)
        async with bus, Outbox(store, bus), asyncio.timeout(20):
            while not seen:
                await asyncio.sleep(0.02)
        await store.db.client.drop_database(store.db.name)
