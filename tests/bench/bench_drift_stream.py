"""200 cameras replayed fast through the real Kafka: predictions a second of drift's core, and prediction to event."""

import asyncio
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from aiokafka import AIOKafkaConsumer

from cvops_common.bus import Bus
from cvops_common.records import Outgoing
from cvops_protos.v1.drift_pb2 import DriftEvent
from cvops_protos.v1.prediction_pb2 import Prediction
from tests.bench.table import markdown, ms
from tests.drift.conftest import predictions_of
from tests.e2e.whole_platform import Platform, running_platform
from tests.monitoring.frames import quiet_frames

CAMERAS, WARM, QUIET, CHANGED = 200, 256, 200, 40
AT_ONCE = 4000
BEGIN_S = 1.7e9
DIMS = 128


def _predictions(rng: np.random.Generator, n: int, begin_s: float, **change: float) -> list[list[Prediction]]:
    return [predictions_of(quiet_frames(rng, n, begin_s, dims=DIMS, **change), f"camera-{i}") for i in range(CAMERAS)]


async def _publish(bus: Bus, cameras: list[list[Prediction]]) -> None:
    """Time by time over all cameras, faster than they can be looked at: a replay."""
    events = [Outgoing(each, each.camera_id) for moment in zip(*cameras, strict=True) for each in moment]
    for begin in range(0, len(events), AT_ONCE):
        await bus.publish_many(events[begin : begin + AT_ONCE])


async def _handled(platform: Platform, wanted: int) -> None:
    """When so many predictions, with all that follows from them, are done."""
    while await asyncio.to_thread(platform.metric, "drift", "cvops_bus_records_total") < wanted:
        await asyncio.sleep(0.5)


async def _measure(platform: Platform) -> tuple[float, float, float, float, list[float], list[str]]:
    rng = np.random.default_rng(1)
    kafka = platform.connection["kafka"]
    process = psutil.Process(platform.pid("drift"))
    consumer = AIOKafkaConsumer("drift-events", bootstrap_servers=kafka, auto_offset_reset="earliest")
    async with Bus(kafka, service="bench") as bus:
        await consumer.start()
        empty_mb = process.memory_info().rss / 2**20
        await _publish(bus, _predictions(rng, WARM, BEGIN_S))
        await _handled(platform, CAMERAS * WARM)
        quiet = _predictions(rng, QUIET, BEGIN_S + WARM)
        began_cpu, began_s = sum(process.cpu_times()[:2]), time.perf_counter()
        await _publish(bus, quiet)
        await _handled(platform, CAMERAS * (WARM + QUIET))
        wall_s, cpu_s = time.perf_counter() - began_s, sum(process.cpu_times()[:2]) - began_cpu
        memory_mb = (process.memory_info().rss / 2**20 - empty_mb) / CAMERAS
        # Each camera changes at a moment of its own: some 3 a second.
        changed = [
            before[: i % CHANGED] + after[i % CHANGED :]
            for i, (before, after) in enumerate(
                zip(
                    _predictions(rng, 2 * CHANGED, BEGIN_S + WARM + QUIET),
                    _predictions(rng, 2 * CHANGED, BEGIN_S + WARM + QUIET, shift=1.0),
                    strict=True,
                )
            )
        ]
        sent_s: dict[tuple[str, int], float] = {}
        latencies: list[float] = []
        false: list[str] = []

        async def listen() -> None:
            async for record in consumer:
                event = DriftEvent.FromString(record.value)
                if event.state != DriftEvent.STATE_OPENED:
                    continue
                at = sent_s.get((event.camera_id, event.at.ToNanoseconds()))
                if at is None:
                    false.append(event.signal)
                else:
                    latencies.append(time.time() - at)

        listener = asyncio.create_task(listen())
        for moment in zip(*changed, strict=True):
            now_s = time.time()
            sent_s |= {(each.camera_id, each.captured_at.ToNanoseconds()): now_s for each in moment}
            await bus.publish_many([Outgoing(each, each.camera_id) for each in moment])
            await asyncio.sleep(0.5)
        await asyncio.sleep(5)
        listener.cancel()
        await consumer.stop()
    handled = CAMERAS * QUIET
    return handled / cpu_s, handled / wall_s, memory_mb, empty_mb, latencies, false


def main() -> str:
    """Runs the benchmark and gives its table."""
    settings = {
        "drift_reference_frames": str(WARM), "drift_reference_span_s": "0", "drift_false_alarm_days": "365",
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, running_platform(Path(folder) / "data", **settings) as platform:
        per_cpu_s, per_s, memory_mb, empty_mb, latencies, false = asyncio.run(_measure(platform))
    rows = [
        ("predictions/s of one core (CPU time of the process)", f"{per_cpu_s:.0f}", "5,000"),
        ("predictions/s, wall time, with Kafka and the publisher on the same 2 cores", f"{per_s:.0f}", "-"),
        ("memory per camera, MB (empty process: " + f"{empty_mb:.0f})", f"{memory_mb:.2f}", "-"),
        (f"prediction to event, 400 predictions/s, p50 / p99, ms ({len(latencies)} alarms)",
         f"{ms(latencies, 50)} / {ms(latencies, 99)}", "-"),
        ("alarms before the change", " ".join([f"{len(false)}", *false]), "0"),
    ]  # fmt: skip
    title = "Drift through the real Kafka: 200 cameras, 128-d embeddings, one replica"
    return markdown(title, ("item", "ours", "must"), rows)


if __name__ == "__main__":
    print(main())
