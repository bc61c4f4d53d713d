"""Transactions one after another, and again when they lost against one of another replica."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from cvops_common.errors import Unavailable

T = TypeVar("T")

_ATTEMPTS = 20
_FIRST_PAUSE_S = 0.005
_LONGEST_PAUSE_S = 0.5


class Turns:
    """Every transaction that tells something counts the events of the outbox, so only one can win at a time.

    Those of this process therefore take turns; against other replicas they are tried again.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def until_written(self, once: Callable[[], Awaitable[T]]) -> T:
        """What `once` gives, tried again while another writer is faster or the database is away.

        Raises:
            Unavailable: it did not succeed in some seconds.
        """
        pause_s = _FIRST_PAUSE_S
        for _ in range(_ATTEMPTS - 1):
            try:
                async with self._turn:
                    return await once()
            except Unavailable:
                await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311 - to come apart from the other
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        async with self._turn:
            return await once()
