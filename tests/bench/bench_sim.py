"""The simulator on one core: frames a second by kind of site and light, and what each effect adds to a frame."""

import time
from collections.abc import Sequence

import cv2
import numpy as np

from cvops_sim.effects.kind import ActsOn
from cvops_sim.effects.registry import EFFECTS
from cvops_sim.fleet import mount
from cvops_sim.scenario import EPOCH_NS
from cvops_sim.scene.layout import SiteKind
from cvops_sim.simcam import Clock, SimCamera
from cvops_sim.timeline import Occurrence
from tests.bench.table import markdown

FRAMES = 60
HOURS = {"noon": 12.0, "rush hour": 17.4, "night": 23.0}
SMALL = {"yaw": 2.0, "pitch": 2.0, "roll": 2.0}


def _camera(kind: SiteKind, hour: float, effects: Sequence[str] = ()) -> SimCamera:
    mounted = mount(4, kind.value, 0, kind=kind, firmware="1.0", size_wh=(640, 360))
    occurrences = [Occurrence(EFFECTS[name], SMALL.get(name, 0.7)) for name in effects]
    return SimCamera(mounted, occurrences, Clock(5.0, EPOCH_NS, hour))


def _frames(camera: SimCamera) -> tuple[float, float, float]:
    """Seconds of the first frame, CPU-seconds of each further one, and objects in a frame."""
    began_s = time.process_time()
    camera.frame(0)
    first_s = time.process_time() - began_s
    began_s = time.process_time()
    frames = [camera.frame(sequence) for sequence in range(1, FRAMES + 1)]
    each_s = (time.process_time() - began_s) / FRAMES
    return first_s, each_s, float(np.mean([len(frame.truth.objects) for frame in frames if frame is not None]))


def main() -> str:
    """Runs the benchmark and gives its tables."""
    cv2.setNumThreads(1)
    rows = []
    for kind in SiteKind:
        for name, hour in HOURS.items():
            first_s, each_s, objects = _frames(_camera(kind, hour))
            rows.append((kind.value, name, f"{objects:.0f}", f"{1 / each_s:.0f}", f"{first_s:.2f}"))
    scenes = markdown(
        "Simulator: 640x360 on one core, noise and time stamp included; to reach: 60 frames/s with 15 objects, 1.5 s",
        ("site", "light", "objects", "frames/s", "first frame, s"),
        rows,
    )
    _, without_s, _ = _frames(_camera(SiteKind.SUBURB, 12.0))
    changing = [kind for kind in EFFECTS.values() if kind.acts_on in (ActsOn.WORLD, ActsOn.LENS, ActsOn.IMAGE)]
    added = []
    for kind in changing:
        _, each_s, _ = _frames(_camera(SiteKind.SUBURB, 12.0, [kind.name]))
        added.append((kind.name, f"{1e3 * (each_s - without_s):+.1f}"))
    effects = markdown(
        "Simulator: CPU-ms that an effect adds to a frame; negative: less is to be drawn; to reach: under 10",
        ("effect", "ms"),
        added,
    )
    return f"{scenes}\n{effects}"


if __name__ == "__main__":
    print(main())
