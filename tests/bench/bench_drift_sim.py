"""Every effect of the simulator on two cameras with the demo's model: found or not, when, and under which name.

300 frames before, 200 after the onset, 5 a second, three magnitudes. The model sees the frames as inference does, so
that embedding, novelty, class rates, counts and confidence take part beside camera health and the input statistics;
defaults of the service but for the reference, which is the first 280 frames. This table has what changes in the world
and in the stream; `drift_sim_camera` has what lens and firmware do. Each camera runs in a process of its own.
`python -m tests.bench.bench_drift_sim scooters works` runs some effects only.
"""

import sys
from collections.abc import Collection, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import cv2
import numpy as np

from cvops_bundles.bundle import open_bundle
from cvops_bundles.detections import detections_of
from cvops_bundles.session import open_session, run_of
from cvops_drift.model_watch import ModelWatch
from cvops_local.demo.champion import shipped
from cvops_monitoring.health.camera import CameraHealth
from cvops_monitoring.health.frame import HealthFrame
from cvops_monitoring.health.settings import HealthSettings
from cvops_monitoring.plain import to_plain
from cvops_monitoring.stream.frames import Frames
from cvops_monitoring.stream.settings import MonitorSettings
from cvops_protos.v1.prediction_pb2 import ModelRef
from cvops_sim.effects.kind import ActsOn, Kind
from cvops_sim.effects.registry import EFFECTS
from cvops_sim.fleet import mount
from cvops_sim.scenario import EPOCH_NS
from cvops_sim.scene.layout import SiteKind
from cvops_sim.simcam import Clock, SimCamera
from cvops_sim.timeline import Occurrence
from cvops_vision.letterbox import fill
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
_LIGHTS = {"regime:night", "regime:infrared"}
RIGHT = {
    "night": {"regime:night"},
    "ir-night": {"regime:infrared", "camera.infrared"},
    "yaw": {"camera.moved"},
    "pitch": {"camera.moved"},
    "roll": {"camera.moved"},
    "knocked": {"camera.moved"},
    "scooters": {"class_rate", "count"},
    "defocus": {"camera.defocus"},
    "dirt": {"camera.dirt"},
    "rain": {"camera.defocus"},
    "covered": {"camera.covered", "camera.dark"},
    "over-exposed": {"camera.overexposed"},
    "under-exposed": {"camera.dark"},
    "colour-cast": {"camera.colour_cast"},
    "channel-swap": {"camera.channels_swapped", "camera.colour_cast"},
    "squeeze": {"camera.size_changed"},
    "low-resolution": {"camera.size_changed"},
    "frozen": {"camera.frozen"},
    "dropped": {"camera.gaps", "camera.slow"},
    "late": {"camera.late"},
    "clock-offset": {"camera.clock_offset"},
}
"""Names that tell what happened. Others have none: fog, snow, road works and webs are changed pictures."""
BESIDE = {"low-resolution": {"camera.defocus"}, "knocked": {"camera.defocus"}}
"""Faults that are there as well."""


@dataclass(frozen=True)
class Outcome:
    """What one run told: signals with their delays in frames, and alarms before the onset."""

    told: dict[str, int]
    early: int


class Model:
    """The demo's champion, as inference runs it."""

    def __init__(self) -> None:
        bundle = open_bundle(shipped())
        monitor = bundle.monitor_bytes()
        assert monitor is not None
        self._spec = bundle.spec
        self._model, self._monitor = run_of(open_session(bundle.model_bytes())), run_of(open_session(monitor))

    def __call__(self, image: np.ndarray, inputs: list[float], time_s: float, name: str) -> Frames:
        size = self._spec.input
        slot = np.empty((size.height, size.width, 3), np.uint8)
        placement = fill(image, slot, size.resize)
        out, outlier = self._model(slot[None]), self._monitor(slot[None])["outlier_score"]
        assert self._spec.detection is not None
        found = detections_of(self._spec.detection, out["boxes"][0], out["scores"][0], out["class_ids"][0], placement)
        counts = np.bincount(found.class_ids, minlength=len(self._spec.classes)).astype(np.int64)
        return Frames(
            time_s=np.array([time_s]),
            embedding=out["embedding"].astype(np.float16).astype(np.float32),
            novelty=np.asarray(outlier, np.float64).reshape(1),
            inputs=np.array([inputs]),
            counts=counts[None],
            confidence=np.array([float(found.scores.mean()) if len(found.scores) else np.nan]),
            ids=(name,),
        )


def _camera(kind: SiteKind, occurrences: list[Occurrence]) -> SimCamera:
    mounted = mount(7, kind.value, 0, kind=kind, firmware="1.0", size_wh=(640, 360))
    return SimCamera(mounted, occurrences, Clock(FPS, EPOCH_NS, 11.0))


def _observed(camera: SimCamera, model: Model, begin: int, end: int) -> Iterator[tuple[int, HealthFrame, Frames]]:
    for sequence in range(begin, end):
        frame = camera.frame(sequence)
        if frame is None:
            continue
        image = np.ascontiguousarray(frame.picture[:, :, ::-1])
        stamped_s = EPOCH_NS / 1e9 + frame.moment.stamped_s
        late_s = frame.moment.there_s - frame.moment.stamped_s
        seen = health_frame(image, stamped_s, sequence, thumbnail=sequence % int(FPS) == 0)
        object.__setattr__(seen, "received_s", stamped_s + late_s + 0.2)
        yield sequence, seen, model(image, _inputs(image), stamped_s, str(sequence))


