"""The engines are real, start from nothing, and lose nothing acknowledged when they are killed."""

import signal
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pymongo import MongoClient

from cvops_local.child import Child, wait_until
from cvops_local.engines.kafka import Kafka
from cvops_local.engines.mongod import Mongod
from cvops_local.ports import free_ports
from cvops_local.probes import kafka_problem, mongo_problem

Start = Callable[[list[str], Callable[[], str | None]], Child]

pytestmark = pytest.mark.engines


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    children: list[Child] = []

    def start(command: list[str], problem: Callable[[], str | None]) -> Child:
        child = Child(command, log=tmp_path / "engine.log")
        children.append(child)
        said = wait_until(problem, child, 60)
        assert said is None, f"{said}\n{(tmp_path / 'engine.log').read_text()[-2000:]}"
        return child

    yield start
    for child in children:
        child.kill()


async def test_kafka_keeps_what_it_acknowledged_when_killed_and_moved(tmp_path: Path, start: Start) -> None:
    kafka = Kafka(tmp_path / "kafka", *free_ports(2))
    broker = start(kafka.command(), lambda: kafka_problem(kafka.bootstrap))
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic("kept", 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all", enable_idempotence=True) as producer:
        for number in range(500):
            await producer.send("kept", b"%d" % number)
        await producer.flush()
        broker.kill()

    moved = Kafka(tmp_path / "kafka", *free_ports(2))
    start(moved.command(), lambda: kafka_problem(moved.bootstrap))
    async with AIOKafkaConsumer(bootstrap_servers=moved.bootstrap) as consumer:
        partition = TopicPartition("kept", 0)
        consumer.assign([partition])
        consumer.seek(partition, 0)
        values = [(await consumer.getone()).value for _ in range(500)]
    assert values == [b"%d" % number for number in range(500)]


def test_mongod_keeps_what_it_acknowledged_when_killed_and_moved(tmp_path: Path, start: Start) -> None:
    mongod = Mongod(tmp_path / "mongod", *free_ports(1))
    process = start(mongod.command(), mongod.why_not_ready)
    with MongoClient(mongod.url) as client:
        client.cvops_test.kept.insert_many([{"_id": number} for number in range(500)])
    process.kill()

    moved = Mongod(tmp_path / "mongod", *free_ports(1))
    process = start(moved.command(), moved.why_not_ready)
    with MongoClient(moved.url) as client:
        assert client.cvops_test.kept.count_documents({}) == 500
        with client.start_session() as session, session.start_transaction():
            client.cvops_test.kept.insert_one({"_id": "in a transaction"}, session=session)
        assert client.cvops_test.kept.count_documents({}) == 501
    assert process.stop(grace_s=10) == 0


def test_an_engine_that_is_away_is_named_with_its_address():
    (port,) = free_ports(1)
    assert f"127.0.0.1:{port}" in (kafka_problem(f"127.0.0.1:{port}", 0.2) or "")
    assert f"127.0.0.1:{port}" in (mongo_problem(f"mongodb://127.0.0.1:{port}/", 0.2) or "")


def test_mongo_does_not_count_as_kafka(tmp_path: Path, start: Start) -> None:
    mongod = Mongod(tmp_path / "mongod", *free_ports(1))
    process = start(mongod.command(), mongod.why_not_ready)
    assert kafka_problem(f"127.0.0.1:{mongod.port}", 2.0) is not None
    process.signal_group(signal.SIGKILL)


def test_the_engines_of_the_run_answer(kafka_url: str, mongo_url: str, objects_url: str):
    assert kafka_problem(kafka_url) is None
    assert mongo_problem(mongo_url) is None
    assert objects_url.startswith(("file:///", "s3://"))


def test_kafka_formats_its_folder_whatever_its_id_begins_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begins_with_a_dash = uuid.UUID(bytes=b"\xf8" + bytes(15))
    monkeypatch.setattr(uuid, "uuid4", lambda: begins_with_a_dash)
    Kafka(tmp_path / "kafka", *free_ports(2)).command()
    assert "cluster.id=-" in (tmp_path / "kafka" / "data" / "meta.properties").read_text()
