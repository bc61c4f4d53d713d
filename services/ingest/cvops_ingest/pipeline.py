"""From uploads to answers: inspected in threads, committed in groups, with bounded memory.

Frames that arrive while a commit is under way form the next one (group commit): an idle system commits one frame at
once, a busy one many together, and nobody waits for a timer. Order of arrival is kept throughout.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

import cv2

from cvops_common.errors import BadImage, CvopsError, NotReady, Rejected
from cvops_common.telemetry import logger
from cvops_ingest import metrics
from cvops_ingest.budget import ByteBudget
from cvops_ingest.committer import Arrival, Committer
from cvops_ingest.inspection import Inspection, Wish
from cvops_ingest.inspectors import Inspectors
from cvops_ingest.settings import IngestSettings
from cvops_ingest.upload import Receipt, Upload

Reply = Callable[[Receipt | Exception], None]
"""Called once per upload, on the event loop: with its receipt, or with why there is none."""

log = logger(__name__)

_FRAMES_PER_HOP = 8
_HOPS_PER_THREAD = 2
"""One is worked on and one waits, so that no thread waits for the event loop."""


@dataclass(frozen=True, slots=True)
class Pending:
    """An upload on its way; `verdict` is set when no inspection is needed: refused already, else known or no frame."""

    upload: Upload
    frame_id: str
    reply: Reply
    thumbnail: bool = False
    inspect: bool = True
    verdict: Rejected | None = None


@dataclass(frozen=True, slots=True)
class _Hop:
    """Uploads that were given to a thread together, and what it will find."""

    pending: Sequence[Pending]
    findings: asyncio.Future[list[Inspection | BadImage]]


class Pipeline:
    """Takes uploads while it is entered."""

    def __init__(
        self,
        committer: Committer,
        settings: IngestSettings,
        on_commit: Callable[[Sequence[Upload], Sequence[Receipt]], None],
    ) -> None:
        self._committer = committer
        self._settings = settings
        self._on_commit = on_commit
        self._budget = ByteBudget(settings.in_flight_bytes)
        self._waiting: deque[Pending] = deque()
        self._hops: deque[_Hop] = deque()
        self._ready: deque[tuple[Pending, Arrival]] = deque()
        self._has_waiting, self._has_hops, self._idle = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._threads_free = asyncio.Semaphore(_HOPS_PER_THREAD * settings.inspect_threads)
        self._inspectors = Inspectors(settings)
        self._threads: ThreadPoolExecutor | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._unanswered = 0

    async def __aenter__(self) -> Self:
        cv2.setNumThreads(1)  # our threads are the parallel ones; OpenCV's own would only wake and wait
        self._threads = ThreadPoolExecutor(self._settings.inspect_threads, thread_name_prefix="inspect")
        self._tasks = [asyncio.create_task(self._inspect()), asyncio.create_task(self._commit())]
        return self

    async def __aexit__(self, *_: object) -> None:
        threads, self._threads = self._threads, None  # from here on nothing is taken
        with suppress(TimeoutError):
            await asyncio.wait_for(self._drained(), self._settings.shutdown_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks, timeout=1.0)
        if threads is not None:
            threads.shutdown(wait=True, cancel_futures=True)
            self._inspectors.close()

    def check(self) -> str | None:
        """None while uploads are taken and worked on, else a sentence; for readiness."""
        if self._threads is None or any(task.done() for task in self._tasks):
            return "frames are not taken: the pipeline does not run"
        return None

    async def submit(self, pending: Pending) -> None:
        """Hands in an upload; returns when there is room for it, long before it is answered.

        Raises:
            NotReady: the service is starting or stopping.
        """
        await self._budget.acquire(len(pending.upload.image))
        if self._threads is None:
            self._budget.release(len(pending.upload.image))
            raise NotReady("ingest is starting or stopping: push the frame again")
        self._unanswered += 1
        self._idle.clear()
        self._waiting.append(pending)
        self._has_waiting.set()

    async def _drained(self) -> None:
        if self._unanswered:
            await self._idle.wait()

    # -- inspecting ------------------------------------------------------------------------------------------------

    async def _inspect(self) -> None:
        loop, threads = asyncio.get_running_loop(), self._threads
        while True:
            await self._has_waiting.wait()
            await self._threads_free.acquire()
            pending = self._take()
            wishes = [Wish(item.upload.image, item.thumbnail) for item in pending if item.inspect]
            findings = loop.run_in_executor(threads, self._inspectors.inspect_all, wishes)
            findings.add_done_callback(lambda _: self._threads_free.release())
            self._hops.append(_Hop(pending, findings))
            self._has_hops.set()

    def _take(self) -> list[Pending]:
        """A fair share of what waits for one thread: not one hop per frame, and no thread left idle."""
        share = -(-len(self._waiting) // self._settings.inspect_threads)
        taken = [self._waiting.popleft() for _ in range(min(share, _FRAMES_PER_HOP))]
        if not self._waiting:
            self._has_waiting.clear()
        return taken

    # -- committing ------------------------------------------------------------------------------------------------

    async def _commit(self) -> None:
        while True:
            group = await self._next_group()
            arrivals = [arrival for _, arrival in group]
            answers: Sequence[Receipt | Exception]
            try:
                receipts = await self._committer.commit(arrivals)
                self._on_commit([arrival.upload for arrival in arrivals], receipts)
                answers = receipts
            except CvopsError as error:
                log.warning("frames handed back", frames=len(group), reason=error.reason, error=str(error))
                answers = [error] * len(group)
            except Exception as error:
                log.exception("commit failed", frames=len(group))
                answers = [error] * len(group)
            self._answer([pending for pending, _ in group], answers)

    async def _next_group(self) -> list[tuple[Pending, Arrival]]:
        """Everything that is inspected by now, up to the limits of a segment; at least one frame.

        A commit costs the same for many frames as for one, so the group grows while others are being inspected, up to
        half of all that wait for an answer: then one half is inspected while the other is committed, and neither the
        threads nor the engines stand still. When nothing else is on its way it does not wait.
        """
        if not self._ready:
            await self._has_hops.wait()
            await self._collect()
        try:
            async with asyncio.timeout(self._settings.linger_s):
                while self._hops and 2 * len(self._ready) < self._unanswered and not self._is_full():
                    await self._collect()
        except TimeoutError:
            pass
        group = [self._ready.popleft()]
        size = len(group[0][0].upload.image)
        while self._ready and len(group) < self._settings.segment_frames:
            size += len(self._ready[0][0].upload.image)
            if size > self._settings.segment_bytes:
                break
            group.append(self._ready.popleft())
        return group

    def _is_full(self) -> bool:
        """Whether what is inspected fills a segment."""
        return (
            len(self._ready) >= self._settings.segment_frames
            or sum(len(pending.upload.image) for pending, _ in self._ready) >= self._settings.segment_bytes
        )

    async def _collect(self) -> None:
        """Waits for the oldest hop and appends what it found."""
        found = iter(await asyncio.shield(self._hops[0].findings))  # who lingers gives up waiting, not the work
        hop = self._hops.popleft()
        for pending in hop.pending:
            finding = next(found) if pending.inspect else pending.verdict
            self._ready.append((pending, Arrival(pending.upload, pending.frame_id, finding)))
        if not self._hops:
            self._has_hops.clear()

    def _answer(self, group: Sequence[Pending], answers: Sequence[Receipt | Exception]) -> None:
        for pending, answer in zip(group, answers, strict=True):
            self._budget.release(len(pending.upload.image))
            pending.reply(answer)
        metrics.IN_FLIGHT.set(self._budget.held)
        self._unanswered -= len(group)
        if not self._unanswered:
            self._idle.set()
