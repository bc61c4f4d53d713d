"""Every effect of the simulator at three magnitudes on two cameras: found or not, when, and under which name.

300 frames before, 200 after the onset, 5 a second, judged by the pictures alone (no model): camera health and the input
statistics, with the defaults of the service but for the reference, which is the first 280 frames.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from cvops_monitoring.health.camera import CameraHealth
from cvops_monitoring.health.frame import HealthFrame
from cvops_monitoring.health.settings import HealthSettings
from cvops_monitoring.plain import to_plain
from cvops_monitoring.stream.frames import Frames
from cvops_monitoring.stream.regimes import CameraModelMonitor, Stage
from cvops_monitoring.stream.settings import MonitorSettings
from cvops_sim.effects.kind import ActsOn, Kind
from cvops_sim.effects.registry import EFFECTS
from cvops_sim.fleet import mount
from cvops_sim.scenario import EPOCH_NS
from cvops_sim.scene.layout import SiteKind
from cvops_sim.simcam import Clock, SimCamera
from cvops_sim.timeline import Occurrence
from cvops_vision.statistics import image_stats
from tests.bench.table import markdown
from tests.monitoring.health.filming import health_frame

FPS, BEFORE, AFTER = 5.0, 300, 200
SETTINGS = MonitorSettings(reference_frames=280, reference_span_s=0, spacing_s=0, hold_s=10, regime_s=5)
MAGNITUDES = {
    "yaw": (1, 3, 6),
    "pitch": (1, 3, 6),
    "roll": (1, 3, 6),
    "late": (2, 10, 30),
    "clock-offset": (2, 30, 300),
    "dropped": (0.2, 0.4, 0.7),
}
NAMES = {
    "yaw": "moved",
    "pitch": "moved",
    "roll": "moved",
    "knocked": "moved",
    "defocus": "defocus",
    "dirt": "defocus",
    "covered": "covered",
    "over-exposed": "overexposed",
    "under-exposed": "dark",
    "colour-cast": "colour_cast",
    "channel-swap": "channels_swapped",
    "ir-night": "infrared",
    "squeeze": "size_changed",
    "low-resolution": "size_changed",
    "frozen": "frozen",
    "dropped": "slow",
    "late": "late",
    "clock-offset": "clock_offset",
}


@dataclass(frozen=True)
class Outcome:
    """What one run told: signals with their delays in frames, and alarms before the onset."""

    told: dict[str, int]
    early: int


def _camera(kind: SiteKind, occurrences: list[Occurrence]) -> SimCamera:
    mounted = mount(7, kind.value, 0, kind=kind, firmware="1.0", size_wh=(640, 360))
    return SimCamera(mounted, occurrences, Clock(FPS, EPOCH_NS, 11.0))


def _observed(camera: SimCamera, begin: int, end: int) -> Iterator[tuple[int, HealthFrame, Frames]]:
    for sequence in range(begin, end):
        frame = camera.frame(sequence)
        if frame is None:
            continue
        image = np.ascontiguousarray(frame.picture[:, :, ::-1])
        stamped_s = EPOCH_NS / 1e9 + frame.moment.stamped_s
        late_s = frame.moment.there_s - frame.moment.stamped_s
        seen = health_frame(image, stamped_s, sequence, thumbnail=sequence % int(FPS) == 0)
        object.__setattr__(seen, "received_s", stamped_s + late_s + 0.2)
        yield sequence, seen, _row(image, stamped_s, str(sequence))


def _row(image: np.ndarray, time_s: float, name: str) -> Frames:
    height, width = image.shape[:2]
    stats = image_stats(image, n_bytes=1, width=width, height=height)
    inputs = [
        width, height, stats.ratio, width * height, stats.brightness_mean, stats.brightness_std, stats.contrast,
        stats.saturation, stats.sharpness, stats.entropy, stats.cast_a, stats.cast_b, np.nan,
    ]  # fmt: skip
    none = np.full(1, np.nan)
    empty = np.zeros((1, 0))
    return Frames(
        np.array([time_s]), empty.astype(np.float32), none, np.array([inputs]), empty.astype(np.int64), none, (name,)
    )


class Watched:
    """A camera that has been watched up to the onset; each run goes on from there."""

    def __init__(self, kind: SiteKind) -> None:
        self.kind = kind
        health, monitor = CameraHealth(HealthSettings()), CameraModelMonitor(SETTINGS, 1)
        early = 0
        for _, seen, row in _observed(_camera(kind, []), 0, BEFORE):
            early += len(health.push(seen)) + len(monitor.push(row))
        self.early = early
        self._health, self._state = health.to_state(), monitor.to_state()
        self._parts = {name: to_plain(part) for name, part in monitor.parts().items()}

    def run(self, kind: Kind | None, magnitude: float) -> Outcome:
        """The frames after the onset."""
        onset = [Occurrence(kind, magnitude, BEFORE / FPS)] if kind else []
        health = CameraHealth.from_state(HealthSettings(), dict(self._health))
        monitor = CameraModelMonitor.from_state(SETTINGS, 1, self._state, self._parts)
        told: dict[str, int] = {}
        for sequence, seen, row in _observed(_camera(self.kind, onset), BEFORE, BEFORE + AFTER):
            delay = sequence - BEFORE + 1
            for fault in health.push(seen):
                told.setdefault(f"camera.{fault.fault.kind.value}", delay)
            for change in monitor.push(row):
                told.setdefault(change.signal, delay)
            if monitor.watch is not None and monitor.watch.stage is Stage.LEARNING:
                told.setdefault(f"regime:{monitor.regime}", delay)
        return Outcome(told, self.early)


def _magnitudes(kind: Kind) -> tuple[float, ...]:
    top = kind.highest
    return MAGNITUDES.get(kind.name, (round(0.25 * top, 2), round(0.5 * top, 2), top))


def main() -> str:
    """Runs the benchmark and gives its table."""
    cv2.setNumThreads(1)
    cameras = [Watched(SiteKind.SUBURB), Watched(SiteKind.RURAL)]
    quiet = [camera.run(None, 0) for camera in cameras]
    none = f"{sum(camera.early for camera in cameras)} before, {sum(len(each.told) for each in quiet)} after"
    rows: list[tuple[str, ...]] = [("no effect", "-", "-", "-", "-", f"alarms: {none}")]
    for kind in EFFECTS.values():
        if kind.acts_on is ActsOn.TRUTH:
            continue
        for magnitude in _magnitudes(kind):
            outcomes = [camera.run(kind, magnitude) for camera in cameras]
            first = [str(min(outcome.told.values())) if outcome.told else "-" for outcome in outcomes]
            found = sum(bool(outcome.told) for outcome in outcomes)
            wished = NAMES.get(kind.name)
            named = sum(f"camera.{wished}" in outcome.told for outcome in outcomes) if wished else None
            signals = sorted({signal for outcome in outcomes for signal in outcome.told})
            rows.append((
                kind.name, f"{magnitude:g}", f"{found} of 2", " / ".join(first),
                "-" if named is None else f"{named} of 2", ", ".join(signals),
            ))  # fmt: skip
    title = "Drift on simulated roads, by the picture alone: two cameras, 300 frames before, 200 after"
    return markdown(title, ("effect", "magnitude", "found", "frames to it", "fault named", "told"), rows)


if __name__ == "__main__":
    print(main())
