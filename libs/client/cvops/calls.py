"""One call: with the key, a deadline, and errors of our own tree."""

from typing import Any

import grpc

from cvops.connection import Connection
from cvops.errors import from_grpc

DEADLINE_S = 30.0


class Calls:
    """Calls of one service."""

    def __init__(self, connection: Connection, service: str, stub: Any) -> None:
        """`stub` is the generated class; the channel is opened here and connects at the first call."""
        self._address = str(getattr(connection, service))
        self._metadata = connection.metadata
        self._channel = connection.channel(service)
        self._stub = stub(self._channel)

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()

    def __call__(self, method: str, request: Any, deadline_s: float = DEADLINE_S) -> Any:
        """Calls a method and gives its answer.

        Raises:
            ConnectionFailed: the service does not answer in time. Refused: it said no.
        """
        try:
            return getattr(self._stub, method)(
                request, metadata=self._metadata, timeout=deadline_s, wait_for_ready=False
            )
        except grpc.RpcError as error:
            raise from_grpc(error, self._address) from None
