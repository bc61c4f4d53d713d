"""Pushes the frames of one camera to ingest: a stream with a window, again and again until each is answered for."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import grpc

from cvops.connection import Connection
from cvops.edge.backlog import Backlog, Counts
from cvops.edge.spool import Spool
from cvops.errors import ConnectionFailed, CvopsError, SpoolError, from_grpc
from cvops_protos.v1.ingest_pb2 import PushFramesRequest
from cvops_protos.v1.ingest_pb2_grpc import IngestStub

# Errors that no patience can heal: key, role, camera, request.
_FATAL = (
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.UNIMPLEMENTED,
)
_WINDOW = 32
_MEMORY_FRAMES = 64
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
_POLL_S = 0.1
_WARN_EVERY_S = 60.0

log = logging.getLogger(__name__)


class FramePusher:
    """Sends frames of one camera in order and keeps each until it is on disk on the other side. Thread-safe.

    Example:
        with FramePusher(Connection.find(), "gate-3") as pusher:
            pusher.send(jpeg, captured_at_ns=time.time_ns())
    """

    def __init__(
        self,
        connection: Connection,
        camera_id: str,
        *,
        spool_dir: Path | None = None,
        spool_mb: int = 1024,
        live: bool = False,
        patience_s: float = 120.0,
    ) -> None:
        """Connects when the first frame is sent.

        Args:
            connection: where ingest is, and the key.
            camera_id: whose frames.
            spool_dir: frames that cannot be sent wait here, also for the next run. None: a folder of this run alone.
            spool_mb: size of the spool, MiB; when it or its disk is full the oldest frames are dropped and counted.
            live: the source does not wait: frames go to the spool when memory is full. Else `send` waits.
            patience_s: how long `close`, and `send` when it waits for room, go without any answer before they give up.

        Raises:
            ConnectionFailed: it is not known where ingest is. SpoolError: the spool cannot be used.
        """
        self.camera_id = camera_id
        self.config_revision = 0
        self._connection = connection
        self._channel = connection.channel("ingest")
        self._own_folder = TemporaryDirectory(prefix="cvops-spool-") if spool_dir is None else None
        self._folder = Path(self._own_folder.name) if self._own_folder else Path(spool_dir or "") / camera_id
        try:
            spool = Spool(self._folder, spool_mb * 2**20)
        except OSError as error:
            raise self._spool_error(error) from error
        self._backlog = Backlog(spool, memory_frames=_MEMORY_FRAMES, window=_WINDOW, live=live)
        self._patience_s = patience_s
        self._stream = f"{time.time_ns():x}-{os.urandom(3).hex()}"
        self._sequence = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._call: Any = None
        self._fatal: CvopsError | None = None
        self._last_answer_s = time.monotonic()
        self._warned_s = -_WARN_EVERY_S
        self._thread = threading.Thread(target=self._run, name=f"push-{camera_id}", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()

    def send(self, image: bytes, captured_at_ns: int, *, sampled_out: int = 0, traceparent: str = "") -> None:
        """Queues an encoded image.

        Args:
            image: JPEG, PNG or WebP.
            captured_at_ns: when the light fell on the sensor, nanoseconds since the epoch.
            sampled_out: frames left out on purpose since the last one.
            traceparent: W3C trace context; empty: a new trace.

        Raises:
            Refused: ingest refuses all frames of this camera, for what it told.
            ConnectionFailed: the source is not live, memory is full and nobody answered for `patience_s`.
            SpoolError: the frame had to go to disk, and the disk does not take it, for another reason than being full.
        """
        self._raise_fatal()
        with self._lock:
            request = PushFramesRequest(
                camera_id=self.camera_id,
                stream=self._stream,
                sequence=self._sequence,
                image=image,
                sampled_out=sampled_out,
                traceparent=traceparent or f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-01",
                config_revision=self.config_revision,
            )
            request.captured_at.FromNanoseconds(captured_at_ns)
            self._sequence += 1
            self._put(request)
        self._raise_fatal()
        self._warn_of_full_disk()

    def finish(self, sampled_out: int, *, wait: bool = True) -> None:
        """Queues the end of the stream: so ingest learns what its last frame could not tell. Raises as `send` does.

        Args:
            sampled_out: frames left out on purpose since the last one.
            wait: for room; else the end is told only where there is some.
        """
        if not sampled_out and not self.counts.dropped:
            return  # the last frame has told everything
        with self._lock:
            request = PushFramesRequest(
                camera_id=self.camera_id,
                stream=self._stream,
                sequence=self._sequence,
                sampled_out=sampled_out,
                config_revision=self.config_revision,
                closing=True,
            )
            request.captured_at.FromNanoseconds(time.time_ns())
            if wait:
                self._put(request)
            else:
                with suppress(OSError):
                    self._backlog.put(request, timeout_s=0)

    @property
    def counts(self) -> Counts:
        """What became of the frames so far."""
        return self._backlog.counts

    @property
    def last_rejection(self) -> str:
        """What ingest said of the last frame that it refused."""
        return self._backlog.last_rejection

    def drain(self, on_wait: Callable[[], None] = lambda: None) -> None:
        """Waits until every frame is answered for; calls `on_wait` meanwhile.

        Raises:
            Refused: ingest refuses all frames of this camera.
            ConnectionFailed: it did not answer for `patience_s`; what is left stays in the spool.
        """
        self._last_answer_s = time.monotonic()
        while not self._backlog.empty:
            self._raise_fatal()
            self._raise_impatience(self._last_answer_s)
            on_wait()
            time.sleep(0.02)

    def close(self) -> None:
        """Drains and stops; raises as `drain` does."""
        try:
            self.drain()
        finally:
            self.abandon()
        self._raise_fatal()

    def abandon(self) -> None:
        """Stops at once; what was not answered stays in the spool, if that has a folder of its own."""
        self._stop.set()
        if self._call is not None:
            self._call.cancel()
        try:
            self._backlog.close()
        except OSError as error:
            raise self._spool_error(error) from error
        finally:
            self._thread.join(10)
            if self._own_folder is not None:
                self._own_folder.cleanup()

    def _put(self, request: PushFramesRequest) -> None:
        began_s = time.monotonic()
        try:
            while not self._backlog.put(request, timeout_s=_POLL_S):
                self._raise_fatal()
                self._raise_impatience(max(began_s, self._last_answer_s))
        except OSError as error:
            raise self._spool_error(error) from error

    def _warn_of_full_disk(self) -> None:
        now_s = time.monotonic()
        counts = self.counts
        if counts.disk_is_full and now_s - self._warned_s >= _WARN_EVERY_S:
            self._warned_s = now_s
            log.warning(
                "the disk of spool %s is full: the oldest frames of %s are dropped, %d so far; "
                "make room there, or choose another --spool-dir",
                self._folder,
                self.camera_id,
                counts.dropped,
            )

    def _raise_impatience(self, since_s: float) -> None:
        if time.monotonic() - since_s > self._patience_s:
            raise ConnectionFailed(
                f"ingest at {self._connection.ingest} did not answer for {self._patience_s:g} s; "
                f"{self.counts.waiting} frames of {self.camera_id} were not acknowledged: "
                "push again with the same --spool-dir to send them"
            )

    def _spool_error(self, error: OSError) -> SpoolError:
        return SpoolError(
            f"spool {self._folder} cannot be used: {error.strerror or error}; "
            "choose a --spool-dir with room that can be written to"
        )

    def _raise_fatal(self) -> None:
        if self._fatal is not None:
            raise self._fatal

    def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        with self._channel as channel:
            while not self._stop.is_set():
                before = self._last_answer_s
                try:
                    self._converse(IngestStub(channel))
                except grpc.RpcError as error:
                    call: Any = error
                    if call.code() in _FATAL:
                        self._fatal = from_grpc(error, self._connection.ingest)
                        with suppress(OSError):  # the refusal is what has to be told
                            self._backlog.close()
                        return
                self._backlog.send_again()
                pause_s = _FIRST_PAUSE_S if self._last_answer_s != before else min(2 * pause_s, _LONGEST_PAUSE_S)
                self._stop.wait(pause_s)

    def _converse(self, stub: IngestStub) -> None:
        """One connection: sends what waits, takes answers, until it breaks or this pusher stops."""
        ended = threading.Event()

        def requests() -> Iterator[PushFramesRequest]:
            while not (self._stop.is_set() or ended.is_set()):
                request = self._backlog.next(_POLL_S, ended)
                if request is not None:
                    yield request

        call: Any = stub.PushFrames(requests(), metadata=self._connection.metadata)
        self._call = call
        if self._stop.is_set():  # between the look at it and the call
            call.cancel()
        try:
            for response in call:
                self._last_answer_s = time.monotonic()
                self._backlog.answer(response)
                if self._stop.is_set():
                    break
        finally:
            ended.set()
            call.cancel()
