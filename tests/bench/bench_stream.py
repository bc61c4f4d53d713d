"""The stream path: a backlog of stored frames through inference, beside a loop that only decodes and runs the model.

The loop has what the machine can give at most: two threads, each with an ONNX Runtime session of its own, a JPEG
decoder and a letterbox; no bus, no store, no events. It runs before and after the backlog, since machines drift.
"""

import os
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort
import psutil
import simplejpeg

from tests.bench.backlog import Drained, drain
from tests.bench.load import jpegs_of_clip
from tests.bench.table import markdown
from tests.e2e.whole_platform import REFERENCE_DATA, running_platform

CAMERAS = 4
FRAMES = 400
LOOP_S = 12.0
SIDE = 416
THREADS = 2


def _session(path: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _frame(jpeg: bytes) -> np.ndarray:
    """The network input of YOLOX, as its authors prepare it: float32 (1, 3, 416, 416), BGR, at the top left."""
    image = simplejpeg.decode_jpeg(jpeg, "BGR")
    scale = min(SIDE / image.shape[0], SIDE / image.shape[1])
    width, height = round(image.shape[1] * scale), round(image.shape[0] * scale)
    canvas = np.full((SIDE, SIDE, 3), 114, np.uint8)
    canvas[:height, :width] = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(canvas.transpose(2, 0, 1)[None], np.float32)


def raw_loop(model: Path, jpegs: Sequence[bytes]) -> tuple[float, float]:
    """Frames a second of wall time, and CPU-milliseconds a frame."""
    cv2.setNumThreads(1)
    sessions = [_session(model) for _ in range(THREADS)]
    counts = [0] * THREADS
    until_s = time.perf_counter() + LOOP_S

    def work(number: int) -> None:
        session = sessions[number]
        name = session.get_inputs()[0].name
        while time.perf_counter() < until_s:
            session.run(None, {name: _frame(jpegs[(counts[number] * THREADS + number) % len(jpegs)])})
            counts[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    frames = sum(counts)
    return frames / (time.perf_counter() - began_s), 1e3 * (time.process_time() - began_cpu_s) / frames


def _stream(jpegs: Sequence[bytes]) -> Drained:
    with tempfile.TemporaryDirectory() as folder, running_platform(Path(folder) / "data") as platform:
        platform.serve_yolox(REFERENCE_DATA)
        return drain(platform, jpegs, cameras=CAMERAS, frames=FRAMES)


def main() -> str:
    """Runs the benchmark and gives its table."""
    jpegs = jpegs_of_clip(REFERENCE_DATA / "videos" / "traffic_road_a.mp4")
    model = REFERENCE_DATA / "models" / "yolox_nano.onnx"
    before = raw_loop(model, jpegs)
    stream = _stream(jpegs)
    after = raw_loop(model, jpegs)
    rate, cpu_ms = (before[0] + after[0]) / 2, (before[1] + after[1]) / 2
    return markdown(
        f"Stream: a backlog of {CAMERAS * FRAMES} stored frames, {jpegs_size(jpegs)}, YOLOX-nano, "
        f"{len(os.sched_getaffinity(0))} of {psutil.cpu_count()} cores",
        ("", "frames/s", "of the loop", "CPU ms a frame", "loop / this"),
        [
            ("decode, letterbox, two sessions on two threads", f"{rate:.1f}", "1.00", f"{cpu_ms:.1f}", "1.00"),
            (
                "backlog through inference, Kafka to Kafka",
                f"{stream.rate:.1f}",
                f"{stream.rate / rate:.2f}",
                f"{stream.cpu_ms:.1f}",
                f"{cpu_ms / stream.cpu_ms:.2f}",
            ),
            ("to reach", "-", "0.80, great 0.92", "-", "-"),
        ],
    )


def jpegs_size(jpegs: Sequence[bytes]) -> str:
    """Width, height and mean size of pictures, for a title."""
    height, width, _, _ = simplejpeg.decode_jpeg_header(jpegs[0])
    return f"{width}x{height}, {sum(map(len, jpegs)) / len(jpegs) / 1e3:.0f} kB"


if __name__ == "__main__":
    print(main())
