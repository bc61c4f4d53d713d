"""What is done again and again beside the events: looks at what is stored, by the clock."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Self

from cvops_common.errors import CvopsError
from cvops_common.telemetry import logger

log = logger(__name__)


class Rounds:
    """Makes a round again and again while it is entered. One that fails is logged, and the next one is made."""

    def __init__(self, make: Callable[[], Awaitable[None]], *, every_s: float, what: str, stop_s: float = 5.0) -> None:
        """Nothing is begun yet.

        Args:
            make: one round.
            every_s: pause after a round.
            what: is looked at, for the log.
            stop_s: how long the last round may take when it is left.
        """
        self._make = make
        self._every_s = every_s
        self._what = what
        self._stop_s = stop_s
        self._wake = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._stopping = False
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        # Asked first and cancelled later: a cancellation in the middle of a round trip can get lost in a driver.
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=self._stop_s)
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=self._stop_s)

    @property
    def alive(self) -> bool:
        """Whether rounds are made."""
        return self._task is not None and not self._task.done()

    def wake(self) -> None:
        """Makes the next round at once."""
        self._wake.set()

    async def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                await self._make()
            except CvopsError as error:
                log.warning(f"{self._what}: looking again later", error=str(error))
            except Exception:
                log.exception(f"{self._what}: a look failed")
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await self._wake.wait()
