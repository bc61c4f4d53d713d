"""Cameras for benchmarks: streams of encoded frames, each with a window, on one event loop.

What a camera sends is the same as of an agent; it costs less here, because the pictures are serialized beforehand.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import grpc
import numpy as np

from cvops_protos.v1.ingest_pb2 import PushFramesRequest, PushFramesResponse

PUSH_FRAMES = "/cvops.v1.Ingest/PushFrames"
WINDOW = 16
OPTIONS = (("grpc.max_send_message_length", 64 << 20), ("grpc.max_receive_message_length", 64 << 20))


@dataclass(frozen=True, slots=True)
class Pushed:
    """What one camera saw.

    Attributes:
        acknowledged: frames that ingest stored.
        latencies_s: from sending a frame to its acknowledgement.
        sent_at_s: wall clock of sending, by sequence.
    """

    acknowledged: int
    latencies_s: list[float]
    sent_at_s: list[float]


def jpegs_of_60_kb(count: int = 32, seed: int = 0) -> list[bytes]:
    """640x480 pictures with structure and noise, as JPEGs of 60 kB (within 10 %)."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(count):
        base = cv2.resize(rng.integers(0, 256, (12, 16, 3), np.uint8), (640, 480), interpolation=cv2.INTER_CUBIC)
        noisy = np.clip(base.astype(np.int16) + rng.normal(0, 10, base.shape), 0, 255).astype(np.uint8)
        candidates = (
            cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, q])[1].tobytes() for q in range(95, 30, -2)
        )
        out.append(next(jpeg for jpeg in candidates if len(jpeg) <= 66_000))
    return out


def jpegs_of_clip(path: Path, quality: int = 90) -> list[bytes]:
    """Every frame of a video, as JPEGs."""
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    return [cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes() for frame in frames]


async def push(
    address: str, key: str, camera_id: str, images: Sequence[bytes], count: int, fps: float | None = None
) -> Pushed:
    """Pushes `count` frames as one camera; as fast as acknowledgements come, or at `fps`."""
    serialized = [PushFramesRequest(image=image).SerializeToString() for image in images]
    window = asyncio.Semaphore(WINDOW)
    sent_at_s: list[float] = []
    latencies_s: list[float] = []

    async def requests() -> AsyncIterator[bytes]:
        began = time.perf_counter()
        stream = f"{camera_id}-{time.time_ns()}"
        for sequence in range(count):
            if fps is not None:
                await asyncio.sleep(max(0.0, began + sequence / fps - time.perf_counter()))
            await window.acquire()
            request = PushFramesRequest(camera_id=camera_id, stream=stream, sequence=sequence)
            request.captured_at.FromNanoseconds(time.time_ns())
            sent_at_s.append(time.time())
            # Parts of a message one behind the other are the message (protobuf: merging).
            yield request.SerializeToString() + serialized[sequence % len(serialized)]

    async with grpc.aio.insecure_channel(address, options=OPTIONS) as channel:
        metadata = (("authorization", f"Bearer {key}"),)
        call = channel.stream_stream(PUSH_FRAMES, response_deserializer=PushFramesResponse.FromString)
        async for response in call(requests(), metadata=metadata):
            window.release()
            if response.status != PushFramesResponse.STATUS_STORED:
                raise RuntimeError(f"frame {response.sequence}: {response.message}")
            latencies_s.append(time.time() - sent_at_s[response.sequence])
    return Pushed(len(latencies_s), latencies_s, sent_at_s)
