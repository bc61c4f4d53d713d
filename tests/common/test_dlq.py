"""`cvops dlq`: letters of several topics are listed in order, and one that is replayed is handled again."""

import asyncio
import json
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from cvops_common.bus import Bus
from cvops_common.cli.dlq import dlq
from cvops_common.errors import BadRecord
from cvops_common.records import Record
from cvops_common.topics import CAMERA_STATUS, FRAMES, dead_letter_topic
from cvops_protos.v1.camera_pb2 import CameraStatus
from cvops_protos.v1.frame_pb2 import Frame
from tests.common.test_bus import PrivateCamera, service_name, until

pytestmark = pytest.mark.engines


@dataclass
class Context:
    connection: SimpleNamespace
    json: bool = False
    console: Console = field(default_factory=lambda: Console(width=200))


async def call(kafka_url: str, *arguments: str) -> Result:
    context = Context(SimpleNamespace(kafka=kafka_url))
    return await asyncio.to_thread(CliRunner().invoke, dlq, arguments, obj=context)


async def test_letters_of_all_topics_are_listed_and_one_is_replayed(kafka_url: str) -> None:
    camera, service, seen = PrivateCamera(), service_name(), []
    accepts = False
    bus = Bus(kafka_url, service=service)

    @bus.subscribe(FRAMES)
    async def on_frames(records: list[Record[Frame]]) -> None:
        if (numbers := camera.mine(records)) and not accepts:
            raise BadRecord("too early")
        seen.extend(numbers)

    @bus.subscribe(CAMERA_STATUS)
    async def on_status(records: list[Record[CameraStatus]]) -> None:
        if any(record.key == camera.id for record in records):
            raise BadRecord("makes no sense")

    def mine(result: Result) -> list[dict]:
        assert result.exit_code == 0, result.output
        lines = [line for line in result.stdout.splitlines() if line.startswith("{")]  # the bus logs there too
        return [letter for letter in map(json.loads, lines) if letter["key"] == camera.id]

    letters = dead_letter_topic(FRAMES, service)
    async with bus:
        await bus.publish_many([camera.frame(0), camera.frame(1)])
        await bus.publish(CameraStatus(camera_id=camera.id), key=camera.id)
        async with asyncio.timeout(30):
            while len(found := mine(await call(kafka_url, "list", "--json"))) < 3:
                await asyncio.sleep(0.2)
        assert [letter["topic"] for letter in found] == [dead_letter_topic(CAMERA_STATUS, service), letters, letters]
        assert [letter["error"] for letter in found] == ["BadRecord: makes no sense", *["BadRecord: too early"] * 2]
        accepts = True
        second = found[2]["offset"]
        result = await call(kafka_url, "replay", letters, "--offset", str(second))
        assert "1 records replayed" in result.output
        await until(lambda: bool(seen))
    assert seen == [1]
    missing = await call(kafka_url, "replay", letters, "--offset", str(second + 1))
    assert "has no letter at offset" in missing.output
    unknown = await call(kafka_url, "list", "nothing.dlq")
    assert "there is no topic 'nothing.dlq'" in unknown.output
