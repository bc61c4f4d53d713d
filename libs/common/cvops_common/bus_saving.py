"""When a handler keeps state: positions wait until the state that includes them is durable."""

import time
from collections.abc import Awaitable, Callable, Mapping

from aiokafka import TopicPartition

Save = Callable[[], Awaitable[None]]
Release = Callable[[], None]


class Saving:
    """Collects positions between saves."""

    def __init__(self, save: Save, release: Release, every_s: float) -> None:
        """`save` makes the state durable, `release` forgets what is in memory; saves are due every `every_s` s."""
        self._save = save
        self.release = release
        self.every_s = every_s
        self._positions: dict[TopicPartition, int] = {}
        self._last_s = time.monotonic()

    def note(self, positions: Mapping[TopicPartition, int]) -> None:
        """Remembers positions whose effects are in memory only."""
        self._positions.update(positions)

    @property
    def due(self) -> bool:
        """Whether it is time for a save."""
        return time.monotonic() - self._last_s >= self.every_s

    async def saved(self) -> dict[TopicPartition, int]:
        """Saves; the positions that may be committed now. When the store is away they stay noted, and it raises."""
        self._last_s = time.monotonic()
        if not self._positions:
            return {}
        positions, self._positions = self._positions, {}
        try:
            await self._save()
        except BaseException:
            self._positions = positions | self._positions
            raise
        return positions

    def forget(self) -> None:
        """Positions of partitions that are gone."""
        self._positions = {}
        self.release()
