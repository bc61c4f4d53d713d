"""Drift: watches every camera and model, and opens, updates and closes drift events. Knows no Kafka and no gRPC."""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from cvops_common.errors import BadArgument, NotFound
from cvops_common.records import Outgoing, Record
from cvops_common.telemetry import logger
from cvops_drift.camera_watch import CameraWatch
from cvops_drift.domain import DomainVerdict, Undecided, decide
from cvops_drift.metrics import CAMERAS, EVENTS, FAILED, RECORDS, REPLAYED, SAVED_S
from cvops_drift.report import fill_live
from cvops_drift.settings import DriftSettings
from cvops_drift.store import Snapshot, Store
from cvops_drift.surroundings import Surroundings
from cvops_protos.v1.drift_pb2 import CameraDriftStatus, DriftEvent, DriftReport, Feedback
from cvops_protos.v1.frame_pb2 import Frame
from cvops_protos.v1.labeling_pb2 import Label
from cvops_protos.v1.prediction_pb2 import Prediction

log = logger(__name__)


class Drift:
    """The cameras of this replica."""

    def __init__(self, store: Store, around: Surroundings, settings: DriftSettings) -> None:
        self._store = store
        self._around = around
        self._settings = settings
        self._cameras: dict[str, CameraWatch] = {}
        self._dirty: set[str] = set()
        self._touched_s: dict[str, float] = {}
        self._untold: list[Outgoing] = []
        self._lock = asyncio.Lock()

    # -- the stream --------------------------------------------------------------------------------------------

    async def observe(self, records: Sequence[Record[Any]]) -> list[Outgoing]:
        """Takes frames, predictions, feedback and labels; the events that come of them, in order of each camera.

        Raises:
            Unavailable: MongoDB is away.
        """
        by_camera: dict[str, list[Record[Any]]] = {}
        for record in records:
            if record.message is not None:
                by_camera.setdefault(record.message.camera_id, []).append(record)
        async with self._lock:
            await self._load(list(by_camera))
            # What MongoDB could not take is told with the batch that comes again: its records are included by then.
            self._untold += await asyncio.to_thread(self._observe, by_camera)
            for camera_id in by_camera:
                await self._compare(self._cameras[camera_id])
            await self._store.add_events([each.message for each in self._untold])  # type: ignore[misc]
            outgoing, self._untold = self._untold, []
        return outgoing

    async def _compare(self, camera: CameraWatch) -> None:
        """New references against training data and other cameras, those of other replicas too; each is decided once."""
        for new in camera.undecided():
            verdict = await self._store.verdict(new)
            if verdict is None:
                verdict = await self._store.decided(new, await self._decide(new))
            events = camera.on_domain(new.bundle_sha256, verdict, self._around)
            self._around.alarming[camera.camera_id] = camera.open_signals
            self._untold += [_outgoing(event, "") for event in events]

    async def _decide(self, new: Undecided) -> DomainVerdict:
        others = await self._store.neighbours(new)
        training = self._around.training.get(new.bundle_sha256)
        registered, alpha = len(self._around.cameras), self._settings.domain_false_discoveries
        return await asyncio.to_thread(decide, new, training, others, registered, alpha)

    def _observe(self, by_camera: dict[str, list[Record[Any]]]) -> list[Outgoing]:
        outgoing: list[Outgoing] = []
        for camera_id, records in by_camera.items():
            camera = self._cameras[camera_id]
            new = [each for each in records if not camera.includes(each.topic, each.partition, each.offset)]
            REPLAYED.inc(len(records) - len(new))
            self._dirty.add(camera_id)
            self._touched_s[camera_id] = time.monotonic()
            for topic, run in groupby(new, key=lambda each: each.topic):
                outgoing += self._run(camera, topic, list(run))
            self._around.alarming[camera_id] = camera.open_signals
        return outgoing

    def _run(self, camera: CameraWatch, topic: str, records: list[Record[Any]]) -> list[Outgoing]:
        """Records of one topic. A fault of ours is told in the camera's status and takes no other camera with it."""
        RECORDS.labels(topic).inc(len(records))
        first = records[0]
        try:
            events = self._events(camera, [record.message for record in records])
        except Exception as error:
            FAILED.inc()
            camera.problems[f"monitoring failed: {type(error).__name__}: {error}"[:200]] += 1
            log.exception("monitoring failed", camera=camera.camera_id, topic=topic, offset=first.offset)
            return []
        return [_outgoing(event, first.traceparent) for event in events]

    def _events(self, camera: CameraWatch, messages: list[Any]) -> list[DriftEvent]:
        if isinstance(messages[0], Prediction):
            return camera.on_predictions(messages, self._around)
        events: list[DriftEvent] = []
        for message in messages:
            if isinstance(message, Frame):
                events += camera.on_frame(message, self._around)
            elif isinstance(message, Feedback):
                events += camera.on_feedback(message, self._around)
            elif isinstance(message, Label):
                events += camera.on_label(message, self._around)
        return events

    async def _load(self, camera_ids: list[str]) -> None:
        unknown = [camera_id for camera_id in camera_ids if camera_id not in self._cameras]
        found = await self._store.load(unknown) if unknown else {}
        for camera_id in unknown:
            if camera_id in found:
                state, parts = found[camera_id]
                self._cameras[camera_id] = CameraWatch.from_state(camera_id, self._settings.monitor, state, parts)
            else:
                self._cameras[camera_id] = CameraWatch(camera_id, self._settings.monitor)
        CAMERAS.set(len(self._cameras))

    # -- snapshots ---------------------------------------------------------------------------------------------

    async def save(self) -> None:
        """Makes all that changed durable, looks at other replicas, and lets cameras go that were silent for long.

        Raises:
            Unavailable: MongoDB is away; nothing is forgotten.
        """
        async with self._lock:
            dirty = sorted(self._dirty)
            with SAVED_S.time():
                await self._store.save(await asyncio.to_thread(self._snapshots, dirty))
            self._dirty -= set(dirty)
            self._around.elsewhere = await self._store.open_elsewhere(self._cameras, self._settings.idle_s)
            limit_s = time.monotonic() - self._settings.idle_s
            for camera_id in [each for each, at_s in self._touched_s.items() if at_s < limit_s]:
                self._forget(camera_id)

    def release(self) -> None:
        """Other replicas may have the cameras now: what is in memory is no longer the truth."""
        self._untold = []
        for camera_id in list(self._cameras):
            self._forget(camera_id)

    def _forget(self, camera_id: str) -> None:
        for known in (self._cameras, self._touched_s, self._around.alarming):
            known.pop(camera_id, None)
        self._dirty.discard(camera_id)

    def _snapshots(self, camera_ids: Sequence[str]) -> list[Snapshot]:
        snapshots = []
        for camera_id in camera_ids:
            camera = self._cameras[camera_id]
            names = set(camera.parts())
            new = camera.plain_parts(self._store.missing(camera_id, names))
            status = camera.status(self._around).SerializeToString()
            snapshots.append(Snapshot(camera_id, camera.to_state(), new, names, status, camera.open_signals))
        return snapshots

    # -- calls -------------------------------------------------------------------------------------------------

    async def statuses(self, camera_id: str) -> list[CameraDriftStatus]:
        """Of all cameras by id, or of one; those of other replicas as of their last snapshot."""
        async with self._lock:
            found = {status.camera_id: status for status in await self._store.statuses(camera_id)}
            for own, camera in self._cameras.items():
                if camera_id in ("", own):
                    found[own] = camera.status(self._around)
        return [found[each] for each in sorted(found)]

    async def report(self, camera_id: str, since: datetime | None) -> DriftReport:
        """Events since a time, and the evidence now.

        Raises:
            NotFound: the camera was never seen.
        """
        statuses = await self.statuses(camera_id) if camera_id else []
        if not statuses:
            raise NotFound(f"camera {camera_id!r} was never seen by drift: see `cvops drift status`")
        report = DriftReport(status=statuses[0], false_alarm_days=self._settings.false_alarm_days)
        report.events.extend(await self._store.events(camera_id, since))
        async with self._lock:
            await self._load([camera_id])
            await asyncio.to_thread(fill_live, report, self._cameras[camera_id], self._around)
        return report

    async def accept_view(self, camera_id: str) -> list[Outgoing]:
        """The present view is the reference from now on; what that closed."""
        async with self._lock:
            return await self._changed(camera_id, (await self._known(camera_id)).accept_view(self._around))

    async def relearn(self, camera_id: str) -> list[Outgoing]:
        """What is seen from now on is the reference of all signals; what that closed."""
        async with self._lock:
            return await self._changed(camera_id, (await self._known(camera_id)).relearn(self._around))

    async def _known(self, camera_id: str) -> CameraWatch:
        if not camera_id:
            raise BadArgument("no camera is named")
        camera = self._cameras.get(camera_id)
        if camera is None:
            raise NotFound(f"camera {camera_id!r} is not watched by this replica: see `cvops drift status`")
        return camera

    async def _changed(self, camera_id: str, events: list[DriftEvent]) -> list[Outgoing]:
        """A change by hand is durable before it is answered: it is no record that could be replayed."""
        self._dirty.add(camera_id)
        await self._store.save(await asyncio.to_thread(self._snapshots, [camera_id]))
        await self._store.add_events(events)
        return [_outgoing(event, "") for event in events]


def _outgoing(event: DriftEvent, traceparent: str) -> Outgoing:
    EVENTS.labels(DriftEvent.Kind.Name(event.kind), DriftEvent.State.Name(event.state)).inc()
    log.info("drift event", camera=event.camera_id, signal=event.signal, state=event.state, text=event.text)
    return Outgoing(event, event.camera_id, traceparent)
