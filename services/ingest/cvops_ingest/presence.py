"""Which cameras are online, and the publication of their minutes.

A change of state and a closed minute are events that go through the outbox, in the transaction that notes them.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self

import numpy as np
from pymongo.asynchronous.client_session import AsyncClientSession

from cvops_common.mongo import Document, MongoStore, mongo_errors
from cvops_common.outbox import Outbox
from cvops_common.rounds import Rounds
from cvops_common.telemetry import logger
from cvops_ingest import metrics
from cvops_ingest.frame_store import entries_of, minute_at
from cvops_ingest.status_event import ledger_minute, minute_status, state_status
from cvops_protos.v1.camera_pb2 import CameraStatus

log = logger(__name__)

_PATIENCE_S = 2.0  # for conflicts with commits of the same camera
_MAX_SAMPLES = 4096
_MINUTES_AT_ONCE = 1000
_LONGEST_TICK_S = 1.0
_LOOK_FOR_MINUTES_EVERY = timedelta(seconds=5)
_LATENESS_KEPT = timedelta(minutes=5)


@dataclass(slots=True)
class Pulse:
    """What this replica has heard of one camera: when last, and how late its frames were, in s, by minute."""

    last: datetime
    online: bool = False
    lateness_s: defaultdict[int, list[float]] = field(default_factory=lambda: defaultdict(list))


class Presence:
    """Watches the cameras while it is entered; enter it after the bus and the outbox."""

    def __init__(
        self,
        store: MongoStore,
        outbox: Outbox,
        *,
        project_of: Callable[[str], str],
        offline_after: timedelta,
        minute_grace: timedelta,
    ) -> None:
        self._outbox = outbox
        self._project_of = project_of
        self._offline_after = offline_after
        self._minute_grace = minute_grace
        self._status = store.db["status"]
        self._minutes = store.db["minutes"]
        self._pulses: dict[str, Pulse] = {}
        self._looked_for_minutes = datetime.min.replace(tzinfo=UTC)
        tick_s = min(_LONGEST_TICK_S, offline_after.total_seconds() / 4)
        self._rounds = Rounds(self._tick_now, every_s=tick_s, what="status of cameras", stop_s=_PATIENCE_S)

    async def __aenter__(self) -> Self:
        with mongo_errors():
            async for document in self._status.find({"state": CameraStatus.STATE_ONLINE}):
                self._pulses[document["_id"]] = Pulse(document["last_frame_at"], online=True)
        await self._rounds.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._rounds.__aexit__(None, None, None)

    def check(self) -> str | None:
        """None while cameras are watched, else a sentence; for readiness."""
        return None if self._rounds.alive else "cameras are not watched"

    def heard(self, camera_id: str, received_at_ns: int, lateness_s: float | None) -> None:
        """A frame of the camera was answered; its lateness when it was stored."""
        at = datetime.fromtimestamp(received_at_ns / 1e9, UTC)
        pulse = self._pulses.get(camera_id)
        if pulse is None:
            pulse = self._pulses[camera_id] = Pulse(at)
        pulse.last = max(pulse.last, at)
        samples = pulse.lateness_s[received_at_ns // 60_000_000_000]
        if lateness_s is not None and len(samples) < _MAX_SAMPLES:
            samples.append(lateness_s)
        if not pulse.online:
            self._rounds.wake()

    async def tick(self, now: datetime) -> None:
        """Publishes what has changed until `now`.

        Raises:
            Unavailable: MongoDB is away; the next tick does what this one could not.
        """
        for camera_id, pulse in list(self._pulses.items()):
            silent = now - pulse.last > self._offline_after
            if pulse.online and silent:
                await self._go_offline(camera_id, pulse, now)
            elif not pulse.online and not silent:
                await self._change_state(camera_id, CameraStatus.STATE_ONLINE, pulse.last, {})
                pulse.online = True
            if now - pulse.last > _LATENESS_KEPT:  # till then its last minute may still be told
                pulse.lateness_s.clear()
        metrics.CAMERAS_ONLINE.set(sum(pulse.online for pulse in self._pulses.values()))
        if now - self._looked_for_minutes >= _LOOK_FOR_MINUTES_EVERY:
            await self._close_minutes(now)
            self._looked_for_minutes = now

    async def _tick_now(self) -> None:
        await self.tick(datetime.now(UTC))

    # -- states ----------------------------------------------------------------------------------------------------

    async def _go_offline(self, camera_id: str, pulse: Pulse, now: datetime) -> None:
        # Its frames may have moved to another replica, which only the stored time can tell.
        silent = {"last_frame_at": {"$lte": now - self._offline_after}}
        await self._change_state(camera_id, CameraStatus.STATE_OFFLINE, pulse.last + self._offline_after, silent)
        pulse.online = False

    async def _change_state(
        self, camera_id: str, state: CameraStatus.State.ValueType, since: datetime, condition: Document
    ) -> None:
        async def change(session: AsyncClientSession) -> bool:
            document = await self._status.find_one_and_update(
                {"_id": camera_id, "state": {"$ne": state}} | condition,
                {"$set": {"state": state, "since": since}},
                return_document=True,
                session=session,
            )
            if document is None:
                return False
            event = state_status(document, self._project_of(camera_id))
            await self._outbox.add(event, key=camera_id, session=session)
            return True

        if await self._outbox.write(change, patience_s=_PATIENCE_S):
            log.info("camera changed state", camera=camera_id, state=CameraStatus.State.Name(state))

    # -- minutes ---------------------------------------------------------------------------------------------------

    async def _close_minutes(self, now: datetime) -> None:
        """Publishes minutes that are over; one that changes later (a gap that still came) is published again."""
        over = now - timedelta(minutes=1) - self._minute_grace
        with mongo_errors():
            query = self._minutes.find({"open": True, "minute": {"$lte": over}})
            documents = await query.sort("minute", 1).limit(_MINUTES_AT_ONCE).to_list()
        for document in documents:
            await self._close(document)

    async def _close(self, minute: Document) -> None:
        camera_id = minute["camera_id"]
        entries = entries_of(minute)
        if entries.imbalance:
            metrics.UNBALANCED.inc()
            log.error("ledger does not balance", camera=camera_id, minute=str(minute["minute"]), entries=str(entries))
        low, high = self._lateness_quantiles(camera_id, minute["minute"])

        async def close(session: AsyncClientSession) -> None:
            closed = await self._minutes.update_one(
                {"_id": minute["_id"], "version": minute["version"]}, {"$set": {"open": False}}, session=session
            )
            status = await self._status.find_one({"_id": camera_id}, session=session)
            if not closed.matched_count or status is None:
                return  # changed meanwhile: looked at again; or the camera was removed
            event = minute_status(
                status, self._project_of(camera_id), ledger_minute(entries, minute["minute"]), low, high
            )
            last = {"$set": {"last_minute": event.SerializeToString()}}
            await self._status.update_one({"_id": camera_id}, last, session=session)
            await self._outbox.add(event, key=camera_id, session=session)

        await self._outbox.write(close, patience_s=_PATIENCE_S)

    def _lateness_quantiles(self, camera_id: str, at: datetime) -> tuple[float, float]:
        """Median and 95th percentile of a minute, in s; zeros when its frames came by another replica."""
        pulse = self._pulses.get(camera_id)
        if pulse is None:
            return 0.0, 0.0
        for old in [minute for minute in pulse.lateness_s if minute_at(minute) < at - _LATENESS_KEPT]:
            del pulse.lateness_s[old]
        samples = pulse.lateness_s.get(int(at.timestamp()) // 60)
        if not samples:
            return 0.0, 0.0
        low, high = np.quantile(samples, (0.5, 0.95))
        return float(low), float(high)
