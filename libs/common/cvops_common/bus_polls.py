"""Proof of consumption: when a consumer last came back for more."""

import time
from typing import Any

STALE_AFTER_S = 30.0


class PollWatch:
    """Remembers when a consumer last asked Kafka for records. A ping of the broker would prove nothing."""

    def __init__(self) -> None:
        self._last_poll_s = time.monotonic()

    def watch(self, consumer: Any) -> None:
        """Wraps the `getmany` of an aiokafka consumer."""
        getmany = consumer.getmany

        async def watched(*args: Any, **kwargs: Any) -> Any:
            self._last_poll_s = time.monotonic()
            return await getmany(*args, **kwargs)

        consumer.getmany = watched

    def check(self, name: str) -> str | None:
        """None when the last poll is recent, else a sentence."""
        age_s = time.monotonic() - self._last_poll_s
        return None if age_s < STALE_AFTER_S else f"{name} was not polled for {age_s:.0f} s"
