"""The bus: Kafka through FastStream, with the delivery rules of the platform.

Every subscription is at-least-once: a position is committed only after its handler returned and what it published was
acknowledged. Handlers are idempotent, because a crash or a rebalance delivers again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Self

from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import FAKE_CONSUMER, KafkaMessage

from cvops_common import events
from cvops_common.bus_consume import Batches, Consumption, Handler
from cvops_common.bus_dead_letters import DeadLetters
from cvops_common.bus_saving import Release, Save, Saving
from cvops_common.bus_tables import TableReader
from cvops_common.errors import Unavailable
from cvops_common.records import Outgoing, RawRecord
from cvops_common.settings import ServiceSettings
from cvops_common.topics import TOPICS, create_topics, dead_letter_declaration, declaration

_MAX_BATCH_BYTES = 256 * 1024
_MAX_REQUEST_BYTES = 8 * 1024 * 1024
_PUBLISH_TIMEOUT_S = 30.0
_LINGER_S = 0.2
_WORTH_IT_BYTES = 64 * 1024

TableHandler = Callable[[list[Any]], Awaitable[None]]


class Bus:
    """One service's connection to Kafka: publishes events, and feeds the handlers that were declared on it.

    Declare the handlers first, then enter the bus. Streams start only after every table has been read to its end.
    """

    def __init__(
        self,
        bootstrap: str,
        *,
        service: str,
        instance: str = "",
        partitions: int = 8,
        replicas: int = 1,
        drain_s: float = 10.0,
    ) -> None:
        """Nothing is opened yet.

        Args:
            bootstrap: host:port[,host:port] of Kafka.
            service: name of the service; also its consumer group.
            instance: name of this replica, unique among those of the service and the same after a restart: it then
                gets its partitions back at once (KIP-345). Empty: what a killed replica held stands still until Kafka
                has missed it for a session, 10 s.
            partitions: of per-camera topics that have to be created.
            replicas: of topics that have to be created.
            drain_s: what batches in flight get to finish when the bus stops, in seconds.
        """
        self.service = service
        self._instance = instance
        self._bootstrap = bootstrap
        self._partitions = partitions
        self._replicas = replicas
        self._drain_s = drain_s
        self._broker = KafkaBroker(
            bootstrap.split(","),
            client_id=f"cvops-{service}",
            acks="all",
            enable_idempotence=True,
            linger_ms=2,
            max_batch_size=_MAX_BATCH_BYTES,
            max_request_size=_MAX_REQUEST_BYTES,
            request_timeout_ms=int(_PUBLISH_TIMEOUT_S * 1000),
            allow_auto_create_topics=False,
            codec=_ProtobufCodec(),
            apply_types=False,
            logger=None,
            graceful_timeout=drain_s,
        )
        self._dead_letters = DeadLetters(self._broker, service)
        self._streams: list[Consumption] = []
        self._tables: list[TableReader] = []
        self._tables_read = asyncio.Event()
        self._stack = AsyncExitStack()

    @classmethod
    def of(cls, settings: ServiceSettings, service: str) -> Self:
        """The bus of a service, as its settings say."""
        return cls(
            settings.kafka,
            service=service,
            instance=settings.instance,
            partitions=settings.topic_partitions,
            replicas=settings.topic_replicas,
            drain_s=settings.shutdown_s,
        )

    # -- declaring ---------------------------------------------------------------------------------------------

    def subscribe(
        self, *topics: str, max_records: int = 500, linger_s: float = _LINGER_S
    ) -> Callable[[TableHandler], TableHandler]:
        """Declares a handler of batches; the next batch comes after it returned and was committed.

        Kafka waits up to `linger_s` for a batch that is worth its way: at a few records a second most of a reader's
        CPU time goes into asking for them.
        """

        def declare(handler: TableHandler) -> TableHandler:
            async def without_outcome(records: list[Any]) -> list[Outgoing]:
                await handler(records)
                return []

            self._add_stream(topics, without_outcome, max_records=max_records, in_flight=1, linger_s=linger_s)
            return handler

        return declare

    def pipeline(self, *topics: str, max_records: int = 64, in_flight: int = 4) -> Callable[[Handler], Handler]:
        """Declares a handler that turns a batch of records into events to publish, at once.

        It runs for up to `in_flight` successive batches at once; what it returns is published in the order of the
        batches, and a batch is committed after Kafka acknowledged what came of it.
        """

        def declare(handler: Handler) -> Handler:
            self._add_stream(topics, handler, max_records=max_records, in_flight=in_flight, linger_s=0.0)
            return handler

        return declare

    def stateful(
        self,
        *topics: str,
        save: Save,
        release: Release,
        max_records: int = 500,
        save_every_s: float = 10.0,
        linger_s: float = _LINGER_S,
    ) -> Callable[[Handler], Handler]:
        """Declares a handler that keeps state per key of several per-camera topics.

        All records of a key meet in one replica (range assignor: same key, same partitions). Positions are committed
        only after `save` has made the state durable, so a crash replays what the saved state lacks: the handler must
        skip what its state includes already. `release` is called when partitions have gone to another replica, after
        the last save: the state in memory is no longer ours. `linger_s` as in `subscribe`.
        """

        def declare(handler: Handler) -> Handler:
            saving = Saving(save, release, save_every_s)
            self._add_stream(topics, handler, max_records=max_records, in_flight=1, linger_s=linger_s, saving=saving)
            return handler

        return declare

    def table(self, topic: str) -> Callable[[TableHandler], TableHandler]:
        """Declares a reader of a compacted topic: every replica, without a group, from the beginning."""

        def declare(handler: TableHandler) -> TableHandler:
            reader = TableReader(topic, handler, self._dead_letters)
            subscriber = self._broker.subscriber(topic, group_id=None, **_CONSUMER)
            subscriber(reader.on_batch)
            reader.attach(subscriber)
            self._tables.append(reader)
            return handler

        return declare

    def _add_stream(
        self,
        topics: Sequence[str],
        handler: Handler,
        *,
        max_records: int,
        in_flight: int,
        linger_s: float,
        saving: Saving | None = None,
    ) -> None:
        batches = Batches(handler, self._dead_letters, self.publish_many)
        consumption = Consumption(batches, in_flight=in_flight, gate=self._tables_read, saving=saving)
        options: dict[str, Any] = dict(_CONSUMER)
        if linger_s:
            options |= {"fetch_min_bytes": _WORTH_IT_BYTES, "fetch_max_wait_ms": int(linger_s * 1000)}
        if self._instance:  # each stream is a member of its own
            options["group_instance_id"] = f"{self._instance}-{len(self._streams)}"
        if saving is not None:
            options["partition_assignment_strategy"] = [RangePartitionAssignor]
        subscriber = self._broker.subscriber(
            *topics, group_id=self.service, max_records=max_records, listener=consumption.listener, **options
        )
        subscriber(consumption.on_batch)
        consumption.attach(subscriber, topics)
        self._streams.append(consumption)

    @property
    def consumed(self) -> tuple[str, ...]:
        """Names of the topics that this service reads, in order of declaration."""
        return tuple(topic for part in self._parts for topic in part.topics)

    @property
    def _parts(self) -> list[TableReader | Consumption]:
        return [*self._tables, *self._streams]

    # -- life --------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        wanted = [declaration(topic, self._partitions, self._replicas) for topic in TOPICS.values()]
        wanted += [dead_letter_declaration(topic, self.service, self._replicas) for topic in self.consumed]
        await create_topics(self._bootstrap, wanted)
        try:
            await self._broker.start()
            for part in self._parts:
                await self._stack.enter_async_context(part)
            for table in self._tables:
                await table.read_to_end()
        except (KafkaError, OSError) as error:
            await self._close()
            raise Unavailable(f"Kafka at {self._bootstrap} does not answer: {error}; is it running?") from error
        except BaseException:
            await self._close()
            raise
        self._tables_read.set()
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(stream.drain(self._drain_s) for stream in self._streams))
        await self._close()

    async def _close(self) -> None:
        await self._stack.aclose()
        await self._broker.stop()

    def check(self) -> str | None:
        """None when every table was read, every stream is assigned and all were polled lately; else a sentence."""
        for part in self._parts:
            if (complaint := part.check()) is not None:
                return complaint
        return None if self._tables_read.is_set() else "tables are still being read"

    # -- publishing --------------------------------------------------------------------------------------------

    async def publish(self, message: Any, *, key: str, traceparent: str = "", correlation_id: str = "") -> None:
        """Publishes one event; returns when Kafka has acknowledged it.

        Raises:
            Unavailable: Kafka did not acknowledge in time; the event may or may not have been written.
        """
        await self.publish_many([Outgoing(message, key, traceparent, correlation_id)])

    async def publish_many(self, outgoing: Sequence[Outgoing]) -> None:
        """Publishes events in order of each key; returns when Kafka has acknowledged all of them.

        Raises:
            Unavailable: Kafka did not acknowledge all of them in time; some may have been written.
        """
        try:
            pending = [await self._send(event) for event in outgoing]
            if pending:
                await asyncio.gather(*pending)
        except (KafkaError, OSError) as error:
            raise Unavailable(f"Kafka did not acknowledge {len(outgoing)} events: {error!r}") from error

    async def tombstone(self, topic: str, key: str) -> None:
        """Withdraws a key of a compacted topic; returns when Kafka has acknowledged it."""
        try:
            await self._broker.publish(None, topic=topic, key=key.encode())
        except (KafkaError, OSError) as error:
            raise Unavailable(f"Kafka did not acknowledge the tombstone of {key} on {topic}: {error!r}") from error

    async def _send(self, event: Outgoing) -> Awaitable[Any]:
        kind = events.type_of(event.message)
        headers = events.headers(kind, self.service, event.traceparent, event.correlation_id)
        return await self._broker.publish(
            event.message,
            topic=kind.topic,
            key=event.key.encode(),
            headers=headers,
            correlation_id=event.correlation_id or headers["ce_id"],  # FastStream would draw one more for each event
            no_confirm=True,
        )


class _ProtobufCodec:
    """Messages to bytes. Bytes go out as they are (dead letters); reading is done by `records.read`."""

    async def encode(self, message: Any, serializer: object = None) -> tuple[bytes, str | None]:  # noqa: ARG002
        if isinstance(message, bytes):
            return message, None
        return (b"" if message is None else message.SerializeToString()), events.CONTENT_TYPE

    async def encode_batch(self, messages: Sequence[Any], serializer: object = None) -> list[tuple[bytes, str | None]]:
        return [await self.encode(message, serializer) for message in messages]

    async def decode(self, message: Any) -> Any:
        return message.raw_message

    async def decode_batch(self, message: Any) -> Any:
        return message.raw_message


async def _as_it_came(batch: tuple[RawRecord, ...]) -> KafkaMessage:
    """A batch, untouched: FastStream's own parser fails on header bytes that are no UTF-8 and loses the batch."""
    return KafkaMessage(body=b"", raw_message=batch, consumer=FAKE_CONSUMER)


_CONSUMER: dict[str, Any] = {
    "batch": True,
    "batch_timeout_ms": 200,
    "auto_offset_reset": "earliest",
    "ack_policy": AckPolicy.MANUAL,
    "parser": _as_it_came,
    "max_poll_interval_ms": 600_000,
    # A member learns of a rebalance with its next heartbeat: the group stands still for so long.
    "heartbeat_interval_ms": 500,
    "isolation_level": "read_committed",
}
