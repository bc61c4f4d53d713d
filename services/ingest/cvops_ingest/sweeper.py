"""Removes expired segments, by the hour in their name. Nothing outside of segments/ is ever touched."""

from datetime import UTC, datetime, timedelta
from typing import Self

from cvops_common.objects import Objects
from cvops_common.rounds import Rounds
from cvops_common.telemetry import logger
from cvops_ingest import metrics, segments

log = logger(__name__)

_AT_ONCE = 500


class Sweeper:
    """Looks for expired segments from time to time while it is entered; a retention of zero looks never."""

    def __init__(self, objects: Objects, *, retention: timedelta, every_s: float) -> None:
        self._objects = objects
        self._retention = retention
        self._swept_to: datetime | None = None
        self._rounds = Rounds(self._round, every_s=every_s, what="expired segments")

    async def __aenter__(self) -> Self:
        if self._retention > timedelta():
            await self._rounds.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._rounds.__aexit__(None, None, None)

    async def sweep(self, now: datetime) -> int:
        """Removes what has expired at `now`; returns how many segments that were.

        The first sweep lists all segments, later ones only the hours that expired since.

        Raises:
            Unavailable: the object store does not answer.
        """
        swept = 0
        for prefix in self._prefixes(now):
            found = await self._objects.list(prefix)
            expired = [item.uri for item in found if segments.is_expired(item.uri, self._retention, now)]
            for start in range(0, len(expired), _AT_ONCE):
                await self._objects.delete(expired[start : start + _AT_ONCE])
            swept += len(expired)
        self._swept_to = now
        metrics.SEGMENTS_SWEPT.inc(swept)
        return swept

    def _prefixes(self, now: datetime) -> list[str]:
        if self._swept_to is None:
            return [segments.ROOT]
        last, newest = self._swept_to - self._retention, now - self._retention
        hours = int((newest - last) / timedelta(hours=1)) + 2
        return [segments.folder(last + timedelta(hours=hour - 1)) for hour in range(hours)]

    async def _round(self) -> None:
        if swept := await self.sweep(datetime.now(UTC)):
            log.info("expired segments removed", segments=swept)
