"""Compacted topics as tables: read whole at the start by every replica, then followed."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Self

from aiokafka.errors import KafkaError

from cvops_common.bus_consume import Batches
from cvops_common.bus_dead_letters import DeadLetters
from cvops_common.bus_polls import PollWatch
from cvops_common.errors import Unavailable
from cvops_common.records import Outgoing, RawRecord, Record

_POLL_S = 0.02
# The end of a compacted log can be a record that compaction removed: then nothing more comes.
_QUIET_S = 5.0
_LONGEST_READ_S = 120.0


class TableReader:
    """Feeds a handler with every record of a compacted topic."""

    def __init__(
        self, topic: str, handler: Callable[[list[Record[Any]]], Awaitable[None]], dead_letters: DeadLetters
    ) -> None:
        async def without_outcome(records: list[Record[Any]]) -> list[Outgoing]:
            await handler(records)
            return []

        async def nothing(_: Sequence[Outgoing]) -> None:
            return None

        self.topics = (topic,)
        self._batches = Batches(without_outcome, dead_letters, nothing)
        self._subscriber: Any = None
        self._busy = False
        self._last_batch_s = time.monotonic()
        self._polls = PollWatch()

    def attach(self, subscriber: Any) -> None:
        """Tells which FastStream subscriber feeds this table."""
        self._subscriber = subscriber

    async def __aenter__(self) -> Self:
        self._polls.watch(self._subscriber.consumer)
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def on_batch(self, batch: Sequence[RawRecord]) -> None:
        """Handles a batch; the next comes after it."""
        self._busy = True
        try:
            await self._batches.handle(batch)
        finally:
            self._busy = False
            self._last_batch_s = time.monotonic()

    async def read_to_end(self) -> None:
        """Returns when everything that was in the topic at the call has been handled.

        Raises:
            Unavailable: Kafka did not let us read to the end in two minutes.
        """
        consumer = self._subscriber.consumer
        self._last_batch_s = time.monotonic()
        deadline_s = self._last_batch_s + _LONGEST_READ_S
        while time.monotonic() < deadline_s:
            if (partitions := consumer.assignment()) and await self._at_end(consumer, partitions):
                return
            await asyncio.sleep(_POLL_S)
        raise Unavailable(f"topic {self.topics[0]} could not be read to its end in {_LONGEST_READ_S:.0f} s")

    async def _at_end(self, consumer: Any, partitions: Any) -> bool:
        try:
            ends = await consumer.end_offsets(partitions)
            left = [part for part, end in ends.items() if await consumer.position(part) < end]
        except KafkaError:
            return False
        quiet_s = time.monotonic() - self._last_batch_s
        if self._busy:
            return False
        return quiet_s > (_QUIET_S if left else 2 * _POLL_S)

    def check(self) -> str | None:
        """None when the topic was polled lately, else a sentence."""
        return self._polls.check(self.topics[0])
