"""Waiting for a condition on the event loop, with a deadline."""

import asyncio
import time
from collections.abc import Callable


async def soon(condition: Callable[[], object], what: str, within_s: float = 40.0) -> None:
    """Returns when `condition` holds; fails with `what` after `within_s` seconds."""
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, f"not within {within_s} s: {what}"
        await asyncio.sleep(0.01)
