"""Waiting for what comes about, with an end."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def until(look: Callable[[], Awaitable[T]], wanted: Callable[[T], bool] = bool, seconds: float = 20) -> T:
    """What `look` finds, as soon as it is wanted."""
    found = await look()
    try:
        async with asyncio.timeout(seconds):
            while not wanted(found):
                await asyncio.sleep(0.05)
                found = await look()
    except TimeoutError:
        raise AssertionError(f"not in {seconds} s; last seen: {str(found)[:500]}") from None
    return found
