"""Dead letters: where a record goes that cannot be handled, with its origin, error and attempts in headers."""

import asyncio
from datetime import UTC, datetime

from aiokafka.errors import KafkaError
from faststream.kafka import KafkaBroker
from prometheus_client import Counter

from cvops_common.errors import CvopsError
from cvops_common.records import RawRecord, headers_of
from cvops_common.telemetry import logger
from cvops_common.topics import dead_letter_topic

log = logger(__name__)

DEAD_LETTERS = Counter("cvops_bus_dead_letters_total", "Records that were given up", ["topic", "reason"])

_MAX_ERROR_CHARACTERS = 500


class DeadLetters:
    """Writes records of one consumer group to `<topic>.<group>.dlq`."""

    def __init__(self, broker: KafkaBroker, group: str) -> None:
        self._broker = broker
        self._group = group

    async def bury(self, raw: RawRecord, error: Exception, attempts: int) -> None:
        """Publishes `raw` as it came; tries until Kafka has acknowledged it, because giving up would lose it."""
        reason = error.reason if isinstance(error, CvopsError) else "error"
        headers = headers_of(raw) | {
            "dlq-origin-topic": raw.topic,
            "dlq-origin-partition": str(raw.partition),
            "dlq-origin-offset": str(raw.offset),
            "dlq-group": self._group,
            "dlq-error": f"{type(error).__name__}: {error}"[:_MAX_ERROR_CHARACTERS],
            "dlq-reason": reason,
            "dlq-attempts": str(attempts),
            "dlq-at": datetime.now(UTC).isoformat(),
        }
        log.warning(
            "record given up",
            topic=raw.topic,
            partition=raw.partition,
            offset=raw.offset,
            camera=(raw.key or b"").decode(errors="replace"),
            reason=reason,
            error=str(error)[:_MAX_ERROR_CHARACTERS],
        )
        pause_s = 0.1
        while True:
            try:
                await self._broker.publish(
                    raw.value or b"", topic=dead_letter_topic(raw.topic, self._group), key=raw.key, headers=headers
                )
                break
            except (KafkaError, OSError) as failure:
                log.warning("dead letter not acknowledged, trying again", error=repr(failure))
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, 5.0)
        DEAD_LETTERS.labels(raw.topic, reason).inc()
