"""Waiting for a condition, with a deadline."""

import asyncio
import time
from collections.abc import Callable

import psutil


def eventually(condition: Callable[[], object], what: str, within_s: float = 15.0) -> None:
    """Returns when `condition` holds; fails with `what` after `within_s` seconds."""
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, f"not within {within_s} s: {what}"
        time.sleep(0.02)


async def soon(condition: Callable[[], object], what: str, within_s: float = 15.0) -> None:
    """The same on an event loop."""
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, f"not within {within_s} s: {what}"
        await asyncio.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether the process runs; one that only waits to be reaped does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
