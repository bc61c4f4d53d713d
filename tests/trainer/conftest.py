"""The trainer's engines without what tests of other services left there."""

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from cvops_common.mongo import connect
from cvops_common.topics import DATASET_RELEASED, LABELS, PREDICTIONS, TOPICS, create_topics, declaration


@pytest.fixture(scope="module", autouse=True)
async def nobody_elses_work(request: pytest.FixtureRequest) -> None:
    """A trainer of these tests begins after what is on its topics, and finds no run that waits.

    All tests share Kafka and MongoDB, and every dataset that an episode released is a training that wants to begin.
    """
    if request.node.get_closest_marker("engines"):
        await read_to_the_end(request.getfixturevalue("kafka_url"))
        async with connect(request.getfixturevalue("mongo_url"), "trainer") as mongo:
            await mongo.db["runs"].update_many({}, {"$set": {"open": False, "to_try": False}})
            await mongo.db["rollouts"].update_many({}, {"$set": {"open": False}})


async def read_to_the_end(kafka_url: str) -> None:
    """Moves the position of the group `trainer`, which nobody uses now, behind the newest record."""
    topics = (DATASET_RELEASED, PREDICTIONS, LABELS)
    await create_topics(kafka_url, [declaration(TOPICS[topic], 8, 1) for topic in topics])
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_url)
    await admin.start()
    try:
        described = await admin.describe_topics(list(topics))
    finally:
        await admin.close()
    partitions = [
        TopicPartition(topic["topic"], each["partition"]) for topic in described for each in topic["partitions"]
    ]
    async with AIOKafkaConsumer(bootstrap_servers=kafka_url, group_id="trainer", enable_auto_commit=False) as consumer:
        consumer.assign(partitions)
        await consumer.commit(await consumer.end_offsets(partitions))
