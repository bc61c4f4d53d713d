"""Ingest: acknowledged frames a second, 60 kB JPEGs from 8 agents, everything on this machine.

Three times, and the median of them is told: the speed of a shared machine drifts from one minute to the next. Beside it
the limits: all cores, when they only decode, measure and hash the same pictures; and one thread that writes the same
bytes to files of the same size as the segments, each synced.
"""

import asyncio
import os
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import cv2
import psutil
import uvloop

from cvops_ingest.inspection import Wish, inspect
from cvops_vision.probe import ImageLimits
from tests.bench.load import Pushed, jpegs_of_60_kb, push
from tests.bench.table import markdown, ms
from tests.e2e.whole_platform import running_platform

AGENTS = 8
FRAMES = 500
WARM_UP = 40
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Round:
    """One round: acknowledged frames a second, CPU-ms of ingest with its processes a frame, and latencies."""

    rate: float
    cpu_ms: float
    latencies_s: list[float]


@cache
def _images() -> list[bytes]:
    """The pictures that are pushed: drawn once, by the warm-up, and not while a round is timed."""
    return jpegs_of_60_kb()


async def _push_all(address: str, key: str, count: int) -> list[Pushed]:
    return await asyncio.gather(*(push(address, key, f"bench-{n}", _images(), count) for n in range(AGENTS)))


def synced_writes_per_s(folder: Path, frames_per_file: int = 32, files: int = 40) -> float:
    """Frames a second when a thread only writes and syncs files."""
    blob = b"".join(jpegs_of_60_kb(frames_per_file))
    began = time.perf_counter()
    for number in range(files):
        with (folder / str(number)).open("wb", buffering=0) as file:
            file.write(blob)
            os.fdatasync(file.fileno())
    return files * frames_per_file / (time.perf_counter() - began)


def inspected_per_s(seconds: float = 4.0) -> float:
    """Frames a second that this process inspects, without anything around it."""
    cv2.setNumThreads(1)
    wishes, limits = [Wish(image) for image in jpegs_of_60_kb()], ImageLimits()
    count, began = 0, time.perf_counter()
    while (took := time.perf_counter() - began) < seconds:
        inspect(wishes[count % len(wishes)], limits)
        count += 1
    return count / took


def inspected_by_all_cores() -> float:
    """Frames a second when every core only inspects."""
    cores = os.cpu_count() or 1
    with ProcessPoolExecutor(cores, get_context("spawn")) as processes:
        return sum(each.result() for each in [processes.submit(inspected_per_s) for _ in range(cores)])


def push_all(address: str, key: str, count: int) -> list[Pushed]:
    """Pushes `count` frames as each agent, all on one event loop, as fast as acknowledgements come."""
    return uvloop.run(_push_all(address, key, count))


def _round(address: str, key: str, ingest: psutil.Process) -> Round:
    before_s, began_s = _cpu_s(ingest), time.perf_counter()
    pushed = push_all(address, key, FRAMES)
    took_s = time.perf_counter() - began_s
    count = sum(p.acknowledged for p in pushed)
    cpu_ms = 1e3 * (_cpu_s(ingest) - before_s) / count
    return Round(count / took_s, cpu_ms, [latency for p in pushed for latency in p.latencies_s])


def _cpu_s(process: psutil.Process) -> float:
    return sum(sum(each.cpu_times()[:2]) for each in (process, *process.children(recursive=True)))


def main() -> str:
    """Runs the benchmark and gives its table."""
    with tempfile.TemporaryDirectory() as folder, running_platform(Path(folder) / "data") as platform:
        for number in range(AGENTS):
            platform.run("camera", "add", f"bench-{number}")
        address = platform.connection["ingest"]["grpc"]
        push_all(address, platform.key, WARM_UP)
        ingest = psutil.Process(platform.pid("ingest"))
        rounds = sorted((_round(address, platform.key, ingest) for _ in range(ROUNDS)), key=lambda each: each.rate)
        written = synced_writes_per_s(Path(folder))
    inspected = inspected_by_all_cores()
    middle = rounds[ROUNDS // 2]
    rates = ", ".join(f"{each.rate:.0f}" for each in rounds)
    cpu_ms = statistics.median(each.cpu_ms for each in rounds)
    return markdown(
        f"Ingest: {AGENTS} agents, {AGENTS * FRAMES} JPEGs of 60 kB, agents and engines on the same machine",
        ("", "frames/s", "p50 ms", "p99 ms", "CPU ms of ingest a frame"),
        [
            (
                f"acknowledged (on disk, on Kafka, in the ledger); median of {rates}",
                f"{middle.rate:.0f}",
                ms(middle.latencies_s, 50),
                ms(middle.latencies_s, 99),
                f"{cpu_ms:.1f}",
            ),
            ("limit: all cores only inspect pictures", f"{inspected:.0f}", "-", "-", "-"),
            ("limit: a thread that only writes and syncs files", f"{written:.0f}", "-", "-", "-"),
            ("to reach", "500", "-", "-", "-"),
        ],
    )


if __name__ == "__main__":
    print(main())
