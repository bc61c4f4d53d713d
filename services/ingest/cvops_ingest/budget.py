"""Bounded memory: whoever wants to hold bytes waits until there is room, first come first served."""

import asyncio
from collections import deque


class ByteBudget:
    """So many bytes may be held at once."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._held = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def held(self) -> int:
        """Bytes held now."""
        return self._held

    async def acquire(self, size: int) -> None:
        """Returns when `size` bytes may be held; more than the whole budget waits until nothing else is held."""
        size = min(size, self._capacity)
        if not self._waiting and self._held + size <= self._capacity:
            self._held += size
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release(size)
            raise

    def release(self, size: int) -> None:
        """Gives `size` bytes back."""
        self._held -= min(size, self._capacity)
        while self._waiting:
            wanted, turn = self._waiting[0]
            if not turn.cancelled():
                if self._held + wanted > self._capacity:
                    return
                self._held += wanted
                turn.set_result(None)
            self._waiting.popleft()
