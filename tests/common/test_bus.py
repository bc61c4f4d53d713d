"""The bus keeps its delivery rules on a real Kafka."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from cvops_common.bus import Bus
from cvops_common.errors import BadRecord, Unavailable
from cvops_common.records import Outgoing, Record
from cvops_common.topics import CAMERAS, FRAMES, PREDICTIONS, dead_letter_topic
from cvops_protos.v1.camera_pb2 import Camera
from cvops_protos.v1.frame_pb2 import Frame
from cvops_protos.v1.prediction_pb2 import Prediction

pytestmark = pytest.mark.engines


def service_name() -> str:
    return f"test-{uuid4().hex[:8]}"


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def producer(kafka_url: str) -> AsyncIterator[AIOKafkaProducer]:
    raw = AIOKafkaProducer(bootstrap_servers=kafka_url)
    await raw.start()
    try:
        yield raw
    finally:
        await raw.stop()


async def read_all(kafka_url: str, topic: str, key: str) -> list[tuple[bytes, dict[str, str]]]:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka_url, auto_offset_reset="earliest")
    await consumer.start()
    try:
        out = []
        parts = [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic)]
        ends = await consumer.end_offsets(parts)
        while any([await consumer.position(part) < end for part, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                out += [(r.value, {k: v.decode() for k, v in r.headers}) for r in records if r.key == key.encode()]
        return out
    finally:
        await consumer.stop()


class PrivateCamera:
    """A camera id that no other test uses, and a filter for its frames."""

    def __init__(self) -> None:
        self.id = f"cam-{uuid4().hex[:8]}"

    def frame(self, sequence: int) -> Outgoing:
        return Outgoing(Frame(camera_id=self.id, frame_id=f"{self.id}-{sequence}", sequence=sequence), self.id)

    def mine(self, records: list[Record[Frame]]) -> list[int]:
        return [r.message.sequence for r in records if r.message and r.message.camera_id == self.id]


async def test_what_is_published_arrives_in_order_with_its_trace(kafka_url: str) -> None:
    camera, seen = PrivateCamera(), []
    bus = Bus(kafka_url, service=service_name())

    @bus.subscribe(FRAMES)
    async def on_frames(records: list[Record[Frame]]) -> None:
        seen.extend(r for r in records if r.message and r.message.camera_id == camera.id)

    async with bus:
        await bus.publish_many([camera.frame(n) for n in range(200)])
        await bus.publish(Frame(camera_id=camera.id, sequence=200), key=camera.id, traceparent="00-aa-bb-01")
        await until(lambda: len(seen) == 201)
        assert bus.check() is None
    assert [r.message.sequence for r in seen] == list(range(201))
    assert seen[-1].traceparent == "00-aa-bb-01"


async def test_records_that_cannot_be_decoded_go_to_the_dead_letters_and_the_rest_goes_on(kafka_url: str) -> None:
    camera, service, seen = PrivateCamera(), service_name(), []
    bus = Bus(kafka_url, service=service)

    @bus.subscribe(FRAMES)
    async def on_frames(records: list[Record[Frame]]) -> None:
        seen.extend(camera.mine(records))

    async with bus, producer(kafka_url) as raw:
        await bus.publish_many([camera.frame(0)])
        key = camera.id.encode()
        frame_type = ("ce_type", b"cvops.frame.v1")
        await raw.send_and_wait(FRAMES, b"\xff\xff\xff\xff", key=key, headers=[frame_type])
        await raw.send_and_wait(FRAMES, b"no header", key=key)
        await raw.send_and_wait(FRAMES, b"odd header", key=key, headers=[("ce_type", b"\xff\xfe")])
        await bus.publish_many([camera.frame(1)])
        await until(lambda: seen == [0, 1])
    letters = dict(await read_all(kafka_url, dead_letter_topic(FRAMES, service), camera.id))
    assert letters[b"\xff\xff\xff\xff"]["dlq-reason"] == "undecodable"
    assert letters[b"no header"]["dlq-reason"] == "no_ce_type"
    assert letters[b"odd header"]["dlq-reason"] == "unknown_ce_type"
    assert letters[b"no header"]["dlq-origin-topic"] == FRAMES


async def test_a_poison_record_takes_no_others_of_its_batch_with_it(kafka_url: str) -> None:
    camera, service, seen, calls = PrivateCamera(), service_name(), [], []
    bus = Bus(kafka_url, service=service)

    @bus.subscribe(FRAMES)
    async def on_frames(records: list[Record[Frame]]) -> None:
        numbers = camera.mine(records)
        if 5 in numbers:
            calls.append(len(records))
            raise ValueError("unlucky")
        if 7 in numbers:
            raise BadRecord("makes no sense")
        seen.extend(numbers)

    async with bus:
        await bus.publish_many([camera.frame(n) for n in range(10)])
        await until(lambda: 9 in seen)
    assert sorted(seen) == [0, 1, 2, 3, 4, 6, 8, 9]
    assert calls.count(1) >= 3
    letters = [headers for _, headers in await read_all(kafka_url, dead_letter_topic(FRAMES, service), camera.id)]
    assert sorted(h["dlq-attempts"] for h in letters) == ["1", "3"]


async def test_an_engine_that_is_away_is_awaited_and_no_record_is_blamed(kafka_url: str) -> None:
    camera, service, seen, failures = PrivateCamera(), service_name(), [], iter(range(6))
    bus = Bus(kafka_url, service=service)

    @bus.subscribe(FRAMES)
    async def on_frames(records: list[Record[Frame]]) -> None:
        if camera.mine(records) and next(failures, None) is not None:
            raise Unavailable("store is away")
        seen.extend(camera.mine(records))

    async with bus:
        await bus.publish_many([camera.frame(n) for n in range(3)])
        await until(lambda: seen == [0, 1, 2])
    assert await read_all(kafka_url, dead_letter_topic(FRAMES, service), camera.id) == []


async def test_a_pipeline_publishes_in_order_though_batches_finish_out_of_order(kafka_url: str) -> None:
    camera, service, most = PrivateCamera(), service_name(), [0, 0]
    bus = Bus(kafka_url, service=service)

    @bus.pipeline(FRAMES, max_records=10, in_flight=4)
    async def on_frames(records: list[Record[Frame]]) -> list[Outgoing]:
        numbers = camera.mine(records)
        if not numbers:
            return []
        most[0] += 1
        most[1] = max(most)
        await asyncio.sleep(0.2 if numbers[0] % 20 == 0 else 0.01)
        most[0] -= 1
        return [Outgoing(Prediction(camera_id=camera.id, sequence=n), camera.id) for n in numbers]

    seen: list[int] = []
    reader = Bus(kafka_url, service=service_name())

    @reader.subscribe(PREDICTIONS)
    async def on_predictions(records: list[Record[Prediction]]) -> None:
        seen.extend(r.message.sequence for r in records if r.message and r.message.camera_id == camera.id)

    async with reader, bus:
        await bus.publish_many([camera.frame(n) for n in range(100)])
        await until(lambda: len(seen) >= 100)
    assert seen == list(range(100))
    assert 2 <= most[1] <= 4


async def test_what_was_not_committed_comes_again_after_a_restart(kafka_url: str) -> None:
    camera, service, seen = PrivateCamera(), service_name(), []
    blocked = asyncio.Event()

    def make(handle: Callable[[list[int]], object]) -> Bus:
        bus = Bus(kafka_url, service=service, drain_s=0.2)

        @bus.subscribe(FRAMES)
        async def on_frames(records: list[Record[Frame]]) -> None:
            if numbers := camera.mine(records):
                handle(numbers)
                if not seen:
                    blocked.set()
                    await asyncio.sleep(60)

        return bus

    async with make(lambda numbers: None) as bus:
        await bus.publish_many([camera.frame(n) for n in range(3)])
        async with asyncio.timeout(20):
            await blocked.wait()
    async with make(seen.extend):
        await until(lambda: len(seen) >= 3)
    assert seen[:3] == [0, 1, 2]


async def members(kafka_url: str, group: str) -> int:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_url)
    await admin.start()
    try:
        (answer,) = await admin.describe_consumer_groups([group])
        (described,) = answer.groups
        return len(described[5])
    finally:
        await admin.close()


async def test_partitions_wait_for_a_replica_with_a_name_and_it_goes_on_at_once(kafka_url: str) -> None:
    camera, service, seen = PrivateCamera(), service_name(), []

    def make() -> Bus:
        bus = Bus(kafka_url, service=service, instance="one")

        @bus.subscribe(FRAMES)
        async def on_frames(records: list[Record[Frame]]) -> None:
            seen.extend(camera.mine(records))

        return bus

    async with make() as bus:
        await bus.publish_many([camera.frame(0)])
        await until(lambda: seen == [0])
    assert await members(kafka_url, service) == 1
    async with make() as bus:
        await bus.publish_many([camera.frame(1)])
        await until(lambda: seen == [0, 1], seconds=8)  # the session of its predecessor ends after 10 s
        assert await members(kafka_url, service) == 1


async def test_a_table_is_read_whole_before_streams_begin_and_tombstones_arrive(kafka_url: str) -> None:
    camera, service = PrivateCamera(), service_name()
    async with Bus(kafka_url, service=service_name()) as writer:
        await writer.publish(Camera(camera_id=camera.id, site="north"), key=camera.id)
        await writer.publish_many([camera.frame(0)])
        known: dict[str, str] = {}
        sites: list[str | None] = []
        bus = Bus(kafka_url, service=service)

        @bus.table(CAMERAS)
        async def on_cameras(records: list[Record[Camera]]) -> None:
            for record in records:
                if record.message is None:
                    known.pop(record.key, None)
                else:
                    known[record.key] = record.message.site

        @bus.subscribe(FRAMES)
        async def on_frames(records: list[Record[Frame]]) -> None:
            sites.extend(known.get(camera.id) for _ in camera.mine(records))

        async with bus:
            assert known[camera.id] == "north"
            await until(lambda: bool(sites))
            await writer.tombstone(CAMERAS, camera.id)
            await until(lambda: camera.id not in known)
    assert sites[0] == "north"
