"""Continuous batching without a timer: a free worker takes what waits, up to a batch of one model.

An idle system answers one image at once; under load batches fill themselves. Decoding, the model and suppression run
on worker threads that release the GIL; the event loop is woken once per finished batch.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from cvops_common.errors import Overloaded, Unavailable
from cvops_common.telemetry import logger
from cvops_inference.image import Image
from cvops_inference.metrics import BATCH_IMAGES, STAGE_SECONDS, WAITING
from cvops_inference.model import Model, result_at
from cvops_inference.result import Result, Timing
from cvops_vision.letterbox import Placement

log = logger(__name__)


@dataclass(slots=True, eq=False)
class _Job:
    image: Image
    score_threshold: float | None
    future: "asyncio.Future[Result]"
    waiting_since_s: float = field(default_factory=time.perf_counter)


class Engine:
    """Workers and the images that wait for them. Made for one event loop."""

    def __init__(self, workers: int, queue_limit: int) -> None:
        """Starts nothing yet.

        Args:
            workers: threads.
            queue_limit: images that may wait when a caller accepts to be refused.
        """
        self.workers = workers
        self._queue_limit = queue_limit
        self._waiting: dict[Model, deque[_Job]] = {}
        self._count = 0
        self._changed = threading.Condition()
        self._stopping = False
        self._threads: list[threading.Thread] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._work, args=(number,), name=f"worker-{number}", daemon=True)
            for number in range(self.workers)
        ]
        for thread in self._threads:
            thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        with self._changed:
            self._stopping = True
            left = [job for jobs in self._waiting.values() for job in jobs]
            self._waiting.clear()
            self._changed.notify_all()
        for job in left:
            _settle(job, Unavailable("inference is stopping; try again"))
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    def submit(
        self, model: Model, images: Sequence[Image], *, score_threshold: float | None = None, refusable: bool
    ) -> list["asyncio.Future[Result]"]:
        """Queues images for a model; each future gives a Result or the error of its image. Call on the event loop.

        Args:
            model: which model.
            images: in any number.
            score_threshold: instead of the model's own.
            refusable: whether a full queue refuses them. The stream is not refused: it is bounded by its batches.

        Raises:
            Overloaded: the queue is full.
        """
        loop = asyncio.get_running_loop()
        jobs = [_Job(image, score_threshold, loop.create_future()) for image in images]
        with self._changed:
            if refusable and self._count + len(jobs) > self._queue_limit:
                raise Overloaded(
                    f"{self._count} images wait, {len(jobs)} more exceed the limit of {self._queue_limit}: "
                    "slow down and try again, or add replicas"
                )
            self._waiting.setdefault(model, deque()).extend(jobs)
            self._count += len(jobs)
            WAITING.set(self._count)
            self._changed.notify(len(jobs))
        return [job.future for job in jobs]

    def _take(self) -> tuple[Model, list[_Job]] | None:
        """A batch of the model whose first image has waited longest; blocks; None when stopping."""
        with self._changed:
            while not self._waiting:
                if self._stopping:
                    return None
                self._changed.wait()
            model = min(self._waiting, key=lambda model: self._waiting[model][0].waiting_since_s)
            queue = self._waiting[model]
            jobs = [queue.popleft() for _ in range(min(model.max_batch, len(queue)))]
            if not queue:
                del self._waiting[model]
            self._count -= len(jobs)
            WAITING.set(self._count)
            return model, jobs

    def _work(self, number: int) -> None:
        while (batch := self._take()) is not None:
            model, jobs = batch
            try:
                outcomes = _run(model, number, jobs)
            except Exception as error:
                log.exception("batch failed", model=model.spec.name, images=len(jobs))
                outcomes = [error] * len(jobs)
            if self._loop is not None and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(_settle_all, jobs, outcomes)


def _run(model: Model, number: int, jobs: Sequence[_Job]) -> list[Result | Exception]:
    """Decodes, runs and reads a batch; an image that cannot be decoded fails alone."""
    lane = model.lanes[number]
    began_s = time.perf_counter()
    outcomes: list[Result | Exception | None] = [None] * len(jobs)
    filled: list[tuple[int, Placement, float]] = []
    at_s = began_s
    for index, job in enumerate(jobs):
        try:
            placement = job.image.fill(lane.slots[len(filled)], model.spec.input.resize)
        except Exception as error:
            outcomes[index] = error
            continue
        now_s = time.perf_counter()
        filled.append((index, placement, now_s - at_s))
        at_s = now_s
    if filled:
        lane.run(len(filled))
    infer_s = time.perf_counter() - at_s
    for slot, (index, placement, decode_s) in enumerate(filled):
        job = jobs[index]
        timing = Timing(began_s - job.waiting_since_s, decode_s, infer_s, 0.0, len(filled))
        outcomes[index] = result_at(model.spec, lane.outputs, slot, placement, job.score_threshold, timing)
    _observe(len(filled), infer_s, [outcome for outcome in outcomes if isinstance(outcome, Result)])
    return [outcome for outcome in outcomes if outcome is not None]


def _observe(size: int, infer_s: float, results: Sequence[Result]) -> None:
    if not size:
        return
    BATCH_IMAGES.observe(size)
    _INFER.observe(infer_s)
    for result in results:
        _QUEUE.observe(result.timing.queue_s)
        _DECODE.observe(result.timing.decode_s)
        _POST.observe(result.timing.post_s)


_QUEUE, _DECODE, _INFER, _POST = (STAGE_SECONDS.labels(stage) for stage in ("queue", "decode", "infer", "post"))


def _settle_all(jobs: Sequence[_Job], outcomes: Sequence[Result | Exception]) -> None:
    for job, outcome in zip(jobs, outcomes, strict=True):
        _settle(job, outcome)


def _settle(job: _Job, outcome: Result | Exception) -> None:
    if job.future.done():
        return
    if isinstance(outcome, Exception):
        job.future.set_exception(outcome)
    else:
        job.future.set_result(outcome)
