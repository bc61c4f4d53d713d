"""Waiting for an engine that is away for a moment, or for another writer that was faster."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from cvops_common.errors import Unavailable
from cvops_common.telemetry import logger

T = TypeVar("T")

log = logger(__name__)

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.01, 1.0


async def patiently(attempt: Callable[[], Awaitable[T]], *, patience_s: float, what: str) -> T:
    """Repeats `attempt` with growing pauses while it raises Unavailable, for `patience_s` seconds at most.

    Raises:
        Unavailable: the last one, when patience is over.
    """
    clock = asyncio.get_running_loop().time
    deadline, pause_s = clock() + patience_s, _FIRST_PAUSE_S
    while True:
        try:
            return await attempt()
        except Unavailable as error:
            if clock() + pause_s > deadline:
                raise
            if pause_s > _FIRST_PAUSE_S * 4:  # the first few are conflicts of transactions, which are no news
                log.warning("engine is awaited", what=what, error=str(error))
        await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - two that collided come apart
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
