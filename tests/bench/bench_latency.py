"""From push to prediction: 4 cameras x 5 frames a second, YOLOX-nano, everything on this machine."""

import asyncio
import tempfile
import time
from pathlib import Path

from aiokafka import AIOKafkaConsumer

from cvops_protos.v1.prediction_pb2 import Prediction
from tests.bench.load import Pushed, jpegs_of_clip, push
from tests.bench.table import markdown, ms
from tests.e2e.whole_platform import REFERENCE_DATA, Platform, running_platform

CAMERAS = 4
FPS = 5.0
FRAMES = 150


async def _measure(platform: Platform) -> tuple[list[float], list[float]]:
    """Seconds from sending to the prediction in a consumer's hands, and those of the model alone."""
    images = jpegs_of_clip(REFERENCE_DATA / "videos" / "person_room_a.mp4")
    arrived: dict[tuple[str, int], tuple[float, float]] = {}
    consumer = AIOKafkaConsumer("predictions", bootstrap_servers=platform.connection["kafka"])
    await consumer.start()

    async def watch() -> None:
        while len(arrived) < CAMERAS * FRAMES:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                now = time.time()
                for record in records:
                    prediction = Prediction.FromString(record.value)
                    infer_s = prediction.latencies.infer.ToNanoseconds() / 1e9
                    arrived[prediction.camera_id, prediction.sequence] = (now, infer_s)

    address = platform.connection["ingest"]["grpc"]
    try:
        watching = asyncio.create_task(watch())
        pushed: list[Pushed] = await asyncio.gather(
            *(push(address, platform.key, f"lat-{n}", images, FRAMES, FPS) for n in range(CAMERAS))
        )
        await asyncio.wait_for(watching, 60)
    finally:
        await consumer.stop()
    totals, models = [], []
    for (camera, sequence), (at_s, infer_s) in arrived.items():
        if sequence >= 10:  # the first seconds warm things up
            totals.append(at_s - pushed[int(camera.removeprefix("lat-"))].sent_at_s[sequence])
            models.append(infer_s)
    return totals, models


def main() -> str:
    """Runs the benchmark and gives its table."""
    with tempfile.TemporaryDirectory() as folder, running_platform(Path(folder) / "data") as platform:
        platform.serve_yolox(REFERENCE_DATA)
        for number in range(CAMERAS):
            platform.run("camera", "add", f"lat-{number}")
        totals, models = asyncio.run(_measure(platform))
    beyond = [total - model for total, model in zip(totals, models, strict=True)]
    return markdown(
        f"Push to prediction: {CAMERAS} cameras x {FPS:.0f} frames/s, 768x432, YOLOX-nano",
        ("", "p50 ms", "p99 ms"),
        [
            ("push to prediction in a consumer's hands", ms(totals, 50), ms(totals, 99)),
            ("the model's own time", ms(models, 50), ms(models, 99)),
            ("beyond the model", ms(beyond, 50), ms(beyond, 99)),
            ("to reach, beyond the model", "120", "-"),
        ],
    )


if __name__ == "__main__":
    print(main())
