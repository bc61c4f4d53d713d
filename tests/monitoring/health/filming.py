"""Health frames of real and of synthetic pictures, as ingest would make them."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np
import simplejpeg

from cvops_monitoring.health import CameraHealth, ChangeState, FaultChange, FaultKind, HealthFrame, HealthSettings
from cvops_vision.statistics import grey_thumbnail, image_stats

T0 = 1_700_000_000.0
WAY_S = 0.2
_SLACK_PX = 64


@dataclass(frozen=True)
class Clip:
    """Frames of a clip with times from 0, and the time after which it begins anew."""

    frames: list[HealthFrame]
    span_s: float

    def looped(self, seconds: float, start_s: float = T0, sequence: int = 0) -> Iterator[HealthFrame]:
        """The clip again and again."""
        for turn in range(1_000_000):
            for frame in self.frames:
                offset = turn * self.span_s
                if offset + frame.captured_s >= seconds:
                    return
                yield at(frame, start_s + offset + frame.captured_s, sequence)
                sequence += 1


def at(frame: HealthFrame, captured_s: float, sequence: int) -> HealthFrame:
    return replace(frame, captured_s=captured_s, received_s=captured_s + WAY_S, sequence=sequence)


def health_frame(image_rgb: np.ndarray, captured_s: float, sequence: int = 0, thumbnail: bool = True) -> HealthFrame:
    height, width = image_rgb.shape[:2]
    stats = image_stats(image_rgb, n_bytes=image_rgb.nbytes, width=width, height=height)
    small = simplejpeg.decode_jpeg(grey_thumbnail(image_rgb), colorspace="GRAY")[..., 0] if thumbnail else None
    return HealthFrame(
        captured_s=captured_s,
        received_s=captured_s + WAY_S,
        sequence=sequence,
        stream="run-1",
        width=width,
        height=height,
        encoding="jpeg",
        n_bytes=stats.n_bytes,
        sha256=hashlib.sha256(image_rgb.tobytes()).hexdigest(),
        brightness_mean=stats.brightness_mean,
        brightness_p1=stats.brightness_p1,
        brightness_p99=stats.brightness_p99,
        saturation=stats.saturation,
        contrast=stats.contrast,
        sharpness=stats.sharpness,
        cast_a=stats.cast_a,
        cast_b=stats.cast_b,
        edge_energy=np.frombuffer(stats.edge_energy, "<f2").reshape(6, 8).astype(np.float32),
        thumbnail=small,
    )


def pictures(path: Path) -> Iterator[tuple[float, np.ndarray]]:
    """Time from the begin and RGB picture of each frame of a video."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.time or 0.0, frame.to_ndarray(format="rgb24")


def clip(path: Path, every: int = 1) -> Clip:
    frames, last_s, times = [], -9.0, []
    for number, (time_s, picture) in enumerate(pictures(path)):
        times.append(time_s)
        if number % every:
            continue
        shown = time_s - last_s >= 0.999
        last_s = time_s if shown else last_s
        frames.append(health_frame(picture, time_s, number, thumbnail=shown))
    return Clip(frames, times[-1] + times[1] - times[0])


def photographs(shared_data: Path) -> list[np.ndarray]:
    """Real scenes, each RGB (660, 880, 3), so that a view of 640x480 can be moved in it."""
    paths = [shared_data / "drift/real_pairs/motorcycle_left.jpg"]
    found = [cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in paths]
    for name in ("bottles_table", "person_room_a", "store_aisle_short", "traffic_road_a"):
        found.append(next(pictures(shared_data / f"videos/{name}.mp4"))[1])
    return [cv2.resize(each, (880, 660), interpolation=cv2.INTER_CUBIC) for each in found]


def view(
    scene: np.ndarray, right: float = 0.0, down: float = 0.0, left_deg: float = 0.0, zoom: float = 1.0
) -> np.ndarray:
    """What a camera of 640x480 sees of a scene when the picture is moved so."""
    matrix = cv2.getRotationMatrix2D((440, 330), left_deg, zoom)
    matrix[:, 2] += right, down
    return cv2.warpAffine(scene, matrix, (880, 660), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)[
        90:570, 120:760
    ]


def lit(image_rgb: np.ndarray, gain: float, noise: float, rng: np.random.Generator, gamma: float = 1.0) -> np.ndarray:
    """A picture in other light, with sensor noise of `noise` grey levels."""
    bright = np.float32(255 * gain) * (image_rgb.astype(np.float32) / 255) ** np.float32(gamma)
    height, width = image_rgb.shape[:2]
    top, left = rng.integers(0, _SLACK_PX, 2)
    grain = _grain(height, width)[top : top + height, left : left + width]
    return np.clip(bright + np.float32(noise) * grain, 0, 255).astype(np.uint8)


@cache
def _grain(height: int, width: int) -> np.ndarray:
    """Noise of deviation 1; each picture takes another part of it."""
    rng = np.random.default_rng(5)
    return rng.standard_normal((height + _SLACK_PX, width + _SLACK_PX, 3), np.float32)


class Film:
    """A camera that is fed pictures one by one, one a second unless told otherwise."""

    def __init__(self, settings: HealthSettings | None = None, fps: float = 1.0) -> None:
        self.camera = CameraHealth(settings or HealthSettings())
        self.now_s, self.sequence, self.fps = T0, 0, fps
        self.changes: list[tuple[float, FaultChange]] = []

    def show(self, seconds: float, picture: Callable[[], np.ndarray]) -> "Film":
        end_s = self.now_s + seconds
        while self.now_s < end_s - 1e-9:
            self.push(health_frame(picture(), self.now_s, self.sequence))
        return self

    def push(self, frame: HealthFrame) -> None:
        self.changes += [(self.now_s, change) for change in self.camera.push(frame)]
        self.sequence += 1
        self.now_s += 1 / self.fps

    @property
    def opened(self) -> list[FaultKind]:
        return opened(change for _, change in self.changes)

    @property
    def open(self) -> set[FaultKind]:
        return {fault.kind for fault in self.camera.faults}


def opened(changes: Iterable[FaultChange]) -> list[FaultKind]:
    return [change.fault.kind for change in changes if change.state is ChangeState.OPENED]


def run(camera: CameraHealth, frames: Iterable[HealthFrame]) -> list[tuple[float, FaultChange]]:
    """All changes, each with the capture time of the frame that made it."""
    return [(frame.captured_s, change) for frame in frames for change in camera.push(frame)]


def opened_at(changes: Sequence[tuple[float, FaultChange]], kind: FaultKind) -> list[float]:
    return [time_s for time_s, change in changes if change.fault.kind is kind and change.state is ChangeState.OPENED]