def _inputs(image: np.ndarray) -> list[float]:
    height, width = image.shape[:2]
    stats = image_stats(image, n_bytes=1, width=width, height=height)
    return [
        width, height, stats.ratio, width * height, stats.brightness_mean, stats.brightness_std, stats.contrast,
        stats.saturation, stats.sharpness, stats.entropy, stats.cast_a, stats.cast_b, np.nan,
    ]  # fmt: skip


class Watched:
    """A camera that has been watched up to the onset; each run goes on from there."""

    def __init__(self, kind: SiteKind) -> None:
        self.kind = kind
        self._model = Model()
        health, watch = CameraHealth(HealthSettings()), ModelWatch(ModelRef(), SETTINGS, 1)
        early = 0
        for _, seen, row in _observed(_camera(kind, []), self._model, 0, BEFORE):
            early += len(health.push(seen)) + len(watch.push(row, blind=health.blind))
        self.early = early
        self._health, self._state = health.to_state(), watch.to_state()
        self._parts = {name: to_plain(part) for name, part in watch.monitor.parts().items()}

    def run(self, kind: Kind | None, magnitude: float) -> Outcome:
        """The frames after the onset."""
        onset = [Occurrence(kind, magnitude, BEFORE / FPS)] if kind else []
        health = CameraHealth.from_state(HealthSettings(), dict(self._health))
        watch = ModelWatch.from_state(SETTINGS, 1, self._state, self._parts)
        told: dict[str, int] = {}
        for sequence, seen, row in _observed(_camera(self.kind, onset), self._model, BEFORE, BEFORE + AFTER):
            delay = sequence - BEFORE + 1
            for fault in health.push(seen):
                told.setdefault(f"camera.{fault.fault.kind.value}", delay)
            for change in watch.push(row, blind=health.blind):
                told.setdefault(change.signal, delay)
            if light := watch.light(blind=health.blind):
                told.setdefault(f"regime:{light[1].regime}", delay)
        return Outcome(told, self.early)


def _magnitudes(kind: Kind) -> tuple[float, ...]:
    top = kind.highest
    return MAGNITUDES.get(kind.name, (round(0.25 * top, 2), round(0.5 * top, 2), top))


def _runs(site: SiteKind, names: Collection[str]) -> list[Outcome]:
    """All runs of one camera: without effect first."""
    cv2.setNumThreads(1)
    camera = Watched(site)
    return [camera.run(None, 0), *(camera.run(kind, magnitude) for kind, magnitude in _effects(names))]


def _effects(names: Collection[str]) -> list[tuple[Kind, float]]:
    return [(EFFECTS[name], magnitude) for name in names for magnitude in _magnitudes(EFFECTS[name])]


def names_of(*acting: ActsOn) -> list[str]:
    """Effects that act on something of these."""
    return [kind.name for kind in EFFECTS.values() if kind.acts_on in acting]


def _named(kind: Kind, told: Collection[str]) -> bool:
    return bool(
        {signal.partition(":")[0] if signal.startswith("class_rate") else signal for signal in told} & RIGHT[kind.name]
    )


def _elsewhere(kind: Kind, told: Collection[str]) -> set[str]:
    """Faults and lights that were told and are not there."""
    known = RIGHT.get(kind.name, set()) | BESIDE.get(kind.name, set())
    return {signal for signal in told if signal.startswith("camera.") or signal in _LIGHTS} - known


def table(names: Collection[str], title: str) -> str:
    """The table of some effects."""
    sites = (SiteKind.SUBURB, SiteKind.RURAL)
    with ProcessPoolExecutor(len(sites), get_context("spawn")) as pool:
        cameras = list(pool.map(_runs, sites, [tuple(names)] * len(sites)))
    before, after = (sum(each[0].early for each in cameras), sum(len(each[0].told) for each in cameras))
    rows: list[tuple[str, ...]] = [("none", "-", f"alarms: {before} before, {after} after", "-", "-", "-", "-")]
    for number, (kind, magnitude) in enumerate(_effects(names), 1):
        outcomes = [camera[number] for camera in cameras]
        delays = [str(min(each.told.values())) if each.told else "-" for each in outcomes]
        named = sum(_named(kind, each.told) for each in outcomes) if kind.name in RIGHT else None
        wrong = [_elsewhere(kind, each.told) for each in outcomes]
        signals = sorted({signal for each in outcomes for signal in each.told})
        rows.append((
            kind.name, f"{magnitude:g}", f"{sum(bool(each.told) for each in outcomes)} of 2", " / ".join(delays),
            "-" if named is None else f"{named} of 2",
            f"{sum(map(bool, wrong))} of 2" + (f": {', '.join(sorted(set().union(*wrong)))}" if any(wrong) else ""),
            ", ".join(signals),
        ))  # fmt: skip
    return markdown(
        title, ("effect", "magnitude", "found", "frames to it", "named right", "false faults", "told"), rows
    )


def main() -> str:
    """Runs the benchmark and gives its table."""
    title = "Drift on simulated roads, world and stream: two cameras with a model, 300 frames before, 200 after"
    return table(names_of(ActsOn.WORLD, ActsOn.CLOCK), title)


if __name__ == "__main__":
    print(table(sys.argv[1:], "Some effects") if sys.argv[1:] else main())
