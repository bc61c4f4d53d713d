"""Makes a group of frames durable: object, then events, then the database, and only then the answers.

A crash between two of these steps loses nothing: the agent has no answer and pushes again. The worst that follows is
a segment that nobody names, or a second event with the same frame_id.
"""

from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter
from typing import TypeVar

from cvops_common.bus import Bus
from cvops_common.errors import Rejected
from cvops_common.objects import Objects
from cvops_common.patience import patiently
from cvops_common.records import Outgoing
from cvops_common.telemetry import span
from cvops_ingest import metrics, segments
from cvops_ingest.event import frame_event
from cvops_ingest.frame_store import Commit, FrameStore, Outrun, StreamKey
from cvops_ingest.inspection import Inspection
from cvops_ingest.ledger import Page, SequenceTracker
from cvops_ingest.recent import RecentIds
from cvops_ingest.upload import Outcome, Receipt, Upload, refusal

T = TypeVar("T")

_MAX_STREAMS = 10_000


@dataclass(frozen=True, slots=True)
class Arrival:
    """An upload with what was found out about it; `finding` is None when it is stored already, or no frame."""

    upload: Upload
    frame_id: str
    finding: Inspection | Rejected | None


@dataclass(frozen=True, slots=True)
class _Fresh:
    """An arrival that has to be stored."""

    arrival: Arrival
    inspection: Inspection


