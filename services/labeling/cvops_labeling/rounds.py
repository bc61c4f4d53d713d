"""What happens by time: episodes and rollouts are looked at, again and again, from what is stored."""

import asyncio
from contextlib import suppress
from typing import Self

from cvops_common.errors import CvopsError
from cvops_common.telemetry import logger
from cvops_labeling.audits import Audits
from cvops_labeling.episode_steps import EpisodeSteps
from cvops_labeling.metrics import OPEN_TASKS
from cvops_labeling.task_book import TaskBook

log = logger(__name__)

_STOP_S = 5.0


class Rounds:
    """Looks while it is open. Several replicas may look: every step is made once, whoever makes it."""

    def __init__(self, episodes: EpisodeSteps, audits: Audits, tasks: TaskBook, every_s: float) -> None:
        self._episodes = episodes
        self._audits = audits
        self._tasks = tasks
        self._every_s = every_s
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._stopping.clear()
        self._task = asyncio.create_task(self._look())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=_STOP_S)
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=_STOP_S)

    async def _look(self) -> None:
        while not self._stopping.is_set():
            try:
                await self._episodes.step()
                await self._audits.step()
                OPEN_TASKS.set(await self._tasks.pending())
            except CvopsError as error:
                log.warning("looking again later", error=str(error))
            except Exception:
                log.exception("a look failed")
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await self._stopping.wait()
