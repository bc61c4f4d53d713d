"""From a source to ingest: sampling, pacing, scaling, encoding, pushing."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from cvops.connection import Connection
from cvops.edge.config_watch import ConfigWatch
from cvops.edge.pusher import FramePusher
from cvops.edge.sources import Captured, ImageBGR, Source
from cvops.errors import SourceError
from cvops_protos.v1.camera_pb2 import CameraConfig

_NS = 1_000_000_000
_PROGRESS_EVERY_S = 0.2


@dataclass(frozen=True, slots=True)
class PushOptions:
    """How frames are taken from a source.

    Attributes:
        fps: frames a second to send at most; None: all.
        loop: begin again at the end; 1: once, 0: for ever.
        realtime: at the speed of the source's time stamps; else as fast as ingest takes them.
        max_width: wider frames are scaled down, px; None: never.
        jpeg_quality: 1..100.
        spool_dir: see FramePusher; None: no frame outlives this run.
        spool_mb: see FramePusher.
        patience_s: see FramePusher.
        start_ns: capture time of offset 0, nanoseconds since the epoch; None: when the source is opened.
    """

    fps: float | None = None
    loop: int = 1
    realtime: bool = False
    max_width: int | None = None
    jpeg_quality: int = 90
    spool_dir: Path | None = None
    spool_mb: int = 1024
    patience_s: float = 120.0
    start_ns: int | None = None


@dataclass(frozen=True, slots=True)
class PushReport:
    """What became of the frames of a source; `captured` = `sampled_out` + what was sent, waits or was dropped."""

    captured: int = 0
    sampled_out: int = 0
    corrupt: int = 0
    acknowledged: int = 0
    duplicates: int = 0
    rejected: dict[str, int] | None = None
    dropped: int = 0
    waiting: int = 0
    spooled_bytes: int = 0
    disk_is_full: bool = False
    seconds: float = 0.0
    last_rejection: str = ""

    @property
    def fps(self) -> float:
        """Acknowledged frames a second."""
        return self.acknowledged / self.seconds if self.seconds else 0.0


class EdgeAgent:
    """Pushes a source as a camera and obeys the camera's wished configuration."""

    def __init__(
        self,
        source: Source,
        camera_id: str,
        connection: Connection,
        options: PushOptions,
        on_progress: Callable[[PushReport], None] = lambda _: None,
    ) -> None:
        """`on_progress` is called a few times a second on the thread that calls `run`."""
        self._source = source
        self._camera_id = camera_id
        self._connection = connection
        self._wished = options
        self._options = options
        self._paused = False
        self._stopped = threading.Event()
        self._on_progress = on_progress
        self._captured = self._sampled_out = 0
        self._skipped = 0  # since the last frame that was sent
        self._began_s = time.monotonic()
        self._reported_s = 0.0

    def stop(self) -> None:
        """Takes no more frames from the source: `run` returns when those taken are answered for. From any thread."""
        self._stopped.set()

    def run(self) -> PushReport:
        """Pushes until the source ends or `stop` is called, and every frame is answered for.

        Raises:
            SourceError: the source cannot be read; what came before that has been answered for.
            Refused: ingest refuses the camera or the key. ConnectionFailed: it stayed away too long.
        """
        options = self._options
        live = self._source.live or options.realtime
        self._began_s = time.monotonic()
        pusher = FramePusher(
            self._connection,
            self._camera_id,
            spool_dir=options.spool_dir,
            spool_mb=options.spool_mb,
            live=live,
            patience_s=options.patience_s,
        )
        with ConfigWatch(self._connection, self._camera_id, lambda config: self._obey(config, pusher)):
            with pusher:
                self._pump(pusher)
            return self._report(pusher)

    def _pump(self, pusher: FramePusher) -> None:
        try:
            self._send_all(pusher)
        except SourceError:
            self._finish(pusher)
            raise
        except BaseException:
            pusher.finish(self._skipped, wait=False)  # for the next run, where the spool outlives this one
            raise
        self._finish(pusher)

    def _finish(self, pusher: FramePusher) -> None:
        pusher.finish(self._skipped)
        pusher.drain(lambda: self._tell(pusher))

    def _send_all(self, pusher: FramePusher) -> None:
        start_ns = self._options.start_ns or time.time_ns()
        last_sent_s: float | None = None
        for frame in self._paced():
            self._captured += 1
            fps = self._options.fps
            # Half a frame of tolerance: time stamps of cameras tremble.
            too_soon = fps is not None and last_sent_s is not None and frame.offset_s - last_sent_s < 0.98 / fps
            if self._paused or too_soon:
                self._skipped += 1
                self._sampled_out += 1
                continue
            last_sent_s = frame.offset_s
            captured_s = frame.offset_s if frame.captured_s is None else frame.captured_s
            captured_at_ns = start_ns + int(captured_s * _NS)
            pusher.send(self._encode(frame.image), captured_at_ns, sampled_out=self._skipped)
            self._skipped = 0
            self._tell(pusher)

    def _paced(self) -> Iterator[Captured]:
        """Frames of all rounds until it is stopped, each not before its time where real time is wished."""
        began_s = time.monotonic()
        shift_s = 0.0
        rounds = 0
        while self._options.loop == 0 or rounds < self._options.loop:
            last_s = step_s = 0.0
            for frame in self._source.frames():
                step_s, last_s = frame.offset_s - last_s or step_s, frame.offset_s
                if self._options.realtime and not self._source.live:
                    self._stopped.wait(max(0.0, began_s + shift_s + frame.offset_s - time.monotonic()))
                if self._stopped.is_set():
                    return
                captured_s = None if frame.captured_s is None else shift_s + frame.captured_s
                yield replace(frame, offset_s=shift_s + frame.offset_s, captured_s=captured_s)
            shift_s += last_s + (step_s or 1.0)
            rounds += 1

    def _encode(self, image: bytes | ImageBGR) -> bytes:
        limit = self._options.max_width
        if isinstance(image, bytes):
            if limit is None:
                return image
            decoded = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR)
            if decoded is None or decoded.shape[1] <= limit:
                return image
            image = np.asarray(decoded, np.uint8)
        if limit is not None and image.shape[1] > limit:
            size = (limit, max(1, round(image.shape[0] * limit / image.shape[1])))
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        well, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, self._options.jpeg_quality])
        if not well:
            raise SourceError(f"frame {self._captured} of {image.shape} cannot be encoded as JPEG")
        return data.tobytes()

    def _obey(self, config: CameraConfig, pusher: FramePusher) -> None:
        """Takes over what the platform wishes; what it leaves open is as the caller wished."""
        wished = self._wished
        self._options = replace(
            wished,
            fps=config.fps if config.HasField("fps") else wished.fps,
            max_width=config.max_width if config.HasField("max_width") else wished.max_width,
            jpeg_quality=config.jpeg_quality if config.HasField("jpeg_quality") else wished.jpeg_quality,
        )
        self._paused = config.paused
        pusher.config_revision = config.revision

    def _tell(self, pusher: FramePusher) -> None:
        now_s = time.monotonic()
        if now_s - self._reported_s > _PROGRESS_EVERY_S:
            self._reported_s = now_s
            self._on_progress(self._report(pusher))

    def _report(self, pusher: FramePusher) -> PushReport:
        counts = pusher.counts
        return PushReport(
            captured=self._captured,
            sampled_out=self._sampled_out,
            corrupt=self._source.corrupt,
            acknowledged=counts.acknowledged,
            duplicates=counts.duplicates,
            rejected=counts.rejected,
            dropped=counts.dropped,
            waiting=counts.waiting,
            spooled_bytes=counts.spooled_bytes,
            disk_is_full=counts.disk_is_full,
            seconds=time.monotonic() - self._began_s,
            last_rejection=pusher.last_rejection,
        )