class Committer:
    """Commits one group of arrivals after the other."""

    def __init__(
        self,
        store: FrameStore,
        objects: Objects,
        bus: Bus,
        *,
        recent: RecentIds,
        project_of: Callable[[str], str],
        patience_s: float,
    ) -> None:
        """Nothing is opened.

        Args:
            store: where frames, streams and ledger are kept.
            objects: where segments go.
            bus: where events go.
            recent: ids of stored frames, shared with whoever wants to spare the inspection of a duplicate.
            project_of: the project of a camera.
            patience_s: how long an engine may be away before the group is handed back.
        """
        self._store = store
        self._objects = objects
        self._bus = bus
        self._recent = recent
        self._project_of = project_of
        self._patience_s = patience_s
        self._trackers: dict[StreamKey, SequenceTracker] = {}

    async def commit(self, arrivals: Sequence[Arrival]) -> list[Receipt]:
        """The answers, in order of the arrivals, after all that they promise has been done.

        Raises:
            Unavailable: an engine was away for too long; nothing is promised, the frames may be pushed again.
        """
        fresh = await self._fresh(arrivals)
        with ExitStack() as spans:
            if fresh:
                await self._publish(await self._place(fresh, spans))
            return await self._book(arrivals, {item.arrival.frame_id for item in fresh})

    async def _fresh(self, arrivals: Sequence[Arrival]) -> list[_Fresh]:
        candidates = {
            arrival.frame_id: _Fresh(arrival, arrival.finding)
            for arrival in reversed(arrivals)  # of the same frame twice in one group the first is stored
            if isinstance(arrival.finding, Inspection) and arrival.frame_id not in self._recent
        }
        known = await self._known(candidates)
        return [item for frame_id, item in reversed(candidates.items()) if frame_id not in known]

    async def _place(self, fresh: Sequence[_Fresh], spans: ExitStack) -> list[Outgoing]:
        uri = segments.new_uri(datetime.now(UTC))
        images = [item.arrival.upload.image for item in fresh]
        starts = segments.offsets(images)
        await self._patiently("segment", lambda: self._objects.put(uri, images))
        size = starts[-1] + len(images[-1])
        metrics.SEGMENT_FRAMES.observe(len(images))
        metrics.SEGMENT_BYTES.observe(size)
        metrics.STORED_BYTES.inc(size)
        return [self._outgoing(item, uri, offset, spans) for item, offset in zip(fresh, starts, strict=True)]

    def _outgoing(self, item: _Fresh, uri: str, offset: int, spans: ExitStack) -> Outgoing:
        upload, frame_id = item.arrival.upload, item.arrival.frame_id
        step = spans.enter_context(span("ingest.frame", upload.traceparent, camera=upload.camera_id, frame=frame_id))
        project = self._project_of(upload.camera_id)
        event = frame_event(upload, frame_id, item.inspection, project=project, uri=uri, offset=offset)
        return Outgoing(event, upload.camera_id, step.traceparent)

    async def _publish(self, events: list[Outgoing]) -> None:
        await self._patiently("events", lambda: self._bus.publish_many(events))

    async def _book(self, arrivals: Sequence[Arrival], stored: set[str]) -> list[Receipt]:
        while True:
            receipts = _answers(arrivals, stored)
            commit = await self._prepare(arrivals, receipts, stored)
            try:
                await self._patiently("booking", lambda commit=commit: self._store.write(commit))  # type: ignore[misc]
            except Outrun:
                for key in commit.streams:
                    self._trackers.pop(key, None)
                stored = stored - await self._known(stored)
                continue
            self._remember(commit, receipts)
            return receipts

    async def _prepare(self, arrivals: Sequence[Arrival], receipts: Sequence[Receipt], stored: set[str]) -> Commit:
        uploads = [arrival.upload for arrival in arrivals]
        streams = await self._streams({(upload.camera_id, upload.stream) for upload in uploads if upload.is_counted})
        page, last_ns = Page(), dict[str, int]()
        for upload in uploads:
            page.received(upload, streams[upload.camera_id, upload.stream] if upload.is_counted else None)
            if not upload.closing:
                last_ns[upload.camera_id] = max(upload.received_at_ns, last_ns.get(upload.camera_id, 0))
        for upload, receipt in zip(uploads, receipts, strict=True):
            page.answered(upload, receipt)
        last_frame_at = {camera_id: datetime.fromtimestamp(ns / 1e9, UTC) for camera_id, ns in last_ns.items()}
        return Commit(datetime.now(UTC), sorted(stored), streams, page, last_frame_at)

    async def _streams(self, keys: set[StreamKey]) -> dict[StreamKey, SequenceTracker]:
        """Copies of the trackers, to work on until the commit has succeeded."""
        if missing := keys - self._trackers.keys():
            self._trackers |= await self._patiently("streams", lambda: self._store.trackers(missing))
        return {key: self._trackers[key].copy() for key in keys}

    def _remember(self, commit: Commit, receipts: Sequence[Receipt]) -> None:
        for key, tracker in commit.streams.items():
            tracker.version += 1
            self._trackers.pop(key, None)
            self._trackers[key] = tracker
        while len(self._trackers) > _MAX_STREAMS:
            self._trackers.pop(next(iter(self._trackers)))
        self._recent.add(receipt.frame_id for receipt in receipts if receipt.frame_id)
        for _, _, entries in commit.page:
            metrics.GAPS.inc(max(0, entries.gaps))

    async def _known(self, frame_ids: Collection[str]) -> set[str]:
        return await self._patiently("known frames", lambda: self._store.known(list(frame_ids)))

    async def _patiently(self, what: str, attempt: Callable[[], Awaitable[T]]) -> T:
        with _timed(what):
            return await patiently(attempt, patience_s=self._patience_s, what=what)


def _answers(arrivals: Sequence[Arrival], stored: set[str]) -> list[Receipt]:
    receipts, seen = [], set[str]()
    for arrival in arrivals:
        upload, frame_id = arrival.upload, arrival.frame_id
        if isinstance(arrival.finding, Rejected):
            receipts.append(refusal(upload, arrival.finding))
            continue
        if upload.closing:
            receipts.append(Receipt(upload.stream, upload.sequence, Outcome.CLOSED))
            continue
        outcome = Outcome.STORED if frame_id in stored and frame_id not in seen else Outcome.DUPLICATE
        seen.add(frame_id)
        receipts.append(Receipt(upload.stream, upload.sequence, outcome, frame_id))
    return receipts


@contextmanager
def _timed(stage: str) -> Iterator[None]:
    began = perf_counter()
    yield
    metrics.STAGE.labels(stage).observe(perf_counter() - began)
