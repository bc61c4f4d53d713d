"""Ingest: acknowledged frames a second, 60 kB JPEGs from 8 agents, everything on this machine.

Beside it the limit: the same bytes written to files of the same size as the segments, each synced, by one thread.
"""

import asyncio
import os
import tempfile
import time
from pathlib import Path

from tests.bench.load import Pushed, jpegs_of_60_kb, push
from tests.bench.table import markdown, ms
from tests.e2e.whole_platform import running_platform

AGENTS = 8
FRAMES = 500
WARM_UP = 40


async def _push_all(address: str, key: str, count: int) -> list[Pushed]:
    images = jpegs_of_60_kb()
    return await asyncio.gather(*(push(address, key, f"bench-{n}", images, count) for n in range(AGENTS)))


def synced_writes_per_s(folder: Path, frames_per_file: int = 32, files: int = 40) -> float:
    """Frames a second when a thread only writes and syncs files."""
    blob = b"".join(jpegs_of_60_kb(frames_per_file))
    began = time.perf_counter()
    for number in range(files):
        with (folder / str(number)).open("wb", buffering=0) as file:
            file.write(blob)
            os.fdatasync(file.fileno())
    return files * frames_per_file / (time.perf_counter() - began)


def main() -> str:
    """Runs the benchmark and gives its table."""
    with tempfile.TemporaryDirectory() as folder, running_platform(Path(folder) / "data") as platform:
        for number in range(AGENTS):
            platform.run("camera", "add", f"bench-{number}")
        address = platform.connection["ingest"]["grpc"]
        asyncio.run(_push_all(address, platform.key, WARM_UP))
        began = time.perf_counter()
        pushed = asyncio.run(_push_all(address, platform.key, FRAMES))
        rate = sum(p.acknowledged for p in pushed) / (time.perf_counter() - began)
        limit = synced_writes_per_s(Path(folder))
    latencies = [latency for p in pushed for latency in p.latencies_s]
    return markdown(
        f"Ingest: {AGENTS} agents, {AGENTS * FRAMES} JPEGs of 60 kB, agents and engines on the same machine",
        ("", "frames/s", "p50 ms", "p99 ms"),
        [
            ("acknowledged (on disk, on Kafka, in the ledger)", f"{rate:.0f}", ms(latencies, 50), ms(latencies, 99)),
            ("limit: a thread that only writes and syncs files", f"{limit:.0f}", "-", "-"),
            ("to reach", "500", "-", "-"),
        ],
    )


if __name__ == "__main__":
    print(main())
