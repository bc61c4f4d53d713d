"""The outbox: an event that belongs to a state change is written in the same transaction, then relayed to the bus.

Events leave in the order in which they were added. A relay that dies between Kafka's acknowledgement and the removal
publishes again: consumers of these topics take the last record of a key, so twice is as good as once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Self, TypeVar

from google.protobuf.message import Message
from pymongo.asynchronous.client_session import AsyncClientSession

from cvops_common import events
from cvops_common.bus import Bus
from cvops_common.errors import Unavailable
from cvops_common.mongo import MongoStore, mongo_errors
from cvops_common.patience import patiently
from cvops_common.telemetry import logger

T = TypeVar("T")

log = logger(__name__)

_PATIENCE_S = 5.0
_BATCH = 100
_LONGEST_PAUSE_S = 5.0
# How long an event can wait when this replica did not write it itself, e.g. after a crash of the one that did.
_LOOK_EVERY_S = 5.0
_STOP_S = 2.0


class Outbox:
    """Events waiting in MongoDB; enter it after the store and the bus are open."""

    def __init__(self, store: MongoStore, bus: Bus) -> None:
        self._store = store
        self._waiting = store.db["outbox"]
        self._counters = store.db["counters"]
        self._bus = bus
        self._turn = asyncio.Lock()
        self._wake = asyncio.Event()
        self._stopping = False
        self._relay_task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._stopping = False
        self._relay_task = asyncio.create_task(self._relay())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping = True
        self._wake.set()
        if self._relay_task is not None:
            # A cancellation in the middle of a round trip can get lost in a driver; a flag cannot.
            await asyncio.wait({self._relay_task}, timeout=_STOP_S)
            self._relay_task.cancel()
            await asyncio.wait({self._relay_task}, timeout=_STOP_S)

    async def write(self, work: Callable[[AsyncClientSession], Awaitable[T]], *, patience_s: float = _PATIENCE_S) -> T:
        """What `work` gives, when all that it wrote and added is committed; its events leave then.

        Every such transaction counts the events of the outbox, so only one can win at a time: those of this process
        take turns, and one that lost against another replica begins again. So `work` may run several times; what it
        raises leaves no trace.

        Args:
            work: writes and adds events in the session that it is given.
            patience_s: how long it is tried again.

        Raises:
            Unavailable: MongoDB is away, or others were always faster.
        """

        async def once() -> T:
            async with self._turn, self._store.transaction() as session:
                return await work(session)

        written = await patiently(once, patience_s=patience_s, what="transaction")
        self._wake.set()
        return written

    async def add(
        self,
        message: Message,
        *,
        key: str,
        session: AsyncClientSession,
        correlation_id: str = "",
        tombstone: bool = False,
    ) -> None:
        """Adds an event to the transaction of `session`, see `write`.

        Args:
            message: the event; for a tombstone any message of its topic.
            key: of the record.
            session: of the running transaction.
            correlation_id: the episode it belongs to.
            tombstone: publish the removal of the key instead of the message.
        """
        kind = events.type_of(message)
        counter = await self._counters.find_one_and_update(
            {"_id": "outbox"}, {"$inc": {"n": 1}}, upsert=True, return_document=True, session=session
        )
        await self._waiting.insert_one(
            {
                "_id": counter["n"] if counter else 1,
                "type": kind.name,
                "key": key,
                "body": None if tombstone else message.SerializeToString(),
                "correlation_id": correlation_id,
            },
            session=session,
        )

    async def _relay(self) -> None:
        pause_s = 0.1
        while not self._stopping:
            self._wake.clear()
            try:
                while await self._relay_some() and not self._stopping:
                    pause_s = 0.1
            except Unavailable as error:
                log.warning("outbox waits", error=str(error))
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(0 if self._stopping else _LOOK_EVERY_S):
                    await self._wake.wait()

    async def _relay_some(self) -> bool:
        with mongo_errors():
            waiting = await self._waiting.find().sort("_id", 1).limit(_BATCH).to_list()
            for document in waiting:
                await self._publish(document)
                await self._waiting.delete_one({"_id": document["_id"]})
        return bool(waiting)

    async def _publish(self, document: dict[str, Any]) -> None:
        kind = next(kind for kind in events.EVENT_TYPES if kind.name == document["type"])
        if document["body"] is None:
            await self._bus.tombstone(kind.topic, document["key"])
        else:
            message = kind.message.FromString(document["body"])
            await self._bus.publish(message, key=document["key"], correlation_id=document["correlation_id"])
