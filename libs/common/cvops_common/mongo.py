"""MongoDB: one database a service, majority writes on the journal, transactions, and errors of our own tree."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any, Self

from pymongo import AsyncMongoClient, WriteConcern
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import (
    AutoReconnect,
    ConnectionFailure,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    WTimeoutError,
)
from pymongo.read_concern import ReadConcern

from cvops_common.errors import Unavailable

Document = dict[str, Any]

_ENGINE_AWAY = (AutoReconnect, ConnectionFailure, NetworkTimeout, WTimeoutError)


class MongoStore:
    """The database of one service.

    Attributes:
        db: the pymongo database `cvops_<service>`; a write returns when it is on the journal of a majority.
    """

    def __init__(self, url: str, service: str) -> None:
        self._client: AsyncMongoClient[Document] = AsyncMongoClient(
            url,
            tz_aware=True,
            serverSelectionTimeoutMS=5_000,
            connectTimeoutMS=5_000,
            socketTimeoutMS=30_000,
            appname=f"cvops-{service}",
        )
        self.db: AsyncDatabase[Document] = self._client.get_database(
            f"cvops_{service}", write_concern=WriteConcern("majority", j=True), read_concern=ReadConcern("majority")
        )

    async def __aenter__(self) -> Self:
        with mongo_errors():
            await self._client.admin.command("ping")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncClientSession]:
        """A session whose writes happen together or not at all.

        Raises:
            Unavailable: MongoDB is away, or another writer was faster; the whole transaction can be tried again.
        """
        with mongo_errors():
            async with (
                self._client.start_session() as session,
                await session.start_transaction(write_concern=WriteConcern("majority", j=True)),
            ):
                yield session

    async def check(self) -> str | None:
        """None when MongoDB answers, else a sentence; for readiness."""
        try:
            await self._client.admin.command("ping")
        except PyMongoError as error:
            return f"MongoDB does not answer: {type(error).__name__}"
        return None


def connect(url: str, service: str) -> MongoStore:
    """The store of `service`; no connection is opened before it is entered or used."""
    return MongoStore(url, service)


@contextmanager
def mongo_errors() -> Iterator[None]:
    """Turns errors of the connection, and conflicts that vanish when tried again, into Unavailable."""
    try:
        yield
    except _ENGINE_AWAY as error:
        raise Unavailable(f"MongoDB does not answer: {type(error).__name__}; is it running?") from error
    except PyMongoError as error:
        if error.has_error_label("TransientTransactionError") or _shutting_down(error):
            raise Unavailable(f"MongoDB asks to try again: {type(error).__name__}") from error
        raise


def _shutting_down(error: PyMongoError) -> bool:
    details: Mapping[str, Any] | None = error.details if isinstance(error, OperationFailure) else None
    return bool(details and details.get("code") in (91, 189, 11600, 11602, 10107, 13435))


def this_millisecond() -> datetime:
    """Now, to the millisecond that MongoDB keeps."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
