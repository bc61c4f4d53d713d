"""Keeps a list of processes running: stage after stage up, all of them watched, stage after stage down."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from cvops_local.keeper import Keeper
from cvops_local.spec import Backoff, ProcessSpec, ProcessStatus, State


class Supervisor:
    """Starts the processes of each stage together, a stage when all of the stage below have been ready once.

    A process that ends by itself is started again, whatever its stage; the others go on meanwhile.
    """

    def __init__(
        self,
        specs: Sequence[ProcessSpec],
        logs: Path,
        *,
        on_change: Callable[[ProcessStatus], None] = lambda _: None,
        backoff: Backoff | None = None,
    ) -> None:
        """Starts nothing yet.

        Args:
            specs: what to run.
            logs: the folder of the log files; it must exist.
            on_change: called on the event loop with every change of a status; must not block.
            backoff: pauses between restarts.
        """
        self._keepers = [Keeper(spec, logs, backoff or Backoff(), on_change) for spec in specs]
        self._stop_asked = asyncio.Event()
        self.all_were_ready = asyncio.Event()

    @property
    def statuses(self) -> tuple[ProcessStatus, ...]:
        """How all processes are doing, in the order of the specs."""
        return tuple(keeper.status for keeper in self._keepers)

    @property
    def ready(self) -> bool:
        """Whether all processes are ready now."""
        return all(status.state is State.READY for status in self.statuses)

    async def run(self) -> None:
        """Returns when everything has stopped after `stop`; cancelled, it stops everything too.

        Raises:
            Unavailable: a process cannot be started at all; everything is stopped before.
        """
        rising = asyncio.create_task(self._rise())
        asked = asyncio.create_task(self._stop_asked.wait())
        try:
            await asyncio.wait({rising, asked}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._sink()
            asked.cancel()
            rising.cancel()
            await asyncio.gather(rising, asked, return_exceptions=True)
        if not rising.cancelled() and isinstance(error := rising.exception(), ExceptionGroup):
            raise error.exceptions[0]

    def stop(self) -> None:
        """Asks for a clean stop: services first, then engines. A second call kills what is left."""
        if self._stop_asked.is_set():
            for keeper in self._keepers:
                keeper.kill()
        self._stop_asked.set()

    async def _rise(self) -> None:
        """Starts stage after stage and watches; ends with the first error of a keeper."""
        async with asyncio.TaskGroup() as group:
            for stage in self._stages():
                for keeper in stage:
                    group.create_task(keeper.run())
                await _all_ready(stage)
            self.all_were_ready.set()

    async def _sink(self) -> None:
        for stage in reversed(self._stages()):
            await asyncio.gather(*(keeper.stop() for keeper in stage))

    def _stages(self) -> list[list[Keeper]]:
        numbers = sorted({keeper.spec.stage for keeper in self._keepers})
        return [[keeper for keeper in self._keepers if keeper.spec.stage == number] for number in numbers]


async def _all_ready(stage: Iterable[Keeper]) -> None:
    for keeper in stage:
        await keeper.was_ready.wait()
