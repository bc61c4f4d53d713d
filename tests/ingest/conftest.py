"""A running ingest on real engines, and pictures to push."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import grpc
import numpy as np
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from PIL import Image

from cvops_common import records
from cvops_common.access import KeyFile, Role
from cvops_common.app import App
from cvops_common.objects import Objects
from cvops_common.records import Record
from cvops_common.runner import start
from cvops_ingest.app import build
from cvops_ingest.settings import IngestSettings
from cvops_local.ports import free_ports
from cvops_protos.v1.camera_pb2 import Camera
from cvops_protos.v1.ingest_pb2 import AddCameraRequest, ListStatusRequest, PushFramesRequest, PushFramesResponse
from cvops_protos.v1.ingest_pb2_grpc import CamerasStub, IngestStub

Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class Running:
    """One running ingest with a client of it."""

    app: App
    settings: IngestSettings
    keys: KeyFile
    key: str
    channel: grpc.aio.Channel
    objects: Objects

    @property
    def http(self) -> str:
        return self.settings.http_listen

    def metadata(self, key: str | None = None) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {key or self.key}"),)

    def part(self, kind: type[Part]) -> Part:
        return next(part for part in (*self.app.before, *self.app.after) if isinstance(part, kind))

    async def cameras(self, call: str, request: Any, key: str | None = None) -> Any:
        return await getattr(CamerasStub(self.channel), call)(request, metadata=self.metadata(key))

    async def new_camera(self, **fields: Any) -> str:
        """Adds a camera with an id that no other test has."""
        camera_id = f"cam-{uuid4().hex[:10]}"
        await self.cameras("AddCamera", AddCameraRequest(camera=Camera(camera_id=camera_id, **fields)))
        return camera_id

    async def push(self, *requests: PushFramesRequest, key: str | None = None) -> list[PushFramesResponse]:
        """Pushes frames in one call; the answers in order of coming."""
        call = IngestStub(self.channel).PushFrames(iter(requests), metadata=self.metadata(key))
        return [response async for response in call]

    async def ledger(self, camera_id: str) -> dict[str, Any]:
        """The sum of the ledger of a camera; asserts that it balances."""
        status = await self.cameras("ListStatus", ListStatusRequest(selector=f"id={camera_id}"))
        total = status.ledgers[camera_id]
        right = total.stored + total.sampled_out + sum(total.rejected.values()) + total.duplicates + total.gaps
        assert total.captured == right
        names = ("captured", "stored", "sampled_out", "duplicates", "gaps")
        return {name: getattr(total, name) for name in names} | {"rejected": dict(total.rejected)}


Start = Callable[..., AbstractAsyncContextManager[Running]]
Events = Callable[[str, str], Awaitable[list[Record[Any]]]]


@pytest.fixture
def start_ingest(kafka_url: str, mongo_url: str, objects_url: str, tmp_path: Path) -> Start:
    """Starts an ingest; started twice in one test it finds its own traces, as after a restart."""

    @asynccontextmanager
    async def running(**overrides: Any) -> AsyncIterator[Running]:
        grpc_port, http_port = free_ports(2)
        defaults: dict[str, Any] = {
            "kafka": kafka_url,
            "mongo": mongo_url,
            "objects": objects_url,
            "keys": tmp_path / "keys.json",
            "grpc_listen": f"127.0.0.1:{grpc_port}",
            "http_listen": f"127.0.0.1:{http_port}",
            "shutdown_s": 1,
            "patience_s": 1,
        }
        settings = IngestSettings(**(defaults | overrides))
        keys = KeyFile(settings.keys)
        app = build(settings)
        async with AsyncExitStack() as stack:
            await start(app, settings, stack)
            options = (("grpc.max_send_message_length", -1),)
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(settings.grpc_listen, options=options))
            yield Running(app, settings, keys, keys.create(Role.ADMIN), channel, Objects(objects_url))

    return running


@pytest.fixture
async def ingest(start_ingest: Start) -> AsyncIterator[Running]:
    """A running ingest."""
    async with start_ingest() as running:
        yield running


@pytest.fixture
def events(kafka_url: str) -> Events:
    """Reads all events of a key that are on a topic now."""

    async def read(topic: str, key: str) -> list[Record[Any]]:
        consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka_url, auto_offset_reset="earliest")
        await consumer.start()
        try:
            found: list[Record[Any]] = []
            partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
            ends = await consumer.end_offsets(partitions)
            while any([await consumer.position(part) < end for part, end in ends.items()]):
                for batch in (await consumer.getmany(timeout_ms=500)).values():
                    found += [records.read(raw) for raw in batch if raw.key == key.encode()]
            return found
        finally:
            await consumer.stop()

    return read


def jpeg(seed: int = 0, width: int = 320, height: int = 240, **options: Any) -> bytes:
    """A picture that no other seed gives."""
    small = np.random.default_rng(seed).integers(0, 255, (height // 16, width // 16, 3), dtype=np.uint8)
    buffer = BytesIO()
    Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC).save(buffer, "jpeg", **options)
    return buffer.getvalue()


@pytest.fixture(name="jpeg")
def jpeg_fixture() -> Callable[..., bytes]:
    """Makes pictures."""
    return jpeg


@pytest.fixture
def frame() -> Callable[..., PushFramesRequest]:
    """Makes requests: frame number `sequence` of a stream, captured one second after the one before."""

    def request(camera_id: str, sequence: int, image: bytes | None = None, **fields: Any) -> PushFramesRequest:
        message = PushFramesRequest(
            camera_id=camera_id, sequence=sequence, image=jpeg(sequence) if image is None else image
        )
        message.stream = fields.pop("stream", "run-1")
        message.captured_at.FromSeconds(1_700_000_000 + sequence % 1_000_000)
        for name, value in fields.items():
            setattr(message, name, value)
        return message

    return request


@pytest.fixture
def until() -> Callable[..., Awaitable[None]]:
    """Waits until a condition holds, for `seconds` at most."""

    async def wait(condition: Callable[[], Awaitable[Any]], seconds: float = 10.0) -> None:
        async with asyncio.timeout(seconds):
            while not await condition():
                await asyncio.sleep(0.02)

    return wait
