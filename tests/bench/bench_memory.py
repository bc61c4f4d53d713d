"""Memory of every process, with its own processes, over 20,000 frames: it must not grow."""

import asyncio
import tempfile
import time
from pathlib import Path

import psutil

from tests.bench.load import jpegs_of_clip, push
from tests.bench.table import markdown
from tests.e2e.whole_platform import REFERENCE_DATA, Platform, running_platform

CAMERAS = 4
ROUNDS = 10
FRAMES_PER_ROUND = 500


def _resident_mb(platform: Platform) -> dict[str, float]:
    processes = platform.json("status", check=False)["processes"]
    return {p["name"]: _resident_of(psutil.Process(p["pid"])) / 2**20 for p in processes if p["pid"]}


def _resident_of(process: psutil.Process) -> int:
    return sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))


async def _round(platform: Platform, images: list[bytes]) -> None:
    address = platform.connection["ingest"]["grpc"]
    await asyncio.gather(*(push(address, platform.key, f"mem-{n}", images, FRAMES_PER_ROUND) for n in range(CAMERAS)))


def _wait_for_predictions(platform: Platform, count: int) -> None:
    deadline = time.monotonic() + 300
    while platform.metric("inference", "cvops_inference_predictions_total") < count and time.monotonic() < deadline:
        time.sleep(0.5)


def main() -> str:
    """Runs the benchmark and gives its table."""
    with tempfile.TemporaryDirectory() as folder, running_platform(Path(folder) / "data") as platform:
        platform.serve_yolox(REFERENCE_DATA)
        for number in range(CAMERAS):
            platform.run("camera", "add", f"mem-{number}")
        images = jpegs_of_clip(REFERENCE_DATA / "videos" / "traffic_road_a.mp4")
        samples = []
        for number in range(1, ROUNDS + 1):
            asyncio.run(_round(platform, images))
            _wait_for_predictions(platform, number * CAMERAS * FRAMES_PER_ROUND)
            samples.append(_resident_mb(platform))
    frames = CAMERAS * FRAMES_PER_ROUND
    columns = (1, 2, ROUNDS // 2, ROUNDS)
    rows = [
        (name, *(f"{samples[n - 1][name]:.0f}" for n in columns), f"{samples[-1][name] - samples[1][name]:+.0f}")
        for name in samples[0]
    ]
    header = ("process, MiB resident after", *(f"{n * frames:,}" for n in columns), f"growth from {2 * frames:,} on")
    return markdown(f"Memory over {ROUNDS * frames:,} frames", header, rows)


if __name__ == "__main__":
    print(main())
