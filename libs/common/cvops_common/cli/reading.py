"""Reading topics from outside of any group: for people who look."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.errors import KafkaError

from cvops_common.errors import NotFound, Unavailable

_ASSIGN_S = 10.0


@asynccontextmanager
async def consumer(bootstrap: str, *names: str) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer without a group, assigned to all partitions of the named topics.

    Raises:
        Unavailable: Kafka does not answer.
        NotFound: there is no such topic.
    """
    async with _connected(bootstrap) as reader:
        if missing := set(names) - await reader.topics():
            raise NotFound(f"there is no topic {min(missing)!r} on {bootstrap}")
        reader.subscribe(names)
        async with asyncio.timeout(_ASSIGN_S):
            while {partition.topic for partition in reader.assignment()} != set(names):
                await asyncio.sleep(0.01)
        yield reader


async def topics(bootstrap: str) -> list[str]:
    """Names of all topics; Unavailable when Kafka does not answer."""
    async with _connected(bootstrap) as reader:
        return sorted(await reader.topics())


@asynccontextmanager
async def _connected(bootstrap: str) -> AsyncIterator[AIOKafkaConsumer]:
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    reader = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest", request_timeout_ms=10_000
    )
    try:
        await reader.start()
        yield reader
    except (KafkaError, OSError, TimeoutError) as error:
        why = f"Kafka at {bootstrap} does not answer: {error}; is it running? see `cvops status`"
        raise Unavailable(why) from error
    finally:
        await reader.stop()


async def records(
    reader: AIOKafkaConsumer, *, from_beginning: bool, until_end: bool
) -> AsyncIterator[ConsumerRecord[bytes, bytes]]:
    """Records as they come, or up to what was the end at the call.

    Args:
        reader: from `consumer`.
        from_beginning: from the oldest record; else from the newest on.
        until_end: stop at the end.
    """
    partitions = list(reader.assignment())
    ends = await reader.end_offsets(partitions)
    await (reader.seek_to_beginning if from_beginning else reader.seek_to_end)(*partitions)
    while not until_end or any([await reader.position(part) < end for part, end in ends.items()]):
        for part, batch in (await reader.getmany(timeout_ms=200, max_records=500)).items():
            for record in batch:
                if not until_end or record.offset < ends[part]:
                    yield record
