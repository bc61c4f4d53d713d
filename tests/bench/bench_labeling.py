"""Labeling: the catalog beside its goal, choosing, lending, labels of several authors, imports, a dataset version."""

import asyncio
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from cvops import Client, Connection
from cvops.labeling import ImportImage
from cvops_common.bus import Bus
from cvops_common.objects import Objects
from cvops_common.records import Outgoing
from cvops_labeling.selection import Budget, choose
from cvops_protos.v1.labeling_pb2 import Author
from cvops_protos.v1.prediction_pb2 import ModelRef, Prediction
from tests.bench.table import markdown, ms
from tests.e2e.whole_platform import Platform, running_platform
from tests.labeling.conftest import Seen, box, image_bytes
from tests.labeling.test_selection import pool

_CAMERAS, _FRAMES = 20, 600
_AUTHORS = 4
_IMAGES = 400


async def _feed(platform: Platform, begin: datetime) -> None:
    seen = Seen(
        Objects(platform.connection["objects"]), "default", ModelRef(name="m", version="1", bundle_sha256="0" * 64)
    )
    frames: list[Prediction] = await seen.frames(
        [f"bench-{i}" for i in range(_CAMERAS)], _FRAMES, begin=begin, every_s=0.2
    )
    async with Bus(platform.connection["kafka"], service="bench") as bus:
        for i in range(0, len(frames), 1000):
            await bus.publish_many([Outgoing(each, each.camera_id) for each in frames[i : i + 1000]])


def _wait_for(platform: Platform, client: Client, count: int) -> None:
    """Until the catalog has so many frames."""
    from pymongo import MongoClient

    with MongoClient(platform.connection["mongo"]) as mongo:
        while mongo["cvops_labeling"]["frames"].estimated_document_count() < count:
            time.sleep(0.05)


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> str:
    """Runs the benchmark and gives its table."""
    count = _CAMERAS * _FRAMES
    begin = datetime.now(UTC) - timedelta(seconds=_FRAMES * 0.2 + 60)
    with tempfile.TemporaryDirectory() as folder, running_platform(Path(folder) / "data") as platform:
        process = psutil.Process(platform.pid("labeling"))
        connection = Connection.find(platform.data_dir, {})
        with Client(connection) as client:
            cpu_s = sum(process.cpu_times()[:2])
            asyncio.run(_feed(platform, begin))
            _wait_for(platform, client, count)
            cpu_s = sum(process.cpu_times()[:2]) - cpu_s
            select_s = _timed(lambda: client.labeling.select(since=begin))
            tasks = client.labeling.lease("", 100, "bench")
            latencies = _label(connection, tasks)
            images = [ImportImage(f"{i}", image_bytes(10_000 + i), [box()] * 5) for i in range(_IMAGES)]
            import_s = _timed(lambda: client.labeling.import_images("imported", images))
            release_s = _timed(lambda: client.labeling.release("imported"))
    candidates = pool(20_000, cameras=10)
    choose_s = _timed(lambda: choose(candidates, Budget(100, 1000, 0.3, 4), seed=1))
    return markdown(
        f"Labeling: {count} predictions of {_CAMERAS} cameras, engines and load on the same machine",
        ("item", "ours", "must"),
        [
            ("predictions/s into the catalog, of one core (CPU time of the process)", f"{count / cpu_s:.0f}", "500"),
            ("choosing 100 of 20,000 candidates, CPU s", f"{choose_s:.2f}", "-"),
            (f"an episode's choice: {count} candidates, assets, {len(tasks)} tasks, s", f"{select_s:.2f}", "-"),
            (
                f"label of 5 boxes, {_AUTHORS} authors at once, p50 / p99 ms",
                f"{ms(latencies, 50)} / {ms(latencies, 99)}",
                "-",
            ),
            ("images with labels imported a second", f"{_IMAGES / import_s:.0f}", "-"),
            (f"dataset version of {_IMAGES} images, s", f"{release_s:.2f}", "-"),
        ],
    )


def _label(connection: Connection, tasks: list) -> list[float]:
    """Seconds that each label took."""

    def author(number: int) -> list[float]:
        with Client(connection) as client:
            name = Author(kind="human", name=f"a{number}")
            return [
                _timed(lambda task=task: client.labeling.submit(task, [box()] * 5, name, task.revision))
                for task in tasks[number::_AUTHORS]
            ]

    with ThreadPoolExecutor(_AUTHORS) as threads:
        return [each for some in threads.map(author, range(_AUTHORS)) for each in some]


if __name__ == "__main__":
    print(main())
