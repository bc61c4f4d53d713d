"""A backlog of stored frames, and how fast inference works it off."""

import asyncio
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil
from aiokafka import AIOKafkaConsumer

from cvops_protos.v1.prediction_pb2 import Prediction
from tests.bench.load import push
from tests.e2e.whole_platform import Platform

SKIPPED = 0.1
"""Share of the predictions at both ends that is not counted: consumers that join, batches that run empty."""


@dataclass(frozen=True, slots=True)
class Drained:
    """How a backlog was worked off: predictions a second, and CPU-milliseconds of inference for each."""

    rate: float
    cpu_ms: float


def drain(platform: Platform, images: Sequence[bytes], *, cameras: int, frames: int) -> Drained:
    """Pushes frames while inference is stopped, lets it go on and watches its predictions."""
    for number in range(cameras):
        platform.run("camera", "add", f"backlog-{number}")
    return asyncio.run(_drain(platform, images, cameras, frames))


async def _drain(platform: Platform, images: Sequence[bytes], cameras: int, frames: int) -> Drained:
    inference = psutil.Process(platform.pid("inference"))
    consumer = AIOKafkaConsumer("predictions", bootstrap_servers=platform.connection["kafka"])
    await consumer.start()
    try:
        os.kill(inference.pid, signal.SIGSTOP)
        address = platform.connection["ingest"]["grpc"]
        await asyncio.gather(*(push(address, platform.key, f"backlog-{n}", images, frames) for n in range(cameras)))
        os.kill(inference.pid, signal.SIGCONT)
        total = cameras * frames
        first, last = int(total * SKIPPED), int(total * (1 - SKIPPED))
        seen, marks = set[str](), dict[int, tuple[float, float, int]]()
        while len(seen) < total:
            batches = await asyncio.wait_for(consumer.getmany(timeout_ms=1000), 60)
            for records in batches.values():
                seen |= {Prediction.FromString(record.value).prediction_id for record in records}
            for mark in (first, last):
                if mark not in marks and len(seen) >= mark:
                    marks[mark] = (time.perf_counter(), _cpu_s(inference), len(seen))
    finally:
        await consumer.stop()
    (began_s, began_cpu_s, began), (ended_s, ended_cpu_s, ended) = marks[first], marks[last]
    count = ended - began
    return Drained(count / (ended_s - began_s), 1e3 * (ended_cpu_s - began_cpu_s) / count)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system
