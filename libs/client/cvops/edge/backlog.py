"""Frames between capture and acknowledgement: a window in memory, and a spool behind it."""

import threading
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field
from pathlib import Path

from cvops.edge.spool import Spool
from cvops_protos.v1.ingest_pb2 import PushFramesRequest, PushFramesResponse

Position = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the frames so far. `waiting` is in memory, `spooled_bytes` on disk, which may be full."""

    acknowledged: int
    duplicates: int
    rejected: dict[str, int]
    dropped: int
    waiting: int
    spooled_bytes: int
    disk_is_full: bool = False


@dataclass(slots=True)
class _Sent:
    request: PushFramesRequest
    file: Path | None = None


@dataclass(slots=True)
class _File:
    left: set[Position] = field(default_factory=set)


class Backlog:
    """A FIFO of frames that keeps each until ingest has answered for it. Thread-safe.

    A frame goes to memory while there is room and nothing older is on disk. Else a live source has it written to the
    spool, and any other source waits.

    Attributes:
        last_rejection: what ingest said of the last frame that it refused.
    """

    def __init__(self, spool: Spool, *, memory_frames: int, window: int, live: bool) -> None:
        """Bounds are in frames: `memory_frames` wait in memory, `window` are sent and not yet answered."""
        self._spool = spool
        self._memory_frames = memory_frames
        self._window = window
        self._live = live
        self._waiting: deque[_Sent] = deque()
        self._unanswered: OrderedDict[Position, _Sent] = OrderedDict()
        self._files: dict[Path, _File] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._acknowledged = self._duplicates = 0
        self._rejected: Counter[str] = Counter()
        self.last_rejection = ""

    def put(self, request: PushFramesRequest, timeout_s: float | None = None) -> bool:
        """Adds a frame; a source that is not live waits for room. After `close` nothing is taken.

        Returns:
            False when there was no room within the time; None waits for ever.
        """
        with self._changed:
            if not self._live and not self._changed.wait_for(lambda: self._has_room() or self._closed, timeout_s):
                return False
            if self._closed:
                return True
            if self._has_room():
                self._waiting.append(_Sent(request))
            else:
                self._spool.append(request)
            self._changed.notify_all()
            return True

    def next(self, timeout_s: float, ended: threading.Event) -> PushFramesRequest | None:
        """The next frame to send, from now on unanswered; None when there is none within the time or the window.

        `ended` is set before `send_again` when the call that asks has broken: what is sent again is for its successor.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._sendable() or self._closed or ended.is_set(), timeout_s)
            if self._closed or ended.is_set() or not self._sendable():
                return None
            if not self._waiting:
                self._load()
            if not self._waiting:
                return None
            sent = self._waiting.popleft()
            self._unanswered[sent.request.stream, sent.request.sequence] = sent
            self._changed.notify_all()
            return sent.request

    def answer(self, response: PushFramesResponse) -> None:
        """Ingest has answered for a frame; an answer that was given before changes nothing."""
        with self._changed:
            position = (response.stream, response.sequence)
            sent = self._unanswered.pop(position, None)
            if sent is None:
                return
            if response.status == PushFramesResponse.STATUS_REJECTED:
                self._rejected[response.reason or "rejected"] += 1
                self.last_rejection = response.message
            elif response.status != PushFramesResponse.STATUS_CLOSED:
                self._acknowledged += 1
                self._duplicates += response.status == PushFramesResponse.STATUS_DUPLICATE
            if sent.file is not None:
                self._settle(sent.file, position)
            self._changed.notify_all()

    def send_again(self) -> None:
        """The connection broke: what was not answered is sent again, in order, before anything newer."""
        with self._changed:
            self._waiting.extendleft(reversed(self._unanswered.values()))
            self._unanswered.clear()
            self._changed.notify_all()

    @property
    def empty(self) -> bool:
        """Whether every frame has been answered for."""
        with self._changed:
            return not (self._waiting or self._unanswered or self._spool)

    @property
    def counts(self) -> Counts:
        """What became of the frames so far."""
        with self._changed:
            return Counts(
                acknowledged=self._acknowledged,
                duplicates=self._duplicates,
                rejected=dict(self._rejected),
                dropped=self._spool.dropped,
                waiting=len(self._waiting) + len(self._unanswered),
                spooled_bytes=self._spool.size_bytes,
                disk_is_full=self._spool.disk_is_full,
            )

    def close(self) -> int:
        """Keeps what is in memory on disk for the next run, before what is there; gives the number kept there anew."""
        with self._changed:
            self._closed = True
            left = [*self._unanswered.values(), *self._waiting]
            self._unanswered.clear()
            self._waiting.clear()
            self._changed.notify_all()
            try:
                if left:
                    self._spool.put_back([sent.request for sent in left], instead_of=list(self._files))
                    self._files.clear()
            finally:
                self._spool.close()
            return sum(sent.file is None for sent in left)

    def _has_room(self) -> bool:
        return len(self._waiting) < self._memory_frames and not self._spool

    def _sendable(self) -> bool:
        return len(self._unanswered) < self._window and bool(self._waiting or self._spool)

    def _load(self) -> None:
        """Takes the oldest file of the spool into memory."""
        taken = self._spool.take()
        if taken is None:
            return
        path, requests = taken
        self._files[path] = _File({(request.stream, request.sequence) for request in requests})
        self._waiting.extend(_Sent(request, path) for request in requests)

    def _settle(self, path: Path, position: Position) -> None:
        file = self._files[path]
        file.left.discard(position)
        if not file.left:
            del self._files[path]
            self._spool.remove(path)
