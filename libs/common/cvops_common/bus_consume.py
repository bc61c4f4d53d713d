"""How batches of records are handled: retries, dead letters, ordered publishing, commits."""

import asyncio
from collections import Counter as Counts
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Self

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from prometheus_client import Counter, Gauge

from cvops_common.bus_dead_letters import DeadLetters
from cvops_common.bus_polls import PollWatch
from cvops_common.bus_saving import Saving
from cvops_common.errors import CvopsError, Rejected, Unavailable
from cvops_common.records import Outgoing, RawRecord, Record, read
from cvops_common.telemetry import logger

log = logger(__name__)

HANDLED = Counter("cvops_bus_records_total", "Records handled", ["topic"])
COMMIT_ERRORS = Counter("cvops_bus_commit_errors_total", "Commits that Kafka refused; the records come again")
IN_FLIGHT = Gauge("cvops_bus_batches_in_flight", "Batches being handled", ["topic"])

ATTEMPTS = 3
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
REVOKE_DRAIN_S = 10.0

Handler = Callable[[list[Record[Any]]], Awaitable[list[Outgoing]]]
Publish = Callable[[Sequence[Outgoing]], Awaitable[None]]


class Batches:
    """The error policy: what is bad goes to the dead letters, what cannot be done now is tried until it can.

    - Rejected: the record can never be handled; to its dead letters at once.
    - Unavailable: an engine is away; tried again for as long as it takes, no record is blamed.
    - anything else: tried three times, then to the dead letters.

    A batch that fails is handled record by record, so that one bad record takes no others with it.
    """

    def __init__(self, handler: Handler, dead_letters: DeadLetters, publish: Publish) -> None:
        self._handler = handler
        self._dead_letters = dead_letters
        self._publish = publish

    async def handle(self, batch: Sequence[RawRecord]) -> list[Outgoing]:
        """What the handler makes of the batch; records that were buried leave nothing."""
        pairs = await self._decode(batch)
        try:
            return await self._patiently([record for _, record in pairs]) if pairs else []
        except Exception as error:
            if len(pairs) > 1:
                log.info("batch failed, its records are handled one by one", records=len(pairs), error=repr(error))
        outgoing: list[Outgoing] = []
        for raw, record in pairs:
            outgoing += await self._one(raw, record)
        return outgoing

    async def publish(self, batch: Sequence[RawRecord], outgoing: Sequence[Outgoing]) -> None:
        """Publishes what came of a batch; what Kafka will never take buries its source records."""
        pause_s = FIRST_PAUSE_S
        while outgoing:
            try:
                await self._publish(outgoing)
                break
            except Unavailable as error:
                log.warning("not published, trying again", events=len(outgoing), error=str(error))
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            except Exception as error:
                for raw in batch:
                    await self._dead_letters.bury(raw, error, 1)
                break

    async def _decode(self, batch: Sequence[RawRecord]) -> list[tuple[RawRecord, Record[Any]]]:
        pairs = []
        for raw in batch:
            try:
                pairs.append((raw, read(raw)))
            except Rejected as error:
                await self._dead_letters.bury(raw, error, 1)
        return pairs

    async def _patiently(self, records: list[Record[Any]]) -> list[Outgoing]:
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                return await self._handler(records)
            except Unavailable as error:
                log.warning("engine away, trying again", topic=records[0].topic, error=str(error), pause_s=pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _one(self, raw: RawRecord, record: Record[Any]) -> list[Outgoing]:
        pause_s = FIRST_PAUSE_S
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._patiently([record])
            except Exception as error:
                if isinstance(error, CvopsError) or attempt == ATTEMPTS:
                    if not isinstance(error, CvopsError):
                        log.exception("handler failed", topic=raw.topic, offset=raw.offset)
                    await self._dead_letters.bury(raw, error, attempt)
                    break
                await asyncio.sleep(pause_s)
                pause_s *= 4
        return []


class Consumption:
    """One stream: batches are handled side by side, published and committed in order, bounded by `in_flight`."""

    def __init__(self, batches: Batches, *, in_flight: int, gate: asyncio.Event, saving: Saving | None = None) -> None:
        """Nothing runs yet.

        Args:
            batches: handles and publishes.
            in_flight: batches that may be in work at once; the partitions wait when that many are.
            gate: no batch is begun before it is set.
            saving: what a handler with state needs; None: a batch is committed as soon as it is published.
        """
        self._batches = batches
        self._gate = gate
        self._saving = saving
        self._saver: asyncio.Task[None] | None = None
        self._slots = asyncio.Semaphore(in_flight)
        self._queue: asyncio.Queue[tuple[Sequence[RawRecord], asyncio.Task[list[Outgoing]]]] = asyncio.Queue()
        self._closing = False
        self._finisher: asyncio.Task[None] | None = None
        self._subscriber: Any = None
        self.topics: tuple[str, ...] = ()
        self.listener = _DrainOnRevoke(self)
        self._polls = PollWatch()

    def attach(self, subscriber: Any, topics: Sequence[str]) -> None:
        """Tells which FastStream subscriber feeds this stream."""
        self._subscriber = subscriber
        self.topics = tuple(topics)

    async def __aenter__(self) -> Self:
        self._polls.watch(self._subscriber.consumer)
        self._finisher = asyncio.create_task(self._finish())
        if self._saving is not None:
            self._saver = asyncio.create_task(self._save_regularly(self._saving))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing = True
        for task in (self._saver, self._finisher):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        while not self._queue.empty():
            self._queue.get_nowait()[1].cancel()

    async def on_batch(self, batch: Sequence[RawRecord]) -> None:
        """Takes a batch over; waits while `in_flight` batches are in work."""
        await self._gate.wait()
        await self._slots.acquire()
        if self._closing:
            return
        IN_FLIGHT.labels(",".join(self.topics)).inc()
        self._queue.put_nowait((batch, asyncio.create_task(self._batches.handle(batch))))

    async def drain(self, timeout_s: float) -> None:
        """Takes no more batches and waits until those in work are committed, or the time is over."""
        self._closing = True
        await self._idle(timeout_s)

    async def _idle(self, timeout_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._queue.join()
                await self._save()

    def check(self) -> str | None:
        """None when partitions are assigned and were polled lately, else a sentence."""
        name = ",".join(self.topics)
        consumer = getattr(self._subscriber, "consumer", None)
        if consumer is None or not consumer.assignment():
            return f"no partition of {name} is assigned yet"
        return self._polls.check(name)

    async def _finish(self) -> None:
        while True:
            batch, work = await self._queue.get()
            try:
                await self._batches.publish(batch, await work)
                await self._commit(batch)
                for topic, records in Counts(raw.topic for raw in batch).items():
                    HANDLED.labels(topic).inc(records)
            finally:
                IN_FLIGHT.labels(",".join(self.topics)).dec()
                self._queue.task_done()
                self._slots.release()

    async def _commit(self, batch: Sequence[RawRecord]) -> None:
        positions: dict[TopicPartition, int] = {}
        for raw in batch:
            partition = TopicPartition(raw.topic, raw.partition)
            positions[partition] = max(positions.get(partition, 0), raw.offset + 1)
        if self._saving is not None:
            self._saving.note(positions)
            if self._saving.due:
                await self._save()
            return
        await self._commit_positions(positions)

    async def _save_regularly(self, saving: Saving) -> None:
        """Saves when nothing more comes; a batch in work is waited for."""
        while True:
            await asyncio.sleep(saving.every_s)
            async with self._slots:
                await self._save()

    async def _save(self) -> None:
        if self._saving is None:
            return
        try:
            positions = await self._saving.saved()
        except Unavailable as error:
            log.warning("state not saved, nothing is committed until it is", error=str(error))
            return
        await self._commit_positions(positions)

    async def _commit_positions(self, positions: dict[TopicPartition, int]) -> None:
        consumer = self._subscriber.consumer
        mine = consumer.assignment() if consumer is not None else frozenset()
        positions = {partition: offset for partition, offset in positions.items() if partition in mine}
        try:
            if positions:
                await consumer.commit(positions)
        except (KafkaError, IllegalStateError) as error:
            COMMIT_ERRORS.inc()
            log.warning("commit refused, the records will come again", error=repr(error))


class _DrainOnRevoke(ConsumerRebalanceListener):  # type: ignore[misc]
    """Before partitions go to another replica, what is in work is finished and committed."""

    def __init__(self, consumption: Consumption) -> None:
        self._consumption = consumption

    async def on_partitions_revoked(self, revoked: Any) -> None:
        if revoked:
            await self._consumption._idle(REVOKE_DRAIN_S)
            if self._consumption._saving is not None:
                self._consumption._saving.forget()

    async def on_partitions_assigned(self, assigned: Any) -> None:
        if assigned:
            log.info("partitions assigned", partitions=sorted(f"{p.topic}-{p.partition}" for p in assigned))
