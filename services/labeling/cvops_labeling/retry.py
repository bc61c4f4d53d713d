"""Trying a transaction again that lost against another one."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from cvops_common.errors import Unavailable

T = TypeVar("T")

_ATTEMPTS = 12
_FIRST_PAUSE_S = 0.005
_LONGEST_PAUSE_S = 0.5


async def until_written(once: Callable[[], Awaitable[T]]) -> T:
    """What `once` gives, tried again while another writer is faster or the database is away.

    Raises:
        Unavailable: it did not succeed in some seconds.
    """
    pause_s = _FIRST_PAUSE_S
    for _ in range(_ATTEMPTS - 1):
        try:
            return await once()
        except Unavailable:
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311 - to come apart from the other writer
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
    return await once()
