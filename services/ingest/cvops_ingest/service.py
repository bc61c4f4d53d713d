"""Ingest: the door for frames. Knows no Kafka, no gRPC and no HTTP."""

import asyncio
from collections.abc import Sequence

from cvops_common.errors import Rejected
from cvops_common.telemetry import logger
from cvops_ingest import metrics
from cvops_ingest.committer import Committer
from cvops_ingest.pipeline import Pending, Pipeline, Reply
from cvops_ingest.presence import Presence
from cvops_ingest.recent import RecentIds
from cvops_ingest.registry import Cameras
from cvops_ingest.settings import IngestSettings
from cvops_ingest.upload import Outcome, Receipt, Upload, check, refusal

log = logger(__name__)

_REJECTION_LOG_EVERY_S = 10.0


class Ingest:
    """Takes frames, and answers each one after its image is on disk and its event acknowledged by the bus.

    A bad frame is answered with its reason and disturbs no other. A frame pushed again is recognised. Every frame of a
    registered camera is booked in the ledger. Frames wait in bounded memory: `submit` waits while it is full.
    """

    def __init__(
        self, cameras: Cameras, committer: Committer, recent: RecentIds, presence: Presence, settings: IngestSettings
    ) -> None:
        self.cameras = cameras
        self.pipeline = Pipeline(committer, settings, self._committed)
        self._recent = recent
        self._presence = presence
        self._thumbnail_every_ns = int(settings.thumbnail_every_s * 1e9)
        self._thumbnail_at_ns: dict[str, int] = {}
        self._rejection_logged_at: dict[tuple[str, str], float] = {}

    async def check(self) -> str | None:
        """None while frames are taken and cameras watched, else a sentence; for readiness."""
        return self.pipeline.check() or self._presence.check()

    async def push(self, upload: Upload) -> Receipt:
        """Takes one frame and waits for its receipt.

        Raises:
            Unavailable: an engine was away for too long, or the service is stopping; push the frame again.
        """
        answered: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()

        def reply(answer: Receipt | Exception) -> None:
            if answered.done():
                return  # whoever waited has gone
            if isinstance(answer, Receipt):
                answered.set_result(answer)
            else:
                answered.set_exception(answer)

        await self.submit(upload, reply)
        return await answered

    async def submit(self, upload: Upload, reply: Reply) -> None:
        """Takes one frame; returns when there is room for it, and calls `reply` later.

        Raises:
            NotReady: the service is starting or stopping.
        """
        try:
            self.cameras.get(upload.camera_id)
            if upload.closing:
                check(upload)  # what is no frame is not in the ledger either when it is refused
        except Rejected as error:
            self._count(upload, receipt := refusal(upload, error))
            reply(receipt)
            return
        await self.pipeline.submit(self._pending(upload, reply))

    def _pending(self, upload: Upload, reply: Reply) -> Pending:
        try:
            check(upload)
        except Rejected as error:
            return Pending(upload, "", reply, inspect=False, verdict=error)
        if upload.closing:
            return Pending(upload, "", reply, inspect=False)
        frame_id = upload.frame_id
        if frame_id in self._recent:
            return Pending(upload, frame_id, reply, inspect=False)
        return Pending(upload, frame_id, reply, thumbnail=self._wants_thumbnail(upload))

    def _wants_thumbnail(self, upload: Upload) -> bool:
        """Once a second and camera at most, by the camera's clock: footage that is pushed fast has its share too."""
        last_ns = self._thumbnail_at_ns.get(upload.camera_id, 0)
        if abs(upload.captured_at_ns - last_ns) < self._thumbnail_every_ns:
            return False
        self._thumbnail_at_ns[upload.camera_id] = upload.captured_at_ns
        return True

    def _committed(self, uploads: Sequence[Upload], receipts: Sequence[Receipt]) -> None:
        for upload, receipt in zip(uploads, receipts, strict=True):
            if upload.closing:
                continue
            self._count(upload, receipt)
            stored = receipt.outcome is Outcome.STORED
            lateness_s = (upload.received_at_ns - upload.captured_at_ns) / 1e9 if stored else None
            self._presence.heard(upload.camera_id, upload.received_at_ns, lateness_s)
            if lateness_s is not None:
                metrics.LATENESS.observe(lateness_s)

    def _count(self, upload: Upload, receipt: Receipt) -> None:
        metrics.FRAMES.labels(receipt.outcome).inc()
        if receipt.outcome is not Outcome.REJECTED:
            return
        metrics.REJECTED.labels(receipt.reason).inc()
        now = upload.received_at_ns / 1e9
        key = (upload.camera_id, receipt.reason)
        if now - self._rejection_logged_at.get(key, 0.0) >= _REJECTION_LOG_EVERY_S:
            if len(self._rejection_logged_at) > 10_000:  # anybody can make up names of cameras
                self._rejection_logged_at.clear()
            self._rejection_logged_at[key] = now
            log.warning("frame rejected", camera=upload.camera_id[:80], reason=receipt.reason, error=receipt.message)
